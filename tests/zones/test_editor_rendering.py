"""What saving does to the text of a file: what was not changed stays, to the byte; what was changed is what it says."""

from __future__ import annotations

import copy
import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zones.editing import TWO_ZONES
from tests.zones.strategies import polygons, zone_files
from zones import ZoneFile, dump_zone_file, parse_zone_file
from zones.editor.blocks import parts, split
from zones.editor.rendering import plain, render, same
from zones.starter import starting_file

AWKWARD = (
    '''\
# The camera at the corner.

# Street words belong to the street.
street = "Elm # not a comment"   # but this is one
calendar.country = "none"

[picture]  # as the stream has it
width = 640
height = 360

# pavement, north side
[[ zone ]]   # blanks are allowed
id = "a"
name = """
[[zone]]
is no header here"""
place = '''
    "'''"
    """
 [picture] neither
"""
    "'''"
    """
polygon = [
  [1, 2],       # a comment with ] and [[
  [100, 2],
  [100, 90.5],
]

[[zone.hours]]
days = ["mon"]   # market
from = "08:00"

# the second one
[[zone]]
id = "b"
name = 'B'
polygon = [[1.0,2.0],[50,2],[50,50]]
exempt = [ {reason = "post", plates = ["京A1*"]} ]
  [zone.position]
  longitude = 116.1
  latitude = 39.9

[calibration]
k1 = 0.0 # the lens is good
[calibration.rectangle]
picture = [[10, 10], [20, 10], [20, 20], [10, 20]]
width_m = 2
length_m = 3
# the end
""".replace("'''\"'''\"'''", "'''")
)


def data_of(text: str) -> dict[str, Any]:
    return plain(tomllib.loads(text))


def changed(text: str, change: Any, origins: list[int | None] | None = None) -> tuple[str, bool]:
    old = data_of(text)
    new = copy.deepcopy(old)
    change(new)
    result = render("x.toml", text, old, new, list(range(len(new["zone"]))) if origins is None else origins)
    assert same(data_of(result.text), new), "it says what it shall say"
    return result.text, result.kept


def test_blocks_are_the_file() -> None:
    for text in (AWKWARD, TWO_ZONES, starting_file(640, 360), "", "\n", "# nothing\n", "a = 1"):
        assert "".join(block.text for block in split(text)) == text
    found = parts(AWKWARD)
    assert [zone.split("\n")[1][:12] for zone in found.zones] == ["# pavement, ", "# the second"]
    assert found.after.startswith("[calibration]")


def test_only_the_line_that_changed_changes() -> None:
    text, kept = changed(AWKWARD, lambda new: new["zone"][1].update(name="B2"))
    assert kept
    assert text == AWKWARD.replace("name = 'B'", 'name = "B2"')


def test_a_value_keeps_its_comment_and_its_layout() -> None:
    def change(new: dict[str, Any]) -> None:
        new["street"] = "Oak"
        new["zone"][0]["polygon"][0] = [3, 4]
        new["calibration"]["k1"] = 0.1
        new["zone"][0]["hours"][0]["from"] = "09:00"

    text, kept = changed(AWKWARD, change)
    assert kept
    assert 'street = "Oak"   # but this is one\n' in text
    assert "k1 = 0.1 # the lens is good\n" in text
    assert "polygon = [\n    [3, 4],\n    [100, 2],\n    [100, 90.5],\n]\n" in text
    assert 'days = ["mon"]   # market\nfrom = "09:00"\n' in text
    assert text.endswith("# the end\n")


def test_a_deleted_zone_takes_its_own_comment_along_and_no_other() -> None:
    text, kept = changed(AWKWARD, lambda new: new["zone"].pop(0), [1])
    assert kept
    assert "# pavement, north side" not in text
    assert "# the second one\n[[zone]]\n" in text
    assert text == AWKWARD.replace(parts(AWKWARD).zones[0], "")


