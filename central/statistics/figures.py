"""The figures, each by one definition. Whoever may see a case has it counted, and nobody else.

Every figure counts a *cohort*: things whose deciding instant lies in the period. What is not decided yet is counted
apart and never in a rate, and what was decided for want of proof neither. The definitions stand in
`central.statistics.definitions`, beside each figure on the page, and in docs/statistics.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from central.cases.models import Case, WorkOrder
from central.cases.states import OPEN_STATES, Result, WorkKind, WorkState
from central.dispatch.precision import ZonePrecision, precision_of
from central.statistics.intervals import median, wilson
from central.statistics.period import Period
from protocol.clock import Millis

PLACES = 20
REPEAT = 3
"""A place counts as a repeat place from so many cases in the period on."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is counted: cases and work orders through somebody's scope, and what time it is."""

    cases: QuerySet[Case]
    orders: QuerySet[WorkOrder]
    now_ms: Millis


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the interval of the share (95 %)."""

    hits: int
    of: int

    @property
    def share(self) -> float | None:
        """0 to 1; None where nothing was counted."""
        return self.hits / self.of if self.of else None

    @property
    def low(self) -> float:
        """Lower bound."""
        return wilson(self.hits, self.of)[0]

    @property
    def high(self) -> float:
        """Upper bound."""
        return wilson(self.hits, self.of)[1]


@dataclass(frozen=True, slots=True)
class Departure:
    """What warned drivers did."""

    left: int
    tasked: int
    unproven: int
    undecided: int

    @property
    def warned(self) -> int:
        """All whose owner was warned."""
        return self.left + self.tasked + self.unproven + self.undecided

    @property
    def rate(self) -> Share:
        """Left, of those of whom it was decided by proof."""
        return Share(self.left, self.left + self.tasked)


@dataclass(frozen=True, slots=True)
class OnTime:
    """Tasks whose deadline has passed: were they done by then."""

    on_time: int
    late: int
    open_late: int

    @property
    def rate(self) -> Share:
        """Done by the deadline, of all that were to be done."""
        return Share(self.on_time, self.on_time + self.late + self.open_late)


@dataclass(frozen=True, slots=True)
class Place:
    """A zone where it happens again and again."""

    name: str
    camera_id: str
    zone_id: str
    cases: int
    days: int
    warned: int
    left: int
    tasked: int
    last_case_id: int


@dataclass(frozen=True, slots=True)
class Officer:
    """One person's work in the period."""

    user_id: int
    name: str
    accepted: int
    closed: int
    retracted: int
    on_time: Share
    minutes_to_close: float | None
    open_now: int


@dataclass(slots=True)
class Day:
    """One local day."""

    day: date
    cases: int = 0
    warned: int = 0
    left: int = 0
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """All of a period."""

    period: Period
    cases: int
    departure: Departure
    on_time: OnTime
    results: dict[Result, int]
    retracted: int
    places: list[Place]
    officers: list[Officer]
    days: list[Day] = field(default_factory=list)
    precision: list[ZonePrecision] = field(default_factory=list)


def departure(source: Source, period: Period) -> Departure:
    """Warned within the period: left, tasked, could not be proven, not decided yet."""
    warned = _with_task(source.cases.filter(_within("stay__notified_at_ms", period)))
    counted = warned.aggregate(
        left=Count("pk", filter=_LEFT),
        tasked=Count("pk", filter=Q(enforced=True)),
        unproven=Count("pk", filter=_UNPROVEN),
        all=Count("pk"),
    )
    undecided = counted["all"] - counted["left"] - counted["tasked"] - counted["unproven"]
    return Departure(counted["left"], counted["tasked"], counted["unproven"], undecided)


def on_time(source: Source, period: Period) -> OnTime:
    """Tasks whose deadline lay in the period and has passed. One that was taken back needed nobody."""
    due = source.orders.filter(_within("due_at_ms", period), due_at_ms__lte=source.now_ms)
    counted = due.aggregate(
        on_time=Count("pk", filter=Q(state=WorkState.CLOSED, ended_at_ms__lte=F("due_at_ms"))),
        late=Count("pk", filter=Q(state=WorkState.CLOSED, ended_at_ms__gt=F("due_at_ms"))),
        open_late=Count("pk", filter=Q(state__in=OPEN_STATES)),
    )
    return OnTime(**counted)


def results(source: Source, period: Period) -> tuple[dict[Result, int], int]:
    """What officers found, and how many tasks were taken back, of those that ended in the period."""
    ended = source.orders.filter(_within("ended_at_ms", period))
    found = dict(
        ended.filter(state=WorkState.CLOSED).order_by().values_list("result").annotate(n=Count("pk"))
    )
    retracted = ended.filter(state=WorkState.RETRACTED).count()
    return {result: found.get(result.value, 0) for result in Result}, retracted


