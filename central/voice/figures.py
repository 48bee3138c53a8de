"""What became of what residents said, reckoned from the histories alone: the same entries that `audit verify` proves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from central.cases.models import HistoryEntry
from central.cases.rules import by_hash
from central.cases.states import CaseState
from central.voice.tables import TABLE

PERIODS = (30, 90, 365)
BATCH = 500


@dataclass(slots=True)
class Figures:
    """Counts of matters; `stars` is the sum of all ratings."""

    received: int = 0
    merged: int = 0
    matters: int = 0
    me_too: int = 0
    replied: int = 0
    replied_late: int = 0
    escalated: int = 0
    closed: int = 0
    fixed: int = 0
    closed_after_table: int = 0
    reopened: int = 0
    ratings: int = 0
    stars: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A figure as it is shown."""

    name: str
    title: str | Promise
    value: int | float | None
    definition: str | Promise


TITLES: dict[str, tuple[Any, Any]] = {
    "received": (_("Reports received"), _("Reports that came in the period, each counted once.")),
    "merged": (
        _("Put together"),
        _("Of these, reports that were put together with another one of the same matter."),
    ),
    "matters": (_("Matters"), _("Reports received less those put together.")),
    "me_too": (_("Me too"), _("How often somebody joined one of these matters with “me too”.")),
    "replied": (
        _("Replied"),
        _("Matters of which somebody was given an answer, or a reason why it is not taken up."),
    ),
    "replied_percent": (_("Replied, %"), _("Replied, by matters.")),
    "replied_late": (
        _("Replied late or not yet"),
        _("Matters whose reply clock was broken, whether answered since or not."),
    ),
    "escalated": (
        _("Escalated"),
        _("Matters that came to the round table at least once, whatever became of them."),
    ),
    "closed": (_("Closed"), _("Matters that stand in a closed state now, put-together ones apart.")),
    "fixed": (_("Solved"), _("Of the closed ones, those that ended as solved, not as explained or refused.")),
    "closed_after_table": (_("Closed after the table"), _("Of the closed ones, those that were escalated.")),
    "reopened": (_("Opened again"), _("Matters that were opened again at least once.")),
    "ratings": (_("Ratings"), _("How many ratings were given.")),
    "rating_mean": (_("Mean rating"), _("Mean of all ratings, 1 to 5.")),
}


def figures(cases: Any) -> Figures:
    """Count; `cases` is a query of those opened in the period, in somebody's scope."""
    total = Figures()
    for entries in _histories(cases):
        _count(total, entries)
    total.matters = total.received - total.merged
    return total


def lines(found: Figures) -> list[Line]:
    """The figures in their order, with what they mean."""
    values: dict[str, int | float | None] = {one.name: getattr(found, one.name) for one in fields(found)}
    values["replied_percent"] = round(100 * found.replied / found.matters, 1) if found.matters else None
    values["rating_mean"] = round(found.stars / found.ratings, 2) if found.ratings else None
    return [Line(name, title, values[name], meaning) for name, (title, meaning) in TITLES.items()]


def _histories(cases: Any) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    numbers = list(cases.order_by("pk").values_list("pk", flat=True))
    for at in range(0, len(numbers), BATCH):
        found = (
            HistoryEntry.objects.unscoped("the cases were looked up in somebody's scope")
            .filter(case__in=numbers[at : at + BATCH])
            .order_by("case", "number")
            .values_list("case_id", "kind", "body")
        )
        here: dict[int, list[tuple[str, dict[str, Any]]]] = {}
        for case_id, kind, body in found:
            here.setdefault(case_id, []).append((kind, json.loads(body)))
        yield from here.values()


def _count(total: Figures, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
    known = list(entries)
    rules = next(
        (facts["definition"] for kind, facts in known if kind == "opened" and "definition" in facts), None
    )
    if rules is None:
        return  # its history does not begin as one of this service does
    definition = by_hash(rules)
    state, ending = definition.initial.name, None
    replied = late = table = again = False
    for kind, facts in known:
        given = facts.get("fields") or {}
        for _transition, name in facts.get("moved") or []:
            was, now = definition.by_name[state], definition.by_name[name]
            again |= (
                was.coarse == CaseState.CLOSED and now.coarse != CaseState.CLOSED and was.ending != "merged"
            )
            table |= name == TABLE
            ending = now.ending or (ending if now.coarse == CaseState.CLOSED else None)
            replied |= bool(given.get("reply")) or now.ending == "refused"
            state = name
        late |= kind == "clock_breached" and facts.get("clock") == "reply" and not facts.get("party")
        late &= not (kind == "clock_stopped" and facts.get("clock") == "reply" and facts.get("withdrawn"))
        total.me_too += kind == "me_too"
        stars = given.get("rating") or (facts.get("rating") if kind == "rated" else None)
        if stars:
            total.ratings += 1
            total.stars += int(stars)
    total.received += 1
    if ending == "merged":
        total.merged += 1
        return
    shut = definition.by_name[state].coarse == CaseState.CLOSED
    total.replied += replied
    total.replied_late += late
    total.escalated += table
    total.closed += shut
    total.fixed += shut and ending == "fixed"
    total.closed_after_table += shut and table
    total.reopened += again


__all__ = ["PERIODS", "Figures", "Line", "figures", "lines"]
