"""A random street, second by second: who stands where, what hides it, and when there is no picture. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

CONFIRM_S, GRACE_S, WINDOW_S = 4, 8, 24
"""Shortened clocks: confirmation, time to leave, and how long after it a fresh picture is waited for; seconds."""

SPOTS = 2
LIGHTS = ("day", "bus", "dark", "gone")
Light = Literal["day", "bus", "dark", "gone"]
"""bus: a bus hides both places; dark: a picture in which nothing is to be seen; gone: no picture at all."""


@dataclass(frozen=True, slots=True)
class Stand:
    """One vehicle's stay: beats from `comes` up to, not including, `goes`."""

    name: str
    spot: int
    comes: int
    goes: int
    plate: str
    known: bool


@dataclass(frozen=True, slots=True)
class Script:
    """What happens.

    Attributes:
        stands: all stays, in order of arrival at each place.
        lights: one for each beat of a second.
    """

    seed: int
    stands: tuple[Stand, ...]
    lights: tuple[Light, ...]

    def at(self, beat: int) -> tuple[Stand | None, ...]:
        """Who stands at each place."""
        found: list[Stand | None] = [None] * SPOTS
        for stand in self.stands:
            if stand.comes <= beat < stand.goes:
                found[stand.spot] = stand
        return tuple(found)

    def light(self, beat: int) -> Light:
        return self.lights[beat] if 0 <= beat < len(self.lights) else "day"


def draw_script(seed: int, beats: int = 90) -> Script:
    """A script of that many beats; all have left some beats before its end."""
    dice = random.Random(f"script {seed}")
    stands: list[Stand] = []
    for spot in range(SPOTS):
        at = dice.randint(1, 8)
        while at < beats - 12:
            length = dice.choice((2, 7, 14, 20, 45, 60, 70))
            goes = min(at + length, beats - 6)
            number = len(stands)
            plate = f"沪A{seed % 10_000:04d}{number % 10}"
            stands.append(Stand(f"v{number}", spot, at, goes, plate, dice.random() < 0.8))
            at = goes + dice.choice((0, 9, 9, 14))
    lights: list[Light] = ["day"] * beats
    kinds: list[Light] = ["bus", "dark", "dark", "gone", "gone"]
    for kind in dice.sample(kinds, dice.randint(0, 4)):
        begins = dice.randrange(beats)
        # A bus that stays longer is a stay itself.
        lasts = dice.randint(1, 3 if kind == "bus" else 9)
        for beat in range(begins, min(beats, begins + lasts)):
            lights[beat] = kind
    return Script(seed, tuple(stands), tuple(lights))
