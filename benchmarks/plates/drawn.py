"""The drawn set: every kind of plate, every region in turn, under every condition, read as vehicle crops."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.plates.camera import CONDITIONS, Image, scene
from benchmarks.plates.layout import KINDS, REGIONS, grammar_kind, plate, random_text
from benchmarks.plates.timing import Stopwatch
from models.plates import PlateReader, PlateReading, Unreadable, vote

LOOKS = 5
"""Looks at one vehicle in a simulated stay; the agent allows up to 12 and stops when the vote is clear."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn picture: its plate, kind and conditions."""

    name: str
    plate: str
    kind: str
    condition: str
    picture: Image


@dataclass(frozen=True, slots=True)
class Read:
    """One picture read.

    Attributes:
        region: first character of the plate.
        kind: as drawn.
        kind_right: the reader named that kind.
        milliseconds: CPU time of one thread.
        stages: the same per stage.
    """

    name: str
    plate: str
    kind: str
    condition: str
    text: str | None
    confidence: float
    kind_right: bool
    milliseconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """First character of the plate."""
        return self.plate[0]

    @property
    def right(self) -> bool:
        """Every character as drawn."""
        return self.text == self.plate


def draw(each: int, seed: int, conditions: Sequence[str] = tuple(CONDITIONS)) -> Iterator[Drawn]:
    """`each` pictures of every kind under every condition, regions in turn; the same for the same seed."""
    for condition in conditions:
        for name in KINDS:
            rng = _stream(seed, f"{condition} {name}")
            first = int(rng.integers(len(REGIONS)))
            for number in range(each):
                text = random_text(rng, name, REGIONS[(first + number) % len(REGIONS)])
                picture, _ = scene(plate(text, name), CONDITIONS[condition](rng), rng)
                yield Drawn(f"{condition}-{name}-{number:03d}.png", text, name, condition, picture)


def read_drawn(
    reader: PlateReader, watch: Stopwatch, pictures: Iterable[Drawn]
) -> Iterator[tuple[Drawn, Read]]:
    """Read each picture as the crop of one vehicle."""
    for item in pictures:
        watch.lap()
        begin = time.thread_time()
        reading = reader.read_best(item.picture)
        taken = (time.thread_time() - begin) * 1000
        yield (
            item,
            Read(
                item.name,
                item.plate,
                item.kind,
                item.condition,
                reading.text if reading else None,
                reading.confidence if reading else 0.0,
                reading is not None and reading.kind == grammar_kind(item.kind),
                taken,
                watch.lap(),
            ),
        )


@dataclass(frozen=True, slots=True)
class Stay:
    """One vehicle looked at several times; `text` is what the frames agreed on, None where they did not."""

    name: str
    plate: str
    condition: str
    text: str | None
    looks: int
    wrong_looks: int


def stays(reader: PlateReader, count: int, seed: int, looks: int = LOOKS) -> Iterator[Stay]:
    """Vehicles of any kind and region under any condition, `looks` pictures each, voted as the agent does."""
    conditions, kinds = list(CONDITIONS), list(KINDS)
    for number in range(count):
        rng = _stream(seed, f"stay {number}")
        kind, condition = kinds[number % len(kinds)], conditions[(number // len(kinds)) % len(conditions)]
        text = random_text(rng, kind, REGIONS[number % len(REGIONS)])
        flat = plate(text, kind)
        readings: list[PlateReading] = []
        for _ in range(looks):
            reading = reader.read_best(scene(flat, CONDITIONS[condition](rng), rng)[0])
            if reading is not None:
                readings.append(reading)
        result = vote(readings, threshold=reader.threshold)
        # One reading alone is never acted upon by the agent.
        told = None if isinstance(result, Unreadable) or len(readings) < 2 else result.text
        wrong = sum(reading.text != text for reading in readings)
        yield Stay(f"{condition}-{kind}-{number:04d}", text, condition, told, len(readings), wrong)


def _stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of its own for each part: adding a kind or a condition changes no other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
