"""One stage: so many cameras, one agent on its cores, the farm on the others; what it cost and what it missed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import simulator
from benchmarks.capacity.clips import VEHICLES, Stream
from benchmarks.loop.clip import SCENE
from benchmarks.servers import stop
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

PARTS = ("receive", "decode", "change test", "inference", "rest")

LATE_SHARE = 1.5
"""A check is missed when no picture was decided for this many periods: half a period after it was due."""

MISSED_AFTER_S = 60
"""A stay that lasts this long has to be seen within it."""

STANDING_SHARE = 0.05
"""Cameras that see two vehicles come to stand while they are watched. One in twenty within two minutes is far more than
a street has: it makes the truth that misses are counted against."""

LEAST_START_S = 20.0
START_S_A_CAMERA: dict[Stream, float] = {"main": 0.3, "sub": 0.1}
"""What is measured begins a period after every camera has been looked at, at most so much after all have been connected: the
first look of a camera is at more of its picture than others, and all come at once. A hundred main-stream cameras have 50 s."""

ROOM_S, SPREAD_S = 15.0, 15.0
"""Vehicles come to stand within the latter span, which begins so long after that."""

TAIL_S = MISSED_AFTER_S + 5.0


def start_s(stream: Stream, cameras: int) -> float:
    """How long the first looks of so many cameras may take, seconds."""
    return LEAST_START_S + START_S_A_CAMERA[stream] * cameras


def stage_s(stream: Stream, cameras: int) -> float:
    """How long a stage lasts from the farm's start on, seconds."""
    return start_s(stream, cameras) + ROOM_S + SPREAD_S + TAIL_S


FARM_FULL = 0.95
"""A farm that used more of its cores than this sent its pictures late: nothing can be said of the agent."""

_UP_S, _END_S = 60, 30


@dataclass(frozen=True, slots=True)
class Result:
    """What one stage gave.

    Attributes:
        stream, cameras, cores: what was run.
        seconds: length of the window that was measured, wall clock.
        costs: processor seconds per camera and second, by part (`PARTS`), with every check done.
        memory_mb: the agent's largest resident memory.
        checks: pictures decided within the window, without second looks.
        missed_checks: periods without a picture decided.
        delay_s: from a picture's capture to its decision, seconds: median and largest.
        stays: vehicles that came to stand and stood long enough within the window; missed: of them, not seen.
        seen_after_s: from coming to stand to the first picture that shows the stay, seconds, one each.
        told_after_s: to the moment at which the agent had decided on that picture.
        second_looks: pictures decided between two checks.
        inferences: share of the checks in which the detector ran.
        skipped_by_farm: pictures that the farm left out within the window because the agent was behind with receiving.
        farm_share: of its cores, that the farm used within the window.
        started_s: from the agent's start until every camera had been looked at, None if one never was.
    """

    stream: Stream
    cameras: int
    cores: int
    seconds: float
    costs: dict[str, float]
    memory_mb: float
    checks: int
    missed_checks: int
    delay_s: tuple[float, float]
    stays: int = 0
    missed_stays: int = 0
    seen_after_s: list[float] = field(default_factory=list)
    told_after_s: list[float] = field(default_factory=list)
    second_looks: int = 0
    inferences: float = 0.0
    skipped_by_farm: int = 0
    farm_share: float = 0.0
    started_s: float | None = None

    @property
    def cost(self) -> float:
        """Processor seconds per camera and second."""
        return sum(self.costs.values())

    @property
    def measurable(self) -> bool:
        """The cameras sent all their pictures, in time."""
        return not self.skipped_by_farm and self.farm_share < FARM_FULL

    @property
    def sustained(self) -> bool:
        """Every picture was sent, stays were there to be missed, and nothing was missed."""
        return self.measurable and self.stays > 0 and not self.missed_checks and not self.missed_stays


