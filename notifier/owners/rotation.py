"""Changes the key of the owners' table so that a power cut at any moment leaves a table that opens.

The new key is written beside the old one first; then the table is sealed anew in one transaction; then the
new key takes the old one's name. Whoever opens the table after a cut finishes or drops what was begun.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from notifier.owners._key import key_from_file, key_of, new_secret, write_key_file
from notifier.owners.local import LocalDirectory
from protocol.clock import Clock
from protocol.errors import UnavailableError


def next_key_file(key_file: Path) -> Path:
    """Where the new key waits while a rotation is under way."""
    return key_file.with_name(key_file.name + ".next")


def rotate(table: Path, key_file: Path, clock: Clock) -> int:
    """Seal the table with a fresh key, which replaces the content of `key_file`.

    Returns:
        Number of rows sealed.

    Raises:
        PatrolError: key or table cannot be used; nothing was changed.
        UnavailableError: a file cannot be written; table and key file still fit.
    """
    finish_rotation(table, key_file)
    following = next_key_file(key_file)
    secret = new_secret()
    write_key_file(following, secret, replace=True)
    with LocalDirectory(table, key_from_file(key_file), clock) as directory:
        rows = directory.rotate(key_of(secret, where=following, field="owners.key_file"))
    finish_rotation(table, key_file)
    return rows


def finish_rotation(table: Path, key_file: Path) -> None:
    """If a rotation was cut short, make the key file fit the table again.

    Raises:
        PatrolError: the waiting key is none.
        UnavailableError: a file cannot be read or written.
    """
    following = next_key_file(key_file)
    if not following.exists() or not table.exists():
        return
    waiting = key_from_file(following)
    try:
        if waiting.name == _key_name(table):
            following.replace(key_file)
        else:
            following.unlink()
    except OSError as error:
        raise UnavailableError(f"cannot be written: {error.strerror}", file=key_file) from error


def _key_name(table: Path) -> str:
    try:
        db = sqlite3.connect(table, timeout=10)
        try:
            row = db.execute("SELECT name FROM owners_key").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise UnavailableError(f"cannot be read: {error}", file=table, field="owners.file") from error
    return "" if row is None else str(row[0])
