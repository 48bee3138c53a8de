"""What the page is told while somebody draws: where a fault is, what is odd, where vehicles would stand."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.zones.editing import TWO_ZONES
from tests.zones.strategies import boxes, zone_files
from zones import ZoneFile, ZoneIndex, parse_zone_file
from zones.editor.app import STATIC
from zones.editor.chinese import chinese
from zones.editor.grounding import look
from zones.editor.judging import Vehicle, judge
from zones.editor.rendering import plain

NAMES = re.compile(
    r"\b(?:walk|bay|post|bikes|no_parking|fire_lane|parking_bay|loading|ignore|or|docs/zones\.md)\b"
)


def leftovers(words: str) -> list[str]:
    """English in a Chinese sentence, but for names of zones, values and files."""
    return re.findall(r"[a-z]{4,}", NAMES.sub("", words))


def data(**changes: Any) -> dict[str, Any]:
    """The two zones, with keys of the first one changed."""
    loaded: dict[str, Any] = plain(tomllib.loads(TWO_ZONES))
    loaded["zone"][0].update(changes)
    return loaded


@pytest.mark.parametrize(
    ("changes", "path", "vertices"),
    [
        ({"grace_s": 0}, ("grace_s",), ()),
        ({"grace_s": "soon"}, ("grace_s",), ()),
        ({"kind": "lawn"}, ("kind",), ()),
        ({"name": " "}, ("name",), ()),
        ({"id": "a b"}, ("id",), ()),
        ({"id": "bay"}, ("id",), ()),
        ({"grase_s": 3}, ("grase_s",), ()),
        ({"classes": []}, ("classes",), ()),
        ({"leave_ratio": 0.9}, ("leave_ratio",), ()),
        ({"polygon": [[0, 0], [9, 9]]}, ("polygon",), ()),
        ({"polygon": [[0, 0], [100, 0], [0, 100], [100, 100]]}, ("polygon",), (0, 1, 2, 3)),
        ({"polygon": [[0, 0], [100, 0], ["x", 100]]}, ("polygon", 2, 0), (2,)),
        ({"polygon": [[0, 0], [100, 0], [900, 100]]}, ("polygon",), (2,)),
        ({"polygon": [[0, 0], [3, 0], [3, 3]]}, ("polygon",), ()),
        ({"hours": [{"from": "8:00"}]}, ("hours", 0, "from"), ()),
        ({"hours": [{"from": "08:00", "to": "08:00"}]}, ("hours", 0), ()),
        ({"exempt": [{"reason": "all"}]}, ("exempt", 0), ()),
        ({"exempt": [{"reason": "all", "plates": ["*"]}]}, ("exempt", 0), ()),
        ({"position": {"longitude": 200, "latitude": 0}}, ("position", "longitude"), ()),
        ({"position": {}}, ("position", "longitude"), ()),
    ],
)
def test_a_fault_has_a_place_and_is_said_in_both_languages(
    changes: dict[str, Any], path: tuple[str | int, ...], vertices: tuple[int, ...]
) -> None:
    judgement = judge(data(**changes))
    assert judgement.file is None
    fault = judgement.faults[0]
    assert fault.path == path
    assert fault.vertices == vertices
    # An id that is used twice is at fault where it comes second.
    assert fault.zone == (1 if changes == {"id": "bay"} else 0)
    told = fault.as_dict()
    for words in (told["problem"], told["mend"]):
        assert words["en"] != words["zh"]
        assert leftovers(words["zh"]) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"time_zone": "Mars"}, ("time_zone",)),
        ({"picture": {"width": 3, "height": 360}}, ("picture", "width")),
        ({"calibration": {"k1": 0}}, ("calibration",)),
        (
            {
                "calibration": {
                    "rectangle": {"picture": [[0, 0], [9, 0], [18, 0], [27, 0]], "width_m": 2, "length_m": 3}
                }
            },
            ("calibration",),
        ),
        ({"zone": []}, ("zone",)),
        ({"calendar": {"holidays": ["2026-01-01"], "workdays": ["2026-01-01"]}}, ("calendar",)),
    ],
)
def test_faults_at_the_top_of_the_file(change: dict[str, Any], path: tuple[str | int, ...]) -> None:
    fault = judge({**data(), **change}).faults[0]
    assert (fault.zone, fault.path) == (None, path)


def test_vehicles_are_judged_by_the_zones_that_are_in_order() -> None:
    vehicle = Vehicle((60, 220, 160, 300), "car")
    broken = data()
    broken["zone"][1]["polygon"] = [[0, 0], [100, 0], [0, 100], [100, 100]]
    judgement = judge(broken, [vehicle, Vehicle((5, 5, 5, 5), "car"), Vehicle((1e9, 0, 2e9, 9), "car")])
    first, *others = judgement.verdicts
    assert first is not None
    assert (first.zone_id, first.inside) == ("walk", True)
    assert first.as_dict()["why"]["zh"] == "占地范围的 100% 在区域 walk 内，需达到 40%"
    assert others == [None, None]
    assert judge({"zone": 3}, [vehicle]).verdicts == (None,)


@given(zone_files(), st.lists(st.tuples(boxes(), st.sampled_from(["car", "bus", "truck"])), max_size=5))
def test_the_page_says_what_the_agent_decides(file: ZoneFile, vehicles: list[Any]) -> None:
    raw = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    judgement = judge(raw, [Vehicle(*vehicle) for vehicle in vehicles])
    assert judgement.file == file
    index = ZoneIndex(file, file.picture.width, file.picture.height)
    for verdict, (box, label) in zip(judgement.verdicts, vehicles, strict=True):
        presence = index.presence(box, label)
        assert verdict is not None
        assert (verdict.zone_id, verdict.ratio, verdict.inside, verdict.why) == (
            presence.zone_id,
            presence.ratio,
            presence.inside,
            presence.why,
        )
        assert not re.search(r"footprint|needs|but", chinese(presence.why))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["zone", "picture", "calibration", "street", "polygon", "hours", "exempt"]), JSONS)
def test_whatever_a_damaged_file_holds_is_judged(key: str, value: Any) -> None:
    damaged = copy.deepcopy(data())
    if key in ("polygon", "hours", "exempt"):
        damaged["zone"][0][key] = value
    else:
        damaged[key] = value
    judgement = judge(damaged, [Vehicle((60, 220, 160, 300), "car")])
    assert (judgement.file is None) == bool(judgement.faults)
    json.dumps([fault.as_dict() for fault in judgement.faults])


ODD = [
    {"leave_ratio": 0.4},
    {"polygon": [[40, 200], [240, 200], [240, 200], [240, 320], [40, 320]]},
    {"polygon": [[40, 200], [240, 200], [240, 320], [40, 320], [40, 200]]},
    {"polygon": [[0, 200], [600, 200], [600, 202], [0, 202]]},
    {"polygon": [[0, 200], [12, 200], [12, 212], [0, 212]]},
    {"polygon": [[400, 100], [560, 100], [560, 180], [400, 181]]},
    {"polygon": [[400, 100], [560, 100], [560, 150], [300, 150]]},
    {"kind": "parking_bay"},
    {"kind": "ignore"},
    {"kind": "parking_bay", "exempt": [{"reason": "post", "up_to_s": 60}]},
    {"exempt": [{"reason": "bikes", "classes": ["bicycle"]}]},
    {"hours": [{"from": "08:00", "to": "18:00"}, {"from": "09:00", "to": "17:00"}]},
    {"min_length_m": 2.0},
    {"min_height_px": 60},
    {"min_height_px": 40},
]


@pytest.mark.parametrize("changes", ODD)
def test_remarks_are_said_in_both_languages(changes: dict[str, Any]) -> None:
    for remark in judge(data(**changes)).remarks:
        for words in (remark.problem, remark.mend):
            said = chinese(words)
            assert said != words, words
            assert leftovers(said) == []


def test_the_odd_files_are_odd() -> None:
    assert sum(bool(judge(data(**changes)).remarks) for changes in ODD) >= 8


RECTANGLE = {"picture": [[200, 340], [440, 340], [380, 120], [260, 120]], "width_m": 3.5, "length_m": 18}


def test_a_calibration_shows_its_residuals_and_a_grid_on_the_ground() -> None:
    found = look({"rectangle": RECTANGLE}, 640, 360)
    assert [point["name"] for point in found["points"]] == [f"corner {n}" for n in range(1, 5)]
    assert not found["proves"]
    assert found["rms_px"] < 0.01
    # The rectangle's own sides are lines of whole metres, or lie between two.
    assert found["step_m"] in (1.0, 2.0, 5.0)
    assert len(found["grid"]) > 10
    assert all(len(line) > 1 for line in found["grid"])


@pytest.mark.parametrize(
    "calibration",
    [
        {},
        {"rectangle": {**RECTANGLE, "width_m": ""}},
        {"rectangle": {**RECTANGLE, "picture": [[0, 0], [9, 0], [18, 0], [27, 0]]}},
        {"point": [{"picture": [n, n], "ground": ["", ""]} for n in range(4)]},
    ],
)
def test_a_calibration_in_the_making_says_what_it_lacks(calibration: dict[str, Any]) -> None:
    assert look(calibration, 640, 360)["error"]["problem"]["en"]


def words_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((STATIC / f"{name}.json").read_text("utf-8"))
    return loaded


def test_both_languages_have_the_same_words() -> None:
    english, translated = words_of("en"), words_of("zh")
    for part in ("ui", "values"):
        assert english[part].keys() == translated[part].keys()
        for key, words in english[part].items():
            holes = re.findall(r"\{\w+\}", words)
            assert set(re.findall(r"\{\w+\}", translated[part][key])) == set(holes), key


def test_every_word_that_the_page_asks_for_is_there() -> None:
    known = words_of("en")["ui"]
    asked: set[str] = set()
    for path in STATIC.glob("*.js"):
        asked |= set(re.findall(r"\bt\(\s*\"([\w.]+)\"", path.read_text("utf-8")))
        asked |= set(re.findall(r"key: \"(did[\w.]+)\"", path.read_text("utf-8")))
    asked |= set(re.findall(r"data-ta?=\"([\w.]+)\"", (STATIC / "index.html").read_text("utf-8")))
    assert len(asked) > 100
    assert asked <= known.keys()


def models_within(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """A model and all the models in it, by name."""
    schema = model.model_json_schema(by_alias=True)
    names = {model.__name__: schema, **schema.get("$defs", {})}
    return {**found, **names}


def test_every_key_of_the_format_has_chinese_words() -> None:
    """A new key appears on the page by itself, in English until it has its words in zh.json."""
    translated = words_of("zh")
    for model, schema in models_within(ZoneFile, {}).items():
        for key, facts in schema.get("properties", {}).items():  # type: ignore[attr-defined]
            if "const" in facts:
                continue
            title, description = translated["keys"].get(f"{model}.{key}", ("", ""))
            assert title, f"zones/editor/static/zh.json has no words for {model}.{key}"
            assert description, f"zones/editor/static/zh.json has no description of {model}.{key}"
            for value in facts.get("enum", facts.get("items", {}).get("enum", ())):
                assert value in translated["values"], value


def test_the_example_of_these_tests_is_in_order() -> None:
    assert not judge(data()).faults
    assert parse_zone_file(TWO_ZONES).zone[0].id == "walk"
