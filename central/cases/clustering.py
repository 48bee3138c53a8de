"""Many reports of one matter become one case: found when a report comes, explained, undone with a reason.

Reports hang together when they are alike enough, directly or through others; a report that is alike to two cases puts them
together. So the order in which reports arrive does not change who belongs together, but for three rules: a case that is
dispatched already is not put into another one by itself, what people took apart stays apart, and a closed case takes
nothing in unless the service says so. In each of these the likeness is noted and people decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from central.cases import history, telling
from central.cases.actions import lock_both
from central.cases.alike import METRES_PER_DEGREE, Report, Score, score
from central.cases.definition import Definition
from central.cases.engine import RefusedError, facts_of, record
from central.cases.models import Case, ClusterGate, Likeness
from central.cases.process import MERGED, UNMERGED, Decision, Refusal, react
from central.cases.rules import definition_of
from central.cases.states import CaseState, Relation
from central.project.clock import now_ms
from protocol.errors import PatrolError

CANDIDATES = 500
"""Of more, the newest: a place with so many reports in the hours of a rule has another problem."""

CENTRE_ACTOR = "centre"


@dataclass(frozen=True, slots=True)
class Found:
    """A case like another: its number, that of the case which it belongs to (its own, or of the one that it was put into), when
    it was opened, and the score."""

    number: int
    root: int | None
    at_ms: int
    score: Score


def gate(jurisdiction_id: str, service_code: str) -> None:
    """Let reports of one service in one jurisdiction pass one at a time. Taken before any case is locked."""
    where = {"jurisdiction_id": jurisdiction_id, "service_code": service_code}
    ClusterGate.objects.bulk_create([ClusterGate(**where)], ignore_conflicts=True)
    ClusterGate.objects.select_for_update().get(**where)


def _gate_of(case_id: int) -> None:
    gate(*Case._base_manager.values_list("jurisdiction_id", "service_code").get(pk=case_id))


def report_of(case: Case) -> Report:
    """What of a case is compared."""
    return Report(
        number=case.pk,
        at_ms=case.opened_at_ms,
        longitude=case.longitude,
        latitude=case.latitude,
        text=case.text,
        plate=case.plate,
        place=case.place,
    )


def alike(definition: Definition, report: Report, jurisdiction_id: str) -> list[Found]:
    """The cases that are like a report by its service's rule, the likest first; also for suggestions while typing."""
    rule = definition.duplicates
    if rule is None:
        return []
    window = rule.minutes * 60_000
    near = Case._base_manager.filter(
        service_code=definition.service_code,
        jurisdiction_id=jurisdiction_id,
        opened_at_ms__gte=report.at_ms - window,
        opened_at_ms__lte=report.at_ms + window,
    ).exclude(pk=report.number)
    if rule.closed == "ignore":
        near = near.filter(~Q(state=CaseState.CLOSED) | Q(relation=Relation.DUPLICATE))
    rows = (
        _around(near, report, rule.radius_m)
        .order_by("-opened_at_ms", "-pk")
        # Plain rows: where a place was flooded there are hundreds, read while everybody else's reports wait.
        .values_list(
            "pk", "opened_at_ms", "longitude", "latitude", "text", "plate", "place", "parent_id", "relation"
        )[:CANDIDATES]
    )
    found = []
    for number, at_ms, longitude, latitude, text, plate, place, parent_id, relation in rows:
        how = score(report, Report(number, at_ms, longitude, latitude, text, plate, place), rule)
        if how is not None and how.total >= rule.threshold:
            found.append(Found(number, parent_id if relation == Relation.DUPLICATE else number, at_ms, how))
    return sorted(found, key=lambda one: (-one.score.total, one.at_ms, one.number))


def cluster(case: Case) -> Case | None:
    """Put a new case together with those like it; the case that it belongs to now, or None.

    The caller holds the gate and the transaction. It locks the cases concerned in the order of their numbers.
    """
    definition = definition_of(case)
    rule = definition.duplicates
    if rule is None:
        return None
    found = alike(definition, report_of(case), case.jurisdiction_id)
    roots: dict[int, Found] = {}
    for one in found:
        if one.root is not None:
            roots.setdefault(one.root, one)
    if not roots:
        return None
    # The case itself is new: nobody else knows of it yet, so the order in which it is locked does not matter.
    locked = {
        each.pk: each for each in Case._base_manager.select_for_update().filter(pk__in=roots).order_by("pk")
    }
    able: list[Case] = []
    for number, one in roots.items():
        other = locked[number]
        if other.state == CaseState.CLOSED and rule.closed == "ignore":
            continue
        if other.state == CaseState.CLOSED and rule.closed == "relate":
            _note(case, other, one.score, Likeness.Kind.RELATED)
        elif not rule.automatic:
            _note(case, other, one.score, Likeness.Kind.SUGGESTED)
        else:
            able.append(other)
    able.sort(key=_seniority)
    if not able:
        return None
    parent, *younger = able
    if not _merge(case, parent, roots[parent.pk].score, CENTRE_ACTOR, None):
        _note(case, parent, roots[parent.pk].score, Likeness.Kind.SUGGESTED)
        return None
    apart = set(
        Likeness.objects.filter(kind=Likeness.Kind.UNDONE, case__in=able, other__in=able).values_list(
            "case_id", "other_id"
        )
    )
    for other in younger:
        # The new report is like both: they are one matter, if the younger one has not gone too far by itself.
        undone = (other.pk, parent.pk) in apart or (parent.pk, other.pk) in apart
        if undone or not _merge(other, parent, roots[other.pk].score, CENTRE_ACTOR, None):
            _note(case, other, roots[other.pk].score, Likeness.Kind.SUGGESTED)
    return parent


