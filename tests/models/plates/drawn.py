"""Number plates drawn for tests: every region and kind, at an angle, blurred, in rain and at night.

Sizes in millimetres are those of GA 36-2018; the glyphs are Noto's, not the real plates', so that figures from here
say how balanced the reader is over regions and kinds, not how well it reads real plates.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import files

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

REGIONS = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"

GROUND = {
    "blue": (18, 70, 168),
    "yellow": (245, 185, 30),
    "green": (110, 205, 150),
    "white": (240, 240, 240),
    "black": (20, 20, 22),
}
KINDS = {
    "civil_blue": "blue",
    "civil_yellow": "yellow",
    "civil_yellow_two_rows": "yellow",
    "energy_small": "green",
    "energy_large": "green",
    "police": "white",
    "driving_school": "yellow",
    "trailer_two_rows": "yellow",
    "consulate": "black",
    "embassy": "black",
    "border": "black",
}


@dataclass(frozen=True)
class Conditions:
    """What stands between plate and camera: pixels of plate width, degrees, pixels of blur, light, noise, drops."""

    width: float = 130.0
    yaw: float = 0.0
    roll: float = 0.0
    blur: float = 0.7
    light: float = 1.0
    noise: float = 3.0
    drops: int = 0


def by_day(rng: np.random.Generator) -> Conditions:
    return Conditions(
        width=float(rng.uniform(100, 200)),
        yaw=float(rng.uniform(-35, 35)),
        roll=float(rng.uniform(-8, 8)),
        blur=float(rng.uniform(0.4, 1.1)),
        light=float(rng.uniform(0.6, 1.1)),
        noise=float(rng.uniform(1, 6)),
    )


def in_rain(rng: np.random.Generator) -> Conditions:
    day = by_day(rng)
    return Conditions(day.width, day.yaw, day.roll, day.blur + 0.3, 0.6, day.noise + 3, drops=60)


def by_night(rng: np.random.Generator) -> Conditions:
    day = by_day(rng)
    return Conditions(day.width, day.yaw, day.roll, day.blur + 0.2, float(rng.uniform(0.18, 0.35)), 8.0)


def random_text(rng: np.random.Generator, kind: str, region: str) -> str:
    def some(pool: str, count: int) -> str:
        return "".join(pool[int(index)] for index in rng.integers(len(pool), size=count))

    def serial(count: int, letters: int) -> str:
        chars = list(some(DIGITS, count))
        for place in rng.choice(count, size=int(rng.integers(letters + 1)), replace=False):
            chars[int(place)] = some(LETTERS, 1)
        return "".join(chars)

    office = some(LETTERS, 1)
    match kind.removesuffix("_two_rows"):
        case "civil_blue" | "civil_yellow":
            return region + office + serial(5, 2)
        case "energy_small":
            return region + office + some("DF", 1) + serial(1, 1) + some(DIGITS, 4)
        case "energy_large":
            return region + office + some(DIGITS, 5) + some("DF", 1)
        case "police":
            return region + office + some(DIGITS, 4) + "警"
        case "driving_school":
            return region + office + some(DIGITS, 4) + "学"
        case "trailer":
            return region + office + serial(4, 1) + "挂"
        case "consulate":
            return region + office + some(DIGITS, 4) + "领"
        case "embassy":
            return some(DIGITS, 6) + "使"
        case "border":
            return "粤Z" + serial(4, 2) + some("港澳", 1)
    raise AssertionError(kind)


def _font(size: int) -> ImageFont.FreeTypeFont:
    entry, *_ = [file for file in files("cvttf-notosanscjk-regular") or [] if file.suffix == ".otf"]
    return ImageFont.truetype(str(entry.locate()), size)


_FONT = _font(120)


def _glyph(
    picture: Image.Image, char: str, left: float, top: float, width: float, height: float, ink: str
) -> None:
    mask = Image.new("L", (220, 220), 0)
    ImageDraw.Draw(mask).text((40, 20), char, font=_FONT, fill=255, stroke_width=2 if ord(char) > 127 else 5)
    box = mask.getbbox()
    assert box is not None
    glyph = mask.crop(box)
    if char == "1":
        # Stretched to a full cell it would be no one any more.
        left, width = left + width * 0.3, width * 0.45
    glyph = glyph.resize((round(width), round(height)), Image.Resampling.LANCZOS)
    picture.paste(Image.new("RGB", glyph.size, ink), (round(left), round(top)), glyph)


def plate(text: str, kind: str) -> np.ndarray:
    """The plate, BGR, one pixel per millimetre."""
    colour = KINDS[kind]
    two_rows = kind.endswith("_two_rows")
    width, height = (480, 140) if colour == "green" else (440, 220) if two_rows else (440, 140)
    ink = "white" if colour in ("blue", "black") else "black"
    picture = Image.new("RGB", (width, height), GROUND[colour])
    draw = ImageDraw.Draw(picture)
    if colour == "green":
        for row in range(height):
            share = min(1.0, max(0.0, (row - 20) / 90))
            rgb = tuple(
                round(a + (b - a) * share) for a, b in zip((240, 250, 243), (70, 190, 120), strict=True)
            )
            draw.line([(0, row), (width, row)], fill=rgb)
    draw.rounded_rectangle([4, 4, width - 5, height - 5], radius=9, outline=ink, width=3)
    if two_rows:
        _glyph(picture, text[0], 110, 15, 80, 60, ink)
        _glyph(picture, text[1], 250, 15, 80, 60, ink)
        draw.ellipse([213, 40, 227, 54], fill=ink)
        for index, char in enumerate(text[2:]):
            _glyph(picture, char, 27 + index * 80, 90, 65, 110, ink)
    else:
        cell, gap, wide = (43, 9, 43) if len(text) == 8 else (45, 12, 34)
        left = (width - cell * len(text) - gap * (len(text) - 2) - wide) / 2
        for index, char in enumerate(text):
            _glyph(
                picture, char, left, 25, cell, 90, "#c00000" if char in "警使领" and ink == "black" else ink
            )
            left += cell + (wide if index == 1 else gap)
            if index == 1 and len(text) == 7 and kind != "embassy":
                draw.ellipse([left - wide / 2 - 5, 65, left - wide / 2 + 5, 75], fill=ink)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def scene(
    flat: np.ndarray, conditions: Conditions, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A car's rear with the plate on it, 480 x 360, BGR, and the plate's corners."""
    body = rng.uniform(25, 215, 3)
    fall = np.linspace(1.1, 0.8, 360)[:, None, None]
    canvas = np.clip(np.full((360, 480, 3), body) * fall, 0, 255).astype(np.float32)
    cv2.rectangle(canvas, (40, 230), (440, 330), tuple((body * 0.55).tolist()), -1)
    cv2.rectangle(canvas, (20, 60), (90, 120), (30, 30, 190), -1)
    cv2.rectangle(canvas, (390, 60), (460, 120), (30, 30, 190), -1)
    height, width = flat.shape[:2]
    half_w, half_h = conditions.width / 2, conditions.width / 2 * height / width
    yaw, roll = np.radians(conditions.yaw), np.radians(conditions.roll)
    points = np.array([[-half_w, -half_h], [half_w, -half_h], [half_w, half_h], [-half_w, half_h]])
    depth = 1 + points[:, 0] * np.sin(yaw) / 900
    turned = np.stack(
        [points[:, 0] * np.cos(yaw) / depth, points[:, 1] / depth + points[:, 0] * np.sin(yaw) * 0.2], 1
    )
    spin = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    corners = (turned @ spin.T + (240 + rng.uniform(-40, 40), 190 + rng.uniform(-20, 20))).astype(np.float32)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    fine = 4
    matrix = cv2.getPerspectiveTransform(source, corners * fine)
    size = (480 * fine, 360 * fine)
    large = cv2.warpPerspective(flat, matrix, size, flags=cv2.INTER_AREA).astype(np.float32)
    cover = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, size)
    small, alpha = (cv2.resize(part, (480, 360), interpolation=cv2.INTER_AREA) for part in (large, cover))
    canvas = canvas * (1 - alpha[..., None]) + small
    for _ in range(conditions.drops):
        x, y = int(rng.integers(480)), int(rng.integers(360))
        cv2.line(canvas, (x, y), (x + 2, y + int(rng.integers(6, 16))), (190, 190, 190), 1, cv2.LINE_AA)
    canvas = cv2.GaussianBlur(canvas, (0, 0), conditions.blur) * conditions.light
    canvas += rng.normal(0, conditions.noise, canvas.shape)
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return cv2.imdecode(data, cv2.IMREAD_COLOR), corners
