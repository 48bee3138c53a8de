"""Streets drawn by lot: another camera, width of pavement, light and number of people each time."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.simulator import Scene


def street(seed: int, *, size: tuple[int, int] = (1280, 720), minutes: float = 5) -> Scene:
    """A street with people on the far pavement, traffic on the road, and cars in some of the bays before the kerb."""
    dice = random.Random(seed)
    wide = dice.uniform(3.0, 6.0)
    near, far = 7.25, 7.25 + wide
    bay_deep = 2.3
    bays = dice.random() < 0.6
    left, right = dice.uniform(-30, -20), dice.uniform(2, 8)
    yaw = dice.uniform(105, 155)
    scene: dict[str, Any] = {
        "schema": 1,
        "title": f"Street {seed}",
        "seed": seed,
        "size": list(size),
        "fps": 2,
        "duration_s": minutes * 60,
        "camera": {
            "at": [dice.uniform(4, 12), dice.uniform(-6, -2)],
            "height": dice.uniform(4.5, 8),
            "yaw": yaw,
            "pitch": dice.uniform(14, 22),
            "fov": dice.uniform(45, 62),
            "shake": 0.3,
        },
        "light": {
            "time": dice.choice(["day", "day", "dusk"]),
            "sun": [dice.uniform(200, 300), dice.uniform(30, 60)],
        },
        "street": {
            "band": [
                {"kind": "pavement", "y": [-12, -7.2]},
                {"kind": "kerb", "y": [-7.2, -7]},
                {"kind": "road", "y": [-7, 7]},
                {"kind": "kerb", "y": [7, 7.25]},
                {"kind": "pavement", "y": [near, far]},
                *([{"kind": "verge", "y": [far, far + 1.5]}] if dice.random() < 0.5 else []),
            ],
            "line": [{"y": 0, "colour": "yellow"}, {"y": 3.5, "dash": 3, "gap": 4}],
            "building": [{"y": far + 1.5, "height": 12}],
            "thing": [{"kind": "tree", "at": [-13, near + 0.7], "repeat": 3, "step": [-9, 0]}],
        },
        "zone": [
            {
                "id": "P1",
                "name": "Pavement",
                "kind": "no_parking",
                "polygon": [[right, near], [left, near], [left, far], [right, far]],
            }
        ],
        "traffic": [
            {"y": 1.7, "x": [45, -75], "every_s": [9, 22], "speed_kmh": [24, 38]},
            {"y": -1.8, "x": [-75, 45], "every_s": [9, 22], "speed_kmh": [24, 38]},
        ],
        "crowd": [{"count": dice.randint(5, 10), "x": [left, right], "y": [near + 0.3, far - 0.3]}],
        "vehicle": [],
    }
    if bays:
        first = dice.uniform(-16, -12)
        scene["street"]["bays"] = [{"x": first, "y": [7 - bay_deep, 7], "count": 3, "length": 6}]
        for number in range(3):
            x = first + 6 * number
            scene["zone"].append(
                {
                    "id": f"B{number}",
                    "name": f"Bay {number}",
                    "kind": "parking_bay",
                    "polygon": [[x, 7 - bay_deep], [x + 6, 7 - bay_deep], [x + 6, 7], [x, 7]],
                }
            )
            if dice.random() < 0.7:
                scene["vehicle"].append(
                    {
                        "id": f"parked{number}",
                        "kind": dice.choice(["saloon", "suv", "hatchback", "van"]),
                        "route": [{"at": [x + 3, 7 - bay_deep / 2], "heading": 180, "wait_s": float("inf")}],
                    }
                )
    return Scene.from_dict(scene)
