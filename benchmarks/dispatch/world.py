"""A centre for measuring: PostgreSQL, Mosquitto, grids, agents and officers on duty, all real, in a folder of its own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.servers import Mosquitto, postgresql, stop
from protocol.clock import SystemClock
from protocol.messages import (
    EnforcementTask,
    EvidenceRef,
    Position,
    Vehicle,
    idempotency_key,
)
from protocol.topics import AgentTopics

JURISDICTION = "bench"
MIDDLE = Position(longitude=116.33, latitude=39.91)
CELLS = 10
"""The sub-district is a square of so many leaf grids a side."""

CELL = 0.004
"""Side of a leaf grid, degrees: some 400 m."""


@dataclass
class World:
    """What runs, and how to reach it.

    Attributes:
        folder: holds everything.
        environment: of the centre's processes.
        broker_port: where Mosquitto listens.
        cookies: session cookie of each officer, by number.
        agents: their names.
    """

    folder: Path
    environment: dict[str, str]
    broker_port: int
    broker_pid: int
    database_pid: int
    agents: tuple[str, ...]
    cookies: dict[int, str] = field(default_factory=dict)
    clock: SystemClock = field(default_factory=SystemClock)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start `patrol central …`."""
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "patrol", "central", *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **more,
            )

    @contextmanager
    def web(self) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """The pages: their port and process."""
        from central.project import process

        listener = process.listen("127.0.0.1", 0)
        port: int = listener.getsockname()[1]
        running = self.start("web", "--fd", str(listener.fileno()), pass_fds=(listener.fileno(),))
        listener.close()
        try:
            yield port, running
        finally:
            stop(running)


@contextmanager
def world(folder: Path, *, officers: int, agents: int, seed: int = 1) -> Iterator[World]:
    """Build it, and take it down at the end.

    Args:
        folder: empty.
        officers: how many are on duty, each with a fresh position and a log-in.
        agents: how many are enrolled.
        seed: of the places.

    Raises:
        UnavailableError: PostgreSQL or Mosquitto is not installed.
    """
    with ExitStack() as stack:
        url, database_pid = postgresql(stack, folder / "pg")
        broker = Mosquitto(folder / "mosquitto")
        stack.callback(broker.stop)
        broker.start()
        assert broker.pid is not None
        data = folder / "centre"
        plain = {name: text for name, text in os.environ.items() if not name.startswith("PATROL_")}
        environment = {
            **plain,
            "PATROL_CENTRAL_DATA": str(data),
            "PATROL_DATABASE_URL": url,
            "PATROL_CENTRAL_BROKER": f"mqtt://127.0.0.1:{broker.port}",
            "PATROL_CENTRAL_LEASE_SECONDS": "3600",
        }
        for name in [name for name in os.environ if name.startswith("PATROL_")]:
            del os.environ[name]
        os.environ.update({n: t for n, t in environment.items() if n.startswith("PATROL_")})
        from central.project import bootstrap

        bootstrap.start()
        bootstrap.migrate()
        bootstrap.collect_static()
        names = tuple(f"box-{number}" for number in range(agents))
        made = World(folder, environment, broker.port, broker.pid, database_pid, names)
        _fill(made, officers, random.Random(seed))
        yield made
        from django.db import connection

        connection.close()


def somewhere(dice: random.Random) -> Position:
    """A place in the sub-district."""
    half = CELLS * CELL / 2
    return Position(
        longitude=MIDDLE.longitude + dice.uniform(-half, half),
        latitude=MIDDLE.latitude + dice.uniform(-half, half),
    )


def make_task(agent: str, number: int, now: int, where: Position) -> tuple[str, str, bytes]:
    """(key, topic, payload) of a task as an agent sends it, naming two pictures."""
    case = f"C-{agent}-{number}"
    refs = tuple(
        EvidenceRef(
            sha256=f"{hash((agent, number, role)) & (2**256 - 1):064x}",
            role=role,  # type: ignore[arg-type]
            taken_at_ms=now - age,
            width=1920,
            height=1080,
            size=400_000,
            box=(100.0, 100.0, 500.0, 400.0),
        )
        for role, age in (("confirm", 600_000), ("recheck", 500))
    )
    task = EnforcementTask(
        idempotency_key=idempotency_key(JURISDICTION, agent, "cam1", case, "task"),
        jurisdiction_id=JURISDICTION,
        agent_id=agent,
        camera_id="cam1",
        case_id=case,
        issued_at_ms=now,
        zone_id="P3",
        zone_name="北门人行道",
        zone_version="a" * 64,
        place=f"三里河路{number % 200}号门前人行道",
        position=where,
        vehicle=Vehicle(
            vehicle_class="car",
            plate=f"京A{number % 100_000:05d}",
            plate_confidence=0.97,
            box=(100.0, 100.0, 500.0, 400.0),
        ),
        first_seen_ms=now - 660_000,
        confirmed_at_ms=now - 602_000,
        notified_at_ms=now - 600_000,
        clock_started_ms=now - 600_000,
        clock_ends_ms=now - 500,
        rechecked_at_ms=now - 400,
        why="62% of its footprint is in zone P3, needs 40%; same vehicle by place, look and plate",
        evidence=refs,
    )
    topic = AgentTopics(JURISDICTION, agent).of("tasks")
    return task.idempotency_key, topic, task.model_dump_json().encode()


def _fill(made: World, officers: int, dice: random.Random) -> None:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from shapely.geometry import MultiPolygon, box

    from central.dispatch import positions, rosters
    from central.fleet.services import enrol
    from central.grids import services as grids
    from central.grids.reading import Entry, GridRow
    from central.people.services import add_user

    entries = [
        Entry(n, GridRow(code=code, name=code, level=level, parent=parent), None)
        for n, (code, level, parent) in enumerate(
            (("top", 1, None), ("middle", 2, "top"), ("lower", 3, "middle"))
        )
    ]
    left = MIDDLE.longitude - CELLS * CELL / 2
    low = MIDDLE.latitude - CELLS * CELL / 2
    for x in range(CELLS):
        for y in range(CELLS):
            ground = box(left + x * CELL, low + y * CELL, left + (x + 1) * CELL, low + (y + 1) * CELL)
            row = GridRow(code=f"leaf-{x}-{y}", name=f"网格 {x}-{y}", level=4, parent="lower")
            entries.append(Entry(len(entries), row, MultiPolygon([ground])))
    grids.store(JURISDICTION, entries)
    for agent in made.agents:
        enrol(agent, JURISDICTION)
    now = made.clock.utc_ms()
    for number in range(officers):
        user = add_user(f"officer{number}", "officer", scope=JURISDICTION, full_name=f"李 {number}")
        rosters.store(JURISDICTION, [rosters.Wanted(user.username, now - 1000, now + 8 * 3_600_000)])
        where = somewhere(dice)
        fix = positions.Fix(
            longitude=where.longitude, latitude=where.latitude, accuracy_m=10, at_ms=made.clock.utc_ms()
        )
        positions.take(user, fix)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        made.cookies[user.pk] = f"{settings.SESSION_COOKIE_NAME}={session.session_key}"
