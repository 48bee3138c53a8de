"""Weights of `central.voice.likeness`, fitted to labelled pairs: logistic regression with a small ridge. Pure, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.voice.labelled import Labelled, Measured, Quality, choose, measured
from central.voice.likeness import FEATURES

RIDGE = 1.0
"""Pulls weights towards nothing, so that a measure that few pairs have does not run away."""

ROUNDS = 60

Floats = npt.NDArray[np.float64]


def fit(found: Sequence[Measured]) -> dict[str, float]:
    """The weight of each measure and of `bias`, by Newton's method."""
    asked = np.array([[1.0, *(one.parts[name] for name in FEATURES)] for one in found])
    same = np.array([float(one.same) for one in found])
    ridge = RIDGE * np.eye(asked.shape[1])
    ridge[0, 0] = 1e-6
    weights: Floats = np.zeros(asked.shape[1])
    for _ in range(ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(asked @ weights, -60, 60)))
        slope = asked.T @ (likely - same) + ridge @ weights
        bend = (asked * (likely * (1 - likely))[:, None]).T @ asked + ridge
        step = np.linalg.solve(bend, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    return dict(zip(("bias", *FEATURES), (round(float(each), 3) for each in weights), strict=True))


def likely(parts: dict[str, float], weights: dict[str, float]) -> float:
    """The likeness that weights give."""
    total = weights["bias"] + sum(weights[name] * value for name, value in parts.items())
    return float(1 / (1 + np.exp(-np.clip(total, -60, 60))))


def crossed(labelled: Sequence[Labelled]) -> Quality:
    """The threshold that is chosen where each place is judged by weights fitted to the other places: so it is chosen on unseen pairs."""
    called: list[tuple[float, bool]] = []
    every = measured(labelled)
    for group in sorted({one.group for one in labelled}):
        weights = fit([one for one in every if group not in one.groups])
        called += [
            (likely(one.parts, weights), one.same) for one in every if group in one.groups and one.placed
        ]
    return choose(called)


def write(path: Path, labelled: Sequence[Labelled]) -> Quality:
    """Fit, and write weights and threshold; what they give where each place is judged by the others."""
    found = crossed(labelled)
    weights = fit(measured(labelled))
    lines = [
        "# Written by `patrol bench voice --database none --fit FILE` from benchmarks/voice/matters.txt. What each measure is:",
        "# central/voice/likeness.py. The threshold is the lowest that reaches a precision of 0.85 where each place is judged by weights of the other places.",
        f"threshold = {found.threshold}",
        "",
        "[weights]",
        *(f"{name} = {value}" for name, value in weights.items()),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return found
