"""The rehearsal as one HTML file: nothing is loaded from elsewhere, no script runs, the same input gives the same bytes."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined

from edge_agent.rehearsal.flips import CAVEATS, KINDS, Flip, count_kinds
from edge_agent.rehearsal.run import Rehearsal
from edge_agent.rehearsal.words import (
    Said,
    difference_said,
    ground_said,
    label_said,
    local,
    outcome_said,
)
from edge_agent.rests import zones_version
from zones.diff import same_shape
from zones.diff_pictures import draw_difference
from zones.pictures import Image

Language = Literal["zh-Hans", "en"]

MOST = 1_000
"""Entries in a report. More cannot be looked at by anybody; the JSON has all."""

_WIDTH = 1_280
_QUALITY = 82

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class _Entry:
    """One flip, as the template shows it."""

    number: int
    kind: str
    kinds: tuple[tuple[str, Said], ...]
    date: str
    time: str
    until: str | None
    label: Said
    place: str
    camera: str
    box: str
    picture: str | None
    old: Said
    new: Said
    old_why: Said
    new_why: Said
    caveats: tuple[Said, ...]


def html_report(
    rehearsal: Rehearsal, *, picture: Image | None = None, language: Language = "zh-Hans"
) -> bytes:
    """The whole report.

    Args:
        rehearsal: what was found.
        picture: a picture of the camera to draw the zones over; else a plain sheet.
        language: which of both languages is shown first; the reader can switch.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((_HERE / "report.html.j2").read_text("utf-8"))
    counted = count_kinds(rehearsal.flips)
    zone = rehearsal.new.time_zone
    facts: dict[str, Any] = {
        "css": (_HERE / "report.css").read_text("utf-8"),
        "language": language,
        "rehearsal": rehearsal,
        "difference_picture": _difference_picture(rehearsal, picture),
        "difference": difference_said(rehearsal.difference),
        "ground": None
        if rehearsal.difference.forbidden is None
        else ground_said(rehearsal.difference.forbidden),
        "kinds": [(kind, Said(*KINDS[kind]), counted[kind]) for kind in KINDS if counted[kind]],
        "entries": [_entry(n, flip, rehearsal) for n, flip in enumerate(rehearsal.flips[:MOST], start=1)],
        "left_out": max(0, len(rehearsal.flips) - MOST),
        "first": local(rehearsal.first_ms, zone),
        "last": local(rehearsal.last_ms, zone),
        "old_version": zones_version(rehearsal.old),
        "new_version": zones_version(rehearsal.new),
        "differing": [
            (local(one.at_ms, zone), label_said(one.label), one.told, one.recomputed)
            for one in rehearsal.history_differs
        ],
    }
    return template.render(**facts).encode()


def _entry(number: int, flip: Flip, rehearsal: Rehearsal) -> _Entry:
    zone = rehearsal.new.time_zone
    jpeg = rehearsal.pictures.get(flip.rest_id)
    moment = local(flip.at_ms, zone)
    until = None if flip.until_ms is None else local(flip.until_ms, zone)
    if until is not None and until[:10] == moment[:10]:
        until = until[11:]
    return _Entry(
        number=number,
        kind=flip.kinds[0],
        kinds=tuple((kind, Said(*KINDS[kind])) for kind in flip.kinds),
        date=moment[:10],
        time=moment[11:],
        until=until,
        label=label_said(flip.label),
        place=flip.place,
        camera=flip.camera,
        box=", ".join(f"{side:.0f}" for side in flip.box),
        picture=None if jpeg is None else _uri(jpeg),
        old=outcome_said(flip.old.cases, zone),
        new=outcome_said(flip.new.cases, zone),
        old_why=Said(flip.old.reason.en, flip.old.reason.zh),
        new_why=Said(flip.new.reason.en, flip.new.reason.zh),
        caveats=tuple(Said(*CAVEATS[caveat]) for caveat in flip.caveats),
    )


def _difference_picture(rehearsal: Rehearsal, picture: Image | None) -> str | None:
    if not same_shape(rehearsal.old, rehearsal.new):
        return None
    drawn = draw_difference(rehearsal.old, rehearsal.new, rehearsal.difference, picture, legend=False)
    height, width = drawn.shape[:2]
    if width > _WIDTH:
        drawn = np.asarray(
            cv2.resize(drawn, (_WIDTH, round(height * _WIDTH / width)), interpolation=cv2.INTER_AREA)
        )
    _, data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return _uri(data.tobytes())


def _uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def json_report(rehearsal: Rehearsal) -> dict[str, Any]:
    """The whole rehearsal for machines; instants are UTC milliseconds and text in the camera's own time."""
    zone = rehearsal.new.time_zone

    def side(verdict: Any) -> dict[str, Any]:
        return {
            "outcome": outcome_said(verdict.cases, zone).en,
            "why": verdict.reason.en,
            "reason": verdict.reason.kind,
            "cases": [
                {
                    key: value
                    for key, value in asdict(decided).items()
                    if key not in ("plate_mark", "zone_version")
                }
                for decided in verdict.cases
            ],
        }

    return {
        "camera": rehearsal.camera,
        "sources": list(rehearsal.sources),
        "how": rehearsal.how,
        "old": {"from": rehearsal.old_from, "version": zones_version(rehearsal.old)},
        "new": {"version": zones_version(rehearsal.new)},
        "from": local(rehearsal.first_ms, zone),
        "to": local(rehearsal.last_ms, zone),
        "looked_at": {"stays": rehearsal.stays, "other_rests": rehearsal.places},
        "flips_by_kind": count_kinds(rehearsal.flips),
        "flips": [
            {
                "rest": flip.rest_id,
                "camera": flip.camera,
                "at_ms": flip.at_ms,
                "until_ms": flip.until_ms,
                "time": local(flip.at_ms, zone),
                "class": flip.label,
                "place": flip.place,
                "box": list(flip.box),
                "kinds": list(flip.kinds),
                "old": side(flip.old),
                "new": side(flip.new),
                "caveats": list(flip.caveats),
            }
            for flip in rehearsal.flips
        ],
        "history_differs": [asdict(one) for one in rehearsal.history_differs],
        "not_seen": [asdict(one) for one in rehearsal.not_seen],
        "assumed": {"warning_takes_s": rehearsal.usual_delay_s},
        "difference": asdict(rehearsal.difference),
    }
