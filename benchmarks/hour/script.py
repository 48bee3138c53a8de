"""What happens in the hour: pure, and the same for the same seed.

Each part - residents, hotline, devices, the city's app, shops - writes its own stories and counts them; a new part joins here (`Script`,
`write`, `count`), in `run.play` with its lives, and in `compare.published` with its figures.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.hour import city, devices, hotline, residents, shops
from benchmarks.hour.ground import HOUR, MINUTE, PLACES
from benchmarks.hour.tally import Tally
from protocol.errors import PatrolError

TAIL_MS = 45 * MINUTE
"""From the last thing that somebody begins to the end of what follows from it, if everybody is in time."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much happens: matters of residents, calls, devices, requests of the city's app, shops."""

    matters: int
    calls: int
    devices: int
    requests: int
    shops: int


@dataclass(frozen=True, slots=True)
class Script:
    """The whole hour."""

    seed: int
    hours: float
    matters: tuple[residents.Matter, ...]
    calls: tuple[hotline.Ring, ...]
    devices: tuple[devices.Device, ...]
    requests: tuple[city.Report, ...]
    shops: tuple[shops.Shop, ...]

    @property
    def ends_ms(self) -> int:
        """When nothing new begins any more."""
        return round(self.hours * HOUR)


def write(*, seed: int, hours: float, sizes: Sizes) -> Script:
    """An hour by the dice.

    Raises:
        PatrolError: so many stories have no places that lie far enough apart.
    """
    for field, wanted in (
        ("--matters", sizes.matters),
        ("--requests", sizes.requests),
        ("--devices", sizes.devices),
        ("--shops", sizes.shops),
    ):
        if wanted > PLACES:
            raise PatrolError(
                "so many have no places that lie far enough apart",
                field=field,
                value=wanted,
                mend=f"Give {PLACES} at most.",
            )
    arriving = round(hours * HOUR)
    # A generator for each part: more calls do not change what devices do.
    return Script(
        seed,
        hours,
        tuple(residents.write(random.Random(f"{seed} residents"), sizes.matters, arriving)),
        tuple(hotline.write(random.Random(f"{seed} hotline"), sizes.calls, arriving)),
        tuple(devices.write(random.Random(f"{seed} devices"), sizes.devices, arriving)),
        tuple(city.write(random.Random(f"{seed} city"), sizes.requests, arriving)),
        tuple(shops.write(random.Random(f"{seed} shops"), sizes.shops, arriving)),
    )


def count(script: Script) -> Tally:
    """All figures."""
    tally = Tally()
    residents.count(list(script.matters), tally)
    hotline.count(list(script.calls), tally)
    devices.count(list(script.devices), tally)
    city.count(list(script.requests), tally)
    shops.count(list(script.shops), tally)
    return tally
