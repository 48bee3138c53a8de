"""Makes one of what several looks found: of the parts of a picture looked at now and before, and of several boxes on one vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge_agent.perception.closer import SAME, Region, as_box
from edge_agent.stays.pieces import is_whole
from models.detections import Detection, Detections
from zones import Box
from zones.geometry import iou, nested

_NESTED = 0.6
"""Share of a box inside a better one from which both are one vehicle."""


def together(last: Detections, found: Detections, regions: Sequence[Region]) -> Detections:
    """Earlier detections outside of the regions that were looked at again, and what was found in those.

    An earlier one counts as outside when its middle is. Where a new one is cut by a region's border, the whole earlier
    one stands.
    """

    def inside(box: Box) -> bool:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return any(r[0] <= x < r[2] and r[1] <= y < r[3] for r in regions)

    old = [as_box(box) for box in last.boxes]
    new = [as_box(box) for box in found.boxes]
    covered = {
        i
        for i, box in enumerate(new)
        if found.cut[i]
        and any(nested(box, other) >= _NESTED and not last.cut[k] for k, other in enumerate(old))
    }
    fresh = [i for i in range(len(new)) if i not in covered]
    kept = [
        k
        for k, box in enumerate(old)
        if (not inside(box) or any(found.cut[i] and nested(new[i], box) >= _NESTED for i in covered))
        and all(iou(box, new[i]) < SAME for i in fresh)
    ]
    first, second = last.take(np.array(kept, np.intp)), found.take(np.array(fresh, np.intp))
    return Detections(
        np.concatenate([first.boxes, second.boxes]),
        np.concatenate([first.scores, second.scores]),
        [*first.labels, *second.labels],
        np.concatenate([first.cut, second.cut]),
    )


def one_each(detections: list[Detection], size: tuple[float, float]) -> list[Detection]:
    """One detection a vehicle: a box that lies mostly in (or around) a better one is the same vehicle again,
    or two neighbours taken for one. Of a whole and a piece of it that are found about as surely, the whole stays: a lorry's
    cab looks more like a car than the lorry does. People are kept: they stand in front of vehicles."""
    kept: list[Detection] = []
    for item in sorted(detections, key=lambda d: (-d.score, d.box)):
        same = [
            other
            for other in kept
            if "person" not in (item.label, other.label)
            and nested(as_box(item.box), as_box(other.box)) >= _NESTED
        ]
        if not same:
            kept.append(item)
        elif len(same) == 1 and is_whole(
            item.label, as_box(item.box), item.score, as_box(same[0].box), same[0].score, size
        ):
            # Its best piece says as surely that it is a vehicle.
            kept[kept.index(same[0])] = replace(item, score=same[0].score)
    return kept
