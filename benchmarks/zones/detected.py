"""The same question with the boxes that the bundled detector finds in drawn pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulator import Scene
from benchmarks.zones.decisions import Row
from benchmarks.zones.street import SIZE, Standing, View
from zones import Box, ZoneIndex
from zones.geometry import iou

if TYPE_CHECKING:
    from models import Detector

_COLOURS = ("silver", "red", "black", "white", "blue", "grey")
_MATCH = 0.5
"""A detection is of the vehicle when it shares this much with its exact box."""

_SCORE = 0.35
_VEHICLES = frozenset({"car", "bus", "truck", "motorcycle", "bicycle"})


def count_detected(
    views: Sequence[View], each: int, detector: Detector, progress: Callable[[int], None]
) -> Row:
    """The wrong decisions with detected boxes, every vehicle alone in its picture.

    Args:
        views: of one angle.
        each: vehicles of each view.
        detector: which is asked, on the zones' part of the picture as the agent does.
        progress: told the number of pictures done.
    """
    row = Row(views[0].angle, "detected")
    for view in views:
        standing = view.standing[:each]
        scene = _scene(view, standing)
        region = _region(view)
        seen: list[Standing] = []
        boxes: list[Box] = []
        labels: list[str] = []
        for number, one in enumerate(standing):
            picture = scene.render(number * 1000 + 500)
            best, best_iou = None, _MATCH
            for item in detector.detect_regions(picture, [region]):
                share = iou(item.box, one.box)
                if item.label in _VEHICLES and item.score >= _SCORE and share >= best_iou:
                    best, best_iou = item, share
            progress(1)
            if best is None:
                row.unseen += 1
                continue
            seen.append(one)
            boxes.append(best.box)
            labels.append(best.label)
        if seen:
            row.count(view, seen, np.array(boxes), labels)
    return row


def _scene(view: View, standing: Sequence[Standing]) -> Scene:
    """A scene in which the vehicles stand one after the other, a second each."""
    camera = view.camera
    width, deep = view.width, view.deep
    vehicles: list[dict[str, Any]] = [
        {
            "id": f"v{number}",
            "kind": one.kind,
            "colour": _COLOURS[number % len(_COLOURS)],
            "from_s": float(number),
            "route": [
                {
                    "at": [one.pose.x, one.pose.y],
                    "heading": float(np.degrees(one.pose.heading)),
                    "wait_s": 1.0,
                }
            ],
        }
        for number, one in enumerate(standing)
    ]
    return Scene.from_dict(
        {
            "schema": 1,
            "title": f"{view.angle} degrees",
            "size": list(SIZE),
            "fps": 10,
            "duration_s": len(standing) + 1,
            "camera": {
                "at": [camera.x, camera.y],
                "height": camera.height,
                "yaw": camera.yaw,
                "pitch": camera.pitch,
                "fov": camera.fov,
            },
            "light": {"time": "day", "sun": [235, 50]},
            "street": {
                "band": [
                    {"kind": "pavement", "y": [-deep, 0]},
                    {"kind": "road", "y": [0, width]},
                    {"kind": "pavement", "y": [width, width + deep]},
                ],
                "line": [{"y": width / 2, "dash": 3, "gap": 4}],
            },
            "vehicle": vehicles,
        }
    )


def _region(view: View) -> tuple[int, int, int, int]:
    """The part of the picture that holds the zones, with a margin."""
    left, top, right, bottom = ZoneIndex(view.plain, *SIZE).bounds()
    aside = 0.1 * max(right - left, bottom - top)
    return (
        max(0, round(left - aside)),
        max(0, round(top - aside)),
        min(SIZE[0], round(right + aside)),
        min(SIZE[1], round(bottom + aside)),
    )
