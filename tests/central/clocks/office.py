"""A sub-district with its tree of grids and people, cases, and a way to die between two statements."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime

from django.db import connection, connections, transaction

from central.cases.models import Case
from central.cases.services import _set_state, lock_case
from central.cases.states import CaseState
from central.clocks.models import Clock
from central.grids.models import Grid
from tests.central.street import JURISDICTION


def beijing(text: str) -> int:
    return round(datetime.fromisoformat(text + "+08:00").timestamp() * 1000)


MONDAY = beijing("2026-11-23T09:00")


def tree(person: Callable) -> list[Grid]:
    """A grid of each level, the leaf first, each with a primary; level 2 has nobody."""
    node, found = None, []
    for level in range(1, 5):
        primary = person(f"level{level}", "grid_worker") if level != 2 else None
        node = Grid.objects.create(
            jurisdiction_id=JURISDICTION,
            code=f"g{level}",
            name=f"Grid {level}",
            level=level,
            parent=node,
            primary=primary,
        )
        found.insert(0, node)
    return found


def open_case(key: str = "case", code: str = "fly_tipping", grid: Grid | None = None) -> Case:
    """A case that was opened and is being handled, as the case engine does it."""
    with transaction.atomic():
        case, _ = lock_case(
            key,
            {"jurisdiction_id": JURISDICTION, "service_code": code, "opened_at_ms": 1, "grid": grid},
        )
        _set_state(case, CaseState.OPEN, None)
    return case


def close_case(case: Case, at_ms: int) -> None:
    with transaction.atomic():
        _set_state(Case.objects.select_for_update().get(pk=case.pk), CaseState.CLOSED, at_ms)


def kinds(case: Case) -> list[str]:
    return list(case.history.order_by("number").values_list("kind", flat=True))


def clock_of(case: Case, kind: str = "reply") -> Clock:
    return Clock.objects.filter(case=case, kind=kind).latest("round")


def in_a_child(work: Callable[[], object], die_before: int) -> bool:
    """Run in a process of its own that is killed, as by `kill -9`, before its n-th step; whether it lived."""
    return ended_well(start_child(work, die_before))


def start_child(work: Callable[[], object], die_before: int) -> int:
    """Start such a process; its number. A step is a statement, or the moment before or after a COMMIT."""
    connections["default"].close()  # the child opens its own
    child = os.fork()
    if child:
        return child
    code, count = 1, 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == die_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute, sql, params, many, context):
        step()
        return execute(sql, params, many, context)

    commit = connection.commit

    def stepping_commit() -> None:
        step()
        commit()
        step()

    connection.commit = stepping_commit
    try:
        with connection.execute_wrapper(statement):
            work()
        code = 0
    finally:
        os._exit(code)


def ended_well(child: int) -> bool:
    """Wait for a child: True if it came to its end, False if it was killed; anything else is an error of its own."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.waitstatus_to_exitcode(status) == 0
    return True