def test_zones_change_places_and_new_ones_come_between() -> None:
    def change(new: dict[str, Any]) -> None:
        one, two = new["zone"]
        new["zone"] = [two, {**copy.deepcopy(one), "id": "c", "exempt": [{"reason": "x", "up_to_s": 5}]}, one]

    text, kept = changed(AWKWARD, change, [1, None, 0])
    assert kept
    assert all(zone.strip("\n") in text for zone in parts(AWKWARD).zones)
    assert [zone["id"] for zone in data_of(text)["zone"]] == ["b", "c", "a"]


def test_tables_come_and_go() -> None:
    def change(new: dict[str, Any]) -> None:
        del new["calibration"]
        new["position"] = {"longitude": 1.5, "latitude": 2}
        new["zone"][0]["position"] = {"longitude": 1, "latitude": 2}
        new["zone"][0]["hours"] = [{"days": ["sun"]}, {"from": "10:00", "to": "11:00"}]
        new["zone"][1]["exempt"].append({"reason": "bus", "hours": [{"days": ["sat"]}]})
        del new["zone"][1]["position"]

    text, kept = changed(AWKWARD, change)
    assert kept
    assert "# pavement, north side\n[[ zone ]]   # blanks are allowed\n" in text


def test_dates_stay_dates() -> None:
    text = TWO_ZONES + "\n[calendar]\nholidays = [2026-01-01]\n"
    result, _ = changed(text, lambda new: new["calendar"]["holidays"].append("2026-05-04"))
    assert result.endswith("holidays = [2026-01-01, 2026-05-04]\n")


def test_a_layout_that_cannot_be_kept_is_said() -> None:
    inline = 'zone = [{id = "a", name = "A", polygon = [[0, 0], [90, 0], [90, 90]]}]\n[picture]\nwidth = 640\nheight = 360\n'
    text, kept = changed(inline, lambda new: new["zone"][0].update(name="B"))
    assert not kept
    assert parse_zone_file(text).zone[0].name == "B"


@pytest.mark.parametrize("ending", ["x.json", "x.geojson"])
def test_features_stay_features(ending: str) -> None:
    old = data_of(TWO_ZONES)
    text = json.dumps(
        {
            "type": "FeatureCollection",
            "picture": old["picture"],
            "features": [
                {
                    "type": "Feature",
                    "properties": {key: value for key, value in zone.items() if key != "polygon"},
                    "geometry": {"type": "Polygon", "coordinates": [[*zone["polygon"], zone["polygon"][0]]]},
                }
                for zone in old["zone"]
            ],
        }
    )
    before = plain({"picture": old["picture"], "zone": old["zone"]})
    assert render(ending, text, before, before, [0, 1]).text == text
    after = copy.deepcopy(before)
    after["zone"][0]["name"] = "Other"
    written = json.loads(render(ending, text, before, after, [0, 1]).text)
    assert written["type"] == "FeatureCollection"
    assert written["features"][0]["properties"]["name"] == "Other"
    assert parse_zone_file(json.dumps(written), name=ending).zone[0].name == "Other"


@settings(max_examples=40)
@given(zone_files(), st.data())
def test_any_change_says_what_was_meant_and_touches_no_other_zone(
    file: ZoneFile, data: st.DataObject
) -> None:
    text = dump_zone_file(file)
    old = data_of(text)
    assert render("x.toml", text, old, copy.deepcopy(old), list(range(len(old["zone"])))).text == text
    number = data.draw(st.integers(0, len(old["zone"]) - 1))
    new = copy.deepcopy(old)
    new["zone"][number]["polygon"] = plain(data.draw(polygons()))
    new["zone"][number]["name"] = data.draw(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
    if data.draw(st.booleans()):
        new["zone"][number].pop("position", None)
    result = render("x.toml", text, old, new, list(range(len(old["zone"]))))
    assert result.kept
    assert same(data_of(result.text), new)
    for other, block in enumerate(parts(text).zones):
        assert (block in result.text) or other == number
