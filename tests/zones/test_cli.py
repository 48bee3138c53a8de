"""`patrol zones`, as a person or a script calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from rich.console import Console

from patrol import console
from patrol.main import main
from zones import ZoneIndex, load_zone_file
from zones.model import Zone
from zones.pictures import draw, read_picture
from zones.reference import keys_of, zone_tables
from zones.terminal import print_zones

GOOD = """
schema = 1
[picture]
width = 640
height = 360
[[zone]]
id = "P1"
name = "人行道"
polygon = [[10, 10], [200, 10], [200, 100], [10, 100]]
[[zone]]
id = "B1"
name = "Bay"
kind = "parking_bay"
polygon = [[300, 200], [500, 200], [500, 300], [300, 300]]
"""
ODD = GOOD.replace(
    "[300, 200], [500, 200], [500, 300], [300, 300]", "[100, 10], [300, 10], [300, 100], [100, 100]"
)
WRONG = GOOD.replace("[200, 100], [10, 100]", "[10, 100], [200, 100]").replace(
    'kind = "parking_bay"', 'kind = "bay"'
)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.toml"
    path.write_text(GOOD, "utf-8")
    return path


@pytest.fixture
def still(tmp_path: Path) -> Path:
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), np.full((720, 1280, 3), 90, np.uint8))
    return path


def patrol(*arguments: object) -> int:
    try:
        main(["zones", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


@pytest.mark.parametrize(
    ("text", "strict", "code"),
    [(GOOD, False, 0), (GOOD, True, 0), (ODD, False, 0), (ODD, True, 1), (WRONG, False, 2), (WRONG, True, 2)],
)
def test_lint_ends_with_the_code_that_it_promises(tmp_path: Path, text: str, strict: bool, code: int) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, "utf-8")
    assert patrol("lint", path, *(["--strict"] if strict else [])) == code


def test_lint_names_every_mistake_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("wrong.toml", "odd.toml", "good.toml", "missing.toml")]
    for path, text in zip(paths, (WRONG, ODD, GOOD), strict=False):
        path.write_text(text, "utf-8")
    assert patrol("lint", *paths, "--json") == 2
    wrong, odd, good, missing = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [error["field"] for error in wrong["errors"]] == ["zone P1", "zone B1: kind"]
    assert "edge 2-3 meets edge 4-1" in wrong["errors"][0]["problem"]
    assert [(w["rule"], w["zone"], w["other"]) for w in odd["warnings"]] == [("overlap", "P1", "B1")]
    assert (good["zones"], good["errors"], good["warnings"]) == (["P1", "B1"], [], [])
    assert "does not exist" in missing["errors"][0]["problem"]


def test_lint_tells_people_file_zone_and_vertex(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace("[200, 100]", "[200, 400]"), "utf-8")
    assert patrol("lint", path) == 2
    said = capsys.readouterr().err
    assert "a.toml" in said
    assert "zone P1: vertex 3 (200, 400) lies off the picture" in said


def test_show_draws_over_a_larger_picture_of_the_same_shape(
    street: Path, still: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    assert patrol("show", street, "--picture", still, "--out", out) == 0
    drawn = cv2.imread(str(out))
    assert drawn is not None
    assert drawn.shape[0] > 720, "a legend lies below"
    assert drawn.shape[1] == 1280
    untouched, in_pavement, in_bay = drawn[500, 300], drawn[60, 210], drawn[420, 950]
    assert untouched.tolist() == [90, 90, 90]
    assert in_pavement[2] > in_pavement[1] + 30, "red over the pavement"
    assert in_bay[1] > in_bay[2] + 20, "green over the bay"


def test_show_without_a_picture_takes_the_drawn_size(street: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    assert patrol("show", street, "--out", out) == 0
    drawn = cv2.imread(str(out))
    assert drawn is not None
    assert drawn.shape[1] == 640


def test_the_names_of_zones_are_written_in_chinese(street: Path) -> None:
    """Another name gives another picture: the letters are really there, not boxes for missing glyphs."""
    zones = load_zone_file(street)
    other = zones.model_copy(
        update={"zone": (zones.zone[0].model_copy(update={"name": "行人道"}), zones.zone[1])}
    )
    assert (draw(zones) != draw(other)).any()


def test_show_takes_the_first_picture_of_a_video(street: Path, tmp_path: Path) -> None:
    video = tmp_path / "street.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for level in (60, 200):
            frame = av.VideoFrame.from_ndarray(np.full((180, 320, 3), level, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert abs(int(read_picture(video).mean()) - 60) < 4
    assert patrol("show", street, "-p", video, "-o", tmp_path / "out.png") == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.png", None, "does not exist"),
        ("broken.png", b"\x89PNG\r\n", "damaged"),
        ("empty.jpg", b"", "damaged"),
        ("text.mp4", b"hello", "no picture or video"),
    ],
)
def test_pictures_that_are_none(
    street: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    said: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert patrol("show", street, "-p", path, "-o", tmp_path / "out.png") == 2
    message = capsys.readouterr().err.replace("\n", " ")
    assert name in message
    assert said in message
    assert not (tmp_path / "out.png").exists()


def test_show_refuses_a_picture_of_another_shape(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "square.png"
    cv2.imwrite(str(path), np.zeros((480, 640, 3), np.uint8))
    assert patrol("show", street, "-p", path, "-o", tmp_path / "out.png") == 2
    assert "640x480" in capsys.readouterr().err


def test_nothing_is_half_written(street: Path, tmp_path: Path) -> None:
    assert patrol("show", street, "-o", tmp_path / "nowhere" / "out.png") == 3
    assert patrol("show", street, "-o", tmp_path / "out.gif") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["street.toml"]


def test_init_writes_a_file_that_is_in_order(still: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.toml"
    assert patrol("init", still, "--out", out) == 0
    zones = load_zone_file(out)
    assert (zones.picture.width, zones.picture.height) == (1280, 720)
    assert ZoneIndex(zones, 1280, 720).presence((500, 400, 780, 640), "car").inside
    assert patrol("lint", out, "--strict") == 0
    text = out.read_text("utf-8")
    for key in keys_of(Zone):
        if key.default is not None:
            assert f"\n# {key.name} = " in text
            assert key.meaning in text


def test_every_default_in_the_starting_file_may_be_uncommented(still: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.toml"
    assert patrol("init", still, "--out", out) == 0
    names = [key.name for key in keys_of(Zone) if key.default is not None]
    lines = [
        line[2:] if line.startswith(tuple(f"# {name} = " for name in names)) else line
        for line in out.read_text("utf-8").splitlines()
    ]
    (tmp_path / "all.toml").write_text("\n".join(lines), "utf-8")
    assert load_zone_file(tmp_path / "all.toml") == load_zone_file(out)


def test_init_overwrites_nothing(still: Path, street: Path, tmp_path: Path) -> None:
    assert patrol("init", still, "--out", street) == 2
    assert street.read_text("utf-8") == GOOD
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "nowhere")
    assert patrol("init", still, "--out", link) == 2
    assert link.is_symlink()


def test_a_name_with_a_line_break_stays_in_its_comment(tmp_path: Path) -> None:
    picture = tmp_path / "a\nschema = 2.png"
    picture.write_bytes(cv2.imencode(".png", np.zeros((90, 160, 3), np.uint8))[1].tobytes())
    assert patrol("init", picture, "--out", tmp_path / "new.toml") == 0
    assert load_zone_file(tmp_path / "new.toml").schema_ == 1


def test_the_document_lists_the_keys_as_they_are(root: Path) -> None:
    document = (root / "docs" / "zones.md").read_text("utf-8")
    assert zone_tables() in document, "paste the output of `patrol zones reference` into docs/zones.md"


# The terminal, and machines


def test_show_draws_letters_where_there_are_no_colours(
    street: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(console.out, "_width", 64)
    monkeypatch.setattr(console.out, "_height", 40)
    assert patrol("show", street) == 0
    *drawn, first, second = capsys.readouterr().out.splitlines()
    assert {len(line) for line in drawn} == {64}
    assert len(drawn) == 18, "a character is twice as high as wide"
    assert drawn[2][5] == "A"
    assert drawn[12][40] == "B"
    assert drawn[0][0] == drawn[17][63] == "."
    assert (first, second) == ("A  P1  no_parking  人行道", "B  B1  parking_bay  Bay")


def test_show_draws_colours_where_there_are_some(street: Path) -> None:
    zones = load_zone_file(street)
    screen = Console(
        force_terminal=True, color_system="truecolor", width=40, no_color=False, file=io.StringIO()
    )
    print_zones(zones, None, screen)
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert shown.count("▀") == 40 * 11
    assert "38;2;" in shown
    assert shown.rstrip().endswith("parking_bay  Bay")
    plain = Console(
        force_terminal=True, color_system="truecolor", width=40, no_color=True, file=io.StringIO()
    )
    print_zones(zones, None, plain)
    assert isinstance(plain.file, io.StringIO)
    assert "▀" not in plain.file.getvalue()


def test_show_tells_machines_what_it_drew(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert patrol("show", street, "--json", "--out", out, "--zone", "B1") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["written"], told["calibrated"], told["size"]) == (True, False, {"width": 640, "height": 360})
    assert [(zone["id"], zone["area_px"], zone["area_m2"]) for zone in told["zones"]] == [
        ("B1", 20000.0, None)
    ]
    assert out.is_file()
    out.unlink()
    assert patrol("show", street, "--json", "--out", out, "--dry-run") == 0
    assert json.loads(capsys.readouterr().out)["written"] is False
    assert not out.exists()
    assert patrol("show", street, "--zone", "P9") == 2
    assert "It has: P1, B1" in capsys.readouterr().err


def test_show_lays_a_grid_on_ground_that_is_calibrated(street: Path) -> None:
    text = GOOD.replace(
        "[[zone]]",
        "[calibration.rectangle]\npicture = [[200, 340], [440, 340], [380, 220], [260, 220]]\nwidth_m = 3\nlength_m = 8\n[[zone]]",
        1,
    ).replace(
        "[[10, 10], [200, 10], [200, 100], [10, 100]]", "[[10, 200], [200, 200], [200, 300], [10, 300]]"
    )
    street.write_text(text, "utf-8")
    zones = load_zone_file(street)
    sheet = np.full((360, 640, 3), 90, np.uint8)
    with_grid, without = draw(zones, sheet), draw(zones, sheet, grid=False)
    assert (with_grid[250:340, 300:600] != without[250:340, 300:600]).any()
    assert (without[320:350, 300:600] == 90).all()


def test_lint_names_the_vertex_and_the_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace("[200, 10], [200, 100]", "[200, 10], [200, 10], [200, 100]"), "utf-8")
    assert patrol("lint", path) == 0
    assert "zone P1: vertex 3: vertex 3 repeats vertex 2" in capsys.readouterr().err
    path.write_text(GOOD + "min_length_m = 2\n", "utf-8")
    assert patrol("lint", path, "--json") == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["rule"], error["zone"], error["severity"]) == ("uncalibrated_metres", "B1", "error")


def test_lint_knows_whose_zones_they_must_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text('camera = "cam2"\n' + GOOD.lstrip(), "utf-8")
    assert patrol("lint", path, "--camera", "cam1") == 2
    assert "belongs to camera cam2, not cam1" in capsys.readouterr().err
    assert patrol("lint", path, "--camera", "cam2") == 0
    assert patrol("lint") == 2
