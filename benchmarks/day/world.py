"""The centre of the day: `patrol central up` with Mosquitto and a database of its own, its people, rosters and grids."""

from __future__ import annotations

import getpass
import json
import os
import queue
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.day.agents import JURISDICTION, KM, WEST, name_of, position_of
from benchmarks.day.script import LEASE_MS, POSTS_KM, RESPONSE_MS, Script
from benchmarks.dispatch.world import postgresql, stop
from protocol.clock import Millis, ScaledClock, SystemClock
from protocol.errors import UnavailableError

ZONE = ZoneInfo("Asia/Shanghai")
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "kerb-stone-granite-7"  # noqa: S105  # of a centre that lives for this day alone
_UP_S = 90

OFFICERS = ("王海", "李静", "张伟", "刘洋", "陈晨", "赵磊", "孙丽", "周强")


@dataclass
class World:
    """What runs, and how to reach it.

    Attributes:
        clock: the day's clock; `began_ms` is when the day begins on it.
        url: of the pages.
        brokers: address and password of the broker for each agent.
        cookies: each officer's session cookie, (name, value).
        users: each officer's number at the centre.
    """

    folder: Path
    environment: dict[str, str]
    clock: ScaledClock
    began_ms: Millis
    broker: str
    passwords: dict[str, str]
    url: str = ""
    cookies: dict[int, tuple[str, str]] = field(default_factory=dict)
    users: dict[int, int] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The date, as the statistics page wants it."""
        return datetime.fromtimestamp(self.began_ms / 1000, ZONE).date().isoformat()

    def patrol(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`patrol central …`, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "patrol", "central", *words],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip


def beginning(hours: float, lead_s: float, speed: float, system: SystemClock) -> tuple[Millis, ScaledClock]:
    """Yesterday's midnight, or nine in the morning for a part of a day; and a clock that will reach it in `lead_s` seconds.

    Yesterday, so that no instant of the day lies in the future of what counts in real time, such as log-ins.
    """
    now = system.utc_ms()
    day = datetime.fromtimestamp(now / 1000, ZONE).date() - timedelta(days=1)
    began = round(datetime.combine(day, time(0 if hours > 15 else 9), tzinfo=ZONE).timestamp() * 1000)
    return began, ScaledClock(speed, now + round(lead_s * 1000), began, system)


@contextmanager
def world(folder: Path, script: Script, speed: int, database: str) -> Iterator[World]:
    """Build it, and take it down at the end.

    Args:
        folder: empty.
        speed: of the day's clock.
        database: ``postgresql`` or ``sqlite``.

    Raises:
        UnavailableError: PostgreSQL or Mosquitto is not installed, or the centre did not come up.
    """
    lead_s = 60.0
    with ExitStack() as stack:
        began, clock = beginning(script.hours, lead_s, speed, SystemClock())
        data = folder / "centre"
        data.mkdir(mode=0o700)
        (data / "simulated").write_text("This folder holds a simulated day.\n")
        passwords = {
            name: secrets.token_urlsafe(12) for name in ("centre", *map(name_of, range(script.agents)))
        }
        port = _mosquitto(stack, folder / "mosquitto", passwords)
        (folder / "broker.password").write_text(passwords["centre"])
        (folder / "notices.toml").write_text(
            f'sender = "模拟街道"\n[policy]\nper_agent_per_hour = 0\n[sms]\ngateway = "log"\nlog_file = "{folder}/sms.jsonl"\n'
        )
        environment = {n: text for n, text in os.environ.items() if not n.startswith("PATROL_")} | {
            "PATROL_CENTRAL_DATA": str(data),
            "PATROL_CENTRAL_BROKER": f"mqtt://127.0.0.1:{port}",
            "PATROL_CENTRAL_BROKER_USER": "centre",
            "PATROL_CENTRAL_BROKER_PASSWORD_FILE": str(folder / "broker.password"),
            "PATROL_CENTRAL_NOTICES_FILE": str(folder / "notices.toml"),
            "PATROL_CENTRAL_LEASE_SECONDS": str(LEASE_MS // 1000),
            "PATROL_CENTRAL_RESPONSE_MINUTES": str(RESPONSE_MS // 60_000),
            "PATROL_CENTRAL_IDLE_MINUTES": "1440",
            "PATROL_CENTRAL_CLOCK": f"{speed}@{clock.real_ms}@{clock.scaled_ms}",
            "PYTHONUNBUFFERED": "1",
        }
        if database == "postgresql":
            environment["PATROL_DATABASE_URL"] = postgresql(stack, folder / "pg")[0]
        for name in [name for name in os.environ if name.startswith("PATROL_")]:
            del os.environ[name]
        os.environ.update({n: t for n, t in environment.items() if n.startswith("PATROL_")})
        from central.project import bootstrap

        bootstrap.start()
        bootstrap.migrate()
        made = World(folder, environment, clock, began, f"mqtt://127.0.0.1:{port}", passwords)
        _people(made, script)
        made.url = _up(stack, made)
        yield made
        from django.db import connection

        connection.close()


def _people(made: World, script: Script) -> None:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from shapely.geometry import MultiPolygon, box

    from central.dispatch import rosters
    from central.fleet.services import enrol
    from central.grids import services as grids
    from central.grids.reading import Entry, GridRow
    from central.owners import services as owners
    from central.people.services import add_user
    from notifier.owners.local import OwnerRow

    rows = [GridRow(code="d", name="模拟区", level=1, parent=None), GridRow(code="s", name="模拟街道", level=2, parent="d"),
            GridRow(code="c", name="模拟社区", level=3, parent="s")]  # fmt: skip
    entries = [Entry(n, row, None) for n, row in enumerate(rows)]
    for agent in range(script.agents):
        x = WEST.longitude + POSTS_KM[agent] * KM
        ground = box(x - 0.01, WEST.latitude - 0.01, x + 0.01, WEST.latitude + 0.01)
        row = GridRow(code=f"g{agent + 1}", name=f"{'东西南北'[agent]}街网格", level=4, parent="c")
        entries.append(Entry(len(entries), row, MultiPolygon([ground])))
        enrol(name_of(agent), JURISDICTION)
    grids.store(JURISDICTION, entries)
    owners.add([OwnerRow(stay.plate, f"+8613900{stay.number:06d}") for stay in script.stays if stay.known])
    add_user("admin", "administrator", password=PASSWORD, full_name="管理员")
    for officer in range(script.officers):
        user = add_user(f"officer{officer}", "officer", scope=JURISDICTION, full_name=OFFICERS[officer])
        made.users[officer] = user.pk
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        made.cookies[officer] = (settings.SESSION_COOKIE_NAME, str(session.session_key))
    rosters.store(
        JURISDICTION,
        [
            rosters.Wanted(f"officer{duty.officer}", made.began_ms + duty.from_ms - 1000 * (duty.from_ms == 0),
                           min(made.began_ms + duty.to_ms, made.began_ms + duty.from_ms + 24 * 3_600_000 - 2000))
            for duty in script.duties
        ],
    )  # fmt: skip


def post_of(script: Script, officer: int) -> tuple[float, float]:
    """(longitude, latitude) of an officer's post."""
    where = position_of(script.post_of(officer))
    return where.longitude, where.latitude


