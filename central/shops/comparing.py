"""How a shop's inspections compare over time. Pure, but for the rows it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from central.shops import shown
from central.shops.checklists import named
from central.shops.models import Inspection
from protocol.errors import PatrolError


@dataclass(frozen=True, slots=True)
class Bar:
    """One inspection in the picture: place and height in units of the picture, newest last."""

    x: int
    y: int
    height: int
    failed: int
    kind: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The last two inspections of the same kind: what is new, what is gone, what stayed."""

    before_ms: int
    after_ms: int
    worse: list[str]
    better: list[str]
    still: list[str]


HEIGHT = 60
STEP = 16


def course(inspections: Sequence[Inspection]) -> list[Bar]:
    """Bars for the inspections, which come newest first."""
    most = max((each.failed for each in inspections), default=0) or 1
    bars = []
    for place, each in enumerate(reversed(inspections)):
        height = max(2, round(each.failed * HEIGHT / most))
        bars.append(Bar(place * STEP, HEIGHT - height, height, each.failed, each.kind, each.at_ms))
    return bars


def compare(inspections: Sequence[Inspection]) -> Compared | None:
    """The newest inspection beside the one before it of the same kind; None where there is none."""
    if not inspections:
        return None
    after = inspections[0]
    before = next((each for each in inspections[1:] if each.kind == after.kind), None)
    if before is None:
        return None
    failed_before, failed_after = (
        {item for item, answer in each.answers.items() if answer == "fail"} for each in (before, after)
    )
    names = _names(after) | _names(before)

    def words(items: set[str]) -> list[str]:
        return [names.get(item, item) for item in sorted(items)]

    return Compared(
        before.at_ms,
        after.at_ms,
        words(failed_after - failed_before),
        words(failed_before - failed_after),
        words(failed_after & failed_before),
    )


def _names(inspection: Inspection) -> dict[str, str]:
    try:
        items = named(inspection.checklist).items
    except PatrolError:  # a list that is no longer shipped
        return {}
    return {item.id: item.en if shown.english() else item.zh for item in items}
