"""Icons of the installed page, drawn from the SVG mark when static files are collected; no picture is kept in the source.

Phones want PNG. The mark has rectangles and stroked paths alone, so a small drawer is enough; a mark with anything else is
an error here and not an ugly icon.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage
from PIL import Image, ImageDraw

MARK = "patrol/mark.svg"

ICONS = {
    "field/icon-192.png": (192, False),
    "field/icon-512.png": (512, False),
    "field/icon-maskable-512.png": (512, True),
    "field/icon-touch-180.png": (180, True),
}
"""File -> edge in pixels, and whether the ground goes to the edge because the phone cuts its own shape."""

SAFE = 0.72
"""Part of a maskable icon that the mark fills: phones keep a circle of 80%."""

_SCALE = 4
_SVG = "{http://www.w3.org/2000/svg}"
_TOKEN = re.compile(r"[a-zA-Z]|-?(?:\d*\.\d+|\d+)")

Point = tuple[float, float]


class IconFinder(BaseFinder):
    """Gives the icons to `collectstatic` as if they lay in a folder."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self._storage: InMemoryStorage | None = None

    def check(self, **_: Any) -> list[Any]:
        return []

    def find(self, *_: Any, **__: Any) -> list[str]:
        return []

    def list(self, _ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        if self._storage is None:
            found = finders.find(MARK)
            assert isinstance(found, str), f"{MARK} is missing"
            mark = Path(found).read_text()
            self._storage = InMemoryStorage()
            for name, (edge, full) in ICONS.items():
                self._storage.save(name, ContentFile(draw(mark, edge, full=full)))
        for name in ICONS:
            yield name, self._storage


def draw(mark: str, edge: int, *, full: bool) -> bytes:
    """The mark as a PNG of `edge` x `edge` pixels; `full` lays its ground to the edges and keeps it within `SAFE`.

    Raises:
        ValueError: the mark holds something that is not drawn here.
    """
    root = ElementTree.fromstring(mark)  # noqa: S314 - our own file
    size = float(root.attrib["viewBox"].split()[2])
    pixels = edge * _SCALE
    scale = pixels / size * (SAFE if full else 1)
    shift = pixels * (1 - SAFE) / 2 if full else 0.0
    image = Image.new("RGBA", (pixels, pixels))
    pen = ImageDraw.Draw(image)

    def put(x: float, y: float) -> Point:
        return x * scale + shift, y * scale + shift

    for element, style in _walk(root, {}):
        if element.tag == f"{_SVG}rect":
            x, y, width, height, radius = (
                float(element.get(name, 0)) for name in ("x", "y", "width", "height", "rx")
            )
            if full:
                pen.rectangle((0, 0, pixels, pixels), fill=style["fill"])
            else:
                pen.rounded_rectangle(
                    (*put(x, y), *put(x + width, y + height)), radius * scale, style["fill"]
                )
        elif element.tag == f"{_SVG}path":
            width = float(style["stroke-width"]) * scale
            for line in _lines(element.attrib["d"]):
                points = [put(*point) for point in line]
                pen.line(points, fill=style["stroke"], width=round(width))
                for x, y in points:  # round caps and joins
                    half = width / 2
                    pen.ellipse((x - half, y - half, x + half, y + half), fill=style["stroke"])
        elif element.tag not in {f"{_SVG}g", f"{_SVG}svg"}:
            raise ValueError(f"the mark holds <{element.tag}>, which is not drawn")
    out = io.BytesIO()
    image.resize((edge, edge), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()


def _walk(
    element: ElementTree.Element, style: dict[str, str]
) -> Iterator[tuple[ElementTree.Element, dict[str, str]]]:
    style = {**style, **element.attrib}
    yield element, style
    for child in element:
        yield from _walk(child, style)


def _lines(path: str) -> list[list[Point]]:
    """The path's strokes as corners. The mark's arcs are small and their joins round, so an arc is its chord."""
    tokens = _TOKEN.findall(path)
    lines: list[list[Point]] = []
    x = y = 0.0
    command = ""
    at = 0

    def take(count: int) -> list[float]:
        nonlocal at
        at += count
        return [float(token) for token in tokens[at - count : at]]

    while at < len(tokens):
        if tokens[at].isalpha():
            command = tokens[at]
            at += 1
        dx, dy = (x, y) if command.islower() else (0.0, 0.0)
        match command.lower():
            case "m":
                across, down = take(2)
                x, y = dx + across, dy + down
                lines.append([(x, y)])
                command = "l" if command == "m" else "L"
                continue
            case "l":
                across, down = take(2)
                x, y = dx + across, dy + down
            case "h":
                x = dx + take(1)[0]
            case "v":
                y = dy + take(1)[0]
            case "a":
                *_, across, down = take(7)
                x, y = dx + across, dy + down
            case _:
                raise ValueError(f"the mark's path holds '{command}', which is not drawn")
        lines[-1].append((x, y))
    return lines
