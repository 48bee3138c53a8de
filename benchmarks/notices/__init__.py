"""How long a warning takes from the confirmation of a violation to the gateway's door, through every real part."""

from benchmarks.notices.measure import Figure, measure

__all__ = ["Figure", "measure"]
