"""The rest log's tables in the agent's database."""

from __future__ import annotations

import sqlite3

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS rests (
  rest_id TEXT PRIMARY KEY, camera_id TEXT NOT NULL, first_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,
  width INTEGER NOT NULL, height INTEGER NOT NULL, period_ms INTEGER NOT NULL, zones TEXT NOT NULL,
  looked TEXT NOT NULL, body TEXT NOT NULL, decided TEXT
) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS rests_ended ON rests (ended_ms)",
    """CREATE TABLE IF NOT EXISTS rests_standing (
  camera_id TEXT PRIMARY KEY, width INTEGER NOT NULL, height INTEGER NOT NULL, period_ms INTEGER NOT NULL,
  zones TEXT NOT NULL, looked TEXT NOT NULL, memory TEXT NOT NULL
) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS rest_pictures (rest_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, jpeg BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rest_zones (version TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS rest_pictures_at ON rest_pictures (at_ms)",
)


def migrate(db: sqlite3.Connection) -> None:
    """Make the tables where they are missing. An older agent leaves them alone."""
    for statement in _SCHEMA:
        db.execute(statement)
