"""The durable outbox: what must reach a phone or the centre, kept until it certainly did.

It is one table inside the caller's own SQLite database, so that a decision and the messages that follow from
it are stored in one transaction or not at all. Nothing here begins, commits or rolls back: the caller's
store does (see `Transact`). Workers take due items, carry them out and mark the result; they may die at any
moment.

    pending -> sending -> sent -> done        sent = the broker has it, the centre has not yet accepted it
       ^----------'---------'  -> dead        never to be sent again; a person has to look
       '-> cancelled                          withdrawn while it certainly had not left the box

Items of one group (by default: of one case in one channel) leave in order of creation, each after its
predecessor is done, dead or cancelled; so a retraction cannot overtake its task. Items without a group
stand alone.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from protocol.clock import Millis

Channel = Literal["sms", "mqtt"]
State = Literal["pending", "sending", "sent", "done", "dead", "cancelled"]

Transact = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Gives a context in which everything is stored together: commits at its end, rolls back on an exception."""

LONGEST_WAIT_MS = 3_600_000
"""No item waits longer than this. An item due later than that from now was stamped before the wall clock
stepped back, and is taken at once."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL CHECK (channel IN ('sms', 'mqtt')),
  grp TEXT,
  state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'done', 'dead', 'cancelled')),
  open INTEGER NOT NULL,
  may_have_left INTEGER NOT NULL DEFAULT 0,
  withdrawn INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  meta TEXT NOT NULL,
  payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_open ON outbox (channel, seq) WHERE open = 1;
CREATE INDEX IF NOT EXISTS outbox_group ON outbox (grp, seq) WHERE open = 1;
CREATE INDEX IF NOT EXISTS outbox_closed ON outbox (changed_ms) WHERE open = 0;
"""

_NEEDS: dict[Channel, frozenset[str]] = {"mqtt": frozenset({"topic"}), "sms": frozenset({"plate", "to_ref"})}
"""Channel -> meta fields of which one must be there."""

_COLUMNS = "key, channel, payload, meta, created_ms, state, attempts, reason, note, changed_ms, may_have_left"


_CANCEL = (
    "UPDATE outbox SET state = 'cancelled', open = 0, changed_ms = ifnull(?, changed_ms), meta = '{}',"
    " payload = x'' WHERE key = ? AND state = 'pending' AND may_have_left = 0"
)


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One effect on the world.

    Args:
        key: idempotency key; the same effect always has the same key.
        channel: who carries it out.
        payload: the SMS text in UTF-8, or the MQTT payload.
        meta: JSON object for the worker. mqtt: ``topic``, ``needs_accept`` (default true). sms: ``plate``,
            ``case_id``, optionally ``to_ref`` (a phone number already known) and ``give_up_ms`` (UTC
            milliseconds after which the warning is pointless). ``group`` names the group of the item;
            without it ``case_id`` does.
        created_ms: when it was decided.
    """

    key: str
    channel: Channel
    payload: bytes = field(repr=False)
    meta: Mapping[str, Any] = field(repr=False)
    created_ms: Millis

    @property
    def group(self) -> str | None:
        """Name of the queue that keeps its order, or None."""
        name = self.meta.get("group") or self.meta.get("case_id")
        return None if name is None else f"{self.channel}:{name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An item with what the outbox knows about it.

    `note` is the worker's own memory of the item; `may_have_left` is false only while it certainly has not
    left the box.
    """

    item: OutboxItem
    state: State
    attempts: int
    reason: str
    note: str
    changed_ms: Millis
    may_have_left: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much is on its way. `dead` counts what a person has to look at."""

    pending: int = 0
    sending: int = 0
    sent: int = 0
    dead: int = 0
    oldest_ms: Millis | None = None

    @property
    def total(self) -> int:
        """Items that have not arrived yet."""
        return self.pending + self.sending + self.sent


def migrate(conn: sqlite3.Connection) -> None:
    """Make the table if it is missing, inside the caller's transaction."""
    for statement in SCHEMA.split(";"):
        if statement.strip():
            conn.execute(statement)


def put(conn: sqlite3.Connection, item: OutboxItem) -> bool:
    """Store an item in the caller's transaction.

    Returns:
        False if an item with this key is or was there already; then nothing changes.

    Raises:
        ValueError: `meta` lacks what the channel's worker needs.
        TypeError: `meta` is not JSON.
    """
    if not _NEEDS[item.channel] & item.meta.keys():
        raise ValueError(f"meta of an {item.channel} item needs {' or '.join(sorted(_NEEDS[item.channel]))}")
    meta = json.dumps(dict(item.meta), ensure_ascii=False, separators=(",", ":"))
    cursor = conn.execute(
        "INSERT INTO outbox (key, channel, grp, state, open, created_ms, due_ms, changed_ms, meta, payload)"
        " VALUES (?, ?, ?, 'pending', 1, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
        (item.key, item.channel, item.group, *(item.created_ms,) * 3, meta, item.payload),
    )
    return cursor.rowcount == 1


