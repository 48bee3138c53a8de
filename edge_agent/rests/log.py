"""The rest log: what stood in view, kept in the agent's database for some weeks.

Written in the transaction of the decisions that it is about, bounded in rows and days. It can be read while the agent
runs, see `edge_agent.rehearsal.past`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from edge_agent.attention import Camera
from edge_agent.cases import Case
from edge_agent.frames import Frame
from edge_agent.rests.model import Decided, Memory, Rest
from edge_agent.rests.step import Rested, shift, step
from edge_agent.rests.thumbnail import thumbnail
from edge_agent.stays import CameraState, Observation, Seen, StayEvent
from edge_agent.vault import Vault
from protocol.clock import Millis
from zones import ZoneFile, dump_zone_file

_log = logging.getLogger(__name__)

MAX_ROWS = 20_000
"""Rests of all cameras together; the oldest are forgotten first. With pictures about 80 MB."""

_MEMORY = TypeAdapter(Memory)
_REST = TypeAdapter(Rest)
_DECIDED = TypeAdapter(tuple[Decided, ...])


def zones_version(file: ZoneFile) -> str:
    """Hash of everything that a zone file says, 16 hex digits."""
    text = json.dumps(file.model_dump(mode="json", by_alias=True), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Storage(Protocol):
    """What the log needs of the agent's store."""

    db: sqlite3.Connection
    vault: Vault


class RestKeeper(Protocol):
    """What the deciding loop tells of rests; see `RestLog` for what each does."""

    def look(
        self, camera: Camera, seen: Observation, state: CameraState, events: Sequence[StayEvent]
    ) -> Rested: ...
    def store(
        self,
        camera: Camera,
        rested: Rested,
        frame: Frame,
        seen: Sequence[Seen],
        cases_of: Callable[[str], Sequence[Case]],
    ) -> None: ...
    def keep(self, rested: Rested) -> None: ...
    def shift(self, by_ms: int) -> None: ...


class NoRestLog:
    """Where nothing is remembered."""

    def look(
        self,
        camera: Camera,
        seen: Observation,  # noqa: ARG002
        state: CameraState,  # noqa: ARG002
        events: Sequence[StayEvent],  # noqa: ARG002
    ) -> Rested:
        return Rested(Memory(camera.id))

    def store(self, *_: object) -> None: ...

    def keep(self, rested: Rested) -> None: ...

    def shift(self, by_ms: int) -> None: ...


