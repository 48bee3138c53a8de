"""Zone files: TOML or GeoJSON-like JSON in, validated `ZoneFile` out, with errors that name file, zone and vertex."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from protocol.errors import PatrolError
from zones.model import ZoneFile

_MAX_BYTES = 4 * 1024 * 1024
"""A zone file of a thousand hand-drawn polygons is well below this."""


def load_zone_file(path: str | Path) -> ZoneFile:
    """Read and validate a zone file, `.toml` or `.json`.

    Raises:
        PatrolError: the file is missing, unreadable, not TOML/JSON, or says something impossible.
    """
    return parse_zone_file(_read(Path(path)), name=path)


def parse_zone_file(text: str, *, name: str | Path = "zones.toml") -> ZoneFile:
    """Validate the text of a zone file; `name` decides the format by its ending and appears in errors.

    Raises:
        PatrolError: not TOML/JSON, or says something impossible.
    """
    data = _parse(text, name)
    try:
        return ZoneFile.model_validate(data)
    except ValidationError as error:
        raise _explain(error.errors()[0], data, name) from error


def examine_zone_file(path: str | Path) -> tuple[ZoneFile | None, tuple[PatrolError, ...]]:
    """Read a zone file and find all that is impossible in it, not only the first. Never raises PatrolError.

    Returns:
        The file and no faults, or None and at least one.
    """
    try:
        data = _parse(_read(Path(path)), path)
        return ZoneFile.model_validate(data), ()
    except PatrolError as error:
        return None, (error,)
    except ValidationError as error:
        return None, tuple(_explain(fault, data, path) for fault in _own_faults(error))


def read_zone_text(path: str | Path) -> str:
    """The text of a zone file, not yet understood.

    Raises:
        PatrolError: the file is missing, unreadable, too large or not UTF-8.
    """
    return _read(Path(path))


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PatrolError("is larger than 4 MiB; this is no zone file", file=path, mend="Check the path.")
        # Editors on Windows put a byte order mark in front.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PatrolError(
            f"is not UTF-8 text: {error.reason}", file=path, mend="Save it as UTF-8."
        ) from error
    except FileNotFoundError as error:
        raise PatrolError("the zone file does not exist", file=path, mend="Check the path.") from error
    except OSError as error:
        raise PatrolError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the path and its rights."
        ) from error


def _parse(text: str, name: str | Path) -> dict[str, Any]:
    try:
        data: Any = json.loads(text) if str(name).endswith((".json", ".geojson")) else tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError also for numbers of thousands of digits
        raise PatrolError(
            f"cannot be parsed: {error}", file=name, mend="Mend the line that it names."
        ) from error
    if str(name).endswith((".json", ".geojson")):
        _check_letters(data, name)
    if not isinstance(data, dict):
        raise PatrolError("holds no table of zones", file=name, mend="Start from `patrol zones init`.")
    return _from_features(data, name) if data.get("type") == "FeatureCollection" else data


def _check_letters(data: Any, name: str | Path) -> None:
    r"""JSON can write half a letter, `"\ud800"`, which can be neither stored nor shown."""
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise PatrolError(
            "cannot be parsed: it holds half of a surrogate pair, which is no letter",
            file=name,
            mend="Write the letter itself.",
        ) from error


def dump_zone_file(zones: ZoneFile) -> str:
    """The file's text as TOML; `parse_zone_file` gives the same object back."""
    data = zones.model_dump(mode="json", by_alias=True, exclude_none=True)
    return tomli_w.dumps(data)


def _from_features(data: dict[str, Any], name: str | Path) -> dict[str, Any]:
    """A GeoJSON-like FeatureCollection whose coordinates are pixels: properties become the zone's fields.

    One without `picture` is a map, whose coordinates are degrees; see `zones.geojson`.
    """
    if "picture" not in data:
        raise PatrolError(
            "is a map in WGS-84, not a zone file: it has no `picture`",
            file=name,
            mend="Bring its zones into a zone file: patrol zones import MAP --into FILE",
        )
    zones = []
    features = data.get("features")
    if not isinstance(features, list):
        raise PatrolError("has no list of features", file=name, field="features")
    for number, feature in enumerate(features, start=1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        if not isinstance(geometry, dict) or geometry.get("type") != "Polygon":
            raise PatrolError(
                "must be a Polygon", file=name, field=f"feature {number}", mend="Use one feature a zone."
            )
        rings = geometry.get("coordinates")
        if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
            raise PatrolError("must have exactly one ring (no holes)", file=name, field=f"feature {number}")
        ring = rings[0][:-1] if len(rings[0]) > 1 and rings[0][0] == rings[0][-1] else rings[0]
        properties = feature.get("properties")
        zones.append({**(properties if isinstance(properties, dict) else {}), "polygon": ring})
    rest = {key: value for key, value in data.items() if key not in ("type", "features")}
    return {**rest, "zone": zones}


def _own_faults(error: ValidationError) -> list[ErrorDetails]:
    """Without the lists that are called too short only because what is in them is wrong."""
    faults = error.errors()
    return [
        fault
        for fault in faults
        if fault["type"] != "too_short"
        or not any(
            other is not fault and other["loc"][: len(fault["loc"])] == fault["loc"] for other in faults
        )
    ]


def _explain(fault: ErrorDetails, data: dict[str, Any], name: str | Path) -> PatrolError:
    """A fault, told with the zone's own id and vertex numbers from 1."""
    place: list[str] = []
    parts = list(fault["loc"])
    if parts[:1] == ["zone"] and len(parts) > 1 and isinstance(parts[1], int):
        raw = data.get("zone")
        zone = raw[parts[1]] if isinstance(raw, list) and parts[1] < len(raw) else None
        label = zone.get("id") if isinstance(zone, dict) else None
        place.append(f"zone {label or parts[1] + 1}")
        parts = parts[2:]
    if parts[:1] == ["polygon"] and len(parts) > 1 and isinstance(parts[1], int):
        place.append(f"vertex {parts[1] + 1}")
        parts = [{0: "x", 1: "y"}.get(part, part) if isinstance(part, int) else part for part in parts[2:]]
    place.extend(str(part) for part in parts)
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message, mend = "this key is not known", "Check its spelling; see docs/zones.md for the keys."
    elif fault["type"] == "missing":
        mend = "Add it; see docs/zones.md."
    else:
        mend = "Mend the value; docs/zones.md says what each key takes."
    value = fault.get("input") if isinstance(fault.get("input"), str | int | float) else None
    return PatrolError(message, file=name, field=": ".join(place) or None, value=value, mend=mend)


def read_zone_data(data: bytes, name: str | Path) -> dict[str, Any]:
    """What the bytes of a zone file say, before anything is judged.

    Raises:
        PatrolError: not UTF-8, or not TOML/JSON.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PatrolError(
            f"is not UTF-8 text: {error.reason}", file=name, mend="Save it as UTF-8."
        ) from error
    return _parse(text, name)


def judge_zone_data(
    data: dict[str, Any], name: str | Path
) -> tuple[ZoneFile | None, tuple[tuple[ErrorDetails, PatrolError], ...]]:
    """Like `examine_zone_file` for what was read already; each fault also as pydantic tells it, for programs.

    Returns:
        The file and no faults, or None and at least one.
    """
    try:
        return ZoneFile.model_validate(data), ()
    except ValidationError as error:
        return None, tuple((fault, _explain(fault, data, name)) for fault in _own_faults(error))
