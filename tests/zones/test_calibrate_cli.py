"""`patrol zones calibrate`, as a person or a script calls it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from patrol.main import main
from tests.zones.cameras import PIXELS, SIZE, on_street, street_camera
from zones import load_zone_file
from zones.calibration import Ground, Lens, TangentPlane

FILE = """\
# North Street, camera 3
schema = 1

[picture]  # of the sub-stream
width = 1280
height = 720

[[zone]]
id = "P1"
name = "人行道"  # beside the school
polygon = [[100, 420], [1200, 420], [1200, 700], [100, 700]]
"""
CAMERA = street_camera()
GROUND = on_street(CAMERA, PIXELS)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.toml"
    path.write_text(FILE, "utf-8")
    return path


def calibrate(*arguments: object) -> int:
    try:
        main(["zones", "calibrate", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def pairs(pixels: Any = PIXELS, ground: Any = GROUND) -> list[str]:
    """--point options."""
    return [
        word
        for (u, v), (x, y) in zip(np.asarray(pixels).tolist(), np.asarray(ground).tolist(), strict=True)
        for word in ("--point", f"{u},{v}={x},{y}")
    ]


def ground_of(path: Path) -> Ground:
    ground = Ground.of(load_zone_file(path))
    assert ground is not None
    return ground


def test_points_are_kept_in_the_file_and_all_else_stays(
    street: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(street, *pairs()) == 0
    told = capsys.readouterr().out
    assert "point 6" in told
    assert "5.5 m above the ground" in told
    text = street.read_text("utf-8")
    assert text.startswith(FILE)
    np.testing.assert_allclose(ground_of(street).to_ground(PIXELS), GROUND, atol=1e-6)
    # Once more, with others: the first are gone, the comments are not.
    assert calibrate(street, *pairs(PIXELS[:4], GROUND[:4])) == 0
    assert "Four points always fit" in capsys.readouterr().out
    again = street.read_text("utf-8")
    assert again.startswith(FILE)
    assert len(tomllib.loads(again)["calibration"]["point"]) == 4


def test_comments_after_a_calibration_stay_too(street: Path) -> None:
    parts = FILE.split("[[zone]]")
    table = "[calibration]\nk1 = 0.0\nrectangle = { picture = [[1,1],[2,1],[2,2],[1,2]], width_m = 1, length_m = 1 }\n\n"
    street.write_text(f"{parts[0]}{table}# the only one\n[[zone]]{parts[1]}", "utf-8")
    # The old calibration is nonsense; that is why it is replaced.
    assert calibrate(street, *pairs()) == 0
    text = street.read_text("utf-8")
    assert "# of the sub-stream" in text
    assert "# beside the school" in text
    assert tomllib.loads(text)["zone"] == tomllib.loads(FILE)["zone"]
    assert ground_of(street).residuals().rms_cm < 0.01


def test_json_zone_files_stay_json(tmp_path: Path) -> None:
    data = tomllib.loads(FILE) | {"street": "北大街"}
    path = tmp_path / "street.json"
    path.write_text(json.dumps(data, ensure_ascii=False), "utf-8")
    assert calibrate(path, *pairs()) == 0
    after = json.loads(path.read_text("utf-8"))
    assert after.pop("calibration")["point"]
    assert after == data


def test_a_dry_run_writes_nothing(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(street, *pairs(), "--dry-run", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert street.read_text("utf-8") == FILE
    assert facts["written"] is False
    assert facts["proven"] is True
    assert facts["doubtful"] == []
    assert facts["rms_cm"] == pytest.approx(0, abs=1e-6)
    assert facts["camera"]["height_m"] == pytest.approx(5.5, abs=0.01)
    assert facts["camera"]["focal_px"] == pytest.approx(CAMERA.focal, abs=1)
    assert [point["name"] for point in facts["points"]] == [f"point {n}" for n in range(1, 7)]
    assert facts["zones"][0]["zone"] == "P1"
    assert 50 < facts["zones"][0]["area_m2"] < 1000
    assert 1 < facts["zones"][0]["cm_per_px"] < 30


def test_the_files_own_calibration_can_be_looked_at(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(street) == 2
    assert "has no calibration" in capsys.readouterr().err
    assert calibrate(street, *pairs()) == 0
    before = street.read_bytes()
    capsys.readouterr()
    assert calibrate(street, "--json") == 0
    assert json.loads(capsys.readouterr().out)["rms_px"] == pytest.approx(0, abs=1e-6)
    assert street.read_bytes() == before
    # An option without points would be forgotten silently.
    assert calibrate(street, "--lens", "-0.1,0") == 2
    assert "--lens" in capsys.readouterr().err


def test_a_rectangle_of_known_size(street: Path) -> None:
    corners = [(0, 0), (2.5, 0), (2.5, 6), (0, 6)]
    middle = on_street(CAMERA, np.array([[640.0, 520.0]]))[0]
    seen = CAMERA.project(np.array([[*(middle + np.array(c)), 0.0] for c in corners]))
    words = " ".join(f"{u},{v}" for u, v in seen.tolist())
    assert calibrate(street, "--rectangle", words, "--size", "2.5x6") == 0
    found = ground_of(street).to_ground(seen)
    assert np.hypot(*(found[2] - found[0])) == pytest.approx(6.5, abs=1e-6)


def test_a_table_of_map_points_and_a_fitted_lens(street: Path, tmp_path: Path) -> None:
    pixels = np.vstack([PIXELS, [(60, 690), (1220, 690), (100, 430), (1200, 440)]])
    lens = Lens(*SIZE, -0.1)
    plane = TangentPlane(121.47, 31.23, 30.0)
    ground = on_street(CAMERA, pixels)
    table = tmp_path / "kerbs.csv"
    rows = np.column_stack([lens.distort(pixels), plane.to_wgs84(ground)])
    lines = [",".join(repr(float(v)) for v in row) for row in rows]
    table.write_text("\ufeff# with a tape\nu,v,longitude,latitude\n\n" + "\r\n".join(lines) + "\n", "utf-8")
    assert (
        calibrate(street, "--points", table, "--fit-lens", "--origin", "121.47,31.23", "--bearing", 30) == 0
    )
    file = load_zone_file(street)
    assert file.calibration is not None
    assert file.calibration.k1 == pytest.approx(-0.1, abs=2e-3)
    found = ground_of(street).to_ground(lens.distort(pixels))
    np.testing.assert_allclose(found, ground, atol=0.1)


def test_the_check_picture_shows_metres(street: Path, tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), np.full((360, 640, 3), 90, np.uint8))
    out = tmp_path / "check.png"
    wrong = GROUND.copy()
    wrong[4, 0] += 0.4
    assert calibrate(street, *pairs(ground=wrong), "-p", still, "--out", out, "--dry-run") == 1
    drawn = cv2.imread(str(out))
    assert drawn.shape == (360, 640, 3)
    # A strong line every 5 m: on one of them, in view, the picture is white.
    ground = ground_of_points(wrong).scaled(640, 360)
    metres = ground.to_ground(PIXELS / 2)
    line = np.array([5 * round(float(metres[4, 0]) / 5), float(metres[4, 1])])
    near = [line + np.array([0, step]) for step in np.linspace(-2, 2, 21)]
    spots = ground.to_picture(np.array(near))
    inside = spots[((spots > 3) & (spots < [637, 357])).all(axis=1)]
    bright = [
        drawn[round(v) - 2 : round(v) + 3, round(u) - 2 : round(u) + 3].min(axis=2).max() for u, v in inside
    ]
    assert len(bright) > 5
    assert min(bright) > 150
    # So is the horizon, in orange.
    assert ground.horizon is not None
    a, b, c = ground.horizon
    row = round(-(a * 600 + c) / b / 2)
    assert drawn[max(0, row - 2) : row + 3, 300, 2].max() > 130


def ground_of_points(ground: Any) -> Ground:
    from zones.ground import Calibration

    return Ground.fit(
        Calibration.model_validate(
            {
                "point": [
                    {"picture": p, "ground": g} for p, g in zip(PIXELS.tolist(), ground.tolist(), strict=True)
                ]
            }
        ),
        *SIZE,
    )


def test_a_point_measured_beside_it_is_told(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.array([(u, v) for u in (200, 500, 800, 1100) for v in (430, 520, 640)], float)
    ground = on_street(CAMERA, pixels)
    ground[6] += (0.5, 0.2)
    assert calibrate(street, *pairs(pixels, ground)) == 1
    told = capsys.readouterr()
    assert "point 7 misses" in told.err
    assert "written" in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--point", "1,2"], "--point: has no ="),
        (["--point", "1,2,3=4,5"], "is not two numbers"),
        (["--point", "a,2=4,5"], "is not two numbers"),
        (["--point", "nan,2=4,5"], "is not two numbers"),
        (["--map-point", "1,2=31.2,121.4"], "lies off the globe"),
        (["--rectangle", "1,2 3,4 5,6", "--size", "2x3"], "has 3 corners"),
        (["--rectangle", "1,2 3,4 5,6 7,8", "--size", "2by3"], "is no size"),
        (["--rectangle", "1,2 3,4 5,6 7,8", "--size", "-2x3"], "greater than 0"),
        (["--rectangle", "1,2 3,4 5,6 7,8"], "one of --rectangle and --size is missing"),
        (pairs(PIXELS[:3], GROUND[:3]), "3 points are too few"),
        ([*pairs(), "--lens", "5"], "--lens"),
        ([*pairs(), "--lens", "5,0"], "less than or equal to 2"),
        ([*pairs(), "--rectangle", "1,2 3,4 5,6 7,8", "--size", "2x3"], "either points or a rectangle"),
        (pairs(PIXELS, GROUND * [1, -1]), "mirrored"),
        ([*pairs(PIXELS[:4], GROUND[:4]), "--fit-lens"], "too few to fit the lens"),
        ([*pairs(), "--out", "check.bmp"], "no such picture format"),
        (["--points", "missing.csv"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    street: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(street, *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert street.read_text("utf-8") == FILE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,u,v\n1,2,3,4\n", "line 1: has other heads"),
        ("u,v,x,y\n1,2,3\n", "line 2: is not four numbers"),
        ("u,v,x,y\n1,2,3,inf\n", "line 2: is not four numbers"),
        ("u,v,longitude,latitude\n1,2,3,95\n", "line 2: lies off the globe"),
        ("u,v,x,y\n\n", "holds no points"),
    ],
)
def test_a_table_with_a_mistake_names_the_line(
    street: Path, tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "points.csv"
    table.write_text(text, "utf-8")
    assert calibrate(street, "--points", table) == 2
    assert words in " ".join(capsys.readouterr().err.split())
