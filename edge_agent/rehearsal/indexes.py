"""Zones scaled to the pictures of past rests, with answers remembered.

A vehicle at rest asks the same again and again, and footprints of many vehicles are measured together much faster than
one by one. So the first question of a kind (which zone holds it, which zones count) is answered for all places of the
day at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import copy

from edge_agent.rehearsal.past import PastRest
from zones import Box, Presence, ZoneFile, ZoneIndex

_BATCH = 2_000
"""Places measured at once: enough to be fast, few enough to be small."""

_Place = tuple[Box, str]


class Indexes:
    """A zone file for the pictures of some rests.

    Args:
        file: the zones.
        rests: whose places will be asked about.
    """

    def __init__(self, file: ZoneFile, rests: Iterable[PastRest]) -> None:
        self.file = file
        self._places: dict[tuple[int, int], dict[_Place, None]] = {}
        for past in rests:
            places = self._places.setdefault((past.width, past.height), {})
            for pose in past.rest.poses:
                places[pose.box, pose.label] = None
        self._known: dict[tuple[int, int], ZoneIndex] = {}

    def of(self, width: int, height: int) -> ZoneIndex:
        """The zones in pictures of this size.

        Raises:
            PatrolError: they were drawn on pictures of another shape.
        """
        size = (width, height)
        if size not in self._known:
            index = ZoneIndex(self.file, width, height)
            self._known[size] = _remembering(index, list(self._places.get(size, ())))
        return self._known[size]


def _remembering(index: ZoneIndex, places: list[_Place]) -> ZoneIndex:
    known: dict[tuple[_Place, str | None, frozenset[str] | None], Presence] = {}
    ask_all = index.presences

    def presence(
        box: Box, vehicle_class: str, held: str | None = None, *, active: Collection[str] | None = None
    ) -> Presence:
        counting = None if active is None else frozenset(active)
        place = (box, vehicle_class)
        if (place, held, counting) not in known:
            wanted = places if place in everywhere else [place]
            for start in range(0, len(wanted), _BATCH):
                part = wanted[start : start + _BATCH]
                answers = ask_all(
                    [each[0] for each in part], [each[1] for each in part], [held] * len(part), active=active
                )
                known.update(
                    ((each, held, counting), answer) for each, answer in zip(part, answers, strict=True)
                )
        return known[place, held, counting]

    everywhere = set(places)
    clone = copy(index)
    clone.presence = presence  # type: ignore[method-assign]
    return clone
