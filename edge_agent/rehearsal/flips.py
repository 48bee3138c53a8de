"""Which decisions flip when one zone file takes the place of another, and where memory and history are at odds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.rehearsal.day import Verdict
from edge_agent.rehearsal.past import PastRest
from edge_agent.rests import Decided
from protocol.clock import Millis
from zones import Box, ZoneIndex

Kind = Literal["new_case", "no_case", "now_task", "no_task", "other_zone", "earlier", "later", "other_end"]

KINDS: dict[Kind, tuple[str, str]] = {
    "new_case": ("a case that was none", "新增立案"),
    "no_case": ("no case any more", "不再立案"),
    "now_task": ("a task that was none", "新增处置任务"),
    "no_task": ("no task any more", "不再派发任务"),
    "other_zone": ("another zone", "归属其他区域"),
    "earlier": ("earlier", "提前"),
    "later": ("later", "推迟"),
    "other_end": ("another ending", "结案方式改变"),
}
"""Kind -> in English and Chinese, the gravest first."""

Caveat = Literal["unchecked", "by_place", "guessed_owner", "open_exemption", "trimmed", "close", "standing"]

CAVEATS: dict[Caveat, tuple[str, str]] = {
    "by_place": (
        "no zone was near: it was followed by detections alone, not proven look by look",
        "当时附近没有区域：仅凭检测结果跟踪，未逐帧核验是否同一车辆",
    ),
    "unchecked": (
        "no closer look was taken: taken for a vehicle because the detector says so",
        "未做近距离复看：仅凭检测结果认定为车辆",
    ),
    "guessed_owner": (
        "nothing is known of its owner: a warning is assumed to go out as usual",
        "车主情况未知：假定告知照常发出",
    ),
    "open_exemption": (
        "an exemption hangs on the plate, which is not kept: taken not to hold",
        "有一项豁免取决于未保存的号牌：按不适用处理",
    ),
    "trimmed": ("had too many short gaps to keep: they count as seen", "短暂空档过多未全部保存：按可见计算"),
    "close": (
        "a close call: boxes a little aside would decide otherwise",
        "临界：检测框稍有偏移结论就会不同",
    ),
    "standing": ("it still stood when the memory ended", "记录结束时车辆仍在原地"),
}
"""What is uncertain about an entry, in English and Chinese."""

_TOLERANCE_MS = 1_000
"""Instants nearer than this are the same."""

_HISTORY_MS = 30_000
"""A decision that comes this near to the one in history is the same: looks are kept as evenly apart, readings of
plates and answers of gateways are not kept at all."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One rest that is decided otherwise.

    Attributes:
        rest_id, camera: which.
        at_ms, until_ms: when it stood; `until_ms` is None while it stands.
        label, box: what and where in the picture.
        place: in words.
        kinds: what is otherwise, the gravest first.
        old, new: both verdicts.
        caveats: what is uncertain.
    """

    rest_id: str
    camera: str
    at_ms: Millis
    until_ms: Millis | None
    label: str
    box: Box
    place: str
    kinds: tuple[Kind, ...]
    old: Verdict
    new: Verdict
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True)
class HistoryDiffers:
    """A rest of which history tells something else than its own zones say of it now."""

    rest_id: str
    camera: str
    at_ms: Millis
    label: str
    told: str
    recomputed: str


def kinds_of(old: Sequence[Decided], new: Sequence[Decided]) -> tuple[Kind, ...]:
    """What is otherwise between two decisions about one rest, the gravest first; empty: nothing."""
    found: set[Kind] = set()
    before, after = [d for d in old if not _is_free(d)], [d for d in new if not _is_free(d)]
    if len(after) > len(before):
        found.add("new_case")
    elif len(before) > len(after):
        found.add("no_case")
    tasks_before, tasks_after = (sum(d.tasked_ms is not None for d in side) for side in (before, after))
    if tasks_after > tasks_before and before:
        found.add("now_task")
    elif tasks_before > tasks_after and after:
        found.add("no_task")
    for one, two in zip(before, after, strict=False):
        if one.zone_id != two.zone_id:
            found.add("other_zone")
        shifts = [two.confirmed_ms - one.confirmed_ms]
        if one.tasked_ms is not None and two.tasked_ms is not None:
            shifts.append(two.tasked_ms - one.tasked_ms)
        far = max(shifts, key=abs)
        if abs(far) >= _TOLERANCE_MS:
            found.add("later" if far > 0 else "earlier")
        elif _end(one) != _end(two) and (one.tasked_ms is None) == (two.tasked_ms is None):
            found.add("other_end")
    return tuple(kind for kind in KINDS if kind in found)


def _is_free(decided: Decided) -> bool:
    """A record of why nothing follows: opened and ended as exempt in one step."""
    return (
        decided.state == "exempt"
        and decided.identified_ms is None
        and decided.changed_ms == decided.confirmed_ms
    )


def _end(decided: Decided) -> tuple[str, bool]:
    """How a case ended; whether an officer had to come, not what the officer found."""
    return ("task" if decided.tasked_ms is not None else decided.state, decided.manual)


def find_flips(
    rests: Sequence[PastRest],
    old: Mapping[str, Verdict],
    new: Mapping[str, Verdict],
    index: ZoneIndex,
    place: str,
    *,
    proven: bool = False,
) -> tuple[Flip, ...]:
    """The rests that are decided otherwise, in order of time.

    Args:
        rests: the rests of one camera.
        old, new: what each file says of them.
        index: the new zones.
        place: the camera's place in words.
        proven: both were replayed through the whole agent, so that nothing is assumed.
    """
    flips = []
    for past in rests:
        rest = past.rest
        one, two = old[rest.id], new[rest.id]
        kinds = kinds_of(one.cases, two.cases)
        if not kinds:
            continue
        zone_id = two.reason.zone or one.reason.zone
        zone = index.zones.get(zone_id or "")
        where = (zone.place or zone.name) if zone is not None else zone_id
        flips.append(
            Flip(
                rest.id, rest.camera_id, rest.first_ms, rest.ended_ms, rest.label, rest.box,
                ", ".join(part for part in (where, place) if part), kinds, one, two,
                _caveats(past, one, two, index, proven=proven),
            )
        )  # fmt: skip
    return tuple(flips)


def _caveats(
    past: PastRest, old: Verdict, new: Verdict, index: ZoneIndex, *, proven: bool
) -> tuple[Caveat, ...]:
    rest = past.rest
    found: set[Caveat] = set()
    if rest.by == "place" and not proven:
        found.add("by_place")
    if new.cases and not old.cases and not proven:
        if not rest.checks:
            found.add("unchecked")
        if not past.decided:
            found.add("guessed_owner")
    if new.open:
        found.add("open_exemption")
    if rest.trimmed:
        found.add("trimmed")
    if rest.ended_ms is None:
        found.add("standing")
    if _is_close(past, index):
        found.add("close")
    return tuple(caveat for caveat in CAVEATS if caveat in found)


def _is_close(past: PastRest, index: ZoneIndex) -> bool:
    """Whether boxes that stray as far as the detector's did would be placed otherwise."""
    off = past.rest.scatter_px
    if off < 0.5:
        return False
    left, top, right, bottom = past.rest.box
    answers = {
        index.presence((left + dx, top + dy, right + dx, bottom + dy), past.rest.label).inside
        for dx, dy in ((0, 0), (-off, 0), (off, 0), (0, -off), (0, off))
    }
    return len(answers) > 1


