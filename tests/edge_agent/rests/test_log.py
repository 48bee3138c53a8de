"""The rest log beside the real engine: it changes nothing, loses nothing in a crash, and forgets in time."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings

from edge_agent.rests import Rest, RestLog, prune
from edge_agent.rests.log import _DECIDED, _REST
from edge_agent.rests.model import Decided
from edge_agent.rests.thumbnail import VEHICLE_PX, thumbnail
from edge_agent.stays import Seen
from edge_agent.store import Store
from edge_agent.vault import Vault
from tests.edge_agent.crashing import Box, Fate
from tests.edge_agent.scripted import BEAT_MS, PLATES, T0, Beat
from tests.edge_agent.test_engine_crashes import FAST_DISK, STORIES, lives, scripts


class Remembering(Box):
    """A box that keeps a rest log."""

    def _open(self) -> None:
        super()._open()
        self.engine._rests = RestLog(self.store)

    def rests(self) -> list[tuple[Rest, Decided | None]]:
        """Each rest with its case; nowhere here has one more than one."""
        rows = self._raw.execute("SELECT body, decided FROM rests ORDER BY first_ms, rest_id").fetchall()
        found = []
        for body, decided in rows:
            (case,) = _DECIDED.validate_json(decided) if decided is not None else (None,)
            found.append((_REST.validate_json(body), case))
        return found


def lived(
    script: list[Beat], kind: type[Box] = Remembering, gaps: list[int] | None = None
) -> dict[str, object]:
    where = FAST_DISK if FAST_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="patrol-rests-", dir=where) as name:
        one = kind(Path(name), Fate(gaps or []))
        try:
            one.live(script)
            facts: dict[str, object] = {
                "events": one.events(),
                "received": one.outside.received,
                "outbox": one.outbox_keys(),
                "cases": one.case_ids(),
            }
            if isinstance(one, Remembering):
                facts["rests"] = one.rests()
                facts["standing"] = one.engine._rests._memory(one.engine.cameras["cam1"]).standing  # type: ignore[union-attr]
                facts["plain text"] = Path(one.folder / "agent.db").read_bytes()
            return facts
        finally:
            one.close()


@pytest.mark.parametrize("story", STORIES)
def test_decisions_are_the_same_with_and_without(story: str) -> None:
    with_log, without = lived(STORIES[story]), lived(STORIES[story], Box)
    for fact in without:
        if fact != "received":  # evidence is sealed under another key in each folder
            assert with_log[fact] == without[fact]


@given(scripts)
@settings(max_examples=12, deadline=None)
def test_decisions_are_the_same_in_any_street(script: list[Beat]) -> None:
    assert lived(script)["events"] == lived(script, Box)["events"]


def outcomes(facts: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Without instants: an SMS that a crash held up starts its clock later."""
    return [(d and (d.case_id, d.zone_id, d.state, d.warned, d.manual)) for _, d in facts["rests"]]


@given(lives)
@settings(max_examples=8, deadline=None)
def test_a_crash_loses_no_rest_and_makes_none_twice(gaps: list[int]) -> None:
    script = STORIES["leaves"] + STORIES["stays"]
    crashed, whole = lived(script, gaps=gaps), lived(script)
    assert [rest.id for rest, _ in crashed["rests"]] == [rest.id for rest, _ in whole["rests"]]  # type: ignore[attr-defined]
    assert outcomes(crashed) == outcomes(whole)


def test_what_was_decided_stands_beside_what_stood_there() -> None:
    facts = lived(STORIES["leaves"])
    ((rest, decided),) = facts["rests"]  # type: ignore[misc]
    assert rest.by == "stay"
    assert rest.first_ms == T0 + 3 * BEAT_MS, "a second after the first look"
    assert rest.end == "departed"
    assert decided is not None
    assert decided.state == "self_corrected"
    assert decided.case_id == f"C-{rest.stay_id}"
    assert decided.warned
    assert rest.ended_ms is not None
    assert rest.ended_ms <= decided.changed_ms <= (rest.noticed_ms or 0)
    assert decided.plate_mark is not None
    assert PLATES["A"].encode() not in facts["plain text"]  # type: ignore[operator]


def test_a_task_is_remembered_with_its_moment() -> None:
    facts = lived(STORIES["stays"] + [Beat("empty")] * 10)
    ((_, decided),) = facts["rests"]  # type: ignore[misc]
    assert decided.tasked_ms is not None
    assert decided.tasked_ms >= decided.clock_ends_ms
    assert not decided.manual


# Forgetting


def a_store(folder: Path) -> Store:
    return Store(folder / "agent.db", Vault(bytes(32)))


