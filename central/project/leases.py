"""Rows that workers take in turn: `due_at_ms` says when, and whoever takes one puts it off for as long as the step may last."""

from __future__ import annotations

from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from central.project.clock import now_ms

Row = TypeVar("Row", bound=Model)


def take_due(rows: QuerySet[Row], lease_ms: int) -> Row | None:
    """The first of these rows that is due, put off for the length of a lease, so that a crash repeats its step and another
    worker takes another one. None where none is due.

    Args:
        rows: of a model with `due_at_ms`, in the order in which they are taken.
        lease_ms: milliseconds.
    """
    now = now_ms()
    due = rows.filter(due_at_ms__lte=now)
    if not due.exists():
        return None
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        row = due.first()
        if row is not None:
            row.due_at_ms = now + lease_ms  # type: ignore[attr-defined]
            row.save(update_fields=["due_at_ms"])
    return row
