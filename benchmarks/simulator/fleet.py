"""Which mesh a scene's vehicle has: its kind, its paint, and the class that a detector should say."""

from __future__ import annotations

from functools import lru_cache

from benchmarks.simulator._mesh import Colour, Mesh
from benchmarks.simulator.buses import build_bus
from benchmarks.simulator.cars import CARRIER, HATCHBACK, SALOON, SUV, build_car
from benchmarks.simulator.trucks import build_truck
from benchmarks.simulator.two_wheelers import build_motorcycle
from benchmarks.simulator.vans import build_van

PAINTS: dict[str, Colour] = {
    "white": (0.84, 0.85, 0.85), "silver": (0.60, 0.60, 0.60), "grey": (0.34, 0.34, 0.33), "black": (0.085, 0.08, 0.08),
    "red": (0.12, 0.10, 0.62), "blue": (0.55, 0.25, 0.10), "green": (0.20, 0.46, 0.16), "yellow": (0.12, 0.66, 0.84),
    "brown": (0.16, 0.24, 0.36), "orange": (0.10, 0.42, 0.84), "gold": (0.36, 0.54, 0.62), "navy": (0.26, 0.13, 0.07),
}  # fmt: skip

CLASSES = {
    "saloon": "car", "hatchback": "car", "suv": "car", "carrier": "car", "taxi": "car", "van": "van", "bus": "bus",
    "truck": "truck", "motorcycle": "motorcycle", "rider": "motorcycle",
}  # fmt: skip
"""Kind -> class in the ground truth. A detector that knows the 80 COCO classes may call a van a car or a truck."""


@lru_cache(maxsize=128)
def build_vehicle(kind: str, colour: str) -> Mesh:
    """The mesh of a vehicle of this kind and colour."""
    paint = PAINTS[colour]
    if kind == "saloon":
        return build_car(SALOON, paint)
    if kind == "hatchback":
        return build_car(HATCHBACK, paint)
    if kind == "suv":
        return build_car(SUV, paint)
    if kind == "carrier":
        return build_car(CARRIER, paint)
    if kind == "taxi":
        return build_car(SALOON, paint, taxi=True)
    if kind == "van":
        return build_van(paint)
    if kind == "bus":
        return build_bus(paint)
    if kind == "truck":
        return build_truck(paint)
    return build_motorcycle(paint, rider=kind == "rider")
