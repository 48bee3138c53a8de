"""The zones of the simulated street as they are, and as several edits would make them. Polygons are metres.

The pavement and the lane beside it are five cells each, seven metres long. Old zones: P1 over two cells of pavement, P2
over one with hours, a bay in the lane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

Metres2 = tuple[float, float]

CELLS_X = (3.0, -4.0, -11.0, -18.0, -25.0)
"""Middles of the cells along the street."""

CELL = 7.0
PAVEMENT_Y = (7.3, 12.3)
LANE_Y = (3.6, 6.9)


@dataclass(frozen=True)
class ZonePlan:
    """One zone on the ground, with the rules that the edits change."""

    id: str
    polygon: tuple[Metres2, ...]
    kind: str = "no_parking"
    classes: tuple[str, ...] = ("car", "bus", "truck", "motorcycle")
    confirm_s: int = 60
    grace_s: int = 600
    hours: tuple[tuple[str, str], ...] = ()


Plan = tuple[ZonePlan, ...]


@dataclass(frozen=True)
class Edit:
    """A change of the zones, in words."""

    name: str
    words: str
    plan: Plan = field(repr=False)


def cells(first: int, last: int, y: tuple[float, float] = PAVEMENT_Y) -> tuple[Metres2, ...]:
    """A rectangle over neighbouring cells, both included."""
    right, left = CELLS_X[first] + CELL / 2, CELLS_X[last] - CELL / 2
    return ((right, y[0]), (left, y[0]), (left, y[1]), (right, y[1]))


OLD: Plan = (
    ZonePlan("P1", cells(1, 2)),
    ZonePlan("P2", cells(3, 3), hours=(("08:00", "20:00"),)),
    ZonePlan("B1", cells(1, 1, LANE_Y), kind="parking_bay"),
)


def _with(zone_id: str, change: Callable[[ZonePlan], ZonePlan]) -> Plan:
    return tuple(change(zone) if zone.id == zone_id else zone for zone in OLD)


def _turned(zone: ZonePlan) -> ZonePlan:
    ring = zone.polygon[::-1]
    return replace(zone, polygon=ring[2:] + ring[:2])


EDITS: tuple[Edit, ...] = (
    Edit("same", "the same ground, written another way", tuple(reversed(_with("P1", _turned)))),
    Edit("enlarged", "P1 reaches one cell further", _with("P1", lambda z: replace(z, polygon=cells(0, 2)))),
    Edit("shrunken", "P1 loses a cell", _with("P1", lambda z: replace(z, polygon=cells(1, 1)))),
    Edit("moved", "P1 lies one cell to the right", _with("P1", lambda z: replace(z, polygon=cells(0, 1)))),
    Edit("hours", "P1 counts from 10:00 to 16:00 only", _with("P1", lambda z: replace(z, hours=(("10:00", "16:00"),)))),
    Edit("grace", "twenty minutes to leave P1 instead of ten", _with("P1", lambda z: replace(z, grace_s=1200))),
    Edit("confirm", "P1 needs four minutes instead of one", _with("P1", lambda z: replace(z, confirm_s=240))),
    Edit("class", "P1 is not about trucks", _with("P1", lambda z: replace(z, classes=("car", "bus", "motorcycle")))),
    Edit("bay", "a bay over half of P1", (*OLD, ZonePlan("B2", cells(2, 2), kind="parking_bay"))),
    Edit("new", "a new zone in the lane, where there was none", (*OLD, ZonePlan("L1", cells(2, 3, LANE_Y), kind="fire_lane"))),
    Edit(
        "handed over", "a cell of P1 belongs to P2, which counts always",
        (
            ZonePlan("P1", cells(1, 1)),
            ZonePlan("P2", cells(2, 3)),
            OLD[2],
        ),
    ),
)  # fmt: skip
