"""Cases against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clips.truth import Clip
from zones import Box
from zones.geometry import iou

SAME = 0.3
"""Boxes by eye are rough, and parked vehicles do not overlap by this much."""


@dataclass(frozen=True, slots=True)
class Found:
    """A case that the agent opened.

    Attributes:
        case: its id.
        box: where the vehicle stood, pixels of the clip.
        state: what it came to.
        tasked: whether a task was published.
    """

    case: str
    box: Box
    state: str
    tasked: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one clip.

    Attributes:
        clip: the clip and its truth.
        seconds: length of what was played.
        found: names of vehicles with at least one case.
        missed: names of vehicles without.
        false: cases where nobody stands.
        extra: cases of a vehicle that had one already.
        cases_per_stay: largest number of cases of one vehicle; 0 where none was found.
        tasks: tasks published.
        tasks_due: how many the clock allowed for, or None where it would end near the clip's end.
    """

    clip: Clip
    seconds: float
    found: tuple[str, ...]
    missed: tuple[str, ...]
    false: tuple[Found, ...]
    cases_per_stay: int
    tasks: int
    tasks_due: int | None
    extra: tuple[Found, ...] = ()

    @property
    def wrongful(self) -> int:
        """Tasks that the truth speaks against: where nobody stands, or all where no clock can have run out."""
        return self.tasks if self.tasks_due == 0 else sum(case.tasked for case in self.false)

    @property
    def right(self) -> bool:
        """Whether everything is as a person sees it."""
        return (
            not self.missed
            and not self.false
            and self.cases_per_stay <= 1
            and self.tasks_due in (None, self.tasks)
        )


def match(clip: Clip, cases: Sequence[Found], seconds: float, tasks_due: int | None) -> Outcome:
    """Give each case to the standing vehicle whose box it overlaps most, if enough."""
    counts = [0] * len(clip.standing)
    false: list[Found] = []
    extra: list[Found] = []
    for case in cases:
        overlaps = [iou(case.box, item.box) for item in clip.standing]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < SAME:
            false.append(case)
        else:
            counts[best] += 1
            if counts[best] > 1:
                extra.append(case)
    return Outcome(
        clip=clip,
        seconds=seconds,
        found=tuple(item.what for item, count in zip(clip.standing, counts, strict=True) if count),
        missed=tuple(item.what for item, count in zip(clip.standing, counts, strict=True) if not count),
        false=tuple(false),
        cases_per_stay=max(counts, default=0),
        tasks=sum(case.tasked for case in cases),
        tasks_due=tasks_due,
        extra=tuple(extra),
    )
