"""`patrol plates`, as a person and as a machine use it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.commands import Done, call, run
from tests.models.plates import drawn


def patrol(root: Path, *words: object) -> Done:
    return call("plates", *words, cwd=root)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(3)
    rows = ["file,plate"]
    for number, text in enumerate(("京A12345", "粤B7D210", "川C34567")):
        picture, _ = drawn.scene(drawn.plate(text, "civil_blue"), drawn.Conditions(width=160), rng)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        rows.append(f"{number}.png,{text}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_read_prints_one_line_of_json_per_picture_and_draws_what_it_saw(
    root: Path, pictures: Path, tmp_path: Path
) -> None:
    done = patrol(root, "read", pictures / "0.png", pictures / "1.png", "--json", "--out", tmp_path / "seen")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["plates"][0]["text"] for line in lines] == ["京A12345", "粤B7D210"]
    assert all(line["plates"][0]["accepted"] for line in lines)
    drawn_copy = cv2.imread(str(tmp_path / "seen" / "0.plates.png"))
    assert drawn_copy is not None
    original = cv2.imread(str(pictures / "0.png"))
    assert drawn_copy.shape == original.shape
    assert (drawn_copy != original).any()
    assert sorted(file.name for file in (tmp_path / "seen").iterdir()) == ["0.plates.png", "1.plates.png"]


def test_read_prints_a_table_for_people(root: Path, pictures: Path) -> None:
    done = run("plates", "read", pictures / "2.png", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "川C34567" in done.stdout


def test_eval_prints_the_agreed_figures(root: Path, pictures: Path) -> None:
    done = patrol(root, "eval", pictures, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["n"] == 3
    assert figures["full_plate"] == 1.0
    assert {"coverage", "precision", "threshold", "by_region", "by_kind", "confusions"} <= set(figures)
    assert figures["by_region"]["粤"] == {"n": 1, "right": 1}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("read", "absent.jpg"), "absent.jpg"),
        (("read", "pyproject.toml"), "pyproject.toml"),  # a file that is no picture
        (("eval", "absent"), "absent"),
        (("eval", "protocol"), "labels.csv"),  # a folder without labels
        (("read", "pyproject.toml", "--grammar", "ZZ"), "country"),
        (("read", "pyproject.toml", "--grammar", "absent.toml"), "absent.toml"),
        (("read", "pyproject.toml", "--threshold", "2"), "threshold"),
    ],
)
def test_a_mistake_is_one_line_without_a_traceback(root: Path, words: tuple[str, ...], named: str) -> None:
    done = patrol(root, *words)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_shows_examples(root: Path) -> None:
    for command in ("read", "eval"):
        done = patrol(root, command, "--help")
        assert done.returncode == 0
        assert "Examples" in done.stdout
