"""How well and how fast `zones` says who stands where: `patrol bench zones`."""

from benchmarks.zones.decisions import METHODS, Row, Tally, count_views, jittered
from benchmarks.zones.detected import count_detected
from benchmarks.zones.speed import Speed, measure_speed
from benchmarks.zones.street import Standing, View, draw_views

__all__ = [
    "METHODS",
    "Row",
    "Speed",
    "Standing",
    "Tally",
    "View",
    "count_detected",
    "count_views",
    "draw_views",
    "jittered",
    "measure_speed",
]
