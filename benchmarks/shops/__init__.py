"""Shops by the thousand: colours, the worklist, plates."""

from benchmarks.shops.fill import SHOPS, fill
from benchmarks.shops.measure import Figure, measure

__all__ = ["SHOPS", "Figure", "fill", "measure"]
