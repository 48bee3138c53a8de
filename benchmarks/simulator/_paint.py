"""Colours and finishes that vehicles share: BGR, 0 to 1."""

from __future__ import annotations

GLASS_BANDS = ((0.085, 0.080, 0.075), (0.10, 0.095, 0.09), (0.125, 0.115, 0.105), (0.155, 0.14, 0.125))
"""A pane from its lower to its upper edge."""

GLASS_GLOSS = 2.0
"""Glass shows more of the sky than paint does."""

TRIM = (0.075, 0.075, 0.075)
CHROME = (0.62, 0.62, 0.62)
LAMP_GLASS = (0.80, 0.80, 0.78)
RED = (0.10, 0.08, 0.55)
AMBER = (0.10, 0.42, 0.85)

Vector = tuple[float, float, float]
