"""Every published figure once more, from the append-only histories alone (`central.statistics.lives`).

This is slow and asks the tables of cases, tasks, stays and clocks nothing, so that it agrees with `central.statistics.figures`
and `central.statistics.endings` only if both are right. The names of officers and boxes come from their own tables: a history names
them by what cannot change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from central.cases.models import Case
from central.cases.states import CaseState, Result, WorkKind
from central.dispatch.precision import rows_of
from central.fleet.models import Agent
from central.people.models import User, name_of
from central.statistics.endings import ENDINGS, Endings, ending_of
from central.statistics.figures import (
    PLACES,
    REPEAT,
    Day,
    Departure,
    Figures,
    Officer,
    OnTime,
    Place,
    Share,
)
from central.statistics.intervals import median
from central.statistics.lives import Life, Task, lives
from central.statistics.period import Period
from protocol.clock import Millis

UNPROVEN = {"unverified", "exempt", "closed"}
PARTS = (
    "cases",
    "departure",
    "on_time",
    "results",
    "retracted",
    "places",
    "officers",
    "days",
    "precision",
    "endings",
)
"""What is compared, by the names of `Figures`."""

NEEDS = {"on_time": ("deadline",), "officers": ("deadline", "officer"), "places": ("zone",)}
"""What older histories do not say and a part cannot be counted without."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What the histories say of a period.

    Attributes:
        figures: as the page shows them.
        endings: the same of closed cases and kept promises.
        cases, entries: how many were read.
        untold: what histories of earlier versions do not say -> how often: ``deadline`` and ``officer`` of a task,
            ``zone`` of a stay.
    """

    figures: Figures
    endings: list[Endings]
    cases: int
    entries: int
    untold: dict[str, int]


@dataclass(slots=True)
class _Sums:
    period: Period
    now_ms: Millis
    cases: int = 0
    departure: Counter[str] = field(default_factory=Counter)
    on_time: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    retracted: int = 0
    days: dict[object, Day] = field(default_factory=dict)
    zones: dict[tuple[str, str, str], list[tuple[Millis, int, str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    officers: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    precision: dict[tuple[str, ...], dict[str, int]] = field(default_factory=dict)
    names: dict[tuple[str, ...], str] = field(default_factory=dict)
    endings: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    promises: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    untold: Counter[str] = field(default_factory=Counter)

    def within(self, at_ms: Millis | None) -> bool:
        return at_ms is not None and self.period.from_ms <= at_ms < self.period.to_ms


def replay(
    cases: QuerySet[Case], period: Period, now_ms: Millis, *, on_case: Callable[[], None] = lambda: None
) -> Replay:
    """Fold every history of these cases and count by the definitions of the page; `on_case` after each."""
    sums = _Sums(period, now_ms, days={day: Day(day) for day in period.days})
    seen = entries = 0
    for life in lives(cases):
        seen += 1
        entries += life.entries
        _stay(sums, life)
        for task in life.tasks:
            _task(sums, life, task)
        _ended(sums, life)
        on_case()
    return Replay(_figures(sums), _endings(sums), seen, entries, {k: n for k, n in sums.untold.items() if n})


def differences(shown: Figures, endings: list[Endings], again: Replay) -> dict[str, str]:
    """Each part -> ``same``, ``differs``, or ``untold`` where histories of earlier versions do not say enough."""
    found = {}
    for part in PARTS:
        if any(again.untold.get(name) for name in NEEDS.get(part, ())):
            found[part] = "untold"
            continue
        one = endings if part == "endings" else getattr(shown, part)
        other = again.endings if part == "endings" else getattr(again.figures, part)
        # Rows that are equal in what they are ordered by may come in either order: databases compare letters by their own rules.
        same = sorted(map(repr, one)) == sorted(map(repr, other)) if isinstance(one, list) else one == other
        found[part] = "same" if same else "differs"
    return found


def _kind(life: Life) -> str:
    if life.enforced:
        return "tasked"
    return "left" if life.state == "self_corrected" else "unproven" if life.state in UNPROVEN else "undecided"


def _stay(sums: _Sums, life: Life) -> None:
    sums.untold["zone"] += life.untold_zone
    if sums.within(life.opened_ms):
        assert life.opened_ms is not None
        sums.cases += 1
        sums.days[sums.period.day_of(life.opened_ms)].cases += 1
        if life.agent and life.zone:
            warned = "" if life.notified_ms is None else _kind(life)
            name = life.place or life.zone_name or life.zone
            key = (life.agent, life.camera, life.zone)
            sums.zones[key].append((life.opened_ms, life.number, name, warned))
    if sums.within(life.notified_ms):
        assert life.notified_ms is not None
        kind = _kind(life)
        sums.departure[kind] += 1
        day = sums.days[sums.period.day_of(life.notified_ms)]
        day.warned += 1
        day.left += kind == "left"


def _task(sums: _Sums, life: Life, task: Task) -> None:
    sums.untold["deadline"] += task.due_ms is None
    sums.untold["officer"] += task.untold
    due, ended = task.due_ms, task.ended_ms
    if due is not None and due <= sums.now_ms and sums.within(due) and not task.retracted:
        sums.on_time["open" if ended is None else "good" if ended <= due else "late"] += 1
    if task.kind == WorkKind.ENFORCE and sums.within(task.issued_ms):
        sums.days[sums.period.day_of(task.issued_ms)].tasks += 1
    ended_here = sums.within(task.ended_ms)
    if ended_here and task.retracted:
        sums.retracted += 1
    elif ended_here:
        sums.results[task.result] += 1
        if task.kind == WorkKind.ENFORCE and life.agent:
            place, _, agent = life.agent.partition("/")
            key = (place, agent, life.camera, life.zone or "", life.zone_version)
            counted = sums.precision.setdefault(key, {})
            counted[task.result] = counted.get(task.result, 0) + 1
            sums.names[key] = max(sums.names.get(key, ""), life.zone_name)
    if task.officer and (sums.within(task.accepted_ms) or ended_here or task.open):
        _officer(sums, task, ended_here=ended_here)


def _officer(sums: _Sums, task: Task, *, ended_here: bool) -> None:
    mine = sums.officers[task.officer]
    if sums.within(task.accepted_ms):
        mine["accepted"].append(1)
    if task.open:
        mine["open"].append(1)
    if not ended_here or task.ended_ms is None:
        return
    if task.retracted:
        mine["retracted"].append(1)
        return
    mine["closed"].append(1)
    mine["on_time"].append(float(task.due_ms is not None and task.ended_ms <= task.due_ms))
    if task.accepted_ms is not None:
        mine["minutes"].append((task.ended_ms - task.accepted_ms) / 60_000)


def _ended(sums: _Sums, life: Life) -> None:
    if life.coarse == CaseState.CLOSED and sums.within(life.closed_ms):
        counts = sums.endings[life.service]
        counts[ending_of(life.definition, life.process)] += 1
        counts["again"] += life.round > 0
    for promise in life.promises:
        if sums.within(promise.due_ms) and promise.due_ms < sums.now_ms:
            kept = sums.promises[life.service]
            kept["all"] += 1
            kept["hits"] += promise.stopped_ms is not None and promise.stopped_ms <= promise.due_ms


def _figures(sums: _Sums) -> Figures:
    rates = sums.departure
    return Figures(
        period=sums.period,
        cases=sums.cases,
        departure=Departure(rates["left"], rates["tasked"], rates["unproven"], rates["undecided"]),
        on_time=OnTime(sums.on_time["good"], sums.on_time["late"], sums.on_time["open"]),
        results={result: sums.results[result.value] for result in Result},
        retracted=sums.retracted,
        places=_places(sums),
        officers=_officers(sums),
        days=list(sums.days.values()),
        precision=rows_of(sums.precision, sums.names),
    )


def _places(sums: _Sums) -> list[Place]:
    numbers = {str(agent): agent.pk for agent in Agent.objects.unscoped("only their numbers, for the order")}
    often = sorted(
        (key for key, stays in sums.zones.items() if len(stays) >= REPEAT),
        key=lambda key: (-len(sums.zones[key]), (numbers.get(key[0], 0), *key[1:])),
    )
    found = []
    for key in often[:PLACES]:
        stays = sorted(sums.zones[key])
        counts = Counter(warned for _at, _number, _name, warned in stays)
        found.append(
            Place(
                name=stays[-1][2],
                camera_id=key[1],
                zone_id=key[2],
                cases=len(stays),
                days=len({sums.period.day_of(at) for at, *_rest in stays}),
                warned=len(stays) - counts[""],
                left=counts["left"],
                tasked=counts["tasked"],
                last_case_id=stays[-1][1],
            )
        )
    return found


def _officers(sums: _Sums) -> list[Officer]:
    columns = ("pk", "username", "first_name", "last_name")
    people = {row[1]: row for row in User.objects.filter(username__in=sums.officers).values_list(*columns)}
    found = []
    for username, mine in sums.officers.items():
        number, _, first, last = people.get(username, (0, username, "", ""))
        found.append(
            Officer(
                user_id=number,
                name=name_of(username, first, last),
                accepted=len(mine["accepted"]),
                closed=len(mine["closed"]),
                retracted=len(mine["retracted"]),
                on_time=Share(round(sum(mine["on_time"])), len(mine["on_time"])),
                minutes_to_close=median(mine["minutes"]),
                open_now=len(mine["open"]),
            )
        )
    return sorted(found, key=lambda officer: (-officer.closed, -officer.accepted, officer.name))


def _endings(sums: _Sums) -> list[Endings]:
    found = [
        Endings(
            code,
            {name: sums.endings[code][name] for name in ENDINGS},
            sums.endings[code]["again"],
            Share(sums.promises[code]["hits"], sums.promises[code]["all"]),
        )
        for code in sorted({*sums.endings, *sums.promises})
    ]
    return sorted(found, key=lambda row: (-row.closed, row.service_code))
