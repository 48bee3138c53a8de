"""The agent's memory: one SQLite file that survives kill -9, full disks and restarts.

State and the effects that it calls for are written in one transaction; workers carry the effects out later
and bring the results back as *arrivals*, which the deciding loop takes in order. What names a vehicle is
sealed with the box's key.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from edge_agent.cases import ENDED, Case
from edge_agent.rests.schema import migrate as migrate_rests
from edge_agent.second_log import DamagedError, LoggedConnection, is_damage
from edge_agent.stays import CameraState
from edge_agent.vault import Vault
from notifier import outbox
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cameras (camera_id TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (
  case_id TEXT PRIMARY KEY, stay_id TEXT NOT NULL UNIQUE, camera_id TEXT NOT NULL, state TEXT NOT NULL,
  open INTEGER NOT NULL, changed_ms INTEGER NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cases_open ON cases (open, camera_id);
CREATE TABLE IF NOT EXISTS notices (
  plate_mark TEXT NOT NULL, street TEXT NOT NULL, case_id TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (plate_mark, street, case_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals (
  id INTEGER PRIMARY KEY, unique_key TEXT UNIQUE, kind TEXT NOT NULL, case_id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL);
"""

_OF_STAY = "(stay_id = ?1 OR (stay_id >= ?2 AND stay_id < ?3))"
"""A stay's first case is named by the stay, later ones by the stay, a point and a number."""

_CASE = TypeAdapter(Case)
_CAMERA = TypeAdapter(CameraState)

