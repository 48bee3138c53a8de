"""The benchmark as one HTML file with the pictures of the worst scenes beside it. Nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined

from benchmarks.accuracy.figures import GOALS, Row, Spread, hidden_behind_buses, worst, wrongful_below
from benchmarks.accuracy.run import LONG, Outcome
from benchmarks.accuracy.score import Fault, TrueStay
from benchmarks.accuracy.script import draw_script
from benchmarks.accuracy.truth import true_stays
from benchmarks.simulator.scene import Scene
from edge_agent.frames import Image

_HERE = Path(__file__).parent
_SHOWN = 3
"""Pictures of one scene."""

_GREEN, _RED, _GREY = (80, 220, 60), (40, 40, 240), (170, 170, 170)


def chart(rows: Sequence[Row]) -> str:
    """F1 of every stratum with its interval, as SVG; the goal of each light is a tick."""
    shown = [row for row in rows if row.f1 is not None]
    height, left, width, top = 22 * len(shown) + 62, 170, 460, 32

    def across(value: float) -> float:
        return left + (max(0.5, value) - 0.5) * 2 * width

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 70} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="F1 by stratum with 95 % intervals">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<text x="10" y="14" font-size="14">F1 by stratum, with 95 % intervals; red: the goal of a light</text>',
    ]
    for tenth in range(5, 11):
        x = across(tenth / 10)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{height - 24}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle" fill="#555">{tenth / 10:g}</text>')
    for number, row in enumerate(shown):
        y = top + 14 + 22 * number
        assert row.f1 is not None
        low, high = (row.f1 if end is None else end for end in (row.f1_low, row.f1_high))
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{row.kind}: {row.name}</text>')
        parts.append(
            f'<line x1="{across(low):.1f}" x2="{across(high):.1f}" y1="{y}" y2="{y}" stroke="#1f5f99" stroke-width="3"/>'
        )
        parts.append(f'<circle cx="{across(row.f1):.1f}" cy="{y}" r="5" fill="#1f5f99"/>')
        if row.kind == "light" and row.name in GOALS:
            x = across(GOALS[row.name])
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8}" y2="{y + 8}" stroke="#c33" stroke-width="2"/>'
            )
        parts.append(f'<text x="{left + width + 14}" y="{y + 4}">{row.f1:.3f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def draw_fault(scene: Scene, stays: Sequence[TrueStay], fault: Fault) -> Image:
    """The picture of a fault: who really stands in green, at the zone's edge or outside of it grey, the case red."""
    picture = scene.render(min(max(0, fault.at_ms), scene.duration_ms)).copy()
    for stay in stays:
        if stay.stands(fault.at_ms):
            _frame(picture, stay.box, _GREEN if stay.role == "event" else _GREY, stay.id)
    if fault.box is not None:
        _frame(picture, fault.box, _RED, "case")
    words = f"{fault.at_ms / 1000:.0f} s: {fault.what} {fault.stay}"
    cv2.rectangle(picture, (0, picture.shape[0] - 26), (picture.shape[1], picture.shape[0]), (20, 20, 20), -1)
    cv2.putText(
        picture,
        words,
        (8, picture.shape[0] - 8),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.55,
        (240, 240, 240),
        1,
        cv2.LINE_AA,
    )
    return picture


def _frame(
    picture: Image, box: tuple[float, float, float, float], colour: tuple[int, int, int], name: str
) -> None:
    left, top, right, bottom = (round(side) for side in box)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, 2)
    cv2.putText(
        picture, name, (left + 3, max(12, top - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA
    )


def write_report(
    folder: Path,
    outcomes: Sequence[Outcome],
    rows: Sequence[Row],
    spreads: tuple[Spread, Spread],
    figures: dict[str, Any],
    facts: dict[str, str],
    command: str,
    *,
    tasks: int,
    missing: Sequence[str] = (),
) -> Path:
    """Write `report.html`, `chart.svg` and the pictures of the worst ten scenes.

    Args:
        folder: where to; it exists.
        outcomes, rows, spreads: the scenes and what they sum up to.
        figures: the summary.
        facts: machine and versions.
        command: that made it.
        tasks: in all scenes and clips.
        missing: files of real clips that were not there.

    Returns:
        The page.
    """
    svg = chart(rows)
    (folder / "chart.svg").write_text(svg, "utf-8")
    for old in folder.glob("worst-??-*.png"):  # of a run that was worse
        old.unlink()
    scenes = []
    for place, outcome in enumerate(worst(outcomes), start=1):
        pictures = []
        if outcome.number != LONG:
            scene = Scene.from_dict(draw_script(outcome.seed, outcome.number).scene)
            stays = true_stays(scene, occlusion=False)
            for number, fault in enumerate(outcome.judgement.faults[:_SHOWN], start=1):
                name = f"worst-{place:02d}-{number}-{re.sub('[^a-z0-9]+', '-', outcome.name)}.png"
                _, data = cv2.imencode(".png", draw_fault(scene, stays, fault))
                (folder / name).write_bytes(np.asarray(data).tobytes())
                pictures.append(name)
        scenes.append({"name": outcome.name, "faults": outcome.judgement.faults, "pictures": pictures})
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string((_HERE / "report.html.j2").read_text("utf-8")).render(
        svg=svg, rows=[asdict(row) for row in rows], scenes=scenes, figures=figures, facts=facts, command=command,
        starts=asdict(spreads[0]), ends=asdict(spreads[1]), bound=wrongful_below(figures["wrongful_tasks"], tasks),
        buses=hidden_behind_buses(outcomes), missing=missing,
    )  # fmt: skip
    path = folder / "report.html"
    path.write_text(page, "utf-8")
    return path
