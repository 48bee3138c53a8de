"""Reading grid files, storing the tree, and cases that find their grid; on both databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from central.cases.models import Case
from central.grids.models import Grid, GridArea
from central.grids.reading import read_grids
from central.grids.services import hand_over, index_at, leaf_code, leaf_of, store
from central.parking.services import apply_task
from protocol.errors import PatrolError
from protocol.messages import Position
from tests.central.street import JURISDICTION, NOON, task


def square(x: float, y: float, side: float = 0.01) -> list[list[list[float]]]:
    return [[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]]


def feature(code: str, level: int, parent: str | None, ground: Any = None, **more: Any) -> dict[str, Any]:
    properties = {
        "code": code,
        "name": f"网格{code}",
        "level": level,
        **({"parent": parent} if parent else {}),
        **more,
    }
    geometry = None if ground is None else {"type": "Polygon", "coordinates": ground}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def tree(*leaves: dict[str, Any]) -> list[dict[str, Any]]:
    return [feature("1", 1, None), feature("1-1", 2, "1"), feature("1-1-1", 3, "1-1"), *leaves]


def leaf(code: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    return feature(code, 4, "1-1-1", square(x, y), **more)


@pytest.fixture
def write(tmp_path: Path):
    def file(features: list[dict[str, Any]], name: str = "grids.geojson") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
        return path

    return file


@pytest.mark.parametrize(
    ("features", "place", "problem"),
    [
        (tree(leaf("a", 121, 31, colour="red")), "row 4: colour", "this property is not known"),
        (tree(feature("a", 4, "1-1-1")), "row 4: a", "needs its ground"),
        (
            tree(feature("a", 4, "1-1", square(121, 31))),
            "row 4: a",
            "is of level 4 but its parent 1-1 of level 2",
        ),
        (tree(feature("a", 4, "9", square(121, 31))), "row 4: a", "its parent is not in the file"),
        (tree(leaf("a", 121, 31), leaf("a", 122, 31)), "row 5: a", "stands in row 4 already"),
        (tree(leaf("a", 31, 121)), "row 4: a", "lies off the earth"),
        (
            tree(feature("a", 4, "1-1-1", [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]])),
            "row 4: a",
            "its ground is not simple: Self-intersection",
        ),
        (tree(feature("a", 4, "1-1-1", [[[0, "x"]]])), "row 4: a", "has no readable ground"),
        (tree(feature("a", 5, "1-1-1", square(121, 31))), "row 4: level", "less than or equal to 4"),
        ([{"type": "Feature", "properties": None}], "row 1", "field required"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_row(write, features, place, problem) -> None:
    report = read_grids(write(features))
    assert any(
        place in str(fault.field) and problem.lower() in fault.problem.lower() for fault in report.faults
    ), [str(fault) for fault in report.faults]


def test_files_that_are_no_grid_files(tmp_path: Path) -> None:
    for text, problem in (("{", "is not JSON"), ("[]", "is no GeoJSON")):
        path = tmp_path / "x.geojson"
        path.write_text(text)
        with pytest.raises(PatrolError, match=problem):
            read_grids(path)
    with pytest.raises(PatrolError, match="does not exist"):
        read_grids(tmp_path / "none.geojson")
    bare = tmp_path / "x.csv"
    bare.write_text("name\nx\n")
    with pytest.raises(PatrolError, match="no column `code`"):
        read_grids(bare)


def test_overlaps_and_holes_are_found_with_their_size(write) -> None:
    around = [
        leaf(f"r{x}{y}", 121 + x / 100, 31 + y / 100) for x in range(3) for y in range(3) if (x, y) != (1, 1)
    ]
    overlapping = feature("o", 4, "1-1-1", square(121.025, 31.025, 0.01))
    report = read_grids(write(tree(*around, overlapping)))
    assert not report.faults
    hole = next(f for f in report.findings if f.kind == "hole")
    assert hole.area_m2 == pytest.approx(1111.95 * 1111.95 * 0.857, rel=0.01)
    assert hole.codes == ("r00", "r01", "r02", "r10", "r12", "r20", "r21", "r22")
    overlaps = [f for f in report.findings if f.kind == "overlap"]
    assert [f.codes for f in overlaps] == [("r22", "o")]
    assert overlaps[0].area_m2 == pytest.approx(hole.area_m2 / 4, rel=0.01)


def test_csv_says_the_same_as_geojson(write, tmp_path: Path) -> None:
    path = tmp_path / "grids.csv"
    path.write_text(
        "\ufeffcode,name,level,parent,wkt\n1,一,1,,\n1-1,二,2,1,\n1-1-1,三,3,1-1,\n"
        'a,甲,4,1-1-1,"POLYGON((121 31,121.01 31,121.01 31.01,121 31.01,121 31))"\n',
        "utf-8",
    )
    report = read_grids(path)
    assert not report.faults
    assert report.grids == {1: 1, 2: 1, 3: 1, 4: 1}
    same = read_grids(write(tree(leaf("a", 121, 31))))
    assert report.entries[3].ground is not None
    assert report.entries[3].ground.equals(same.entries[3].ground)


def test_the_tree_changes_whole_and_its_past_stays(centre, write) -> None:
    first = read_grids(write(tree(leaf("a", 121, 31), leaf("b", 121.01, 31)))).entries
    assert store(JURISDICTION, first).added == 5
    assert [leaf_code(JURISDICTION, x, 31.005) for x in (121.005, 121.015, 121.5)] == ["a", "b", None]
    assert leaf_code("elsewhere", 121.005, 31.005) is None
    centre.clock.advance(60_000)
    second = read_grids(write(tree(leaf("a", 121.01, 31), leaf("c", 121, 31)))).entries
    stored = store(JURISDICTION, second)
    assert (stored.added, stored.changed, stored.unchanged, stored.without_ground) == (1, 1, 3, ("b",))
    assert [leaf_code(JURISDICTION, x, 31.005) for x in (121.005, 121.015)] == ["c", "a"]
    assert index_at(JURISDICTION, NOON).leaf_at(121.005, 31.005) == "a"
    assert Grid.objects.filter(code="b").exists(), "closed cases may name it"
    again = store(JURISDICTION, second, from_ms=NOON + 120_000)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 5)


def test_a_change_stored_ahead_comes_into_force_by_itself(centre, write) -> None:
    store(JURISDICTION, read_grids(write(tree(leaf("a", 121, 31)))).entries)
    store(JURISDICTION, read_grids(write(tree(leaf("b", 121, 31)))).entries, from_ms=NOON + 3_600_000)
    assert leaf_code(JURISDICTION, 121.005, 31.005) == "a"
    centre.clock.advance(3_600_000)
    assert leaf_code(JURISDICTION, 121.005, 31.005) == "b"


def test_an_import_that_fails_leaves_everything_as_it_was(centre, write) -> None:
    store(JURISDICTION, read_grids(write(tree(leaf("a", 121, 31)))).entries)
    entries = read_grids(write(tree(leaf("b", 121, 31, primary="nobody")))).entries
    with pytest.raises(PatrolError, match="there is no such user"):
        store(JURISDICTION, entries, from_ms=NOON + 1)
    with pytest.raises(PatrolError, match="a later change of the grids is stored already"):
        store(JURISDICTION, read_grids(write(tree(leaf("b", 121, 31)))).entries, from_ms=NOON)
    assert leaf_code(JURISDICTION, 121.005, 31.005) == "a"
    assert not Grid.objects.filter(code="b").exists()


def test_the_database_refuses_a_tree_that_is_none(centre) -> None:
    top = Grid.objects.create(jurisdiction_id=JURISDICTION, code="1", name="一", level=1)
    wrong = [
        {"level": 2, "parent": None},
        {"level": 1, "parent": top},
        {"level": 5, "parent": top},
        {"level": 1, "parent": None, "code": "1"},
    ]
    for facts in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            Grid.objects.create(**{"jurisdiction_id": JURISDICTION, "code": "x", "name": "x", **facts})


def test_people_answer_for_grids_and_hand_them_over(centre, person, write) -> None:
    wang, li = person("wang"), person("li")
    store(JURISDICTION, read_grids(write(tree(leaf("a", 121, 31, primary="wang", deputy="li")))).entries)
    grid = leaf_of(JURISDICTION, 121.005, 31.005)
    assert grid is not None
    assert (grid.primary, grid.deputy) == (wang, li)
    assert [node.code for node in grid.path()] == ["1", "1-1", "1-1-1", "a"]
    grid = hand_over(JURISDICTION, "a", primary=li, deputy=None)
    assert (grid.primary, grid.deputy) == (li, None)
    with pytest.raises(PatrolError, match="cannot be primary and deputy"):
        hand_over(JURISDICTION, "a", primary=li, deputy=li)
    with pytest.raises(PatrolError, match="no such grid"):
        hand_over(JURISDICTION, "zz", primary=li, deputy=None)


def test_a_case_finds_its_grid_and_people_see_it(agent, person, browse, write) -> None:
    wang = person("wang")
    wang.last_name = "王伟"
    wang.save()
    store(JURISDICTION, read_grids(write(tree(leaf("a", 121, 31, primary="wang")))).entries)
    with transaction.atomic():
        apply_task(agent, task(position=Position(longitude=121.004, latitude=31.004)))
    case = Case.objects.get()
    assert case.grid is not None
    assert case.grid.code == "a"
    assert case.history.filter(kind="grid").count() == 1
    page = (
        browse(person("boss", role="dispatcher")).get(reverse("pages:case", args=[case.pk])).content.decode()
    )
    assert "网格1-1-1 › 网格a" in page
    assert "王伟" in page
    assert GridArea.objects.count() == 1
