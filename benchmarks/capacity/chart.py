"""The costs as a picture: one bar a way, its parts side by side, in SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from benchmarks.capacity.search import GOALS
from benchmarks.capacity.stage import PARTS

if TYPE_CHECKING:
    from benchmarks.capacity.search import Report

COLOURS = {
    "receive": "#3566a8", "decode": "#5aa0d8", "change test": "#67b99a", "inference": "#e0a030", "rest": "#9a9a9a",
}  # fmt: skip
_WIDTH, _LEFT, _BAR, _GAP = 860, 236, 26, 16


def draw(report: Report) -> str:
    """Bars of processor milliseconds per camera and second: the best stage of each stream (which ran with nothing missed, if
    one did), and the floor. Below, cameras a core: those that ran, and what the costs of the other ways allow."""
    bars: list[tuple[str, dict[str, float]]] = []
    ran: list[tuple[str, float, str]] = []
    if report.peer_cost:
        ran.append(("every picture, detection at 5 fps", 1 / report.peer_cost, "1080p, by its cost"))
    for stream in GOALS:
        if stage := report.costed(stream):
            bars.append((f"{stage.cameras} cameras, {stream} stream", stage.costs))
        if report.sustained(stream) is not None:
            ran.append(
                (f"the agent, {stream} stream", float(report.sustained(stream) or 0), "ran, nothing missed")
            )
    bars.append(("floor, main stream", {"rest": report.floor_cost}))
    if report.floor_cost:
        ran.append(("floor, main stream", 1 / report.floor_cost, "by its cost"))
    longest = max(sum(costs.values()) for _, costs in bars)
    scale = (_WIDTH - _LEFT - 150) / longest
    high = 80 + (len(bars) + len(ran)) * (_BAR + _GAP) + 80
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {high}" font-family="sans-serif" '
        f'font-size="13"><rect width="{_WIDTH}" height="{high}" fill="#ffffff"/>',
        '<text x="16" y="26" font-size="16" fill="#222222">Processor milliseconds per camera and second</text>',
    ]
    x = 16
    for part in PARTS:
        out.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{COLOURS[part]}"/>')
        out.append(f'<text x="{x + 18}" y="53" fill="#222222">{escape(part)}</text>')
        x += 40 + 8 * len(part)
    y = 74
    for name, costs in bars:
        out.append(f'<text x="16" y="{y + 18}" fill="#222222">{escape(name)}</text>')
        at = float(_LEFT)
        for part in PARTS:
            wide = costs.get(part, 0.0) * scale
            if wide:
                out.append(
                    f'<rect x="{at:.1f}" y="{y}" width="{wide:.1f}" height="{_BAR}" fill="{COLOURS[part]}"/>'
                )
            at += wide
        cost = sum(costs.values())
        out.append(
            f'<text x="{at + 8:.1f}" y="{y + 18}" fill="#222222">{1000 * cost:.1f} ms, 1/{1 / cost:.0f}</text>'
        )
        y += _BAR + _GAP
    peer = f"Every picture decoded, detection at 5 fps: {1000 * report.peer_cost:.0f} ms, off this scale."
    out.append(f'<text x="16" y="{y + 10}" fill="#222222">{peer}</text>')
    y += 50
    out.append(f'<text x="16" y="{y}" font-size="16" fill="#222222">Cameras that one core carries</text>')
    y += 18
    most = max((count for _, count, _ in ran), default=0) or 1
    for name, count, how in ran:
        wide = max(1.0, (_WIDTH - _LEFT - 190) * count / most)
        out.append(f'<text x="16" y="{y + 18}" fill="#222222">{escape(name)}</text>')
        out.append(
            f'<rect x="{_LEFT}" y="{y}" width="{wide:.1f}" height="{_BAR}" fill="{COLOURS["receive"]}"/>'
        )
        shown = f"{count:.1f}" if count < 10 else f"{count:.0f}"
        out.append(
            f'<text x="{_LEFT + wide + 8:.1f}" y="{y + 18}" fill="#222222">{shown}, {escape(how)}</text>'
        )
        y += _BAR + _GAP
    return "\n".join([*out, "</svg>"]) + "\n"
