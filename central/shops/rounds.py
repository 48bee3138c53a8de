"""A round through many shops, kept at once: the same day, the same signature, and for each what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from central.project.clock import local_day, midnight_ms, now_ms
from central.shops import inspecting
from central.shops.checklists import current
from central.shops.models import Inspection, InspectionKind, Shop
from central.shops.rules import DAY_MS
from protocol.errors import PatrolError

PASSED, HAZARDS, SKIPPED = "passed", "hazards", "skipped"
RESULTS = (PASSED, HAZARDS, SKIPPED)
BACK_DAYS = 14
"""How old a round may be when it is entered."""

MOST = 40
"""Shops of a round: what one form sends within the limit of its fields."""


@dataclass(frozen=True, slots=True)
class Round:
    """What an inspector brings back.

    Args:
        key: makes a repetition the same round.
        kind: patrol or professional.
        day: on which the shops were seen.
        results: by number of a shop, one of `RESULTS`.
        signed_by: who signed.
        signature: the drawn line, a path of SVG.
        note: what else was seen; it stands at each of them.
    """

    key: str
    kind: str
    day: date
    results: Mapping[int, str]
    signed_by: str
    signature: str = ""
    note: str = ""


def record(shops: Sequence[Shop], told: Round, actor: str, user: Any = None) -> list[Inspection]:
    """Keep an inspection, all in order, for each shop that passed: all of them or none.

    A shop with hazards is not written here: each hazard needs its item and its photo, so it has a form of its own.

    Raises:
        PatrolError: a day that is not among the last `BACK_DAYS`, no name under it, a shop without a result.
    """
    at_ms = _at(told.day)
    if told.kind not in (InspectionKind.PATROL, InspectionKind.PROFESSIONAL):
        raise PatrolError("there is no such inspection", field="kind", value=told.kind[:20])
    if not 1 <= len(shops) <= MOST:
        raise PatrolError("choose shops first", field="shop")
    for shop in shops:
        if told.results.get(shop.pk) not in RESULTS:
            raise PatrolError("this shop has no result", field=f"r-{shop.pk}", value=shop.name)
    made = []
    with transaction.atomic():
        for shop in sorted(
            shops, key=lambda each: each.pk
        ):  # two rounds never wait for one another in a circle
            if told.results[shop.pk] != PASSED:
                continue
            answers = inspecting.Answers(
                kind=told.kind,
                key=f"{told.key}/{shop.pk}",
                answers=_in_order(shop, told.kind),
                note=told.note,
                signed_by=told.signed_by,
                signature=told.signature,
            )
            made.append(inspecting.inspect(shop, answers, actor, user, at_ms=at_ms)[0])
    return made


def _in_order(shop: Shop, kind: str) -> dict[str, str]:
    """Everything in order; what the last inspection of this kind did not find there is not there now."""
    last = shop.inspections.filter(kind=kind).order_by("-at_ms", "-pk").first()
    before = {} if last is None else last.answers
    return {
        item.id: "none" if before.get(item.id) == "none" else "ok"
        for item in current(shop.category).asked_in(kind)
    }


def _at(day: date) -> int:
    """The instant under which a round of this day is kept: now, or noon of an earlier day."""
    now = now_ms()
    today = local_day(now)
    if not today - timedelta(days=BACK_DAYS) <= day <= today:
        raise PatrolError("a round is of one of the last days", field="day", value=day.isoformat())
    if day == today:
        return now
    return midnight_ms(day) + DAY_MS // 2
