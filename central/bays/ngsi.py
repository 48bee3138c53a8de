"""NGSI-LD parking entities (smart-data-models, dataModel.Parking) in and out of our words. Pure.

Read are the *normalized* and the *concise* form, key-values, and GeoJSON features of entities (ETSI GS CIM 009,
clauses 4.5.4 and 4.5.16). What is not understood is named, never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from central.bays import hours
from central.bays.models import Bay, BayKind, BayStatus
from protocol.clock import Millis, from_iso, iso
from protocol.messages import Position

CLASSES: dict[str, tuple[str, ...]] = {
    "anyVehicle": ("car", "bus", "truck", "motorcycle"),
    "car": ("car",),
    "carOrLightVehicle": ("car",),
    "van": ("car",),
    "bus": ("bus",),
    "minibus": ("bus",),
    "lorry": ("truck",),
    "truck": ("truck",),
    "motorcycle": ("motorcycle",),
    "moped": ("motorcycle",),
    "motorscooter": ("motorcycle",),
    "twoWheelVehicle": ("motorcycle", "bicycle"),
    "bicycle": ("bicycle",),
}
"""VehicleTypeEnum -> detector classes. Others stand for vehicles that the patrol does not know."""

VEHICLE_TYPES = {
    "car": "car",
    "bus": "bus",
    "truck": "lorry",
    "motorcycle": "motorcycle",
    "bicycle": "bicycle",
}

RESTRICTED = frozenset(
    {
        "forDisabled", "forResidents", "onlyResidents", "onlyWithPermit", "private", "forCustomers", "forEmployees",
        "forMembers", "forStudents", "taxiStop", "forLoadUnload", "forDelivery",
    }
)  # fmt: skip
"""Categories of places where a driver who was warned may not simply park."""

SPOT_STATES = {
    "free": BayStatus.FREE,
    "occupied": BayStatus.OCCUPIED,
    "closed": BayStatus.CLOSED,
    "unknown": BayStatus.UNKNOWN,
}
SITE_STATES = {
    "open": None, "closed": BayStatus.CLOSED, "closedAbnormal": BayStatus.CLOSED, "openingTimes": None,
    "full": BayStatus.OCCUPIED, "almostFull": None, "spacesAvailable": None, "almostEmpty": None, "unknown": BayStatus.UNKNOWN,
}  # fmt: skip
"""The state of a site; where it is None, availableSpotNumber says whether anything is free."""

IGNORED = frozenset(
    {
        "@context", "address", "alternateName", "areaServed", "color", "dataProvider", "dateCreated", "dateModified",
        "description", "extCategory", "image", "length", "owner", "ownedBy", "provider", "contactPoint", "refDevice",
        "refParkingGroup", "seeAlso", "source", "width", "layout", "priceRatePerMinute",
        "acceptedPaymentMethod", "chargeType", "requiredPermit", "maximumParkingDuration", "firstAvailableFloor",
        "measuresPeriod", "parkingMode", "usageScenario", "security", "facilities", "highestFloor", "lowestFloor",
        "occupancy", "specialLocation", "maximumAllowedHeight", "maximumAllowedWidth", "permitActiveHours",
        "averageSpotWidth", "averageSpotLength", "extraSpotNumber", "refParkingAccess", "aggregateRating",
        "unassignedSpotNumber", "outOfServiceSlotNumber", "fourWheelerSlots", "twoWheelerSlots", "scope",
    }
)  # fmt: skip
"""Standard attributes that say nothing that is needed here."""

KNOWN = frozenset(
    {
        "id", "type", "name", "location", "status", "availableSpotNumber", "totalSpotNumber", "allowedVehicleType",
        "category", "refParkingSite", "openingHours", "openingHoursSpecification", "observedAt", "dateObserved", "occupancyModified", "observationDateTime",
    }
)  # fmt: skip

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-/]{0,199}\Z")
_NUMBER_MAX = 100_000


class BadEntityError(ValueError):
    """What is wrong with an entity; `attribute` names where."""

    def __init__(self, attribute: str, problem: str) -> None:
        super().__init__(problem)
        self.attribute = attribute
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Entity:
    """What an entity says; None where it says nothing."""

    id: str | None = None
    kind: str | None = None
    name: str | None = None
    position: Position | None = None
    outline: list[Any] | None = None
    site: str | None = None
    allowed: tuple[str, ...] | None = None
    public: bool | None = None
    total: int | None = None
    status: str | None = None
    free: int | None = None
    observed_at_ms: Millis | None = None
    hours: tuple[Any, Any] | None = None
    """`openingHours` and `openingHoursSpecification` as they were said; `central.bays.hours` reads them."""
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def read_feature(feature: Any) -> Entity:
    """An entity from a GeoJSON feature.

    Raises:
        BadEntityError: it makes no sense, with the attribute at fault.
    """
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        raise BadEntityError("type", "this is not a GeoJSON Feature")
    properties = feature.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise BadEntityError("properties", "must be an object")
    body = dict(properties)
    if "id" in feature:
        body["id"] = feature["id"]
    if feature.get("geometry") is not None:
        body["location"] = feature["geometry"]
    return read_entity(body)


def read_entity(body: Any) -> Entity:
    """An entity from JSON.

    Raises:
        BadEntityError: it makes no sense, with the attribute at fault.
    """
    if not isinstance(body, Mapping):
        raise BadEntityError("entity", "must be an object")
    warnings: list[str] = []
    kind = _kind(body.get("type"))
    position, outline = _location(_value(body, "location"))
    allowed = _allowed(_value(body, "allowedVehicleType"), warnings)
    total = _count(body, "totalSpotNumber", least=1)
    free = _count(body, "availableSpotNumber", least=0)
    status = _status(_value(body, "status"), kind, free)
    if total is not None and free is not None and free > total:
        raise BadEntityError("availableSpotNumber", f"{free} places are free of {total}")
    return Entity(
        id=_id(body.get("id"), "id"),
        kind=kind,
        name=_name(_value(body, "name")),
        position=position,
        outline=outline,
        site=_id(_value(body, "refParkingSite"), "refParkingSite"),
        allowed=allowed,
        public=_public(_value(body, "category")),
        total=total,
        status=status,
        free=free,
        observed_at_ms=_observed(body),
        hours=_hours(body),
        unknown=tuple(sorted(set(body) - KNOWN - IGNORED)),
        warnings=tuple(warnings),
    )


def write_entity(bay: Bay, status: BayStatus) -> dict[str, Any]:
    """A bay as an NGSI-LD entity, concise form. `status` is what is known now."""
    observed = {} if bay.observed_at_ms is None else {"observedAt": iso(bay.observed_at_ms)}
    entity: dict[str, Any] = {
        "id": bay.bay_id,
        "type": bay.kind,
        "name": bay.name,
        "location": {"type": "Point", "coordinates": [bay.longitude, bay.latitude]},
        "allowedVehicleType": [VEHICLE_TYPES[name] for name in bay.allowed if name in VEHICLE_TYPES],
    }
    if bay.kind == BayKind.SPOT:
        entity["status"] = {"value": str(status), **observed}
    else:
        known = status in (BayStatus.FREE, BayStatus.OCCUPIED)
        entity["status"] = {
            "value": "closed" if status == BayStatus.CLOSED else "open" if known else "unknown"
        }
        entity["totalSpotNumber"] = bay.total
        if known:
            entity["availableSpotNumber"] = {"value": bay.free, **observed}
    if bay.hours:
        entity["openingHoursSpecification"] = {"value": hours.write_hours(bay.hours)}
    if bay.site:
        entity["refParkingSite"] = {"object": bay.site}
    return entity


def _value(body: Mapping[str, Any], name: str) -> Any:
    """The value of an attribute in any of the forms, None where it is absent or null."""
    found = body.get(name)
    if isinstance(found, Mapping):
        for key in ("value", "object", "languageMap"):
            if key in found:
                return found[key]
        if name != "location" and found.get("type") in {"Property", "Relationship"}:
            raise BadEntityError(name, "has no value")
    return found


def _id(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _ID.match(value):
        raise BadEntityError(name, "must be a name of letters, digits and . _ - : /, at most 200 of them")
    return value


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value not in BayKind.values:
        raise BadEntityError("type", f"must be one of {', '.join(BayKind.values)}")
    return str(value)


def _name(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("zh") or value.get("zh-Hans") or next(iter(value.values()), None)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        raise BadEntityError("name", "must be a text")
    if len(value) > 120:
        raise BadEntityError("name", "is longer than 120 characters")
    return " ".join(value.split())


def _location(value: Any) -> tuple[Position | None, list[Any] | None]:
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        raise BadEntityError("location", "must be a GeoJSON geometry")
    coordinates = value.get("coordinates")
    if value.get("type") == "Point":
        return Position(**dict(zip(("longitude", "latitude"), _point(coordinates), strict=True))), None
    if value.get("type") == "Polygon":
        return _polygon(coordinates)
    raise BadEntityError("location", "must be a Point or a Polygon")


def _point(value: Any) -> tuple[float, float]:
    if (
        not isinstance(value, (list, tuple))
        or len(value) not in (2, 3)
        or not all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in value)
        or not all(math.isfinite(part) for part in value)
    ):
        raise BadEntityError("location", "a position is [longitude, latitude] in degrees")
    lon, lat = float(value[0]), float(value[1])
    if abs(lat) > 90 and abs(lon) <= 90 and abs(lat) <= 180:
        raise BadEntityError(
            "location",
            f"latitude {lat:g} does not exist; latitude and longitude look swapped (GeoJSON has longitude first)",
        )
    if abs(lat) > 90 or abs(lon) > 180:
        raise BadEntityError("location", f"({lon:g}, {lat:g}) is no place on earth")
    if lon == 0 and lat == 0:
        raise BadEntityError("location", "(0, 0) lies in the Gulf of Guinea; the position was not filled in")
    return lon, lat


def _polygon(value: Any) -> tuple[Position, list[Any]]:
    from shapely.geometry import Polygon

    if not isinstance(value, (list, tuple)) or not value or not isinstance(value[0], (list, tuple)):
        raise BadEntityError("location", "a Polygon is a list of rings")
    ring = [_point(each) for each in value[0]]
    if len(ring) < 4 or ring[0] != ring[-1] or len(ring) > 500:
        raise BadEntityError("location", "a ring has 4 to 500 positions and ends where it begins")
    shape = Polygon(ring)
    if not shape.is_valid or shape.area == 0:
        raise BadEntityError("location", "the polygon crosses itself or has no area")
    middle = shape.representative_point()
    return Position(longitude=middle.x, latitude=middle.y), [[list(each) for each in ring]]


def _allowed(value: Any, warnings: list[str]) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadEntityError("allowedVehicleType", "must be a name or a list of names")
    found: dict[str, None] = {}
    for name in names:
        if name not in CLASSES:
            warnings.append(f"allowedVehicleType {name[:40]!r} is a vehicle that the patrol does not know")
        for each in CLASSES.get(name, ()):
            found[each] = None
    return tuple(found)


def _hours(body: Mapping[str, Any]) -> tuple[Any, Any] | None:
    said = (_value(body, "openingHours"), _value(body, "openingHoursSpecification"))
    return None if said == (None, None) else said


def _public(value: Any) -> bool | None:
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadEntityError("category", "must be a name or a list of names")
    return not RESTRICTED & set(names)


def _count(body: Mapping[str, Any], name: str, *, least: int) -> int | None:
    value = _value(body, name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _NUMBER_MAX:
        raise BadEntityError(name, f"must be a whole number from {least} to {_NUMBER_MAX}")
    return value


def _status(value: Any, kind: str | None, free: int | None) -> str | None:
    """Our status, or None where nothing is said of it. A number of free places says more than a word."""
    names = [value] if isinstance(value, str) else value
    if names is not None and (not isinstance(names, list) or not all(isinstance(n, str) for n in names)):
        raise BadEntityError("status", "must be a name")
    known = (
        {**SITE_STATES, **SPOT_STATES}
        if kind is None
        else SPOT_STATES
        if kind == BayKind.SPOT
        else SITE_STATES
    )
    told: list[BayStatus | None] = []
    for name in names or []:
        if name not in known:
            raise BadEntityError("status", f"{name[:40]!r} is none of {', '.join(known)}")
        told.append(known[name])
    for hard in (BayStatus.CLOSED, BayStatus.UNKNOWN):
        if hard in told:
            return hard
    if free is not None:
        return BayStatus.FREE if free > 0 else BayStatus.OCCUPIED
    return next((str(each) for each in told if each is not None), None)


def _observed(body: Mapping[str, Any]) -> Millis | None:
    """When it was observed: of the attributes' own times the newest, else the entity's."""
    times: list[Millis] = []
    for name in ("status", "availableSpotNumber"):
        part = body.get(name)
        if isinstance(part, Mapping) and part.get("observedAt") is not None:
            times.append(_instant(part["observedAt"], f"{name}.observedAt"))
    if times:
        return max(times)
    for name in ("observedAt", "dateObserved", "observationDateTime", "occupancyModified"):
        value = _value(body, name)
        if isinstance(value, Mapping):
            value = value.get("@value")
        if value is not None:
            return _instant(value, name)
    return None


def _instant(value: Any, name: str) -> Millis:
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        at = from_iso(value)
    except (ValueError, OverflowError):
        raise BadEntityError(name, "must be an instant with its offset, e.g. 2026-01-01T08:00:00Z") from None
    if not 0 <= at < 2**53:
        raise BadEntityError(name, "lies outside of time")
    return at