class RestLog:
    """Follows rests beside the deciding loop and keeps them.

    Args:
        store: the agent's; who calls owns its transactions.
        pictures: whether small pictures are kept.
    """

    def __init__(self, store: Storage, *, pictures: bool = True) -> None:
        self._store = store
        self._pictures = pictures
        self._memories: dict[str, Memory] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._zones: dict[str, tuple[ZoneFile, str]] = {}
        self._kept: set[str] = set()

    def look(
        self, camera: Camera, seen: Observation, state: CameraState, events: Sequence[StayEvent]
    ) -> Rested:
        """What this picture does to the rests of a camera; nothing is stored or remembered yet.

        Args:
            camera: with its rules.
            seen: what the picture shows.
            state: the camera's stays after it.
            events: what happened to them.
        """
        return step(self._memory(camera), seen, state, events, camera.rules)

    def store(
        self,
        camera: Camera,
        rested: Rested,
        frame: Frame,
        seen: Sequence[Seen],
        cases_of: Callable[[str], Sequence[Case]],
    ) -> None:
        """Write what `look` gave, inside the transaction of the decisions.

        Args:
            camera: whose rests they are.
            rested: from `look`.
            frame: the picture, for small pictures of rests that begin.
            seen: what was detected in it.
            cases_of: the cases of a stay, oldest first.
        """
        if self._pictures:
            for rest in rested.came:
                jpeg = thumbnail(frame.image, rest.box, seen)
                if jpeg is not None:
                    self._store.db.execute(
                        "INSERT OR IGNORE INTO rest_pictures VALUES (?, ?, ?)", (rest.id, frame.at_ms, jpeg)
                    )
        about = self._about(camera)
        self._keep_zones(camera.eyes.index.file, about[3])
        for rest in rested.ended:
            cases = () if rest.stay_id is None else cases_of(rest.stay_id)
            decided = tuple(self.decided(case) for case in cases)
            self._store.db.execute(
                "INSERT OR REPLACE INTO rests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    rest.id, rest.camera_id, rest.first_ms, rest.ended_ms, *about, _REST.dump_json(rest).decode(),
                    _DECIDED.dump_json(decided).decode() if decided else None,
                ),
            )  # fmt: skip
        self._store.db.execute(
            "INSERT OR REPLACE INTO rests_standing VALUES (?, ?, ?, ?, ?, ?, ?)",
            (camera.id, *about, _MEMORY.dump_json(rested.memory).decode()),
        )

    def keep(self, rested: Rested) -> None:
        """Remember what `look` gave: the transaction, if there was one, is through."""
        self._memories[rested.memory.camera_id] = rested.memory

    def decided(self, case: Case) -> Decided:
        """The part of a case that may be kept for long."""
        return Decided.of(case, None if case.plate is None else self._store.vault.mark(case.plate))

    def shift(self, by_ms: int) -> None:
        """The time base stepped: what is remembered moves along. Inside a transaction."""
        rows = self._store.db.execute(
            "SELECT camera_id, memory FROM rests_standing ORDER BY camera_id"
        ).fetchall()
        for camera_id, text in rows:
            memory = _parse(text)
            if memory is not None:
                self._store.db.execute(
                    "UPDATE rests_standing SET memory = ? WHERE camera_id = ?",
                    (_MEMORY.dump_json(shift(memory, by_ms)).decode(), camera_id),
                )
        self._memories.clear()

    def _memory(self, camera: Camera) -> Memory:
        known = self._memories.get(camera.id)
        size = (camera.eyes.index.width, camera.eyes.index.height)
        if known is None or self._sizes.get(camera.id) != size:
            known = self._memories[camera.id] = self._read_memory(camera.id, size)
            self._sizes[camera.id] = size
        return known

    def _read_memory(self, camera_id: str, size: tuple[int, int]) -> Memory:
        """What is stored; nothing where that is of another size of picture, or damaged: no decision hangs on it."""
        row = self._store.db.execute(
            "SELECT memory, width, height FROM rests_standing WHERE camera_id = ?", (camera_id,)
        ).fetchone()
        if row is None or (row[1], row[2]) != size:
            return Memory(camera_id)
        memory = _parse(row[0])
        if memory is None:
            _log.warning("camera %s: the memory of vehicles at rest is damaged and begins anew", camera_id)
            return Memory(camera_id)
        return memory

    def _keep_zones(self, file: ZoneFile, version: str) -> None:
        """The zones in force are kept once, so that a rehearsal knows by which rules was decided."""
        if version not in self._kept:
            self._store.db.execute(
                "INSERT OR IGNORE INTO rest_zones VALUES (?, ?)", (version, dump_zone_file(file))
            )
            self._kept.add(version)

    def _about(self, camera: Camera) -> tuple[int, int, int, str, str]:
        """Picture size, period, zones and the part that is looked at."""
        index = camera.eyes.index
        known = self._zones.get(camera.id)
        if known is None or known[0] is not index.file:
            known = self._zones[camera.id] = (index.file, zones_version(index.file))
        regions = getattr(camera.eyes, "regions", None) or [(0, 0, index.width, index.height)]
        period_ms = round((camera.rules.max_interval_ms - 1000) / 2.5)
        return index.width, index.height, period_ms, known[1], json.dumps(regions[0])


def _parse(text: str) -> Memory | None:
    """A stored memory, or None where it is damaged."""
    try:
        return _MEMORY.validate_json(text)
    except ValidationError:
        return None


def prune(db: sqlite3.Connection, now_ms: Millis, keep_days: float, max_rows: int = MAX_ROWS) -> int:
    """Forget rests that ended longer ago than `keep_days`, and the oldest beyond `max_rows`. Inside a transaction.

    Returns:
        How many were forgotten.
    """
    before_ms = now_ms - round(keep_days * 86_400_000)
    gone = db.execute("DELETE FROM rests WHERE ended_ms < ?", (before_ms,)).rowcount
    gone += db.execute(
        "DELETE FROM rests WHERE rest_id IN (SELECT rest_id FROM rests ORDER BY ended_ms DESC, rest_id LIMIT -1 OFFSET ?)",
        (max_rows,),
    ).rowcount
    db.execute(
        "DELETE FROM rest_zones WHERE version NOT IN (SELECT zones FROM rests UNION SELECT zones FROM rests_standing)"
    )
    standing: set[str] = set()
    for (text,) in db.execute("SELECT memory FROM rests_standing").fetchall():
        memory = _parse(text)
        standing.update(rest.id for rest in (memory.standing if memory is not None else ()))
    orphans = db.execute(
        "SELECT rest_id FROM rest_pictures WHERE rest_id NOT IN (SELECT rest_id FROM rests)"
    ).fetchall()
    for (rest_id,) in orphans:
        if rest_id not in standing:
            db.execute("DELETE FROM rest_pictures WHERE rest_id = ?", (rest_id,))
    return gone
