"""A recorded day of simulated stays, edits of its zones, and which decisions they must flip.

The day is decided by the real engine, which keeps a rest log. What an edit flips is worked out twice: by the rehearsal
from that log, and here from the simulator's ground truth alone.
"""

from benchmarks.rehearsal.day import live_through
from benchmarks.rehearsal.edits import EDITS, Edit
from benchmarks.rehearsal.street import Street, draw_lots
from benchmarks.rehearsal.truth import Expected, expect

__all__ = ["EDITS", "Edit", "Expected", "Street", "draw_lots", "expect", "live_through"]
