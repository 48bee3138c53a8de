"""Finished matters for everybody, and the middle of a jurisdiction for the map. Nothing of anybody is in either."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Avg

from central.cases.models import Case
from central.cases.rules import definition_of
from central.cases.states import CaseState, ProcessStep
from central.grids.models import GridArea, GridStamp
from central.voice.categories import categories, codes_of_services
from central.voice.models import Rating, Saying
from central.voice.places import public_place

PAGE = 30


@dataclass(frozen=True, slots=True)
class Finished:
    """One line of the public list."""

    number: str
    category: str
    place: str
    opened_at_ms: int
    closed_at_ms: int
    ending: str
    fixed: bool
    stars: float | None


def page(before_ms: int | None, language: str) -> tuple[list[Finished], int | None]:
    """The newest finished matters that were closed before an instant, and where the next page begins."""
    from central.voice.intake import number_of

    found = Case._base_manager.filter(
        state=CaseState.CLOSED,
        service_code__in=codes_of_services(),
        parent__isnull=True,
        closed_at_ms__isnull=False,
    ).exclude(process_state__in=("refused", "merged"))
    if before_ms is not None:
        found = found.filter(closed_at_ms__lt=before_ms)
    cases = list(found.order_by("-closed_at_ms", "-pk")[: PAGE + 1])
    more, cases = len(cases) > PAGE, cases[:PAGE]
    kinds = dict(
        Saying._base_manager.filter(case__in=[case.pk for case in cases])
        .order_by("-pk")
        .values_list("case", "category")
    )
    stars = dict(
        Rating._base_manager.filter(case__in=[case.pk for case in cases])
        .values_list("case")
        .annotate(Avg("stars"))
    )
    lines = []
    for case in cases:
        definition = definition_of(case)
        state = _ending(case)
        known = categories().get(kinds.get(case.pk, ""))
        lines.append(
            Finished(
                number_of(case),
                (known or definition.category).titles.text(language),
                public_place(case.place),
                case.opened_at_ms,
                case.closed_at_ms or 0,
                definition.by_name[state].titles.text(language),
                definition.by_name[state].ending == "fixed",
                stars.get(case.pk),
            )
        )
    return lines, (lines[-1].closed_at_ms if more and lines else None)


def _ending(case: Case) -> str:
    """The state in which it ended: where it was rated since, the one before that."""
    import json

    known = definition_of(case).by_name
    if known[case.process_state].step != ProcessStep.EVALUATE:
        return case.process_state
    for body in case.history.order_by("-number").values_list("body", flat=True):
        for _transition, state in reversed(json.loads(body).get("moved") or []):
            if known[state].step != ProcessStep.EVALUATE:
                return str(state)
    return case.process_state


def middle_of(jurisdiction_id: str) -> tuple[float, float] | None:
    """(longitude, latitude) of the middle of a jurisdiction's ground, or None where it has none."""
    stamp = GridStamp.objects.filter(jurisdiction_id=jurisdiction_id).values_list("stamp", flat=True).first()
    return None if stamp is None else _middle(jurisdiction_id, stamp)


@lru_cache(maxsize=64)
def _middle(jurisdiction_id: str, stamp: str) -> tuple[float, float] | None:  # noqa: ARG001  # a part of the cache's key
    grounds = GridArea.objects.filter(grid__jurisdiction_id=jurisdiction_id, valid_to_ms__isnull=True)
    points = [
        point
        for coordinates in grounds.values_list("coordinates", flat=True)[:400]
        for polygon in coordinates
        for point in polygon[0]
    ]
    if not points:
        return None
    east, north = [point[0] for point in points], [point[1] for point in points]
    return (min(east) + max(east)) / 2, (min(north) + max(north)) / 2
