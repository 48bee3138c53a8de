"""What is wrong or odd in zones that are being edited, and where given vehicles would stand in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from protocol.errors import PatrolError
from zones.editor.chinese import said
from zones.editor.rendering import Data
from zones.files import judge_zone_data
from zones.geometry import Box
from zones.lint import Remark, lint
from zones.model import ZoneFile
from zones.presence import ZoneIndex


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a zone file cannot say.

    Attributes:
        zone: number of the zone, from 0; None for the top of the file.
        path: the key, then what is inside it, as JSON counts; empty for the zone as a whole.
        vertices: numbers of the polygon's vertices at fault, from 0.
        problem, mend: words.
    """

    zone: int | None
    path: tuple[str | int, ...]
    vertices: tuple[int, ...]
    problem: str
    mend: str | None

    def as_dict(self) -> dict[str, Any]:
        """For the page, in both languages."""
        return {
            "zone": self.zone,
            "path": list(self.path),
            "vertices": list(self.vertices),
            "problem": said(self.problem),
            "mend": said(self.mend),
        }


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle whose place is asked for.

    Attributes:
        box: left, top, right, bottom, pixels of the file's `picture`.
        label: class.
    """

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a vehicle stands.

    Attributes:
        zone_id, ratio, inside, why: see `zones.presence.Presence`.
        footprint: corners, pixels of the file's `picture`.
    """

    zone_id: str | None
    ratio: float
    inside: bool
    why: str
    footprint: tuple[tuple[float, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """For the page, in both languages."""
        return {
            "zone": self.zone_id,
            "ratio": self.ratio,
            "inside": self.inside,
            "why": said(self.why),
            "footprint": [[round(x, 2), round(y, 2)] for x, y in self.footprint],
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that can be said of zones in the making.

    Attributes:
        file: the valid file, None where there are faults.
        faults: what is impossible.
        remarks: what is odd; empty while there are faults.
        verdicts: one a vehicle, None where it cannot be told. Zones at fault are left out.
    """

    file: ZoneFile | None
    faults: tuple[Fault, ...]
    remarks: tuple[Remark, ...]
    verdicts: tuple[Verdict | None, ...]


_FAR = 1e6
"""Pixels; beyond it nothing is a place in a picture."""


def judge(data: Data, vehicles: Sequence[Vehicle] = (), *, years: Collection[int] = ()) -> Judgement:
    """Look at a zone file in the making. Never raises for what the data says.

    Args:
        data: the zone file as plain values.
        vehicles: of which it is asked where they stand.
        years: for which the calendar shall be known, see `zones.lint.lint`.
    """
    file, raw = judge_zone_data(data, "")
    faults = tuple(_place(fault, error, data) for fault, error in raw)
    remarks = lint(file, years=years) if file is not None else ()
    sound = file if file is not None else _without(data, faults)
    return Judgement(file, faults, remarks, _verdicts(sound, vehicles))


def _verdicts(sound: ZoneFile | None, vehicles: Sequence[Vehicle]) -> tuple[Verdict | None, ...]:
    places = [number for number, vehicle in enumerate(vehicles) if _is_somewhere(vehicle.box)]
    verdicts: list[Verdict | None] = [None] * len(vehicles)
    if sound is None or not places:
        return tuple(verdicts)
    index = ZoneIndex(sound, sound.picture.width, sound.picture.height)
    found = index.presences([vehicles[n].box for n in places], [vehicles[n].label for n in places])
    for number, presence in zip(places, found, strict=True):
        foot = index.footprint(vehicles[number].box, vehicles[number].label)
        ring = tuple((float(x), float(y)) for x, y in foot.exterior.coords[:-1])
        verdicts[number] = Verdict(presence.zone_id, presence.ratio, presence.inside, presence.why, ring)
    return tuple(verdicts)


def _is_somewhere(box: Box) -> bool:
    left, top, right, bottom = box
    return right > left and bottom > top and max(map(abs, box)) < _FAR


def _without(data: Data, faults: Sequence[Fault]) -> ZoneFile | None:
    """The file without the zones at fault, if the rest is in order."""
    bad = {fault.zone for fault in faults}
    zones = data.get("zone")
    if None in bad or not isinstance(zones, list):
        return None
    rest = {**data, "zone": [zone for number, zone in enumerate(zones) if number not in bad]}
    return judge_zone_data(rest, "")[0]


def _place(fault: ErrorDetails, error: PatrolError, data: Data) -> Fault:
    """Where on the page a fault belongs."""
    path: list[str | int] = list(fault["loc"])
    zone: int | None = None
    if path[:1] == ["zone"] and len(path) > 1 and isinstance(path[1], int):
        zone, path = path[1], path[2:]
    if zone is None and error.problem.startswith("calibration"):
        return Fault(None, ("calibration",), (), error.problem, error.mend)
    if zone is None and (told := re.match(r"zone (\S+?): ", error.problem)):
        zone = _numbered(data, told[1], last="used twice" in error.problem)
        path = ["id"] if "used twice" in error.problem else ["polygon"]
    vertices: set[int] = set()
    if path[:1] == ["polygon"] and len(path) > 1 and isinstance(path[1], int):
        vertices.add(path[1])
    for told in re.finditer(r"\b(?:vertex|edge) (\d+)(?:-(\d+))?", error.problem):
        vertices |= {int(number) - 1 for number in told.groups() if number}
    if not path and zone is not None:
        if "polygon" in error.problem or vertices:
            path = ["polygon"]
        elif "leave_ratio" in error.problem:
            path = ["leave_ratio"]
    elif not path and "time_zone" in error.problem:
        path = ["time_zone"]
    return Fault(zone, tuple(path), tuple(sorted(vertices)), error.problem, error.mend)


def _numbered(data: Data, zone_id: str, *, last: bool) -> int | None:
    zones = data.get("zone")
    numbers = [
        number
        for number, zone in enumerate(zones if isinstance(zones, list) else [])
        if isinstance(zone, dict) and zone.get("id") == zone_id
    ]
    return (numbers[-1] if last else numbers[0]) if numbers else None