def claim(
    conn: sqlite3.Connection,
    channel: Channel,
    now_ms: Millis,
    limit: int,
    states: Sequence[State] = ("pending",),
) -> list[Entry]:
    """Items of a channel that are due, oldest first, at most one per group; changes nothing."""
    marks = ", ".join("?" * len(states))
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM outbox AS o"  # noqa: S608 - only names of columns and question marks
        f" WHERE open = 1 AND channel = ? AND state IN ({marks})"
        # What was neither tried nor put off does not wait, whatever the clock says of when it was decided.
        " AND (due_ms <= ? OR due_ms > ? OR (attempts = 0 AND due_ms = created_ms))"
        " AND (grp IS NULL OR NOT EXISTS"
        " (SELECT 1 FROM outbox AS p WHERE p.open = 1 AND p.grp = o.grp AND p.seq < o.seq))"
        " ORDER BY seq LIMIT ?",
        (channel, *states, now_ms, now_ms + LONGEST_WAIT_MS, limit),
    )
    return [_entry(row) for row in rows]


def find(conn: sqlite3.Connection, key: str) -> Entry | None:
    """The item with this key, whatever its state."""
    row = conn.execute(f"SELECT {_COLUMNS} FROM outbox WHERE key = ?", (key,)).fetchone()  # noqa: S608
    return None if row is None else _entry(row)


def mark_sending(
    conn: sqlite3.Connection, key: str, now_ms: Millis, *, due_ms: Millis, from_attempt: int | None = None
) -> bool:
    """Store the intent: from here on the item may have left the box. Commit before acting on it.

    Args:
        due_ms: when to ask what became of it, if nobody says.
        from_attempt: number of attempts that the caller saw; a second worker that took the item is noticed.

    Returns:
        False if the item is no longer waiting (cancelled, done, or taken by another); then do not act.
    """
    cursor = conn.execute(
        "UPDATE outbox SET state = 'sending', attempts = attempts + 1, may_have_left = 1, due_ms = ?,"
        " changed_ms = ?, note = '' WHERE key = ? AND state IN ('pending', 'sent') AND attempts = ifnull(?, attempts)",
        (due_ms, now_ms, key, from_attempt),
    )
    return cursor.rowcount == 1


def mark_sent(conn: sqlite3.Connection, key: str, now_ms: Millis, *, due_ms: Millis) -> bool:
    """The broker has it (PUBACK); at `due_ms` it is sent again unless the centre has accepted it."""
    cursor = conn.execute(
        "UPDATE outbox SET state = 'sent', due_ms = ?, changed_ms = ?, reason = '' WHERE key = ? AND state = 'sending'",
        (due_ms, now_ms, key),
    )
    return cursor.rowcount == 1


def mark_done(conn: sqlite3.Connection, key: str, now_ms: Millis) -> bool:
    """It arrived. The key stays, the content is forgotten. False if it was not open (done before, unknown)."""
    return _close(conn, key, "done", now_ms, "", keep=False)


def mark_dead(conn: sqlite3.Connection, key: str, now_ms: Millis, reason: str) -> bool:
    """It will never be sent again; the content stays for the person who looks. False if it was not open."""
    return _close(conn, key, "dead", now_ms, reason, keep=True)


def mark_failed(
    conn: sqlite3.Connection,
    key: str,
    now_ms: Millis,
    *,
    retry_at_ms: Millis,
    reason: str,
    may_have_left: bool = True,
    from_attempt: int | None = None,
    note: str = "",
) -> bool:
    """Try again at `retry_at_ms`. With `may_have_left` false the other side certainly does not have it; then
    an item whose withdrawal came too late before (see `cancel`) is withdrawn now."""
    cursor = conn.execute(
        "UPDATE outbox SET state = 'pending', due_ms = ?, changed_ms = ?, reason = ?, note = ?,"
        " may_have_left = ? WHERE key = ? AND open = 1 AND attempts = ifnull(?, attempts)",
        (min(retry_at_ms, now_ms + LONGEST_WAIT_MS), now_ms, reason, note, may_have_left, key, from_attempt),
    )
    conn.execute(f"{_CANCEL} AND withdrawn = 1", (now_ms, key))
    return cursor.rowcount == 1


def postpone(
    conn: sqlite3.Connection, key: str, now_ms: Millis, *, due_ms: Millis, reason: str = "", note: str = ""
) -> bool:
    """Leave the item in its state and look at it again at `due_ms`."""
    cursor = conn.execute(
        "UPDATE outbox SET due_ms = ?, changed_ms = ?, reason = ?, note = ? WHERE key = ? AND open = 1",
        (min(due_ms, now_ms + LONGEST_WAIT_MS), now_ms, reason, note, key),
    )
    return cursor.rowcount == 1


