"""The fault benchmark as a picture: what struck, by kind, and the agent's memory over the simulated week, in SVG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

_WIDTH, _LEFT, _BAR, _GAP = 860, 220, 16, 7
_PLOT_HIGH, _PLOT_LEFT = 150, 70
_COLOURS = {"accelerated": "#3566a8", "real": "#e0a030"}
_NAMES = {"accelerated": "accelerated runs", "real": "runs with real processes"}


def draw(faults: dict[str, Any]) -> str:
    """Bars and a line.

    Args:
        faults: as `patrol bench faults --json` writes it under that name.
    """
    parts: list[str] = []
    y = 74.0
    counts = {sort: _by_kind(faults.get(sort) or {}) for sort in _COLOURS}
    longest = max((max(kinds.values()) for kinds in counts.values() if kinds), default=1)
    scale = (_WIDTH - _LEFT - 90) / longest**0.5
    for kind in sorted({kind for kinds in counts.values() for kind in kinds}):
        shown = [(sort, counts[sort][kind]) for sort in _COLOURS if counts[sort][kind]]
        parts.append(_text(16, y + 12, kind))
        for sort, count in shown:
            # By the square root: there are thousands of one kind and a few of another.
            wide = max(1.0, scale * count**0.5)
            parts.append(
                f'<rect x="{_LEFT}" y="{y}" width="{wide:.1f}" height="{_BAR}" fill="{_COLOURS[sort]}"/>'
            )
            parts.append(_text(_LEFT + wide + 6, y + 12, f"{count:,}"))
            y += _BAR + 1
        y += _GAP
    week = faults.get("week")
    if week:
        y += 34
        parts.append(
            f'<text x="16" y="{y}" font-size="16" fill="#222222">Memory over {week["hours"]} hours of stream time, MB</text>'
        )
        y += 16
        parts += _line(week["rss_mb"], y)
        y += _PLOT_HIGH + 30
    x = 16
    legend = []
    for sort, colour in _COLOURS.items():
        legend.append(f'<rect x="{x}" y="42" width="12" height="12" fill="{colour}"/>')
        legend.append(_text(x + 18, 53, _NAMES[sort]))
        x += 190
    title = '<text x="16" y="26" font-size="16" fill="#222222">Faults by kind (length of the bars: square root)</text>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 16:.0f}" font-family="sans-serif" '
        f'font-size="13"><rect width="{_WIDTH}" height="{y + 16:.0f}" fill="#ffffff"/>'
    )
    return "\n".join([head, title, *legend, *parts, "</svg>", ""])


def _by_kind(part: dict[str, Any]) -> Counter[str]:
    """Counts; of what is told more closely (`broker's network: slow`), the kind alone."""
    found: Counter[str] = Counter()
    for kind, count in (part.get("kinds") or {}).items():
        found[kind.partition(":")[0]] += count
    return found


def _line(values: Sequence[float], top: float) -> list[str]:
    """One figure an hour, from zero up, so that growth looks no larger than it is."""
    highest = max(values) * 1.1
    wide = _WIDTH - _PLOT_LEFT - 40
    bottom = top + _PLOT_HIGH

    def at(number: int, value: float) -> str:
        x = _PLOT_LEFT + wide * number / max(1, len(values) - 1)
        return f"{x:.1f},{bottom - _PLOT_HIGH * value / highest:.1f}"

    points = " ".join(at(number, value) for number, value in enumerate(values))
    out = [
        f'<path d="M{_PLOT_LEFT} {top}V{bottom}H{_PLOT_LEFT + wide}" fill="none" stroke="#888888"/>',
        f'<polyline points="{points}" fill="none" stroke="{_COLOURS["accelerated"]}" stroke-width="2"/>',
        _text(16, bottom, "0"),
        _text(16, bottom - _PLOT_HIGH * values[-1] / highest + 4, f"{values[-1]:.0f}"),
        _text(_PLOT_LEFT, bottom + 18, "hour 1"),
        _text(_PLOT_LEFT + wide - 50, bottom + 18, f"hour {len(values)}"),
    ]
    return out


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#222222">{escape(text)}</text>'
