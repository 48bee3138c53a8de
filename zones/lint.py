"""What is allowed in a zone file but is probably not meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from protocol.clock import Millis
from zones.model import FORBIDDING, ZoneFile


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is probably not meant.

    Attributes:
        rule: short name of the rule, for machines.
        zone: id of the zone.
        other: id of the second zone, where two are at odds.
        problem: what is odd.
        mend: what to do.
        vertex: number of the vertex, from 1, where one is at fault.
        severity: errors are certainly wrong: such a file is not published.
    """

    rule: str
    zone: str
    other: str | None
    problem: str
    mend: str
    vertex: int | None = None
    severity: Literal["error", "warning"] = "warning"


def years_ahead(now_ms: Millis) -> tuple[int, ...]:
    """The years that a file must be right for: this one, and from December on the next."""
    moments = (now_ms, now_ms + 30 * 86_400_000)
    return tuple(sorted({datetime.fromtimestamp(moment / 1000, UTC).year for moment in moments}))


def lint(file: ZoneFile, *, years: Collection[int] = ()) -> tuple[Remark, ...]:
    """Look at a valid zone file for what is probably not meant, in the file's order.

    Args:
        file: the file.
        years: the current year and those to come for which its calendar shall be known.
    """
    from zones.lint_hours import lint_hours
    from zones.lint_shapes import lint_shapes

    remarks = [*lint_shapes(file), *lint_hours(file, years)]
    for zone in file.zone:
        if zone.leave_ratio == zone.enter_ratio:
            remarks.append(
                Remark(
                    "no_hysteresis",
                    zone.id,
                    None,
                    f"leave_ratio equals enter_ratio ({zone.enter_ratio:g}); a vehicle at the edge would flap in and out",
                    "Lower leave_ratio by 0.1 or more.",
                )
            )
        if zone.min_length_m is not None and file.calibration is None:
            remarks.append(
                Remark(
                    "uncalibrated_metres",
                    zone.id,
                    None,
                    "min_length_m is in metres, but the camera is not calibrated: it would not be heeded",
                    "Calibrate the camera with `patrol zones calibrate`, or use min_height_px.",
                    severity="error",
                )
            )
    if not any(zone.kind in FORBIDDING for zone in file.zone):
        remarks.append(
            Remark(
                "nothing_forbidden",
                file.zone[0].id,
                None,
                "no zone of the file forbids standing, so there will never be a case",
                "Give one zone the kind no_parking or fire_lane.",
            )
        )
    order = {zone.id: number for number, zone in enumerate(file.zone)}
    return tuple(sorted(remarks, key=lambda remark: order[remark.zone]))
