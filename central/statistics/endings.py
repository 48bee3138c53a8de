"""How closed cases ended, and whether they were resolved by the time that was promised, for each kind of case."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q

from central.cases.rules import by_hash
from central.cases.states import CaseState
from central.clocks.models import Clock, ClockState, Kind
from central.statistics.figures import Share, Source
from central.statistics.period import Period

UNSAID = "unsaid"
"""The rules name no ending: what the officer found says it."""

ENDINGS = ("fixed", "not_fixed", "refused", "withdrawn", "merged", UNSAID)


@dataclass(frozen=True, slots=True)
class Endings:
    """One kind of case in a period.

    Attributes:
        service_code: the kind.
        counts: ending -> cases closed with it in the period, each name of `ENDINGS` once.
        again: of these, how many had been closed and opened again before.
        resolved: of the resolution clocks whose due date lay in the period and has passed, those that stopped by then.
    """

    service_code: str
    counts: dict[str, int]
    again: int
    resolved: Share

    @property
    def closed(self) -> int:
        """All that were closed in the period."""
        return sum(self.counts.values())


def endings(source: Source, period: Period) -> list[Endings]:
    """Each kind of case that was closed, or was to be resolved, in the period; the most first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    again: Counter[str] = Counter()
    closed = source.cases.filter(
        state=CaseState.CLOSED, closed_at_ms__gte=period.from_ms, closed_at_ms__lt=period.to_ms
    )
    groups = closed.order_by().values_list("service_code", "definition_id", "process_state")
    for code, rules, state, all_, twice in groups.annotate(
        n=Count("pk"), m=Count("pk", filter=Q(round__gt=0))
    ):
        counts[code][ending_of(rules, state)] += all_
        again[code] += twice
    resolved = _resolved(source, period)
    found = [
        Endings(
            code,
            {name: counts[code][name] for name in ENDINGS},
            again[code],
            Share(*resolved.get(code, (0, 0))),
        )
        for code in sorted({*counts, *resolved})
    ]
    return sorted(found, key=lambda row: (-row.closed, row.service_code))


def ending_of(rules: str | None, state: str) -> str:
    """What the rules of this hash call the end in this state: one of `ENDINGS`."""
    found = None if rules is None else by_hash(rules).by_name.get(state)
    return UNSAID if found is None or found.ending is None else found.ending


def _resolved(source: Source, period: Period) -> dict[str, tuple[int, int]]:
    clocks: Any = Clock.objects.filter(
        case__in=source.cases.order_by(),
        kind=Kind.RESOLUTION,
        due_at_ms__gte=period.from_ms,
        due_at_ms__lt=min(period.to_ms, source.now_ms),
    )
    kept = Q(state=ClockState.STOPPED, stopped_at_ms__lte=F("due_at_ms"))
    rows = clocks.order_by().values_list("case__service_code")
    return {
        code: (hits, all_)
        for code, hits, all_ in rows.annotate(hits=Count("pk", filter=kept), all=Count("pk"))
    }
