"""Plays the day: broker, centre, agents, officers; waits until everything is at rest; compares."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.day import compare
from benchmarks.day.agents import Box, name_of
from benchmarks.day.officers import Officer, all_at_rest
from benchmarks.day.pages import fetch
from benchmarks.day.script import MINUTE, Script
from benchmarks.day.truth import Truth, count
from benchmarks.day.world import world
from benchmarks.published import Row
from protocol.clock import SystemClock
from protocol.errors import UnavailableError

PATIENCE_S = 240
"""How long after the day everything may take to come to rest, seconds of real time."""


@dataclass(frozen=True, slots=True)
class Day:
    """What came of it: figures of the pages, of the tables and of the commands, and what else is worth telling."""

    published: list[Row]
    stored: list[Row]
    proofs: list[Row]
    facts: dict[str, str]

    @property
    def equal(self) -> bool:
        """Whether everything is as the script says."""
        return all(row.equal for row in (*self.published, *self.stored, *self.proofs))


def play(
    folder: Path,
    script: Script,
    *,
    speed: int,
    browsers: int,
    database: str,
    say: Callable[[str, float], None],
) -> Day:
    """The whole day.

    Args:
        folder: empty.
        browsers: how many officers work in Chromium.
        say: told of progress: what, and which share of the day has passed.

    Raises:
        UnavailableError: a part did not come up, or an agent broke down.
    """
    truth = count(script)
    system = SystemClock()
    with ExitStack() as stack:
        say("setting up", 0)
        made = stack.enter_context(world(folder, script, speed, database))
        boxes = []
        for index in range(script.agents):
            place = folder / name_of(index)
            place.mkdir(mode=0o700)
            broker = made.broker, made.passwords[name_of(index)]
            boxes.append(Box(place, broker, index, script, made.clock, made.began_ms))
        officers = [
            Officer(made, script, number, browser=number < browsers) for number in range(script.officers)
        ]
        for one in (*boxes, *officers):
            stack.callback(one.close)
            one.start()
        late_s = (made.clock.utc_ms() - made.began_ms) / 1000 / speed
        if late_s > 0:
            raise UnavailableError(
                f"setting up took {late_s:.0f} s longer than planned; try again on a quieter machine"
            )
        pause = threading.Event()
        ends_ms = made.began_ms + script.ends_ms
        while made.clock.utc_ms() < ends_ms:
            pause.wait(0.5)
            passed = made.clock.utc_ms() - made.began_ms
            say(_words(passed), max(0.0, passed / script.ends_ms))
            _still_alive(boxes)
        say("waiting until all is at rest", 1)
        patience = system.monotonic_ms() + PATIENCE_S * 1000
        while not _at_rest(truth, officers) and system.monotonic_ms() < patience:
            pause.wait(0.5)
        for officer in officers:
            officer.close()
        say("comparing", 1)
        published = list(compare.published(fetch(made), truth, speed))
        stored = list(compare.stored(truth))
        proofs = list(compare.commands(made))
        for box in boxes:
            box.close()
        return Day(published, stored, proofs, _facts(script, boxes, officers, database, speed))


def _still_alive(boxes: list[Box]) -> None:
    for box in boxes:
        if box.failed is not None:
            raise UnavailableError(f"agent {box.name} broke down: {box.failed!r}")


def _at_rest(truth: Truth, officers: list[Officer]) -> bool:
    """Nothing planned, nothing open, every letter confirmed."""
    from central.cases.models import Case
    from central.fleet.models import Letter

    if not all_at_rest(officers):
        return False
    cases = Case.objects.unscoped("a benchmark counts all of its own centre").filter(state="closed").count()
    return cases >= truth.cases and not Letter.objects.filter(confirmed_at_ms__isnull=True).exists()


def _facts(
    script: Script, boxes: list[Box], officers: list[Officer], database: str, speed: int
) -> dict[str, str]:
    failures = [failure for officer in officers for failure in officer.failures]
    strange = [text for officer in officers for text in officer.strange]
    pressed = {
        kind: sum(o.pressed[kind] for o in officers if o.browser)
        for kind in ("accepts", "declines", "closes")
    }
    facts = {
        "day": f"{len(script.stays)} stays, {script.agents} agents, {script.officers} officers, {script.hours:g} h at {speed}x, "
        f"seed {script.seed}, {database}",
        "in Chromium": f"{sum(o.browser for o in officers)} officers: {pressed['accepts']} accepted, "
        f"{pressed['declines']} declined, {pressed['closes']} closed there",
        "sent twice": f"{sum(box.repeated for box in boxes)} messages of agents, "
        f"{sum(sum(officer.twice.values()) for officer in officers)} actions of phones",
    }
    if failures:
        facts["calls that failed"] = f"{len(failures)}: " + "; ".join(failures[:5])
    if strange:
        facts["offers that the script does not know"] = f"{len(strange)}: " + "; ".join(strange[:5])
    return facts


def _words(passed_ms: int) -> str:
    minutes = max(0, passed_ms // MINUTE)
    return f"the day, {minutes // 60:02d}:{minutes % 60:02d}"
