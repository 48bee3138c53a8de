"""Plays the hour: broker, centre, people, devices; waits until everything is at rest; compares."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hour import city, compare, devices, hotline, hub, residents, shops
from benchmarks.hour.ground import MINUTE
from benchmarks.hour.script import TAIL_MS, Script, count
from benchmarks.hour.world import World, world
from benchmarks.published import Row
from protocol.clock import SystemClock

SETUP_MS = 10_000
"""Real time for what was before the hour."""

PATIENCE_S = 300
"""How long after the hour everything may take to come to rest, seconds of real time."""


SLACK_MS = 4 * MINUTE
"""By so much a step may be late without turning what is in time into what is late: the stories keep more than that apart."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What came of it: figures by part, and what else is worth telling."""

    figures: dict[str, list[Row]]
    facts: dict[str, str]

    @property
    def equal(self) -> bool:
        """Whether everything is as the script says."""
        return all(row.equal for rows in self.figures.values() for row in rows)


def play(
    folder: Path, script: Script, *, speed: float, database: str, say: Callable[[str, float], None]
) -> Hour:
    """The whole hour.

    Args:
        folder: empty.
        say: told of progress: what, and which share of the hour has passed.

    Raises:
        UnavailableError: a part did not come up.
    """
    tally = count(script)
    with ExitStack() as stack:
        say("setting up", 0)
        made = stack.enter_context(world(folder, script, speed, database))
        stage = made.stage
        centre = stage.centre
        swarm = devices.Swarm(centre, stage, list(script.devices), made.device_keys)
        patrol = city.Patrol(stage)
        for part in (swarm, patrol, stage):
            stack.callback(part.close)
        # It begins when everything stands, however long that took.
        centre.began_ms = centre.clock.utc_ms() + round(speed) * SETUP_MS
        shops.before(list(script.shops), stage)
        stage.add(residents.lives(list(script.matters), stage))
        stage.add(hotline.lives(list(script.calls), stage))
        stage.add(devices.lives(list(script.devices), stage))
        stage.add(city.lives(list(script.requests), stage, made.key))
        stage.add(shops.lives(list(script.shops), stage, made.codes))
        swarm.start()
        patrol.start()
        stage.start()
        ends_ms = script.ends_ms + TAIL_MS
        system, pause = SystemClock(), threading.Event()
        patience: int | None = None
        while not _at_rest(made) or stage.now_ms < script.ends_ms:
            pause.wait(0.5)
            passed = stage.now_ms
            say(_words(passed, stage.alive), min(1.0, max(0.0, passed / ends_ms)))
            if passed > ends_ms:
                patience = patience or system.monotonic_ms() + PATIENCE_S * 1000
                if system.monotonic_ms() > patience:
                    break
        say("comparing", 1)
        figures = compare.published(made, script, tally)
        patrol.close()
        stage.close()
        figures["proofs"] = list(compare.proofs(centre))
        return Hour(figures, _facts(script, made, swarm, patrol, database, speed))


def _at_rest(made: World) -> bool:
    """Nobody has anything left to do, and nothing is on its way to another system."""
    from central.contact.models import Message
    from central.iot.models import Letter

    if made.stage.alive or hub.waiting() or Letter.objects.exists():
        return False
    return not Message.objects.filter(state__in=("waiting", "sending")).exists()


def _facts(
    script: Script, made: World, swarm: devices.Swarm, patrol: city.Patrol, database: str, speed: float
) -> dict[str, str]:
    stage = made.stage
    heard = made.hub.heard.values()
    failures = [*stage.failures, *swarm.failures, *patrol.failures]
    facts = {
        "hour": f"{len(script.matters)} matters of residents, {len(script.calls)} calls, {len(script.devices)} devices, "
        f"{len(script.requests)} requests over Open311, {len(script.shops)} shops, {script.hours:g} h at {speed:g}x, seed {script.seed}, {database}",
        "calls over HTTP": ", ".join(f"{n} {what}" for what, n in sorted(stage.calls.items())),
        "messages of devices": str(swarm.sent),
        "webhooks": f"{sum(one.calls for one in heard)} calls, {sum(one.failed for one in heard)} failed on purpose, "
        f"{sum(one.again for one in heard)} brought again",
        "the latest step": f"{stage.late_ms / MINUTE:.1f} min of the hour too late",
    }
    if stage.late_ms > SLACK_MS:
        facts["too fast for this machine"] = (
            f"steps came more than {SLACK_MS // MINUTE} min too late, so that what was to be in time may not have been; "
            f"give a --speed of {max(1, speed * SLACK_MS / stage.late_ms / 2):.0f} or less"
        )
    if failures:
        facts["what went otherwise than the script says"] = f"{len(failures)}: " + "; ".join(failures[:12])
    return facts


def _words(passed_ms: int, alive: int) -> str:
    minutes = max(0, passed_ms // MINUTE)
    return f"{minutes // 60:02d}:{minutes % 60:02d}, {alive} stories go on"
