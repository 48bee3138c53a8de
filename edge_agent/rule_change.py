"""From one set of rules to the next while vehicles stand there. Pure.

A case in flight keeps the rules under which it was opened: its stay is marked with the zone file of that time, and is
judged by that file as long as the vehicle stands there. Every other vehicle is judged by the new rules, and only what was the same before counts:
a vehicle that stands in a zone that did not change keeps the time it has stood there; any other begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from edge_agent.cases import ENDED, Case
from edge_agent.stays import CameraState, Stay
from zones import Box, Presence, Zone, ZoneFile, ZoneIndex

_SEPARATOR = "~"
"""Between a zone's id and the tag of the file that it stands in. No id holds it."""

_WORDS = frozenset(
    {
        "name", "place", "position", "grace_s", "recheck_window_s", "renotice_after_s", "unnotifiable", "unverified",
    }
)  # fmt: skip
"""Keys of a zone that do not say whether, or after what time, standing there is a violation."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a camera's memory when its rules changed.

    Attributes:
        state: the memory, ready for the new rules.
        keeping: open cases that keep the rules under which they were opened.
        anew: vehicles in no case that stood in a zone before and are judged anew, as they were.
    """

    state: CameraState
    keeping: int
    anew: tuple[Stay, ...]


def change_rules(
    state: CameraState,
    old: ZoneFile,
    new: ZoneFile,
    tag: str,
    case_of: Callable[[Stay], Case | None],
) -> Change:
    """Carry a camera's memory over to other rules.

    Args:
        state: as judged by `old`.
        old: the rules so far.
        new: the rules from now on.
        tag: names `old`; `RulesIndex` is given the file under this name as long as a stay is marked with it.
        case_of: the case of a stay, open or ended.
    """
    if old == new:
        return Change(state, 0, ())
    before = {zone.id: zone for zone in old.zone}
    after = {zone.id: zone for zone in new.zone}
    same_view = all(
        getattr(old, key) == getattr(new, key) for key in ("picture", "calibration", "time_zone", "calendar")
    )
    stays: list[Stay] = []
    anew: list[Stay] = []
    keeping = 0
    for stay in state.stays:
        case = case_of(stay)
        if case is not None:
            # Ended cases as well: that the rules changed is no reason for a second case of the same stay.
            keeping += case.state not in ENDED
            if stay.zone_id is not None and tag_of(stay) is None:
                stay = replace(stay, zone_id=f"{stay.zone_id}{_SEPARATOR}{tag}")
        elif not stay.settled:
            continue  # it has not come to rest yet; if it does, it begins under the new rules
        elif not (same_view and _same_rule(before.get(stay.zone_id or ""), after.get(stay.zone_id or ""))):
            if stay.zone_id is not None:
                anew.append(replace(stay, zone_id=plain_zone_id(stay)))
            stay = replace(
                stay, zone_id=None, former_zone_id=None, ratio=0.0, why="", counts=False, counted_ms=0
            )
        stays.append(stay)
    return Change(replace(state, stays=tuple(stays)), keeping, tuple(anew))


def tag_of(stay: Stay) -> str | None:
    """The file that a stay is judged by, if it is not the one in force."""
    _, found, tag = (stay.zone_id or "").partition(_SEPARATOR)
    return tag if found else None


def plain_zone_id(stay: Stay) -> str | None:
    """The zone in which a stay is, as its file calls it."""
    return None if stay.zone_id is None else stay.zone_id.partition(_SEPARATOR)[0]


def tags_of(state: CameraState) -> frozenset[str]:
    """All files besides the one in force that a camera still needs."""
    return frozenset(tag for stay in state.stays if (tag := tag_of(stay)) is not None)


def forget_tags(state: CameraState, lost: Collection[str]) -> CameraState:
    """For stays whose file was lost: they are judged by the rules in force."""
    stays = tuple(
        replace(stay, zone_id=plain_zone_id(stay)) if tag_of(stay) in lost else stay for stay in state.stays
    )
    return replace(state, stays=stays)


class RulesIndex(ZoneIndex):
    """The zones in force, and beside them earlier files for the stays whose cases were opened under those.

    Args:
        zones: the file in force.
        width, height: size of the pictures, pixels.
        kept: tag -> earlier file.

    Raises:
        PatrolError: the pictures have another shape than the one in which the zones in force were drawn.
    """

    def __init__(self, zones: ZoneFile, width: int, height: int, kept: Mapping[str, ZoneFile]) -> None:
        super().__init__(zones, width, height)
        self._kept = {tag: ZoneIndex(file, width, height) for tag, file in kept.items()}

    def presence(
        self,
        box: Box,
        vehicle_class: str,
        held: str | None = None,
        *,
        active: Collection[str] | None = None,
    ) -> Presence:
        """As `ZoneIndex.presence`. `held` with a tag is judged by the file of that tag, as long as the vehicle stands in
        that zone; what comes after is judged by the zones in force."""
        zone_id, tagged, tag = (held or "").partition(_SEPARATOR)
        if not tagged:
            return super().presence(box, vehicle_class, held, active=active)
        earlier = self._kept.get(tag)
        if earlier is not None and (active is None or held in active):
            where = earlier.presence(box, vehicle_class, zone_id)
            if where.inside and where.zone_id == zone_id:
                return replace(where, zone_id=held)
        return super().presence(box, vehicle_class, None, active=active)


def _same_rule(old: Zone | None, new: Zone | None) -> bool:
    if old is None or new is None:
        return False
    return old.model_dump(exclude=set(_WORDS)) == new.model_dump(exclude=set(_WORDS))
