"""Scenes as videos: what is written can be decoded, keyframes come as asked, and nothing half done remains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.simulator import Scene, encode
from benchmarks.simulator.cli import app
from protocol.errors import PatrolError, UnavailableError
from tests.benchmarks.test_simulator_scenes import small_scene


def _scene(**changes: Any) -> Scene:
    return Scene.from_dict(small_scene(duration_s=4, **changes))


@pytest.mark.parametrize(
    ("codec", "suffix", "name"),
    [
        ("h264", ".mp4", "h264"),
        ("h265", ".mp4", "hevc"),
        ("h264", ".h264", "h264"),  # bare stream
        ("h265", ".h265", "hevc"),
    ],
)
def test_a_video_decodes_to_the_pictures_drawn(tmp_path: Path, codec: Any, suffix: str, name: str) -> None:
    scene = _scene()
    file = tmp_path / f"street{suffix}"
    encode(scene, file, codec=codec, gop_s=1.5)
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == name
        frames = list(container.decode(stream))
    assert len(frames) == 40
    assert (frames[0].width, frames[0].height) == scene.size
    assert [i for i, f in enumerate(frames) if f.key_frame] == [0, 15, 30]
    error = np.abs(frames[20].to_ndarray(format="bgr24").astype(int) - scene.render(2_000)).mean()
    assert error < 8
    if suffix == ".mp4":
        assert [round(float(f.time) * 10) for f in frames] == list(range(40))


def test_size_and_rate_can_be_chosen_and_the_truth_follows(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    truth_file = encode(
        _scene(),
        tmp_path / "a.mp4",
        size=(480, 270),
        fps=5,
        bitrate=300_000,
        progress=lambda *args: done.append(args),
    )
    truth = json.loads(truth_file.read_text())
    assert truth_file.name == "a.truth.json"
    assert (truth["camera"]["width"], truth["camera"]["height"], truth["camera"]["fps"]) == (480, 270, 5.0)
    assert done[-1] == (20, 20)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 20


def test_the_same_scene_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        encode(_scene(), tmp_path / f"{name}.h264")
    assert (tmp_path / "a.h264").read_bytes() == (tmp_path / "b.h264").read_bytes()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def give_up(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(_scene(), tmp_path / "a.mp4", progress=give_up)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot write"):
        encode(_scene(), tmp_path / "nowhere" / "a.mp4")


@pytest.mark.parametrize(
    ("name", "codec", "gop", "field"),
    [
        ("a.avi", "h264", 2.0, "--out"),
        ("a.h264", "h265", 2.0, "--out"),  # name and codec disagree
        ("a.mp4", "vp9", 2.0, "--codec"),
        ("a.mp4", "h264", 0.0, "--gop"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, codec: Any, gop: float, field: str
) -> None:
    with pytest.raises(PatrolError) as caught:
        encode(_scene(), tmp_path / name, codec=codec, gop_s=gop)
    assert caught.value.field == field
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_video_truth_zones_and_a_still(tmp_path: Path) -> None:
    import tomli_w

    scene = tmp_path / "street.toml"
    scene.write_text(tomli_w.dumps(small_scene(duration_s=2)))
    video, zones, still = tmp_path / "v.mp4", tmp_path / "z.toml", tmp_path / "s.png"
    options = [
        "--out",
        video,
        "--zones",
        zones,
        "--still",
        "1.5",
        still,
        "--codec",
        "h265",
        "--size",
        "160x90",
        "--json",
    ]
    result = CliRunner().invoke(app, ["render", str(scene), *map(str, options)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["pictures"] == 20
    assert {p.name for p in tmp_path.iterdir()} == {"street.toml", "v.mp4", "v.truth.json", "z.toml", "s.png"}


def test_the_command_lists_the_scenes() -> None:
    result = CliRunner().invoke(app, ["render", "--list", "--json"])
    names = {row["name"] for row in json.loads(result.stdout)}
    assert {"demo_pavement", "demo_bays", "empty_night", "rain_day", "replacement", "bus_occlusion"} <= names
    assert {"side_row", "oblique_30", "oblique_45", "oblique_60"} <= names


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["nowhere.toml", "--out", "a.mp4"], None),
        (["side_row", "--out", "a.mp4", "--size", "big"], "--size"),
        (["side_row", "--out", "a.mp4", "--bitrate", "lots"], "--bitrate"),
        (["side_row", "--still", "999", "a.png"], "--still"),
        (["side_row"], "--out"),
    ],
)
def test_a_wrong_option_is_named(
    arguments: list[str], field: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["render", *arguments])
    assert isinstance(result.exception, PatrolError)
    assert result.exception.field == field
    assert list(tmp_path.iterdir()) == []
