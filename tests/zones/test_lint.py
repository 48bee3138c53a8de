"""What is allowed but probably not meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.zones.strategies import zone_files
from zones import Picture, Zone, ZoneFile, lint


def square(id: str, left: float, top: float, right: float, bottom: float, **rules: Any) -> Zone:
    return Zone(id=id, name=id, polygon=((left, top), (right, top), (right, bottom), (left, bottom)), **rules)


PAVEMENT = square("P1", 0, 0, 300, 100)


def rules(*zones: Zone) -> list[tuple[str, str, str | None]]:
    file = ZoneFile(picture=Picture(width=640, height=360), zone=zones)
    return [(remark.rule, remark.zone, remark.other) for remark in lint(file)]


@pytest.mark.parametrize(
    ("zones", "found"),
    [
        ((PAVEMENT,), []),
        # Pasted and forgotten; by two pixels another place.
        ((PAVEMENT, square("P2", 2, 0, 302, 100)), [("duplicate", "P1", "P2")]),
        # Two forbidding zones may overlap.
        ((PAVEMENT, square("F1", 200, 0, 500, 100, kind="fire_lane")), []),
        # A bay reaches over the pavement by a quarter.
        ((PAVEMENT, square("B1", 225, 0, 525, 100, kind="parking_bay")), [("overlap", "P1", "B1")]),
        # Drawn by hand, a bay and a pavement share their edge to a pixel or two.
        ((PAVEMENT, square("B1", 298, 0, 525, 100, kind="parking_bay")), []),
        # A strip of 3 px along the kerb.
        ((PAVEMENT, square("S1", 0, 200, 600, 203)), [("sliver", "S1", None)]),
        # 12 x 6 px: no vehicle of 18 px stands in it.
        ((PAVEMENT, square("T1", 10, 200, 22, 206)), [("too_small", "T1", None)]),
        # Small things may be ignored.
        ((PAVEMENT, square("X1", 10, 200, 22, 206, kind="ignore")), []),
        ((square("P1", 0, 0, 300, 100, enter_ratio=0.4, leave_ratio=0.4),), [("no_hysteresis", "P1", None)]),
        ((square("B1", 0, 0, 300, 100, kind="parking_bay"),), [("nothing_forbidden", "B1", None)]),
        (
            (Zone(id="R1", name="R", polygon=((0, 0), (300, 0), (300, 0), (300, 100), (0, 0))),),
            [("repeated_vertex", "R1", None), ("repeated_vertex", "R1", None)],
        ),
    ],
)
def test_remarks(zones: tuple[Zone, ...], found: list[tuple[str, str, str | None]]) -> None:
    assert rules(*zones) == found


@given(zone_files())
def test_every_valid_file_can_be_looked_at(file: ZoneFile) -> None:
    names = {zone.id for zone in file.zone}
    for remark in lint(file):
        assert remark.zone in names
        assert remark.other is None or remark.other in names
        assert remark.problem
        assert remark.mend
