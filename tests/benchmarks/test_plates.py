"""The benchmark of the plate reader: what it draws, how it counts, what it prints."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.plates.camera import CONDITIONS, CROP, Conditions, crop, scene, seen
from benchmarks.plates.drawn import Read, draw
from benchmarks.plates.layout import KINDS, REGIONS, grammar_kind, plate, random_text
from benchmarks.plates.run import drawn_rows, share
from benchmarks.plates.sheet import CELL, Error, sheet
from benchmarks.plates.timing import STAGES, Stopwatch
from models.plates.grammar import china
from protocol.errors import PatrolError


@given(kind=st.sampled_from(sorted(KINDS)), region=st.sampled_from(REGIONS), seed=st.integers(0, 2**32 - 1))
def test_texts_drawn_by_lot_are_legal_and_of_their_kind(kind: str, region: str, seed: int) -> None:
    text = random_text(np.random.default_rng(seed), kind, region)
    assert china().kind(text, KINDS[kind].colour) == grammar_kind(kind)
    if KINDS[kind].form not in ("embassy", "border"):
        assert text[0] == region


@pytest.mark.parametrize(
    ("text", "kind", "size"),
    [
        ("京A12345", "civil_blue", (140, 440)),
        ("京AD12345", "energy_small", (140, 480)),
        ("京A12345", "civil_yellow_two_rows", (220, 440)),
        ("京A0123警", "police", (140, 440)),
    ],
)
def test_plates_have_their_true_sizes(text: str, kind: str, size: tuple[int, int]) -> None:
    assert plate(text, kind).shape[:2] == size


def test_a_text_of_another_kind_is_refused() -> None:
    with pytest.raises(PatrolError, match="kind"):
        plate("京A0123警", "civil_blue")
    with pytest.raises(PatrolError, match="no such kind"):
        random_text(np.random.default_rng(1), "bicycle")


def test_a_plate_straight_ahead_keeps_its_width_and_turned_it_loses_some() -> None:
    straight = seen(440 / 140, Conditions(width=200), (240, 180))
    assert straight[1, 0] - straight[0, 0] == pytest.approx(200)
    turned = seen(440 / 140, Conditions(width=200, yaw=40), (240, 180))
    assert turned[1, 0] - turned[0, 0] < 0.8 * 200
    rolled = seen(440 / 140, Conditions(width=200, roll=10), (240, 180))
    assert rolled[1, 1] > rolled[0, 1] + 20


@pytest.mark.parametrize("condition", sorted(CONDITIONS))
def test_the_plate_lies_where_its_corners_say(condition: str) -> None:
    flat, rng = plate("京A12345", "civil_blue"), np.random.default_rng(3)
    picture, corners = scene(flat, CONDITIONS[condition](rng), rng)
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 1)
    # Blue beyond red on the plate, more than around it.
    excess = picture[:, :, 0].astype(float) - picture[:, :, 2]
    assert excess[inside == 1].mean() > 5


def test_crops_are_those_of_public_sets() -> None:
    rng = np.random.default_rng(4)
    assert crop(plate("京A12345", "civil_blue"), CONDITIONS["day"](rng), rng).shape == (CROP[1], CROP[0], 3)


def test_the_same_seed_draws_the_same_whatever_else_is_drawn() -> None:
    alone = list(draw(1, 7, ["night"]))
    among = [item for item in draw(1, 7, ["day", "night"]) if item.condition == "night"]
    assert [item.plate for item in alone] == [item.plate for item in among]
    assert all((a.picture == b.picture).all() for a, b in zip(alone, among, strict=True))
    assert {item.kind for item in alone} == set(KINDS)
    assert [item.plate for item in draw(1, 8, ["night"])] != [item.plate for item in alone]


def outcome(right: bool, confidence: float, condition: str = "day") -> Read:
    return Read(
        "a", "京A12345", "civil_blue", condition, "京A12345" if right else "京A12346", confidence, True
    )


def test_rows_count_right_ones_and_mark_a_missed_goal() -> None:
    reads = [outcome(True, 0.99)] * 97 + [outcome(False, 0.99)] * 3 + [outcome(True, 0.1, "night")]
    rows = {row.what: row for row in drawn_rows(reads, 0.96) if row.table == "drawn"}
    assert rows["day: whole plate right"].value == pytest.approx(0.97)
    assert rows["day: whole plate right"].met is False
    assert rows["night: accepted"].value == 0
    assert rows["all: precision of accepted"].met is False
    low, high = rows["day: whole plate right"].low, rows["day: whole plate right"].high
    assert low is not None
    assert high is not None
    assert low < 0.97 < high


def test_nothing_accepted_has_no_precision_to_boast_of() -> None:
    row = share("t", "w", 0, 0, 0.999)
    assert row.met is False
    assert (row.low, row.high) == (0.0, 1.0)


def test_a_stopwatch_adds_up_and_starts_anew() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch("find"):
            sum(range(20_000))
    lap = watch.lap()
    assert set(lap) == set(STAGES)
    assert lap["find"] > 0
    assert watch.lap()["find"] == 0


def test_errors_are_shown_with_the_surest_first() -> None:
    picture = np.full((24, 94, 3), 90, np.uint8)
    page = sheet([Error(picture, "京A12345", None, 0.0, "a.png")] * 5)
    assert page.shape == (2 * CELL[1], 4 * CELL[0], 3)


def test_the_command_prints_figures_keeps_pictures_and_shows_errors(root: Path, tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    rng, lines = np.random.default_rng(5), ["file,plate"]
    for number, text in enumerate(("皖A12345", "京B7D210", "皖C34567", "粤B88K12")):
        picture = crop(plate(text, "civil_blue"), Conditions(width=180), rng)
        cv2.imwrite(str(crops / f"{number}.png"), picture)
        lines.append(f"{number}.png,{text}")
    (crops / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["--crops", crops, "--each", 1, "--stays", 1, "--condition", "day", "--json", "-"]
    words += ["--out-drawn", tmp_path / "drawn", "--out-pictures", tmp_path / "worst.png"]
    command = [sys.executable, "-m", "patrol", "bench", "plates", *map(str, words)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: a goal is missed, as is likely with so few
    figures = json.loads(done.stdout)
    rows = {(row["table"], row["what"]): row for row in figures["rows"]}
    assert rows["real crops", "whole plate right, full coverage"]["n"] == 4
    assert rows["drawn", "day: whole plate right"]["n"] == len(KINDS)
    assert rows["drawn", "day: whole plate right"]["value"] > 0.7
    assert rows["time", "vehicle crop to plate, median"]["value"] > 0
    assert rows["time", "vehicle crop to plate, 95th percentile"]["met"] is None, "told, but no goal"
    assert rows["stays", "plate given out by the vote"]["n"] == 1
    assert rows["stays by condition", "day: plate given out by the vote"]["n"] == 1
    assert done.returncode == (1 if any(row["met"] is False for row in figures["rows"]) else 0)
    with (tmp_path / "drawn" / "labels.csv").open(encoding="utf-8") as file:
        kept = list(csv.DictReader(file))
    assert len(kept) == len(KINDS)
    assert all((tmp_path / "drawn" / row["file"]).is_file() for row in kept)
    assert cv2.imread(str(tmp_path / "worst.png")) is not None


def test_an_unknown_condition_names_the_known_ones(root: Path) -> None:
    command = [sys.executable, "-m", "patrol", "bench", "plates", "--condition", "fog"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "night" in done.stderr
    assert "Traceback" not in done.stderr
