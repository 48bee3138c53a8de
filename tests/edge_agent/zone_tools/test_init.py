"""`patrol zones init`: a picture from a real camera, with credentials that nobody gets to see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from tests.edge_agent.ingest.clips import encode, numbered
from tests.servers.rtsp import RtspServer
from tests.zones.test_cli import patrol
from zones import load_zone_file

USER, PASSWORD = "viewer", "p@ss/w:rd#ü?"
QUOTED = quote(PASSWORD, safe="")


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    """A camera that asks for a password."""
    clip = tmp_path_factory.mktemp("clip") / "numbered.mp4"
    encode(clip, map(numbered, range(100)))
    server = RtspServer(clip, "--auth", "digest", "--user", USER, "--password", PASSWORD)
    yield server
    server.kill()


def no_secret(*texts: str) -> None:
    for text in texts:
        assert PASSWORD not in text
        assert QUOTED not in text


def test_a_picture_is_taken_from_the_camera(
    camera: RtspServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = camera.url.replace("rtsp://", f"rtsp://{USER}:{QUOTED}@")
    out, picture = tmp_path / "cam1.toml", tmp_path / "cam1.jpg"
    assert patrol("init", address, "--out", out, "--save-picture", picture, "--camera", "cam1", "--json") == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    image = cv2.imread(str(picture))
    assert image is not None
    zones = load_zone_file(out)
    assert (zones.picture.width, zones.picture.height) == image.shape[1::-1]
    assert told["size"] == {"width": zones.picture.width, "height": zones.picture.height}
    assert zones.camera == "cam1"
    assert image.std() > 5, "a real picture, not a blank"
    no_secret(shown.out, shown.err, out.read_text("utf-8"))
    assert patrol("lint", out, "--strict") == 0


def test_credentials_come_from_the_environment_or_a_file(
    camera: RtspServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAM1_PASSWORD", PASSWORD)
    (tmp_path / "word").write_text(PASSWORD + "\n", "utf-8")
    for number, way in enumerate(
        (("--password-env", "CAM1_PASSWORD"), ("--password-file", tmp_path / "word"))
    ):
        assert patrol("init", camera.url, "--username", USER, *way, "--out", tmp_path / f"{number}.toml") == 0


def test_a_refused_password_is_named_and_not_shown(
    camera: RtspServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = camera.url.replace("rtsp://", f"rtsp://{USER}:not-{QUOTED}@")
    assert patrol("init", address, "--out", tmp_path / "cam1.toml") == 3
    shown = capsys.readouterr()
    assert "unauthorised" in shown.err
    assert "Check user name and password" in shown.err
    no_secret(shown.out, shown.err)
    assert list(tmp_path.iterdir()) == []


def test_the_camera_of_an_agent_is_found_in_its_configuration(
    camera: RtspServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "word").write_text(PASSWORD + "\n", "utf-8")
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[agent]\nid = "a"\njurisdiction = "j"\ndata_dir = "data"\n[[camera]]\nid = "gate"\nurl = "{camera.url}"\n'
        f'username = "{USER}"\npassword_file = "word"\nzones = "gate.toml"\n'
    )
    out, picture = tmp_path / "gate.toml", tmp_path / "gate.png"
    begin = ("init", "--agent-config", config, "--out", out, "--save-picture", picture)
    assert patrol(*begin) == 2
    assert "It has: gate" in capsys.readouterr().err
    assert patrol(*begin, "--camera", "gate", "--dry-run") == 0
    assert not out.exists()
    assert not picture.exists()
    assert patrol(*begin, "--camera", "gate") == 0
    assert load_zone_file(out).camera == "gate"
    assert picture.is_file()


def test_a_camera_that_is_not_there_is_waited_for_and_named(
    tmp_path: Path,
    free_port: Callable[[], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = f"rtsp://{USER}:{QUOTED}@127.0.0.1:{free_port()}/cam"
    assert patrol("init", address, "--out", tmp_path / "cam1.toml", "--timeout", 1) == 3
    shown = capsys.readouterr()
    assert "no picture" in shown.err
    no_secret(shown.out, shown.err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a picture"),
        (("still.png", "--agent-config", "agent.toml"), "not both"),
        (("rtsp://", "--camera", "cam1"), "not a camera's address"),
        (("http://192.0.2.1/",), "not supported"),
        (("rtsp://a:b@192.0.2.1/", "--username", "c"), "keep only one"),
        (("rtsp://192.0.2.1/", "--password-env", "X"), "no user name"),
        (("missing.png",), "does not exist"),
        (("still.png", "--save-picture", "kept.gif"), "no such picture format"),
        (("still.png", "--save-picture", "still.png"), "exists already"),
        (("still.png", "--out", "zones.json"), "must end in .toml"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("still.png", np.zeros((48, 64, 3), np.uint8))
    assert patrol("init", *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["still.png"]


def test_a_folder_of_pictures_gives_its_first(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "1.png"), np.zeros((48, 64, 3), np.uint8))
    assert patrol("init", folder, "--out", tmp_path / "a.toml") == 0
    assert load_zone_file(tmp_path / "a.toml").picture.width == 64
