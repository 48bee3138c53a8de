"""The surfaces of a car from its measures, so that windows, doors and lamps can be laid on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.simulator._mesh import curve
from benchmarks.simulator._paint import Vector


@dataclass(frozen=True)
class CarShape:
    """Measures of a car, metres. Lengthwise positions run from the rear bumper (-length/2) forward."""

    length: float
    width: float
    height: float
    belt: float
    """Height of the lower window edge."""
    bonnet: float
    """Height of the bonnet's front edge."""
    tail: float
    """Height of the boot lid, or the belt where there is none."""
    screen_foot: float
    screen_top: float
    rear_top: float
    rear_foot: float
    wheel: float
    """Wheel radius."""
    axles: tuple[float, float]
    clearance: float = 0.20
    roof_taper: float = 0.70
    """Half width of the roof as a share of the body's."""
    side_windows: tuple[tuple[float, float], ...] = ((0.07, 0.45), (0.49, 0.92))
    roof_rails: bool = False


# Cross-section of the lower body: share of the half width at a share of the shoulder height.
SECTION = ((0.0, 0.90), (0.13, 0.975), (0.45, 1.0), (0.68, 0.985), (0.86, 0.965), (0.95, 0.93), (1.0, 0.84))


class CarBody:
    """The surfaces of a car, so that windows, doors and lamps can be laid on them."""

    def __init__(self, shape: CarShape) -> None:
        self.shape = s = shape
        half = s.length / 2
        self.half = half
        self.shoulder = curve(
            (-half, s.tail - 0.16), (-half + 0.12, s.tail - 0.03), (s.rear_foot, s.belt),
            (s.screen_foot, s.belt), (half - 0.35, s.bonnet + 0.05), (half - 0.08, s.bonnet - 0.02), (half, s.bonnet - 0.08),
        )  # fmt: skip
        self.taper = curve(
            (-half, 0.84), (-half + 0.10, 0.925), (-half + 0.35, 0.975), (-half + 0.8, 1.0),
            (half - 1.0, 1.0), (half - 0.4, 0.965), (half - 0.12, 0.90), (half, 0.80),
        )  # fmt: skip
        self._rise = [k[0] for k in SECTION]
        self._share = [k[1] for k in SECTION]

    def side(self, x: float, z: float, lift: float = 0.0) -> Vector:
        """The point of the left side at (x, z), `lift` metres proud of it."""
        s = self.shape
        rise = (z - s.clearance) / max(self.shoulder(x) - s.clearance, 0.05)
        share = float(np.interp(rise, self._rise, self._share))
        return (x, s.width / 2 * self.taper(x) * share + lift, z)

    def end_x(self, y: float, z: float, facing: float) -> float:
        """How far forward (or back) the front (or rear) reaches at (y, z)."""
        s = self.shape
        end_half = s.width / 2 * self.taper(facing * self.half)
        bow = 0.16 if facing > 0 else 0.10
        bulge = curve((0.2, -0.10), (0.32, -0.01), (0.55, 0.0), (0.68, -0.05), (1.1, -0.10))(z)
        return facing * (self.half - bow + bow * (1 - min(1.0, (y / end_half) ** 2)) + bulge)

    def end(self, y: float, z: float, facing: float, lift: float = 0.012) -> Vector:
        return (self.end_x(y, z, facing) + facing * lift, y, z)

    def cabin(self, level: float) -> tuple[float, float, float, float, float]:
        """Front x, rear x, half width at the front, half width at the rear and height, from belt 0 to roof edge 1."""
        s = self.shape
        foot, top = s.width / 2 * 0.885, s.width / 2 * s.roof_taper
        half = foot + (top - foot) * level
        return (
            s.screen_foot + (s.screen_top - s.screen_foot) * level,
            s.rear_foot + (s.rear_top - s.rear_foot) * level,
            half * 0.985,
            half * 0.95,
            s.belt - 0.02 + (s.height - 0.075 - s.belt + 0.02) * level,
        )

    def screen(self, across: float, level: float, facing: float, lift: float = 0.015) -> Vector:
        """A point of the windscreen (or rear window); across -1 to 1, level 0 to 1."""
        front, rear, half_front, half_rear, z = self.cabin(level)
        x, half = (front, half_front) if facing > 0 else (rear, half_rear)
        return (x + facing * (0.10 * (1 - across**2) + lift), across * half, z + lift * 0.5)

    def window(self, along: float, level: float, lift: float = 0.014) -> Vector:
        """A point of the cabin's left side; along 0 at the rear to 1 at the windscreen."""
        front, rear, half_front, half_rear, z = self.cabin(level)
        return (rear + (front - rear) * along, half_rear + (half_front - half_rear) * along + lift, z)
