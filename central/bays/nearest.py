"""The nearest bays, from positions in memory. Nothing here knows of databases or of what is free."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from protocol.messages import Position

EARTH_M = 6_371_008.8
"""Mean radius of the earth (IUGG), metres."""

DETOUR = 1.3
"""Walked metres per metre of straight line in a street grid. Studies of pedestrians find 1.2 to 1.4."""

BARRIER_DETOUR = 2.5
"""The same where a railway or a river lies between: there is a bridge somewhere, but not here."""

_FIRST_BATCH = 48

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class WalkingDistance(Protocol):
    """How far it is on foot. A street graph can take this place; `metres` must not be shorter than the straight line."""

    def metres(self, start: Position, longitudes: Floats, latitudes: Floats, straight: Floats) -> Floats:
        """Walked metres from `start` to each place.

        Args:
            start: WGS-84.
            longitudes: degrees, shape (n,).
            latitudes: degrees, shape (n,).
            straight: metres as the crow flies, shape (n,).

        Returns:
            Metres, shape (n,); infinite where there is no way.
        """


@dataclass(frozen=True)
class StraightLine:
    """The straight line times a factor, a larger one where a barrier is crossed.

    Attributes:
        barriers: lines of WGS-84 (longitude, latitude) points that nobody can cross on foot except far away.
        detour: see `DETOUR`.
        barrier_detour: see `BARRIER_DETOUR`.
    """

    barriers: tuple[tuple[tuple[float, float], ...], ...] = ()
    detour: float = DETOUR
    barrier_detour: float = BARRIER_DETOUR

    def metres(self, start: Position, longitudes: Floats, latitudes: Floats, straight: Floats) -> Floats:
        """See `WalkingDistance.metres`."""
        factor = np.full(straight.shape, self.detour)
        if self.barriers:
            from shapely import MultiLineString, intersects, linestrings

            ways = linestrings(
                [
                    [(start.longitude, start.latitude), (lon, lat)]
                    for lon, lat in zip(longitudes.tolist(), latitudes.tolist(), strict=True)
                ]
            )
            factor[intersects(MultiLineString(self.barriers), ways)] = self.barrier_detour
        return straight * factor


@dataclass(frozen=True, slots=True)
class Near:
    """A place of the index and how far it is on foot."""

    row: int
    metres: float


class BayIndex:
    """Positions and classes of bays, for many look-ups. Immutable; make another where bays change.

    Distances come from a flat map around the place that is asked for (error below 0.1% within 20 km), so that one
    multiplication over the bays of its strip of latitudes finds the candidates; those are then measured by `haversine`.

    Args:
        longitudes: degrees, one per bay.
        latitudes: degrees, one per bay.
        classes: for each bay, the vehicle classes that may stand there.
        walking: how far it is on foot.
    """

    def __init__(
        self,
        longitudes: Sequence[float],
        latitudes: Sequence[float],
        classes: Sequence[Sequence[str]],
        walking: WalkingDistance | None = None,
    ) -> None:
        # From south to north, so that a search looks at the strip of bays that its reach covers and at no others.
        self._rows = np.argsort(np.asarray(latitudes, float), kind="stable")
        self._lon = np.asarray(longitudes, float)[self._rows]
        self._lat = np.asarray(latitudes, float)[self._rows]
        names = sorted({name for each in classes for name in each})
        self._bit = {name: 1 << number for number, name in enumerate(names)}
        masks = np.array([sum(self._bit[name] for name in set(each)) for each in classes], np.uint64)
        self._mask = masks[self._rows]
        self._walking = walking or StraightLine()

    def __len__(self) -> int:
        return len(self._lon)

    def walk(self, place: Position, vehicle_class: str, within_m: float) -> Iterator[Near]:
        """Bays for this class in the order of their walking distance, nearest first.

        Args:
            place: where the vehicle stands.
            vehicle_class: detector class.
            within_m: walked metres beyond which nothing is of use.
        """
        bit = self._bit.get(vehicle_class)
        if bit is None:
            return
        # The straight line is never longer than the way, so nothing beyond it can come in.
        reach = math.degrees(within_m / EARTH_M) * 1.01
        first = int(self._lat.searchsorted(place.latitude - reach, "left"))
        last = int(self._lat.searchsorted(place.latitude + reach, "right"))
        east = (self._lon[first:last] - place.longitude + 180.0) % 360.0 - 180.0
        east *= math.cos(math.radians(place.latitude))
        north = self._lat[first:last] - place.latitude
        squared = east * east + north * north
        near = np.flatnonzero((squared <= reach * reach) & ((self._mask[first:last] & np.uint64(bit)) != 0))
        held: list[tuple[float, int]] = []
        for batch, rest_from in _by_distance(near + first, squared[near], _FIRST_BATCH):
            straight = haversine(place, self._lon[batch], self._lat[batch])
            metres = self._walking.metres(place, self._lon[batch], self._lat[batch], straight)
            for pair in zip(metres.tolist(), self._rows[batch].tolist(), strict=True):
                heappush(held, pair)
            # Whatever comes later is at least as far as its straight line: what is nearer is settled.
            settled = math.radians(rest_from) * EARTH_M * 0.99
            while held and held[0][0] <= settled:
                metre, row = heappop(held)
                if metre > within_m:
                    return
                yield Near(row, metre)


def _by_distance(rows: Rows, squared: Floats, size: int) -> Iterator[tuple[Rows, float]]:
    """The rows in growing batches, each nearer than the next, sorted in itself; with the distance (degrees) at which the
    rest begins. A search that ends early never sorts them all."""
    while len(rows) > size:
        split = np.argpartition(squared, size)
        first, rest = split[:size], split[size:]
        order = first[np.argsort(squared[first], kind="stable")]
        yield rows[order], float(np.sqrt(squared[split[size]]))
        rows, squared, size = rows[rest], squared[rest], size * 2
    yield rows[np.argsort(squared, kind="stable")], np.inf


def haversine(start: Position, longitudes: Floats, latitudes: Floats) -> Floats:
    """Metres over a sphere from `start` to each place, shape as the degrees given."""
    lon, lat = np.radians(longitudes), np.radians(latitudes)
    lon0, lat0 = np.radians(start.longitude), np.radians(start.latitude)
    half = np.sin((lat - lat0) / 2) ** 2 + np.cos(lat0) * np.cos(lat) * np.sin((lon - lon0) / 2) ** 2
    metres: Floats = 2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return metres