def put_together(child_id: int, parent_id: int, actor: str, reason: str) -> Case:
    """People say that two cases are one matter.

    Raises:
        RefusedError: the rules do not allow it from where the cases stand.
    """
    reason = _reason(reason)
    with transaction.atomic():
        _gate_of(child_id)
        parent, child = lock_both(parent_id, child_id)
        if child.parent_id == parent.pk and child.relation == Relation.DUPLICATE:
            return child
        alien = (parent.jurisdiction_id, parent.service_code) != (child.jurisdiction_id, child.service_code)
        if parent is child or parent.parent_id or alien or child.parent_id:
            raise RefusedError(Refusal("parent", _("these two cases cannot belong together")))
        rule = definition_of(child).duplicates
        how = score(report_of(child), report_of(parent), rule) if rule else None
        if not _merge(child, parent, how or Score(0.0, {}), actor, reason):
            raise RefusedError(Refusal("state", _("from where it stands the case cannot be put together")))
    return child


def take_apart(child_id: int, actor: str, reason: str) -> Case:
    """Two cases are not one matter after all. They are not put together by the centre again.

    Raises:
        RefusedError: it was not put together with another one.
    """
    reason = _reason(reason)
    with transaction.atomic():
        _gate_of(child_id)
        parent_id = Case._base_manager.values_list("parent_id", flat=True).get(pk=child_id)
        parent, child = lock_both(parent_id or child_id, child_id)
        if parent is child or child.relation != Relation.DUPLICATE or child.parent_id != parent.pk:
            raise RefusedError(Refusal("parent", _("it was not put together with another case")))
        now = now_ms()
        record(child, "unlinked", now, actor, event=UNMERGED, parent=parent.pk, reason=reason)
        history.append(parent, "unlinked", now, actor, child=child.pk, reason=reason)
        _note(child, parent, None, Likeness.Kind.UNDONE)
    return child


def _merge(child: Case, parent: Case, how: Score, actor: str, reason: str | None) -> bool:
    """Whether the rules let the child go into the parent; then it and all that was put into it has."""
    if child.parent_id is not None:
        return False  # a part of another matter stays there
    definition = definition_of(child)
    if not isinstance(react(definition, facts_of(child), MERGED), Decision):
        return False
    now = now_ms()
    moving = list(Case.objects.select_for_update().filter(parent=child).order_by("pk"))
    if any(grandchild.relation != Relation.DUPLICATE for grandchild in moving):
        return False
    for grandchild in moving:
        grandchild.parent = parent
        history.append(
            grandchild, "linked", now, actor, changed=("parent",), parent=parent.pk, relation="duplicate"
        )
    child.parent, child.relation = parent, Relation.DUPLICATE
    record(
        child,
        "linked",
        now,
        actor,
        event=MERGED,
        changed=("parent", "relation"),
        parent=parent.pk,
        relation="duplicate",
        score=how.total,
        parts=how.parts,
        reason=reason,
    )
    history.append(parent, "linked", now, actor, child=child.pk, relation="duplicate", score=how.total)
    _note(child, parent, how, Likeness.Kind.MERGED, tell_history=False)
    state = definition_of(parent).by_name[parent.process_state]
    for member in (child, *moving):
        telling.tell_late(parent, member, now, tells=state.tell)
    return True


def _note(
    case: Case, other: Case, how: Score | None, kind: Likeness.Kind, *, tell_history: bool = True
) -> None:
    changes: dict[str, object] = {"kind": kind, "at_ms": now_ms()}
    if how is not None:
        changes |= {"score": how.total, "parts": how.parts}
    Likeness.objects.update_or_create(
        case=case, other=other, defaults=changes, create_defaults={"score": 0.0, "parts": {}, **changes}
    )
    if tell_history and how is not None:
        history.append(
            case,
            "likeness",
            now_ms(),
            CENTRE_ACTOR,
            other=other.pk,
            likeness=str(kind),
            score=how.total,
            parts=how.parts,
        )


def _around(near: QuerySet[Case], report: Report, radius_m: float) -> QuerySet[Case]:
    """Those that can lie within the radius, and those whose place is told in the same words."""
    words = Q(place=report.place) if report.place else Q(pk__in=())
    if report.longitude is None or report.latitude is None:
        return near.filter(words)
    north = radius_m / METRES_PER_DEGREE
    # A little wider than exact: the distance itself is measured afterwards.
    east = north / max(0.01, math.cos(math.radians(min(89.0, abs(report.latitude) + north)))) * 1.001
    box = Q(
        longitude__range=(report.longitude - east, report.longitude + east),
        latitude__range=(report.latitude - north * 1.001, report.latitude + north * 1.001),
    )
    return near.filter(box | (words & Q(longitude__isnull=True)))


def _seniority(case: Case) -> tuple[int, str]:
    """Who came first stays: by when it was seen, and where that is the same, by what names it."""
    return case.opened_at_ms, case.source_key


def _reason(text: str) -> str:
    clean = text.strip()
    if not clean or len(clean) > 500:
        raise PatrolError("a reason of 1 to 500 characters is needed", field="reason")
    return clean


__all__ = ["Found", "alike", "cluster", "gate", "put_together", "report_of", "take_apart"]
