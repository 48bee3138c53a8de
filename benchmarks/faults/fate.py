"""Where the process dies or the disk refuses: at any statement, commit, file and call of a gateway."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any


class Crash(BaseException):
    """The process is gone: no handler of the agent may see it."""


class Fate:
    """Counts steps and strikes at random ones.

    Args:
        seed: of this run.
        mean: steps between two strikes, in the mean; 0: it never strikes.
    """

    def __init__(self, seed: int, mean: float) -> None:
        self.dice = random.Random(f"fate {seed}")
        self.mean = mean
        self.dead = False
        self.asleep = mean <= 0
        self.counts: Counter[str] = Counter()
        self.story: list[str] = []
        self._full = 0
        self._gap = self._next()

    def _next(self) -> int:
        return 1 + int(self.dice.expovariate(1 / self.mean)) if self.mean > 0 else 0

    def note(self, kind: str, what: str = "") -> None:
        """One more fault of a kind."""
        self.counts[kind] += 1
        self.story.append(f"{kind} {what[:60]}".strip())

    def chance(self, share: float) -> bool:
        """Whether something that happens in this share of all cases happens now."""
        return not self.asleep and self.dice.random() < share

    def step(self, what: str, *, writes: bool = False, file: bool = False) -> None:
        """One step of the process.

        Raises:
            Crash: it dies here.
            sqlite3.OperationalError, OSError: the disk is full.
        """
        if self.dead:
            raise Crash(what)
        if self.asleep:
            return
        if self._full and writes:
            self._full -= 1
            self._refuse(file)
        self._gap -= 1
        if self._gap > 0:
            return
        self._gap = self._next()
        if writes and self.dice.random() < 0.35:
            self._full = self.dice.choice((0, 0, 1, 3, 8, 20))
            self.note("disk full", what)
            self._refuse(file)
        self.note("crash", what)
        self.dead = True
        raise Crash(what)

    def _refuse(self, file: bool) -> None:
        if file:
            raise OSError(errno.ENOSPC, "No space left on device")
        raise sqlite3.OperationalError("database or disk is full")

    def revive(self) -> None:
        """The next life begins."""
        self.dead = False
        self._full = 0


_WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


class FatedConnection:
    """An SQLite connection at each of whose statements the process may die, before or after it took effect."""

    def __init__(self, real: sqlite3.Connection, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As `sqlite3.Connection.execute`."""
        if sql != "ROLLBACK" or self._fate.dead:
            self._fate.step(f"before {sql}", writes=sql.startswith(_WRITES))
        cursor = self._real.execute(sql, *parameters)
        self._fate.step(f"after {sql}")
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class FatedOs:
    """Stands for the module `os` where evidence is written: the process may die at each call, the disk be full."""

    def __init__(self) -> None:
        self.fate: Fate | None = None

    def _step(self, what: str) -> None:
        if self.fate is not None:
            self.fate.step(what, writes=True, file=True)

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        """As `os.open`."""
        if flags & os.O_CREAT:
            self._step(f"file {Path(path).name[-30:]}")
        return os.open(path, flags, mode)

    def fsync(self, handle: int) -> None:  # noqa: ARG002
        """The process may die; but never mind the disk, which is memory."""
        self._step("fsync")

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)
