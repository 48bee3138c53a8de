"""The owners' table of a box that works alone: sealed rows, looked up without ever decrypting the others.

A plate is found by a keyed HMAC; plate, phone and language are sealed with AES-256-GCM. A stolen table tells
nothing without the key. Every look-up is written down with its purpose before it is answered.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from notifier.masking import mask_plate
from notifier.owners._key import OwnersKey
from notifier.owners._plates import normal_plate
from notifier.owners._port import NoOwner, Owner
from protocol.clock import Clock, Millis
from protocol.errors import PatrolError, UnavailableError

_log = logging.getLogger(__name__)

_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS owners (
  plate_mark BLOB NOT NULL, owner_mark BLOB NOT NULL, sealed BLOB NOT NULL,
  PRIMARY KEY (plate_mark, owner_mark)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners_key (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lookups (
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, purpose TEXT NOT NULL, plate TEXT NOT NULL,
  plate_mark BLOB NOT NULL, answer TEXT NOT NULL
);
"""

Change = Literal["added", "unchanged", "second_owner"]


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One person for one plate, in normal spelling. An owner who has opted out stays in the table as such."""

    plate: str = field(repr=False)
    phone: str = field(repr=False)
    language: str | None = None
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Lookup:
    """One line of the audit: when, why, which plate (masked), what was answered."""

    at_ms: Millis
    purpose: str
    plate: str
    answer: str


@dataclass(frozen=True, slots=True)
class TableReport:
    """What `LocalDirectory.verify` found."""

    plates: int
    owners: int
    ambiguous: int
    opted_out: int
    unreadable: int


class LocalDirectory:
    """An encrypted table in one SQLite file; an `OwnerDirectory`. May be used from several threads.

    Args:
        path: the file; made if missing, mode 0600.
        key: the table's key.
        clock: stamps the audit.

    Raises:
        PatrolError: the table was sealed with another key, is damaged, or is of a newer version.
        UnavailableError: it cannot be opened.
    """

    def __init__(self, path: Path, key: OwnersKey, clock: Clock) -> None:
        self.path = path
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise UnavailableError(f"cannot be opened: {error}", file=path, field="owners.file") from error
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            # Deleted rows are overwritten: a person who was removed is gone from the file.
            self._db.execute("PRAGMA secure_delete = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise PatrolError(
                    f"was written by a newer version (format {version}, this one knows {_VERSION})",
                    file=self.path,
                    mend="Install that version again; nothing was changed.",
                )
            with self._transaction() as db:
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")
                db.execute("INSERT OR IGNORE INTO owners_key VALUES (1, ?)", (self._key.name,))
        except sqlite3.DatabaseError as error:
            raise PatrolError(
                f"is no table of owners: {error}", file=self.path, mend="Restore it from a backup."
            ) from error
        if self.key_name != self._key.name:
            raise PatrolError(
                "was sealed with another key",
                file=self.path,
                field="owners.key_file",
                mend="Name the key file that belongs to this table.",
            )

    @property
    def key_name(self) -> str:
        """Name of the key that the table is sealed with."""
        return str(self._db.execute("SELECT name FROM owners_key").fetchone()[0])

    def find(self, plate: str, purpose: str) -> Owner | NoOwner:
        """See `OwnerDirectory.find`; the look-up is committed to the audit before the answer is given."""
        try:
            normal = normal_plate(plate)
        except ValueError:
            return NoOwner("not_found")
        mark = self._key.index("plate", normal)
        try:
            with self._lock, self._transaction() as db:
                sealed = db.execute("SELECT sealed FROM owners WHERE plate_mark = ?", (mark,)).fetchall()
                answer = self._answer([self._open(mark, row[0]) for row in sealed])
                said = "found" if isinstance(answer, Owner) else answer.reason
                db.execute(
                    "INSERT INTO lookups (at_ms, purpose, plate, plate_mark, answer) VALUES (?, ?, ?, ?, ?)",
                    (self._clock.utc_ms(), purpose, mask_plate(normal), mark, said),
                )
        except (sqlite3.Error, ValueError) as error:
            raise UnavailableError(f"the table of owners cannot be used: {error}", file=self.path) from error
        _log.info("owner of %s asked for (%s): %s", mask_plate(normal), purpose, said)
        return answer

    def add(self, rows: Iterable[OwnerRow], *, replace: bool = False) -> list[Change]:
        """Store rows, all or none. With `replace` the table holds nothing else afterwards.

        Returns:
            For each row what it did. A second phone number for a plate makes the plate ambiguous: nobody
            is warned for it.

        Raises:
            UnavailableError: the table cannot be written.
        """
        try:
            with self._lock, self._transaction() as db:
                if replace:
                    db.execute("DELETE FROM owners")
                return [self._add(db, row) for row in rows]
        except sqlite3.Error as error:
            raise UnavailableError(f"cannot be written: {error}", file=self.path) from error

    def _add(self, db: sqlite3.Connection, row: OwnerRow) -> Change:
        mark = self._key.index("plate", row.plate)
        owner_mark = self._key.index("owner", row.phone)
        known = {
            owner: self._open(mark, sealed)
            for owner, sealed in db.execute(
                "SELECT owner_mark, sealed FROM owners WHERE plate_mark = ?", (mark,)
            )
        }
        if known.get(owner_mark) == row:
            return "unchanged"
        content = json.dumps([row.plate, row.phone, row.language, row.opted_out], ensure_ascii=False)
        sealed = self._key.seal(content.encode(), mark)
        db.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?)", (mark, owner_mark, sealed))
        return "second_owner" if set(known) - {owner_mark} else "added"

    def verify(self) -> TableReport:
        """Open every row and count.

        Raises:
            UnavailableError: the table cannot be read.
        """
        plates: dict[bytes, int] = {}
        opted_out = unreadable = owners = 0
        try:
            with self._lock:
                rows = self._db.execute("SELECT plate_mark, sealed FROM owners").fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(f"cannot be read: {error}", file=self.path) from error
        for mark, sealed in rows:
            owners += 1
            plates[mark] = plates.get(mark, 0) + 1
            try:
                opted_out += self._open(mark, sealed).opted_out
            except ValueError:
                unreadable += 1
        ambiguous = sum(1 for number in plates.values() if number > 1)
        return TableReport(len(plates), owners, ambiguous, opted_out, unreadable)

    def rotate(self, new: OwnersKey) -> int:
        """Seal every row with another key, all or none; returns how many.

        Raises:
            PatrolError: a row cannot be opened; nothing was changed.
            UnavailableError: the table cannot be written.
        """
        old = self._key
        try:
            with self._lock, self._transaction() as db:
                rows = [
                    self._open(mark, sealed)
                    for mark, sealed in db.execute("SELECT plate_mark, sealed FROM owners")
                ]
                # The audit's marks name plates under the old key; under the new one they would mislead.
                db.execute("UPDATE lookups SET plate_mark = x''")
                db.execute("DELETE FROM owners")
                self._key = new
                for row in rows:
                    self._add(db, row)
                db.execute("UPDATE owners_key SET name = ?", (new.name,))
        except ValueError as error:
            raise PatrolError(f"has a row that {error}; nothing was changed", file=self.path) from error
        except sqlite3.Error as error:
            self._key = old
            raise UnavailableError(f"cannot be written: {error}", file=self.path) from error
        return len(rows)

    def lookups(self, limit: int = 100) -> list[Lookup]:
        """The newest lines of the audit, newest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT at_ms, purpose, plate, answer FROM lookups ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [Lookup(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _answer(rows: list[OwnerRow]) -> Owner | NoOwner:
        if not rows:
            return NoOwner("not_found")
        if len(rows) > 1:
            return NoOwner("ambiguous")
        if rows[0].opted_out:
            return NoOwner("opted_out")
        return Owner(rows[0].phone, rows[0].language)

    def _open(self, mark: bytes, sealed: bytes) -> OwnerRow:
        plate, phone, language, opted_out = json.loads(self._key.unseal(sealed, mark))
        return OwnerRow(plate, phone, language, opted_out)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
