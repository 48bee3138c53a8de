"""The Chinese font for paper: only the letters that a document has, as the outlines that PDF writers embed.

The package brings Noto Sans CJK with cubic outlines, which ReportLab does not take. The few hundred letters of a batch are
cut out and their curves redrawn as quadratic ones, a tenth of a thousandth of the letter's height off at most.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from protocol.errors import UnavailableError

PACKAGE = "cvttf-notosanscjk-regular"
OFF = 0.5
"""How far a redrawn curve may be off, in thousandths of the letter's height."""


def font_file() -> Path:
    """Where the font lies.

    Raises:
        UnavailableError: the package is not installed.
    """
    try:
        found = [Path(str(each.locate())).resolve() for each in files(PACKAGE) or [] if each.suffix == ".otf"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise UnavailableError(
            f"the Chinese font needs the Python package {PACKAGE!r}", mend=f"Run: pip install {PACKAGE}"
        )
    return found[0]


def cut(letters: Iterable[str]) -> io.BytesIO:
    """A TrueType font with these letters alone.

    Raises:
        UnavailableError: the font is not installed.
    """
    from fontTools import subset
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import TTFont, newTable

    options = subset.Options(
        layout_features=[], notdef_outline=True, hinting=False, drop_tables=["GPOS", "GSUB"]
    )
    font = subset.load_font(str(font_file()), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(set(letters)) + " .-:/")
    cutter.subset(font)
    order = font.getGlyphOrder()
    drawn = font.getGlyphSet()
    glyphs = {}
    for name in order:
        pen = TTGlyphPen(None)
        drawn[name].draw(Cu2QuPen(pen, OFF, reverse_direction=True))
        glyphs[name] = pen.glyph()
    del font["CFF "]
    for table in ("VORG", "vhea", "vmtx"):
        if table in font:
            del font[table]
    glyf = font["glyf"] = newTable("glyf")
    glyf.glyphs, glyf.glyphOrder = glyphs, order
    font["loca"] = newTable("loca")
    for name, glyph in glyphs.items():
        glyph.recalcBounds(glyf)
        advance = font["hmtx"][name][0]
        font["hmtx"][name] = (advance, getattr(glyph, "xMin", 0) or 0)
    most = font["maxp"]
    most.tableVersion = 0x00010000
    for name in ("maxZones", "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs",
                 "maxStackElements", "maxSizeOfInstructions"):  # fmt: skip
        setattr(most, name, 1 if name == "maxZones" else 0)
    most.maxComponentElements = 0
    font.recalcBBoxes = True
    font["post"].formatType = 3.0
    font.sfntVersion = "\x00\x01\x00\x00"
    assert isinstance(font, TTFont)
    out = io.BytesIO()
    font.save(out)
    font.close()
    out.seek(0)
    return out


def outlines(texts: Iterable[str]) -> Callable[[str], tuple[str, float]]:
    """How to draw these texts without a font: text -> (path of SVG, width), both for letters one unit high, the baseline at 0.

    Raises:
        UnavailableError: the font is not installed.
    """
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen
    from fontTools.ttLib import TTFont

    wanted = set("".join(texts))
    font = TTFont(str(font_file()), lazy=True)
    try:
        known, drawn, scale = font.getBestCmap(), font.getGlyphSet(), 1 / font["head"].unitsPerEm
        letters = {}
        for letter in wanted:
            name = known.get(ord(letter), ".notdef")
            letters[letter] = (name, drawn[name].width * scale)

        def draw(text: str) -> tuple[str, float]:
            path, right = [], 0.0
            for letter in text:
                name, width = letters[letter]
                pen = SVGPathPen(drawn, ntos=lambda value: f"{value:.3f}".rstrip("0").rstrip("."))
                drawn[name].draw(TransformPen(pen, (scale, 0, 0, -scale, right, 0)))
                path.append(pen.getCommands())
                right += width
            return "".join(path), right

        found = {text: draw(text) for text in texts}
    finally:
        font.close()
    return found.__getitem__
