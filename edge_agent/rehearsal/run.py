"""A rehearsal from beginning to end: past days or recordings, the zones as they are, the zones as they would be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from shapely import box as rectangle
from shapely.ops import unary_union

from edge_agent.rehearsal.day import decide
from edge_agent.rehearsal.flips import Flip, HistoryDiffers, compare_history, find_flips
from edge_agent.rehearsal.indexes import Indexes
from edge_agent.rehearsal.known import usual_delay
from edge_agent.rehearsal.past import Past, PastRest
from edge_agent.rests import zones_version
from protocol.clock import Millis
from protocol.errors import PatrolError
from zones import ZoneFile
from zones.diff import Difference, compare
from zones.model import FORBIDDING

_UNSEEN = 0.01
"""A zone that lies outside of what was looked at by less than this share was seen."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A zone of the new file that lies, in part, where nobody looked.

    Attributes:
        zone: its id.
        share: of its area, 0 to 1.
    """

    zone: str
    share: float


@dataclass(frozen=True)
class Rehearsal:
    """What other zones would have decided.

    Attributes:
        sources: what it was rehearsed on, in words.
        how: `past`: decided again from memory; `recording`: replayed through the whole agent.
        camera: whose zones.
        old, new: the zones as they are and as they would be.
        old_from: where the old ones come from, in words.
        difference: what the new ones change.
        first_ms, last_ms: the time that it covers.
        stays, places: how many vehicles at rest were judged: near zones, and elsewhere in view.
        flips: decisions that would be others.
        history_differs: where deciding again by the old rules does not give what was decided.
        not_seen: zones that lie where nobody looked.
        usual_delay_s: how long a warning is assumed to take where nothing is known.
        pictures: rest id -> JPEG.
    """

    sources: tuple[str, ...]
    how: str
    camera: str
    old: ZoneFile
    new: ZoneFile
    old_from: str
    difference: Difference
    first_ms: Millis
    last_ms: Millis
    stays: int
    places: int
    flips: tuple[Flip, ...]
    history_differs: tuple[HistoryDiffers, ...]
    not_seen: tuple[NotSeen, ...]
    usual_delay_s: float
    pictures: dict[str, bytes] = field(default_factory=dict)


def rehearse_past(
    past: Past,
    new: ZoneFile,
    *,
    old: ZoneFile | None = None,
    old_from: str = "",
    camera: str | None = None,
    progress: Progress = lambda *_: None,
) -> Rehearsal:
    """Decide past days again by both files.

    Args:
        past: what is remembered.
        new: the zones as they would be.
        old: the zones as they are; by default those that were in force last.
        old_from: where `old` comes from, in words.
        camera: whose rests; by default the new file's camera, or the only one.
        progress: told how far it is.

    Raises:
        PatrolError: it is not clear which camera is meant, its old zones are not known, or the new ones were drawn
            on pictures of another shape.
    """
    camera_id = _camera(past, new, camera)
    if old is None:
        old = past.last_zones(camera_id)
        old_from = "in force last"
    if old is None:
        raise PatrolError(
            f"does not say by which zones camera {camera_id} decided",
            file=past.path,
            mend="Give them with --old.",
        )
    rests = [each for each in past.rests if each.rest.camera_id == camera_id]
    before, after = Indexes(old, rests), Indexes(new, rests)
    sized = after.of(rests[-1].width, rests[-1].height)
    versions = sorted({each.zones for each in rests} & set(past.zones))
    rounds = 2 + sum(1 for version in versions if version != zones_version(old))
    total, done = rounds * len(rests), 0

    def told(what: str) -> Callable[[int], None]:
        return lambda count: progress(what, done + count, total)

    was = decide(past, rests, before, progress=told("deciding by the old zones"))
    done += len(rests)
    would = decide(past, rests, after, progress=told("deciding by the new zones"))
    by_version = {zones_version(old): was}
    for version in versions:
        if version not in by_version:
            done += len(rests)
            mine = [each for each in rests if each.zones == version]
            by_version[version] = decide(
                past, mine, Indexes(past.zones[version], mine), progress=told("checking history")
            )
    flips = find_flips(rests, was, would, sized, new.place)
    return Rehearsal(
        sources=(str(past.path),),
        how="past",
        camera=camera_id,
        old=old,
        new=new,
        old_from=old_from,
        difference=compare(old, new),
        first_ms=min(each.rest.first_ms for each in rests),
        last_ms=max(each.until_ms for each in rests),
        stays=sum(each.rest.by == "stay" for each in rests),
        places=sum(each.rest.by == "place" for each in rests),
        flips=flips,
        history_differs=compare_history(rests, by_version),
        not_seen=unseen(rests, after),
        usual_delay_s=usual_delay(d for each in past.rests for d in each.decided) / 1000,
        pictures=past.pictures([flip.rest_id for flip in flips]),
    )


def unseen(rests: Sequence[PastRest], indexes: Indexes) -> tuple[NotSeen, ...]:
    """Zones that forbid, and how much of them lies where nobody looked while these rests were seen."""
    found: dict[str, float] = {}
    sizes = sorted({(each.width, each.height) for each in rests})
    for width, height in sizes:
        regions = {each.looked for each in rests if (each.width, each.height) == (width, height)}
        looked = unary_union([rectangle(*region) for region in sorted(regions)])
        index = indexes.of(width, height)
        for zone in index.zones.values():
            if zone.kind in FORBIDDING:
                shape = index.shape(zone.id)
                share = shape.difference(looked).area / shape.area
                found[zone.id] = max(found.get(zone.id, 0.0), share)
    return tuple(NotSeen(zone, round(share, 3)) for zone, share in found.items() if share > _UNSEEN)


def join(parts: Sequence[Rehearsal]) -> Rehearsal:
    """Several rehearsals of the same zones as one.

    Raises:
        PatrolError: they were rehearsed against different old zones.
    """
    first = parts[0]
    for other in parts[1:]:
        if not compare(first.old, other.old).same:
            raise PatrolError(
                f"{other.sources[0]} was decided by other zones than {first.sources[0]}",
                field="--on",
                mend="Say with --old which zones to compare with.",
            )
    flips = sorted(
        (flip for part in parts for flip in part.flips), key=lambda flip: (flip.at_ms, flip.rest_id)
    )
    pictures: dict[str, bytes] = {}
    for part in parts:
        pictures |= part.pictures
    worst: dict[str, float] = {}
    for part in parts:
        for one in part.not_seen:
            worst[one.zone] = max(worst.get(one.zone, 0.0), one.share)
    return replace(
        first,
        sources=tuple(source for part in parts for source in part.sources),
        how=first.how if all(part.how == first.how for part in parts) else "mixed",
        first_ms=min(part.first_ms for part in parts),
        last_ms=max(part.last_ms for part in parts),
        stays=sum(part.stays for part in parts),
        places=sum(part.places for part in parts),
        flips=tuple(flips),
        history_differs=tuple(one for part in parts for one in part.history_differs),
        not_seen=tuple(NotSeen(zone, share) for zone, share in worst.items()),
        pictures=pictures,
    )


def _camera(past: Past, new: ZoneFile, camera: str | None) -> str:
    known = past.cameras()
    wanted = camera or new.camera
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None:
        raise PatrolError(
            f"remembers several cameras: {', '.join(known)}", file=past.path, mend="Say which with --camera."
        )
    if wanted not in known:
        raise PatrolError(
            f"remembers nothing of this camera; it knows {', '.join(known)}",
            file=past.path,
            field="--camera" if camera else "camera",
            value=wanted,
            mend="Say which camera is meant with --camera.",
        )
    return wanted
