"""What the tests of the detectors share."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from models import Image


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder of its own for every test."""
    folder = tmp_path / "models-folder"
    monkeypatch.setenv("PATROL_MODELS_DIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def street(shared: Path) -> Image:
    """A still of a street, 704 x 576, with some ten vehicles."""
    return read(shared / "stills/ipcam_street_704x576.png")


@pytest.fixture(scope="session")
def pictures(shared: Path) -> dict[str, Image]:
    """All stills and a few frames of the clips, by name."""
    found = {path.name: read(path) for path in sorted((shared / "stills").glob("*.*g"))}
    for clip, wanted in (
        ("kerb_street_day_640x360.mp4", (0, 300)),
        ("china_kerb_day_640x480.avi", (0, 200)),
        ("sidewalk_street_day_640x352.mp4", (100,)),
    ):
        with av.open(str(shared / "footage" / clip)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    found[f"{clip}#{number}"] = frame.to_ndarray(format="bgr24")
                if number >= max(wanted):
                    break
    return found


def read(path: Path) -> Image:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)
