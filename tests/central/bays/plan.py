"""A small plan of bays around the place of `tests.central.street`, and cases that want one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from protocol.messages import Position
from tests.central.street import JURISDICTION, NOON

ON_SQLITE = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
"""For tests of what is decided before any database is asked."""

PLACE = Position(longitude=116.3321, latitude=39.9145)
METRE_NORTH = 1 / 111_195
METRE_EAST = METRE_NORTH / math.cos(math.radians(PLACE.latitude))


def at(east_m: float, north_m: float) -> Position:
    """A position so many metres from the place."""
    return Position(
        longitude=PLACE.longitude + east_m * METRE_EAST, latitude=PLACE.latitude + north_m * METRE_NORTH
    )


def bay(bay_id: str, position: Position = PLACE, **changes: Any) -> Any:
    """A free bay for cars, seen at noon."""
    from central.bays.models import Bay
    from central.bays.services import layout_changed

    plain: dict[str, Any] = {
        "jurisdiction_id": JURISDICTION,
        "name": f"Bay {bay_id}",
        "longitude": position.longitude,
        "latitude": position.latitude,
        "allowed": ["car", "motorcycle"],
        "status": "free",
        "free": 1,
        "observed_at_ms": NOON,
        "imported_at_ms": NOON,
    }
    made = Bay.objects.create(bay_id=bay_id, **{**plain, **changes})
    layout_changed(made.jurisdiction_id)
    return made


def case(name: str = "c1", **changes: Any) -> Any:
    """A case without a stay."""
    from central.cases.models import Case

    plain = {"source_key": f"test/{name}", "jurisdiction_id": JURISDICTION, "opened_at_ms": NOON}
    return Case.objects.create(**{**plain, **changes})
