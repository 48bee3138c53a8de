"""The clocks of a case at hand: asked for once where many messages are applied together."""

from __future__ import annotations

from central.cases.models import Case
from central.cases.services import untouched
from central.clocks.models import Clock
from central.project.unit import current


def known_clocks(case: Case) -> list[Clock]:
    """All clocks of the case. A unit asks once: within it they change only here, and a new case has none."""
    unit = current()
    if unit is None:
        return _clocks_of(case)
    name = f"clocks {case.pk}"
    if name not in unit.held:
        unit.held[name] = [] if untouched(case, "clocks") else _clocks_of(case)
    return unit.held[name]  # type: ignore[no-any-return]


def stored(clock: Clock) -> Clock:
    """The clock with its row, which a unit may not have written yet."""
    unit = current()
    if clock.pk is None and unit is not None:
        unit.flush()
    return clock


def _clocks_of(case: Case) -> list[Clock]:
    return list(case.clocks.select_related("party__whistle").order_by("pk"))
