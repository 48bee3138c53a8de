"""Costly figures: the last one at once, one reading at a time beside it, and none that is too old."""

from __future__ import annotations

import pytest

from central.pages.kept import AGE_PER_COST, COSTLY_MS, WAITING_MS, Kept


class Desk:
    """A clock, a value that changes at each reading, and readings that wait to be run."""

    def __init__(self, cost_ms: int) -> None:
        self.now, self.cost_ms, self.readings, self.begun = 0, cost_ms, 0, []
        self.kept: Kept[int] = Kept(self.begun.append)

    def read(self) -> int:
        self.now += self.cost_ms
        self.readings += 1
        return self.readings

    def get(self, key: str = "a") -> int:
        return self.kept.get(key, self.read, lambda: self.now)


def test_what_is_cheap_is_read_each_time():
    desk = Desk(COSTLY_MS - 1)
    assert [desk.get() for _ in range(3)] == [1, 2, 3]
    assert not desk.begun


def test_the_last_value_is_shown_while_one_reading_runs_beside_it():
    desk = Desk(100)
    assert desk.get() == 1
    desk.now += AGE_PER_COST * 100 - 1
    assert (desk.get(), desk.begun) == (1, []), "still good"
    desk.get("b")
    desk.now += AGE_PER_COST * 100
    assert [desk.get(), desk.get(), desk.get("b")] == [1, 1, 2]
    assert len(desk.begun) == 1, "one at a time, whatever is asked for"
    desk.begun.pop()()
    assert desk.get() == 3
    assert desk.get("b") == 2
    assert len(desk.begun) == 1, "the next one's turn"


def test_a_value_that_is_too_old_is_not_shown():
    desk = Desk(100)
    desk.get()
    desk.now += AGE_PER_COST * 100 + WAITING_MS
    assert desk.get() == 2
    assert not desk.begun


def test_a_reading_that_fails_leaves_the_way_free_for_the_next():
    desk = Desk(100)
    desk.get()
    desk.now += AGE_PER_COST * 100

    def fail() -> int:
        raise RuntimeError("the database is away")

    assert desk.kept.get("a", fail, lambda: desk.now) == 1
    desk.begun.pop()()
    assert desk.get() == 1
    assert len(desk.begun) == 1
    desk.now += WAITING_MS
    with pytest.raises(RuntimeError, match="away"):
        desk.kept.get("a", fail, lambda: desk.now)
