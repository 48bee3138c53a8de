"""Valid zone files and boxes, drawn by lot."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from protocol.messages import Position
from zones import Picture, Zone, ZoneFile
from zones.model import ZoneKind

WIDTH, HEIGHT = 640, 360

KINDS: tuple[ZoneKind, ...] = ("no_parking", "fire_lane", "parking_bay", "loading", "ignore")

idents = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: bool(text.strip()))
positions = st.builds(Position, longitude=st.floats(-180, 180), latitude=st.floats(-90, 90)) | st.none()


@st.composite
def polygons(draw: Any, width: int = WIDTH, height: int = HEIGHT) -> tuple[tuple[float, float], ...]:
    """Star-shaped around a centre, so that edges never cross; any number of corners, convex or not."""
    count = draw(st.integers(3, 12))
    cx = draw(st.floats(width * 0.2, width * 0.8))
    cy = draw(st.floats(height * 0.2, height * 0.8))
    room = min(cx, width - cx, cy, height - cy)
    return tuple(
        (
            cx + math.cos(2 * math.pi * n / count) * (radius := draw(st.floats(room * 0.4, room * 0.99))),
            cy + math.sin(2 * math.pi * n / count) * radius,
        )
        for n in range(count)
    )


@st.composite
def zones(draw: Any, id: str | None = None) -> Zone:
    enter = draw(st.floats(0.05, 1))
    return Zone(
        id=id or draw(idents),
        name=draw(words),
        kind=draw(st.sampled_from(KINDS)),
        polygon=draw(polygons()),
        classes=tuple(draw(st.lists(st.sampled_from(["car", "bus", "truck"]), min_size=1, unique=True))),
        enter_ratio=enter,
        leave_ratio=draw(st.floats(0.01, enter)),
        min_height_px=draw(st.floats(0, 60)),
        confirm_after_s=draw(st.floats(1, 86400)),
        grace_s=draw(st.integers(1, 86400)),
        unnotifiable=draw(st.sampled_from(["task", "manual_check", "close"])),
        place=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        position=draw(positions),
    )


@st.composite
def zone_files(draw: Any) -> ZoneFile:
    names = draw(st.lists(idents, min_size=1, max_size=4, unique=True))
    return ZoneFile(
        camera=draw(idents | st.none()),
        street=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        place=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        position=draw(positions),
        picture=Picture(width=WIDTH, height=HEIGHT),
        zone=tuple(draw(zones(id=name)) for name in names),
    )


@st.composite
def boxes(draw: Any, least: float = 20, most: float = 250) -> tuple[float, float, float, float]:
    """A vehicle's box, which may reach beyond the picture."""
    left, top = draw(st.floats(-60, WIDTH - 20)), draw(st.floats(-60, HEIGHT - 20))
    return left, top, left + draw(st.floats(least, most)), top + draw(st.floats(least, most))
