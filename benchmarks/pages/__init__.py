"""How fast the centre's lists and maps answer with a million cases behind them."""

from benchmarks.pages.fill import Size, fill
from benchmarks.pages.measure import Figure, measure

__all__ = ["Figure", "Size", "fill", "measure"]
