"""What a stranger asks first, in a sentence or two of figures: on the page's first screen, and in both READMEs. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from protocol.errors import PatrolError

Figures = dict[str, Any]


def capacity(whole: Figures) -> str:
    """How many cameras one box carries, of `patrol bench capacity --json`."""
    figures, details = whole["capacity"], whole["details"]
    seen = [_seen(details[stream]) for stream in ("main", "sub")]
    peer = figures["peer_per_core"]
    return (
        "**How many cameras does one box carry?** "
        f"One core ran **{_n(figures['main_per_core'])}** cameras of 1080p at 4 Mb/s, or **{_n(figures['sub_per_core'])}** of 640x360, "
        "each looked at every 10 s, and missed nothing. A vehicle that came to stand was first seen "
        f"{seen[0]} later at 1080p, {seen[1]} later at 640x360. Decoding every picture and detecting five times a second, "
        f"as comparable systems do, the same core carries {'not measured' if peer is None else f'{peer:.1f}'} of the former. "
        "[More, and what limits it](#capacity)"
    )


def _seen(part: Figures) -> str:
    if part["seen_after_s_median"] is None:
        return "not measured"
    return f"{part['seen_after_s_median']:.1f} s (median; {part['seen_after_s_max']:.1f} s at most)"


def accuracy(whole: Figures) -> str:
    """How often it is wrong, of `patrol bench accuracy --json`."""
    figures, drawn = whole["accuracy"], whole["rows"][0]
    right = round(drawn["events"] * (drawn["recall"] or 0))
    false = round(right / drawn["precision"]) - right if drawn["precision"] else 0
    rate = whole["wrongful_rate_below"]
    return (
        "**How often is it wrong?** "
        f"**{figures['wrongful_tasks']} of {whole['tasks']}** tasks sent an officer wrongly; the goal is none"
        f"{'' if rate is None else f', and the true rate is below {100 * rate:.2f} % with 95 % confidence'}. "
        f"Of {drawn['events']} vehicles that stood too long in {drawn['scenes']} drawn scenes {right} got their case in time, and "
        f"{false} cases were false. F1 by day, at dusk, by night and in rain: {_lights(whole, ', ')}; in the few real clips {_f1(figures['f1']['real'])}. "
        f"A stay of twelve hours is {_f1(figures['cases_per_stay_12h'], 2)} case. "
        "The scenes are drawn, not filmed. [More, and what goes wrong](#accuracy)"
    )


def faults(whole: Figures) -> str:
    """What is lost when something fails, of `patrol bench faults --json`."""
    figures = whole["faults"]
    leaks = figures["leaks"]
    return (
        "**What is lost when something fails?** "
        f"{_n(figures['runs'])} runs with {_n(figures['injected'])} faults - processes killed, networks cut, disks full, clocks wrong, "
        f"databases spoilt - lost **{_n(figures['lost'])}** stays or tasks, doubled **{_n(figures['doubled'])}** and sent "
        f"**{_n(figures['unproven'])}** tasks without proof; a simulated week showed "
        f"{'nothing, it was not run' if leaks is None else f'{leaks} leaks'}. "
        "[More](#faults)"
    )


def _n(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,}"


def _f1(value: float | None, digits: int = 3) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


SHORT: dict[str, Callable[[Figures], str]] = {"accuracy": accuracy, "capacity": capacity, "faults": faults}


def _lights(whole: Figures, comma: str) -> str:
    """F1 as the tables have it; the file's own `f1` is rounded, which would be rounded again here."""
    rows = {row["name"]: row["f1"] for row in whole["rows"] if row["kind"] == "light"}
    return comma.join(_f1(rows.get(light)) for light in ("day", "dusk", "night", "rain"))


def _wrongful(whole: Figures, words: str, rest: str) -> str:
    """The count; what is said of those tasks stays while there are any."""
    wrong, tasks = whole["accuracy"]["wrongful_tasks"], whole["tasks"]
    told = words.format(wrong=wrong, tasks=tasks)
    return f"**{told}**{rest}" if wrong else told