def run_stage(
    stream: Stream,
    cameras: int,
    folder: Path,
    *,
    agent_cores: list[int],
    farm_cores: list[int],
    period_s: float,
    seed: int,
    model: str = "nanodet-g",
    watch_s: float | None = None,
    options: Iterable[str] = (),
    tick: Callable[[float], None] = lambda _share: None,
) -> Result:
    """Run it.

    Args:
        watch_s: only so many seconds, without stays; None for the whole stage.
        options: more lines of the configuration for each camera.
        tick: told the share that is done.

    Raises:
        UnavailableError: a process did not come up or ended early.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    standing = 0 if watch_s is not None else max(1, round(cameras * STANDING_SHARE))
    with _farm(stream, cameras, standing, seed, farm_cores) as farm:
        config = _configure(folder, farm.facts["port"], cameras, period_s, model, options)
        out = folder / "figures.jsonl"
        command = [sys.executable, "-m", "benchmarks.capacity.agent", str(config), str(out), "--cores"]
        with (folder / "agent.log").open("w") as log:
            agent = subprocess.Popen(
                [*command, *map(str, agent_cores)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                began_ms, launched_ms = clock.monotonic_ms(), clock.utc_ms()
                while (line := _last(out)) is None or line["live"] < cameras:
                    _rest(agent, folder)
                    if clock.monotonic_ms() - began_ms > _UP_S * 1000:
                        raise UnavailableError(
                            f"{cameras} cameras were not all live within {_UP_S} s; {line and line['live']} were"
                        )
                # All have been connected, and the burst of first pictures is decided.
                settle_s = 1.0 + min(period_s, 5)
                window_s = watch_s or stage_s(stream, cameras)
                start_ms = clock.utc_ms() + settle_s * 1000
                end_ms = start_ms + watch_s * 1000 if watch_s else farm.facts["began_ms"] + window_s * 1000
                while (now := clock.utc_ms()) < end_ms + 1500:
                    _rest(agent, folder)
                    tick(min(1.0, max(0.0, 1 - (end_ms - now) / (window_s * 1000))))
            finally:
                stop(agent, _END_S)
        sent = farm.finish()
    lines = [json.loads(text) for text in out.read_text("utf-8").splitlines()]
    result = _judge(
        stream, cameras, len(agent_cores), lines, farm.facts, start_ms, end_ms, period_s, launched_ms, sent=sent
    )  # fmt: skip
    return replace(result, farm_share=result.farm_share / len(farm_cores))


def _judge(
    stream: Stream,
    cameras: int,
    cores: int,
    lines: list[dict[str, Any]],
    farm: dict[str, Any],
    start_ms: float,
    end_ms: float,
    period_s: float,
    launched_ms: float,
    *,
    sent: list[dict[str, Any]] | None = None,
) -> Result:
    """What the agent's and the farm's lines say about the window. Pure.

    Args:
        lines: of `benchmarks.capacity.agent`, one a second.
        launched_ms: when the agent was started.
        farm: the farm's first line: which vehicles came to stand, and when.
        sent: its further lines.

    Raises:
        UnavailableError: the window holds too few lines.
    """
    looks: dict[str, list[tuple[int, int]]] = {f"cam{n}": [] for n in range(cameras)}
    for line in lines:
        for camera, at_ms, now_ms in line["looks"]:
            looks[camera].append((at_ms, now_ms))
    firsts = [seen[0][1] for seen in looks.values() if seen]
    begun_ms = max(firsts, default=0) + period_s * 1000
    start_ms = max(start_ms, min(begun_ms, start_ms + start_s(stream, cameras) * 1000))
    started_s = (max(firsts) - launched_ms) / 1000 if len(firsts) == cameras else None
    inside = [line for line in lines if start_ms <= line["utc_ms"] <= end_ms]
    if len(inside) < 2:
        raise UnavailableError("the agent reported too little: the machine is overloaded")
    first, last = inside[0], inside[-1]
    seconds = (last["utc_ms"] - first["utc_ms"]) / 1000
    costs = _costs(first, last, cameras, seconds, period_s)
    missed = 0
    delays = []
    for seen in looks.values():
        times = [start_ms, *(now for _, now in seen if start_ms <= now <= end_ms), end_ms]
        missed += sum(b - a > LATE_SHARE * period_s * 1000 for a, b in pairwise(times))
        delays += [(now - at) / 1000 for at, now in seen if start_ms <= now <= end_ms]
    skipped, farm_share = _sending(sent or [], start_ms, end_ms)
    runs = last["calls"].get("regions", 0) - first["calls"].get("regions", 0)
    decided = last["calls"].get("change test", 0) - first["calls"].get("change test", 0)
    delays = sorted(delays) or [0.0]
    result = Result(
        stream=stream, cameras=cameras, cores=cores, seconds=seconds, costs=costs, memory_mb=last["peak_mb"],
        checks=len(delays), missed_checks=missed, delay_s=(delays[len(delays) // 2], delays[-1]),
        inferences=runs / max(1, decided), skipped_by_farm=skipped, farm_share=farm_share,
        second_looks=last["second_looks"] - first["second_looks"], started_s=started_s,
    )  # fmt: skip
    stays = [tuple(stay) for line in lines for stay in line["stays"]]
    total = gone = 0
    seen_after: list[float] = []
    told_after: list[float] = []
    for camera, at_ms in farm["arrivals_ms"].items():
        if at_ms < start_ms or at_ms + MISSED_AFTER_S * 1000 > end_ms:
            continue
        found = sorted(
            (first_ms, told_ms)
            for name, first_ms, told_ms in stays
            if name == camera and at_ms - 1000 <= first_ms and told_ms <= at_ms + MISSED_AFTER_S * 1000
        )[:VEHICLES]
        total += VEHICLES
        gone += VEHICLES - len(found)
        seen_after += [(first_ms - at_ms) / 1000 for first_ms, _ in found]
        told_after += [(told_ms - at_ms) / 1000 for _, told_ms in found]
    return replace(result, stays=total, missed_stays=gone, seen_after_s=seen_after, told_after_s=told_after)


def _sending(sent: list[dict[str, Any]], start_ms: float, end_ms: float) -> tuple[int, float]:
    """Pictures that the farm left out, and its processor seconds a second, from the last line before the window to the
    first behind it."""
    before = [line for line in sent if line["utc_ms"] <= start_ms]
    behind = [line for line in sent if line["utc_ms"] >= end_ms]
    first = before[-1] if before else sent[0] if sent else None
    last = behind[0] if behind else sent[-1] if sent else None
    if first is None or last is None or first is last:
        return 0, 0.0
    seconds = (last["utc_ms"] - first["utc_ms"]) / 1000
    return last["skipped"] - first["skipped"], (last["cpu_s"] - first["cpu_s"]) / seconds


def _costs(
    first: dict[str, Any], last: dict[str, Any], cameras: int, seconds: float, period_s: float
) -> dict[str, float]:
    """Processor seconds per camera and second. A camera's thread receives (FFmpeg's reader does it there) and decodes.

    What is done for a check is counted per check and divided by the period: where the machine is too busy to do all
    checks the cost must not look smaller for it, nor larger in the first period, in which cameras are looked at twice.
    What second looks cost is a part of the checks' cost.
    """
    camera_seconds = cameras * seconds
    second_looks = last["second_looks"] - first["second_looks"]

    def spent(kind: str, *names: str) -> float:
        return float(sum(last[kind].get(name, 0.0) - first[kind].get(name, 0.0) for name in names))

    def a_check(seconds: float, part: str) -> float:
        calls = last["calls"].get(part, 0) - first["calls"].get(part, 0)
        calls -= second_looks if part == "decode" else 0
        return seconds / calls / period_s if calls else 0.0

    decode = spent("parts", "decode", "convert")
    test, inference = spent("parts", "change test"), spent("parts", "inference", "regions")
    receive = spent("threads", "receive") + max(0.0, spent("threads", "cameras") - decode)
    whole = last["process_s"] - first["process_s"]
    return {
        "receive": receive / camera_seconds,
        "decode": a_check(decode, "decode"),
        "change test": a_check(test, "change test"),
        "inference": a_check(inference, "change test"),
        "rest": max(0.0, whole - receive - decode - test - inference) / camera_seconds,
    }


class _Farm:
    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any]) -> None:
        self._process = process
        self.facts = facts

    def finish(self) -> list[dict[str, Any]]:
        """End it; its lines: what it had to leave out, and its processor seconds."""
        self._process.terminate()
        rest, _ = self._process.communicate(timeout=_END_S)
        return [json.loads(line) for line in rest.splitlines()]


def run_way(
    way: str,
    cameras: int,
    *,
    agent_cores: list[int],
    farm_cores: list[int],
    seconds: float,
    period_s: float,
    seed: int,
    model: str = "nanodet-g",
) -> float:
    """Processor seconds per camera and second of the ``floor`` or the ``peer`` way (`benchmarks.capacity.ways`).

    Raises:
        UnavailableError: it failed.
    """
    with _farm("main", cameras, 0, seed, farm_cores) as farm:
        command = [
            sys.executable,
            "-m",
            "benchmarks.capacity.ways",
            way,
            str(farm.facts["port"]),
            str(cameras),
        ]
        command += ["--seconds", str(seconds), "--period", str(period_s), "--model", model]
        done = subprocess.run(
            [*command, "--cores", *map(str, agent_cores)],
            capture_output=True,
            text=True,
            timeout=10 * seconds + 120,
        )
    if done.returncode:
        raise UnavailableError(f"the {way} failed: {done.stderr.strip()[-400:]}")
    return float(json.loads(done.stdout)["cpu_s_per_camera_s"])


@contextmanager
def _farm(stream: Stream, cameras: int, standing: int, seed: int, cores: list[int]) -> Iterator[_Farm]:
    command = [sys.executable, "-m", "benchmarks.capacity.farm", stream, str(cameras), "--seed", str(seed)]
    first_s = start_s(stream, cameras) + ROOM_S
    command += ["--standing", str(standing), "--first", str(first_s), "--spread", str(SPREAD_S)]
    process = subprocess.Popen(
        [*command, "--cores", *map(str, cores)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise UnavailableError("the farm did not come up")
        yield _Farm(process, json.loads(line))
    finally:
        stop(process, _END_S)


def _configure(
    folder: Path, port: int, cameras: int, period_s: float, model: str, options: Iterable[str]
) -> Path:
    (folder / "zones.toml").write_text(simulator.zone_file(simulator.load_scene(SCENE)), "utf-8")
    lines = ["[agent]", 'id = "bench"', 'jurisdiction = "bench"', 'data_dir = "data"']
    lines += ["[detector]", f"model = {json.dumps(model)}"]
    for number in range(cameras):
        lines += [
            "[[camera]]",
            f'id = "cam{number}"',
            f'url = "rtsp://127.0.0.1:{port}/cam{number}"',
            f"sample_period_s = {period_s}",
            'zones = "zones.toml"',
            *options,
        ]
    config = folder / "agent.toml"
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return config


def _last(out: Path) -> dict[str, Any] | None:
    if not out.exists():
        return None
    text = out.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()
    return json.loads(whole[-1]) if whole else None


def _rest(process: subprocess.Popen[Any], folder: Path) -> None:
    """Half a second, unless the process ends."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return
    tail = (folder / "agent.log").read_text("utf-8")[-600:].strip()
    raise UnavailableError(f"the agent ended with code {process.returncode}: {tail or 'it said nothing'}")
