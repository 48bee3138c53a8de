"""From a camera's frame to the bytes of an evidence picture: size, caption, JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.evidence.manifest import ClockInfo, EvidenceMeta, Sealer
from edge_agent.frames import Image
from protocol.clock import iso

LONGEST_SIDE = 1920
"""Pixels. A larger frame is reduced to this: still above the 1280x720 that GA/T 832 asks for."""

TARGET_BYTES = 400_000
"""A picture crosses a mobile network and is kept for years."""

QUALITIES = (92, 88, 84, 80, 75, 70, 65, 60, 55, 50, 45)
"""JPEG qualities tried in turn until the picture is small enough; below the last, plates suffer."""

_PAPER = (0, 0, 0)
_INK = (255, 255, 255)
_SMALLEST_TEXT = 9


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame at its final size.

    Attributes:
        scene: height x width x 3, uint8, BGR.
        scale: size here divided by size in the frame.
    """

    scene: Image
    scale: float


def prepare(image: Image) -> Prepared:
    """Reduce a frame that is larger than evidence needs; others stay as they are.

    Raises:
        ValueError: not a picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected height x width x 3 of uint8, got {image.shape} of {image.dtype}")
    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale >= 1:
        return Prepared(image, 1.0)
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return Prepared(cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), scale)


def captioned(scene: Image, lines: tuple[str, ...]) -> Image:
    """The scene with lines of text on a strip below it: the caption hides nothing and alters no pixel.

    OpenCV 5 draws Chinese with a font of its own, so that no font has to be installed on the box.
    """
    width = scene.shape[1]
    size = max(_SMALLEST_TEXT, min(28, round(width / 60)))
    pitch = round(size * 1.5)
    strip = np.full((pitch * len(lines) + size // 2, width, 3), _PAPER, np.uint8)
    font = cv2.FontFace("uni")
    for number, line in enumerate(lines):
        _draw(strip, line, (size // 2, pitch * number + pitch - size // 4), size, font)
    return np.vstack((scene, strip))


def _draw(strip: Image, line: str, origin: tuple[int, int], size: int, font: cv2.FontFace) -> None:
    """One line, made smaller or, below the smallest size, shorter until it fits the strip."""
    room = strip.shape[1] - 2 * origin[0]
    text = "".join(each if each.isprintable() else " " for each in line)
    while True:
        taken = cv2.getTextSize((strip.shape[1], strip.shape[0]), text, origin, font, size)[2]
        if taken <= room or len(text) <= 1:
            break
        if size > _SMALLEST_TEXT:
            size = max(_SMALLEST_TEXT, min(size - 1, math.floor(size * room / taken)))
        else:
            text = text[: max(1, min(len(text) - 2, math.floor(len(text) * room / taken)))] + "…"
    cv2.putText(strip, text, origin, _INK, font, size)


def caption_lines(case_id: str, name: str, sealer: Sealer, meta: EvidenceMeta) -> tuple[str, ...]:
    """Time, place and device, as GA/T 832 wants them on the picture."""
    return (
        f"{iso(meta.taken_at_ms)}   {_local(meta)}   {_clock(meta.clock)}",
        f"{meta.place}   {meta.zone_name} ({meta.zone_id})" + _position(meta),
        f"{sealer.jurisdiction_id} / {sealer.agent_id} / {meta.camera_id}   {sealer.device}   {case_id} {name}",
    )


def _local(meta: EvidenceMeta) -> str:
    minutes = meta.utc_offset_minutes
    local = iso(meta.taken_at_ms + minutes * 60_000)
    sign = "-" if minutes < 0 else "+"
    return f"{local[:10]} {local[11:19]} {sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _clock(clock: ClockInfo) -> str:
    source = {"camera_ntp": "camera clock", "box": "box clock", "file": "file"}[clock.source]
    return source if clock.uncertainty_ms is None else f"{source} ±{clock.uncertainty_ms} ms"


def _position(meta: EvidenceMeta) -> str:
    if meta.position is None:
        return ""
    return f"   {meta.position.latitude:.6f}, {meta.position.longitude:.6f}"


def encode(image: Image) -> bytes:
    """JPEG of at most TARGET_BYTES where quality allows. The same pixels give the same bytes.

    Raises:
        ValueError: the picture cannot be encoded.
    """
    data = b""
    for quality in QUALITIES:
        done, buffer = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise ValueError("the picture cannot be encoded as JPEG")
        data = buffer.tobytes()
        if len(data) <= TARGET_BYTES:
            break
    return data
