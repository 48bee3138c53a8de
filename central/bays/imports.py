"""Taking a file of bays in: every row is looked at and reported, and nothing is written while one is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from django.db import transaction

from central.bays import hours, ngsi, services
from central.bays.models import Bay, BayKind, BayStatus
from central.bays.observations import AHEAD_MS
from central.project.clock import now_ms
from notifier.navigation import Datum, to_wgs84
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import Position

FILE_BYTES = 128 * 2**20
ROWS = 500_000

FAR_M = 30_000.0
"""A bay farther than this from the middle of the others is probably not in this sub-district."""

_METRES_PER_DEGREE = 111_195.0

Result = Literal["added", "changed", "unchanged", "bad"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row. `number` counts from 1, as the file has them."""

    number: int
    id: str
    result: Result
    field: str = ""
    problem: str = ""
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For a machine: only what is there."""
        return {name: value for name, value in asdict(self).items() if value or name in {"number", "id"}}


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did or, dry, would do."""

    rows: tuple[Row, ...]
    closed: tuple[str, ...]
    written: bool

    def count(self, result: Result) -> int:
        """How many rows have this result."""
        return sum(row.result == result for row in self.rows)


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is taken.

    Attributes:
        jurisdiction_id: whose bays these are.
        datum: in which the file's positions are; they are stored in WGS-84.
        within: outline of the jurisdiction, (longitude, latitude) in WGS-84: bays outside are refused.
        close_missing: bays of the jurisdiction that the file does not name are closed.
        skip_bad: write the good rows although others are bad.
        dry_run: write nothing.
    """

    jurisdiction_id: str
    datum: Datum = "wgs84"
    within: tuple[tuple[float, float], ...] = ()
    close_missing: bool = False
    skip_bad: bool = False
    dry_run: bool = False


def read_features(path: Path) -> list[Any]:
    """The features of a GeoJSON file (RFC 7946), or the entities of an NGSI-LD array.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: it is no such file, or too large.
    """
    try:
        if path.stat().st_size > FILE_BYTES:
            raise PatrolError(f"is larger than {FILE_BYTES >> 20} MiB", file=path, mend="Import it in parts.")
        body = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise PatrolError("there is no such file", file=path) from error
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
    except (ValueError, RecursionError) as error:
        raise PatrolError(f"is not JSON: {error}", file=path) from error
    features = (
        body.get("features") if isinstance(body, dict) and body.get("type") == "FeatureCollection" else body
    )
    if not isinstance(features, list):
        raise PatrolError("is neither a GeoJSON FeatureCollection nor a list of NGSI-LD entities", file=path)
    if len(features) > ROWS:
        raise PatrolError(f"holds {len(features)} rows, at most {ROWS} are taken", file=path)
    return features


def read_outline(path: Path) -> tuple[tuple[float, float], ...]:
    """The outer ring of the polygon in a GeoJSON file.

    Raises:
        PatrolError: there is none in it, or more than one.
    """
    try:
        body = json.loads(path.read_bytes())
        while "geometry" in body or "features" in body:
            body = body["geometry"] if "geometry" in body else body["features"][0]
        ring = body["coordinates"][0]
        if body["type"] != "Polygon" or len(ring) < 4:
            raise ValueError
        return tuple((float(x), float(y)) for x, y, *_ in ring)
    except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise PatrolError(
            "is no GeoJSON file with one Polygon",
            file=path,
            field="--within",
            mend="Export the outline alone.",
        ) from error


def import_bays(
    features: list[Any], options: Options, *, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Judge every row; write all that are good in one transaction, or nothing.

    Args:
        features: from `read_features`.
        options: how.
        progress: told of the number of rows that were judged.
    """
    judged = list(_far_off(_read_all(features, options, progress)))
    bad = any(row.result == "bad" for row, _ in judged)
    may_write = not options.dry_run and (options.skip_bad or not bad)
    with transaction.atomic():
        known = {
            bay.bay_id: bay
            for bay in Bay.objects.select_for_update().filter(jurisdiction_id=options.jurisdiction_id)
        }
        rows: list[Row] = []
        new: list[Bay] = []
        changed: list[Bay] = []
        named: set[str] = set()
        for row, entity in judged:
            if entity is None or entity.id is None:
                rows.append(row)
                continue
            named.add(entity.id)
            before = known.get(entity.id)
            bay, differs = _apply(before, entity, options.jurisdiction_id)
            if before is None:
                new.append(bay)
            elif differs:
                changed.append(bay)
            rows.append(
                replace(row, result="added" if before is None else "changed" if differs else "unchanged")
            )
        missing = [bay for name, bay in known.items() if name not in named and bay.status != BayStatus.CLOSED]
        missing = missing if options.close_missing and not bad else []
        if may_write:
            _write(new, changed, missing, options.jurisdiction_id)
    return Report(tuple(rows), tuple(sorted(bay.bay_id for bay in missing)), may_write)


