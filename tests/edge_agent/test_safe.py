"""A database whose file is damaged is restored by itself, and nothing that was decided is missing."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.safe import Safe
from edge_agent.second_log import DamagedError
from edge_agent.store import Store
from edge_agent.vault import Vault
from notifier import outbox
from notifier.outbox import OutboxItem
from protocol.errors import PatrolError, UnavailableError

VAULT = Vault(bytes(range(32)))
T0 = 1_767_225_600_000


def safe(folder: Path) -> Safe:
    return Safe(folder / "agent.db", VAULT, folder / "copies")


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Safe, Store]]:
    one = safe(folder)
    store = one.open(T0)
    try:
        yield one, store
    finally:
        store.close()
        one.log.close()


def decide(store: Store, number: int) -> None:
    """A decision and its message; then what a worker does with it, in a connection of its own."""
    with store.transaction() as db:
        store.add_event(T0 + number, {"n": number})
        body = VAULT.seal(b"x" * 3000)
        outbox.put(db, OutboxItem(f"k{number}", "mqtt", body, {"topic": "t", "case_id": "c"}, T0))


def carry(one: Safe, number: int) -> None:
    transactions = one.transactions()
    with transactions() as db:
        outbox.mark_sending(db, f"k{number}", T0, due_ms=T0)
        outbox.mark_done(db, f"k{number}", T0)
    transactions.close()


def remembered(store: Store) -> tuple[list[int], list[tuple[str, str]]]:
    states = store.db.execute("SELECT key, state FROM outbox ORDER BY seq").fetchall()
    return [body["n"] for _, body in store.events()], states


def garbage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    dice = random.Random(5)
    for place in range(4096, len(data), 4096):
        data[place : place + 512] = dice.randbytes(512)
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)


def lose_wal(path: Path) -> None:
    """The newest transactions stand in the write-ahead log alone, and it is gone."""
    path.with_name(path.name + "-wal").unlink()
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        pytest.param(garbage, True, id="garbage in its pages"),
        pytest.param(cut, True, id="half of it is gone"),
        pytest.param(lambda path: path.write_bytes(b""), True, id="empty"),
        pytest.param(lambda path: path.unlink(), True, id="gone"),
        pytest.param(lose_wal, True, id="its log is gone"),
        pytest.param(lambda path: None, False, id="sound"),
    ],
)
def test_after_damage_everything_is_there_again(
    tmp_path: Path, damage: Callable[[Path], None], told: bool
) -> None:
    with opened(tmp_path) as (one, store):
        for number in range(40):
            decide(store, number)
            if number == 20:
                one.copy()
            if number % 2:
                carry(one, number)
        expected = remembered(store)
        # The process dies here: what lies on the disk now is what the next start finds.
        left = {path: path.read_bytes() for path in tmp_path.glob("agent.db*")}
    if damage not in (
        garbage,
        cut,
    ):  # those spoil the file itself, where a whole write-ahead log would heal it
        for path, data in left.items():
            path.write_bytes(data)
    damage(tmp_path / "agent.db")
    with opened(tmp_path) as (one, store):
        assert remembered(store) == expected
        problems = one.problems(store, T0)
        assert [p.startswith("database_restored: ") for p in problems] == [True] * told
        assert all(p.endswith("nothing is missing") for p in problems)
        assert one.problems(store, T0 + 25 * 3_600_000) == []
        decide(store, 40)
    with opened(tmp_path) as (_, store):
        assert remembered(store)[0] == list(range(41))


def test_what_a_later_process_decides_stands_behind_the_copy_of_an_earlier_one(tmp_path: Path) -> None:
    with opened(tmp_path) as (one, store):
        decide(store, 0)
        one.copy()
    with opened(tmp_path) as (_, store):
        decide(store, 1)
    with opened(tmp_path) as (_, store):
        decide(store, 2)
    garbage(tmp_path / "agent.db")
    with opened(tmp_path) as (one, store):
        assert remembered(store)[0] == [0, 1, 2]
        assert one.problems(store, T0)[0].endswith("nothing is missing")


def test_a_database_that_fell_behind_its_newest_copy_is_noticed(tmp_path: Path) -> None:
    """Its write-ahead log was spoilt, and nothing has been decided since the copy."""
    with opened(tmp_path) as (one, store):
        decide(store, 0)
    old = (tmp_path / "agent.db").read_bytes()
    with opened(tmp_path) as (one, store):
        decide(store, 1)
        one.copy()
    (tmp_path / "agent.db").write_bytes(old)
    with opened(tmp_path) as (_, store):
        assert remembered(store)[0] == [0, 1]


def test_damage_to_the_second_log_as_well_is_told_loudly(tmp_path: Path) -> None:
    with opened(tmp_path) as (one, store):
        decide(store, 0)
        one.copy()
        for number in range(1, 10):
            decide(store, number)
    (log,) = (tmp_path / "copies").glob("*.log")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 0xFF
    log.write_bytes(bytes(data))
    with opened(tmp_path) as (_, store):
        decide(store, 10)  # the hole is behind, the database itself is sound
        assert remembered(store)[0] == list(range(11))
    garbage(tmp_path / "agent.db")
    with opened(tmp_path) as (one, store):
        kept = remembered(store)[0]
        assert kept == list(range(len(kept)))
        assert 0 < len(kept) < 10
        (problem,) = one.problems(store, T0)
        assert "THE SECOND LOG IS DAMAGED TOO" in problem


def test_a_damaged_copy_is_passed_over_and_without_any_nothing_is_guessed(tmp_path: Path) -> None:
    with opened(tmp_path) as (one, store):
        for number in range(6):
            decide(store, number)
            one.copy()
    copies = sorted((tmp_path / "copies").glob("*.db"))
    assert len(copies) == 2
    garbage(tmp_path / "agent.db")
    cut(copies[-1])
    with opened(tmp_path) as (_, store):
        assert remembered(store)[0] == list(range(6))
    garbage(tmp_path / "agent.db")
    garbage(copies[0])
    before = (tmp_path / "agent.db").read_bytes()
    with pytest.raises(DamagedError, match="no copy"):
        safe(tmp_path).open(T0)
    assert (tmp_path / "agent.db").read_bytes() == before


def test_a_full_disk_under_the_second_log_keeps_the_decision_out_of_the_database_too(tmp_path: Path) -> None:
    with opened(tmp_path) as (one, store):
        decide(store, 0)
        real = one.log.write

        def full(handle: int, data: bytes) -> int:
            real(handle, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        one.log.write = full
        with pytest.raises(UnavailableError, match="full"):
            decide(store, 1)
        one.log.write = real
        one.copy()
        one.log.write = full
        with pytest.raises(UnavailableError, match="full"):
            decide(store, 2)
        one.log.write = real
        decide(store, 3)
    garbage(tmp_path / "agent.db")
    with opened(tmp_path) as (_, store):
        assert remembered(store)[0] == [0, 3]


def test_another_key_is_no_damage_that_a_copy_could_mend(tmp_path: Path) -> None:
    with opened(tmp_path) as (one, store):
        decide(store, 0)
        one.copy()
    other = Safe(tmp_path / "agent.db", Vault(bytes(32)), tmp_path / "copies")
    with pytest.raises(PatrolError):
        other.open(T0)
    with opened(tmp_path) as (_, store):
        assert remembered(store)[0] == [0]
