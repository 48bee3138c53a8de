"""The worst scenes on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

_SIZE, _COLUMNS, _QUALITY = (560, 315), 2, 72


def sheet(pictures: Sequence[Path]) -> bytes:
    """The first picture of each scene, as a JPEG of two columns.

    Args:
        pictures: PNG files as the accuracy benchmark's report has them, the worst first.
    """
    width, height = _SIZE
    rows = -(-len(pictures) // _COLUMNS)
    whole = np.full((rows * height, _COLUMNS * width, 3), 255, dtype=np.uint8)
    for place, path in enumerate(pictures):
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        small = cv2.resize(picture, _SIZE, interpolation=cv2.INTER_AREA)
        words = path.stem.split("-", 3)[3]
        small[:26] //= 4  # words are read on a dark ground
        cv2.putText(small, words, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        top, left = place // _COLUMNS * height, place % _COLUMNS * width
        whole[top : top + height, left : left + width] = small
    _, data = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(data).tobytes()
