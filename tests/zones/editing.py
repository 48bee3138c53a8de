"""A running editor: the real command on a real port, its address, and files to edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import httpx

from edge_agent.zone_tools.edit_sight import CameraSight, Still
from zones.editor import Session, listen, serve

WIDTH, HEIGHT = 640, 360

TWO_ZONES = """\
# Elm street, camera at the corner
schema = 1
street = "Elm"   # one warning a street

[picture]
width = 640
height = 360

# where people walk
[[zone]]
id = "walk"
name = "North pavement"
polygon = [[40, 200], [240, 200], [240, 320], [40, 320]]
grace_s = 300   # ten minutes are too long here

# marked bay
[[zone]]
id = "bay"
name = "Bay"
kind = "parking_bay"
polygon = [[400, 100], [560, 100], [560, 180], [400, 180]]
"""


@dataclass
class Editor:
    """A running editor."""

    url: str
    process: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def editing(*arguments: str | Path) -> Iterator[Editor]:
    """The editor of a file, until the block ends; it must end tidily."""
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "patrol", "zones", "edit", "--no-browser", "--json"),
            *map(str, arguments),
        ],
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Editor(json.loads(line)["url"], process)
        process.terminate()
        assert process.wait(20) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
        process.stderr.close()


@contextmanager
def serving(file: Path | None, picture: Path | None = None) -> Iterator[Editor]:
    """The same server in a thread of this process, which starts faster than a command."""
    assert file is not None
    sight = None if picture is None else CameraSight(Still(picture), None, None)
    starting = None
    if sight is not None:
        shot = sight.shot()
        starting = {"schema": 1, "picture": {"width": shot.width, "height": shot.height}, "zone": []}
    listening = listen(0, file)
    addresses: Queue[str] = Queue()
    thread = threading.Thread(
        target=serve, args=(Session(file, starting), sight, listening, addresses.put), daemon=True
    )
    thread.start()
    editor = Editor(addresses.get(timeout=20))
    try:
        yield editor
    finally:
        if thread.is_alive():
            httpx.post(f"{editor.url}api/quit", json={}, headers={"origin": editor.origin})
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"
        if sight is not None:
            sight.close()


def picture_of(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """A still with something on it."""
    import cv2
    import numpy as np

    image = np.full((height, width, 3), 120, np.uint8)
    cv2.rectangle(image, (width // 8, height // 2), (width // 2, height - 40), (90, 110, 140), -1)
    cv2.imwrite(str(path), image)
    return path
