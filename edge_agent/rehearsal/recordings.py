"""A recording through the whole agent twice, by the zones as they are and as they would be, and what differs.

Unlike a past day, a recording is looked at where the new zones are: detector, closer looks and plates are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.rehearsal.day import Verdict
from edge_agent.rehearsal.flips import find_flips
from edge_agent.rehearsal.indexes import Indexes
from edge_agent.rehearsal.past import Past, PastRest, read_past
from edge_agent.rehearsal.reasons import reason_of
from edge_agent.rehearsal.run import Progress, Rehearsal
from protocol.clock import Millis
from protocol.errors import PatrolError
from zones import ZoneFile
from zones.diff import compare
from zones.geometry import iou

if TYPE_CHECKING:
    from edge_agent.build import Perceiver
    from edge_agent.ingest import Recording

_SAME_PLACE = 0.5
"""Two rests whose boxes overlap by this, at times that overlap, are one vehicle."""


def rehearse_recording(
    open_it: Callable[[], Recording],
    name: str,
    old: ZoneFile,
    new: ZoneFile,
    perceiver: Callable[[], Perceiver],
    folder: Path,
    *,
    old_from: str,
    camera: str | None = None,
    period_s: float = 2.0,
    progress: Progress = lambda *_: None,
) -> Rehearsal:
    """Replay a recording by both zone files.

    Args:
        open_it: opens the recording at its beginning.
        name: of the recording, in words.
        old, new: the zones as they are and as they would be.
        perceiver: loads the models, once for each replay: readings of plates are remembered in them.
        folder: for both replays' data; empty.
        old_from: where `old` comes from, in words.
        camera: name of the camera; by default the zone files', else cam1.
        period_s: how far apart looks are, seconds.
        progress: told how far it is.

    Raises:
        PatrolError: the recording cannot be read, shows nothing that rests, or has another shape than the zones.
    """
    camera_id = camera or new.camera or old.camera or "cam1"
    sides = []
    for number, (what, zones) in enumerate((("old", old), ("new", new))):
        data = folder / what
        _replay(
            open_it(),
            zones,
            perceiver(),
            camera_id,
            period_s,
            data,
            f"{name}: {what} zones",
            number,
            progress,
        )
        sides.append(_rests(data))
    pairs = _pair(sides[0].rests if sides[0] else (), sides[1].rests if sides[1] else ())
    if not pairs:
        raise PatrolError(
            "shows no vehicle that comes to rest", file=name, mend="Give a longer recording, or another."
        )
    rests = [two or one for one, two in pairs]
    chosen = [past for past in rests if past is not None]
    before, after = Indexes(old, chosen), Indexes(new, chosen)
    was: dict[str, Verdict] = {}
    would: dict[str, Verdict] = {}
    for (one, two), past in zip(pairs, chosen, strict=True):
        was[past.rest.id] = _verdict(one, past, before)
        would[past.rest.id] = _verdict(two, past, after)
    sized = after.of(chosen[0].width, chosen[0].height)
    flips = find_flips(chosen, was, would, sized, new.place, proven=True)
    pictures: dict[str, bytes] = {}
    for side in sides:
        if side is not None:
            pictures |= side.pictures([flip.rest_id for flip in flips])
    return Rehearsal(
        sources=(name,),
        how="recording",
        camera=camera_id,
        old=old,
        new=new,
        old_from=old_from,
        difference=compare(old, new),
        first_ms=min(past.rest.first_ms for past in chosen),
        last_ms=max(past.until_ms for past in chosen),
        stays=sum(past.rest.by == "stay" for past in chosen),
        places=sum(past.rest.by == "place" for past in chosen),
        flips=flips,
        history_differs=(),
        not_seen=(),
        usual_delay_s=0.0,
        pictures=pictures,
    )


def _replay(
    recording: Recording,
    zones: ZoneFile,
    perceiver: Perceiver,
    camera_id: str,
    period_s: float,
    data: Path,
    what: str,
    number: int,
    progress: Progress,
) -> None:
    from edge_agent.frames import Frame
    from edge_agent.replay import ReplayResult, replay

    total = max(1, recording.duration_ms)

    def told(_frame: Frame, result: ReplayResult) -> None:
        done = min(total, (result.last_ms or 0) - (result.first_ms or 0))
        progress(what, number * total + done, 2 * total)

    replay(recording, zones, perceiver, camera_id=camera_id, period_s=period_s, data_dir=data, on_frame=told)


def _rests(data: Path) -> Past | None:
    """What a replay remembers; None where nothing rested."""
    try:
        return read_past(data / "replay.db")
    except PatrolError as error:
        if "no vehicle at rest" in error.problem:
            return None
        raise


def _pair(old: Sequence[PastRest], new: Sequence[PastRest]) -> list[tuple[PastRest | None, PastRest | None]]:
    """The same vehicle in both replays; one that only one of them saw stands alone."""
    left = list(new)
    pairs: list[tuple[PastRest | None, PastRest | None]] = []
    for one in old:
        alike = [two for two in left if _overlaps(one, two)]
        best = max(alike, key=lambda two: (iou(one.rest.box, two.rest.box), two.rest.id), default=None)
        if best is not None:
            left.remove(best)
        pairs.append((one, best))
    pairs.extend((None, two) for two in left)
    return sorted(pairs, key=lambda pair: _begin(pair[1] or pair[0]))


def _begin(past: PastRest | None) -> tuple[Millis, str]:
    assert past is not None, "a pair has at least one side"
    return past.rest.first_ms, past.rest.id


def _overlaps(one: PastRest, two: PastRest) -> bool:
    at_once = one.rest.first_ms <= two.rest.last_ms and two.rest.first_ms <= one.rest.last_ms
    return at_once and iou(one.rest.box, two.rest.box) >= _SAME_PLACE


def _verdict(side: PastRest | None, known: PastRest, indexes: Indexes) -> Verdict:
    """What a replay decided; the reason is that of its zones."""
    cases = () if side is None else side.decided
    past = side or known
    return Verdict(cases, reason_of(past, indexes.of(past.width, past.height), cases, None))
