"""What the zone editor sees: pictures of a still, a video or a camera, and the vehicles in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import ValidationError

from edge_agent.frames import Frame, Image
from edge_agent.ingest import Recording, SourceConfig, open_recording, open_source
from models import VEHICLES, Detector
from models.regions import tiles
from protocol.clock import Clock
from protocol.errors import PatrolError, UnavailableError
from zones.editor import Seen, Shot
from zones.model import Picture
from zones.pictures import read_picture

WIDEST = 16384
"""Pixels; no zone file speaks of larger pictures."""

_SHOWN = 8192
"""Pixels; larger pictures are shown smaller, because browsers give up on them."""

_QUALITY = 93
_STEP_S = 4.0
"""Stream time between two pictures of a video."""

_PATIENCE_S = 25.0
"""A camera has so long to connect and to give a keyframe."""

_SCORE = 0.35
_REDUCTION = 2.0
"""The largest reduction of the picture before the detector; above it, tiles are added."""

_CLASSES = frozenset({*VEHICLES, "bicycle"})

_VIDEOS = frozenset(
    {".mp4", ".mkv", ".avi", ".mov", ".ts", ".m4v", ".mpg", ".flv", ".wmv", ".mjpeg", ".h264", ".h265"}
)


class Camera(Protocol):
    """Gives pictures, one after another."""

    source: str
    can_renew: bool

    def picture(self) -> Image:
        """The next picture.

        Raises:
            PatrolError: there is none.
        """

    def close(self) -> None:
        """Let go of the camera."""


class Still:
    """One picture, the same for ever."""

    can_renew = False

    def __init__(self, path: Path) -> None:
        self.source = path.name
        self._image = read_picture(path)

    def picture(self) -> Image:
        """The picture."""
        return self._image

    def close(self) -> None:
        """Nothing is open."""


class Video:
    """A video file or a folder of pictures, a few seconds further each time, from the start again at its end."""

    can_renew = True

    def __init__(self, path: Path) -> None:
        self.source = path.name
        self._recording: Recording = open_recording(
            "picture", SourceConfig(url=str(path), sample_period_s=_STEP_S)
        )
        self._frames: Iterator[Frame] = self._recording.frames()

    def picture(self) -> Image:
        """The picture some seconds after the last one."""
        frame = next(self._frames, None)
        if frame is None:
            self._frames = self._recording.frames()
            frame = next(self._frames, None)
        if frame is None:
            raise PatrolError("holds no picture", file=self.source, mend="Give another video or a still.")
        return frame.image

    def close(self) -> None:
        """Let go of the file."""
        del self._frames


class Live:
    """An RTSP camera, connected while the editor is open; it decodes only what is asked for."""

    can_renew = True

    def __init__(self, config: SourceConfig, clock: Clock) -> None:
        self.source = config.url
        self._source = open_source("picture", config, clock=clock)
        self._source.start()

    def picture(self) -> Image:
        """The next keyframe."""
        self._source.request_now()
        frame = self._source.take(_PATIENCE_S)
        if frame is None:
            health = self._source.health()
            raise UnavailableError(
                f"the camera gives no picture: it is {health.state}{f' ({health.reason})' if health.reason else ''}",
                file=self.source,
                mend="Check the address, user name and password, or give a still with --picture.",
            )
        return frame.image

    def close(self) -> None:
        """Disconnect."""
        self._source.stop()


def open_camera(picture: str, clock: Clock) -> Camera:
    """A still, a video, a folder of pictures or an rtsp:// address.

    Raises:
        PatrolError: it does not exist, cannot be read, or is malformed.
    """
    path = Path(picture)
    if "://" not in picture and path.is_file() and path.suffix.lower() not in _VIDEOS:
        return Still(path)
    if "://" not in picture and not path.exists():
        raise PatrolError("the picture does not exist", file=path, mend="Check the path.")
    if "://" not in picture:
        return Video(path)
    try:
        config = SourceConfig(url=picture, sample_period_s=3600)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise PatrolError(
            str(fault["msg"]).removeprefix("Value error, "),
            field="--picture",
            mend="Write rtsp://, rtsps://, a file or a folder.",
        ) from error
    return Live(config, clock)


class CameraSight:
    """Pictures of a camera for the editor; the detector looks once at each, in a thread of its own.

    Args:
        camera: gives pictures.
        detector: finds vehicles, or None.
        drawn: size of the picture in which the zones were drawn, None for a new file.

    Raises:
        PatrolError: the camera gives no picture, one that is too large, or one of another shape than `drawn`.
    """

    def __init__(self, camera: Camera, detector: Detector | None, drawn: Picture | None) -> None:
        self._camera = camera
        self._detector = detector
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="detector")
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._size = None if drawn is None else (drawn.width, drawn.height)
        self._take(0)

    @property
    def can_renew(self) -> bool:
        """Whether there is more than one picture to be had."""
        return self._camera.can_renew

    @property
    def detects(self) -> bool:
        """Whether vehicles are looked for."""
        return self._detector is not None

    def shot(self) -> Shot:
        """The picture at hand."""
        with self._lock:
            return self._shot

    def renew(self) -> Shot:
        """A fresh picture.

        Raises:
            PatrolError: there is none, or it has another shape than before.
        """
        with self._renewing:
            if self.can_renew:
                self._take(self.shot().number + 1)
            return self.shot()

    def seen(self, number: int) -> tuple[Seen, ...] | None:
        """The vehicles in a shot; None where it is no longer at hand. Waits for the detector.

        Raises:
            PatrolError: the detector failed.
        """
        with self._lock:
            if self._shot.number != number:
                return None
            found = self._found
        return found.result()

    def close(self) -> None:
        """Let go of camera and detector."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._camera.close()

    def _take(self, number: int) -> None:
        image = self._camera.picture()
        height, width = image.shape[:2]
        if max(height, width) > WIDEST:
            raise PatrolError(
                f"is {width}x{height}; pictures of more than {WIDEST} pixels a side are not used",
                file=self._camera.source,
                mend="Give a picture as the camera's stream has it.",
            )
        if self._size is not None:
            _check_shape((width, height), self._size, self._camera.source)
        self._size = self._size or (width, height)
        shot = Shot(number, _encoded(image), "image/jpeg", width, height, self._camera.source)
        found = self._pool.submit(self._look, image)
        with self._lock:
            self._shot: Shot = shot
            self._found: Future[tuple[Seen, ...]] = found

    def _look(self, image: Image) -> tuple[Seen, ...]:
        if self._detector is None:
            return ()
        height, width = image.shape[:2]
        side = round(max(self._detector.describe().input) * _REDUCTION)
        regions = [(0, 0, width, height)]
        if max(height, width) > side:
            regions += tiles((height, width), side)
        found = self._detector.detect_regions(image, regions)
        return tuple(Seen(one.box, one.label, one.score) for one in found if one.label in _CLASSES)


