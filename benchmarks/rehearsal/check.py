"""What a rehearsal lists, against what it must list."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.rehearsal.edits import OLD, Edit
from benchmarks.rehearsal.street import Street
from benchmarks.rehearsal.truth import Expected, expect
from edge_agent.rehearsal.flips import Flip
from edge_agent.rehearsal.run import Rehearsal
from zones.geometry import iou

_LATE_MS = 15_000
"""A stay is first seen at the look after its beginning."""


@dataclass(frozen=True)
class Checked:
    """One edit's flips beside the truth's.

    Attributes:
        edit: which.
        expected: how many flips the truth has.
        listed: how many were listed.
        wrong: stay -> (kinds that must be, kinds that are); empty: exactly the truth.
        history_differs: stays that were decided otherwise than the old zones say now.
    """

    edit: Edit
    expected: int
    listed: int
    wrong: dict[str, tuple[frozenset[str], frozenset[str]]]
    history_differs: int

    @property
    def exact(self) -> bool:
        """Whether exactly the truth's flips are listed, and history was understood."""
        return not self.wrong and not self.history_differs


def check(street: Street, edit: Edit, rehearsal: Rehearsal) -> Checked:
    """Compare, stay by stay."""
    must: dict[str, Expected] = {}
    for stay in street.stays:
        expected = expect(stay, OLD, edit.plan, street.start_ms)
        if expected is not None:
            must[stay.id] = expected
    listed: dict[str, frozenset[str]] = {}
    for flip in rehearsal.flips:
        name = _who(street, flip) or flip.rest_id
        listed[name] = listed.get(name, frozenset()) | set(flip.kinds)
    wrong = {
        name: (kinds, listed.get(name, frozenset()))
        for name in sorted({*must, *listed})
        if (kinds := must[name].kinds if name in must else frozenset()) != listed.get(name, frozenset())
    }
    return Checked(edit, len(must), len(rehearsal.flips), wrong, len(rehearsal.history_differs))


def _who(street: Street, flip: Flip) -> str | None:
    near = [
        stay
        for stay in street.stays
        if 0 <= flip.at_ms - street.start_ms - stay.arrive_ms <= _LATE_MS and iou(stay.box, flip.box) > 0.6
    ]
    return max(near, key=lambda stay: iou(stay.box, flip.box)).id if near else None
