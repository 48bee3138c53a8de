"""What a person measured for a calibration: points and rectangles as text, and where it goes in the zone file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from protocol.errors import PatrolError
from protocol.messages import Position
from zones.files import parse_zone_file
from zones.ground import Calibration, GroundPoint, GroundRectangle, Pair
from zones.model import ZoneFile

_MAX_CSV = 1024 * 1024
_METRES = ("u", "v", "x", "y")
_DEGREES = ("u", "v", "longitude", "latitude")


def point_in_metres(text: str) -> GroundPoint:
    """`u,v=x,y`: pixels and metres.

    Raises:
        PatrolError: it is written otherwise.
    """
    picture, ground = _sides(text, "--point", "412,388=3.5,0 for pixels u,v and metres x,y")
    return GroundPoint(picture=picture, ground=ground)


def point_on_map(text: str) -> GroundPoint:
    """`u,v=longitude,latitude`: pixels and degrees, WGS-84.

    Raises:
        PatrolError: it is written otherwise, or lies off the globe.
    """
    picture, degrees = _sides(
        text, "--map-point", "412,388=121.4737,31.2304 for pixels u,v and longitude,latitude"
    )
    return GroundPoint(picture=picture, at=_position(degrees, "--map-point", text))


def map_position(text: str, field: str) -> Position:
    """`longitude,latitude`, degrees.

    Raises:
        PatrolError: it is written otherwise, or lies off the globe.
    """
    return _position(_pair(text, field, "121.4737,31.2304 for longitude,latitude"), field, text)


def rectangle(corners: str, size: str) -> GroundRectangle:
    """`u,v u,v u,v u,v` and `WIDTHxLENGTH` in metres.

    Raises:
        PatrolError: either is written otherwise.
    """
    example = "four corners such as 300,400 500,402 620,560 240,555"
    parts = corners.split()
    if len(parts) != 4:
        raise PatrolError(
            f"has {len(parts)} corners", field="--rectangle", value=corners, mend=f"Write {example}."
        )
    sides = re.split(r"[x×*]", size)
    try:
        width, length = (float(side) for side in sides)
    except ValueError as error:
        raise PatrolError(
            "is no size", field="--size", value=size, mend="Write WIDTHxLENGTH in metres, such as 2.5x6."
        ) from error
    one, two, three, four = (_pair(part, "--rectangle", example) for part in parts)
    try:
        return GroundRectangle(picture=(one, two, three, four), width_m=width, length_m=length)
    except ValidationError as error:
        raise PatrolError(
            _first(error), field="--size", value=size, mend="Write metres above 0, such as 2.5x6."
        ) from error


def read_points(path: Path) -> tuple[GroundPoint, ...]:
    """Points from a CSV file with the heads u,v,x,y (metres) or u,v,longitude,latitude.

    Raises:
        PatrolError: it cannot be read, or a line says something else; the error names the line.
    """
    try:
        if path.stat().st_size > _MAX_CSV:
            raise PatrolError("is larger than 1 MiB", file=path, mend="Check the path.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PatrolError("is not UTF-8 text", file=path, mend="Save it as UTF-8.") from error
    except OSError as error:
        raise PatrolError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the path and its rights."
        ) from error
    rows = csv.reader(io.StringIO(text))
    head: tuple[str, ...] | None = None
    points: list[GroundPoint] = []
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if head is None:
            head = tuple(cell.lower() for cell in cells)
            if head not in (_METRES, _DEGREES):
                raise PatrolError(
                    "has other heads",
                    file=path,
                    field=f"line {rows.line_num}",
                    value=",".join(cells),
                    mend=f"Begin with {','.join(_METRES)} or {','.join(_DEGREES)}.",
                )
            continue
        where = f"line {rows.line_num}"
        try:
            u, v, one, two = (_number(cell) for cell in cells)
        except ValueError as error:
            raise PatrolError(
                "is not four numbers",
                file=path,
                field=where,
                value=",".join(row),
                mend=f"Write {','.join(head)}.",
            ) from error
        if head == _METRES:
            points.append(GroundPoint(picture=(u, v), ground=(one, two)))
        else:
            points.append(GroundPoint(picture=(u, v), at=_position((one, two), where, ",".join(row), path)))
    if not points:
        raise PatrolError("holds no points", file=path, mend=f"Write lines of {','.join(_METRES)}.")
    return tuple(points)


def calibration(
    points: Sequence[GroundPoint],
    area: GroundRectangle | None,
    *,
    lens: str | None = None,
    origin: Position | None = None,
    bearing_deg: float = 0.0,
) -> Calibration:
    """A calibration from what was measured. Without `origin`, the first point given on the map is it.

    Raises:
        PatrolError: neither or both of points and rectangle, fewer than four points, or coefficients out of range.
    """
    k1, k2 = _pair(lens, "--lens", "-0.12,0.02 for k1,k2") if lens is not None else (0.0, 0.0)
    if origin is None:
        origin = next((point.at for point in points if point.at is not None), None)
    try:
        return Calibration(
            point=tuple(points), rectangle=area, k1=k1, k2=k2, origin=origin, bearing_deg=bearing_deg
        )
    except ValidationError as error:
        raise PatrolError(
            _first(error),
            field="calibration",
            mend="Give four points or more, or one rectangle with its size.",
        ) from error


def with_calibration(text: str, name: str | Path, new: Calibration) -> str:
    """The text of a zone file with this calibration in it; all else, comments too, stays as it was.

    Raises:
        PatrolError: the text is no valid zone file, or would be none with this calibration.
    """
    data = new.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if str(name).endswith((".json", ".geojson")):
        whole: dict[str, Any] = json.loads(text)
        whole["calibration"] = data
        after = json.dumps(whole, ensure_ascii=False, indent=1) + "\n"
    else:
        after = _in_toml(text, data)
    parse_zone_file(after, name=name)
    return after


def without_calibration(text: str, name: str | Path) -> ZoneFile:
    """A zone file as if it had no calibration, so that a wrong one can be replaced.

    Raises:
        PatrolError: the rest is no valid zone file.
    """
    import tomllib

    import tomli_w

    try:
        is_json = str(name).endswith((".json", ".geojson"))
        data = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError):
        return parse_zone_file(text, name=name)
    if not isinstance(data, dict) or "calibration" not in data:
        return parse_zone_file(text, name=name)
    del data["calibration"]
    return parse_zone_file(json.dumps(data) if is_json else tomli_w.dumps(data), name=name)


def _in_toml(text: str, data: dict[str, Any]) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    table = tomlkit.table()
    for key, value in data.items():
        if key == "point":
            rows = tomlkit.aot()
            for point in value:
                row = tomlkit.table()
                for name, part in point.items():
                    row.add(name, _inline(part))
                rows.append(row)
            table.add(key, rows)
        elif key == "rectangle":
            inner = tomlkit.table()
            for name, part in value.items():
                inner.add(name, part)
            table.add(key, inner)
        else:
            table.add(key, _inline(value))
    if "calibration" in document:
        document["calibration"] = table
    else:
        if document.body and not text.endswith("\n\n"):
            document.add(tomlkit.nl())
        document.add("calibration", table)
    return tomlkit.dumps(document)


def _inline(value: Any) -> Any:
    """Tables on one line, so that a point stays a line."""
    import tomlkit

    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    for key, part in value.items():
        table.add(key, part)
    return table


def _sides(text: str, field: str, example: str) -> tuple[Pair, Pair]:
    left, sign, right = text.partition("=")
    if not sign:
        raise PatrolError("has no =", field=field, value=text, mend=f"Write {example}.")
    return _pair(left, field, example), _pair(right, field, example)


def _pair(text: str, field: str, example: str) -> Pair:
    try:
        one, two = (_number(part) for part in text.split(","))
    except ValueError as error:
        raise PatrolError("is not two numbers", field=field, value=text, mend=f"Write {example}.") from error
    return one, two


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < 1e9:
        raise ValueError(text)
    return value


def _position(degrees: Pair, field: str, value: str, file: Path | None = None) -> Position:
    try:
        return Position(longitude=degrees[0], latitude=degrees[1])
    except ValidationError as error:
        raise PatrolError(
            f"lies off the globe: {_first(error)}",
            file=file,
            field=field,
            value=value,
            mend="Write longitude first, then latitude, in degrees.",
        ) from error


def _first(error: ValidationError) -> str:
    return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
