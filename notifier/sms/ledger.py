"""The gate of a box that sends by itself: its own count of messages, beside its outbox, with numbers as keyed marks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from zoneinfo import ZoneInfo

from notifier.policy import DAY_MS, HOUR_MS, NoticePolicy, Standing, Verdict, judge
from protocol.clock import Millis

SCHEMA = """
CREATE TABLE IF NOT EXISTS sms_sent (
  key TEXT PRIMARY KEY, mark TEXT NOT NULL, at_ms INTEGER NOT NULL, segments INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS sms_sent_at ON sms_sent (at_ms)
"""


class LocalGate:
    """Judges by the box's own ledger.

    Args:
        policy: the box's rules.
        time_zone: of the quiet hours.
        mark: a keyed hash, so that the table holds no number.
    """

    def __init__(self, policy: NoticePolicy, time_zone: ZoneInfo, mark: Callable[[str], str]) -> None:
        self._policy = policy
        self._time_zone = time_zone
        self._mark = mark

    @staticmethod
    def migrate(conn: sqlite3.Connection) -> None:
        """Make the table if it is missing, inside the caller's transaction."""
        for statement in SCHEMA.split(";"):
            conn.execute(statement)

    def verdict(self, conn: sqlite3.Connection, key: str, phone: str, now_ms: Millis) -> Verdict:
        """Judge a message to this number; earlier attempts at the same message do not count."""
        day, hour = now_ms - DAY_MS, now_ms - HOUR_MS
        to_number, by_agent, spent = conn.execute(
            "SELECT coalesce(sum(mark = ?), 0), coalesce(sum(at_ms > ?), 0), coalesce(sum(segments), 0)"
            " FROM sms_sent WHERE at_ms > ? AND key <> ?",
            (self._mark(phone), hour, day, key),
        ).fetchone()
        standing = Standing(now_ms, phone, to_number=to_number, by_agent=by_agent, segments_today=spent)
        return judge(self._policy, standing, self._time_zone)

    def note(self, conn: sqlite3.Connection, key: str, phone: str, now_ms: Millis, segments: int) -> None:
        """A message to this number is about to leave. What is older than a day counts no more and is forgotten."""
        conn.execute("DELETE FROM sms_sent WHERE at_ms <= ?", (now_ms - DAY_MS,))
        conn.execute(
            "INSERT OR REPLACE INTO sms_sent (key, mark, at_ms, segments) VALUES (?, ?, ?, ?)",
            (key, self._mark(phone), now_ms, segments),
        )
