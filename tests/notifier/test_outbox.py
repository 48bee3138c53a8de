"""The outbox keeps every item, each key once, in order within a case, whatever dies when."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from notifier import outbox
from notifier.backoff import Backoff
from notifier.outbox import FileTransactions, OutboxItem

NOW = 1_767_225_600_000


def item(key: str, case: str | None = None, *, at: int = NOW, channel: outbox.Channel = "mqtt") -> OutboxItem:
    meta = {"topic": "t", "plate": "京A12345"} | ({} if case is None else {"case_id": case})
    return OutboxItem(key, channel, key.encode(), meta, at)


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    outbox.migrate(conn)
    yield conn
    conn.close()


def keys(entries: list[outbox.Entry]) -> list[str]:
    return [entry.item.key for entry in entries]


def test_the_same_key_is_stored_once(conn: sqlite3.Connection) -> None:
    assert outbox.put(conn, item("a"))
    assert not outbox.put(conn, OutboxItem("a", "mqtt", b"other", {"topic": "x"}, NOW))
    entry = outbox.find(conn, "a")
    assert entry is not None
    assert entry.item == item("a")


def test_a_key_that_is_done_stays_known(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    outbox.mark_sending(conn, "a", NOW, due_ms=NOW)
    assert outbox.mark_done(conn, "a", NOW)
    assert not outbox.put(conn, item("a"))
    assert outbox.waiting(conn).total == 0


def test_putting_neither_commits_nor_survives_a_rollback(tmp_path: Path) -> None:
    transact = FileTransactions(tmp_path / "a.db")
    with transact() as conn:
        outbox.migrate(conn)

    def interrupted() -> None:
        with transact() as conn:
            outbox.put(conn, item("a"))
            assert conn.in_transaction
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with transact() as conn:
        assert outbox.find(conn, "a") is None
    transact.close()


@pytest.mark.parametrize(
    ("channel", "meta"),
    [
        ("mqtt", {"plate": "京A12345"}),  # nowhere to publish to
        ("sms", {"topic": "t"}),  # nobody to write to
    ],
)
def test_an_item_that_no_worker_could_carry_out_is_refused(
    conn: sqlite3.Connection, channel: outbox.Channel, meta: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="needs"):
        outbox.put(conn, OutboxItem("a", channel, b"", meta, NOW))


def test_a_retraction_waits_for_its_task(conn: sqlite3.Connection) -> None:
    for key in ("task", "retraction"):
        outbox.put(conn, item(key, "case1"))
    outbox.put(conn, item("other", "case2"))
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["task", "other"]
    outbox.mark_sending(conn, "task", NOW, due_ms=NOW)
    outbox.mark_sent(conn, "task", NOW, due_ms=NOW + 1)
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["other"]
    outbox.mark_done(conn, "task", NOW)
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["retraction", "other"]


def test_a_dead_item_does_not_hold_up_its_case(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("task", "case1"))
    outbox.put(conn, item("retraction", "case1"))
    outbox.mark_dead(conn, "task", NOW, "refused")
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["retraction"]
    assert outbox.waiting(conn).dead == 1


def test_channels_do_not_wait_for_one_another(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("notice", "case1", channel="sms"))
    outbox.put(conn, item("record", "case1"))
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["record"]


def test_an_unsent_item_can_be_withdrawn_and_is_forgotten(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    assert outbox.cancel(conn, "a", NOW + 5)
    assert outbox.claim(conn, "mqtt", NOW, 10) == []
    entry = outbox.find(conn, "a")
    assert entry is not None
    assert (entry.state, entry.item.payload, dict(entry.item.meta)) == ("cancelled", b"", {})


def test_an_item_that_may_have_left_cannot_be_withdrawn(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    outbox.mark_sending(conn, "a", NOW, due_ms=NOW)
    assert not outbox.cancel(conn, "a", NOW)
    outbox.requeue(conn, "mqtt", NOW)  # the connection broke; the broker may have it
    assert not outbox.cancel(conn, "a", NOW)
    assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["a"]


def test_a_late_withdrawal_counts_once_it_is_certain_that_nothing_left(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    outbox.mark_sending(conn, "a", NOW, due_ms=NOW)
    assert not outbox.cancel(conn, "a", NOW)
    outbox.mark_failed(conn, "a", NOW, retry_at_ms=NOW, reason="429", may_have_left=False)
    entry = outbox.find(conn, "a")
    assert entry is not None
    assert entry.state == "cancelled"


def test_a_clock_that_steps_back_does_not_delay_anything(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    outbox.mark_failed(conn, "a", NOW, retry_at_ms=NOW + 60_000, reason="busy")
    assert outbox.claim(conn, "mqtt", NOW + 59_999, 10) == []
    assert keys(outbox.claim(conn, "mqtt", NOW + 60_000, 10)) == ["a"]
    a_day_back = NOW - 86_400_000
    assert keys(outbox.claim(conn, "mqtt", a_day_back, 10)) == ["a"]


def test_only_the_worker_that_saw_the_last_attempt_may_act(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a", channel="sms"))
    assert outbox.mark_sending(conn, "a", NOW, due_ms=NOW, from_attempt=0)
    assert not outbox.mark_sending(conn, "a", NOW, due_ms=NOW, from_attempt=0)
    # A second worker's stale "not found" must not release the item.
    assert not outbox.mark_failed(conn, "a", NOW, retry_at_ms=NOW, reason="", from_attempt=0)


def test_an_accept_that_overtakes_the_acknowledgement_wins(conn: sqlite3.Connection) -> None:
    outbox.put(conn, item("a"))
    outbox.mark_sending(conn, "a", NOW, due_ms=NOW)
    assert outbox.mark_done(conn, "a", NOW)
    assert not outbox.mark_sent(conn, "a", NOW, due_ms=NOW)
    assert not outbox.mark_failed(conn, "a", NOW, retry_at_ms=NOW, reason="late")
    assert outbox.waiting(conn).total == 0


def test_pruning_forgets_closed_items_only(conn: sqlite3.Connection) -> None:
    for key in ("open", "old", "new"):
        outbox.put(conn, item(key))
    outbox.mark_done(conn, "old", NOW)
    outbox.mark_done(conn, "new", NOW + 10)
    assert outbox.prune(conn, NOW + 10) == 1
    assert outbox.find(conn, "old") is None
    assert outbox.find(conn, "open") is not None


def test_content_never_shows_in_repr() -> None:
    assert "京A12345" not in repr(item("a"))


def test_what_is_committed_survives_the_death_of_the_process(tmp_path: Path, root: Path) -> None:
    program = (
        "import os, pathlib\n"
        "from notifier import outbox\n"
        f"transact = outbox.FileTransactions(pathlib.Path({str(tmp_path / 'a.db')!r}))\n"
        "with transact() as conn:\n"
        "    outbox.migrate(conn)\n"
        "    outbox.put(conn, outbox.OutboxItem('kept', 'mqtt', b'x', {'topic': 't'}, 1))\n"
        "with transact() as conn:\n"
        "    outbox.put(conn, outbox.OutboxItem('lost', 'mqtt', b'x', {'topic': 't'}, 1))\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 9
    transact = FileTransactions(tmp_path / "a.db")
    with transact() as conn:
        assert keys(outbox.claim(conn, "mqtt", NOW, 10)) == ["kept"]
    transact.close()


class OutboxMachine(RuleBasedStateMachine):
    """A model of the outbox: what was put is exactly once in one state, order within a case is kept, and an
    item that left is never silently forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.conn = sqlite3.connect(":memory:", isolation_level=None)
        outbox.migrate(self.conn)
        self.now = NOW
        self.created: list[str] = []
        self.case: dict[str, str] = {}
        self.left: set[str] = set()
        self.closed: dict[str, str] = {}
        self.closing_order: list[str] = []

    def open_keys(self) -> list[str]:
        return [key for key in self.created if key not in self.closed]

    def close(self, key: str, state: str) -> None:
        self.closed[key] = state
        self.closing_order.append(key)

    @rule(case=st.sampled_from("ABC"), wait=st.integers(0, 5))
    def put(self, case: str, wait: int) -> None:
        self.now += wait
        key = f"k{len(self.created)}"
        assert outbox.put(self.conn, item(key, case, at=self.now))
        self.created.append(key)
        self.case[key] = case

    @precondition(lambda self: self.created)
    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.created))
        assert not outbox.put(self.conn, item(key, "Z", at=self.now))

    @rule(limit=st.integers(1, 4), crash=st.booleans())
    def claim_and_send(self, limit: int, crash: bool) -> None:
        entries = outbox.claim(self.conn, "mqtt", self.now, limit, ("pending", "sent"))
        assert len(entries) <= limit
        for entry in entries:
            key = entry.item.key
            assert entry.item.payload == key.encode()
            older = [k for k in self.open_keys() if self.case[k] == self.case[key]]
            assert older[0] == key, "an item overtook an older one of its case"
            self.conn.execute("BEGIN")
            assert outbox.mark_sending(self.conn, key, self.now, due_ms=self.now, from_attempt=entry.attempts)
            if crash:
                self.conn.execute("ROLLBACK")
            else:
                self.conn.execute("COMMIT")
                self.left.add(key)

    @precondition(lambda self: self.open_keys())
    @rule(data=st.data(), wait=st.integers(0, 3))
    def acknowledge(self, data: st.DataObject, wait: int) -> None:
        key = data.draw(st.sampled_from(self.open_keys()))
        entry = outbox.find(self.conn, key)
        assert entry is not None
        assert outbox.mark_sent(self.conn, key, self.now, due_ms=self.now + wait) == (
            entry.state == "sending"
        )

    @precondition(lambda self: self.open_keys())
    @rule(data=st.data(), state=st.sampled_from(["done", "dead"]))
    def answer(self, data: st.DataObject, state: str) -> None:
        key = data.draw(st.sampled_from(self.open_keys()))
        if state == "done":
            assert outbox.mark_done(self.conn, key, self.now)
        else:
            assert outbox.mark_dead(self.conn, key, self.now, "no")
        self.close(key, state)

    @precondition(lambda self: self.open_keys())
    @rule(data=st.data(), wait=st.integers(0, 5))
    def fail(self, data: st.DataObject, wait: int) -> None:
        key = data.draw(st.sampled_from(self.open_keys()))
        assert outbox.mark_failed(self.conn, key, self.now, retry_at_ms=self.now + wait, reason="x")
        self.left.add(key)  # the default says that it may have left

    @precondition(lambda self: self.open_keys())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.open_keys()))
        cancelled = outbox.cancel(self.conn, key, self.now)
        assert cancelled == (key not in self.left), "withdrawn although it may have left, or the reverse"
        if cancelled:
            self.close(key, "cancelled")

    @rule()
    def reconnect(self) -> None:
        outbox.requeue(self.conn, "mqtt", self.now)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        rows = dict(self.conn.execute("SELECT key, state FROM outbox"))
        assert list(rows) == self.created or set(rows) == set(self.created)
        for key, state in rows.items():
            expected = self.closed.get(key)
            assert state == expected if expected else state in ("pending", "sending", "sent")
        assert outbox.waiting(self.conn).total == len(self.open_keys())

    def teardown(self) -> None:
        self.conn.close()


OutboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOutboxMachine = OutboxMachine.TestCase


@given(
    attempt=st.integers(1, 10_000),
    seed=st.integers(0, 1000),
    first=st.integers(100, 10_000),
    cap=st.integers(10_000, 10**7),
)
def test_a_delay_lies_between_floor_and_ceiling(attempt: int, seed: int, first: int, cap: int) -> None:
    policy = Backoff(first_ms=first, cap_ms=cap, floor_ms=100)
    delay = policy.delay_ms(attempt, random.Random(seed))
    assert 100 <= delay <= policy.ceiling_ms(attempt) <= cap
    assert delay == policy.delay_ms(attempt, random.Random(seed)), "the same dice give the same delay"
    assert policy.ceiling_ms(attempt) <= policy.ceiling_ms(attempt + 1)


def test_delays_use_the_whole_range() -> None:
    dice = random.Random(7)
    delays = [Backoff().delay_ms(5, dice) for _ in range(500)]
    assert min(delays) < 1_500
    assert max(delays) > 14_500


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="floor"):
        Backoff(first_ms=10, cap_ms=5)


def test_a_clock_set_back_delays_nothing_that_was_never_tried(conn: sqlite3.Connection) -> None:
    """What was decided before the step looks as if it came from the future; what was put off keeps its wait."""
    now = NOW - 1_800_000
    outbox.put(conn, item("fresh"))
    outbox.put(conn, item("tried"))
    outbox.mark_sending(conn, "tried", NOW, due_ms=NOW)
    outbox.mark_failed(conn, "tried", NOW, retry_at_ms=NOW + 5_000, reason="busy")
    assert keys(outbox.claim(conn, "mqtt", now, 10)) == ["fresh"]


def test_what_waits_moves_with_the_time_base(conn: sqlite3.Connection) -> None:
    step = -1_800_000
    outbox.put(conn, OutboxItem("notice", "sms", b"x", {"plate": "p", "give_up_ms": NOW + 60_000}, NOW))
    outbox.mark_sending(conn, "notice", NOW, due_ms=NOW + 20_000)
    outbox.put(conn, item("done"))
    outbox.mark_done(conn, "done", NOW)
    assert outbox.shift(conn, step) == 1
    assert outbox.claim(conn, "sms", NOW + step + 19_999, 10, ("sending",)) == []
    (entry,) = outbox.claim(conn, "sms", NOW + step + 20_000, 10, ("sending",))
    assert entry.item.created_ms == NOW + step
    assert entry.item.meta["give_up_ms"] == NOW + step + 60_000
    done = outbox.find(conn, "done")
    assert done is not None
    assert done.changed_ms == NOW
