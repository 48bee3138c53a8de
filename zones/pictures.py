"""Pictures for people who draw zones: the first picture of whatever they have, and the zones drawn over it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from protocol.errors import PatrolError
from zones.model import ZoneFile, ZoneKind

if TYPE_CHECKING:
    import cv2

Image = NDArray[np.uint8]
"""Height x width x 3, BGR."""

_STILLS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

_COLOURS: dict[ZoneKind, tuple[int, int, int]] = {
    "no_parking": (48, 48, 230),
    "fire_lane": (0, 128, 255),
    "parking_bay": (80, 175, 40),
    "loading": (200, 140, 20),
    "ignore": (130, 130, 130),
}
"""Blue, green, red. Kinds are also told by their name in the legend, never by colour alone."""

_INK = (255, 255, 255)
_PAPER = (242, 244, 245)
_LEGEND = (40, 36, 32)


def read_picture(path: Path) -> Image:
    """The picture, or the first picture of a video.

    Raises:
        PatrolError: there is none, or it cannot be read.
    """
    import cv2

    if not path.is_file():
        raise PatrolError("the picture does not exist", file=path, mend="Check the path.")
    if path.suffix.lower() in _STILLS:
        try:
            raw = np.frombuffer(path.read_bytes(), np.uint8)
        except OSError as error:
            raise PatrolError(
                f"cannot be read: {error.strerror}", file=path, mend="Check its rights."
            ) from error
        image = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
        if image is None:
            raise PatrolError(
                "is no picture, or a damaged one", file=path, mend="Save a still from the camera again."
            )
        return np.asarray(image, np.uint8)
    return _first_of_video(path)


def _first_of_video(path: Path) -> Image:
    import av

    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise PatrolError(
            f"is no picture or video that can be read: {error}",
            file=path,
            mend="Give a PNG or JPEG still, or a video.",
        ) from error
    raise PatrolError("holds no picture", file=path, mend="Give a PNG or JPEG still, or a video.")


def check_shape(zones: ZoneFile, picture: Image, *, file: object) -> None:
    """See to it that a picture has the shape in which the zones were drawn.

    Raises:
        PatrolError: it has another shape: another camera, or another view.
    """
    from zones.presence import ZoneIndex

    height, width = picture.shape[:2]
    try:
        ZoneIndex(zones, width, height)
    except PatrolError as error:
        raise PatrolError(
            f"is {width}x{height}, but the zones were drawn on {zones.picture.width}x{zones.picture.height}, another "
            "shape of picture",
            file=file,
            field="--picture",
            mend="Take a picture of the same camera and view.",
        ) from error


PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def encode(image: Image, path: Path, *, field: str = "--out") -> bytes:
    """The picture in the format that a file's name asks for.

    Raises:
        PatrolError: there is no such format.
    """
    import cv2

    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise PatrolError(
            "no such picture format", field=field, value=str(path), mend="Name it *.png, *.jpg or *.webp."
        )
    _, data = cv2.imencode(suffix, image)
    return data.tobytes()


def facts_of(zones: ZoneFile) -> dict[str, Any]:
    """What there is to be drawn, for machines: areas in square pixels and, where calibrated, square metres."""
    from shapely.geometry import Polygon

    from zones.calibration import Ground
    from zones.plan import on_ground

    ground = Ground.of(zones)
    drawn = []
    for zone in zones.zone:
        shape = Polygon(zone.polygon)
        inside = shape.representative_point()
        drawn.append(
            {
                "id": zone.id,
                "name": zone.name,
                "kind": zone.kind,
                "polygon": zone.polygon,
                "label_at": (round(inside.x, 1), round(inside.y, 1)),
                "area_px": round(shape.area, 1),
                "area_m2": None if ground is None else round(on_ground(ground, shape).area, 2),
            }
        )
    size = {"width": zones.picture.width, "height": zones.picture.height}
    return {"camera": zones.camera, "size": size, "calibrated": ground is not None, "zones": drawn}


def draw(zones: ZoneFile, picture: Image | None = None, *, grid: bool = True, legend: bool = True) -> Image:
    """The zones over a picture of the camera, with names, vertex numbers and a legend below.

    Args:
        zones: a valid file.
        picture: a picture of the same shape, any size; without one the zones are drawn on a plain sheet.
        grid: draw metres on the ground, where the file is calibrated.
        legend: add a strip below that names the zones.

    Returns:
        A new picture.
    """
    import cv2

    from zones.calibration import Ground
    from zones.grid_picture import draw_grid

    ground = Ground.of(zones) if grid else None
    if ground is not None:
        picture = draw_grid(zones, ground, picture)
    if picture is None:
        picture = np.full((zones.picture.height, zones.picture.width, 3), _PAPER, np.uint8)
    height, width = picture.shape[:2]
    factor = np.array([width / zones.picture.width, height / zones.picture.height])
    unit = max(1.0, min(width, height) / 360)
    font = cv2.FontFace("uni")
    tinted = picture.copy()
    outlines = [np.rint(np.array(zone.polygon) * factor).astype(np.int32) for zone in zones.zone]
    for zone, outline in zip(zones.zone, outlines, strict=True):
        cv2.fillPoly(tinted, [outline], _COLOURS[zone.kind])
    result: Any = cv2.addWeighted(picture, 0.65, tinted, 0.35, 0)
    line = max(1, round(1.5 * unit))
    for zone, outline in zip(zones.zone, outlines, strict=True):
        cv2.polylines(result, [outline], True, _COLOURS[zone.kind], line, cv2.LINE_AA)
        for number, (x, y) in enumerate(outline.tolist(), start=1):
            cv2.circle(result, (x, y), round(2.5 * unit), _COLOURS[zone.kind], -1, cv2.LINE_AA)
            _label(result, str(number), (x + 3 * unit, y - 3 * unit), 9 * unit, font)
    for zone, outline in zip(zones.zone, outlines, strict=True):
        x, y = _inner_point(outline)
        named = f"{zone.id} {zone.name}" if zone.name != zone.id else zone.id
        _, _, wide, _ = cv2.getTextSize((width, height), named, (0, 0), font, max(8, round(14 * unit)))
        fits = wide <= np.ptp(outline[:, 0])
        _label(result, named if fits else zone.id, (x, y), 14 * unit, font, centred=True)
    return np.vstack([result, _legend(zones, width, unit, font)]) if legend else result


def _inner_point(outline: NDArray[np.int32]) -> tuple[float, float]:
    from shapely.geometry import Polygon

    point = Polygon(outline.tolist()).representative_point()
    return float(point.x), float(point.y)


def _label(
    image: Image,
    text: str,
    at: tuple[float, float],
    size: float,
    font: cv2.FontFace,
    *,
    centred: bool = False,
) -> None:
    """White text with a dark rim, kept inside the picture."""
    import cv2

    height, width = image.shape[:2]
    pixels = max(8, round(size))
    _, _, wide, _ = cv2.getTextSize((width, height), text, (0, 0), font, pixels)
    x = at[0] - (wide / 2 if centred else 0)
    y = at[1] + (pixels / 2 if centred else 0)
    spot = (round(min(max(2, x), max(2, width - wide - 2))), round(min(max(pixels, y), height - 3)))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        cv2.putText(image, text, (spot[0] + dx, spot[1] + dy), (0, 0, 0), font, pixels)
    cv2.putText(image, text, spot, _INK, font, pixels)


def _legend(zones: ZoneFile, width: int, unit: float, font: cv2.FontFace) -> Image:
    """One row a zone: its colour, id, name, kind and times, cut at the picture's width."""
    import cv2

    row = math.ceil(18 * unit)
    strip = np.full((row * len(zones.zone) + math.ceil(8 * unit), width, 3), _LEGEND, np.uint8)
    pixels = max(8, round(11 * unit))
    for number, zone in enumerate(zones.zone):
        top = round(4 * unit) + number * row
        cv2.rectangle(
            strip,
            (round(6 * unit), top + round(3 * unit)),
            (round(18 * unit), top + round(14 * unit)),
            _COLOURS[zone.kind],
            -1,
        )
        times = f"confirm {zone.confirm_after_s:g} s, grace {zone.grace_s:g} s"
        facts = times if zone.kind in ("no_parking", "fire_lane") else ""
        text = "   ".join(part for part in (zone.id, zone.name, zone.kind, facts) if part)
        cv2.putText(strip, text, (round(24 * unit), top + round(13 * unit)), _INK, font, pixels)
    return strip
