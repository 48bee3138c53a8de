"""The centre under test: Django set up once, each test on its own fresh database, on SQLite and PostgreSQL."""

from __future__ import annotations

import atexit
import dataclasses
import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

_home = Path(tempfile.mkdtemp(prefix="patrol-central-tests-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
with patch.dict(os.environ):
    for _name in [name for name in os.environ if name.startswith("PATROL_CENTRAL_")]:
        del os.environ[_name]
    os.environ.pop("PATROL_DATABASE_URL", None)
    os.environ["PATROL_CENTRAL_DATA"] = str(_home)
    from central.project import bootstrap, environment

    bootstrap.start()
    _django_settings_module = os.environ["DJANGO_SETTINGS_MODULE"]

from django.core.signals import request_finished  # noqa: E402
from django.db import close_old_connections, connections  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.test.client import Client  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402

from central.project.brake import Brake  # noqa: E402
from central.project.gate import Gate  # noqa: E402
from protocol.clock import ManualClock  # noqa: E402
from tests.central.street import AGENT, JURISDICTION, NOON  # noqa: E402

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def django_at_rest() -> Iterator[None]:
    """Static files in place once. A test keeps its connection: an answer that a test closes is no end of a process's work."""
    setup_test_environment(debug=False)
    request_finished.disconnect(close_old_connections)
    bootstrap.collect_static()
    yield
    teardown_test_environment()
    connections.close_all()


@contextmanager
def _connected(settings: dict[str, object]) -> Iterator[None]:
    """Django's default connection of this thread, and of threads that start meanwhile, goes there.

    Threads that still wait for work at the end lose theirs: whenever one of them ended, a connection left open would be
    blamed on the test of that moment.
    """
    opened: list[Any] = []

    def remember(connection: Any, **_: object) -> None:
        opened.append(connection.connection)

    connections["default"].close()
    del connections["default"]
    connections.settings = connections.configure_settings({"default": settings})
    connection_created.connect(remember)
    try:
        yield
    finally:
        connection_created.disconnect(remember)
        connections["default"].close()
        del connections["default"]
        for one in opened:
            one.close()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """`made_once(name, make)`: a file that all workers of this run share; the first that asks makes it.

    Sixty migrations cost five seconds of a processor, and every worker needs what comes of them.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent

    def give(name: str, make: Callable[[Path], None]) -> Path:
        path = folder / name
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                unfinished = folder / f"{name}.part"
                make(unfinished)
                unfinished.rename(path)
        return path

    return give


@pytest.fixture(scope="session")
def sqlite_template(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A migrated, empty SQLite file to copy."""

    def make(path: Path) -> None:
        folder = _home / "template"
        folder.mkdir()
        with _connected(environment.database(None, folder)):
            bootstrap.migrate()
            with connections["default"].cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(folder / "central.sqlite3", path)

    return made_once("central.sqlite3", make)


@pytest.fixture(scope="session")
def postgresql_server(
    made_once: Callable[[str, Callable[[Path], None]], Path],
) -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL 16; gives the URL of a database by its name. `template_patrol` is migrated and empty."""
    folder = Path(tempfile.mkdtemp(prefix="patrol-pg-"))
    with patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(folder)}):  # it asks where locks lie when imported
        import pgserver
    import psycopg

    server = pgserver.get_server(folder / "data", cleanup_mode="delete")

    def url(name: str) -> str:
        return server.get_uri(name)

    # No test pulls the plug of the server: nothing has to reach the disk, and a database is copied in a twentieth of the time.
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):
        server.psql(f"ALTER SYSTEM SET {setting} = off")
    server.psql("ALTER SYSTEM SET checkpoint_timeout = '1h'")
    server.psql("ALTER SYSTEM SET max_wal_size = '1GB'")
    server.psql("SELECT pg_reload_conf()")
    tools = Path(pgserver.__file__).parent / "pginstall" / "bin"

    def make(path: Path) -> None:
        server.psql("CREATE DATABASE migrated")
        with _connected(environment.database(url("migrated"), folder)):
            bootstrap.migrate()
        command = [tools / "pg_dump", "--no-owner", f"--file={path}", url("migrated")]
        subprocess.run(command, check=True, timeout=60)
        server.psql("DROP DATABASE migrated")

    # The same tables, triggers and functions from the dump, also for whoever made it: the catalogue of a database that was
    # migrated step by step is several times as large, and every test copies and reads it. Frozen, no copy is marked anew.
    dump = made_once("central.sql", make)
    server.psql("CREATE DATABASE template_patrol")
    command = [tools / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", dump, url("template_patrol")]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
    with psycopg.connect(url("template_patrol"), autocommit=True) as template:
        template.execute("VACUUM (FREEZE, ANALYZE)")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Centre:
    """The database and the folder of one test."""

    engine: str
    url: str | None
    data: Path
    clock: ManualClock

    def env(self, **more: str) -> dict[str, str]:
        """The environment of a process that works on the same centre."""
        plain = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PATROL_CENTRAL_") and name != "PATROL_DATABASE_URL"
        }
        if self.url:
            plain["PATROL_DATABASE_URL"] = self.url
        return {**plain, "PATROL_CENTRAL_DATA": str(self.data), "NO_COLOR": "1", **more}


_numbers = itertools.count(1)
_finished: list[str] = []
"""Databases of finished tests, dropped before the next is made: by then their sessions have ended, and none is waited for."""


def _hold_nobody() -> None:
    """Brakes and doors live as long as the process, and each test's clock begins anew: nobody pays for an earlier test's flood."""
    for name in [name for name in sys.modules if name.startswith("central.")]:
        for each in list(vars(sys.modules[name]).values()):
            if isinstance(each, (Brake, Gate)):
                each.reset()


@pytest.fixture(params=ENGINES)
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    """A fresh, migrated centre whose clock stands at noon; the test runs once per database engine."""
    data = tmp_path / "centre"
    data.mkdir(mode=0o700)
    shutil.copy(_home / "secret_key", data / "secret_key")
    url = None
    name = f"test_{next(_numbers)}"
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), data / "central.sqlite3")
    else:
        import psycopg

        url_of = request.getfixturevalue("postgresql_server")
        url = url_of(name)
        with psycopg.connect(url_of("postgres"), autocommit=True) as admin:
            while _finished:
                admin.execute(f"DROP DATABASE {_finished.pop()} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template_patrol STRATEGY FILE_COPY")
    clock = ManualClock(NOON)
    _hold_nobody()
    from django.conf import settings

    patrol = dataclasses.replace(settings.PATROL, data=data)
    with (
        _connected(environment.database(url, data)),
        override_settings(PATROL=patrol, PATROL_CLOCK=clock),
    ):
        yield Centre(request.param, url, data, clock)
    if url is not None:
        _finished.append(name)


@pytest.fixture
def agent(centre: Centre) -> Any:
    """The enrolled agent of `tests.central.street`."""
    from central.fleet.services import enrol

    return enrol(AGENT, JURISDICTION)[0]


@pytest.fixture
def person(centre: Centre) -> Callable[..., Any]:
    """`person(name, role='officer', scope='*')`: somebody who may log in."""
    from central.people.services import add_user

    def make(name: str, role: str = "officer", scope: str = "*", password: str | None = None) -> Any:
        return add_user(name, role, scope=scope, password=password, full_name=name.title())

    return make


@pytest.fixture
def browse(centre: Centre) -> Callable[..., Client]:
    """`browse(user)`: a client that is logged in, asks in English and checks CSRF like a browser's server would."""

    def client(user: Any = None, *, csrf: bool = False) -> Client:
        made = Client(headers={"accept-language": "en"}, enforce_csrf_checks=csrf)
        if user is not None:
            made.force_login(user)
        return made

    return client
