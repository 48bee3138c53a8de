"""How long a detector takes per picture on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.detections import Image
from models.detector import Detector
from protocol.errors import PatrolError

WARM_UP = 3
"""Runs that are not counted: the first ones allocate."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds per picture, from the picture in memory to its detections.

    Attributes:
        model: catalogue name or file.
        batch: pictures handed over at once.
        rounds: batches measured.
        mean_ms, p50_ms, p95_ms: wall clock.
        cpu_ms: processor time over all threads, mean.
        found: detections in the pictures of one round.
    """

    model: str
    batch: int
    rounds: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    found: int


def load_pictures(files: Sequence[Path]) -> list[Image]:
    """Decode pictures.

    Raises:
        PatrolError: a file is missing or no picture that OpenCV reads.
    """
    pictures = []
    for file in files:
        if not file.is_file():
            raise PatrolError("no such picture", file=file)
        picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if picture is None:
            raise PatrolError("is no picture that can be read", file=file, mend="Give a JPEG or PNG file.")
        pictures.append(np.asarray(picture, np.uint8))
    return pictures


def stills() -> list[Path]:
    """Pictures of the shared real inputs (``PATROL_SHARED``, else ``../shared``), if they are there."""
    shared = Path(os.environ.get("PATROL_SHARED", Path(__file__).parents[1] / "../shared"))
    return sorted((shared / "stills").resolve().glob("*.*g"))


def noise() -> Image:
    """A 1920 x 1080 picture of noise, the same every time, for machines without pictures."""
    return np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)


def measure(
    detector: Detector,
    pictures: Sequence[Image],
    batch: int,
    rounds: int,
    advance: Callable[[], None] = lambda: None,
) -> Timing:
    """Time `rounds` batches; `advance` is called after each, outside the measured time."""
    cycle = [pictures[number % len(pictures)] for number in range(rounds * batch)]
    for _ in range(WARM_UP):
        for picture in pictures:
            detector.detect([picture] * batch)
    wall, cpu, found = [], [], 0
    for start in range(0, rounds * batch, batch):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        results = detector.detect(cycle[start : start + batch])
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
        found = sum(map(len, results))
        advance()
    per_picture = np.array(wall) * 1000 / batch
    return Timing(
        model=detector.describe().name,
        batch=batch,
        rounds=rounds,
        mean_ms=float(per_picture.mean()),
        p50_ms=float(np.percentile(per_picture, 50)),
        p95_ms=float(np.percentile(per_picture, 95)),
        cpu_ms=float(np.mean(cpu) * 1000 / batch),
        found=found,
    )
