"""`patrol zones edit` as a command, and what it shows of stills, videos and cameras."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from benchmarks.rtsp.server import ServerThread
from edge_agent.zone_tools.edit_browser import opened_in_browser
from edge_agent.zone_tools.edit_sight import CameraSight, open_camera, open_eyes
from protocol.clock import SystemClock
from protocol.errors import PatrolError, UnavailableError
from tests.commands import Done, call
from tests.zones.editing import TWO_ZONES, editing, picture_of
from zones.editor import listen
from zones.model import Picture


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.toml"
    path.write_text(TWO_ZONES)
    return path


def edit(*arguments: str | Path) -> Done:
    return call("zones", "edit", "--no-browser", *arguments, env=os.environ | {"NO_COLOR": "1"})


def test_mistakes_are_told_before_anything_is_served(tmp_path: Path, street: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("zone = [")
    square = picture_of(tmp_path / "square.png", 300, 300)
    for arguments, code, words in (
        ((broken,), 2, "cannot be parsed"),
        ((tmp_path / "none.toml",), 2, "give --picture to begin a new file"),
        ((street, "--picture", tmp_path / "none.png"), 2, "the picture does not exist"),
        ((street, "--picture", square, "--no-detect"), 2, "another shape of picture"),
        ((street, "--picture", "http://192.0.2.1/x"), 2, "is not supported"),
    ):
        done = edit(*arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert done.stdout == ""


def test_a_taken_port_is_told(street: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = edit(street, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 3
    assert "Address already in use" in done.stderr


def test_the_files_own_port_may_be_taken(street: Path) -> None:
    with listen(0, street) as first, listen(0, street) as second:
        assert first.getsockname()[0] == second.getsockname()[0] == "127.0.0.1"
        assert first.getsockname()[1] != second.getsockname()[1]


def test_control_c_ends_it_tidily(street: Path) -> None:
    with editing(street) as editor:
        assert httpx.get(editor.url).status_code == 200
        assert editor.process is not None
        editor.process.send_signal(signal.SIGINT)
        assert editor.process.wait(20) == 0
    assert street.read_text() == TWO_ZONES


def test_the_browser_is_not_told_the_secret_on_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users of the machine see command lines."""
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {told}\n')
    browser.chmod(0o755)
    # The standard library reads BROWSER once, when it first looks for browsers.
    program = (
        "from edge_agent.zone_tools.edit_browser import opened_in_browser\n"
        "import os, pathlib, stat, urllib.parse\n"
        "with opened_in_browser() as show:\n"
        "    assert show('http://127.0.0.1:1/secret&\"/')\n"
        f"    told = pathlib.Path({str(told)!r}).read_text()\n"
        "    page = pathlib.Path(urllib.parse.urlparse(told).path)\n"
        "    print(told, oct(stat.S_IMODE(page.stat().st_mode)), oct(stat.S_IMODE(page.parent.stat().st_mode)))\n"
        "    print(page.read_text())\n"
        "assert not page.exists()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"BROWSER": f"{browser} %s"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    words, page = done.stdout.split("\n", 1)
    assert "secret" not in words
    assert words.endswith("0o600 0o700")
    assert 'content="0; url=http://127.0.0.1:1/secret&amp;&quot;/"' in page


def test_no_browser_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    with opened_in_browser() as show:
        assert not show("http://127.0.0.1:1/x/")


def numbered_video(path: Path, count: int = 30) -> Path:
    """One picture a second, each brighter than the last, each a keyframe."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"g": "1", "crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(count):
            image = np.full((180, 320, 3), 20 + 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def brightness(sight: CameraSight) -> float:
    shot = sight.shot()
    return float(cv2.imdecode(np.frombuffer(shot.data, np.uint8), cv2.IMREAD_COLOR).mean())


def test_a_video_goes_on_and_begins_again(tmp_path: Path) -> None:
    video = numbered_video(tmp_path / "street.mp4", 12)
    sight = CameraSight(open_camera(str(video), SystemClock()), None, Picture(width=640, height=360))
    seen = [brightness(sight)]
    for number in range(1, 4):
        assert sight.renew().number == number
        seen.append(brightness(sight))
    sight.close()
    assert seen[0] < seen[1] < seen[2]
    assert seen[3] == pytest.approx(seen[0], abs=2), "from the start again"
    assert sight.seen(2) is None, "an older picture is no longer at hand"


def test_a_still_stays_and_a_folder_goes_on(tmp_path: Path) -> None:
    still = CameraSight(open_camera(str(picture_of(tmp_path / "a.png")), SystemClock()), None, None)
    assert not still.can_renew
    assert still.renew().number == 0
    assert (still.shot().width, still.shot().height, still.seen(0)) == (640, 360, ())
    still.close()


def test_a_camera_gives_a_fresh_picture_each_time(tmp_path: Path) -> None:
    from benchmarks.rtsp import Credentials, MediaFile

    video = numbered_video(tmp_path / "street.mp4", 20)
    with ServerThread(auth="digest", credentials=Credentials("patrol", "street")) as server:
        server.add("/cam", MediaFile.open(video))
        address = f"rtsp://patrol:street@127.0.0.1:{server.port}/cam"
        sight = CameraSight(open_camera(address, SystemClock()), None, None)
        assert "street" not in sight.shot().source.replace("/cam", ""), "no password is shown"
        first = brightness(sight)
        assert sight.renew().number == 1
        assert brightness(sight) != pytest.approx(first, abs=1)
        sight.close()


def test_a_camera_that_is_not_there_is_told(free_port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.zone_tools.edit_sight._PATIENCE_S", 1.0)
    with pytest.raises(UnavailableError, match="gives no picture"):
        CameraSight(open_camera(f"rtsp://127.0.0.1:{free_port()}/cam", SystemClock()), None, None)


class Changing:
    """A camera whose pictures change their size."""

    source = "camera"
    can_renew = True

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self.sizes = list(sizes)

    def picture(self) -> np.ndarray:
        width, height = self.sizes.pop(0)
        return np.zeros((height, width, 3), np.uint8)

    def close(self) -> None:
        pass


def test_another_shape_of_picture_is_refused_and_the_old_one_stays() -> None:
    sight = CameraSight(Changing((640, 360), (1280, 720), (640, 480)), None, None)
    assert sight.renew().width == 1280
    with pytest.raises(PatrolError, match="another shape of picture"):
        sight.renew()
    assert sight.shot().number == 1
    sight.close()


def test_huge_pictures_are_shown_smaller_or_refused() -> None:
    sight = CameraSight(Changing((12000, 400)), None, None)
    shot = sight.shot()
    assert (shot.width, shot.height) == (12000, 400), "as the camera gave it"
    assert cv2.imdecode(np.frombuffer(shot.data, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (273, 8192)
    sight.close()
    with pytest.raises(PatrolError, match="20000x16"):
        CameraSight(Changing((20000, 16)), None, None)


def test_vehicles_are_found_in_real_footage(shared: Path) -> None:
    video = shared / "footage/kerb_street_day_640x360.mp4"
    sight = CameraSight(open_camera(str(video), SystemClock()), open_eyes(), None)
    seen = sight.seen(0)
    assert seen is not None
    assert len(seen) >= 3
    assert {one.label for one in seen} <= {"car", "bus", "truck", "motorcycle", "bicycle"}
    for one in seen:
        assert 0.3 < one.score <= 1
    sight.close()


def test_the_agent_never_loads_the_editors_server() -> None:
    program = (
        "import edge_agent.cli, edge_agent.runtime, zones, sys\n"
        "print({'starlette', 'uvicorn', 'tomlkit', 'zones.editor'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_help_and_completion_know_the_verb() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "patrol", "zones", "edit", "--help"],
        env=os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "110"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert re.search(r"\bExamples?\b", shown)
    assert "patrol zones edit street.toml --picture street.jpg" in " ".join(shown.split())
