"""Where to draw the line between a reading that may be acted upon and one that may not. Pure but for the file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

PRECISION = 0.999
"""Precision that a threshold has to keep."""

DOUBT = 1.5
"""A threshold must also keep the mean doubt (one less confidence) of what it lets pass below this many times the errors
allowed: some hundred pictures without an error do not show one error in a thousand."""

HALVINGS = 20
"""How often a set is halved at random; every picture is then measured this often by a threshold found without it."""

NORMAL_95 = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


class Calibration(BaseModel):
    """The threshold in force and how it was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float = Field(
        gt=0, le=1, title="Threshold", description="Confidence from which a reading is accepted."
    )
    precision: float = Field(
        gt=0, le=1, title="Precision", description="Share of right ones that it has to keep."
    )
    found: str = Field(title="Found", description="Date.")
    set: str = Field(title="Set", description="What it was found on.")
    method: str = Field(title="Method", description="How.")


@cache
def in_force() -> Calibration:
    """The calibration that comes with the weights."""
    text = (resources.files("models.plates") / "calibration.toml").read_text(encoding="utf-8")
    return Calibration.model_validate(tomllib.loads(text))


class Judged(Protocol):
    """A picture that was read and whose plate is known."""

    @property
    def text(self) -> str | None: ...
    @property
    def confidence(self) -> float: ...
    @property
    def right(self) -> bool: ...


def choose_threshold(outcomes: Sequence[Judged], precision: float = PRECISION) -> float:
    """The lowest confidence that keeps the precision, by what was observed and by the reader's own doubts.

    Returns:
        1.0 where no confidence keeps it.
    """
    ranked = sorted(outcomes, key=lambda outcome: -outcome.confidence)
    errors, doubt, chosen = 0, 0.0, 1.0
    for count, outcome in enumerate(ranked, start=1):
        errors += not outcome.right
        doubt += 1 - outcome.confidence
        kept = errors <= (1 - precision) * count and doubt <= DOUBT * (1 - precision) * count
        last_of_equals = count == len(ranked) or ranked[count].confidence < outcome.confidence
        if kept and last_of_equals:
            chosen = outcome.confidence
    return chosen


def accepted(outcomes: Sequence[Judged], threshold: float) -> tuple[int, int]:
    """How many readings reach the threshold, and how many of those are right."""
    passed = [outcome for outcome in outcomes if outcome.text is not None and outcome.confidence >= threshold]
    return len(passed), sum(outcome.right for outcome in passed)


def at_threshold(outcomes: Sequence[Judged], threshold: float) -> tuple[float, float]:
    """Coverage and precision of the readings at or above a threshold; precision is 1 where nothing passes."""
    passed, right = accepted(outcomes, threshold)
    return (passed / len(outcomes), right / passed) if passed else (0.0, 1.0)


def wilson(right: int, n: int) -> tuple[float, float]:
    """95% interval of a share that was seen as `right` of `n` (Wilson, JASA 22, 1927); 0 to 1 where n is 0."""
    if n == 0:
        return 0.0, 1.0
    square = NORMAL_95**2
    middle = (right + square / 2) / (n + square)
    reach = NORMAL_95 / (n + square) * math.sqrt(right * (n - right) / n + square / 4)
    return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True)
class Halvings:
    """Thresholds found on random halves and measured on the others.

    Attributes:
        times: how many halvings; each measures both halves.
        thresholds: lowest, median and highest of those chosen.
        coverage: share accepted, over all measurements.
        precision: share right of those accepted, over all measurements.
        interval: 95% Wilson interval of the precision, for as many accepted *pictures* as there are on average: the
            measurements of one picture are not independent, so that they count once together.
        worst: lowest precision of any one half.
    """

    times: int
    thresholds: tuple[float, float, float]
    coverage: float
    precision: float
    interval: tuple[float, float]
    worst: float


def halvings(
    outcomes: Sequence[Judged],
    stratum: Callable[[int], Hashable],
    *,
    times: int = HALVINGS,
    seed: int = 0,
    precision: float = PRECISION,
) -> Halvings | None:
    """Choose on one half and measure on the other, `times` times in both directions.

    Args:
        outcomes: of one set, in any order that is always the same.
        stratum: number of an outcome -> what both halves must hold alike.
        seed: of the halvings.

    Returns:
        None where there are too few pictures for two halves.
    """
    if len(outcomes) < 4:
        return None
    rng = np.random.default_rng(seed)
    groups: dict[Hashable, list[int]] = {}
    for number in range(len(outcomes)):
        groups.setdefault(stratum(number), []).append(number)
    thresholds, shares = [], []
    passed = right = measured = 0
    for _ in range(times):
        halves: tuple[list[Judged], list[Judged]] = ([], [])
        side = 0
        for members in groups.values():
            # Dealt out in turn, so that halves differ by one picture at most.
            for number in rng.permutation(members):
                halves[side].append(outcomes[number])
                side = 1 - side
        for one, other in (halves, halves[::-1]):
            threshold = choose_threshold(one, precision)
            count, good = accepted(other, threshold)
            thresholds.append(threshold)
            shares.append(good / count if count else 1.0)
            passed, right, measured = passed + count, right + good, measured + len(other)
    alone = passed * len(outcomes) / measured
    share = right / passed if passed else 1.0
    return Halvings(
        times=times,
        thresholds=(min(thresholds), float(np.median(thresholds)), max(thresholds)),
        coverage=passed / measured,
        precision=share,
        interval=wilson(round(share * alone), round(alone)),
        worst=min(shares),
    )
