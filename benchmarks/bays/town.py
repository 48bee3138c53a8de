"""A sub-district for measuring: a centre's database with bays, warned drivers and their pictures, and its web process."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocol.clock import SystemClock
from protocol.messages import Position

JURISDICTION, AGENT = "bench", "box-1"
MIDDLE = Position(longitude=116.3321, latitude=39.9145)
EXTENT_M = 4_000.0
"""Side of the square over which bays are scattered: a sub-district of 16 km²."""

_DEGREE_M = 111_195.0


@dataclass(frozen=True)
class Town:
    """What was made.

    Attributes:
        data: the centre's data folder.
        tokens: of the links of all warned drivers.
        bays: how many bays there are.
    """

    data: Path
    tokens: tuple[str, ...]
    bays: int

    @contextmanager
    def web(self, workers: int) -> Iterator[tuple[int, list[int]]]:
        """The centre's web processes until the block ends: their port and process ids."""
        from central.project import process

        listener = process.listen("127.0.0.1", 0)
        port: int = listener.getsockname()[1]
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "patrol", "central", "web", "--fd", str(listener.fileno())],
                pass_fds=(listener.fileno(),),
                env={**os.environ, "PATROL_CENTRAL_DATA": str(self.data)},
            )
            for _ in range(workers)
        ]
        listener.close()
        try:
            for one in running:
                _wait_for(port, one)
            yield port, [one.pid for one in running]
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(20)


def make_town(folder: Path, *, bays: int, drivers: int, seed: int = 7) -> Town:
    """Make the database, in SQLite, in a folder that is empty. Django is set up in this process by it, once.

    Args:
        folder: where.
        bays: how many, a third of them free, some for buses only, all observed just now.
        drivers: how many cases with a running clock, a picture each; one in three has a bay held.
        seed: of the places.
    """
    os.environ["PATROL_CENTRAL_DATA"] = str(folder)
    from central.project import bootstrap

    bootstrap.start()
    bootstrap.migrate()
    bootstrap.collect_static()
    dice = random.Random(seed)
    now = SystemClock().utc_ms()
    _scatter(bays, dice, now)
    return Town(folder, _warn(drivers, dice, now), bays)


def _scatter(count: int, dice: random.Random, now: int) -> None:
    from central.bays.models import Bay
    from central.bays.services import layout_changed

    rows = []
    for number in range(count):
        where = _somewhere(dice)
        free = dice.random() < 0.33
        rows.append(
            Bay(
                jurisdiction_id=JURISDICTION,
                bay_id=f"B{number}",
                name=f"三里河路 {number} 号泊位",
                longitude=where.longitude,
                latitude=where.latitude,
                allowed=["bus"] if dice.random() < 0.05 else ["car", "motorcycle"],
                status="free" if free else "occupied",
                free=int(free),
                observed_at_ms=now,
                observed_by="bench",
                imported_at_ms=now,
            )
        )
    Bay.objects.bulk_create(rows, batch_size=1000)
    layout_changed(JURISDICTION)


def _warn(count: int, dice: random.Random, now: int) -> tuple[str, ...]:
    from central.bays.services import offer_for_case
    from central.cases.models import Case, Evidence, Picture
    from central.cases.pictures import check, store
    from central.driver.links import keys
    from central.fleet.services import enrol
    from central.parking.models import Stay
    from notifier.links import make_token

    agent, _ = enrol(AGENT, JURISDICTION)
    tokens = []
    for number in range(count):
        where = _somewhere(dice)
        name = f"C-cam-{now}-{number}"
        case = Case.objects.create(
            source_key=f"{JURISDICTION}/{AGENT}/cam/{name}",
            jurisdiction_id=JURISDICTION,
            place="三里河路12号北门人行道",
            longitude=where.longitude,
            latitude=where.latitude,
            opened_at_ms=now,
        )
        Stay.objects.create(
            case=case,
            agent=agent,
            camera_id="cam",
            agent_case_id=name,
            agent_state="notified",
            agent_state_at_ms=now,
            vehicle_class="car",
            plate=f"京A{number:05d}",
            first_seen_ms=now - 60_000,
            clock_ends_ms=now + 3_600_000,
        )
        data = _picture(number % 20)
        digest = _digest(data)
        picture = Picture.objects.filter(sha256=digest).first()
        if picture is None:
            size, thumbnail = check(data, digest)
            store(data, thumbnail, digest)
            picture = Picture.objects.create(
                agent=agent,
                sha256=digest,
                size=len(data),
                width=size.width,
                height=size.height,
                received_at_ms=now,
            )
        Evidence.objects.create(
            case=case,
            agent=agent,
            sha256=digest,
            role="confirm",
            taken_at_ms=now - 30_000,
            width=picture.width,
            height=picture.height,
            box=[400, 250, 900, 600],
            picture=picture,
        )
        if number % 3 == 0:
            offer_for_case(case, vehicle_class="car", position=where, until_ms=now + 3_600_000)
        expires_ms = now + 86_400_000
        tokens.append(
            make_token(
                keys()[0], jurisdiction_id=JURISDICTION, agent_id=AGENT, case_id=name, expires_ms=expires_ms
            )
        )
    return tuple(tokens)


def _somewhere(dice: random.Random) -> Position:
    import math

    east, north = (dice.uniform(-EXTENT_M / 2, EXTENT_M / 2) for _ in range(2))
    across = _DEGREE_M * math.cos(math.radians(MIDDLE.latitude))
    return Position(longitude=MIDDLE.longitude + east / across, latitude=MIDDLE.latitude + north / _DEGREE_M)


def _picture(seed: int) -> bytes:
    """A picture with noise, so that it is as large as a camera's."""
    import cv2
    import numpy as np

    grey = np.random.default_rng(seed).normal(120, 25, (180, 320, 3)).clip(0, 255).astype(np.uint8)
    whole = cv2.resize(grey, (1280, 720), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, 88])[1])


def _digest(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    """Until the web process answers."""
    clock = SystemClock()
    ends = clock.monotonic_ms() + 60_000
    while clock.monotonic_ms() < ends:
        if running.poll() is not None:
            raise RuntimeError("the web process ended while starting")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as plain:
                plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if plain.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
    raise RuntimeError("the web process did not answer within a minute")
