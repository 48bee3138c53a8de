"""A draft as a zone file and as a picture, for a person to correct."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.frames import Image
from edge_agent.zone_tools.suggest.draft import Draft
from edge_agent.zone_tools.suggest.gather import Heat
from zones import Picture, Zone, ZoneFile
from zones.files import dump_zone_file

_HEAD = """\
# A DRAFT, proposed by `patrol zones suggest` from {seconds:.0f} s of {source}. Nobody has checked it.
# Correct it (patrol zones edit), check it (patrol zones lint), then try it on a recording before it is published.
"""


def zones_of(draft: Draft, heat: Heat, camera: str | None = None) -> ZoneFile | None:
    """The proposals as a zone file, or None where there are none."""
    zones = []
    for kind, stem, name in (("no_parking", "pavement", "Pavement"), ("parking_bay", "bay", "Bay")):
        proposals = [each for each in draft.proposals if each.kind == kind]
        zones += [
            Zone(id=f"{stem}-{number}", name=f"{name} {number} (draft)", kind=each.kind, polygon=each.polygon)
            for number, each in enumerate(proposals, start=1)
        ]
    if not zones:
        return None
    return ZoneFile(camera=camera, picture=Picture(width=heat.width, height=heat.height), zone=tuple(zones))


def draft_text(draft: Draft, heat: Heat, *, source: str, camera: str | None = None) -> str | None:
    """The draft as TOML, with what it rests on as comments above each zone; None where nothing could be proposed."""
    file = zones_of(draft, heat, camera)
    if file is None:
        return None
    printable = "".join(letter if letter.isprintable() else "?" for letter in source)
    lines = [_HEAD.format(seconds=heat.seconds, source=printable)]
    reasons = iter(draft.proposals)
    for line in dump_zone_file(file).splitlines():
        if line == "[[zone]]":
            each = next(reasons)
            lines.append(f"# {each.why}; sureness {each.sureness:.2f}\n")
        lines.append(line + "\n")
    return "".join(lines)


def heat_picture(heat: Heat) -> Image:
    """The last picture with feet in red and wheels in blue, whole size."""
    picture = heat.last.astype(np.float32)
    size = (heat.width, heat.height)
    for values, colour in ((heat.wheels, (255.0, 120.0, 30.0)), (heat.feet, (40.0, 40.0, 255.0))):
        if not (values > 0).any():
            continue
        top = float(np.percentile(values[values > 0], 90))
        share = np.clip(cv2.resize(values, size) / top, 0, 1)[..., None] * 0.55
        picture = picture * (1 - share) + np.asarray(colour, np.float32) * share
    return picture.astype(np.uint8)
