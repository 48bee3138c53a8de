"""How fast bays are found, and how fast the driver's page is while many open it."""

from benchmarks.bays.measure import measure_page, measure_search, measure_watch
from benchmarks.bays.town import Town, make_town

__all__ = ["Town", "make_town", "measure_page", "measure_search", "measure_watch"]
