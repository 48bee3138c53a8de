"""Folders of pictures as a source of frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from edge_agent.frames import Frame, Image
from edge_agent.ingest._config import SourceConfig
from edge_agent.ingest._recording import Recording
from edge_agent.ingest._sampling import Grid
from protocol.clock import Millis
from protocol.errors import PatrolError

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

TIMESTAMP = re.compile(
    r"(?<!\d)(\d{4})[-_]?(\d\d)[-_]?(\d\d)[T_ -]?(\d\d)[-_:.]?(\d\d)[-_:.]?(\d\d)(?:[.,_-]?(\d{3}))?Z?(?!\d)"
)
"""Year to second, and milliseconds if there are any, in UTC: ``20260101T120000Z``, ``2026-01-01_12-00-00-250``."""

NUMBER = re.compile(r"\d+")


class PictureFolder(Recording):
    """A folder of JPEG, PNG, BMP, WebP or TIFF pictures, not searched below.

    When each picture comes, from its file name alone (a copied folder has other modification times):

    - every name holds a UTC date and time: those are the stream times, whatever `start_at` says, and pictures are
      sampled at the period like a video's;
    - else every name holds a number: pictures are ordered by the last number in the name, one per period from
      `start_at` on, and all are taken;
    - else the same in alphabetical order.

    Args:
        camera_id: stands in each frame.
        path: the folder.
        config: start and period.
        loops: how often the folder is played.

    Raises:
        PatrolError: there is no picture in it, two pictures have the same time, or a picture cannot be read.
    """

    def __init__(self, camera_id: str, path: Path, config: SourceConfig, loops: int = 1) -> None:
        self.camera_id = camera_id
        self._path = path
        self._loops = loops
        self._period_ms = round(config.sample_period_s * 1000)
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
        if not files:
            raise PatrolError(
                "there is no picture in this folder",
                file=path,
                field="url",
                mend="Put JPEG or PNG files directly into it.",
            )
        self._timed = self._schedule(files, config.start_at_ms)
        self.start_ms = self._timed[0][0]
        last_ms = self._timed[-1][0]
        last_gap_ms = last_ms - self._timed[-2][0] if len(files) > 1 else self._period_ms
        self.duration_ms = last_ms - self.start_ms + last_gap_ms
        first = _read(self._timed[0][1])
        self.size = (first.shape[1], first.shape[0])

    def frames(self) -> Iterator[Frame]:
        grid = Grid(self._period_ms)
        seq = 0
        for loop in range(self._loops):
            for at_ms, file in self._timed:
                since_ms = at_ms - self.start_ms + loop * self.duration_ms
                if not grid.reached(since_ms):
                    continue
                grid.took(since_ms)
                yield Frame(self.camera_id, self.start_ms + since_ms, _read(file), seq)
                seq += 1

    def _schedule(self, files: list[Path], start_ms: Millis) -> list[tuple[Millis, Path]]:
        instants = [_instant(file.stem) for file in files]
        if all(at_ms is not None for at_ms in instants):
            timed = sorted((at_ms or 0, file) for at_ms, file in zip(instants, files, strict=True))
            for (earlier, _), (later, file) in pairwise(timed):
                if earlier == later:
                    raise PatrolError(
                        "two pictures have the same time in their names",
                        file=file,
                        field="url",
                        mend="Remove one of them or add milliseconds.",
                    )
            return timed
        numbers = [NUMBER.findall(file.stem) for file in files]
        if all(numbers):
            ordered = sorted(zip((int(found[-1]) for found in numbers), files, strict=True))
            files = [file for _, file in ordered]
        return [(start_ms + place * self._period_ms, file) for place, file in enumerate(files)]


def _instant(stem: str) -> Millis | None:
    found = TIMESTAMP.search(stem)
    if found is None:
        return None
    *parts, millis = found.groups()
    try:
        moment = datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return round(moment.timestamp()) * 1000 + int(millis or 0)


def _read(file: Path) -> Image:
    try:
        image: Image | None = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise PatrolError(
            "this picture cannot be read",
            file=file,
            field="url",
            mend="Remove it or save it again as JPEG or PNG.",
        )
    image.flags.writeable = False
    return image