def cancel(conn: sqlite3.Connection, key: str, now_ms: Millis | None = None) -> bool:
    """Withdraw an item that certainly has not left the box.

    Returns:
        True if it was withdrawn: nobody ever saw it, nothing needs to be taken back. False if it has left,
        may have left, or is unknown: then send what takes it back. If it turns out later that it did not
        leave, it is withdrawn then.
    """
    if conn.execute(_CANCEL, (now_ms, key)).rowcount == 1:
        return True
    conn.execute("UPDATE outbox SET withdrawn = 1 WHERE key = ? AND open = 1", (key,))
    return False


def requeue(conn: sqlite3.Connection, channel: Channel, now_ms: Millis) -> int:
    """After a new connection: what was on its way over the old one is pending again. Returns how many."""
    return conn.execute(
        "UPDATE outbox SET state = 'pending', due_ms = ?, changed_ms = ?"
        " WHERE open = 1 AND channel = ? AND state = 'sending'",
        (now_ms, now_ms, channel),
    ).rowcount


def hasten(conn: sqlite3.Connection, channel: Channel, due_ms: Millis) -> int:
    """The other side is there again: sent items wait for their accept until `due_ms` at most."""
    return conn.execute(
        "UPDATE outbox SET due_ms = ? WHERE open = 1 AND channel = ? AND state = 'sent' AND due_ms > ?",
        (due_ms, channel, due_ms),
    ).rowcount


def shift(conn: sqlite3.Connection, by_ms: int) -> int:
    """The caller's time base stepped: what is open keeps the time that it still waits, and the age it has. Returns how
    many."""
    return conn.execute(
        "UPDATE outbox SET due_ms = due_ms + ?1, created_ms = created_ms + ?1, changed_ms = changed_ms + ?1,"
        " meta = CASE WHEN json_extract(meta, '$.give_up_ms') IS NULL THEN meta"
        " ELSE json_set(meta, '$.give_up_ms', json_extract(meta, '$.give_up_ms') + ?1) END WHERE open = 1",
        (by_ms,),
    ).rowcount


def waiting(conn: sqlite3.Connection, channel: Channel | None = None) -> Waiting:
    """Counts by state, of one channel or of all."""
    counts = {
        state: (number, oldest)
        for state, number, oldest in conn.execute(
            "SELECT state, count(*), min(created_ms) FROM outbox"
            " WHERE (open = 1 OR state = 'dead') AND channel = ifnull(?, channel) GROUP BY state",
            (channel,),
        )
    }
    oldest = [oldest for state, (_, oldest) in counts.items() if state != "dead"]
    numbers = {state: counts.get(state, (0, None))[0] for state in ("pending", "sending", "sent", "dead")}
    return Waiting(**numbers, oldest_ms=min(oldest, default=None))


def prune(conn: sqlite3.Connection, before_ms: Millis) -> int:
    """Forget items that closed before an instant, keys included. Returns how many."""
    return conn.execute("DELETE FROM outbox WHERE open = 0 AND changed_ms < ?", (before_ms,)).rowcount


class FileTransactions:
    """A `Transact` over a database file: each thread that uses it has its own connection.

    Write-ahead log and full synchronisation: what is committed survives a power cut. A store that has its
    own connection handling gives its own `Transact` instead.

    Args:
        path: the SQLite file.
        busy_s: how long to wait for another writer, seconds.
        connect: opens a connection (path, `busy_s`) in which transactions are begun by hand; a plain one by default.
    """

    def __init__(
        self,
        path: Path,
        busy_s: float = 10.0,
        connect: Callable[[Path, float], sqlite3.Connection] | None = None,
    ) -> None:
        self.path = path
        self._busy_s = busy_s
        self._connect = connect or _connect
        self._own = threading.local()

    @contextmanager
    def __call__(self) -> Iterator[sqlite3.Connection]:
        conn = self._connection()
        conn.execute("BEGIN IMMEDIATE")
        try:
            yield conn
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the calling thread's connection."""
        conn = getattr(self._own, "conn", None)
        if conn is not None:
            conn.close()
            self._own.conn = None

    def _connection(self) -> sqlite3.Connection:
        conn: sqlite3.Connection | None = getattr(self._own, "conn", None)
        if conn is None:
            conn = self._own.conn = self._connect(self.path, self._busy_s)
        return conn


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    conn = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    return conn


def _close(
    conn: sqlite3.Connection, key: str, state: State, now_ms: Millis, reason: str, *, keep: bool
) -> bool:
    cursor = conn.execute(
        "UPDATE outbox SET state = ?, open = 0, changed_ms = ?, reason = ?, note = '',"
        " meta = CASE WHEN ? THEN meta ELSE '{}' END, payload = CASE WHEN ? THEN payload ELSE x'' END"
        " WHERE key = ? AND open = 1",
        (state, now_ms, reason, keep, keep, key),
    )
    return cursor.rowcount == 1


def _entry(row: Sequence[Any]) -> Entry:
    key, channel, payload, meta, created_ms, state, attempts, reason, note, changed_ms, left = row
    item = OutboxItem(key, channel, bytes(payload), json.loads(meta), created_ms)
    return Entry(item, state, attempts, reason, note, changed_ms, bool(left))
