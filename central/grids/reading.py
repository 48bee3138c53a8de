"""Grid files: GeoJSON or CSV in, checked rows and a report out. Nothing is stored here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely import STRtree
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from central.project import nul
from protocol.errors import PatrolError

LEVELS = 4

_MOST_BYTES = 512 * 1024 * 1024

_LEAST_M2 = 1.0
"""Overlaps and holes smaller than this come from rounding; nobody stands in them."""

_DEGREE_M = 111_195.0
"""Metres in a degree of latitude (mean radius of the earth, IUGG)."""


class GridRow(BaseModel):
    """One grid as a file gives it. Unknown properties are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    code: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")
    name: str = Field(min_length=1, max_length=120)
    level: int = Field(ge=1, le=LEVELS)
    parent: str | None = None
    primary: str | None = Field(default=None, description="User name of the grid worker.")
    deputy: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with its place in the file and its ground (leaves only)."""

    number: int
    row: GridRow
    ground: MultiPolygon | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the ground that a person should see.

    Attributes:
        kind: overlap, hole, outside_parent.
        codes: the grids concerned.
        area_m2: how large.
        at: a point inside, longitude and latitude.
    """

    kind: str
    codes: tuple[str, ...]
    area_m2: float
    at: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Report:
    """What a file holds.

    Attributes:
        entries: good rows.
        faults: what is wrong, with the row's number; nothing may be stored while there is one.
        findings: overlaps and holes.
        grids: number of grids per level.
    """

    entries: tuple[Entry, ...]
    faults: tuple[PatrolError, ...]
    findings: tuple[Finding, ...] = ()
    grids: dict[int, int] = field(default_factory=dict)


