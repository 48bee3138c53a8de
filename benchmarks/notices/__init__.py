"""How long a warning takes from the confirmation of a violation to the gateway's door, through every real part."""

from benchmarks.notices.measure import measure

__all__ = ["measure"]