def put(db: sqlite3.Connection, rest_id: str, ended_ms: int) -> None:
    db.execute(
        "INSERT INTO rests VALUES (?, 'cam1', ?, ?, 320, 240, 2000, 'z', '[]', '{}', NULL)",
        (rest_id, ended_ms - 1000, ended_ms),
    )
    db.execute("INSERT INTO rest_pictures VALUES (?, ?, x'00')", (rest_id, ended_ms - 1000))


def left(store: Store, table: str = "rests") -> list[str]:
    return [row[0] for row in store.db.execute(f"SELECT rest_id FROM {table} ORDER BY rest_id")]


def test_days_and_rows_are_bounded(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    day = 86_400_000
    with store.transaction() as db:
        for number in range(10):
            put(db, f"R{number}", T0 + number * day)
        db.execute("INSERT INTO rest_pictures VALUES ('stray', ?, x'00')", (T0,))
    now = T0 + 9 * day
    with store.transaction() as db:
        assert prune(db, now, keep_days=5) == 4
    assert left(store) == left(store, "rest_pictures") == [f"R{n}" for n in range(4, 10)]
    with store.transaction() as db:
        assert prune(db, now, keep_days=5, max_rows=2) == 4
    assert left(store) == left(store, "rest_pictures") == ["R8", "R9"]
    store.close()


def test_the_picture_of_one_that_still_stands_is_kept(tmp_path: Path) -> None:
    one = Remembering(tmp_path, Fate())
    try:
        one.live([Beat("empty")] * 2 + [Beat("A")] * 8)
        (row,) = one._raw.execute("SELECT rest_id, jpeg FROM rest_pictures").fetchall()
        with one.store.transaction() as db:
            prune(db, T0 + 10**12, keep_days=1)
        assert one._raw.execute("SELECT rest_id FROM rest_pictures").fetchall() == [(row[0],)]
        picture = cv2.imdecode(np.frombuffer(row[1], np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (120, 160, 3)
    finally:
        one.close()


def test_a_database_of_an_older_agent_gets_the_tables(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for table in ("rests", "rests_standing", "rest_pictures"):
        store.db.execute(f"DROP TABLE {table}")
    store.close()
    again = a_store(tmp_path)
    assert left(again) == []
    again.close()


def test_a_damaged_memory_stops_no_decision(tmp_path: Path) -> None:
    """The rest log is spoilt while vehicles stand: the agent goes on deciding, and remembers from then on."""
    one = Remembering(tmp_path, Fate())
    try:
        one.live(STORIES["stays"][:10])
        one._raw.execute("UPDATE rests_standing SET memory = 'no JSON'")
        one._begin_again()
        for number in range(10, 30):
            one._beat([Beat("A")] * 30, number)
        assert "tasked" in [event["state"] for event in one.events()]
        assert len(one.engine._rests._memory(one.engine.cameras["cam1"]).standing) == 1  # type: ignore[attr-defined]
    finally:
        one.close()


# Small pictures


def street(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (720, 1280, 3), dtype=np.uint8)


def test_no_plate_can_be_read_from_a_small_picture() -> None:
    """A close car, seen from behind: its plate of 440 mm on 1.8 m of car falls under 30 pixels."""
    jpeg = thumbnail(street(), (200, 100, 900, 700), ())
    assert jpeg is not None
    assert VEHICLE_PX * 0.44 / 1.5 < 30
    assert len(jpeg) < 12_000
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (120, 160, 3)


def test_heads_are_hidden() -> None:
    picture = np.full((720, 1280, 3), 90, np.uint8)
    picture[240:330, 400:520] = np.kron(np.indices((15, 20)).sum(0) % 2, np.ones((6, 6)))[:, :, None] * 200
    person = Seen((400, 240, 520, 540), "person", 0.8)
    shown, hidden = (
        cv2.imdecode(np.frombuffer(thumbnail(picture, (400, 240, 520, 360), seen) or b"", np.uint8), 1)
        for seen in ((), (person,))
    )
    assert hidden[15:80, 40:120].std() < shown[15:80, 40:120].std() / 2


@pytest.mark.parametrize("box", [(-90, 300, 60, 400), (1200, 600, 1400, 760), (-500, 0, -400, 80)])
def test_at_the_edge_of_the_picture(box: tuple[float, float, float, float]) -> None:
    jpeg = thumbnail(street(), box, ())
    assert (jpeg is None) == (box[2] < 0)


def test_the_log_holds_json_that_stays_small() -> None:
    facts = lived(STORIES["hidden at the end"] + [Beat("empty")] * 10)
    for rest, _ in facts["rests"]:  # type: ignore[attr-defined]
        assert len(_REST.dump_json(rest)) < 1500
        assert json.loads(_REST.dump_json(rest))["id"] == rest.id
