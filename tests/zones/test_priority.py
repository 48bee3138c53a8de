"""Where zones overlap, and which of them count now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zones.strategies import HEIGHT, WIDTH, boxes, zone_files
from zones import Box, Picture, Zone, ZoneFile, ZoneIndex
from zones.model import FORBIDDING

# 100 x 40 pixels of footprint: x from 206 to 294, y from 180 to 220.
CAR: Box = (200, 120, 300, 220)


def zone(id: str, left: float, right: float, **rules: Any) -> Zone:
    ring = ((left, 0), (right, 0), (right, HEIGHT), (left, HEIGHT))
    return Zone(id=id, name=id, polygon=ring, **rules)


def index(*zones: Zone) -> ZoneIndex:
    return ZoneIndex(ZoneFile(picture=Picture(width=WIDTH, height=HEIGHT), zone=zones), WIDTH, HEIGHT)


LEFT = 206 + 88 * 0.45
"""45% of the footprint lies left of here."""


@pytest.mark.parametrize(
    ("zones", "zone_id", "ratio", "inside"),
    [
        # A bay over a pavement, as ever.
        ([zone("P", 0, 640), zone("B", 0, 640, kind="parking_bay")], None, 0, False),
        # A fire lane over the bay: nobody stands there.
        (
            [zone("F", 0, 640, kind="fire_lane", priority=1), zone("B", 0, 640, kind="parking_bay")],
            "F",
            1,
            True,
        ),
        # A pavement of a lower priority than its fire lane has nothing to say on it.
        ([zone("P", 0, 640), zone("F", 0, 640, kind="fire_lane", priority=1)], "F", 1, True),
        # On the rest of the ground it has.
        ([zone("P", 0, 640), zone("F", 0, 230, kind="fire_lane", priority=1)], "P", 64 / 88, True),
        # The higher priority goes first where both have enough.
        ([zone("P", LEFT, 640), zone("F", 0, LEFT, kind="fire_lane", priority=1)], "F", 0.45, True),
        # At equal priorities, the larger share.
        ([zone("P", LEFT, 640), zone("F", 0, LEFT, kind="fire_lane")], "P", 0.55, True),
        # A bay of a higher priority than the pavement, drawn over it.
        ([zone("P", 0, 640, priority=1), zone("B", 0, 640, kind="loading", priority=2)], None, 0, False),
        # A pavement above the bay: the larger part in the bay excuses nobody.
        ([zone("P", 0, LEFT, priority=1), zone("B", 0, 640, kind="parking_bay")], "P", 0.45, True),
        # A bay for others decides nothing.
        (
            [zone("P", 0, 640), zone("B", 0, 640, kind="parking_bay", classes=("bus",), priority=9)],
            "P",
            1,
            True,
        ),
        # Nor does a forbidden zone for others.
        (
            [zone("P", 0, 640), zone("F", 0, 640, kind="fire_lane", classes=("bus",), priority=9)],
            "P",
            1,
            True,
        ),
        # Ignored ground above the zone is no ground of the zone.
        ([zone("P", 0, 640), zone("X", 0, 640, kind="ignore", priority=1)], None, 0, False),
        # Ignored ground at the same priority, as ever.
        ([zone("P", 0, 640), zone("X", 0, 640, kind="ignore")], "P", 1, False),
        # Ignored ground below the zone hides nothing.
        ([zone("P", 0, 640, priority=1), zone("X", 0, 640, kind="ignore")], "P", 1, True),
        # A zone that leaves so small a vehicle alone is as if it were not there.
        (
            [zone("P", 0, 640), zone("F", 0, 640, kind="fire_lane", priority=1, min_height_px=200)],
            "P",
            1,
            True,
        ),
    ],
)
def test_the_highest_priority_decides_on_contested_ground(
    zones: list[Zone], zone_id: str | None, ratio: float, inside: bool
) -> None:
    where = index(*zones).presence(CAR, "car")
    assert where.zone_id == zone_id
    assert where.ratio == pytest.approx(ratio, abs=1e-9)
    assert where.inside is inside
    # The order in the file says nothing.
    assert index(*reversed(zones)).presence(CAR, "car") == where


@settings(max_examples=40, deadline=None)
@given(zone_files(), boxes(), st.data())
def test_a_zone_that_does_not_count_now_is_as_if_it_were_not_there(
    file: ZoneFile, box: Box, data: st.DataObject
) -> None:
    names = [each.id for each in file.zone]
    active = data.draw(st.sets(st.sampled_from(names), min_size=1))
    held = data.draw(st.sampled_from([None, *names]))
    some = file.model_copy(update={"zone": tuple(each for each in file.zone if each.id in active)})
    expected = ZoneIndex(some, WIDTH, HEIGHT).presence(box, "car", held)
    assert ZoneIndex(file, WIDTH, HEIGHT).presence(box, "car", held, active=active) == expected
    nothing = ZoneIndex(file, WIDTH, HEIGHT).presence(box, "car", active=())
    assert nothing.zone_id is None
    assert not nothing.inside


@settings(max_examples=40, deadline=None)
@given(zone_files(), boxes(), st.data())
def test_no_ground_is_counted_twice_between_priorities(file: ZoneFile, box: Box, data: st.DataObject) -> None:
    ranks = data.draw(st.permutations(range(len(file.zone))))
    ranked = file.model_copy(
        update={
            "zone": tuple(
                each.model_copy(update={"priority": rank, "kind": "no_parking", "classes": ("car",)})
                for each, rank in zip(file.zone, ranks, strict=True)
            )
        }
    )
    looks = ZoneIndex(ranked, WIDTH, HEIGHT)
    whole = looks.ratios(box, "car")
    parts = {
        each.id: where.ratio
        for each in ranked.zone
        if (where := looks.presence(box, "car", each.id)).zone_id == each.id
    }
    assert all(part <= whole.get(name, 0) + 1e-9 for name, part in parts.items())
    assert sum(parts.values()) <= 1 + 1e-6
    assert all(each.kind in FORBIDDING for each in ranked.zone)
