"""What must be decided about each stay, from the ground truth alone: outlines on the ground, rules, arithmetic.

Written without anything of the agent or of `zones`, so that it can be wrong only in its own way.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shapely.geometry import Polygon

from benchmarks.rehearsal.edits import Plan, ZonePlan

Box = tuple[float, float, float, float]

_LOCAL = timedelta(hours=8)
_DAY_MS = 86_400_000


class Standing(NamedTuple):
    """One vehicle at rest. Times are milliseconds from the day's first look."""

    id: str
    label: str
    footprint: tuple[tuple[float, float], ...]
    box: Box
    arrive_ms: int
    leave_ms: int
    plate: str | None

    def moved(self, arrive_ms: int, leave_ms: int) -> Standing:
        """The same, come and gone earlier or later."""
        return self._replace(arrive_ms=self.arrive_ms + arrive_ms, leave_ms=self.leave_ms + leave_ms)


class Decision(NamedTuple):
    """A case that must be: where, from when, whether an officer must come, whether the hours ended it."""

    zone: str
    confirmed_ms: int
    task: bool
    by_hours: bool
    task_ms: int


class Expected(NamedTuple):
    """A flip that must be listed: kinds, and by how much a case is confirmed later."""

    kinds: frozenset[str]
    shift_ms: int


def decide_all(stay: Standing, plan: Plan, start_ms: int) -> list[Decision]:
    """All cases of a stay: one for each span of the zone's hours in which it stood long enough."""
    zone = _zone_of(stay, plan)
    if zone is None:
        return []
    found = []
    for begin, end in _spans(zone, start_ms):
        first, last = max(stay.arrive_ms, begin), min(stay.leave_ms, end)
        confirmed = first + zone.confirm_s * 1000
        if confirmed >= last:
            continue
        task_at = confirmed + zone.grace_s * 1000
        task = task_at < last
        found.append(
            Decision(zone.id, confirmed, task, not task and end < stay.leave_ms, task_at if task else 0)
        )
    return found


def expect(stay: Standing, old: Plan, new: Plan, start_ms: int) -> Expected | None:
    """What must be listed for a stay, or None for nothing."""
    before, after = decide_all(stay, old, start_ms), decide_all(stay, new, start_ms)
    kinds: set[str] = set()
    if len(after) > len(before):
        kinds.add("new_case")
    if len(after) < len(before):
        kinds.add("no_case")
    tasks = sum(d.task for d in after) - sum(d.task for d in before)
    if before and tasks > 0:
        kinds.add("now_task")
    if after and tasks < 0:
        kinds.add("no_task")
    shift = 0
    for one, two in zip(before, after, strict=False):
        if one.zone != two.zone:
            kinds.add("other_zone")
        shift = two.confirmed_ms - one.confirmed_ms
        if one.task and two.task and abs(two.task_ms - one.task_ms) > abs(shift):
            shift = two.task_ms - one.task_ms
        if shift:
            kinds.add("later" if shift > 0 else "earlier")
        elif one.by_hours != two.by_hours and not (one.task or two.task):
            kinds.add("other_end")
    return Expected(frozenset(kinds), shift) if kinds else None


def _zone_of(stay: Standing, plan: Plan) -> ZonePlan | None:
    """The forbidding zone that holds most of it, where no bay does."""
    shape = Polygon(stay.footprint)
    share = {zone.id: shape.intersection(Polygon(zone.polygon)).area / shape.area for zone in plan}
    if any(share[zone.id] > 0.5 for zone in plan if zone.kind == "parking_bay"):
        return None
    held = [
        zone
        for zone in plan
        if zone.kind != "parking_bay" and stay.label in zone.classes and share[zone.id] > 0.5
    ]
    return max(held, key=lambda zone: share[zone.id]) if held else None


def _spans(zone: ZonePlan, start_ms: int) -> list[tuple[int, int]]:
    """When the zone counts, milliseconds from the day's first look."""
    if not zone.hours:
        return [(-(10**12), 10**12)]
    local = datetime.fromtimestamp(start_ms / 1000, UTC) + _LOCAL
    midnight = -round(
        (local - local.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() * 1000
    )
    return [
        (midnight + day * _DAY_MS + _of_day(start), midnight + day * _DAY_MS + _of_day(end))
        for day in (-1, 0, 1)
        for start, end in zone.hours
    ]


def _of_day(text: str) -> int:
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000
