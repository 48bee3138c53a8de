"""What happens to cases becomes rows in the same transaction: one for each subscription that may want it."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from django.db import connection

from central.cases.models import Case
from central.cases.process import Decision
from central.cases.states import CaseState
from central.project.clock import now_ms
from central.project.unit import insert
from central.webhooks.models import Delivery, Subscription
from protocol.clock import Millis, SystemClock

OPENED, MOVED, CLOSED, REOPENED, PLACED, TEST = (
    "case.opened",
    "case.moved",
    "case.closed",
    "case.reopened",
    "case.placed",
    "webhook.test",
)
EVENTS = (OPENED, MOVED, CLOSED, REOPENED, PLACED)
"""What can be asked for. A move is told once: as closed or reopened where it is that, else as moved."""

KNOWN_MS = 2_000
"""How long a process goes by the subscriptions that it has read: a case must not ask for them each time."""

_time = SystemClock()
_lock = threading.Lock()
_known: dict[str, tuple[Millis, list[Subscription]]] = {}


def opened(case: Case, **_: Any) -> None:
    """A case begins. Its grid is not known yet; whoever sends the event looks."""
    _write(case, OPENED, case.opened_at_ms, {"after": case.process_state})


def moved(case: Case, before: CaseState, move: Decision, at_ms: Millis, **_: Any) -> None:
    """A case takes a step."""
    event = MOVED
    if move.reopens:
        event = REOPENED
    elif move.coarse == CaseState.CLOSED and before != CaseState.CLOSED:
        event = CLOSED
    _write(case, event, at_ms, {"transition": move.transition, "after": move.after, "step": str(move.step)})


def placed(case: Case, before: int | None, **_: Any) -> None:
    """A case comes to lie in another grid; the first one belongs to its opening."""
    if before is not None:
        _write(case, PLACED, now_ms(), {"after": case.process_state})


def forget(**_: Any) -> None:
    """Read the subscriptions anew."""
    with _lock:
        _known.clear()


def new_id() -> str:
    """An id that makes a message known again."""
    return f"msg_{secrets.token_hex(16)}"


def _write(case: Case, event: str, at_ms: Millis, facts: dict[str, Any]) -> None:
    for subscription in _active():
        if subscription.key.jurisdiction_id != case.jurisdiction_id:
            continue
        if subscription.events and event not in subscription.events:
            continue
        if subscription.services and case.service_code not in subscription.services:
            continue
        insert(
            Delivery(
                subscription=subscription,
                case=case,
                message_id=new_id(),
                event=event,
                facts=facts,
                at_ms=at_ms,
                due_at_ms=now_ms(),
            )
        )


def _active() -> list[Subscription]:
    where = f"{connection.settings_dict.get('HOST')}/{connection.settings_dict['NAME']}"
    now = _time.monotonic_ms()
    with _lock:
        found = _known.get(where)
        if found is not None and now - found[0] < KNOWN_MS:
            return found[1]
    rows = list(
        Subscription.objects.filter(active=True, key__revoked_at_ms=None).select_related("key").order_by("pk")
    )
    with _lock:
        _known[where] = (now, rows)
    return rows
