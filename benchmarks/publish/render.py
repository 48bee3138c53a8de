"""The published tables, from the JSON files that the benchmarks wrote. Pure but for reading and writing files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.publish.short import SHORT, Figures
from protocol.errors import PatrolError

NAMES = ("accuracy", "capacity", "faults")


def between(name: str) -> tuple[str, str]:
    """The marks around a section."""
    return f"<!-- begin {name}: written by `patrol bench all --render` -->", f"<!-- end {name} -->"


def put(text: str, name: str, section: str) -> str:
    """The text with another section between its marks.

    Raises:
        PatrolError: the marks are not there, once each.
    """
    begin, end = between(name)
    found = re.compile(re.escape(begin) + r"\n.*?" + re.escape(end), re.DOTALL)
    if len(found.findall(text)) != 1:
        raise PatrolError(
            "the marks of this section are not there exactly once",
            field=name,
            mend=f"Put these two lines where its tables belong: {begin} and {end}",
        )
    return found.sub(lambda _: f"{begin}\n{section.strip()}\n{end}", text)


def render(folder: Path, docs: Path) -> list[str]:
    """Write the tables of every result in a folder into the page.

    Args:
        folder: with `NAME.json`, as the benchmarks wrote them; a section whose file is not there stays as it is.
        docs: the page.

    Returns:
        The sections that were written.

    Raises:
        PatrolError: no result is there, one cannot be read, or the page or its marks are missing.
    """
    text, done = _read(docs), list(found := read(folder))
    for name, whole in found.items():
        try:
            section, short = SECTIONS[name](whole), SHORT[name](whole)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _no_result(folder, name, error) from error
        text = put(put(text, name, section), f"{name} in short", short)
    from zones.writing import write_whole

    write_whole(docs, text.encode())
    return done


def read(folder: Path) -> dict[str, Figures]:
    """The results in a folder, by name.

    Raises:
        PatrolError: there is none, or one cannot be read.
    """
    found: dict[str, Figures] = {}
    for name in NAMES:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        try:
            found[name] = json.loads(_read(path))
        except ValueError as error:
            raise _no_result(folder, name, error) from error
    if not found:
        names = ", ".join(f"{name}.json" for name in NAMES)
        raise PatrolError("holds no results", file=folder, mend=f"Expected: {names}.")
    return found


def _no_result(folder: Path, name: str, error: Exception) -> PatrolError:
    return PatrolError(
        f"is no result of `patrol bench {name}`: {error!r}",
        file=folder / f"{name}.json",
        mend=f"Run: patrol bench all --only {name} --out {folder}",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise PatrolError(f"cannot be read: {error.strerror}", file=path) from error


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(_cell(one) for one in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).replace("|", "\\|")


def machine(whole: Figures) -> str:
    """The command, and where it ran."""
    facts = "; ".join(f"{name}: {fact}" for name, fact in whole["machine"].items())
    # Where results were put on that machine says nothing to anybody else.
    words = [Path(word).name if word.startswith("/") else word for word in whole["command"].split()]
    return f"`{' '.join(words)}`  \n{facts}"


def _goal(value: float | None, goal: float, *, most: bool = False) -> str:
    """A goal, and whether it is met."""
    if value is None:
        return f"{goal:g}"
    met = value <= goal if most else value >= goal
    return f"{goal:g}" if met else f"{goal:g}: **missed**"


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _digits(value: float | None, digits: int = 3) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def accuracy(whole: Figures) -> str:
    """The section of `patrol bench accuracy --json`."""
    from benchmarks.accuracy.figures import GOALS, NEAR_GOAL
    from benchmarks.accuracy.score import CREEP_MS

    figures, strata = whole["accuracy"], whole["rows"]
    everything = strata[0]
    main: list[list[object]] = []
    for row in strata:
        if row["kind"] == "light":
            goal = GOALS.get(row["name"])
            main.append(
                [
                    f"F1, {row['name']} ({row['events']} events)",
                    _digits(row["f1"]),
                    _span(row["f1_low"], row["f1_high"]),
                    "" if goal is None else _goal(row["f1"], goal),
                ]
            )
    main += [
        [
            f"F1 of all {everything['scenes']} scenes ({everything['events']} events)",
            _digits(everything["f1"]),
            _span(everything["f1_low"], everything["f1_high"]),
            "",
        ],
        ["i-LIDS score of all (moments alone)", _digits(everything["window_f1"]), "", ""],
        ["precision", _digits(everything["precision"]), "", ""],
        ["recall", _digits(everything["recall"]), "", ""],
        ["F1 of the real clips", _digits(figures["f1"]["real"]), "", ""],
        [
            "both ends within 10 s",
            _digits(everything["near"]),
            _span(everything["near_low"], everything["near_high"]),
            _goal(everything["near"], NEAR_GOAL),
        ],
        [
            "cases of a stay of twelve hours: mean (least to most)",
            f"{_digits(figures['cases_per_stay_12h'], 2)} ({figures['cases_per_stay_12h_min']} to {figures['cases_per_stay_12h_max']})",
            "",
            _goal(figures["cases_per_stay_12h"], 1, most=True),
        ],
        [
            "wrongful tasks, real clips and twelve hours among them",
            f"{figures['wrongful_tasks']} of {whole['tasks']}",
            _below(whole["wrongful_rate_below"]),
            _goal(figures["wrongful_tasks"], 0, most=True),
        ],
        [
            f"of the others, on a picture within {CREEP_MS / 1000:g} s of pulling out",
            whole["pulling_out"],
            "",
            "",
        ],
        ["tasks that were due and came", f"{everything['tasks_right']} of {everything['tasks_due']}", "", ""],
        ["identity switches", everything["switches"], "", ""],
        ["fragments: the agent's stays for one true stay, mean", _digits(everything["fragments"]), "", ""],
        ["cases of a stay in the scenes, mean", _digits(everything["cases_per_stay"]), "", ""],
    ]
    for name in ("starts", "ends"):
        off = whole[name]
        main.append(
            [
                f"{name} off, s: median, 95 % below; share within 10 s",
                f"{_digits(off['median_s'], 1)}, {_digits(off['p95_s'], 1)}; {_digits(off['near'])}",
                "",
                "",
            ]
        )
    by = [
        [
            f"{row['kind']}: {row['name']}",
            row["scenes"],
            row["events"],
            _digits(row["f1"]),
            _span(row["f1_low"], row["f1_high"]),
            _digits(row["window_f1"]),
            _digits(row["near"]),
            f"{row['tasks_right']} of {row['tasks_due']}",
            row["wrongful"],
            row["switches"],
            _digits(row["fragments"], 2),
        ]
        for row in strata[1:]
    ]
    head = [
        "stratum",
        "scenes",
        "events",
        "F1",
        "95 %",
        "i-LIDS",
        "ends within 10 s",
        "tasks",
        "wrongful",
        "switches",
        "fragments",
    ]
    worst = [f"- {one['scene']}: {'; '.join(one['faults'])}" for one in whole["worst"]]
    return "\n\n".join(
        [
            table([f"seed {whole['seed']}", "figure", "95 %", "goal"], main),
            f"Processor time: {whole['cpu_s']:g} s. {machine(whole)}",
            table(head, by),
            *(["The worst scenes:\n\n" + "\n".join(worst)] if worst else []),
            "![F1 by stratum with intervals; goals are red](pictures/accuracy.svg)",
        ]
    )


def _below(rate: float | None) -> str:
    return "" if rate is None else f"below {rate:.2%}"


def capacity(whole: Figures) -> str:
    """The section of `patrol bench capacity --json`."""
    from benchmarks.capacity.search import GOALS
    from benchmarks.capacity.stage import PARTS

    figures, details = whole["capacity"], whole["details"]
    main: list[list[object]] = []
    for stream, goal in GOALS.items():
        ran = figures[f"{stream}_per_core"]
        main.append([f"{stream}-stream cameras a core that ran with nothing missed", ran, _goal(ran, goal)])
    main += [
        [
            "the way of comparable systems (every picture, detection at 5 fps), by its cost",
            figures["peer_per_core"],
            "",
        ],
        [
            "the floor (all bytes received, one keyframe decoded a check), by its cost",
            figures["floor_per_core"],
            "",
        ],
        ["stays of a minute missed, best stage of each stream", _of(figures["missed_stays"], details), "0"],
    ]
    for stream in GOALS:
        part = details[stream]
        seen = [part["seen_after_s_median"], part["seen_after_s_max"]]
        shown = None if None in seen else f"{seen[0]:.1f}, {seen[1]:.1f}"
        told = [text for text in whole["missed_goals"] if "first seen" in text and f"{stream} stream" in text]
        late = ": **missed**" if told else ""
        main.append(
            [
                f"first seen after coming to stand, {stream} stream, s: median, most",
                shown,
                "most: a period" + late,
            ]
        )
        main.append(
            [
                f"what the cost of the best stage promises, {stream} stream (not run)",
                part["per_core_by_cpu"],
                "",
            ]
        )
    main.append(["memory of the agent, MB, most", details["memory_mb"], ""])
    head = [
        "stage",
        *PARTS,
        "sum",
        "checks",
        "missed",
        "stays missed",
        "first seen, most, s",
        "decided after, s: median, most",
        "all looked at after, s",
        "memory, MB",
        "farm's cores",
        "sustained",
    ]
    stages = [
        [
            f"{row['cameras']} {row['stream']}",
            *(f"{1000 * row['costs'][part]:.2f}" for part in PARTS),
            f"{1000 * row['cost']:.2f}",
            row["checks"],
            row["missed_checks"],
            f"{row['missed_stays']} of {row['stays']}" if row["stays"] else "",
            f"{max(row['seen_after_s']):.1f}" if row["seen_after_s"] else "",
            "{:.1f}, {:.1f}".format(*row["delay_s"]),
            "" if row.get("started_s") is None else f"{row['started_s']:.0f}",
            f"{row['memory_mb']:.0f}",
            f"{row['farm_share']:.0%}",
            "not measurable"
            if not row["measurable"]
            else ""
            if not row["stays"]
            else "yes"
            if row["sustained"]
            else "no",
        ]
        for row in whole["rows"]
    ]
    missed = [f"- {text}" for text in whole["missed_goals"]]
    cut = [
        f"- the search on the {stream} stream ended before the limit was found"
        for stream in details["limit_not_reached"]
    ]
    return "\n\n".join(
        [
            table(["what", "figure", "goal"], main),
            machine(whole),
            "Every stage, in its order; processor milliseconds per camera and second by part:",
            table(head, stages),
            *(["What was missed, or not reached:\n\n" + "\n".join([*missed, *cut])] if missed or cut else []),
            "![Costs by part](pictures/capacity.svg)",
        ]
    )


def _of(missed: int | None, details: Figures) -> str | None:
    stays = sum(details[stream]["stays"] for stream in ("main", "sub"))
    return None if missed is None else f"{missed} of {stays}"


def faults(whole: Figures) -> str:
    """The section of `patrol bench faults --json`."""
    figures = whole["faults"]
    parts = (figures["accelerated"], figures["real"])
    rows: list[list[object]] = []

    def row(what: str, name: str) -> None:
        rows.append([what, *(f"{part[name]:,}" if name in part else "" for part in parts)])

    row("runs", "runs")
    row("faults that struck", "faults")
    row("seconds", "seconds")
    for what, name in (
        ("stays", "stays"), ("of these, must have a case", "musts"), ("cases", "cases"), ("warnings", "warnings"),
        ("work orders", "tasks"), ("of these, certainly due", "due"), ("restorations of the database", "restored"),
    ):  # fmt: skip
        row(what, name)
    for name in ("lost", "doubled", "unproven"):
        by = [
            sum(len(run[name]) for run in figures["wrong"] if run["sort"] == sort) if part else ""
            for sort, part in zip(("accelerated", "real"), parts, strict=True)
        ]
        rows.append([f"**{name}**", *by])
    kinds = sorted({kind for part in parts for kind in part.get("kinds", ())})
    struck = [[kind, *(part["kinds"].get(kind, 0) if part else "" for part in parts)] for kind in kinds]
    head = ["what", "accelerated", "real processes"]
    week, agent = figures["week"], parts[1].get("agent")
    flat: list[list[object]] = [["leaks found", figures["leaks"], ""]]
    for what, part, over in (
        ("the engine", week, week and f"{week['hours']} h of stream time, {week['stays']} stays"),
        ("the agent's process", agent, agent and f"{agent['minutes']:g} min, no faults"),
    ):
        for name, digits in (("rss_mb", ".0f"), ("handles", "d")):
            unit = "memory, MB" if name == "rss_mb" else "file handles"
            flat.append([f"{what}, {over or 'not run'}: {unit}", *_ends(part, name, digits)])
    wrong = [
        f"- run {run['seed']} ({run['sort']}): `{run['repeat']}`" for run in figures["wrong"]
    ]  # what was wrong stands in the file
    impossible = parts[1].get("not_possible_here", ())
    return "\n\n".join(
        [
            table(head, rows),
            machine(whole),
            table(head, struck),
            *(
                [f"Not possible on that machine: {', '.join(impossible)}; others were drawn."]
                if impossible
                else []
            ),
            table(["leaks", "warmed up (a quarter through)", "at the end"], flat),
            *(["Runs that went wrong:\n\n" + "\n".join(wrong)] if wrong else []),
            "![Faults by kind, and memory over the week](pictures/faults.svg)",
        ]
    )


def _ends(part: Figures | None, name: str, digits: str) -> tuple[str | None, str | None]:
    if not part:
        return None, None
    values = part[name]
    return f"{values[len(values) // 4]:{digits}}", f"{values[-1]:{digits}}"


SECTIONS: dict[str, Callable[[Figures], str]] = {"accuracy": accuracy, "capacity": capacity, "faults": faults}
