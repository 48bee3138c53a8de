"""Which new things in a zone a check was not sure of, so that the next keyframe is worth a look before the next check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edge_agent.stays import CameraState, Observation, StayRules, Terms
from edge_agent.stays.pieces import may_begin
from edge_agent.stays.placing import followed
from protocol.clock import Millis
from zones import Box, ZoneIndex
from zones.geometry import iou

LOOKS_A_THING = 3
"""Second looks that one thing is worth. A heap that is taken for a car now and then is not looked at for ever."""

LOOKS_A_WHILE, WHILE_MS = 6, 600_000
"""A camera's second looks within this time, whatever it doubts: twigs in the wind are a new thing each time."""

_SAME = 0.45
"""Overlap from which two boxes are one thing: a detector that is not sure jitters by a tenth of a box."""

_MOST_KNOWN = 16


class Sight(Protocol):
    """What is asked of a camera's eyes."""

    index: ZoneIndex

    def is_new(self, box: Box) -> bool:
        """Whether what the last check showed there was new to it."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A thing that was not surely a vehicle, last seen so at `last_ms`, and how many second looks it has had."""

    box: Box
    last_ms: Millis
    looks: int


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is remembered of a camera's doubtful things. Lost with a restart: then nothing is new.

    Attributes:
        known: the things, the newest last.
        looked_ms: when second looks were taken, within `WHILE_MS`.
        places: boxes of the things that want a look at the next keyframe.
    """

    known: tuple[Doubt, ...] = ()
    looked_ms: tuple[Millis, ...] = ()
    places: tuple[Box, ...] = ()

    def after(self, at_ms: Millis, unsure: Sequence[tuple[Box, bool]], *, again: bool) -> Doubts:
        """The doubts after a look. Pure.

        Args:
            at_ms: when its picture was taken.
            unsure: what it was not sure of, and whether that was new to it.
            again: it was a second look, at the `places`. What it meets elsewhere waits for the next check.
        """
        looked = tuple(ms for ms in self.looked_ms if ms > at_ms - WHILE_MS)
        known = [doubt for doubt in self.known if at_ms - doubt.last_ms < WHILE_MS]
        if again:
            looked = (*looked, at_ms)
            known = [
                replace(doubt, looks=doubt.looks + 1) if doubt.box in self.places else doubt
                for doubt in known
            ]
        wanted: list[Box] = []
        for box, new in unsure:
            number = next((n for n, doubt in enumerate(known) if iou(doubt.box, box) >= _SAME), None)
            if number is not None:
                doubt = replace(known.pop(number), box=box, last_ms=at_ms)
            elif again:
                continue
            else:
                doubt = Doubt(box, at_ms, 0 if new else LOOKS_A_THING)
            known.append(doubt)
            if doubt.looks < LOOKS_A_THING and len(looked) < LOOKS_A_WHILE:
                wanted.append(box)
        return Doubts(tuple(known[-_MOST_KNOWN:]), looked, tuple(wanted))


def after_look(
    doubts: Doubts,
    eyes: Sight,
    seen: Observation,
    state: CameraState,
    rules: StayRules,
    terms: Terms,
    *,
    again: bool,
) -> Doubts:
    """The doubts after a look: what would have begun a stay, had it been seen more surely.

    Args:
        state: the camera's memory after the look.
        terms: which zones count now.
    """
    if not doubts.places and all(item.score >= rules.begin_score for item in seen.seen):
        return doubts
    ground = followed(eyes.index, terms)
    any_score = replace(rules, begin_score=0.0)
    unsure = [
        (item.box, not again and eyes.is_new(item.box))
        for item in seen.seen
        if item.score < rules.begin_score
        and may_begin(item, state.stays, seen, eyes.index, any_score, ground)
    ]
    return doubts.after(seen.at_ms, unsure, again=again)
