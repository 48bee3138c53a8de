"""What is allowed but probably not meant."""

from __future__ import annotations

import math
from typing import Any

import pytest

from zones import Picture, Zone, ZoneFile, lint
from zones.ground import Calibration


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
        # Whose smallest boxes move more by trembling than the gap is wide, and what mends it: both ways of the remark.
        ((square("P1", 0, 0, 300, 100, min_height_px=60),), [("trembling", "P1", None)]),
        ((square("P1", 0, 0, 300, 100, min_height_px=129),), []),
        ((square("P1", 0, 0, 300, 100, min_height_px=60, leave_ratio=0.07),), []),
        ((square("B1", 0, 0, 300, 100, kind="parking_bay"),), [("nothing_forbidden", "B1", None)]),
        (
            (Zone(id="R1", name="R", polygon=((0, 0), (300, 0), (300, 0), (300, 100), (0, 0))),),
            [("repeated_vertex", "R1", None), ("repeated_vertex", "R1", None)],
        ),
    ],
)
def test_remarks(zones: tuple[Zone, ...], found: list[tuple[str, str, str | None]]) -> None:
    assert rules(*zones) == found


FIRE = square("F1", 200, 0, 500, 100, kind="fire_lane")
FRAME = (
    square("N", 100, 100, 300, 130),
    square("S", 100, 270, 300, 300),
    square("W", 100, 130, 130, 270),
    square("E", 270, 130, 300, 270),
)


@pytest.mark.parametrize(
    ("zones", "found"),
    [
        # Two zones of one kind overlap by a third: whose rules? Unless a priority says it.
        ((PAVEMENT, square("P2", 200, 0, 500, 100)), [("overlap", "P1", "P2")]),
        ((PAVEMENT, square("P2", 200, 0, 500, 100, priority=1)), []),
        # A bay wholly inside, and one whose author has thought of it.
        ((PAVEMENT, square("B1", 100, 20, 200, 80, kind="parking_bay")), [("overlap", "P1", "B1")]),
        ((PAVEMENT, square("B1", 100, 20, 200, 80, kind="parking_bay", priority=1)), []),
        # Side by side; four pixels apart; twenty apart; meeting at a corner only.
        ((PAVEMENT, square("P2", 300, 0, 600, 100)), []),
        ((PAVEMENT, square("P2", 304, 0, 600, 100)), [("gap", "P1", "P2")]),
        ((PAVEMENT, square("P2", 320, 0, 600, 100)), []),
        ((PAVEMENT, square("P2", 302, 102, 600, 200)), []),
        # A kerb is left out between pavement and bay.
        ((PAVEMENT, square("B1", 304, 0, 600, 100, kind="parking_bay")), []),
        # The gap is another zone's.
        ((PAVEMENT, square("P2", 304, 0, 600, 100), square("X", 300, 0, 304, 100, kind="ignore")), []),
        # A frame with nothing inside, and with a bay.
        (FRAME, [("hole", "N", "S")]),
        ((*FRAME, square("B1", 130, 130, 270, 270, kind="parking_bay")), []),
    ],
)
def test_what_lies_between_zones(zones: tuple[Zone, ...], found: list[tuple[str, str, str | None]]) -> None:
    assert rules(*zones) == found


@pytest.mark.parametrize(
    ("polygon", "rule", "vertex"),
    [
        (((0, 0), (100, 0), (200, 0.1), (200, 100), (0, 100)), "needless_vertex", 2),
        (((0, 0), (100, 0), (200, 20), (200, 100), (0, 100)), None, None),
        (((0, 0), (100, 0), (100, 50), (300, 51), (100, 53), (100, 100), (0, 100)), "spike", 4),
        (((0, 0), (100, 0), (100, 100), (0, 100), (0, 100)), "repeated_vertex", 5),
        (
            tuple(
                (300 + 100 * math.cos(n / 50 * math.pi), 150 + 100 * math.sin(n / 50 * math.pi))
                for n in range(100)
            ),
            "many_vertices",
            None,
        ),
    ],
)
def test_vertices(polygon: tuple[tuple[float, float], ...], rule: str | None, vertex: int | None) -> None:
    file = ZoneFile(picture=Picture(width=640, height=360), zone=(Zone(id="P", name="P", polygon=polygon),))
    assert [(remark.rule, remark.vertex) for remark in lint(file)] == (
        [] if rule is None else [(rule, vertex)]
    )


# Calibrated: a centimetre a pixel, seen from straight above.
FROM_ABOVE = Calibration.model_validate(
    {"rectangle": {"picture": [(0, 300), (600, 300), (600, 0), (0, 0)], "width_m": 6, "length_m": 3}}
)


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        # A car of 3 m x 1.5 m needs 1.8 m2 for 40 %; large in pixels is not large on the ground.
        (square("P", 0, 0, 120, 120, classes=("car",)), ["too_small"]),
        (square("P", 0, 0, 150, 130, classes=("car",)), []),
        # Half a metre wide: no car has 40 % of its width in it, a motorcycle has.
        (square("P", 0, 0, 600, 50, classes=("car",)), ["sliver"]),
        (square("P", 0, 0, 600, 50, classes=("motorcycle",)), []),
        (square("P", 0, 0, 200, 130, classes=("car",), min_length_m=8), ["too_small"]),
    ],
)
def test_sizes_are_judged_on_the_ground_where_that_is_known(zone: Zone, found: list[str]) -> None:
    file = ZoneFile(picture=Picture(width=640, height=360), zone=(zone,), calibration=FROM_ABOVE)
    assert [remark.rule for remark in lint(file)] == found


def test_a_gap_is_measured_in_metres_where_that_is_known() -> None:
    zones = (square("P1", 0, 0, 300, 300), square("P2", 340, 0, 600, 300))
    near, far = (Picture(width=640, height=360), FROM_ABOVE), (Picture(width=640, height=360), None)
    found = [
        [remark.rule for remark in lint(ZoneFile(picture=picture, zone=zones, calibration=ground))]
        for picture, ground in (near, far)
    ]
    assert found == [["gap"], []], "40 cm, and 40 px of unknown size"


def test_metres_without_a_calibration_are_an_error() -> None:
    zone = square("P", 0, 0, 300, 200, min_length_m=2)
    (remark,) = lint(ZoneFile(picture=Picture(width=640, height=360), zone=(zone,)))
    assert (remark.rule, remark.severity) == ("uncalibrated_metres", "error")
    assert lint(ZoneFile(picture=Picture(width=640, height=360), zone=(zone,), calibration=FROM_ABOVE)) == ()
