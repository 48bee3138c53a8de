"""The plate for the door: A6, as SVG for one shop and as PDF for as many as there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from central.shops.fonts import cut, outlines
from central.shops.models import Code
from central.shops.register import address_of
from zones.writing import write_whole

WIDTH_MM, HEIGHT_MM = 105.0, 148.0
CODE_MM = 66.0
NAME_MM = 92.0
ONE_LINE, LONGEST_LINE = 18, 26
"""Letters of Chinese that a line of a name holds: above the first number it becomes two."""
QUIET = 4
"""Modules of white around a QR code, as the standard asks."""

TITLE = "商铺平安码"
SUBTITLE = "SHOP SAFETY CODE"
ASK_ZH = "扫码看安全状况 · 评分 · 举报隐患"
ASK_EN = "Scan: how safe is this shop? Rate it, or report a hazard"
GREEN = "#0f766e"
_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Plate:
    """What stands on a plate."""

    name: str
    number: str
    address: str


def plate_of(code: Code, base: str | None = None) -> Plate:
    """The plate of a code in force; its shop is loaded.

    Raises:
        PatrolError: no public address is set.
    """
    return Plate(code.shop.name, code.shop.number, address_of(code.token, base))


def modules(address: str) -> tuple[tuple[bool, ...], ...]:
    """The QR code of an address, row by row, without its white border. Level Q: a quarter may be worn off."""
    import segno

    made = segno.make_qr(address, error="q", boost_error=False)
    return tuple(tuple(bool(cell) for cell in row) for row in made.matrix)


def runs(rows: Iterable[Iterable[bool]]) -> Iterator[tuple[int, int, int]]:
    """Dark bars of a code: column, row, length."""
    for y, row in enumerate(rows):
        x = 0
        for dark, group in itertools.groupby(row):
            length = sum(1 for _ in group)
            if dark:
                yield x, y, length
            x += length


def svg(plate: Plate) -> str:
    """One plate as SVG, millimetre by millimetre. Its letters are drawn, so it looks the same wherever it is opened.

    Raises:
        UnavailableError: the Chinese font is not installed.
    """
    rows = modules(plate.address)
    side = len(rows) + 2 * QUIET
    path = "".join(f"M{x + QUIET} {y + QUIET}h{length}v1h-{length}z" for x, y, length in runs(rows))
    left = (WIDTH_MM - CODE_MM) / 2
    lines = [
        (TITLE, 10.0, 16.0, "#fff"),
        (SUBTITLE, 4.0, 24.0, "#fff"),
        *((line, size, y, "#14211f") for line, size, y in name_lines(plate.name)),
        (ASK_ZH, 5.0, 122.0, "#14211f"),
        (ASK_EN, 3.1, 129.0, "#51605d"),
        (f"No. {plate.number}", 3.4, 141.0, "#51605d"),
    ]
    drawn = outlines([line for line, *_ in lines])
    letters = []
    for line, size, y, colour in lines:
        shape, width = drawn(line)
        x = WIDTH_MM / 2 - width * size / 2
        letters.append(
            f'<path transform="translate({x:.2f} {y:g}) scale({size:.3f})" d="{shape}" fill="{colour}"/>'
        )
    said = escape(" · ".join(line for line, *_ in lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm" role="img" '
        f'viewBox="0 0 {WIDTH_MM:g} {HEIGHT_MM:g}"><title>{escape(plate.name)}</title><desc>{said}</desc>'
        f'<rect width="105" height="148" fill="#fff"/><rect width="105" height="30" fill="{GREEN}"/>'
        f"{''.join(letters)}"
        f'<svg x="{left:g}" y="47" width="{CODE_MM:g}" height="{CODE_MM:g}" viewBox="0 0 {side} {side}" '
        f'shape-rendering="crispEdges"><path d="{path}" fill="#000"/></svg></svg>'
    )


def pdf(plates: list[Plate], out: Any, progress: Callable[[int], None] = lambda _: None) -> None:
    """All plates, a page of A6 each, into an open binary file or a path. The letters that occur are embedded.

    Raises:
        UnavailableError: the Chinese font is not installed.
    """
    from reportlab import rl_config
    from reportlab.lib.colors import HexColor
    from reportlab.lib.units import mm
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    rl_config.useA85 = 0  # bytes, not letters: a fifth smaller, and nobody sends a PDF by telegraph
    letters = set(TITLE + SUBTITLE + ASK_ZH + ASK_EN + "No. …")
    for plate in plates:
        letters |= set(plate.name) | set(plate.number)
    font = f"plates-{next(_names)}"
    pdfmetrics.registerFont(TTFont(font, cut(letters)))
    page = Canvas(out, pagesize=(WIDTH_MM * mm, HEIGHT_MM * mm), pageCompression=1)
    page.setTitle("商铺平安码 · Shop safety codes")
    page.beginForm("frame")
    page.setFillColor(HexColor(GREEN))
    page.rect(0, 118 * mm, WIDTH_MM * mm, 30 * mm, stroke=0, fill=1)
    page.setFillColor(HexColor("#ffffff"))
    _centred(page, font, 10, 132, TITLE)
    _centred(page, font, 4, 124, SUBTITLE)
    page.setFillColor(HexColor("#14211f"))
    _centred(page, font, 5, 26, ASK_ZH)
    page.setFillColor(HexColor("#51605d"))
    _centred(page, font, 3.1, 19, ASK_EN)
    page.endForm()
    for number, plate in enumerate(plates, 1):
        page.doForm("frame")
        page.setFillColor(HexColor("#14211f"))
        for line, size, y in name_lines(plate.name):
            _centred(page, font, size, HEIGHT_MM - y, line)
        page.setFillColor(HexColor("#51605d"))
        _centred(page, font, 3.4, 7, f"No. {plate.number}")
        page.setFillColor(HexColor("#000000"))
        _code(page, modules(plate.address), mm)
        page.showPage()
        progress(number)
    page.save()


def write_pdf(codes: Iterable[Code], path: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """The plates of these codes as one file, whole or not at all; returns how many.

    Raises:
        PatrolError: no public address is set, or there is nothing to print.
        UnavailableError: the font is not installed, or the file cannot be written.
    """
    import io

    plates = [plate_of(code) for code in codes]
    out = io.BytesIO()
    pdf(plates, out, progress)
    write_whole(path, out.getvalue())
    return len(plates)


def _code(page: Any, rows: tuple[tuple[bool, ...], ...], mm: float) -> None:
    cell = CODE_MM / (len(rows) + 2 * QUIET) * mm
    left, top = (WIDTH_MM - CODE_MM) / 2 * mm + QUIET * cell, (HEIGHT_MM - 47) * mm - QUIET * cell
    page.saveState()
    page.transform(cell, 0, 0, -cell, left, top)
    # A module is a unit, so all numbers are whole: written as they are they cost a tenth of what a path object takes.
    page.addLiteral(" ".join(f"{x} {y} {length} 1 re" for x, y, length in runs(rows)) + " f")
    page.restoreState()


def _centred(page: Any, font: str, size_mm: float, y_mm: float, text: str) -> None:
    points = size_mm * 72 / 25.4
    page.setFont(font, points)
    page.drawCentredString(WIDTH_MM / 2 * 72 / 25.4, y_mm * 72 / 25.4, text)


def name_lines(name: str) -> list[tuple[str, float, float]]:
    """(text, size, distance of the baseline from the top edge; both in mm) of one line, or of two where one would be too small.

    What does not fit in two lines ends in an ellipsis.
    """
    if _em(name) <= ONE_LINE:
        return [(name, min(7.5, NAME_MM / max(1, _em(name))), 42)]
    short = name
    while _em(short) > 2 * LONGEST_LINE:
        short = short[:-1]
    if short != name:
        short = short[:-1] + "…"
    half = next(place for place in range(len(short) + 1) if _em(short[:place]) >= _em(short) / 2)
    parts = [short[:half].strip(), short[half:].strip()]
    size = min(6.0, NAME_MM / max(map(_em, parts)))
    return [(parts[0], size, 38.5), (parts[1], size, 45.5)]


def _em(text: str) -> float:
    """About how wide a text is, in letters of Chinese."""
    return sum(1.0 if ord(letter) > 0x2E80 else 0.58 for letter in text)
