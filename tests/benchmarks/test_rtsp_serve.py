"""`patrol sim serve`, as a person or a program starts it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import pytest

from benchmarks.rtsp import MediaFile, ServerThread, _prepare
from benchmarks.rtsp.cli import add_camera, serve
from benchmarks.rtsp.control import ControlClient
from protocol.errors import PatrolError
from tests.benchmarks.rtsp_clips import GOP, clip, decoded, media

COMMAND = [sys.executable, "-m", "patrol", "sim", "serve"]


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The command, running, and what it printed; ended afterwards if it still runs."""
    command = [*COMMAND, *arguments, "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=10)[1]
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_videos_are_served_until_ctrl_c_and_the_exit_is_clean() -> None:
    with serving(str(clip()), str(clip("hevc")), "--count", "3") as (process, said):
        assert [camera["path"] for camera in said["cameras"]] == ["/cam1", "/cam2", "/cam3"]
        assert [camera["codec"] for camera in said["cameras"]] == ["h264", "hevc", "h264"]
        for camera in said["cameras"]:
            assert camera["url"] == f"rtsp://127.0.0.1:{said['port']}{camera['path']}"
            assert decoded(camera["url"], most=2, rtsp_transport="tcp")
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=10)
        assert process.returncode == 0
        assert complaints == ""


def test_once_ends_by_itself_after_everyone_saw_all_of_it() -> None:
    short = clip(pictures=GOP)
    with serving(str(short), "--once") as (process, said):
        assert len(decoded(said["cameras"][0]["url"], rtsp_transport="tcp")) == GOP
        assert process.wait(10) == 0


def test_a_user_must_give_the_password_of_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("open sesame\n")
    with serving(str(clip()), "--user", "patrol", "--password-file", str(secret)) as (_, said):
        url = said["cameras"][0]["url"]
        assert "sesame" not in json.dumps(said)
        with pytest.raises(av.error.HTTPUnauthorizedError):
            decoded(url, most=1, rtsp_transport="tcp")
        assert decoded(url.replace("://", "://patrol:open%20sesame@"), most=1, rtsp_transport="tcp")


def test_faults_are_ordered_from_outside() -> None:
    with (
        serving(str(clip()), "--control-port", "0") as (_, said),
        ControlClient(said["control_port"]) as control,
    ):
        control.ask("set", "/cam1", faults={"refuse": True})
        with pytest.raises(av.error.HTTPServerError):
            decoded(said["cameras"][0]["url"], most=1, rtsp_transport="tcp")


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, str(clip()), "--port", port], capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 3
    assert port in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"user": "patrol"}, "--password-file"),
        ({"auth": "digest"}, "--auth"),
        ({"size": "12by9"}, "--size"),
        ({"size": "1281x720"}, "--size"),
        ({"bitrate": "fast"}, "--bitrate"),
    ],
)
def test_wrong_options_are_named(arguments: dict[str, str], field: str) -> None:
    with pytest.raises(PatrolError) as raised:
        serve([str(clip())], **arguments)  # type: ignore[arg-type]
    assert raised.value.field == field
    assert raised.value.exit_code == 2


def test_copies_of_a_looping_video_are_spread_over_it() -> None:
    with ServerThread() as server:
        for number in range(5):
            add_camera(server, number, 5, [media(), media("hevc")], loop=True)
        positions = [camera.position_s or 0.0 for camera in server.stats()]
    duration = media().duration_s
    expected = [0, 0, duration / 3, duration / 2, 2 * duration / 3]
    assert positions == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(
    ("text", "bits"), [("4M", 4_000_000), ("800k", 800_000), ("2500000", 2_500_000), ("1.5m", 1_500_000)]
)
def test_bit_rates_are_read(text: str, bits: int) -> None:
    assert _prepare.bits_per_second(text) == bits


def test_scenes_and_videos_are_told_apart(tmp_path: Path) -> None:
    video = tmp_path / "street"
    video.write_bytes(b"")
    assert _prepare.is_scene("street.toml")
    assert _prepare.is_scene("side_row")
    assert not _prepare.is_scene("street.mp4")
    assert not _prepare.is_scene(str(video))


SCENE = """
schema = 1
title = "An empty street, two pictures long"
seed = 1
size = [320, 180]
fps = 2
duration_s = 1
[camera]
at = [0, -9]
height = 5.5
yaw = 90
pitch = 13
fov = 62
[street]
band = [{ kind = "road", y = [-4, 8] }, { kind = "pavement", y = [8, 13] }]
"""


def test_a_scene_is_rendered_once_and_again_when_it_changes(tmp_path: Path) -> None:
    scene = tmp_path / "street.toml"
    scene.write_text(SCENE)
    told: list[tuple[int, int]] = []

    def render(**options: object) -> Path:
        return _prepare.rendered(
            str(scene),
            options,
            folder=tmp_path / "cache",
            progress=lambda done, total: told.append((done, total)),
        )

    first = render(gop_s=1.0)
    assert MediaFile.open(first).width == 320
    assert told[-1] == (2, 2)
    assert _prepare.truth_of(first) == str(first.with_suffix(".truth.json"))
    told.clear()
    assert render(gop_s=1.0) == first
    assert told == [], "the second time it comes from the cache"
    assert render(gop_s=0.5) != first
    scene.write_text(SCENE.replace("seed = 1", "seed = 2"))
    assert render(gop_s=1.0) != first


def test_a_scene_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scene = tmp_path / "street.toml"
    scene.write_text(SCENE)
    with serving(str(scene), "--codec", "h265", "--size", "160x90") as (_, said):
        (camera,) = said["cameras"]
        assert (camera["codec"], camera["width"], camera["height"], camera["fps"]) == ("hevc", 160, 90, 2)
        assert Path(camera["truth"]).is_relative_to(tmp_path)
        (picture,) = decoded(camera["url"], most=1, rtsp_transport="tcp", fpsprobesize="0")
        assert picture.shape == (90, 160)


def test_an_empty_password_file_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "secret"
    empty.write_text("\n")
    with pytest.raises(PatrolError, match="empty"):
        _prepare.password_from(empty)
    with pytest.raises(PatrolError, match="cannot be read"):
        _prepare.password_from(tmp_path / "absent")
