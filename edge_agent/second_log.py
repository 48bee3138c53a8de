"""A second log of what the database is told, so that a damaged database costs nothing.

Before a transaction is committed, its statements are written to a file of their own, with a number that the database
keeps too. A copy of the database and the statements with higher numbers make the database again; a database that
forgot its newest transactions (a write-ahead log cut off by a crash of the disk) is completed in the same way.

One entry: length and CRC-32 (big-endian, 4 bytes each), then JSON. The memory of cameras that goes with no decision
and the rest log are left out: after a restoration what they lack is a gap, never a guess.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import sqlite3
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from protocol.errors import PatrolError, UnavailableError

COUNTER = "second_log"
"""Name of the value in `meta` that holds the number of the newest transaction in the second log."""

_HEAD = struct.Struct(">II")
_LARGEST = 64 * 1024 * 1024
_SUFFIX = ".log"
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_MARKS = ("SAVEPOINT", "ROLLBACK TO", "RELEASE")
_LEFT_OUT = (" rests", " rest_pictures", " rest_zones")
_PASSING = "INSERT OR REPLACE INTO cameras"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Statement = tuple[str, tuple[Any, ...]]


class DamagedError(PatrolError):
    """The database is damaged. Opening it again restores it from a copy."""


def is_damage(error: BaseException) -> bool:
    """Whether an error of SQLite says that the file is damaged, rather than full, locked or misused."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and code is not None and code & 0xFF in _DAMAGE


def kind_of(error: PatrolError) -> str:
    """The name under which a trouble with the agent's own data stands in its health."""
    if not isinstance(error, UnavailableError):
        return "damaged"
    return "disk_full" if "full" in error.problem or "No space" in error.problem else "storage"


class SecondLog:
    """The log's files in one folder, numbered; a new one is begun by each process and with each copy.

    Args:
        folder: made if missing.

    Attributes:
        damaged: what a connection found damaged while it worked, in words.
        write: writes bytes to a file handle; tests put a disk in its place that fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: str | None = None
        self.write: Callable[[int, Any], int] = os.write
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._size = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Beyond the copies too, which carry the number of the first file that they lack.
        begun = [p.name[:8] for p in folder.iterdir() if p.suffix in (_SUFFIX, ".db")]
        self._number = max((int(name) for name in begun if name.isdigit()), default=0) + 1

    @property
    def size(self) -> int:
        """Bytes in the file that is being written."""
        return self._size

    def append(self, seq: int, statements: list[Statement]) -> None:
        """Write an entry so that it survives a power cut. Only by who holds the database's write lock.

        Raises:
            OSError: the disk is full or fails; nothing was written.
        """
        body = json.dumps(
            {"seq": seq, "do": [[sql, [_plain(v) for v in values]] for sql, values in statements]},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        data = _HEAD.pack(len(body), zlib.crc32(body)) + body
        with self._lock:
            handle = self._file()
            if os.fstat(handle).st_size != self._size:
                os.ftruncate(handle, self._size)  # what a failed attempt left
            self._undo = self._size
            try:
                view = memoryview(data)
                while view:
                    view = view[self.write(handle, view) :]
                os.fsync(handle)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, self._size)
                raise
            self._size += len(data)

    def take_back(self) -> None:
        """The transaction of the newest entry was not committed after all."""
        with self._lock:
            self._size = self._undo
            if self._handle is not None:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, self._size)

    def turn(self) -> int:
        """Begin a new file; its number. What is committed from now on stands in it or a later one."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
                self._number += 1
            return self._number

    def prune(self, before: int) -> None:
        """Remove the files with lower numbers."""
        for number, path in files(self.folder):
            if number < before:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
                self._number += 1

    def _file(self) -> int:
        if self._handle is None:
            path = self.folder / f"{self._number:08d}{_SUFFIX}"
            self._handle = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            self._size = 0
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return self._handle


class LoggedConnection(sqlite3.Connection):
    """A connection whose committed transactions stand in the second log. Transactions are begun and ended by hand."""

    log: SecondLog | None = None
    _said: list[Statement]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        log = self.log
        if log is None:
            return super().execute(sql, parameters)
        if sql == "COMMIT":
            return self._commit(log)
        try:
            cursor = super().execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                log.damaged = str(error)
            raise
        if sql.startswith("BEGIN") or sql == "ROLLBACK":
            self._said = []
        elif sql.startswith(_MARKS) or (
            sql.startswith(_WRITES) and cursor.rowcount != 0 and not any(n in sql for n in _LEFT_OUT)
        ):
            self._said.append((sql, tuple(parameters)))
        return cursor

    def _commit(self, log: SecondLog) -> sqlite3.Cursor:
        said, self._said = self._said, []
        if all(sql.startswith(_MARKS) or sql.startswith(_PASSING) for sql, _ in said):
            return super().execute("COMMIT")
        seq = counter(self) + 1
        super().execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (COUNTER, str(seq)))
        try:
            log.append(seq, said)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise sqlite3.OperationalError(
                f"the second log cannot be written: {'the disk is full' if full else error.strerror}"
            ) from error
        try:
            return super().execute("COMMIT")
        except sqlite3.Error:
            log.take_back()
            raise


def counter(db: sqlite3.Connection) -> int:
    """The number of the newest logged transaction that the database holds; 0 if none."""
    row = sqlite3.Connection.execute(db, "SELECT value FROM meta WHERE name = ?", (COUNTER,)).fetchone()
    return 0 if row is None else int(row[0])


def files(folder: Path) -> list[tuple[int, Path]]:
    """Number and path of each file of a log, in order."""
    found = [(int(p.stem), p) for p in folder.glob(f"*{_SUFFIX}") if p.stem.isdigit()]
    return sorted(found)


def complete(db: sqlite3.Connection, folder: Path, first: int = 0) -> tuple[int, bool]:
    """Bring a database up to the end of the second log, in one transaction.

    Args:
        db: a plain connection.
        first: number of the first file that can hold anything new.

    Returns:
        How many transactions were carried over, and whether the log was whole: without a hole from the database's
        own end on.
    """
    done, whole = 0, True
    db.execute("BEGIN IMMEDIATE")
    try:
        at = counter(db)
        for seq, statements in _settled(entries(folder, first)):
            if seq <= at:
                continue
            if seq != at + 1:
                whole = False
                break
            for sql, values in statements:
                db.execute(sql, values)
            at, done = seq, done + 1
        if done:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (COUNTER, str(at)))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return done, whole


def entries(folder: Path, first: int = 0) -> Iterator[tuple[int, list[Statement]]]:
    """Number and statements of each entry, in the order of writing; a damaged rest of a file is passed over."""
    for number, path in files(folder):
        if number < first:
            continue
        with path.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                length, crc = _HEAD.unpack(head)
                body = file.read(length) if length <= _LARGEST else b""
                if len(body) != length or zlib.crc32(body) != crc:
                    break
                entry = json.loads(body)
                yield entry["seq"], [(sql, tuple(map(_value, values))) for sql, values in entry["do"]]


def _settled(source: Iterator[tuple[int, list[Statement]]]) -> Iterator[tuple[int, list[Statement]]]:
    """Of entries with one number the last: the earlier ones were never committed."""
    held: tuple[int, list[Statement]] | None = None
    for entry in source:
        if held is not None and held[0] < entry[0]:
            yield held
        held = entry
    if held is not None:
        yield held


def _plain(value: Any) -> Any:
    return (
        {"b": base64.b64encode(value).decode()}
        if isinstance(value, (bytes, bytearray, memoryview))
        else value
    )


def _value(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value
