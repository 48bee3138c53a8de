"""`patrol bench zones`: small runs of what it measures. Its figures are in docs/benchmarks.md."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.zones import METHODS, count_detected, draw_views, jittered, measure_speed
from models import open_detector
from patrol.main import main


def test_the_table_has_a_row_for_each_angle_and_one_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "zones", "--views", "1", "--vehicles", "8", "--rendered", "0", "--boxes", "60"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--seed", "3", "--json", "-"])
    facts = json.loads(capsys.readouterr().out)
    assert left.value.code in (0, 1)
    assert [(row["boxes"], row["angle"]) for row in facts["decisions"]] == [
        (boxes, angle) for boxes in ("exact", "moved by 3%") for angle in (30, 45, 60, "all")
    ]
    for row in facts["decisions"]:
        assert row["inside"] + row["outside"] + row["between"] == (24 if row["angle"] == "all" else 8)
        for name in METHODS:
            wrong = row[name.replace(" ", "_")]
            assert 0 <= wrong["false"] <= row["outside"]
            assert 0 <= wrong["missed"] <= row["inside"]
    assert {speed["goal_ms"] for speed in facts["speed"]} == {5.0, None}
    assert all(speed["cpu_ms"] > 0 for speed in facts["speed"])


def test_the_same_seed_draws_the_same_streets() -> None:
    one, two, other = (draw_views(60, 1, 6, seed) for seed in (4, 4, 5))
    assert [each.box for each in one[0].standing] == [each.box for each in two[0].standing]
    assert one[0].file == two[0].file
    assert other[0].camera != one[0].camera


def test_moved_boxes_stay_near_and_in_the_picture() -> None:
    boxes = np.array([[0.0, 100, 200, 300], [1000, 500, 1280, 720]])
    moved = jittered(boxes, 0.03, np.random.default_rng(1))
    assert (np.abs(moved - boxes) <= 0.03 * np.array([[200, 200, 200, 200], [280, 220, 280, 220]])).all()
    assert (moved[1, 2:] <= (1280, 720)).all()
    assert not np.array_equal(moved, boxes)


def test_detected_boxes_are_those_of_the_vehicles() -> None:
    done: list[int] = []
    row = count_detected(draw_views(45, 1, 6, seed=9), 6, open_detector("nanodet-g"), done.append)
    assert len(done) == 6
    assert row.inside + row.outside + row.between + row.unseen == 6
    assert row.unseen <= 3


def test_speeds_are_told_with_what_they_are_of() -> None:
    speeds = measure_speed(seed=2, vehicles=30, zones=5)
    assert speeds[0].what == "30 footprints x 5 zones: shares"
    assert all(speed.ms > 0 for speed in speeds)
