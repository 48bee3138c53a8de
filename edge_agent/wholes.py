"""One vehicle, one case: whether what stands there is but the end of a lorry or bus, asked when a case or a task would follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge_agent.frames import Frame
from edge_agent.perception import Eyes
from edge_agent.stays import Seen, Stay, StayRules
from edge_agent.stays.pieces import needed_score
from edge_agent.stays.wholes import around, joined, stands, within
from protocol.clock import Millis

_LOOKS = 4
"""After so many looks without an answer the end is taken for what stands there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a wider look tells.

    Attributes:
        stay: as it is from now on, if it changed: that which was asked about, or that which becomes the whole.
        held: whether its zone has to be judged anew, or the question is open: this look proves nothing.
        gone: ids of stays that are ends of that whole.
    """

    stay: Stay | None = None
    held: bool = False
    gone: frozenset[str] = frozenset()


def look_is_due(stay: Stay, at_ms: Millis, rules: StayRules) -> bool:
    """Whether a look now could answer: what is in question has to be seen again after a while, not at once."""
    return stay.larger is None or at_ms - stay.larger_ms >= rules.settle_ms


def look_wider(
    eyes: Eyes,
    rules: StayRules,
    frame: Frame,
    stay: Stay,
    stays: Sequence[Stay],
    has_case: Callable[[Stay], bool],
) -> Answer:
    """Look for a lorry or bus of which a stay's box is an end.

    Where it is found twice at the same place, as far apart in time as any vehicle has to be seen before it counts as
    standing, one stay becomes all of it: that which has a case, or else the oldest. Whatever else lies within it ends.

    Args:
        eyes: the camera's, which have observed this frame.
        rules: thresholds.
        frame: the picture.
        stay: proven by it.
        stays: all of the camera.
        has_case: whether a stay has a case, open or ended.
    """
    size = (float(eyes.index.width), float(eyes.index.height))
    found = around(eyes.wider(frame.image, stay.anchor), stay.anchor, size, needed_score(stay, rules))
    if found is not None:
        found = replace(found, look=eyes.look(frame.image, found.box))
        if stands(stay, found, lambda box: eyes.look(frame.image, box), rules):
            return _joined(stay, found, stays, frame.at_ms, has_case)
    elif stay.larger is None:
        return Answer()
    looks = stay.larger_looks + 1
    if looks > _LOOKS:
        return Answer(replace(stay, larger=None, larger_looks=0))
    asked = replace(stay, larger=found or stay.larger, larger_ms=frame.at_ms, larger_looks=looks)
    return Answer(asked, held=True)


def _joined(
    stay: Stay, found: Seen, stays: Sequence[Stay], at_ms: Millis, has_case: Callable[[Stay], bool]
) -> Answer:
    parts = [stay, *within([other for other in stays if other.id != stay.id], found.box)]
    keeper = min(
        (part for part in parts if part.settled),
        key=lambda part: (not has_case(part), part.zone_id is None, part.first_ms, part.id),
    )
    if keeper.verdict != "present":
        # It is asked again when that one is in sight.
        return Answer(replace(stay, larger_ms=at_ms), held=True)
    before = found.score if stay.larger is None else stay.larger.score
    return Answer(
        joined(keeper, found, before, at_ms),
        held=True,
        gone=frozenset(part.id for part in parts if part.id != keeper.id),
    )