_EVENTS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result that a worker brought back, or a message from the centre, waiting for the deciding loop."""

    id: int
    kind: Literal["notice_accepted", "notice_refused", "notice_held", "outcome"]
    case_id: str
    body: dict[str, Any]


class Store:
    """One agent's database.

    Args:
        path: the SQLite file; made if missing.
        vault: seals what names a vehicle.

    Raises:
        DamagedError: the file is no database, or is damaged.
        PatrolError: it was written by a newer version.
        UnavailableError: the place cannot be written to.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        self.path = path
        self.vault = vault
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.db = connect(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise UnavailableError(
                f"cannot be opened: {error}", file=path, mend="Check its folder and rights."
            ) from error
        except sqlite3.DatabaseError as error:
            raise _foreign(path, error) from error
        try:
            version = self.db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise PatrolError(
                    f"was written by a newer version (format {version}, this one knows {SCHEMA_VERSION})",
                    file=path,
                    mend="Install that version again, or start with another data folder; nothing was changed.",
                )
            check = self.db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if check != "ok":
                raise DamagedError(f"is damaged: {check}", file=path, mend="Restore it from a backup.")
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        self.db.execute(statement)
                outbox.migrate(self.db)
                migrate_rests(self.db)
                self.db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise _foreign(path, error) from error
        except PatrolError:
            self.db.close()
            raise

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is stored together or not at all.

        Raises:
            UnavailableError: the disk is full or fails; nothing of it was stored.
            DamagedError: the file is damaged; nothing of it was stored.
        """
        try:
            self.db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise _unavailable(self.path, error) from error
        try:
            yield self.db
            self.db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise _unavailable(self.path, error) from error
        except sqlite3.DatabaseError as error:
            self._roll_back()
            if is_damage(error):
                raise DamagedError(f"is damaged: {error}", file=self.path) from error
            raise
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    # Named values

    def meta(self, name: str) -> str | None:
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # Cameras

    def camera(self, camera_id: str) -> CameraState:
        """The camera's memory, empty if it has none yet."""
        row = self.db.execute("SELECT sealed FROM cameras WHERE camera_id = ?", (camera_id,)).fetchone()
        return CameraState(camera_id) if row is None else _CAMERA.validate_json(self.vault.unseal(row[0]))

    def camera_ids(self) -> list[str]:
        """Cameras of which something is remembered."""
        return [str(row[0]) for row in self.db.execute("SELECT camera_id FROM cameras ORDER BY camera_id")]

    def save_camera(self, state: CameraState) -> None:
        sealed = self.vault.seal(_CAMERA.dump_json(state))
        self.db.execute("INSERT OR REPLACE INTO cameras VALUES (?, ?)", (state.camera_id, sealed))

    # Cases

    def save_case(self, case: Case) -> None:
        """Store the case; what a stay counts once can have one only (the database refuses a second of the same name)."""
        sealed = self.vault.seal(_CASE.dump_json(case))
        self.db.execute(
            "INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (case_id) DO UPDATE SET "
            "state = excluded.state, open = excluded.open, changed_ms = excluded.changed_ms, sealed = excluded.sealed",
            (
                case.id,
                case.stay_id,
                case.camera_id,
                case.state,
                case.state not in ENDED,
                case.changed_ms,
                sealed,
            ),
        )

    def case(self, case_id: str) -> Case | None:
        return self._one_case("SELECT sealed FROM cases WHERE case_id = ?", case_id)

    def case_of_stay(self, stay_id: str, since_ms: Millis = 0) -> Case | None:
        """The newest case of a stay that is open, or that ended at or after an instant."""
        return self._one_case(
            f"SELECT sealed FROM cases WHERE {_OF_STAY} AND (open = 1 OR changed_ms >= ?4) "  # noqa: S608
            "ORDER BY open DESC, changed_ms DESC LIMIT 1",
            *_stay_range(stay_id),
            since_ms,
        )

    def all_of_stay(self, stay_id: str) -> list[Case]:
        """All cases of a stay, oldest first."""
        query = f"SELECT sealed FROM cases WHERE {_OF_STAY}"  # noqa: S608
        rows = self.db.execute(query, _stay_range(stay_id)).fetchall()
        cases = [_CASE.validate_json(self.vault.unseal(row[0])) for row in rows]
        return sorted(cases, key=lambda case: (case.confirmed_ms, case.id))

    def cases_of_stay(self, stay_id: str) -> int:
        """How many cases a stay has had: more than one where it lasted over several of the zone's hours."""
        query = f"SELECT count(*) FROM cases WHERE {_OF_STAY}"  # noqa: S608
        return int(self.db.execute(query, _stay_range(stay_id)).fetchone()[0])

    def _one_case(self, query: str, *values: object) -> Case | None:
        row = self.db.execute(query, values).fetchone()
        return None if row is None else _CASE.validate_json(self.vault.unseal(row[0]))

    def open_cases(self) -> list[Case]:
        """All cases that have not ended, oldest first."""
        rows = self.db.execute("SELECT sealed FROM cases WHERE open = 1").fetchall()
        cases = [_CASE.validate_json(self.vault.unseal(row[0])) for row in rows]
        return sorted(cases, key=lambda case: (case.confirmed_ms, case.id))

    # Who was warned where

    def note_notice(self, plate_mark: str, street: str, case_id: str, at_ms: Millis) -> None:
        self.db.execute(
            "INSERT OR IGNORE INTO notices VALUES (?, ?, ?, ?)", (plate_mark, street, case_id, at_ms)
        )

    def forget_notice(self, case_id: str) -> None:
        """The warning of this case never went out."""
        self.db.execute("DELETE FROM notices WHERE case_id = ?", (case_id,))

    def last_notice(self, plate_mark: str, street: str, since_ms: Millis) -> str | None:
        """The case in which this plate was last warned in this street, at or after `since_ms`."""
        row = self.db.execute(
            "SELECT case_id FROM notices WHERE plate_mark = ? AND street = ? AND at_ms >= ? ORDER BY at_ms DESC LIMIT 1",
            (plate_mark, street, since_ms),
        ).fetchone()
        return None if row is None else str(row[0])

    # Arrivals

    def arrive(
        self, db: sqlite3.Connection, kind: str, case_id: str, body: dict[str, Any], unique_key: str
    ) -> None:
        """Keep a result for the deciding loop, once per key. Runs in the worker's own connection and transaction."""
        db.execute(
            "INSERT OR IGNORE INTO arrivals (unique_key, kind, case_id, body) VALUES (?, ?, ?, ?)",
            (unique_key, kind, case_id, json.dumps(body)),
        )

    def arrivals(self, limit: int = 100) -> list[Arrival]:
        """The oldest results that wait."""
        rows = self.db.execute(
            "SELECT id, kind, case_id, body FROM arrivals WHERE kind <> 'done' ORDER BY id LIMIT ?", (limit,)
        ).fetchall()
        return [Arrival(row[0], row[1], row[2], json.loads(row[3])) for row in rows]

    def arrived(self, arrival: Arrival) -> None:
        """Mark a result as taken; its key stays, so that a repetition is known."""
        self.db.execute("UPDATE arrivals SET kind = 'done', body = '{}' WHERE id = ?", (arrival.id,))

    # Events

    def add_event(self, at_ms: Millis, body: dict[str, Any]) -> int:
        cursor = self.db.execute(
            "INSERT INTO events (at_ms, body) VALUES (?, ?)", (at_ms, json.dumps(body, ensure_ascii=False))
        )
        number = int(cursor.lastrowid or 0)
        if number % 1000 == 0:
            self.db.execute("DELETE FROM events WHERE id <= ?", (number - _EVENTS_KEPT,))
        return number

    def events(self, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        rows = self.db.execute("SELECT id, body FROM events WHERE id > ? ORDER BY id", (after,)).fetchall()
        return [(row[0], json.loads(row[1])) for row in rows]


def _stay_range(stay_id: str) -> tuple[str, str, str]:
    return stay_id, f"{stay_id}.", f"{stay_id}/"


def connect(path: Path, busy_s: float = 10) -> sqlite3.Connection:
    """A connection with the settings that durability needs; transactions are begun by hand."""
    db = sqlite3.connect(
        path, timeout=busy_s, isolation_level=None, check_same_thread=False, factory=LoggedConnection
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        db.close()
        raise
    return db


def _foreign(path: Path, error: sqlite3.DatabaseError) -> PatrolError:
    return DamagedError(
        f"is not a database of this agent: {error}", file=path, mend="Restore it from a backup."
    )


def _unavailable(path: Path, error: sqlite3.OperationalError) -> UnavailableError:
    full = "full" in str(error)
    return UnavailableError(
        f"cannot be written: {error}",
        file=path,
        mend="Free space on its disk; what is stored is safe and work goes on by itself." if full else None,
    )
