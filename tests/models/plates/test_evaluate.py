"""Thresholds, coverage and precision, and sets with mistakes in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plates.calibration import at_threshold, choose_threshold
from models.plates.evaluate import Outcome, labelled_set, report
from protocol.errors import PatrolError


def outcome(confidence: float, right: bool) -> Outcome:
    return Outcome("a.jpg", "皖A12345", "皖A12345" if right else "皖A12346", confidence, "civil_blue", 1.0)


outcomes = st.lists(st.builds(outcome, st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(outcomes)
def test_the_chosen_threshold_keeps_the_precision_it_was_chosen_for(seen: list[Outcome]) -> None:
    threshold = choose_threshold(seen, 0.9)
    coverage, precision = at_threshold(seen, threshold)
    assert precision >= 0.9 or threshold == 1.0
    assert 0 <= coverage <= 1


def test_a_doubting_reader_is_not_trusted_for_a_run_of_luck() -> None:
    lucky = [outcome(0.9, True)] * 50
    assert choose_threshold(lucky) == 1.0


def test_readings_of_one_confidence_pass_together_or_not_at_all() -> None:
    seen = [outcome(0.9999, True)] * 10 + [outcome(0.9999, False)]
    assert choose_threshold(seen) == 1.0


def test_a_report_counts_by_region_and_kind_and_names_confusions() -> None:
    found = report([outcome(1.0, True), outcome(1.0, True), outcome(0.3, False)], 0.9)
    assert found.n == 3
    assert found.full_plate == pytest.approx(2 / 3)
    assert found.by_region == {"皖": (3, 2)}
    assert found.by_kind == {"civil_blue": (3, 2)}
    assert found.confusions == (("5", "6", 1),)
    assert found.in_force == (0.9, pytest.approx(2 / 3), 1.0)
    assert {"n", "full_plate", "coverage", "precision", "threshold"} <= set(found.as_dict())


def test_pictures_that_were_not_read_cover_nothing() -> None:
    nothing = Outcome("a.jpg", "皖A12345", None, 0.0, "civil_blue", 1.0)
    assert at_threshold([nothing], 0.0) == (0.0, 1.0)
    assert report([nothing], 0.9).full_plate == 0.0


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (None, "no labels.csv"),
        (b"", "column"),
        (b"file\na.jpg\n", "column"),
        (b"file,plate\n", "no picture"),
        (b"file,plate\na.jpg,\n", "empty cell"),
        (b"file,plate\na.jpg\n", "empty cell"),  # a row too short
        (b'file,plate\n"a.jpg,x\n', "not a CSV"),  # a quote that never ends
        ("file,plate\nb.jpg,皖A12345\n".encode(), "not there"),
        ("file,plate\n../outside.jpg,皖A12345\n".encode(), "not there"),
        ("file,plate\na.jpg,皖A12345\n".encode("gbk"), "UTF-8"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_set_with_a_mistake_is_one_clear_error(
    tmp_path: Path, labels: bytes | None, problem: str, packed: bool
) -> None:
    (tmp_path / "outside.jpg").write_bytes(b"x")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    if labels is not None:
        (folder / "labels.csv").write_bytes(labels)
    target = folder
    if packed:
        target = tmp_path / "set.zip"
        with zipfile.ZipFile(target, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, file.name)
    with pytest.raises(PatrolError, match=problem):
        labelled_set(target)


def test_a_zip_may_hold_its_set_in_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "set.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("set/labels.csv", "\ufefffile,plate\na.jpg,皖A12345\n")
        archive.writestr("set/a.jpg", b"bytes")
    (item,) = labelled_set(target)
    assert (item.name, item.plate, item.fetch()) == ("a.jpg", "皖A12345", b"bytes")


def test_what_is_neither_folder_nor_zip_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    with pytest.raises(PatrolError, match="no such"):
        labelled_set(file)
    file.write_bytes(b"PK no")
    with pytest.raises(PatrolError, match="not a ZIP"):
        labelled_set(file)


def test_a_mistake_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    (tmp_path / "labels.csv").write_text("file,plate\na.jpg,皖A12345\nb.jpg,皖A12345\n", encoding="utf-8")
    with pytest.raises(PatrolError) as caught:
        labelled_set(tmp_path)
    assert caught.value.field == "line 3"
    (tmp_path / "labels.csv").write_text("file,plate\na.jpg,皖A12345\n", encoding="utf-8")
    (item,) = labelled_set(tmp_path)
    with pytest.raises(PatrolError, match="decoded") as caught:
        item.picture()
    assert caught.value.file == "a.jpg"
    assert caught.value.field == "labels.csv line 2"
