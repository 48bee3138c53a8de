"""The simulator's truth as the score wants it."""

from __future__ import annotations

from benchmarks.accuracy.score import SEEN, TrueStay
from benchmarks.simulator.scene import Scene
from benchmarks.simulator.truth import Stay
from zones import Box
from zones.geometry import area

_IN_ZONE, _OUTSIDE = 0.6, 0.15
"""Shares of the ground outline in the zone; between them people would not agree."""

_IN_PICTURE = 0.85
"""Share of the silhouette that the picture must hold."""

_SAMPLE_MS = 500
"""How often visibility is looked at: often enough for looks every two seconds."""


def true_stays(scene: Scene, *, occlusion: bool = True) -> tuple[TrueStay, ...]:
    """Who stood, and whom the agent is asked about.

    Args:
        scene: whose truth.
        occlusion: also work out who hides whom; slow for long scenes.
    """
    width, height = scene.size
    return tuple(
        _true(stay, (float(width), float(height)), scene.duration_ms)
        for stay in scene.truth(occlusion=occlusion, sample_ms=_SAMPLE_MS).stays
        if stay.box[2] > 0 and stay.box[3] > 0 and stay.box[0] < width and stay.box[1] < height
    )


def _true(stay: Stay, size: tuple[float, float], end_ms: int) -> TrueStay:
    left, top, right, bottom = stay.box
    box: Box = (max(0.0, left), max(0.0, top), min(size[0], right), min(size[1], bottom))
    share = max(stay.overlap.values(), default=0.0)
    hidden = _hidden(stay, end_ms)
    until = end_ms if stay.leaving_ms is None else stay.leaving_ms
    blind = sum(end - start for start, end in hidden)
    plain = (
        stay.free_fraction >= SEEN
        and area(box) >= _IN_PICTURE * area(stay.box)
        and blind <= 0.5 * (until - max(0, stay.standing_ms))
    )
    role = "outside" if share <= _OUTSIDE else "event" if share >= _IN_ZONE and plain else "either"
    return TrueStay(stay.id, stay.vehicle, box, stay.standing_ms, stay.leaving_ms, role, hidden)  # type: ignore[arg-type]


def _hidden(stay: Stay, end_ms: int) -> tuple[tuple[int, int], ...]:
    """Times when too little of it was visible."""
    if not stay.visible:
        return ()
    until = end_ms if stay.leaving_ms is None else stay.leaving_ms
    ends = [v.from_ms for v in stay.visible[1:]] + [until]
    spans: list[tuple[int, int]] = []
    for part, end in zip(stay.visible, ends, strict=True):
        if part.fraction >= SEEN:
            continue
        if spans and spans[-1][1] == part.from_ms:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((part.from_ms, end))
    return tuple(spans)
