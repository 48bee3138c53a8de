"""Past days as the rest log remembers them, read while the agent may be running. Nothing is written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from edge_agent.cases import Case
from edge_agent.rests import Decided, Memory, Rest
from edge_agent.vault import Vault
from protocol.clock import Millis
from protocol.errors import PatrolError, UnavailableError
from zones import ZoneFile, parse_zone_file

_REST = TypeAdapter(Rest)
_MEMORY = TypeAdapter(Memory)
_DECIDED = TypeAdapter(tuple[Decided, ...])
_CASE = TypeAdapter(Case)

NAMES = ("agent.db", "replay.db")
"""The database in an agent's data folder, or in one that a replay kept."""

Region = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PastRest:
    """A rest with all that is needed to decide about it again.

    Attributes:
        rest: what was seen.
        decided: what was decided, one entry a case; empty where there was none.
        known: whether `decided` is known at all; for vehicles that still stand it needs the box's key.
        width, height: size of the pictures in which its boxes are, pixels.
        period_ms: how often the camera was looked at.
        zones: version of the zones that were in force.
        looked: the part of the picture that was looked at.
        until_ms: how far the memory reaches: the moment of its end, or of the last picture.
    """

    rest: Rest
    decided: tuple[Decided, ...]
    known: bool
    width: int
    height: int
    period_ms: int
    zones: str
    looked: Region
    until_ms: Millis


@dataclass(frozen=True)
class Past:
    """The rests of some days.

    Attributes:
        path: the database.
        rests: by first moment.
        zones: version -> the zones that were in force.
        vault: the box's key, if it lies beside the database: with it, plates that zones name are known again.
    """

    path: Path
    rests: tuple[PastRest, ...]
    zones: dict[str, ZoneFile]
    vault: Vault | None

    def cameras(self) -> list[str]:
        """Cameras of which something is remembered."""
        return sorted({past.rest.camera_id for past in self.rests})

    def last_zones(self, camera_id: str) -> ZoneFile | None:
        """The zones that were in force last at a camera, if they are known."""
        mine = [past for past in self.rests if past.rest.camera_id == camera_id]
        versions = [past.zones for past in sorted(mine, key=lambda p: (p.until_ms, p.rest.id))]
        return next((self.zones[version] for version in reversed(versions) if version in self.zones), None)

    def pictures(self, rest_ids: Sequence[str]) -> dict[str, bytes]:
        """The small pictures of these rests, JPEG; those that have none are left out."""
        with _Reading(self.path) as db:
            found = {}
            for rest_id in rest_ids:
                row = db.execute("SELECT jpeg FROM rest_pictures WHERE rest_id = ?", (rest_id,)).fetchone()
                if row is not None:
                    found[rest_id] = bytes(row[0])
            return found


def find_database(path: Path) -> Path | None:
    """The agent's database that a path means: the file itself, or one in the folder. None: it is something else."""
    if path.is_dir():
        return next((path / name for name in NAMES if (path / name).is_file()), None)
    try:
        with path.open("rb") as file:
            return path if file.read(16) == b"SQLite format 3\0" else None
    except OSError:
        return None


def read_past(path: Path, *, since_ms: Millis | None = None, until_ms: Millis | None = None) -> Past:
    """Read the rests of an agent's database.

    Args:
        path: the database.
        since_ms, until_ms: only rests that began at or after, and before these instants.

    Raises:
        PatrolError: it is no database of an agent, is damaged, or remembers no rest in that time.
    """
    try:
        with _Reading(path) as db:
            tables = {
                str(row[0]) for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if not {"rests", "rests_standing", "rest_zones"} <= tables:
                raise PatrolError(
                    "remembers no rests: it is no agent's database, or one of an older version",
                    file=path,
                    mend="Let an agent of this version watch for a day, or give a recording.",
                )
            key = path.parent / "keys" / "box.key"
            vault = Vault.open(key) if key.is_file() else None
            rests = [*_ended(db), *_standing(db, vault)]
            texts = db.execute("SELECT version, text FROM rest_zones ORDER BY version").fetchall()
    except (sqlite3.DatabaseError, ValidationError, json.JSONDecodeError) as error:
        first = str(error).splitlines()[0]
        raise PatrolError(
            f"cannot be read as an agent's database: {first}",
            file=path,
            mend="Check the path, or restore a backup.",
        ) from error
    chosen = [
        past
        for past in rests
        if (since_ms is None or past.rest.first_ms >= since_ms)
        and (until_ms is None or past.rest.first_ms < until_ms)
    ]
    if not chosen:
        raise PatrolError(
            "remembers no vehicle at rest" + (" in that time" if rests else ""),
            file=path,
            mend="Give another time, or let the agent watch for a while.",
        )
    zones = {version: parse_zone_file(text, name=f"{path}: zones {version}") for version, text in texts}
    return Past(path, tuple(sorted(chosen, key=lambda p: (p.rest.first_ms, p.rest.id))), zones, vault)


def _ended(db: sqlite3.Connection) -> list[PastRest]:
    rows = db.execute(
        "SELECT body, decided, width, height, period_ms, zones, looked FROM rests ORDER BY first_ms, rest_id"
    ).fetchall()
    found = []
    for body, decided, width, height, period_ms, zones, looked in rows:
        rest = _REST.validate_json(body)
        cases = _DECIDED.validate_json(decided) if decided is not None else ()
        until = rest.noticed_ms or rest.ended_ms or rest.last_ms
        found.append(PastRest(rest, cases, True, width, height, period_ms, zones, _region(looked), until))
    return found


def _standing(db: sqlite3.Connection, vault: Vault | None) -> list[PastRest]:
    """Vehicles that stand to this day; what was decided of them is in the cases, under the box's key."""
    rows = db.execute(
        "SELECT memory, width, height, period_ms, zones, looked FROM rests_standing ORDER BY camera_id"
    ).fetchall()
    found = []
    for text, width, height, period_ms, zones, looked in rows:
        memory = _MEMORY.validate_json(text)
        for rest in memory.standing:
            decided: tuple[Decided, ...] = ()
            if rest.stay_id is not None and vault is not None:
                decided = _decided_of(db, vault, rest.stay_id)
            known = rest.stay_id is None or vault is not None
            until = memory.last_ms or rest.last_ms
            found.append(
                PastRest(rest, decided, known, width, height, period_ms, zones, _region(looked), until)
            )
    return found


def _decided_of(db: sqlite3.Connection, vault: Vault, stay_id: str) -> tuple[Decided, ...]:
    rows = db.execute(
        "SELECT sealed FROM cases WHERE stay_id = ? OR (stay_id >= ? AND stay_id < ?)",
        (stay_id, f"{stay_id}.", f"{stay_id}/"),
    ).fetchall()
    cases = sorted((_CASE.validate_json(vault.unseal(row[0])) for row in rows), key=lambda c: c.confirmed_ms)
    return tuple(Decided.of(case, None if case.plate is None else vault.mark(case.plate)) for case in cases)


def _region(text: str) -> Region:
    left, top, right, bottom = json.loads(text)
    return (left, top, right, bottom)


class _Reading:
    """A connection that cannot write.

    Without a write-ahead log beside it nobody has the database open: then it is read as a file that does not change,
    and nothing is left beside it. That also reads from a medium that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        try:
            path = self._path.resolve()
            how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
            self._db = sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=10)
            self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self._db.execute("BEGIN")
        except sqlite3.OperationalError as error:
            raise UnavailableError(
                f"cannot be opened for reading: {error}",
                file=self._path,
                mend="Check the path and its rights.",
            ) from error
        return self._db

    def __exit__(self, *_: object) -> None:
        self._db.close()
