"""A transaction that remembers what it still has to write, so that many small writes become a few large ones.

A batch of messages writes the same kinds of rows again and again: entries of histories, heads of cases, announcements. In
a unit these wait for the end and go out together, in the same transaction: they are there or they are not, as before. Who
reads such a row within the transaction calls `flush` first. A unit has no way back to the state before one message:
whoever needs that gives up the whole unit and starts again without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import transaction
from django.db.models import Model

_current: ContextVar[Unit | None] = ContextVar("unit", default=None)


class Unit:
    """What waits to be written. One transaction's own; not for threads to share."""

    def __init__(self) -> None:
        self._rows: dict[type[Model], list[Model]] = {}
        self._last: dict[Any, Callable[[], None]] = {}
        self.topics: dict[str, None] = {}
        """Topics to announce, each once."""
        self.held: dict[str, Any] = {}
        """Rows that this transaction has locked, by a name that their owner gives."""

    def add(self, row: Model) -> None:
        """Insert this row at the end; its number is known only then."""
        self._rows.setdefault(type(row), []).append(row)

    def at_end(self, name: Any, write: Callable[[], None]) -> None:
        """Call `write` after the rows; of several under one name, the first alone."""
        self._last.setdefault(name, write)

    def flush(self) -> None:
        """Write what waits now. More may come afterwards."""
        rows, self._rows = self._rows, {}
        for model, waiting in rows.items():
            model._base_manager.bulk_create(waiting)
        last, self._last = self._last, {}
        for write in last.values():
            write()


def current() -> Unit | None:
    """The unit of the transaction under way, if it has one."""
    return _current.get()


@contextmanager
def unit() -> Iterator[Unit]:
    """One transaction whose small writes wait for its end. Not to be nested."""
    with transaction.atomic():
        made = Unit()
        token = _current.set(made)
        try:
            yield made
            made.flush()
        finally:
            _current.reset(token)