_Row = tuple[str, Callable[[Figures, str], str]]
"""The beginning of a row up to its figure, as a pattern, and the figure; it is told what stands behind the bold part now."""


def _lost(whole: Figures, comma: str) -> str:
    return comma.join(_n(whole["faults"][name]) for name in ("lost", "doubled", "unproven"))


_ENGLISH: dict[str, list[_Row]] = {
    "capacity": [
        ("cameras on one core, a check each 10 s, nothing missed",
         lambda w, _: f"{_n(w['capacity']['main_per_core'])} of 1080p at 4 Mb/s, {_n(w['capacity']['sub_per_core'])} of 640x360"),
        (r"comparable systems' way \(every picture decoded, detection at 5 fps\), same core",
         lambda w, _: _f1(w["capacity"]["peer_per_core"], 1)),
    ],
    "accuracy": [
        ("F1 of stays in 300 scenes nobody had seen: day, dusk, night, rain", lambda w, _: _lights(w, ", ")),
        ("cases of a stay of twelve hours", lambda w, _: _f1(w["accuracy"]["cases_per_stay_12h"], 2)),
        ("wrongful tasks there: the goal is none", lambda w, rest: _wrongful(w, "{wrong} of {tasks}", rest)),
    ],
    "faults": [
        ("faults that struck in so many runs", lambda w, _: f"{_n(w['faults']['injected'])} in {_n(w['faults']['runs'])}"),
        ("of these, stays or tasks lost, doubled, without proof", lambda w, _: _lost(w, ", ")),
    ],
}  # fmt: skip
_CHINESE: dict[str, list[_Row]] = {
    "capacity": [
        ("单核可带摄像机（每 10 秒看一次，无一遗漏）",
         lambda w, _: f"1080p 4 Mb/s {_n(w['capacity']['main_per_core'])} 路；640x360 {_n(w['capacity']['sub_per_core'])} 路"),
        ("同类系统的做法（逐帧解码、每秒检测 5 次），同一核", lambda w, _: f"{_f1(w['capacity']['peer_per_core'], 1)} 路"),
    ],
    "accuracy": [
        ("300 个从未看过的场景，停留的 F1：昼、黄昏、夜、雨", lambda w, _: _lights(w, "、")),
        ("停留十二小时的案件数", lambda w, _: _f1(w["accuracy"]["cases_per_stay_12h"], 2)),
        ("不应有的任务（目标为零）", lambda w, rest: _wrongful(w, "{tasks} 个中 {wrong} 个", rest)),
    ],
    "faults": [
        ("施加的故障", lambda w, _: f"{_n(w['faults']['runs'])} 次运行，{_n(w['faults']['injected'])} 个故障"),
        ("其中停留或任务的丢失、重复、无证据", lambda w, _: _lost(w, "、")),
    ],
}  # fmt: skip
READMES: dict[str, dict[str, list[_Row]]] = {"README.md": _ENGLISH, "README.zh-CN.md": _CHINESE}


def rewrite(text: str, name: str, results: Mapping[str, Figures]) -> str:
    """A README's text with the figures of these results; rows of others stay as they are.

    Args:
        text: of the file.
        name: of the file, in `READMES`.
        results: by name of the benchmark.

    Raises:
        PatrolError: a row is not there exactly once.
    """
    for benchmark, whole in results.items():
        for label, figure in READMES[name][benchmark]:
            row = re.compile(rf"^(\| {label} \| )(?:\*\*[^*|]+\*\*)?([^|]*?)( \|.*)$", re.MULTILINE)
            text, found = row.subn(lambda m, f=figure, w=whole: f"{m[1]}{f(w, m[2])}{m[3]}", text)
            if found != 1:
                raise PatrolError(
                    "this row is not there exactly once",
                    file=name,
                    field=label.replace("\\", ""),
                    mend="Put it back, or change its label in benchmarks/publish/short.py too.",
                )
    return text
