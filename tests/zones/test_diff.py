"""What `patrol zones diff` calls the same, and how it says what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point
from typer.testing import CliRunner

from patrol.main import main
from tests.zones import strategies as drawn
from zones import ZoneFile, dump_zone_file
from zones.cli import app
from zones.diff import compare, forbidden_ground, in_words
from zones.diff_pictures import draw_difference

RUN = CliRunner()

PAVEMENT = [(20, 200), (400, 200), (400, 300), (20, 300)]
BAY = [(420, 200), (600, 200), (600, 300), (420, 300)]


def zone(id: str, polygon: list[tuple[float, float]], **more: Any) -> dict[str, Any]:
    return {"id": id, "name": id, "polygon": polygon} | more


def file(*zones: dict[str, Any], width: int = 640, height: int = 360, **more: Any) -> ZoneFile:
    return ZoneFile.model_validate({"picture": {"width": width, "height": height}, "zone": zones} | more)


BEFORE = file(zone("P1", PAVEMENT), zone("B1", BAY, kind="parking_bay"))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_another_way_to_write_it_is_the_same(data: Any) -> None:
    one = data.draw(drawn.zone_files())
    zones = []
    for each in data.draw(st.permutations(one.zone)):
        ring = list(each.polygon)
        start = data.draw(st.integers(0, len(ring) - 1))
        ring = ring[start:] + ring[:start]
        if data.draw(st.booleans()):
            ring = ring[::-1]
        classes = tuple(data.draw(st.permutations(each.classes)))
        zones.append(each.model_copy(update={"polygon": tuple(ring), "classes": classes}))
    other = one.model_copy(update={"zone": tuple(zones)})
    difference = compare(one, other)
    assert difference.same
    assert difference.forbidden is not None
    assert difference.forbidden.same


@given(drawn.zone_files(), drawn.zone_files())
@settings(max_examples=60, deadline=None)
def test_areas_add_up_and_swap_sides(one: ZoneFile, two: ZoneFile) -> None:
    there, back = compare(one, two).forbidden, compare(two, one).forbidden
    assert there is not None
    assert back is not None
    before, after = forbidden_ground(one), forbidden_ground(two)
    assert there.gained_px + there.kept_px == pytest.approx(after.area, abs=0.3)
    assert there.lost_px + there.kept_px == pytest.approx(before.area, abs=0.3)
    assert (there.gained_px, there.lost_px) == pytest.approx((back.lost_px, back.gained_px), abs=0.2)


def test_the_words() -> None:
    after = file(
        zone("P1", [(26, 196), (406, 196), (406, 296), (26, 296)], grace_s=900, classes=["car"],
             hours=[{"from": "08:00", "to": "20:00", "days": ["workday"]}]),
        zone("F1", [(420, 100), (600, 100), (600, 150), (420, 150)], kind="fire_lane"),
    )  # fmt: skip
    difference = compare(BEFORE, after)
    assert not difference.same
    moved, added, removed = difference.zones
    assert (moved.id, moved.change) == ("P1", "changed")
    assert {key.key: (key.old, key.new) for key in moved.keys} == {
        "grace_s": ("600", "900"),
        "classes": ("bus, car, motorcycle, truck", "car"),
        "hours": ("not given", "08:00-20:00 workday"),
    }
    assert moved.ground is not None
    assert moved.ground.how == "moved as a whole, 6.0 px to the right and 4.0 px up"
    assert moved.ground.moved_px == pytest.approx(7.2)
    assert moved.ground.gained_px == moved.ground.lost_px == 38_000 - 374 * 96
    assert (added.id, added.change) == ("F1", "added")
    assert (removed.id, removed.change) == ("B1", "removed")


def test_one_vertex_and_a_new_number_of_them() -> None:
    nudged = compare(
        BEFORE, file(zone("P1", [*PAVEMENT[:3], (20, 312)]), zone("B1", BAY, kind="parking_bay"))
    )
    (change,) = nudged.zones
    assert change.ground is not None
    assert change.ground.how == "vertex 4 of 4 moved, by at most 12.0 px"
    more = compare(BEFORE, file(zone("P1", [*PAVEMENT, (10, 250)]), zone("B1", BAY, kind="parking_bay")))
    (change,) = more.zones
    assert change.ground is not None
    assert change.ground.how == "redrawn with 5 vertices instead of 4; its edge moved by at most 10.0 px"


def test_a_zone_under_another_name_is_the_same_zone() -> None:
    difference = compare(BEFORE, file(zone("walk", PAVEMENT), zone("B1", BAY, kind="parking_bay")))
    (change,) = difference.zones
    assert (change.id, change.was, change.change) == ("walk", "P1", "changed")
    assert [key.key for key in change.keys] == ["name"]
    assert change.ground is not None
    assert change.ground.same


def test_a_bay_over_forbidden_ground_frees_it() -> None:
    over = file(zone("P1", PAVEMENT), zone("B1", BAY, kind="parking_bay"),
                zone("B2", [(100, 200), (200, 200), (200, 300), (100, 300)], kind="parking_bay"))  # fmt: skip
    ground = compare(BEFORE, over).forbidden
    assert ground is not None
    assert (ground.gained_px, ground.lost_px, ground.kept_px) == (0, 10_000, 28_000)


def test_another_size_of_the_same_shape_is_compared_in_the_new_pixels() -> None:
    doubled = [(x * 2, y * 2) for x, y in PAVEMENT]
    twice = file(
        zone("P1", doubled),
        zone("B1", [(x * 2, y * 2) for x, y in BAY], kind="parking_bay"),
        width=1280,
        height=720,
    )
    difference = compare(BEFORE, twice)
    assert [key.key for key in difference.keys] == ["picture"]
    assert not difference.zones
    square = compare(BEFORE, file(zone("P1", PAVEMENT), width=400, height=400))
    assert not square.comparable
    assert square.forbidden is None


def test_square_metres_on_a_calibrated_camera() -> None:
    calibration = {
        "rectangle": {"picture": [(0, 360), (640, 360), (640, 0), (0, 0)], "width_m": 64, "length_m": 36}
    }
    one = file(zone("P1", PAVEMENT), calibration=calibration)
    two = file(zone("P1", [(20, 200), (400, 200), (400, 310), (20, 310)]), calibration=calibration)
    ground = compare(one, two).zones[0].ground
    assert ground is not None
    assert ground.gained_px == 3800
    assert ground.gained_m2 == pytest.approx(38.0, abs=0.2)
    assert ground.moved_m == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not given"),
        (600.0, "600"),
        (True, "yes"),
        (("car", "bus"), "car, bus"),
        ({"days": ("sat", "sun"), "from": "20:00", "to": "06:00"}, "20:00-06:00 sat, sun"),
        ({"reason": "loading", "up_to_s": 900.0}, "reason loading, up_to_s 900"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert in_words(value) == words


def test_the_picture_shows_what_was_gained_and_lost() -> None:
    after = file(
        zone("P1", [(20, 150), (300, 150), (300, 300), (20, 300)]), zone("B1", BAY, kind="parking_bay")
    )
    image = draw_difference(BEFORE, after, compare(BEFORE, after))
    assert image.shape[1] == 640
    gained = image[155:195, 30:290].reshape(-1, 3).mean(0)
    lost = image[220:290, 310:390].reshape(-1, 3).mean(0)
    kept = image[210:230, 40:100].reshape(-1, 3).mean(0)
    assert gained[2] > gained[0] + 30  # red
    assert lost[0] > lost[2] + 30  # blue
    assert np.ptp(kept) < 12  # grey
    assert forbidden_ground(after).contains(Point(100, 160))


def write(folder: Path, name: str, zones: ZoneFile) -> Path:
    path = folder / name
    path.write_text(dump_zone_file(zones), "utf-8")
    return path


def test_exit_codes_and_json(tmp_path: Path) -> None:
    one = write(tmp_path, "one.toml", BEFORE)
    two = write(
        tmp_path, "two.toml", file(zone("P1", PAVEMENT, grace_s=900), zone("B1", BAY, kind="parking_bay"))
    )
    same = RUN.invoke(app, ["diff", str(one), str(one), "--json"])
    assert (same.exit_code, json.loads(same.stdout)["same"]) == (0, True)
    out = tmp_path / "diff.png"
    asked = RUN.invoke(app, ["diff", str(one), str(two), "--json", "--out", str(out), "--dry-run"])
    assert (asked.exit_code, json.loads(asked.stdout)["dry_run"], out.exists()) == (1, True, False)
    other = RUN.invoke(app, ["diff", str(one), str(two), "--json", "--out", str(out)])
    assert other.exit_code == 1
    told = json.loads(other.stdout)
    assert told["zones"][0]["keys"] == [{"key": "grace_s", "old": "600", "new": "900"}]
    assert cv2.imread(str(out)) is not None
    assert "grace_s: 600 -> 900" in RUN.invoke(app, ["diff", str(one), str(two)]).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["one.toml", "nowhere.toml"], "nowhere.toml"),
        (["one.toml", "one.toml", "--out", "diff.gif"], "--out"),
        (["one.toml", "one.toml", "--picture", "street.jpg"], "--picture"),
        (["one.toml", "square.toml", "--out", "diff.png"], "different shapes"),
    ],
)
def test_wrong_input_is_one_clear_error(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "one.toml", BEFORE)
    write(tmp_path, "square.toml", file(zone("P1", PAVEMENT), width=400, height=400))
    with pytest.raises(SystemExit) as stopped:
        main(["zones", "diff", *arguments])
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.glob("diff.*"))
