"""Reporters are told once of each step of their matter, also those whose reports were put together with another case.

A row is written in the transaction of the move, and never twice for one step; whoever carries notices sends what is waiting
and marks it with `sent`. A case that is opened again tells its steps again, as a new round.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q
from django.dispatch import Signal

from central.cases.models import Case, Follower, Told
from central.cases.states import Relation
from central.project.clock import now_ms

reporters_told = Signal()
"""Sent in the transaction with `case` and `told`, the new rows."""


def tell(case: Case, step: str, process_state: str, at_ms: int) -> None:
    """Everybody who reported this matter, or follows it, is to be told that it came to a step."""
    duplicates = Case.objects.filter(
        parent=case, relation=Relation.DUPLICATE, reporter__isnull=False
    ).values_list("reporter_id", flat=True)
    mine = Q(case=case) | Q(case__parent=case, case__relation=Relation.DUPLICATE)
    followers = Follower._base_manager.filter(mine).values_list("reporter_id", flat=True)
    reporters = {*duplicates, *followers, *([case.reporter_id] if case.reporter_id else [])}
    _write(case, reporters, step, process_state, at_ms)


def tell_late(parent: Case, child: Case, at_ms: int, *, tells: bool) -> None:
    """Whose report was put together with a case is told where that one stands, if its reporters are told of that state."""
    if not tells:
        return
    concerned = set(Follower._base_manager.filter(case=child).values_list("reporter_id", flat=True))
    if child.reporter_id is not None:
        concerned.add(child.reporter_id)
    known = Told.objects.filter(case=child, reporter_id__in=concerned, step=parent.step)
    new = concerned - set(known.values_list("reporter_id", flat=True)) if concerned else concerned
    _write(parent, new, parent.step, parent.process_state, at_ms)


def follow(case: Case, reporter_id: int, at_ms: int, *, tells: bool) -> bool:
    """Somebody else has the same matter: he is told from now on as its reporters are. False where he was told already.

    Args:
        case: locked.
        reporter_id: who.
        at_ms: when he said so.
        tells: whether he is told at once where the case stands.
    """
    if case.reporter_id == reporter_id:
        return False
    made = Follower._base_manager.get_or_create(
        case=case, reporter_id=reporter_id, defaults={"at_ms": at_ms}
    )[1]
    if made and tells:
        _write(case, [reporter_id], case.step, case.process_state, at_ms)
    return made


def sent(told: Told) -> None:
    """The message went out."""
    Told.objects.filter(pk=told.pk, sent_at_ms__isnull=True).update(sent_at_ms=now_ms())


def _write(case: Case, reporters: Iterable[int], step: str, process_state: str, at_ms: int) -> None:
    wanted = sorted(set(reporters))
    if not wanted:
        return
    known = set(
        Told.objects.filter(case=case, step=step, round=case.round, reporter_id__in=wanted).values_list(
            "reporter_id", flat=True
        )
    )
    rows = [
        Told(
            case=case,
            reporter_id=reporter,
            step=step,
            round=case.round,
            process_state=process_state,
            at_ms=at_ms,
        )
        for reporter in wanted
        if reporter not in known
    ]
    if rows:
        Told.objects.bulk_create(rows)
        reporters_told.send(sender=Told, case=case, told=rows)