def read_grids(path: Path) -> Report:
    """Read a grid file: `.csv` with columns code, name, level, parent, primary, deputy, wkt; else GeoJSON (RFC 7946).

    Raises:
        PatrolError: the file is missing, too large, or is neither.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PatrolError("is larger than 512 MiB", file=path, mend="Split it by jurisdiction.")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PatrolError("the file does not exist", file=path, mend="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError(f"cannot be read: {error}", file=path, mend="It must be UTF-8 text.") from error
    rows = _from_csv(text, path) if path.suffix.lower() == ".csv" else _from_geojson(text, path)
    entries: list[Entry] = []
    faults: list[PatrolError] = []
    for number, properties, geometry in rows:
        try:
            entries.append(_entry(number, properties, geometry, path))
        except PatrolError as error:
            faults.append(error)
    faults.extend(_tree_faults(entries, path))
    findings = () if faults else tuple(examine(entries))
    grids = {level: sum(e.row.level == level for e in entries) for level in range(1, LEVELS + 1)}
    return Report(tuple(entries), tuple(faults), findings, grids)


def _from_csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any], Any]]:
    reader = csv.DictReader(io.StringIO(nul.plain(text, path)))
    if reader.fieldnames is None or "code" not in reader.fieldnames:
        raise PatrolError("has no column `code`", file=path, mend="Columns: code, name, level, parent, wkt.")
    for number, line in enumerate(reader, start=2):
        if None in line:
            yield number, {"code": line.get("code"), "": "more cells than columns"}, None
            continue
        values = {key: value for key, value in line.items() if value not in ("", None)}
        yield number, values, values.pop("wkt", None)


def _from_geojson(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any], Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PatrolError(f"is not JSON: {error}", file=path, mend="Mend the line that it names.") from error
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list):
        raise PatrolError("is no GeoJSON FeatureCollection", file=path, mend="See RFC 7946.")
    if (where := nul.of_json(features)) is not None:
        raise PatrolError("a text holds a NUL character", file=path, field=f"features.{where}")
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
            yield number, {"": "no feature with properties"}, None
            continue
        yield number, feature["properties"], feature.get("geometry")


def _entry(number: int, properties: dict[str, Any], geometry: Any, path: Path) -> Entry:
    where = f"row {number}"
    try:
        row = GridRow.model_validate(properties)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "properties"
        problem = "this property is not known" if fault["type"] == "extra_forbidden" else str(fault["msg"])
        value = fault.get("input") if isinstance(fault.get("input"), str | int) else None
        raise PatrolError(
            problem,
            file=path,
            field=f"{where}: {key}",
            value=value,
            mend="See docs/grids.md for the properties.",
        ) from error
    where = f"{where}: {row.code}"
    if row.level != LEVELS:
        if row.level > 1 and row.parent is None:
            raise PatrolError(
                "needs a parent", file=path, field=where, mend="Name the code of the grid above."
            )
        return Entry(number, row, None)
    if geometry is None:
        raise PatrolError(
            "a grid of level 4 needs its ground", file=path, field=where, mend="Give a Polygon."
        )
    try:
        ground = shapely.from_wkt(geometry) if isinstance(geometry, str) else shape(geometry)
    except Exception as error:  # shapely raises many kinds for garbage
        raise PatrolError(
            f"has no readable ground: {error}", file=path, field=where, mend="Give a Polygon."
        ) from error
    return Entry(number, row, _checked(ground, path, where))


def _checked(ground: BaseGeometry, path: Path, where: str) -> MultiPolygon:
    if isinstance(ground, Polygon):
        ground = MultiPolygon([ground])
    if not isinstance(ground, MultiPolygon) or ground.is_empty:
        raise PatrolError("its ground is no polygon", file=path, field=where, value=ground.geom_type)
    left, bottom, right, top = ground.bounds
    if not (-180 <= left <= right <= 180 and -90 <= bottom <= top <= 90):
        swapped = -90 <= left <= right <= 90
        raise PatrolError(
            "lies off the earth",
            file=path,
            field=where,
            value=f"{left:g}, {bottom:g}",
            mend="Longitude comes first." if swapped else "Coordinates are WGS-84 degrees.",
        )
    if not ground.is_valid:
        raise PatrolError(
            f"its ground is not simple: {shapely.is_valid_reason(ground)}",
            file=path,
            field=where,
            mend="Draw it anew.",
        )
    return ground


def _tree_faults(entries: list[Entry], path: Path) -> Iterator[PatrolError]:
    by_code: dict[str, Entry] = {}
    for entry in entries:
        other = by_code.setdefault(entry.row.code, entry)
        if other is not entry:
            yield PatrolError(
                f"the code stands in row {other.number} already",
                file=path,
                field=f"row {entry.number}: {entry.row.code}",
                mend="Codes are unique.",
            )
    for entry in entries:
        where = f"row {entry.number}: {entry.row.code}"
        parent = by_code.get(entry.row.parent or "")
        if entry.row.level == 1 and entry.row.parent is not None:
            yield PatrolError(
                "a grid of level 1 has no parent", file=path, field=where, value=entry.row.parent
            )
        elif entry.row.level > 1 and parent is None:
            yield PatrolError(
                "its parent is not in the file",
                file=path,
                field=where,
                value=entry.row.parent,
                mend="Give the whole tree in one file.",
            )
        elif parent is not None and parent.row.level != entry.row.level - 1:
            yield PatrolError(
                f"is of level {entry.row.level} but its parent {parent.row.code} of level {parent.row.level}",
                file=path,
                field=where,
                mend="Each level hangs on the one above.",
            )


def examine(entries: list[Entry]) -> Iterator[Finding]:
    """Overlaps between leaves, and holes that their union encloses, largest first."""
    leaves = [(entry.row.code, entry.ground) for entry in entries if entry.ground is not None]
    shapes = np.array([ground for _, ground in leaves], dtype=object)
    found: list[Finding] = []
    if len(leaves):
        one, two = STRtree(shapes).query(shapes, predicate="intersects")
        pairs = one < two
        both = shapely.intersection(shapes[one[pairs]], shapes[two[pairs]])
        for first, second, common in zip(one[pairs], two[pairs], both, strict=True):
            size = area_m2(common)
            if size >= _LEAST_M2:
                found.append(Finding("overlap", (leaves[first][0], leaves[second][0]), size, _inside(common)))
        whole = shapely.union_all(shapes)
        for part in getattr(whole, "geoms", (whole,)):
            for ring in part.interiors:
                hole = Polygon(ring)
                size = area_m2(hole)
                if size >= _LEAST_M2:
                    around = [leaves[n][0] for n in STRtree(shapes).query(hole, predicate="intersects")]
                    found.append(Finding("hole", tuple(sorted(around)), size, _inside(hole)))
    yield from sorted(found, key=lambda f: (-f.area_m2, f.codes))


def area_m2(ground: BaseGeometry) -> float:
    """Area of a small piece of the earth, square metres: degrees of longitude shortened at its middle."""
    if ground.is_empty:
        return 0.0
    middle = (ground.bounds[1] + ground.bounds[3]) / 2
    return float(ground.area * _DEGREE_M**2 * np.cos(np.radians(middle)))


def _inside(ground: BaseGeometry) -> tuple[float, float]:
    point = ground.representative_point()
    return (round(point.x, 7), round(point.y, 7))
