"""Many scenes on several processors; what is done is kept, so that a run that was cut off goes on."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
from pydantic import TypeAdapter, ValidationError

from benchmarks.accuracy.long_stay import judge_long_stay
from benchmarks.accuracy.play import play
from benchmarks.accuracy.score import WINDOW_MS, Judgement, Rules, TrueStay, judge
from benchmarks.accuracy.script import PERIOD_S, Script, draw_script
from benchmarks.accuracy.truth import true_stays
from benchmarks.simulator.scene import Scene
from edge_agent.build import Perceiver, open_perceiver

_ROOT = Path(__file__).resolve().parents[2]

LONG = -1
"""The number of the twelve-hour stay among the scenes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scene.

    Attributes:
        number, seed, light, situation, angle, distance, crowding: which it is; see `Script`.
        judgement: against the truth.
        inferences, looks: how often the detector ran, of how many looks.
        cpu_s: processor seconds, drawing included.
        hidden_s: how long the car that a bus was to hide was hidden without a break, seconds; None where no bus was to.
    """

    number: int
    seed: int
    light: str
    situation: str
    angle: str
    distance: str
    crowding: str
    judgement: Judgement
    inferences: int
    looks: int
    cpu_s: float
    hidden_s: float | None = None

    @property
    def name(self) -> str:
        """Words for people and files."""
        return f"{self.seed}-{self.number:03d} {self.light} {self.situation} {self.angle} {self.distance}"


_OUTCOME = TypeAdapter(Outcome)


def rules_of(script: Script) -> Rules:
    """The zone's times and the camera's period, for the score. It takes three looks to tell that a vehicle stands: where they take longer
    than the window, an alarm may, too."""
    period_ms = round(script.period_s * 1000)
    return Rules(
        round(script.confirm_s * 1000),
        round(script.grace_s * 1000),
        period_ms,
        round(script.scene["duration_s"] * 1000),
        max(WINDOW_MS, 3 * period_ms),
    )


def run_scene(seed: int, number: int, model: str, period_s: float = PERIOD_S) -> Outcome:
    """Play one scene, with a look every `period_s` seconds, and judge it; `LONG` is the twelve-hour stay, which has its own.

    Raises:
        PatrolError: the model is unknown or damaged.
    """
    began, hidden_s = time.process_time(), None
    perceiver = _perceiver(model)
    if number == LONG:
        script, judgement, log = judge_long_stay(seed, perceiver)
    else:
        script = replace(draw_script(seed, number), period_s=period_s)
        scene = Scene.from_dict(script.scene)
        log = play(script, scene, perceiver)
        stays = true_stays(scene)
        judgement = judge(stays, log, rules_of(script))
        if script.hidden_vehicle:
            hidden_s = longest_hidden_s(stays, script.hidden_vehicle)
    return Outcome(
        number, seed, script.light, script.situation, script.angle, script.distance, script.crowding,
        judgement, log.inferences, len(log.looks), round(time.process_time() - began, 2), hidden_s,
    )  # fmt: skip


def longest_hidden_s(stays: Iterable[TrueStay], vehicle: str) -> float:
    """The longest time for which too little of a standing vehicle could be seen, seconds."""
    spans = [end - start for stay in stays if stay.vehicle == vehicle for start, end in stay.hidden]
    return max(spans, default=0) / 1000


@cache
def _perceiver(model: str) -> Perceiver:
    cv2.setNumThreads(1)
    return open_perceiver(model, plates=False)


def run_scenes(
    seed: int,
    numbers: Sequence[int],
    model: str,
    *,
    jobs: int,
    kept: Path | None = None,
    period_s: float = PERIOD_S,
) -> Iterator[Outcome]:
    """Play scenes on `jobs` processors, in the order in which they end.

    Args:
        seed: of all lots.
        numbers: which scenes.
        model: the detector.
        jobs: processes.
        kept: a file that takes each outcome as a line; outcomes of the same seed, period, program and model that it
            already has are not played again.
        period_s: between two looks, seconds.

    Raises:
        PatrolError: the model is unknown or damaged.
    """
    _perceiver(model)  # a wrong name is told at once, and by this process
    program = fingerprint(model, period_s)
    known = {} if kept is None else _read(kept, seed, program)
    left = [number for number in numbers if number not in known]
    yield from (known[number] for number in numbers if number in known)
    if jobs == 1:
        for number in left:
            yield _keep(run_scene(seed, number, model, period_s), kept, program)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(run_scene, seed, number, model, period_s) for number in left]
        try:
            for done in as_completed(waiting):
                yield _keep(done.result(), kept, program)
        finally:
            pool.shutdown(cancel_futures=True)


def fingerprint(model: str, period_s: float = PERIOD_S) -> str:
    """What a scene's outcome depends on besides its seed and number: the program's text, the model's name and the period."""
    whole = hashlib.sha256(f"{model} {period_s:g}".encode())
    for folder in ("edge_agent", "zones", "models", "benchmarks/simulator", "benchmarks/accuracy"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            if path.name not in ("cli.py", "report.py", "figures.py"):
                whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def _keep(outcome: Outcome, kept: Path | None, program: str) -> Outcome:
    if kept is not None:
        line = json.dumps({"program": program, **asdict(outcome)}, ensure_ascii=False)
        with kept.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return outcome


def _read(kept: Path, seed: int, program: str) -> dict[int, Outcome]:
    known: dict[int, Outcome] = {}
    if not kept.is_file():
        return known
    for line in kept.read_text("utf-8").splitlines():
        try:
            data: dict[str, Any] = json.loads(line)
            if data.pop("program") == program and data["seed"] == seed:
                outcome = _OUTCOME.validate_python(data)
                known[outcome.number] = outcome
        except (ValueError, KeyError, ValidationError):
            continue  # a line that was cut off is played again
    return known
