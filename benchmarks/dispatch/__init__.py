"""From an agent's task to the officer's page: how long, and how many a second."""

from benchmarks.dispatch.measure import Processes, measure_chain, measure_flood
from benchmarks.dispatch.world import World

__all__ = ["Processes", "World", "measure_chain", "measure_flood"]
