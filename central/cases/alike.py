"""How alike two reports are, and why: place, time, words, plate. Pure, symmetric, the same every time.

Each part is a number from 0 to 1. A part that one of the two does not tell is left out, and the weights of the others count.
Words are compared by pairs of neighbouring characters (Dice's coefficient over their multisets), which needs no dictionary and
serves Chinese and English alike.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import add

from central.cases.definition import Duplicates

WEIGHTS = {"place": 0.35, "time": 0.15, "text": 0.5}
PLATE_WEIGHT = 1.0
"""Two reports of one plate in one street within the hours of the rule are one matter, whatever words are used."""

METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Report:
    """What is compared. `at_ms` UTC milliseconds, position WGS-84 degrees."""

    number: int
    at_ms: int
    longitude: float | None = None
    latitude: float | None = None
    text: str = ""
    plate: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """How alike two reports are, with what it is made of."""

    total: float
    parts: dict[str, float]


def score(one: Report, other: Report, rule: Duplicates) -> Score | None:
    """How alike, or None where a bound of the rule is passed: too far, too long apart, other plates."""
    apart_ms = abs(one.at_ms - other.at_ms)
    if apart_ms > rule.minutes * 60_000:
        return None
    near = _place(one, other, rule.radius_m)
    if near is None:
        return None
    parts = {"place": near, "time": 1 - apart_ms / (rule.minutes * 60_000)}
    if one.plate and other.plate and one.plate != other.plate:
        return None
    if rule.same_plate and not (one.plate and other.plate):
        return None
    weights = dict(WEIGHTS)
    if one.plate and other.plate:
        parts["plate"], weights["plate"] = 1.0, PLATE_WEIGHT
    words, others = _pairs(one.text), pairs(other.text)
    if words and others:
        parts["text"] = dice(words, others)
    total = sum(weights[name] * part for name, part in parts.items()) / sum(weights[name] for name in parts)
    if not (words and others) and "plate" not in parts:
        # Nearness alone does not make two silent reports one matter.
        return None
    return Score(round(total, 4), {name: round(part, 4) for name, part in parts.items()})


def metres(one: Report, other: Report) -> float | None:
    """How far apart, on a plane that fits a city; None where one has no position."""
    if one.longitude is None or one.latitude is None or other.longitude is None or other.latitude is None:
        return None
    east = (one.longitude - other.longitude) * math.cos(math.radians((one.latitude + other.latitude) / 2))
    return math.hypot(east, one.latitude - other.latitude) * METRES_PER_DEGREE


def pairs(text: str) -> Counter[str]:
    """Pairs of neighbouring characters of a text without spaces, marks and differences of width or case."""
    plain = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
    return Counter(map(add, plain, plain[1:])) if len(plain) > 1 else Counter(plain)


_pairs = lru_cache(4)(pairs)
"""Of what is compared with many: read once."""


def dice(one: Counter[str], other: Counter[str]) -> float:
    """Twice what both have, by what each has."""
    size = one.total() + other.total()
    both = one.keys() & other.keys()
    shared = sum(map(min, map(one.__getitem__, both), map(other.__getitem__, both)))
    return 2 * shared / size if size else 0.0


def clusters(reports: Iterable[Report], rule: Duplicates) -> set[frozenset[int]]:
    """Reports that hang together by likeness: what the centre comes to whatever the order in which they arrive."""
    known = list(reports)
    group = {report.number: {report.number} for report in known}
    for at, one in enumerate(known):
        for other in known[:at]:
            found = score(one, other, rule)
            if found is not None and found.total >= rule.threshold:
                joined = group[one.number] | group[other.number]
                for number in joined:
                    group[number] = joined
    return {frozenset(numbers) for numbers in group.values()}


def _place(one: Report, other: Report, radius_m: float) -> float | None:
    apart = metres(one, other)
    if apart is not None:
        return 1 - apart / radius_m if apart <= radius_m else None
    # Where one has no position, only the same words for the place count.
    words, others = _pairs(one.place), pairs(other.place)
    return 1.0 if words and words == others else None
