"""Reading that sees one moment: what others write meanwhile is not mixed into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Within, all queries of this thread see the database as it was at the first of them. Nobody is kept from writing.

    PostgreSQL: a transaction at REPEATABLE READ. SQLite: a deferred transaction, whose first query chooses the moment; the
    transactions of Django would lock out all writers. Within a transaction that is under way already nothing changes: its
    isolation was chosen by whoever began it.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
