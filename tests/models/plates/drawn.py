"""Plates drawn for these tests, from the benchmark's drawing."""

from __future__ import annotations

import numpy as np

from benchmarks.plates.camera import CONDITIONS, SCENE, Conditions, Image, photograph, rear, scene, seen
from benchmarks.plates.layout import KINDS, REGIONS, plate, random_text

__all__ = [
    "CONDITIONS",
    "KINDS",
    "REGIONS",
    "Conditions",
    "plate",
    "random_text",
    "rear",
    "scene",
    "seen_by_day",
    "two_in_one",
]


def seen_by_day(text: str, kind: str, rng: np.random.Generator) -> Image:
    """A vehicle's rear with this plate, by day."""
    return scene(plate(text, kind), CONDITIONS["day"](rng), rng)[0]


def two_in_one(
    own: tuple[str, float, float], other: tuple[str, float, float], rng: np.random.Generator
) -> Image:
    """A crop that holds two blue plates, each as text, width in pixels and centre across, 0 to 1."""
    plates = []
    for text, width, across in (own, other):
        conditions = Conditions(width=width)
        plates.append((plate(text, "civil_blue"), seen(440 / 140, conditions, (across * SCENE[0], 200.0))))
    return photograph(rear(rng), plates, Conditions(), rng)
