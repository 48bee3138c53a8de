"""A centre with a clock of its own: Mosquitto with the shipped rules, a database, `patrol central up`. What `bench day` and
`bench hour` both stand on."""

from __future__ import annotations

import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.servers import Mosquitto, mosquitto_program, postgresql, stop
from protocol.clock import Millis, ScaledClock, SystemClock
from protocol.errors import UnavailableError

JURISDICTION = "my-subdistrict"
"""As in the shipped rules for Mosquitto."""

ZONE = ZoneInfo("Asia/Shanghai")
ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "kerb-stone-granite-7"  # noqa: S105  # of a centre that lives for one run
_UP_S = 90
TRIES = 3


@dataclass
class Centre:
    """What runs, and how to reach it.

    Attributes:
        clock: the run's clock; `began_ms` is when the script begins on it.
        url: of the pages.
        broker: its address; `passwords`: of each name that may log in there.
        cookies: each officer's session cookie, (name, value), by the officer's number in the script.
        users: each officer's number at the centre.
    """

    folder: Path
    environment: dict[str, str]
    broker: str
    passwords: dict[str, str]
    clock: ScaledClock = field(init=False)
    began_ms: Millis = 0
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
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
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
def centre(
    folder: Path,
    *,
    hours: float,
    speed: float,
    database: str,
    logins: Iterable[str],
    settings: Mapping[str, str],
    files: Mapping[str, str] | None = None,
    lead_s: float = 60.0,
) -> Iterator[Centre]:
    """A centre with an empty database, not yet running, in this process and for those that it will start.

    Args:
        folder: empty.
        hours: of the script.
        speed: of its clock.
        database: ``postgresql`` or ``sqlite``.
        logins: names that may log in at the broker, beside the centre.
        settings: further variables of the environment; ``{folder}`` in them is the folder.
        files: further files in the folder, by name; ``{folder}`` in them is the folder.
        lead_s: how long setting up may take once the database is there, seconds of real time; more where that took long.

    Raises:
        UnavailableError: PostgreSQL or Mosquitto is not installed, or no database could be made.
    """
    with ExitStack() as stack:
        data = folder / "centre"
        data.mkdir(mode=0o700)
        (data / "simulated").write_text("This folder holds a simulated day.\n")
        passwords = {name: secrets.token_urlsafe(12) for name in ("centre", *logins)}
        port = _mosquitto(stack, folder / "mosquitto", passwords)
        (folder / "broker.password").write_text(passwords["centre"])
        notices = 'sender = "模拟街道"\n[policy]\nper_agent_per_hour = 0\n[sms]\ngateway = "log"\nlog_file = "{folder}/sms.jsonl"\n'
        for name, text in {"notices.toml": notices, **(files or {})}.items():
            (folder / name).write_text(text.replace("{folder}", str(folder)))
        environment = {n: text for n, text in os.environ.items() if not n.startswith("PATROL_")} | {
            "PATROL_CENTRAL_DATA": str(data),
            "PATROL_CENTRAL_BROKER": f"mqtt://127.0.0.1:{port}",
            "PATROL_CENTRAL_BROKER_USER": "centre",
            "PATROL_CENTRAL_BROKER_PASSWORD_FILE": str(folder / "broker.password"),
            "PATROL_CENTRAL_NOTICES_FILE": str(folder / "notices.toml"),
            "PATROL_CENTRAL_IDLE_MINUTES": "1440",
            "PYTHONUNBUFFERED": "1",
            **{name: text.replace("{folder}", str(folder)) for name, text in settings.items()},
        }
        if database == "postgresql":
            environment["PATROL_DATABASE_URL"] = postgresql(stack, folder / "pg")[0]
        made = Centre(folder, environment, f"mqtt://127.0.0.1:{port}", passwords)
        # The longest part of setting up comes before the clock runs.
        system = SystemClock()
        since = system.monotonic_ms()
        migrated = made.patrol("migrate")
        if migrated.returncode:
            raise UnavailableError(f"no database could be made: {migrated.stderr.strip()[-300:]}")
        # What remains takes less than that again, on a slow machine too.
        lead_s = max(lead_s, 2 * (system.monotonic_ms() - since) / 1000)
        made.began_ms, made.clock = beginning(hours, lead_s, speed, system)
        environment["PATROL_CENTRAL_CLOCK"] = f"{speed:g}@{made.clock.real_ms}@{made.clock.scaled_ms}"
        for name in [name for name in os.environ if name.startswith("PATROL_")]:
            del os.environ[name]
        os.environ.update({n: t for n, t in environment.items() if n.startswith("PATROL_")})
        from central.project import bootstrap

        bootstrap.start()
        yield made
        from django.db import connection

        connection.close()


def session(user: Any) -> tuple[str, str]:
    """The cookie of somebody who has logged in: (name, value)."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    made = SessionStore()
    made[SESSION_KEY] = str(user.pk)
    made[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    made[HASH_SESSION_KEY] = user.get_session_auth_hash()
    made.save()
    return settings.SESSION_COOKIE_NAME, str(made.session_key)


def up(stack: ExitStack, made: Centre) -> None:
    """Start `patrol central up` and wait until its pages answer.

    Raises:
        UnavailableError: it did not come up.
    """
    for _ in range(TRIES):
        if _come_up(stack, made):
            return
    told = (made.folder / "centre.log").read_text()[-600:]
    raise UnavailableError(f"the centre did not come up: {told}")


def _come_up(stack: ExitStack, made: Centre) -> bool:
    """One try: the centre gives its pages half a minute, which a busy machine may need for Python alone."""
    log = stack.enter_context((made.folder / "centre.log").open("a"))
    running = subprocess.Popen(
        [sys.executable, "-m", "patrol", "central", "up", "--port", "0", "--json"],
        env=made.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    assert running.stdout is not None
    stream = running.stdout
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    clock = SystemClock()
    ends = clock.monotonic_ms() + _UP_S * 1000
    while running.poll() is None and clock.monotonic_ms() < ends:
        try:
            made.url = str(json.loads(lines.get(timeout=0.5))["url"])
        except (queue.Empty, KeyError):
            continue
        stack.callback(stop, running)
        return True
    stop(running)
    return False


def _mosquitto(stack: ExitStack, folder: Path, passwords: dict[str, str]) -> int:
    """Mosquitto with the shipped rules of who may say and hear what, and a log-in for each name."""
    writer = mosquitto_program("mosquitto_passwd")
    folder.mkdir()
    shutil.copy(ROOT / "deploy/mosquitto/acl", folder / "acl")
    (folder / "acl").chmod(0o600)
    known = folder / "passwords"
    known.touch(mode=0o600)
    known.write_text("".join(f"{name}:{word}\n" for name, word in passwords.items()))
    subprocess.run([writer, "-U", str(known)], check=True, capture_output=True)
    broker = Mosquitto(
        folder,
        f"allow_anonymous false\npassword_file {known}\nacl_file {folder}/acl\n"
        "max_queued_messages 20000\nlog_type warning\n",
    )
    stack.callback(broker.stop)
    broker.start()
    return broker.port
