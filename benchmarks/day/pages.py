"""What the statistics page and its tables say of the day."""

from __future__ import annotations

from benchmarks.day.world import World
from benchmarks.published import Published, log_in, read_csv, read_page


def fetch(world: World) -> Published:
    """Log in by the form and read everything of the day.

    Raises:
        UnavailableError: a page does not answer as it should.
    """
    web = log_in(world)
    asked = f"?from={world.day}&to={world.day}"
    found = read_page(web, world.url + "/statistics/" + asked)
    for name in ("figures", "places", "officers", "days", "precision"):
        found.tables[name] = read_csv(web, f"{world.url}/statistics/{name}.csv{asked}")
    return found
