"""A small tree of grids around one place."""

from __future__ import annotations

from shapely.geometry import MultiPolygon, box

from central.grids import services
from central.grids.reading import Entry, GridRow


def store_square(jurisdiction, longitude, latitude, half=0.01):
    """top -> middle -> lower -> leaf, the leaf a square around the place; beside it another leaf."""
    here = MultiPolygon([box(longitude - half, latitude - half, longitude + half, latitude + half)])
    beside = MultiPolygon([box(longitude + half, latitude - half, longitude + 3 * half, latitude + half)])
    rows = [
        ("top", 1, None, None),
        ("middle", 2, "top", None),
        ("lower", 3, "middle", None),
        ("leaf", 4, "lower", here),
        ("other", 4, "lower", beside),
    ]
    services.store(
        jurisdiction,
        [
            Entry(number, GridRow(code=code, name=code, level=level, parent=parent), ground)
            for number, (code, level, parent, ground) in enumerate(rows, 1)
        ],
    )