def open_eyes() -> Detector:
    """The bundled detector, as the editor uses it.

    Raises:
        PatrolError: it is damaged.
        UnavailableError: it is not on this machine.
    """
    from models import open_detector

    return open_detector(score_threshold=_SCORE, iou_threshold=0.5, classes=_CLASSES)


def _check_shape(found: tuple[int, int], drawn: tuple[int, int], source: str) -> None:
    """The rule of `zones.presence.ZoneIndex`, for files that may have faults."""
    from zones import Picture, Zone, ZoneFile, ZoneIndex

    width, height = drawn
    sheet = Zone(id="sheet", name="sheet", polygon=((0, 0), (width, 0), (width, height), (0, height)))
    try:
        ZoneIndex(ZoneFile(picture=Picture(width=width, height=height), zone=(sheet,)), *found)
    except PatrolError as error:
        raise PatrolError(
            f"is {found[0]}x{found[1]}, but the zones were drawn on {width}x{height}, another shape of picture",
            file=source,
            field="--picture",
            mend="Take a picture of the same camera and view.",
        ) from error


def _encoded(image: Image) -> bytes:
    import cv2

    height, width = image.shape[:2]
    if max(height, width) > _SHOWN:
        factor = _SHOWN / max(height, width)
        image = np.asarray(
            cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data.tobytes())
