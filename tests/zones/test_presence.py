"""Who stands in a zone: measured against slow references, at the edge, at other sizes, in oblique views."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point

from benchmarks.simulator import Scene, zone_file
from benchmarks.simulator.truth import Stay
from protocol.errors import PatrolError
from tests.zones.strategies import HEIGHT, WIDTH, boxes, zone_files
from zones import Box, Picture, Zone, ZoneFile, ZoneIndex, footprint, parse_zone_file
from zones.geometry import trembling_share
from zones.model import FORBIDDING, Vertex


def zone(id: str, *corners: Vertex, **rules: Any) -> Zone:
    return Zone(id=id, name=id, polygon=corners, **rules)


def square(id: str, left: float, top: float, right: float, bottom: float, **rules: Any) -> Zone:
    return zone(id, (left, top), (right, top), (right, bottom), (left, bottom), **rules)


def index(*zones: Zone, size: tuple[int, int] = (WIDTH, HEIGHT)) -> ZoneIndex:
    return ZoneIndex(ZoneFile(picture=Picture(width=WIDTH, height=HEIGHT), zone=zones), *size)


def sampled(box: Box, vehicle: str, polygon: tuple[Vertex, ...], side: int = 160) -> float:
    """Share of the footprint inside a polygon, by the even-odd rule at `side` x `side` points."""
    left, top, right, bottom = footprint(box, vehicle).bounds
    steps = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(left + steps * (right - left), top + steps * (bottom - top))
    inside = np.zeros(x.shape, bool)
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        crosses = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return float(inside.mean())


@settings(max_examples=150, deadline=None)
@given(zone_files(), boxes(), st.sampled_from(["car", "bus", "truck", "motorcycle", "bicycle"]))
def test_ratios_agree_with_counting_points(file: ZoneFile, box: Box, vehicle: str) -> None:
    ratios = ZoneIndex(file, WIDTH, HEIGHT).ratios(box, vehicle)
    for each in file.zone:
        assert ratios.get(each.id, 0.0) == pytest.approx(sampled(box, vehicle, each.polygon), abs=0.02)


@settings(deadline=None)
@given(zone_files(), boxes(), st.sampled_from([0.5, 1.5, 2, 3]))
def test_zones_follow_a_change_of_resolution(file: ZoneFile, box: Box, factor: float) -> None:
    here = ZoneIndex(file, WIDTH, HEIGHT)
    there = ZoneIndex(file, round(WIDTH * factor), round(HEIGHT * factor))
    scaled = tuple(v * factor for v in box)
    small = here.presence(box, "car")
    large = there.presence(scaled, "car")  # type: ignore[arg-type]
    assert large.ratio == pytest.approx(small.ratio, abs=1e-6)
    edges = {edge for each in file.zone for edge in (each.enter_ratio, each.leave_ratio)}
    assume(all(abs(small.ratio - edge) > 1e-6 for edge in edges))
    assume(all(abs((box[3] - box[1]) - each.min_height_px) > 1e-6 for each in file.zone))
    assume(len(set(here.ratios(box, "car").values())) == len(here.ratios(box, "car")))
    assert (large.zone_id, large.inside) == (small.zone_id, small.inside)


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((1280, 720), True),
        # Encoders round to even or to multiples of 16: 0.6% of another shape.
        ((640, 362), True),
        ((1920, 1088), True),
        # 4:3 instead of 16:9 is another view.
        ((640, 480), False),
        ((704, 576), False),
        # Turned by a quarter.
        ((360, 640), False),
    ],
)
def test_another_shape_of_picture_is_refused(size: tuple[int, int], fits: bool) -> None:
    pavement = square("P1", 100, 100, 300, 200)
    if fits:
        assert index(pavement, size=size).zones
        return
    with pytest.raises(PatrolError, match="another shape of picture"):
        index(pavement, size=size)


@pytest.mark.parametrize("kind", ["van", "truck", "bus"])
@pytest.mark.parametrize(
    ("yaw", "height"),
    [
        # Along the street, low on a lamp post.
        (110, 4),
        (125, 4),
        # Steeper, from a higher post.
        (110, 7),
    ],
)
def test_a_tall_vehicle_in_the_lane_does_not_stand_on_the_pavement_beside_it(
    kind: str, yaw: float, height: float
) -> None:
    """The camera stands on the near pavement; the vehicle waits in the lane, a quarter of a metre from its kerb.

    Box and zone come from exact geometry: a drawn street seen by a pinhole camera. The vehicle's box is oblique: its
    lower left corner hangs over the pavement, though no wheel is there.
    """
    seen, looks = beside_the_kerb(kind, yaw, height, gap_m=0.25)
    assert seen.overlap == {}
    assert not looks.presence(seen.box, "bus" if kind == "bus" else "truck").inside


def test_bottom_centre_would_call_some_of_them_offenders() -> None:
    wrong = []
    for kind, yaw, height in (("truck", 110, 4), ("truck", 125, 4), ("bus", 110, 4)):
        seen, looks = beside_the_kerb(kind, yaw, height, gap_m=0.25)
        left, _, right, bottom = seen.box
        wrong.append(looks.shape("P1").contains(Point((left + right) / 2, bottom - 1)))
        assert not looks.presence(seen.box, "bus" if kind == "bus" else "truck").inside
    assert all(wrong)


@pytest.mark.parametrize("kind", ["saloon", "van", "truck"])
@pytest.mark.parametrize(("yaw", "height"), [(110, 4), (125, 4), (110, 7)])
def test_a_vehicle_on_the_pavement_stands_on_it(kind: str, yaw: float, height: float) -> None:
    seen, looks = beside_the_kerb(kind, yaw, height, gap_m=-2.8)
    assert seen.overlap == {"P1": pytest.approx(1.0, abs=0.05)}
    assert looks.presence(seen.box, "car" if kind == "saloon" else "truck").inside


def beside_the_kerb(kind: str, yaw: float, height: float, *, gap_m: float) -> tuple[Stay, ZoneIndex]:
    """A vehicle parallel to the near kerb, `gap_m` metres from it in the lane (negative: beyond it), and the zones."""
    kerb, half_width = -4.0, 1.25 if kind in ("bus", "truck") else 1.05
    y = kerb + gap_m + half_width
    distance = 18.0
    direction = math.radians(yaw)
    camera = {
        "at": [-distance * math.cos(direction), kerb + 1.3 - distance * math.sin(direction)],
        "height": height,
        "yaw": yaw,
        "pitch": math.degrees(math.atan2(height - 1, distance)),
        "fov": 60,
    }
    scene = Scene.from_dict(
        {
            "schema": 1,
            "title": "beside the kerb",
            "size": [1280, 720],
            "duration_s": 10,
            "camera": camera,
            "light": {"time": "day", "sun": [235, 50]},
            "street": {"band": [{"kind": "pavement", "y": [-9, kerb]}, {"kind": "road", "y": [kerb, 7]}]},
            "zone": [
                {
                    "id": "P1",
                    "name": "Near pavement",
                    "kind": "no_parking",
                    "polygon": [[30, -9], [-40, -9], [-40, kerb], [30, kerb]],
                }
            ],
            "vehicle": [
                {
                    "id": "v",
                    "kind": kind,
                    "colour": "white",
                    "route": [{"at": [0, y], "heading": 0, "wait_s": math.inf}],
                }
            ],
        }
    )
    (stay,) = scene.truth(occlusion=False).stays
    return stay, ZoneIndex(parse_zone_file(zone_file(scene)), *scene.size)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        # On the pavement with all wheels.
        ((110, 60, 200, 150), True),
        # In the lane beside it; the roof reaches far over the pavement.
        ((110, 120, 200, 240), False),
        # Two wheels up: 45% of the footprint.
        ((110, 137.8, 200, 219.8), True),
    ],
)
def test_the_roof_does_not_count(box: Box, inside: bool) -> None:
    assert index(square("P1", 50, 50, 400, 201.76)).presence(box, "car").inside is inside


def jitter(px: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(-px, px), st.floats(-px, px))


@settings(max_examples=120, deadline=None)
@given(
    st.floats(10, 400),
    st.floats(10, 300),
    st.floats(0, 1),
    st.lists(jitter(3), min_size=2, max_size=20),
    st.floats(0.01, 0.6),
)
def test_a_trembling_box_never_flaps_where_the_gap_is_wider_than_its_trembling(
    wide: float, high: float, share: float, moves: list[tuple[float, float]], leave: float
) -> None:
    """A box that trembles by 3 px moves the share of its footprint by at most 6/width + 6/height of the footprint."""
    swing = trembling_share(wide, high, "car")
    assert swing == pytest.approx(min(1, 6 / (0.88 * wide) + 6 / (0.4 * high)))
    assume(leave + swing < 1)
    pavement = square("P1", 0, 0, 640, 200, enter_ratio=min(1.0, leave + swing + 1e-9), leave_ratio=leave)
    bottom = 200 + (1 - share) * 0.4 * high
    looks = index(pavement)
    held, changes = None, 0
    for dx, dy in moves:
        box = (200 + dx, bottom - high + dy, 200 + wide + dx, bottom + dy)
        where = looks.presence(box, "car", held)
        now = where.zone_id if where.inside else None
        changes += now != held
        held = now
    assert changes <= 1


def flips(looks: ZoneIndex, boxes: list[Box]) -> int:
    held, changes = None, 0
    for box in boxes:
        where = looks.presence(box, "car", held)
        now = where.zone_id if where.inside else None
        changes += now != held
        held = now
    return changes


TREMBLING = [(3, 3), (-3, -3), (3, -3), (-3, 3)] * 5


def shaken(box: Box, moves: list[tuple[int, int]] = TREMBLING) -> list[Box]:
    return [(box[0] + x, box[1] + y, box[2] + x, box[3] + y) for x, y in moves]


@pytest.mark.parametrize(
    ("zones", "box"),
    [
        # At the kerb, with the default ratios: a car of 110 px moves by 14% of its footprint.
        ((square("P1", 0, 0, 640, 200),), (200, 105, 400, 215 + 11)),
        # Half in a bay, half on the pavement beside it.
        (
            (square("P1", 0, 0, 300, 300), square("B1", 300, 0, 640, 300, kind="parking_bay")),
            (200, 100, 400, 220),
        ),
        # Half behind a post that is to be ignored.
        (
            (square("P1", 0, 0, 640, 300), square("X1", 0, 0, 280, 300, kind="ignore")),
            (200, 100, 400, 220),
        ),
        # As high as the smallest that is looked at: the box breathes by 3 px.
        ((square("P1", 0, 0, 640, 300, min_height_px=60),), (200, 100, 400, 160)),
    ],
    ids=["kerb", "bay", "ignored", "height"],
)
def test_nothing_flaps_at_an_edge(zones: tuple[Zone, ...], box: Box) -> None:
    looks = index(*zones)
    assert flips(looks, shaken(box)) <= 1
    breathing = [(box[0], box[1] + y, box[2], box[3]) for _, y in TREMBLING]
    assert flips(looks, breathing) <= 1


def test_a_bay_drawn_over_a_forbidden_zone_counts_there() -> None:
    looks = index(square("P1", 0, 0, 640, 360), square("B1", 200, 100, 400, 300, kind="parking_bay"))
    assert not looks.presence((205, 150, 395, 290), "car").inside
    # Two pixels beyond the line are no offence.
    assert not looks.presence((198, 150, 395, 290), "car").inside
    assert looks.presence((420, 150, 600, 290), "car").inside


def test_a_bay_for_motorcycles_is_none_for_cars() -> None:
    looks = index(
        square("P1", 0, 0, 640, 360),
        square("B1", 200, 100, 400, 300, kind="parking_bay", classes=("motorcycle",)),
    )
    assert looks.presence((205, 150, 395, 290), "car").inside
    assert not looks.presence((205, 150, 395, 290), "motorcycle").inside


def test_a_zone_is_only_about_its_classes_and_sizes() -> None:
    looks = index(square("P1", 0, 0, 640, 360, classes=("bus",), min_height_px=50))
    assert not looks.presence((200, 100, 400, 220), "car").inside
    assert looks.presence((200, 100, 400, 220), "bus").inside
    assert not looks.presence((200, 180, 400, 220), "bus").inside


def test_the_smallest_height_scales_with_the_picture() -> None:
    looks = index(square("P1", 0, 0, 640, 360, min_height_px=50), size=(320, 180))
    assert looks.presence((100, 50, 200, 76), "car").inside
    assert not looks.presence((100, 50, 200, 74), "car").inside


@settings(deadline=None)
@given(zone_files(), boxes(), st.sampled_from(["car", "bus"]))
def test_every_decision_keeps_its_promises(file: ZoneFile, box: Box, vehicle: str) -> None:
    looks = ZoneIndex(file, WIDTH, HEIGHT)
    for held in (None, *looks.zones):
        where = looks.presence(box, vehicle, held)
        assert 0 <= where.ratio <= 1
        assert where.why
        if where.zone_id is None:
            assert not where.inside
            continue
        chosen = looks.zones[where.zone_id]
        assert chosen.kind in FORBIDDING
        assert vehicle in chosen.classes
        assert where.ratio <= looks.ratios(box, vehicle)[where.zone_id] + 1e-9
        if where.inside:
            assert where.ratio >= (chosen.leave_ratio if held == where.zone_id else chosen.enter_ratio)
            # A wrong case is worse than none: nobody stands wrong with the larger part in a bay.
            for bay in file.zone:
                if bay.kind in ("parking_bay", "loading") and vehicle in bay.classes and held is None:
                    share = looks.ratios(box, vehicle).get(bay.id, 0.0)
                    assert share < bay.enter_ratio or share < where.ratio


@settings(deadline=None)
@given(zone_files(), boxes())
def test_who_stands_there_already_is_never_asked_for_more(file: ZoneFile, box: Box) -> None:
    looks = ZoneIndex(file, WIDTH, HEIGHT)
    where = looks.presence(box, "car")
    if where.inside:
        assert looks.presence(box, "car", where.zone_id).inside


def test_the_bounds_leave_ignored_places_out() -> None:
    looks = index(
        square("P1", 100, 50, 300, 200), square("X1", 400, 10, 600, 300, kind="ignore"), size=(1280, 720)
    )
    assert looks.bounds() == pytest.approx((200, 100, 600, 400))