def _up(stack: ExitStack, made: World) -> str:
    log = stack.enter_context((made.folder / "centre.log").open("w"))
    running = subprocess.Popen(
        [sys.executable, "-m", "patrol", "central", "up", "--port", "0", "--json"],
        env=made.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    stack.callback(stop, running)
    lines: queue.Queue[str] = queue.Queue()
    assert running.stdout is not None
    stream = running.stdout
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    clock = SystemClock()
    ends = clock.monotonic_ms() + _UP_S * 1000
    while running.poll() is None and clock.monotonic_ms() < ends:
        try:
            return str(json.loads(lines.get(timeout=0.5))["url"])
        except queue.Empty:
            continue
    told = (made.folder / "centre.log").read_text()[-600:]
    raise UnavailableError(f"the centre did not come up: {told}")


def _mosquitto(stack: ExitStack, folder: Path, passwords: dict[str, str]) -> int:
    """Mosquitto with the shipped rules of who may say and hear what, and a log-in for each name."""
    places = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
    program, writer = shutil.which("mosquitto", path=places), shutil.which("mosquitto_passwd", path=places)
    if program is None or writer is None:
        raise UnavailableError("mosquitto is not installed", mend="Run: apt-get install mosquitto")
    folder.mkdir()
    shutil.copy(ROOT / "deploy/mosquitto/acl", folder / "acl")
    (folder / "acl").chmod(0o600)
    known = folder / "passwords"
    known.touch(mode=0o600)
    known.write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
    subprocess.run([writer, "-U", str(known)], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {known}\nacl_file {folder}/acl\n"
        f"persistence true\npersistence_location {folder}/\nmax_queued_messages 20000\n"
        f"log_type error\nlog_type warning\nlog_dest file {folder}/log\nuser {getpass.getuser()}\n"
    )
    broker = subprocess.Popen(
        [program, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(stop, broker)
    pause, clock = threading.Event(), SystemClock()
    ends = clock.monotonic_ms() + 30_000
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return port
        except OSError:
            if broker.poll() is not None or clock.monotonic_ms() > ends:
                raise UnavailableError("mosquitto did not start", file=folder / "log") from None
            pause.wait(0.05)
