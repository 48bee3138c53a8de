"""How often the camera was right: officers' outcomes counted for each zone and each version of its rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from central.cases.models import WorkOrder
from central.cases.states import Result, WorkKind, WorkState

CONFIRMED = (Result.TICKETED, Result.MOVED_ON, Result.TOWED)
"""The officer found the vehicle standing where it may not."""

FALSE = (Result.NOT_A_VIOLATION, Result.WRONG_VEHICLE)
"""The camera, the zone or the plate was wrong."""

Z_95 = 1.959963984540054
"""The 97.5% point of the normal distribution."""


@dataclass(frozen=True, slots=True)
class ZonePrecision:
    """What officers found in a zone under one version of its rules.

    Attributes:
        confirmed: violations that officers confirmed.
        false: not a violation, or the wrong vehicle.
        gone: the vehicle had left before the officer came: it says nothing about the camera, and is not counted in the share.
        other: outcomes that say nothing either way.
        precision: confirmed / (confirmed + false); None without either.
        low, high: 95% interval of the precision (Wilson's score interval); None without either.
    """

    jurisdiction_id: str
    agent_id: str
    camera_id: str
    zone_id: str
    zone_version: str
    zone_name: str
    confirmed: int
    false: int
    gone: int
    other: int
    precision: float | None
    low: float | None
    high: float | None


def wilson(right: int, all_: int) -> tuple[float, float] | None:
    """95% interval of a share (E. B. Wilson, 1927, without continuity correction); None of nothing."""
    if all_ == 0:
        return None
    share, z2 = right / all_, Z_95 * Z_95
    middle = (share + z2 / (2 * all_)) / (1 + z2 / all_)
    half = Z_95 / (1 + z2 / all_) * math.sqrt(share * (1 - share) / all_ + z2 / (4 * all_ * all_))
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == all_ else min(1.0, middle + half)
    return low, high


def zone_precision(
    jurisdiction_id: str | None = None, *, since_ms: int | None = None, until_ms: int | None = None
) -> list[ZonePrecision]:
    """Counts for each camera zone and version, worst precision first, those without any last.

    Manual checks are left out: there the camera had said itself that it could not tell.

    Args:
        jurisdiction_id: only this one's.
        since_ms: only outcomes from this instant on.
        until_ms: only outcomes before this instant.
    """
    orders = WorkOrder.objects.all()
    if jurisdiction_id is not None:
        orders = orders.filter(case__jurisdiction_id=jurisdiction_id)
    if since_ms is not None:
        orders = orders.filter(ended_at_ms__gte=since_ms)
    if until_ms is not None:
        orders = orders.filter(ended_at_ms__lt=until_ms)
    return precision_of(orders)


def precision_of(orders: QuerySet[WorkOrder]) -> list[ZonePrecision]:
    """The same of these work orders alone: closed enforcements of cameras among them are counted."""
    orders = orders.filter(state=WorkState.CLOSED, kind=WorkKind.ENFORCE, case__stay__isnull=False)
    place = ("case__jurisdiction_id", "case__stay__agent__agent_id", "case__stay__camera_id")
    zone = ("case__stay__zone_id", "case__stay__zone_version", "case__stay__zone_name")
    counted: dict[tuple[str, ...], dict[str, int]] = {}
    names: dict[tuple[str, ...], str] = {}
    for *key, name, result, count in (
        orders.values_list(*place, *zone, "result").annotate(n=Count("pk")).order_by(*place, *zone, "result")
    ):
        found = counted.setdefault(tuple(key), {})
        found[result] = found.get(result, 0) + count
        names[tuple(key)] = name
    return rows_of(counted, names)


def rows_of(
    counted: Mapping[tuple[str, ...], dict[str, int]], names: Mapping[tuple[str, ...], str]
) -> list[ZonePrecision]:
    """Rows of what was counted by (jurisdiction, agent, camera, zone, version) and result; a name for each."""
    rows = [_row(key, names[key], results) for key, results in counted.items()]
    return sorted(
        rows,
        key=lambda row: (
            row.precision is None,
            row.precision if row.precision is not None else 0.0,
            row.zone_id,
            row.zone_version,
        ),
    )


def _row(key: tuple[str, ...], name: str, results: dict[str, int]) -> ZonePrecision:
    confirmed = sum(results.get(result, 0) for result in CONFIRMED)
    false = sum(results.get(result, 0) for result in FALSE)
    gone = results.get(Result.VEHICLE_GONE, 0)
    told = confirmed + false
    interval = wilson(confirmed, told)
    return ZonePrecision(
        *key[:4],
        zone_version=key[4],
        zone_name=name,
        confirmed=confirmed,
        false=false,
        gone=gone,
        other=sum(results.values()) - told - gone,
        precision=confirmed / told if told else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
    )
