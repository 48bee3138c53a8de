"""The centre of the accelerated runs: the real intake on a real database, one agent a run; and what it has at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.faults.fate import Crash, Fate

JURISDICTION = "fault-street"


def prepare(folder: Path) -> None:
    """Make the database that each worker copies."""
    _start(folder)
    from central.project import bootstrap

    bootstrap.migrate()
    from django.db import connection

    connection.close()


def take_over(template: Path, folder: Path) -> None:
    """This process's own centre, from the prepared one. Once per process."""
    shutil.copytree(template, folder)
    _start(folder)


def _start(folder: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PATROL_")]:
        del os.environ[name]
    os.environ["PATROL_CENTRAL_DATA"] = str(folder)
    from central.project import bootstrap

    bootstrap.start()


def enrol(agent_id: str) -> None:
    """Let the centre know an agent."""
    from central.fleet import services as fleet

    fleet.enrol(agent_id, JURISDICTION)


def take(messages: Sequence[tuple[str, bytes]], fate: Fate) -> list[Any]:
    """The centre's answers to a batch.

    Raises:
        Crash: the centre died on the way; nothing was taken.
    """
    from django.db import connection

    from central.ingest.intake import take_all

    with ExitStack() as stack:
        if fate.chance(0.03):
            stack.enter_context(connection.execute_wrapper(_Dies(fate, fate.dice.randint(1, 40))))
        return take_all(messages)


class _Dies:
    """Ends the centre at its n-th statement."""

    def __init__(self, fate: Fate, left: int) -> None:
        self._fate = fate
        self._left = left

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._fate.note("centre dies", sql)
            raise Crash("the centre")
        return execute(sql, params, many, context)


def cases_of(agent_id: str) -> dict[str, list[dict[str, Any]]]:
    """The agent's name of each case -> the tasks that the centre has for it, as they were sent."""
    from central.cases.models import WorkOrder
    from central.parking.models import Stay

    found: dict[str, list[dict[str, Any]]] = {}
    numbers: dict[int, str] = {}
    for stay in Stay.objects.filter(agent__agent_id=agent_id):
        found[stay.agent_case_id] = []
        numbers[stay.case_id] = stay.agent_case_id
    for order in WorkOrder.objects.filter(case_id__in=list(numbers)):
        found[numbers[order.case_id]].append(
            {"key": order.key, "kind": str(order.kind), "case": order.case_id}
        )
    return found


def states_of(agent_id: str) -> dict[str, str]:
    """The agent's name of each case -> the state at the camera, as the centre shows it."""
    from central.parking.models import Stay

    return dict(Stay.objects.filter(agent__agent_id=agent_id).values_list("agent_case_id", "agent_state"))


def evidence_of(agent_id: str) -> dict[str, list[dict[str, Any]]]:
    """The agent's name of each case -> pictures that its tasks name, and whether they have arrived."""
    from central.cases.models import Evidence
    from central.parking.models import Stay

    numbers = dict(Stay.objects.filter(agent__agent_id=agent_id).values_list("case_id", "agent_case_id"))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in numbers.values()}
    for item in Evidence.objects.filter(case_id__in=list(numbers)):
        found[numbers[item.case_id]].append(
            {
                "sha256": item.sha256,
                "role": item.role,
                "taken_at_ms": item.taken_at_ms,
                "arrived": item.picture_id is not None,
            }
        )
    return found


def records_of(agent_id: str) -> dict[str, list[int]]:
    """The agent's name of each case -> numbers of its records that were received."""
    from central.ingest.models import Receipt

    found: dict[str, list[int]] = {}
    keys = Receipt.objects.filter(key__startswith=f"{JURISDICTION}/{agent_id}/", kind="case_record")
    for key in keys.values_list("key", flat=True):
        *_, case_id, stage = key.split("/")
        found.setdefault(case_id, []).append(int(stage.rpartition("-")[2]))
    return found
