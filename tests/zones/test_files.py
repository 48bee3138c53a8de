"""Zone files: what is valid survives, what is not is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.errors import PatrolError
from tests.zones.strategies import zone_files
from zones import ZoneFile, dump_zone_file, examine_zone_file, load_zone_file, parse_zone_file

GOOD = """
schema = 1
[picture]
width = 640
height = 360
[[zone]]
id = "P1"
name = "Pavement"
polygon = [[10, 10], [200, 10], [200, 100], [10, 100]]
"""


@given(zone_files())
def test_a_valid_file_comes_back_unchanged(file: ZoneFile) -> None:
    again = parse_zone_file(dump_zone_file(file))
    assert again == file
    assert [zone.version for zone in again.zone] == [zone.version for zone in file.zone]


@given(zone_files())
def test_the_same_file_as_json_and_as_features(file: ZoneFile) -> None:
    data = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert parse_zone_file(json.dumps(data), name="a.json") == file
    rest = {key: value for key, value in data.items() if key != "zone"}
    features = [
        {
            "type": "Feature",
            "properties": {key: value for key, value in zone.items() if key != "polygon"},
            "geometry": {"type": "Polygon", "coordinates": [[*zone["polygon"], zone["polygon"][0]]]},
        }
        for zone in data["zone"]
    ]
    collection = {"type": "FeatureCollection", **rest, "features": features}
    assert parse_zone_file(json.dumps(collection), name="a.geojson") == file


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")), st.sampled_from(["a.toml", "a.json"]))
@example("[" * 100_000, "a.json")
@example("1" * 5_000, "a.json")
@example("x = " + "1" * 5_000, "a.toml")
@example('{"type": "FeatureCollection", "features": [null]}', "a.json")
@example(
    '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon", "coordinates": [[]]}}]}',
    "a.json",
)
@example('{"zone": 3, "picture": []}', "a.json")
@example('{"zone": [7], "picture": {"width": 1e999, "height": NaN}}', "a.json")
def test_no_text_raises_anything_else(text: str, name: str) -> None:
    with pytest.raises(PatrolError):
        parse_zone_file(text, name=name)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(
        ["id", "name", "kind", "polygon", "classes", "enter_ratio", "leave_ratio", "grace_s", "position"]
    ),
    anything,
)
def test_no_value_raises_anything_else(key: str, value: object) -> None:
    zone = {"id": "P1", "name": "P", "polygon": [[10, 10], [200, 10], [200, 100], [10, 100]], key: value}
    data = {"picture": {"width": 640, "height": 360}, "zone": [zone]}
    try:
        file = parse_zone_file(json.dumps(data), name="a.json")
    except PatrolError:
        return
    assert parse_zone_file(dump_zone_file(file)) == file


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        # A bow tie: the third and fourth vertices swapped.
        ("[200, 100], [10, 100]]", "[10, 100], [200, 100]]", "zone P1", "edge 2-3 meets edge 4-1"),
        # Edges 1-2 and 5-6 lie on one line but do not meet; the crossing is elsewhere.
        (
            "[[10, 10], [200, 10], [200, 100], [10, 100]]",
            "[[0, 50], [40, 50], [40, 80], [80, 80], [80, 50], [120, 50], [10, 100], [120, 100]]",
            "zone P1",
            "edge 2-3 meets edge 8-1",
        ),
        # The ring closed by hand, and a crossing.
        ("[200, 100], [10, 100]]", "[10, 100], [200, 100], [10, 10]]", "zone P1", "edge 2-3 meets edge 4-5"),
        ("[200, 100]", "[200, 400]", None, "zone P1: vertex 3 (200, 400) lies off the picture of 640x360"),
        ("[200, 100]", "[200]", "zone P1: vertex 3: y", "required"),
        ("[200, 100]", '[200, "a"]', "zone P1: vertex 3: y", "valid number"),
        ("[200, 100]", "[200, nan]", "zone P1: vertex 3: y", "finite"),
        ("[[10, 10], [200, 10], [200, 100], [10, 100]]", "[[1, 1], [5, 1], [5, 5]]", "zone P1", "no vehicle fits"),
        ("[[10, 10], [200, 10], [200, 100], [10, 100]]", "[[1, 1], [5, 1]]", "zone P1: polygon", "at least 3"),
        ('name = "Pavement"', 'nam = "Pavement"', "zone P1: name", "required"),
        ('name = "Pavement"', 'name = "P"\ngrase_s = 3', "zone P1: grase_s", "not known"),
        ('name = "Pavement"', 'name = "P"\nmin_height_px = inf', "zone P1: min_height_px", "finite"),
        ('name = "Pavement"', 'name = "P"\nleave_ratio = 0.9', "zone P1", "leave_ratio 0.9 is above enter_ratio 0.4"),
        ('id = "P1"', 'id = "a b"', "zone a b: id", "pattern"),
        ("schema = 1", "schema = 2", "schema", "1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old: str, new: str, field: str | None, problem: str) -> None:
    assert old in GOOD
    with pytest.raises(PatrolError) as caught:
        parse_zone_file(GOOD.replace(old, new), name="street.toml")
    assert caught.value.file == "street.toml"
    assert caught.value.field == field
    assert problem in caught.value.problem
    assert caught.value.mend


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace('name = "Pavement"', "enter_ratio = 2\ngrace_s = 0"))
    file, faults = examine_zone_file(path)
    assert file is None
    assert [fault.field for fault in faults] == ["zone P1: name", "zone P1: enter_ratio", "zone P1: grace_s"]


def test_an_id_twice() -> None:
    with pytest.raises(PatrolError, match="used twice"):
        parse_zone_file(GOOD + GOOD[GOOD.index("[[zone]]") :])


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_zone_file(path) == parse_zone_file(GOOD)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not exist"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * (4 * 1024 * 1024 + 1), "larger than 4 MiB"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PatrolError, match=problem):
        load_zone_file(path)


def test_a_folder_is_no_zone_file(tmp_path: Path) -> None:
    with pytest.raises(PatrolError, match="cannot be read"):
        load_zone_file(tmp_path)


def test_a_hostile_number_of_crossing_edges_is_answered_at_once() -> None:
    corners = [[(n * 7919) % 640, (n * 104_729) % 360] for n in range(1001)]
    with pytest.raises(PatrolError, match="at most 1000"):
        parse_zone_file(
            json.dumps(
                {
                    "picture": {"width": 640, "height": 360},
                    "zone": [{"id": "a", "name": "a", "polygon": corners}],
                }
            ),
            name="a.json",
        )


def test_a_change_of_any_rule_changes_the_version() -> None:
    one = parse_zone_file(GOOD).zone[0]
    two = parse_zone_file(GOOD.replace('name = "Pavement"', 'name = "Pavement"\ngrace_s = 601')).zone[0]
    assert one.version != two.version
