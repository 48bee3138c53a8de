"""One accelerated run: a script, a fate, an agent, a centre; and what is left held against the truth."""

from __future__ import annotations

import random
import shutil
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults import centre
from benchmarks.faults.box import BEAT_MS, T0, Box
from benchmarks.faults.check import CaseFact, Facts, Findings, StayFact, TaskFact, check
from benchmarks.faults.damage import damage
from benchmarks.faults.fate import Fate
from benchmarks.faults.net import Broker
from benchmarks.faults.script import CONFIRM_S, GRACE_S, WINDOW_S, Script, draw_script

MEAN_STEPS = 700.0
"""Steps between two strikes at the process itself, in the mean."""

_HOUR_MS = 3_600_000
_DRAIN_BEATS = 1500


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a run."""

    seed: int
    faults: Counter[str]
    stays: int
    cases: int
    tasks: int
    warnings: int
    due: int
    musts: int
    restored: int
    findings: Findings
    story: tuple[str, ...] = field(default=())


def run(seed: int, folder: Path, *, mean: float = MEAN_STEPS) -> Run:
    """Live one script. The centre must have been taken over in this process.

    Args:
        seed: of the script and of all faults.
        folder: for the agent's data; made, and removed at the end.
        mean: steps between two strikes; 0 for an undisturbed run.
    """
    folder.mkdir(parents=True)
    script, fate = draw_script(seed), Fate(seed, mean)
    agent_id = f"box-{folder.name}"
    centre.enrol(agent_id)
    broker = Broker(fate, lambda batch: centre.take(batch, fate))
    box = Box(folder, agent_id, script, fate, broker)
    try:
        _live(box, script, fate, broker)
        facts = _facts(box, script, agent_id)
        findings = check(facts)
    except Exception:
        findings = Findings(lost=(f"the run broke: {traceback.format_exc()[-1500:]}",))
        facts = Facts()
    finally:
        box.close()
    shutil.rmtree(folder)
    return Run(
        seed,
        fate.counts,
        len(script.stands),
        len(facts.cases),
        len(facts.tasks),
        sum(facts.warnings.values()),
        sum(case.due for case in facts.cases),
        sum(stay.must for stay in facts.stays),
        len(box.witness.told),
        findings,
        tuple(fate.story),
    )


def _live(box: Box, script: Script, fate: Fate, broker: Broker) -> None:
    dice = random.Random(f"world {script.seed}")
    outcomes = random.Random(f"officer {script.seed}")
    beats = len(script.lights)
    for number in range(beats):
        if not fate.asleep:
            if dice.random() < 0.012:
                box.clock.wall_off_ms += dice.choice((-1, 1)) * dice.randint(1, _HOUR_MS)
                fate.note("clock step")
            if dice.random() < 0.012:
                fate.note("restart")
                box.close()
                box.start()
            if dice.random() < 0.008:
                _spoil(box, fate, dice)
        box.beat(number)
        broker.pass_on()
        if number % 4 == 0:
            _officer(box, broker, outcomes)
    fate.asleep = True
    for number in range(beats, beats + _DRAIN_BEATS):
        box.beat(number)
        broker.pass_on()
        if number % 4 == 0:
            _officer(box, broker, outcomes)
        if number > beats + 12 and broker.idle and not box.waiting() and not box.engine.open_cases:
            return


def _spoil(box: Box, fate: Fate, dice: random.Random) -> None:
    """Damage the database; where there is a copy, and the damage cannot be overlooked, its restoration must be told."""
    box.kill()
    done = damage(box.folder, dice)
    copied = any((box.folder / "copies").glob("*-*.db"))
    told = len(box.told())
    box.start()
    if done is not None:
        fate.note("damaged database", done.kind)
        if done.certain and copied and len(box.told()) == told:
            box.witness.silent.append(f"no database_restored after the damage: {done.kind}")


def _officer(box: Box, broker: Broker, dice: random.Random) -> None:
    for case_id, orders in centre.cases_of(box.agent_id).items():
        if orders and dice.random() < 0.5 and case_id in {c.id for c in box.engine._cases.values()}:
            broker.outcome(case_id, box.clock.utc_ms())


def _facts(box: Box, script: Script, agent_id: str) -> Facts:
    witness = box.witness
    seen = set(witness.seen)
    at_centre = centre.cases_of(agent_id)
    evidence = centre.evidence_of(agent_id)
    records = centre.records_of(agent_id)
    of_name = {stand.name: stand for stand in script.stands}
    warned: dict[str, int] = {}
    warned_at: dict[str, int] = {}
    for key, times in witness.warned.items():
        case_id = key.split("/")[-2]
        warned[case_id] = len(times)
        warned_at[case_id] = times[0]
    missing = [f"{text} still waits at the agent" for text in box.waiting()] + witness.silent
    own, shown = box.own_cases(), centre.states_of(agent_id)
    for case_id in sorted(own.keys() | at_centre.keys()):
        if own.get(case_id) != shown.get(case_id):
            here, there = own.get(case_id, "unknown"), shown.get(case_id, "unknown")
            missing.append(f"case {case_id} is {here} at the agent and {there} at the centre")
    for case_id, numbers in records.items():
        if sorted(numbers) != list(range(len(numbers))):
            missing.append(f"case {case_id}: records {sorted(numbers)}")
    cases, tasks = [], []
    for case_id, orders in at_centre.items():
        stay = witness.stay_of.get(case_id)
        cases.append(
            CaseFact(case_id, stay, _due(case_id, of_name.get(stay or ""), witness.clock_ends, seen))
        )
        for order in orders:
            if order["kind"] == "manual_check":
                tasks.append(TaskFact(case_id, True))
                continue
            why_not = _unproven(case_id, evidence[case_id], box, warned_at)
            tasks.append(TaskFact(case_id, not why_not, why_not))
    stays = tuple(StayFact(stand.name, _must(stand.comes, stand.goes, seen)) for stand in script.stands)
    return Facts(stays, tuple(cases), tuple(tasks), warned, tuple(missing))


def _must(comes: int, goes: int, seen: set[int]) -> bool:
    """It was seen so long without a pause that there is no excuse."""
    longest = length = 0
    for beat in range(comes, goes):
        length = length + 1 if beat in seen else 0
        longest = max(longest, length)
    return longest >= CONFIRM_S + 16


def _due(case_id: str, stand: object, clock_ends: dict[str, int], seen: set[int]) -> bool:
    """It stood in plain sight from its clock's end on, for most of the time that is waited for."""
    from benchmarks.faults.script import Stand

    if not isinstance(stand, Stand) or case_id not in clock_ends:
        return False
    ends = (clock_ends[case_id] - T0 + BEAT_MS - 1) // BEAT_MS
    if stand.goes < ends + WINDOW_S:
        return False
    return sum(beat in seen for beat in range(ends, ends + WINDOW_S - 2)) >= 14


def _unproven(case_id: str, pictures: list[dict[str, object]], box: Box, warned_at: dict[str, int]) -> str:
    """Why a task is not proven; empty if it is."""
    rechecks = [p for p in pictures if p["role"] == "recheck"]
    if not rechecks:
        return "it names no picture taken after the clock's end"
    for picture in pictures:
        if not picture["arrived"]:
            return "a picture that it names has not arrived"
    proof = box.witness.sealed.get(str(rechecks[-1]["sha256"]))
    if proof is None or proof.case_id != case_id:
        return "its picture was not sealed for it"
    first = box.witness.stay_of.get(case_id)
    if proof.stay is None or proof.stay != first:
        return f"its picture shows {proof.stay}, the case is about {first}"
    began = warned_at.get(case_id)
    if began is not None and proof.true_ms < began + GRACE_S * 1000:
        return f"its picture was taken {(proof.true_ms - began) / 1000:g} s after the warning"
    return ""
