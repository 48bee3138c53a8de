"""The labelled reports of `matters.txt`, pairs of them, and precision and recall at a threshold. Pure."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from central.cases.alike import METRES_PER_DEGREE, Report
from central.voice.likeness import likeness

FILE = Path(__file__).with_name("matters.txt")
DAY_MS = 86_400_000
ORIGIN = (116.34, 39.91)
JITTER_M = 25.0
"""How far residents mark the same thing apart on a map."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A report with the place and the matter that it belongs to."""

    group: int
    matter: int
    report: Report


@dataclass(frozen=True, slots=True)
class Quality:
    """What a threshold gives on labelled pairs. `missed` and `wrong` are numbers of pairs."""

    threshold: float
    pairs: int
    same: int
    found: int
    wrong: int

    @property
    def precision(self) -> float:
        """Share of the pairs called the same that are."""
        return self.found / (self.found + self.wrong) if self.found + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of the same pairs that are called so."""
        return self.found / self.same if self.same else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def read(path: Path = FILE) -> list[Labelled]:
    """Every report of the file, with a position and a time that vary a little around those of its matter."""
    dice = random.Random(7)  # only spreads points
    found: list[Labelled] = []
    group = matter = -1
    east = north = day = 0.0
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("=="):
            group += 1
        elif line.startswith("--"):
            matter += 1
            east, north, day = (float(part) for part in line[2:].split())
        elif "|" in line and not line.startswith("#"):
            place, _, text = line.partition("|")
            longitude = ORIGIN[0] + 0.02 * group + (east + dice.uniform(-1, 1) * JITTER_M) / 85_000
            latitude = ORIGIN[1] + (north + dice.uniform(-1, 1) * JITTER_M) / METRES_PER_DEGREE
            at_ms = round((day + dice.random() * 2) * DAY_MS)
            report = Report(len(found) + 1, at_ms, longitude, latitude, text.strip(), "", place.strip())
            found.append(Labelled(group, matter, report))
    return found


def pairs(labelled: Iterable[Labelled]) -> list[tuple[Report, Report, bool]]:
    """All pairs of one place: the same matter or not."""
    found = []
    for _, here in itertools.groupby(labelled, key=lambda one: one.group):
        for one, other in itertools.combinations(list(here), 2):
            found.append((one.report, other.report, one.matter == other.matter))
    return found


def halves(labelled: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Places of even and of odd number: what is chosen on one is stated on the other."""
    return [one for one in labelled if one.group % 2 == 0], [one for one in labelled if one.group % 2]


def scored(found: Sequence[tuple[Report, Report, bool]]) -> list[tuple[float, bool]]:
    """The likeness of each pair, and whether it is the same matter."""
    return [(likeness(one, other) or 0.0, same) for one, other, same in found]


def quality(called: Sequence[tuple[float, bool]], threshold: float) -> Quality:
    """What this threshold gives on scored pairs."""
    return Quality(
        threshold,
        len(called),
        sum(same for _, same in called),
        sum(score >= threshold and same for score, same in called),
        sum(score >= threshold and not same for score, same in called),
    )


def choose(called: Sequence[tuple[float, bool]]) -> Quality:
    """The threshold with the best F1, in hundredths."""
    return max((quality(called, number / 100) for number in range(20, 90)), key=lambda one: one.f1)
