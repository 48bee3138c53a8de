"""Permit lists of a box: who may stand where a zone says so. Encrypted at rest, in a file of their own.

A plate is found by a keyed HMAC; plate and note are sealed with the box's key, so that a stolen file tells nothing. The
running agent reads the file anew each time, so that a permit that is entered counts at once.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from edge_agent.vault import Vault
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError

PERMITS_FILE = "permits.db"
"""Where the lists lie in a box's data folder."""

_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS permits (
  list TEXT NOT NULL, mark TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (list, mark)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS permits_mark ON permits (mark);
"""

Change = Literal["added", "changed", "unchanged"]

DATE, MOMENT = "%Y-%m-%d", "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Permit:
    """One plate on one list.

    Attributes:
        list: name of the list.
        plate: in normal spelling.
        valid_from, valid_to: local date `2026-03-01` or moment `2026-03-01 08:00` where the zone is, or empty. A date
            is valid to its end, a moment is not included.
        note: for the office.
    """

    list: str
    plate: str = field(repr=False)
    valid_from: str = ""
    valid_to: str = ""
    note: str = field(default="", repr=False)

    def span_ms(self, time_zone: str) -> tuple[Millis | None, Millis | None]:
        """(from, until) in UTC; None: open."""
        zone = ZoneInfo(time_zone)
        start = _moment(self.valid_from, zone, end=False) if self.valid_from else None
        end = _moment(self.valid_to, zone, end=True) if self.valid_to else None
        return start, end


def check_moment(text: str) -> str:
    """A date or moment in its one spelling.

    Raises:
        ValueError: it is neither.
    """
    for form in (DATE, MOMENT):
        try:
            return f"{datetime.strptime(text.replace('T', ' '), form):{form}}"  # noqa: DTZ007  # local, see `Permit`
        except ValueError:
            continue
    raise ValueError("is neither a date like 2026-03-01 nor a moment like 2026-03-01 08:00")


class PermitBook:
    """The permit lists in one SQLite file. May be used from several threads and processes.

    Args:
        path: the file; made if missing, mode 0600.
        vault: the box's key.
        readonly: never make or change the file; where it is missing there are no lists.

    Raises:
        PatrolError: the file is no such table, or of a newer version.
        UnavailableError: it cannot be opened.
    """

    def __init__(self, path: Path, vault: Vault, *, readonly: bool = False) -> None:
        self.path = path
        self._vault = vault
        self._lock = threading.Lock()
        self._readonly = readonly
        self._db: sqlite3.Connection | None = None
        if not readonly:
            self._opened()

    def lists(self) -> frozenset[str]:
        """Names of the lists, empty ones included.

        Raises:
            UnavailableError: the file cannot be read.
        """
        return frozenset(str(row[0]) for row in self._read("SELECT name FROM lists"))

    def of(self, plate: str, at_ms: Millis, time_zone: str) -> Mapping[str, Millis | None]:
        """Lists that name a plate at an instant -> until when (None: without end).

        Raises:
            PatrolError: a row does not open with this box's key.
            UnavailableError: the file cannot be read.
        """
        found: dict[str, Millis | None] = {}
        mark = self._mark(plate)
        for name, sealed in self._read("SELECT list, sealed FROM permits WHERE mark = ?", mark):
            start, end = self._open(name, sealed).span_ms(time_zone)
            if (start is None or start <= at_ms) and (end is None or at_ms < end):
                found[name] = end
        return found

    def entries(self, name: str | None = None) -> list[Permit]:
        """All permits, or those of one list, by list and plate.

        Raises:
            PatrolError: a row does not open with this box's key.
            UnavailableError: the file cannot be read.
        """
        rows = self._read("SELECT list, sealed FROM permits")
        permits = [self._open(row[0], row[1]) for row in rows if name is None or row[0] == name]
        return sorted(permits, key=lambda permit: (permit.list, permit.plate))

    def add(
        self, permits: Iterable[Permit], *, lists: Iterable[str] = (), replace: bool = False
    ) -> list[Change]:
        """Store permits, all or none; a plate stands on a list once, with what was said last.

        Args:
            permits: what to store.
            lists: lists to make even if no permit names them.
            replace: the lists that are named hold nothing else afterwards.

        Raises:
            UnavailableError: the file cannot be written.
        """
        permits = list(permits)
        changes: list[Change] = []
        with self._writing() as db:
            names = dict.fromkeys([*lists, *(permit.list for permit in permits)])
            db.executemany("INSERT OR IGNORE INTO lists VALUES (?)", [(name,) for name in names])
            known = {
                (row[0], row[1]): self._open(row[0], row[2])
                for row in db.execute("SELECT list, mark, sealed FROM permits")
            }
            if replace:
                db.executemany("DELETE FROM permits WHERE list = ?", [(name,) for name in names])
            for permit in permits:
                mark = self._mark(permit.plate)
                before = known.get((permit.list, mark))
                changes.append("added" if before is None else "unchanged" if before == permit else "changed")
                known[permit.list, mark] = permit
                db.execute(
                    "INSERT OR REPLACE INTO permits VALUES (?, ?, ?)", (permit.list, mark, self._seal(permit))
                )
        return changes

    def remove(self, name: str, plate: str | None = None) -> int:
        """Take a plate off a list, or remove a whole list; returns how many permits went. Rows are overwritten.

        Raises:
            PatrolError: there is no such list, or the plate is not on it.
            UnavailableError: the file cannot be written.
        """
        if name not in self.lists():
            raise PatrolError(
                "there is no such permit list",
                field=name,
                mend="`patrol zones permits list` shows the lists.",
            )
        with self._writing() as db:
            if plate is None:
                db.execute("DELETE FROM lists WHERE name = ?", (name,))
                return db.execute("DELETE FROM permits WHERE list = ?", (name,)).rowcount
            gone = db.execute(
                "DELETE FROM permits WHERE list = ? AND mark = ?", (name, self._mark(plate))
            ).rowcount
        if not gone:
            raise PatrolError(f"the plate is not on the list {name}", mend="Check its spelling.")
        return gone

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mark(self, plate: str) -> str:
        return self._vault.mark(f"permit\0{plate}")

    def _seal(self, permit: Permit) -> bytes:
        content = [permit.list, permit.plate, permit.valid_from, permit.valid_to, permit.note]
        return self._vault.seal(json.dumps(content, ensure_ascii=False).encode())

    def _open(self, name: str, sealed: bytes) -> Permit:
        content = json.loads(self._vault.unseal(sealed))
        if content[0] != name:
            raise PatrolError(
                f"a permit of the list {content[0]} was moved to {name}",
                file=self.path,
                mend="Import the lists again.",
            )
        return Permit(*content)

    def _opened(self) -> sqlite3.Connection | None:
        """The connection; None where nothing was ever stored and nothing may be made."""
        if self._db is not None:
            return self._db
        if self._readonly and not self.path.exists():
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise UnavailableError(f"cannot be opened: {error}", file=self.path) from error
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise PatrolError(
                    f"was written by a newer version (format {version}, this one knows {_VERSION})",
                    file=self.path,
                    mend="Install that version again; nothing was changed.",
                )
            if self._readonly and version == _VERSION:
                return
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"cannot be opened: {error}", file=self.path) from error
        except sqlite3.DatabaseError as error:
            raise PatrolError(
                f"is no table of permits: {error}", file=self.path, mend="Restore it from a backup."
            ) from error

    def _read(self, query: str, *values: object) -> list[tuple[str, bytes]]:
        try:
            with self._lock:
                db = self._opened()
                return [] if db is None else db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(f"cannot be read: {error}", file=self.path) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._opened()
            assert db is not None, "opened for reading only"
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise UnavailableError(f"cannot be written: {error}", file=self.path) from error
                raise


def _moment(text: str, zone: ZoneInfo, *, end: bool) -> Millis:
    form = DATE if len(text) == len("2026-03-01") else MOMENT
    local = datetime.strptime(text, form).replace(tzinfo=zone)
    if end and form == DATE:
        local += timedelta(days=1)  # on the wall's clock, whatever summer time does that night
    return round(local.timestamp() * 1000)