def compare_history(
    rests: Sequence[PastRest], by_version: Mapping[str, Mapping[str, Verdict]]
) -> tuple[HistoryDiffers, ...]:
    """Where deciding again by the zones that were in force does not give what was decided.

    Args:
        rests: the rests of one camera.
        by_version: version of the zones -> what they say of the rests that were decided by them.
    """
    found = []
    for past in rests:
        verdict = by_version.get(past.zones, {}).get(past.rest.id)
        if verdict is None or not past.known:
            continue
        told, again = (tuple(_gist(d) for d in side) for side in (past.decided, verdict.cases))
        same = len(told) == len(again) and all(
            one[:2] == two[:2] and abs(one[2] - two[2]) <= _HISTORY_MS
            for one, two in zip(told, again, strict=True)
        )
        if not same:
            found.append(
                HistoryDiffers(
                    past.rest.id, past.rest.camera_id, past.rest.first_ms, past.rest.label,
                    _in_words(past.decided), _in_words(verdict.cases),
                )
            )  # fmt: skip
    return tuple(found)


def _gist(decided: Decided) -> tuple[str, str, Millis]:
    end = _end(decided)[0]
    return (
        decided.zone_id,
        "open" if end not in ("task", "self_corrected", "exempt", "closed") else end,
        decided.confirmed_ms,
    )


def _in_words(cases: Sequence[Decided]) -> str:
    if not cases:
        return "no case"
    return "; ".join(
        f"{d.zone_id}: {'task' if d.tasked_ms is not None else d.state} ({d.reason})" for d in cases
    )


def count_kinds(flips: Sequence[Flip]) -> dict[Kind, int]:
    """How many flips are of each kind, by their gravest."""
    counted = Counter(flip.kinds[0] for flip in flips)
    return {kind: counted[kind] for kind in KINDS}
