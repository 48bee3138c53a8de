"""The labelled reports of `matters.txt`, pairs of them, and precision and recall at a threshold. Pure."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from central.cases.alike import METRES_PER_DEGREE, Report
from central.voice.likeness import likeness, measures, see

FILE = Path(__file__).with_name("matters.txt")
HELD_OUT = FILE.with_name("held-out.txt")
"""What is tuned on, and what is not looked at while it is."""

DAY_MS = 86_400_000
ORIGIN = (116.34, 39.91)
SPREAD_DAYS = 14.0
"""Within so many days people tell of one matter, most of them in the first few."""

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
            at_ms = round((day + SPREAD_DAYS * dice.random() ** 2) * DAY_MS)
            report = Report(len(found) + 1, at_ms, longitude, latitude, text.strip(), "", place.strip())
            found.append(Labelled(group, matter, report))
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """A pair: what it is measured by, whether it is one matter, its places, whether both have a position."""

    parts: dict[str, float]
    same: bool
    groups: frozenset[int]
    placed: bool


ALIKE = 4
"""Reports of other places that each report is compared with where positions are missing: those that read most like it."""


def measured(labelled: Sequence[Labelled]) -> list[Measured]:
    """All pairs of one place; the same without positions, and with the pairs of two places that read most alike.

    Whoever gives no position is compared with the whole city, so the words for the place have to carry more.
    """
    seen = [see(one.report) for one in labelled]
    blind = [see(_unplaced(one.report)) for one in labelled]
    found: list[Measured] = []
    far: dict[int, list[tuple[float, int, Measured]]] = {}
    for one, other in itertools.combinations(range(len(labelled)), 2):
        groups = frozenset((labelled[one].group, labelled[other].group))
        same = labelled[one].matter == labelled[other].matter
        without = measures(blind[one], blind[other])
        if len(groups) == 1:
            for parts, placed in ((measures(seen[one], seen[other]), True), (without, False)):
                if parts is not None:  # else too far apart: never the same, whatever the weights
                    found.append(Measured(parts, same, groups, placed))
        elif without is not None:
            how = without["things"] + without["letters"]
            far.setdefault(one, []).append((how, other, Measured(without, False, groups, False)))
    for pairs_ in far.values():
        found += [pair for _, _, pair in sorted(pairs_, key=lambda each: (-each[0], each[1]))[:ALIKE]]
    return found


def scored(labelled: Sequence[Labelled], *, placed: bool = True) -> list[tuple[float, bool]]:
    """The likeness of each pair of one place, or of any two reports without their positions; and whether it is the same matter."""
    seen = [see(one.report if placed else _unplaced(one.report)) for one in labelled]
    return [
        (likeness(seen[one], seen[other]) or 0.0, labelled[one].matter == labelled[other].matter)
        for one, other in itertools.combinations(range(len(labelled)), 2)
        if not placed or labelled[one].group == labelled[other].group
    ]


def _unplaced(report: Report) -> Report:
    return replace(report, longitude=None, latitude=None)


def quality(called: Sequence[tuple[float, bool]], threshold: float) -> Quality:
    """What this threshold gives on scored pairs."""
    return Quality(
        threshold,
        len(called),
        sum(same for _, same in called),
        sum(score >= threshold and same for score, same in called),
        sum(score >= threshold and not same for score, same in called),
    )


PRECISION = 0.85
"""Of what is shown, so much is to be the same: a wrong suggestion may draw a report into another matter."""


def choose(called: Sequence[tuple[float, bool]]) -> Quality:
    """The lowest threshold, in hundredths, that reaches `PRECISION`; the most precise where none does."""
    tried = [quality(called, number / 100) for number in range(20, 96)]
    return next(
        (one for one in tried if one.precision >= PRECISION), max(tried, key=lambda one: one.precision)
    )
