"""The agent's database, kept so that damage to its file costs nothing: checked at the start, restored from a copy.

Copies are made while the agent works (SQLite's online backup), checked, and kept with their SHA-256; the second log
holds what was decided since. See docs/decisions/0056.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from edge_agent.second_log import DamagedError, LoggedConnection, SecondLog, complete, counter, is_damage
from edge_agent.store import Store, connect
from edge_agent.vault import Vault
from notifier import outbox
from protocol.clock import Millis, iso
from protocol.errors import PatrolError, UnavailableError

_log = logging.getLogger(__name__)

_TOLD_MS = 24 * 3_600_000
"""How long a restoration stands in the health messages."""

_LOG_MOST = 64 * 1024 * 1024
"""A second log of this size brings the next copy forward."""

RESTORED = "restored"


class Safe:
    """Opens the database, and makes copies of it.

    Args:
        path: the SQLite file.
        vault: opens what is sealed in it.
        folder: where copies and the second log lie; best on another disk.
        keep: how many copies are kept.
        every_s: seconds between copies.
    """

    def __init__(
        self, path: Path, vault: Vault, folder: Path, *, keep: int = 2, every_s: float = 21_600
    ) -> None:
        self.path = path
        self._vault = vault
        self._folder = folder
        self._keep = keep
        self._every_ms = round(every_s * 1000)
        self._next_ms: int | None = None
        self.problem: str | None = None
        try:
            self.log = SecondLog(folder)
        except OSError as error:
            raise UnavailableError(
                f"copies of the database cannot be kept: {error.strerror}",
                file=folder,
                field="copies.folder",
                mend="Check its path, owner and rights.",
            ) from error

    def open(self, now_ms: Millis) -> Store:
        """The database: as it is, completed by the second log, or restored.

        Raises:
            DamagedError: it is damaged and so are all copies, or there are none.
            PatrolError: it belongs to a newer version or another key.
            UnavailableError: the disk refuses.
        """
        try:
            if not self.path.exists() and self._copies():
                raise DamagedError("is gone", file=self.path)
            store = self._sound(self.path)
            newest = next((number for number, _, _ in self._copies()), 0)
            behind = counter(store.db) < self._copied()
            done, whole = (0, False) if behind else complete(store.db, self._folder, newest)
            if not whole:
                store.close()
                raise DamagedError("has lost its newest changes", file=self.path)
            if done > 1:
                # One may be missing: the process may have died between the second log and the commit.
                text = f"the database had lost its newest {done} changes; they were taken from the second log"
                self._tell(store, now_ms, text, whole)
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"cannot be written: {error}", file=self.path) from error
        except (DamagedError, sqlite3.DatabaseError) as error:
            if not (isinstance(error, DamagedError) or is_damage(error)):
                raise
            store = self._restore(error, now_ms)
        _plug(store.db, self.log)
        return store

    def transactions(self) -> outbox.FileTransactions:
        """For workers: connections of their own that write the second log as well."""

        def opener(path: Path, busy_s: float) -> sqlite3.Connection:
            db = connect(path, busy_s)
            _plug(db, self.log)
            return db

        return outbox.FileTransactions(self.path, connect=opener)

    def check(self) -> None:
        """Raises `DamagedError` as soon as a connection has met damage; also where the workers alone met it."""
        if self.log.damaged is not None:
            raise DamagedError(f"is damaged: {self.log.damaged}", file=self.path)

    def problems(self, store: Store, now_ms: Millis) -> list[str]:
        """Named states of health: a restoration of the last 24 hours, copies that cannot be made."""
        found = [] if self.problem is None else [self.problem]
        text = store.meta(RESTORED)
        if text is not None:
            told = json.loads(text)
            if now_ms - told["at_ms"] < _TOLD_MS:
                found.append(f"database_restored: {iso(told['at_ms'])}: {told['text']}")
        return found

    # Copies

    def copy_if_due(self, monotonic_ms: int) -> None:
        """Make a copy if it is time for one. A copy that fails is a named state of health and stops nothing.

        Raises:
            DamagedError: the database itself is damaged.
        """
        due = self._next_ms is None or monotonic_ms >= self._next_ms or self.log.size > _LOG_MOST
        if due:
            self._next_ms = monotonic_ms + min(self._every_ms, 600_000)  # if it fails, sooner
            try:
                self.copy()
            except (OSError, UnavailableError, sqlite3.OperationalError) as error:
                if self.problem is None:
                    _log.error("copies: no copy of the database could be made: %s", error)
                self.problem = f"copies: no copy of the database could be made: {error}"
            else:
                self.problem = None
                self._next_ms = monotonic_ms + self._every_ms

    def copy(self) -> Path:
        """Make a copy now, check it, and forget those beyond the number kept.

        Raises:
            DamagedError: what was copied is damaged.
            OSError, sqlite3.OperationalError: it cannot be written; the earlier copies stay.
        """
        number = self.log.turn()
        draft = self._folder / ".draft"
        for leftover in _with_logs(draft):
            leftover.unlink(missing_ok=True)
        try:
            source = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10)
            try:
                with contextlib.closing(sqlite3.connect(draft)) as target:
                    source.backup(target)
                    target.execute("PRAGMA journal_mode = DELETE")
                    found = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
            finally:
                source.close()
            if found != "ok":
                raise DamagedError(f"is damaged: {found}", file=self.path)
            draft.chmod(0o600)
            with draft.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            kept = self._folder / f"{number:08d}-{digest[:32]}.db"
            draft.replace(kept)
            _sync(self._folder)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise DamagedError(f"is damaged: {error}", file=self.path) from error
            raise
        finally:
            for leftover in _with_logs(draft):
                leftover.unlink(missing_ok=True)
        copies = self._copies()
        for _, _, old in copies[self._keep :]:
            old.unlink(missing_ok=True)
        self.log.prune(copies[: self._keep][-1][0])
        return kept

    def _copies(self) -> list[tuple[int, str, Path]]:
        """Number, beginning of the SHA-256 and path, newest first."""
        found = []
        for path in self._folder.glob("*-*.db"):
            number, _, digest = path.stem.partition("-")
            if number.isdigit():
                found.append((int(number), digest, path))
        return sorted(found, reverse=True)

    def _copied(self) -> int:
        """The number of the newest transaction in the newest copy that can be read; 0 where there is none."""
        for _, _, path in self._copies():
            with contextlib.suppress(sqlite3.Error, ValueError):
                uri = f"file:{path}?immutable=1"
                with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
                    return counter(db)
        return 0

    # Restoring

    def _restore(self, why: Exception, now_ms: Millis) -> Store:
        reason = why.problem if isinstance(why, PatrolError) else str(why)
        draft = self.path.with_name(f"{self.path.name}.restoring")
        for number, digest, copy in self._copies():
            for leftover in _with_logs(draft):
                leftover.unlink(missing_ok=True)
            try:
                shutil.copyfile(copy, draft)
                with draft.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest()[:32] != digest:
                        raise DamagedError("is not as it was written", file=copy)
                draft.chmod(0o600)
                store = self._sound(draft)
                try:
                    done, whole = complete(store.db, self._folder, number)
                    since = _iso_of(copy)
                    text = (
                        f"the database {reason}; it was restored from the copy of {since} and {done} later changes in the "
                        "second log"
                    )
                    self._tell(store, now_ms, text, whole)
                finally:
                    store.close()
                with draft.open("rb+") as file:
                    os.fsync(file.fileno())
            except (DamagedError, sqlite3.DatabaseError) as error:
                _log.error("the copy %s of the database cannot be used: %s", copy, error)
                continue
            except OSError as error:
                raise UnavailableError(f"cannot be restored: {error.strerror}", file=self.path) from error
            self._swap(draft)
            return self._sound(self.path)
        raise DamagedError(
            f"{reason}, and no copy of it can be used",
            file=self.path,
            mend="Restore it from a backup, or start with another data folder.",
        )

    def _swap(self, draft: Path) -> None:
        """The damaged file is kept beside, for whoever wants to know why."""
        for part in _with_logs(self.path):
            if part.exists():
                part.replace(
                    part.with_name(part.name.replace(self.path.name, f"{self.path.name}.damaged", 1))
                )
        draft.replace(self.path)
        _sync(self.path.parent)

    def _tell(self, store: Store, now_ms: Millis, text: str, whole: bool) -> None:
        text += (
            "; nothing is missing"
            if whole
            else "; THE SECOND LOG IS DAMAGED TOO: what was decided after that is not known here, look at the centre"
        )
        _log.error("database_restored: %s", text)
        with store.transaction():
            store.set_meta(RESTORED, json.dumps({"at_ms": now_ms, "text": text}))

    def _sound(self, path: Path) -> Store:
        """Open a database and look into everything that decisions rest on.

        Raises:
            DamagedError: something in it is not as it was written.
        """
        store = Store(path, self._vault)
        try:
            for what in _unreadable(store):
                raise DamagedError(f"is damaged: {what} cannot be read", file=path)
        except BaseException:
            store.close()
            raise
        return store


def _unreadable(store: Store) -> Iterator[str]:
    """What of a database does not open with the box's key any more, or is no JSON."""
    queries = (
        ("camera", "SELECT camera_id, sealed FROM cameras"),
        ("case", "SELECT case_id, sealed FROM cases"),
        ("message", "SELECT key, payload FROM outbox WHERE open = 1"),
    )
    for what, query in queries:
        for name, sealed in store.db.execute(query):
            try:
                store.vault.unseal(sealed)
            except (PatrolError, ValueError, TypeError):
                yield f"{what} {name!r}"
    for name, body in store.db.execute(
        "SELECT id, body FROM arrivals UNION ALL SELECT key, meta FROM outbox"
    ):
        try:
            json.loads(body)
        except (ValueError, TypeError):
            yield f"entry {name!r}"
    counter(store.db)


def _plug(db: sqlite3.Connection, log: SecondLog) -> None:
    assert isinstance(db, LoggedConnection)
    db.log = log


def _with_logs(path: Path) -> list[Path]:
    """A database file with its companions; these first."""
    return [path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm", "-journal", "")]


def _iso_of(path: Path) -> str:
    return iso(path.stat().st_mtime_ns // 1_000_000)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
