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

from django.db import connection, transaction
from django.db.models import Model
from django.db.models.signals import post_save

_current: ContextVar[Unit | None] = ContextVar("unit", default=None)


class Unit:
    """What waits to be written. One transaction's own; not for threads to share."""

    def __init__(self) -> None:
        self._rows: dict[type[Model], list[Model]] = {}
        self._changed: dict[type[Model], tuple[dict[Any, Model], dict[str, None]]] = {}
        self._last: dict[Any, Callable[[], None]] = {}
        self.topics: dict[str, None] = {}
        """Topics to announce, each once."""
        self.held: dict[str, Any] = {}
        """What this transaction knows, because it has locked or looked it up, by a name that its owner gives."""

    def add(self, row: Model) -> None:
        """Insert this row at the end; its number is known only then, and its `post_save` is sent then."""
        self._rows.setdefault(type(row), []).append(row)

    def change(self, row: Model, *fields: str) -> None:
        """Write these fields of a row, which is locked, at the end."""
        rows, names = self._changed.setdefault(type(row), ({}, {}))
        rows[row.pk] = row
        names.update(dict.fromkeys(fields))

    def at_end(self, name: Any, write: Callable[[], None]) -> None:
        """Call `write` after the rows; of several under one name, the first alone."""
        self._last.setdefault(name, write)

    def flush(self) -> None:
        """Write what waits now. More may come afterwards."""
        while self._rows or self._changed or self._last:
            rows, self._rows = self._rows, {}
            for model, waiting in rows.items():
                model._base_manager.bulk_create(waiting)
                for row in waiting:
                    post_save.send(
                        sender=model,
                        instance=row,
                        created=True,
                        update_fields=None,
                        raw=False,
                        using="default",
                    )
            changed, self._changed = self._changed, {}
            for model, (several, names) in changed.items():
                _update(model, list(several.values()), list(names))
            last, self._last = self._last, {}
            for write in last.values():
                write()


def save(row: Model, *fields: str) -> None:
    """Write these fields of a locked row: now, or at the end of the unit under way."""
    unit = _current.get()
    if unit is None:
        row.save(update_fields=fields)
    else:
        unit.change(row, *fields)


def insert(row: Model) -> None:
    """Insert a row whose number nobody needs yet: now, or at the end of the unit under way."""
    unit = _current.get()
    if unit is None:
        row.save(force_insert=True)
    else:
        unit.add(row)


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


def _update(model: type[Model], rows: list[Model], names: list[str]) -> None:
    """Write the same fields of several rows with one statement (UPDATE ... FROM, PostgreSQL and SQLite 3.33)."""
    key = model._meta.pk
    fields = [model._meta.get_field(name) for name in names]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = [quote(each.column) for each in (key, *fields)]
    # The first row tells PostgreSQL the types of all.
    first = ", ".join(
        f"CAST(%s AS {each.rel_db_type(connection) if each is key else each.db_type(connection)})"
        for each in (key, *fields)
    )
    other = ", ".join(["%s"] * len(columns))
    values = ", ".join([f"({first})", *[f"({other})"] * (len(rows) - 1)])
    sets = ", ".join(f"{column} = fresh.{column}" for column in columns[1:])
    facts = [
        each.get_db_prep_save(getattr(row, each.attname), connection)
        for row in rows
        for each in (key, *fields)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH fresh ({', '.join(columns)}) AS (VALUES {values})"  # noqa: S608
            f" UPDATE {table} SET {sets} FROM fresh WHERE {table}.{columns[0]} = fresh.{columns[0]}",
            facts,
        )
