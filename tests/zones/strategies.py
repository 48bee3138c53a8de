"""Valid zone files and boxes, drawn by lot."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, get_args

from hypothesis import strategies as st

from protocol.messages import Position
from zones import Picture, Zone, ZoneFile
from zones.ground import Calibration
from zones.model import ZoneKind
from zones.rules import Calendar, DayKind, Exemption, VehicleClass, Window

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


clock_times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
days = st.lists(st.sampled_from(get_args(DayKind)), min_size=1, max_size=4, unique=True).map(tuple)
classes = st.lists(st.sampled_from(get_args(VehicleClass)), min_size=1, unique=True).map(tuple)
dates = st.dates(date(2024, 1, 1), date(2030, 12, 31))


@st.composite
def windows(draw: Any) -> Window:
    begin = draw(clock_times)
    end = draw((clock_times | st.just("24:00")).filter(lambda time: time != begin))
    return Window.model_validate({"days": draw(days), "from": begin, "to": end})


@st.composite
def exemptions(draw: Any) -> Exemption:
    conditions = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "plates": st.lists(
                    st.sampled_from(["沪A*", "京AD?1234", "粤Z*港", "沪A8K526"]), min_size=1, max_size=3
                ),
                "permit": idents,
                "classes": classes,
                "hours": st.lists(windows(), min_size=1, max_size=2),
                "up_to_s": st.floats(1, 86400),
            },
        ).filter(bool)
    )
    return Exemption.model_validate({"reason": draw(words), **conditions})


@st.composite
def calendars(draw: Any) -> Calendar:
    free = draw(st.sets(dates, max_size=3))
    worked = draw(st.sets(dates, max_size=3)) - free
    country = draw(st.sampled_from(["CN", "none"]))
    years = {day.year for day in free} if draw(st.booleans()) else set()
    return Calendar(country=country, holidays=tuple(free), workdays=tuple(worked), years=tuple(years))


@st.composite
def calibrations(draw: Any, width: int = WIDTH, height: int = HEIGHT) -> Calibration:
    """Of a camera that looks straight down, so that every zone is on the ground."""
    scale = draw(st.floats(0.005, 0.05))
    lens = {"k1": draw(st.floats(-0.02, 0.02)), "k2": draw(st.floats(-0.01, 0.01))}
    left, right = width * 0.2, width * draw(st.floats(0.5, 0.9))
    top, bottom = height * 0.2, height * draw(st.floats(0.5, 0.9))
    corners = ((left, bottom), (right, bottom), (right, top), (left, top))
    facts: dict[str, Any] = {**lens, "bearing_deg": draw(st.floats(-360, 360))}
    if draw(st.booleans()):
        facts["origin"] = Position(longitude=121.5, latitude=31.2)
    if draw(st.booleans()):
        size = {"width_m": (right - left) * scale, "length_m": (bottom - top) * scale}
        return Calibration.model_validate({**facts, "rectangle": {"picture": corners, **size}})
    points = [{"picture": (x, y), "ground": (x * scale, -y * scale)} for x, y in corners]
    return Calibration.model_validate({**facts, "point": points})


@st.composite
def zones(draw: Any, id: str | None = None) -> Zone:
    """Any zone: every key may have any value that is allowed."""
    enter = draw(st.floats(0.05, 1))
    return Zone(
        id=id or draw(idents),
        name=draw(words),
        kind=draw(st.sampled_from(KINDS)),
        polygon=draw(polygons()),
        classes=draw(classes),
        enter_ratio=enter,
        leave_ratio=draw(st.floats(0.01, enter)),
        min_height_px=draw(st.floats(0, 60)),
        min_length_m=draw(st.none() | st.floats(0.5, 50)),
        priority=draw(st.integers(-100, 100)),
        hours=tuple(draw(st.lists(windows(), max_size=2))),
        exempt=tuple(draw(st.lists(exemptions(), max_size=2))),
        confirm_after_s=draw(st.floats(1, 86400)),
        grace_s=draw(st.integers(1, 86400)),
        recheck_window_s=draw(st.floats(1, 86400)),
        renotice_after_s=draw(st.floats(0, 31_536_000)),
        unnotifiable=draw(st.sampled_from(["task", "manual_check", "close"])),
        unverified=draw(st.sampled_from(["close", "manual_check"])),
        place=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        position=draw(positions),
    )


@st.composite
def zone_files(draw: Any, calibrated: bool = False) -> ZoneFile:
    """Any zone file; with or without a calibration where `calibrated`, else without."""
    names = draw(st.lists(idents, min_size=1, max_size=4, unique=True))
    return ZoneFile(
        camera=draw(idents | st.none()),
        street=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        place=draw(st.text(st.characters(codec="utf-8"), max_size=40)),
        position=draw(positions),
        time_zone=draw(st.sampled_from(["Asia/Shanghai", "UTC", "Europe/Berlin", "America/St_Johns"])),
        calendar=draw(calendars()),
        calibration=draw(st.none() | calibrations()) if calibrated else None,
        picture=Picture(width=WIDTH, height=HEIGHT),
        zone=tuple(draw(zones(id=name)) for name in names),
    )


@st.composite
def boxes(draw: Any, least: float = 20, most: float = 250) -> tuple[float, float, float, float]:
    """A vehicle's box, which may reach beyond the picture."""
    left, top = draw(st.floats(-60, WIDTH - 20)), draw(st.floats(-60, HEIGHT - 20))
    return left, top, left + draw(st.floats(least, most)), top + draw(st.floats(least, most))
