"""Both sides side by side: orders that only one of them has, and those that stand otherwise there than here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from central.hotline.city.link import CityLink
from central.hotline.city.outbox import waiting
from central.hotline.models import CityOrder, OrderState

SAYS = {
    OrderState.HELD: "open",
    OrderState.WAITING: "open",
    OrderState.ACCEPTED: "accepted",
    OrderState.RETURNED: "returned",
    OrderState.FINISHED: "finished",
    OrderState.WITHDRAWN: "withdrawn",
}
"""Our state -> the word that the city should have for it."""

PAGES = 1000


@dataclass(slots=True)
class Difference:
    """An order that stands otherwise there than here. `on_its_way`: a report that mends it waits in the outbox."""

    number: str
    theirs: str
    ours: str
    case: int | None
    on_its_way: bool


@dataclass(slots=True)
class Comparison:
    """What both sides have."""

    theirs: int = 0
    ours: int = 0
    missing_here: list[str] = field(default_factory=list)
    unknown_there: list[str] = field(default_factory=list)
    differ: list[Difference] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether both sides say the same of every order."""
        return not (self.missing_here or self.unknown_there or self.differ)

    def as_json(self) -> dict[str, Any]:
        """For programs and for the page."""
        return {**asdict(self), "same": self.same}


def compare(link: CityLink) -> Comparison:
    """Ask the platform for all its orders and compare them with ours.

    Raises:
        CityTroubleError, CityRefusedError: it does not answer.
    """
    theirs: dict[str, str] = {}
    cursor = ""
    for _ in range(PAGES):
        page = link.states(cursor)
        theirs.update((one.number, one.state) for one in page.states)
        cursor = page.cursor
        if not page.more:
            break
    # Read after theirs: what came in between is known here and not there, and is left to the next time.
    rows = CityOrder.objects.filter(jurisdiction_id=link.jurisdiction_id).unscoped("a worker compares all")
    ours = {row.number: row for row in rows}
    unsent = set(waiting(link.jurisdiction_id).values_list("order__number", flat=True))
    found = Comparison(len(theirs), len(ours))
    for number, state in sorted(theirs.items()):
        row = ours.get(number)
        if row is None:
            found.missing_here.append(number)
        elif SAYS[OrderState(row.state)] != state:
            found.differ.append(
                Difference(number, state, SAYS[OrderState(row.state)], row.case_id, number in unsent)
            )
    found.unknown_there = sorted(ours.keys() - theirs.keys())
    return found
