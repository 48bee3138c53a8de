"""Copying a database while people work, and putting the copy in the place of another: SQLite by its own backup interface,
PostgreSQL by pg_dump and psql. Each copy is one instant of the database, and so are the counts that go with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from protocol.errors import PatrolError, UnavailableError

PAGES = 2048
"""Pages of SQLite copied between two looks at the progress."""

Rows = Callable[[str], Iterator[tuple[Any, ...]]]
HEADS = "SELECT id, history_length, history_head FROM cases_case ORDER BY id"
PEOPLE_AND_WORK = ("people_user", "cases_case", "fleet_agent")
"""A database with a row in one of these is in use."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is in a copy."""

    migrations: list[str]
    counts: dict[str, int]
    cases: int
    digest: str


def engine() -> str:
    """`sqlite` or `postgresql`."""
    return connection.vendor


def dump(path: Path, progress: Callable[[int, int], None]) -> Facts:
    """Copy the database into a file, as it was at one instant.

    Args:
        path: must not exist.
        progress: told of (done, of all), where the engine says so.

    Raises:
        UnavailableError: the database or pg_dump failed.
    """
    return _dump_sqlite(path, progress) if engine() == "sqlite" else _dump_postgresql(path)


def facts() -> Facts:
    """What is in the database now, in the same words."""
    with connection.cursor() as cursor:

        def rows(sql: str) -> Iterator[tuple[Any, ...]]:
            cursor.execute(sql)
            while found := cursor.fetchmany(2000):
                yield from found

        return _facts(rows, connection.introspection.table_names())


def in_use() -> bool:
    """Whether the database holds people, agents or cases."""
    there = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for table in PEOPLE_AND_WORK:
            if table in there:
                cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608
                if cursor.fetchone():
                    return True
    return False


def put_back(path: Path) -> Path | None:
    """Put a copy in the place of the database: all of it or nothing.

    Returns:
        Where a replaced SQLite file was put aside.

    Raises:
        UnavailableError: it failed, and the database is as it was.
    """
    connection.close()
    return _put_back_sqlite(path) if engine() == "sqlite" else _put_back_postgresql(path)


def _facts(rows: Rows, tables: list[str]) -> Facts:
    migrations = [f"{app}.{name}" for app, name in rows("SELECT app, name FROM django_migrations")]
    counts = {
        table: next(rows(f'SELECT COUNT(*) FROM "{table}"'))[0]  # noqa: S608
        for table in sorted(tables)
    }
    digest = hashlib.sha256()
    cases = 0
    for number, length, head in rows(HEADS):
        digest.update(f"{number}:{length}:{head}\n".encode())
        cases += 1
    return Facts(sorted(migrations), counts, cases, digest.hexdigest())


def _dump_sqlite(path: Path, progress: Callable[[int, int], None]) -> Facts:
    source_path = str(connection.settings_dict["NAME"])
    try:
        with (
            closing(sqlite3.connect(source_path, timeout=20)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.isolation_level = None
            # A read transaction holds one instant still, so that the copy need not begin again with each write.
            source.execute("BEGIN")
            source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            source.backup(copy, pages=PAGES, progress=lambda _, left, of: progress(of - left, of))
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole in itself
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
            if verdict != "ok":
                raise UnavailableError(f"the database is damaged: {verdict}", file=source_path)
            tables = copy.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
            names = [name for (name,) in tables.fetchall()]
            return _facts(lambda sql: iter(copy.execute(sql)), names)
    except sqlite3.Error as error:
        raise UnavailableError(f"the database cannot be copied: {error}", file=source_path) from error


def _put_back_sqlite(path: Path) -> Path | None:
    place = Path(str(connection.settings_dict["NAME"]))
    aside = None
    if place.exists():
        aside = _free(place.with_name(place.name + ".before-restore"))
        # With its log, under one new name, it stays a database that can be opened.
        for end in ("-wal", "-shm", ""):
            if Path(f"{place}{end}").exists():
                Path(f"{place}{end}").rename(f"{aside}{end}")
    path.replace(place)
    sync(place.parent)
    return aside


def _free(path: Path) -> Path:
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def sync(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _dump_postgresql(path: Path) -> Facts:
    import psycopg

    with _address() as (address, environment):
        try:
            with psycopg.connect(address, password=environment.get("PGPASSWORD")) as held:
                held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                (snapshot,) = held.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
                _run(
                    "pg_dump",
                    "--format=custom",
                    "--no-owner",
                    "--no-privileges",
                    f"--snapshot={snapshot}",
                    f"--file={path}",
                    f"--dbname={address}",
                    environment=environment,
                )
                found = held.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
                names = [name for (name,) in found.fetchall()]

                def rows(sql: str) -> Iterator[tuple[Any, ...]]:
                    with held.cursor(name="counting") as cursor:  # read bit by bit
                        yield from cursor.execute(sql.encode())

                return _facts(rows, names)
        except psycopg.Error as error:
            raise UnavailableError(f"the database cannot be copied: {error}") from error


_DROP = """
SET LOCAL lock_timeout = '10s';  -- a web process on another machine that still reads is an error, not an endless wait
DO $$
DECLARE thing record;
BEGIN
  FOR thing IN SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', thing.name);
  END LOOP;
  FOR thing IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') LOOP
    EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', thing.name);
  END LOOP;
END $$;
"""


def _put_back_postgresql(path: Path) -> None:
    script, drop = path.with_name("restore.sql"), path.with_name("drop.sql")
    drop.write_text(_DROP)
    with _address() as (address, environment):
        # As one script it runs in one transaction: pg_restore alone cannot take what was there away in the same one.
        _run(
            "pg_restore",
            "--no-owner",
            "--no-privileges",
            f"--file={script}",
            str(path),
            environment=environment,
        )
        _run(
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
            f"--file={drop}",
            f"--file={script}",
            f"--dbname={address}",
            environment=environment,
        )


@contextmanager
def _address() -> Iterator[tuple[str, dict[str, str]]]:
    """The database's address without its password, which goes by the environment: arguments are for all to see."""
    from psycopg.conninfo import make_conninfo

    wanted = connection.settings_dict
    names = {"HOST": "host", "PORT": "port", "USER": "user", "NAME": "dbname"}
    parts = {libpq: str(wanted[django]) for django, libpq in names.items() if wanted.get(django)}
    parts |= {name: str(value) for name, value in wanted.get("OPTIONS", {}).items()}
    environment = dict(os.environ)
    if wanted.get("PASSWORD"):
        environment["PGPASSWORD"] = str(wanted["PASSWORD"])
    yield make_conninfo("", **parts), environment


def _run(program: str, *arguments: str, environment: dict[str, str]) -> None:
    folder = settings.PATROL.pg_bin
    found = shutil.which(program, path=None if folder is None else str(folder))
    mend = (
        "Install the client programs of the server's version, and name their folder in PATROL_CENTRAL_PG_BIN"
    )
    if found is None:
        raise PatrolError(f"{program} is not there", field="PATROL_CENTRAL_PG_BIN", mend=mend)
    done = subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        wrong = next((line for line in lines if "error" in line.lower()), lines[0])
        raise UnavailableError(f"{program} failed: {wrong}", mend=mend if "version" in done.stderr else None)
