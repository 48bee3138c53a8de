"""One street through `suggest`, compared with its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shapely import make_valid
from shapely.geometry import Polygon
from shapely.ops import unary_union

from benchmarks.simulator import Scene
from benchmarks.simulator.truth import make_truth
from edge_agent.frames import Frame
from edge_agent.zone_tools.suggest import Draft, Heat, draft_zones, gather
from models.detector import Detector

_HIT = 0.25
"""A proposed bay counts as the bay it overlaps by this much (intersection over union): what stands in it is smaller."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one street.

    Attributes:
        pavement_iou: intersection over union of proposed and true pavement, picture pixels.
        pavement_inside: share of the proposed pavement that is pavement.
        taken, found, false: bays with a vehicle in them, those of them that were proposed, and proposed bays that are none.
        bay_iou: mean intersection over union of the found ones.
    """

    title: str
    heat: Heat
    draft: Draft
    pavement_iou: float
    pavement_inside: float
    taken: int
    found: int
    false: int
    bay_iou: float | None


def run_street(
    scene: Scene, detector: Detector, *, period_s: float = 2, progress: Callable[[float], None] | None = None
) -> Outcome:
    """Draw the street, propose zones, compare."""
    truth = make_truth(scene, occlusion=False)
    step = round(period_s * 1000)

    def frames() -> Iterator[Frame]:
        for number, at_ms in enumerate(range(0, truth.duration_ms, step)):
            yield Frame("street", truth.start_utc_ms + at_ms, scene.render(at_ms), number)

    pictures = max(1, truth.duration_ms // step)
    heat = gather(frames(), detector, progress=lambda n: progress(n / pictures) if progress else None)
    assert heat is not None
    draft = draft_zones(heat)
    true = unary_union([Polygon(z.polygon_px) for z in truth.zones if z.kind == "no_parking"])
    mine = make_valid(
        unary_union([Polygon(p.polygon) for p in draft.proposals if p.kind == "no_parking"] or [Polygon()])
    )
    both = true.intersection(mine).area
    bays = {z.id: Polygon(z.polygon_px) for z in truth.zones if z.kind == "parking_bay" and z.polygon_px}
    held = {
        zone for stay in truth.stays for zone, share in stay.overlap.items() if share >= 0.5 and zone in bays
    }
    proposed = [Polygon(p.polygon) for p in draft.proposals if p.kind == "parking_bay"]
    hits = {name: max((_iou(bays[name], each) for each in proposed), default=0.0) for name in sorted(held)}
    found = {name: value for name, value in hits.items() if value >= _HIT}
    false = sum(all(_iou(bay, each) < _HIT for bay in bays.values()) for each in proposed)
    return Outcome(
        title=truth.title,
        heat=heat,
        draft=draft,
        pavement_iou=both / true.union(mine).area,
        pavement_inside=both / mine.area if mine.area else 0.0,
        taken=len(held),
        found=len(found),
        false=false,
        bay_iou=sum(found.values()) / len(found) if found else None,
    )


def _iou(one: Polygon, other: Polygon) -> float:
    both = one.intersection(other).area
    return float(both / (one.area + other.area - both)) if both else 0.0
