"""Zones: polygons with rules, how a vehicle's footprint is measured against them, and the files they live in.

Everything here is pure: a zone file and a box always give the same answer, with a `why` that a person can read.
"""

from zones.files import dump_zone_file, examine_zone_file, load_zone_file, parse_zone_file
from zones.geometry import Box, footprint
from zones.lint import Remark, lint
from zones.model import Picture, Zone, ZoneFile
from zones.presence import Presence, ZoneIndex

__all__ = [
    "Box",
    "Picture",
    "Presence",
    "Remark",
    "Zone",
    "ZoneFile",
    "ZoneIndex",
    "dump_zone_file",
    "examine_zone_file",
    "footprint",
    "lint",
    "load_zone_file",
    "parse_zone_file",
]