def places(source: Source, period: Period, least: int = REPEAT, shown: int | None = PLACES) -> list[Place]:
    """Zones with `least` cases or more, most first."""
    per_zone: dict[tuple[int, str, str], list[tuple[int, Millis, str]]] = defaultdict(list)
    rows = (
        _opened(source, period)
        .filter(stay__isnull=False)
        .exclude(stay__zone_id="")
        .order_by("opened_at_ms", "pk")
    )
    names: dict[tuple[int, str, str], str] = {}
    facts = rows.values_list(
        "pk", "opened_at_ms", "place", "stay__agent_id", "stay__camera_id", "stay__zone_id", "stay__zone_name"
    )
    for pk, at, place, agent, camera, zone, zone_name in facts.iterator(chunk_size=2000):
        key = (agent, camera, zone)
        per_zone[key].append((pk, at, place))
        names[key] = place or zone_name or zone
    often = sorted(
        (key for key, cases in per_zone.items() if len(cases) >= least),
        key=lambda key: (-len(per_zone[key]), key),
    )[:shown]
    wanted = [pk for key in often for pk, _at, _place in per_zone[key]]
    kind: dict[int, str] = {}
    for begin in range(0, len(wanted), 500):
        some = _with_task(
            source.cases.filter(pk__in=wanted[begin : begin + 500], stay__notified_at_ms__isnull=False)
        )
        for pk, state, enforced in some.values_list("pk", "stay__agent_state", "enforced"):
            kind[pk] = "tasked" if enforced else "left" if state == "self_corrected" else "warned"
    found = []
    for key in often:
        _agent, camera, zone = key
        counts = Counter(kind.get(pk, "") for pk, _at, _place in per_zone[key])
        found.append(
            Place(
                name=names[key],
                camera_id=camera,
                zone_id=zone,
                cases=len(per_zone[key]),
                days=len({period.day_of(at) for _pk, at, _place in per_zone[key]}),
                warned=counts["warned"] + counts["left"] + counts["tasked"],
                left=counts["left"],
                tasked=counts["tasked"],
                last_case_id=per_zone[key][-1][0],
            )
        )
    return found


def officers(source: Source, period: Period) -> list[Officer]:
    """Everybody who accepted, closed or holds a task, by how much."""
    rows = source.orders.filter(assignee__isnull=False).filter(
        _within("accepted_at_ms", period) | _within("ended_at_ms", period) | Q(state=WorkState.ACCEPTED)
    )
    together: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names: dict[int, str] = {}
    facts = rows.values_list(
        "assignee_id",
        "assignee__first_name",
        "assignee__last_name",
        "assignee__username",
        "state",
        "accepted_at_ms",
        "ended_at_ms",
        "due_at_ms",
    )
    for who, first, last, name, state, accepted, ended, due in facts.iterator(chunk_size=2000):
        names[who] = f"{first} {last}".strip() or name
        mine = together[who]
        if accepted is not None and period.from_ms <= accepted < period.to_ms:
            mine["accepted"].append(1)
        if state == WorkState.ACCEPTED:
            mine["open"].append(1)
        if ended is None or not period.from_ms <= ended < period.to_ms:
            continue
        if state == WorkState.RETRACTED:
            mine["retracted"].append(1)
        elif state == WorkState.CLOSED:
            mine["closed"].append(1)
            mine["on_time"].append(float(ended <= due))
            if accepted is not None:
                mine["minutes"].append((ended - accepted) / 60_000)
    found = [
        Officer(
            user_id=who,
            name=names[who],
            accepted=len(mine["accepted"]),
            closed=len(mine["closed"]),
            retracted=len(mine["retracted"]),
            on_time=Share(round(sum(mine["on_time"])), len(mine["on_time"])),
            minutes_to_close=median(mine["minutes"]),
            open_now=len(mine["open"]),
        )
        for who, mine in together.items()
    ]
    return sorted(found, key=lambda officer: (-officer.closed, -officer.accepted, officer.name))


def days(source: Source, period: Period) -> list[Day]:
    """Each day's cases by when they began, warnings by when they were sent, tasks by when they were issued."""
    found = {day: Day(day) for day in period.days}
    for (at,) in _opened(source, period).values_list("opened_at_ms").iterator(chunk_size=2000):
        found[period.day_of(at)].cases += 1
    warned = _with_task(source.cases.filter(_within("stay__notified_at_ms", period)))
    facts = warned.values_list("stay__notified_at_ms", "stay__agent_state", "enforced")
    for at, state, enforced in facts.iterator(chunk_size=2000):
        day = found[period.day_of(at)]
        day.warned += 1
        day.left += state == "self_corrected" and not enforced
    issued = source.orders.filter(_within("issued_at_ms", period), kind=WorkKind.ENFORCE)
    for (at,) in issued.values_list("issued_at_ms").iterator(chunk_size=2000):
        found[period.day_of(at)].tasks += 1
    return list(found.values())


def precision(source: Source, period: Period) -> list[ZonePrecision]:
    """How often the camera was right in each zone, by what officers found in the period, worst first."""
    return precision_of(source.orders.filter(_within("ended_at_ms", period)))


def all_figures(source: Source, period: Period) -> Figures:
    """Everything that the page shows."""
    found, retracted = results(source, period)
    return Figures(
        period=period,
        cases=_opened(source, period).count(),
        departure=departure(source, period),
        on_time=on_time(source, period),
        results=found,
        retracted=retracted,
        places=places(source, period),
        officers=officers(source, period),
        days=days(source, period),
        precision=precision(source, period),
    )


def _opened(source: Source, period: Period) -> QuerySet[Case]:
    return source.cases.filter(_within("opened_at_ms", period)).order_by()


def _with_task(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Each case with whether an enforcement task was ever issued for it, also one that was taken back later."""
    tasks = WorkOrder.objects.filter(case=OuterRef("pk"), kind=WorkKind.ENFORCE)
    return cases.order_by().annotate(enforced=Exists(tasks))


def _within(name: str, period: Period) -> Q:
    return Q(**{f"{name}__gte": period.from_ms, f"{name}__lt": period.to_ms})


_LEFT = Q(enforced=False, stay__agent_state="self_corrected")
_UNPROVEN = Q(enforced=False, stay__agent_state__in=["unverified", "exempt", "closed"])