def _write(new: list[Bay], changed: list[Bay], missing: list[Bay], jurisdiction_id: str) -> None:
    Bay.objects.bulk_create(new, batch_size=500)
    fields = [
        "kind",
        "name",
        "longitude",
        "latitude",
        "outline",
        "site",
        "allowed",
        "public",
        "hours",
        "total",
        "imported_at_ms",
    ]
    Bay.objects.bulk_update(
        changed, [*fields, "status", "free", "observed_at_ms", "observed_by"], batch_size=200
    )
    for bay in missing:
        bay.status, bay.free = BayStatus.CLOSED, 0
        services.note_taken(bay)
    Bay.objects.bulk_update(missing, ["status", "free"], batch_size=200)
    if new or changed or missing:
        services.layout_changed(jurisdiction_id)


def _read_all(
    features: list[Any], options: Options, progress: Callable[[int], None]
) -> Iterator[tuple[Row, ngsi.Entity | None]]:
    outline = None
    if options.within:
        from shapely import Polygon, prepare

        outline = Polygon(options.within)
        prepare(outline)
    seen: dict[str, int] = {}
    for number, feature in enumerate(features, 1):
        if number % 500 == 0:
            progress(number)
        name = _name_of(feature)
        try:
            entity = ngsi.read_feature(feature) if _is_feature(feature) else ngsi.read_entity(feature)
            entity = _complete(entity, options)
            if outline is not None:
                from shapely import Point

                assert entity.position is not None
                if not outline.covers(Point(entity.position.longitude, entity.position.latitude)):
                    raise ngsi.BadEntityError("location", "lies outside of the jurisdiction's outline")
            if entity.id in seen:
                raise ngsi.BadEntityError("id", f"is the id of row {seen[entity.id]} too")
        except ngsi.BadEntityError as error:
            yield Row(number, name, "bad", error.attribute, error.problem), None
            continue
        assert entity.id is not None
        seen[entity.id] = number
        yield Row(number, entity.id, "unchanged", warnings=_warnings(entity)), entity
    progress(len(features))


def _complete(entity: ngsi.Entity, options: Options) -> ngsi.Entity:
    """Whether everything is there that a bay needs; its position in WGS-84."""
    if entity.id is None:
        raise ngsi.BadEntityError("id", "is missing")
    if entity.position is None:
        raise ngsi.BadEntityError("location", "is missing")
    _hours(entity)
    if entity.kind is None:
        entity = replace(entity, kind=BayKind.SPOT)
    if entity.kind == BayKind.SPOT and entity.total not in (None, 1):
        raise ngsi.BadEntityError("totalSpotNumber", "a ParkingSpot is for one vehicle")
    if entity.kind != BayKind.SPOT and entity.total is None:
        raise ngsi.BadEntityError("totalSpotNumber", "is missing: how many places has this site?")
    if options.datum != "wgs84" and entity.position is not None:
        lon, lat = to_wgs84(entity.position.longitude, entity.position.latitude, options.datum)
        outline = entity.outline and [[list(to_wgs84(x, y, options.datum)) for x, y in entity.outline[0]]]
        entity = replace(entity, position=Position(longitude=lon, latitude=lat), outline=outline)
    return entity


def _hours(entity: ngsi.Entity) -> list[hours.Rule] | None:
    try:
        return None if entity.hours is None else hours.read_hours(*entity.hours)
    except ValueError as error:
        raise ngsi.BadEntityError("openingHours", str(error)) from None


