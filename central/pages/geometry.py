"""Outlines of grids for the map: per level, simplified together so that neighbours keep their common border, cached.

Only leaves have ground; a higher grid's outline is the union of what lies under it. All is kept in memory per
jurisdiction until an import changes its stamp.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import Any

import shapely
from django.db.models import QuerySet
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from central.grids.models import Grid, GridArea, GridStamp
from central.people.models import User

SCALE = 100_000
"""Units per degree in what is sent: about a metre, finer than a border drawn by hand."""

TOLERANCE = {1: 60e-5, 2: 25e-5, 3: 8e-5, 4: 2e-5}
"""Degrees by which a border may move, per level: under a pixel at the zoom where the level is shown."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One grid as the map draws it."""

    number: int
    code: str
    name: str
    rings: list[list[int]]
    """Each ring: first longitude and latitude in units, then steps from point to point."""
    middle: tuple[int, int]


_lock = threading.Lock()
_known: dict[tuple[object, str, int], tuple[str, list[Outline]]] = {}


def outlines(user: User, level: int) -> tuple[list[Outline], str]:
    """The grids of a level that the reader may see, and a stamp that changes with any of them."""
    seen: QuerySet[Grid] = Grid.objects.visible_to(user)
    visible = set(seen.filter(level=level).values_list("pk", flat=True))
    jurisdictions = sorted(set(seen.filter(level=level).order_by().values_list("jurisdiction_id", flat=True)))
    found: list[Outline] = []
    stamps = []
    for jurisdiction in jurisdictions:
        stamp, known = _of(jurisdiction, level)
        stamps.append(stamp)
        found += [outline for outline in known if outline.number in visible]
    return found, "-".join([*stamps, str(len(found))])


def outline_of(user: User, grid: Grid | None) -> Outline | None:
    """One grid's outline, for the map of a case."""
    if grid is None:
        return None
    found, _ = outlines(user, grid.level)
    return next((outline for outline in found if outline.number == grid.pk), None)


def _of(jurisdiction: str, level: int) -> tuple[str, list[Outline]]:
    from django.db import connection

    stamp = (
        GridStamp.objects.filter(jurisdiction_id=jurisdiction).values_list("stamp", flat=True).first() or ""
    )
    key = (connection.settings_dict["NAME"], jurisdiction, level)
    with _lock:
        held = _known.get(key)
    if held is not None and held[0] == stamp:
        return held
    made = (stamp, _make(jurisdiction, level))
    with _lock:
        if len(_known) > 400:
            _known.clear()
        _known[key] = made
    return made


def _make(jurisdiction: str, level: int) -> list[Outline]:
    grids = {
        grid.pk: grid
        for grid in Grid.objects.unscoped("`outlines` keeps what the reader may see").filter(
            jurisdiction_id=jurisdiction
        )
    }
    areas = GridArea.objects.filter(grid__jurisdiction_id=jurisdiction, valid_to_ms__isnull=True)
    under: dict[int, list[BaseGeometry]] = {}
    for number, coordinates in areas.values_list("grid_id", "coordinates"):
        node: Grid | None = grids[number]
        while node is not None and node.level > level:
            node = grids.get(node.parent_id or 0)
        if node is not None and node.level == level:
            under.setdefault(node.pk, []).append(shape({"type": "MultiPolygon", "coordinates": coordinates}))
    whole = {number: shapely.union_all(pieces) for number, pieces in under.items()}
    slim = _simplified(list(whole.values()), TOLERANCE[level])
    found = [
        _outline(grids[number], ground)
        for number, ground in zip(whole, slim, strict=True)
        if not ground.is_empty
    ]
    return sorted(found, key=lambda outline: outline.code)


def _simplified(grounds: list[BaseGeometry], tolerance: float) -> list[BaseGeometry]:
    """Fewer points; common borders stay common where the grounds fit together, else each is thinned alone."""
    if not grounds:
        return []
    if shapely.coverage_is_valid(grounds):
        return list(shapely.coverage_simplify(grounds, tolerance))
    return [ground.simplify(tolerance) for ground in grounds]


def _outline(grid: Grid, ground: BaseGeometry) -> Outline:
    rings = []
    for part in shapely.get_parts(ground):
        if part.geom_type == "Polygon":
            rings += [_steps(ring) for ring in (part.exterior, *part.interiors)]
    point = ground.representative_point()
    return Outline(
        grid.pk, grid.code, grid.name, [ring for ring in rings if len(ring) >= 8], _units(point.x, point.y)
    )


def _units(longitude: float, latitude: float) -> tuple[int, int]:
    return round(longitude * SCALE), round(latitude * SCALE)


def _steps(ring: Any) -> list[int]:
    points = [_units(x, y) for x, y in ring.coords]
    flat = list(points[0])
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if (x0, y0) != (x1, y1):
            flat += (x1 - x0, y1 - y0)
    return flat