def _warnings(entity: ngsi.Entity) -> tuple[str, ...]:
    found = list(entity.warnings)
    found += [f"attribute {name[:40]!r} is not known and was left out" for name in entity.unknown]
    if entity.name is None:
        found.append("has no name; its id is shown to drivers")
    if entity.allowed == ():
        found.append("no vehicle that the patrol knows may stand there; it is never offered")
    if entity.status is not None and entity.status != BayStatus.CLOSED and entity.observed_at_ms is None:
        found.append("says how it is but not when (observedAt): that was left out")
    if entity.observed_at_ms is not None and entity.observed_at_ms > now_ms() + AHEAD_MS:
        found.append("was observed in the future: that was left out")
    return tuple(found)


def _far_off(
    judged: Iterator[tuple[Row, ngsi.Entity | None]],
) -> Iterator[tuple[Row, ngsi.Entity | None]]:
    """Rows far from the middle of all are named; those that would lie near it the other way round are refused."""
    rows = list(judged)
    places = [entity.position for _, entity in rows if entity is not None and entity.position is not None]
    if len(places) < 3:
        yield from rows
        return
    middle = (median(p.longitude for p in places), median(p.latitude for p in places))
    for row, entity in rows:
        if entity is None or entity.position is None:
            yield row, entity
            continue
        lon, lat = entity.position.longitude, entity.position.latitude
        off = _metres(middle, (lon, lat))
        if off <= FAR_M:
            yield row, entity
        elif _metres(middle, (lat, lon)) <= FAR_M:
            yield (
                replace(
                    row,
                    result="bad",
                    field="location",
                    problem="latitude and longitude look swapped: the other way round it would lie among the others",
                ),
                None,
            )
        else:
            note = f"lies {off / 1000:.0f} km from the middle of all"
            yield replace(row, warnings=(*row.warnings, note)), entity


def _metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    east = (one[0] - other[0]) * math.cos(math.radians(one[1]))
    return math.hypot(east, one[1] - other[1]) * _METRES_PER_DEGREE


def _apply(before: Bay | None, entity: ngsi.Entity, jurisdiction_id: str) -> tuple[Bay, bool]:
    """The bay as the row has it, and whether that is another one than before. What is live stays where the row is
    older."""
    assert entity.id is not None
    assert entity.position is not None
    bay = before or Bay(jurisdiction_id=jurisdiction_id, bay_id=entity.id, imported_at_ms=now_ms())
    facts = {
        "kind": entity.kind or bay.kind,
        "name": entity.name or entity.id,
        "longitude": round(entity.position.longitude, 7),
        "latitude": round(entity.position.latitude, 7),
        "outline": entity.outline,
        "site": entity.site or "",
        "allowed": list(entity.allowed) if entity.allowed is not None else ["car"],
        "public": entity.public is not False,
        "hours": _hours(entity),
        "total": entity.total or 1,
    }
    live: dict[str, Any] = {}
    at_ms = entity.observed_at_ms
    usable = at_ms is not None and at_ms <= now_ms() + AHEAD_MS
    if entity.status == BayStatus.CLOSED:
        live = {"status": BayStatus.CLOSED, "free": 0}
    elif bay.status == BayStatus.CLOSED and entity.status is None:
        live = {"status": BayStatus.UNKNOWN, "free": 0}
    if entity.status is not None and usable and (bay.observed_at_ms is None or at_ms > bay.observed_at_ms):
        free = (
            entity.free if entity.free is not None else int(entity.status == BayStatus.FREE) * facts["total"]
        )
        live = {
            "status": entity.status,
            "free": free if entity.status == BayStatus.FREE else 0,
            "observed_at_ms": at_ms,
            "observed_by": "import",
        }
    differs = before is None or any(getattr(bay, name) != value for name, value in {**facts, **live}.items())
    for name, value in {**facts, **live}.items():
        setattr(bay, name, value)
    if differs:
        bay.imported_at_ms = now_ms()
    return bay, differs


def _is_feature(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("type") == "Feature"


def _name_of(feature: Any) -> str:
    """The id of a row that may be all wrong."""
    if not isinstance(feature, dict):
        return ""
    properties = feature.get("properties")
    name = feature.get("id") or (properties.get("id") if isinstance(properties, dict) else None)
    return str(name)[:60] if isinstance(name, (str, int)) else ""
