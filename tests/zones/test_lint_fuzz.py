"""Whatever is given to it, lint answers with remarks or clear errors, and never falls over."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patrol.main import main
from tests.zones.strategies import zone_files
from zones import ZoneFile, dump_zone_file, examine_zone_file, lint, parse_zone_file

FEW = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
MANY = settings(FEW, max_examples=80)

WHOLE = """
schema = 1
camera = "cam1"
time_zone = "Asia/Shanghai"
[picture]
width = 640
height = 360
[calendar]
holidays = [2026-01-01]
[calibration.rectangle]
picture = [[200, 340], [440, 340], [380, 220], [260, 220]]
width_m = 3
length_m = 8
[[zone]]
id = "P1"
name = "人行道"
polygon = [[10, 200], [300, 200], [300, 300], [10, 300]]
hours = [{ days = ["workday"], from = "07:00", to = "19:00" }]
exempt = [{ reason = "Fire brigade", plates = ["沪A*"] }]
[[zone]]
id = "B1"
name = "Bay"
kind = "parking_bay"
polygon = [[310, 200], [500, 200], [500, 300], [310, 300]]
"""


@FEW
@given(zone_files(calibrated=True))
def test_every_valid_file_round_trips_unchanged(file: ZoneFile) -> None:
    text = dump_zone_file(file)
    assert parse_zone_file(text) == file
    assert dump_zone_file(parse_zone_file(text)) == text
    as_json = file.model_dump_json(by_alias=True, exclude_none=True)
    assert parse_zone_file(as_json, name="zones.json") == file


@FEW
@given(zone_files(calibrated=True), st.sets(st.integers(2020, 2040), max_size=2))
def test_every_valid_file_can_be_looked_at(file: ZoneFile, years: set[int]) -> None:
    order = [zone.id for zone in file.zone]
    remarks = lint(file, years=tuple(years))
    assert [order.index(remark.zone) for remark in remarks] == sorted(order.index(r.zone) for r in remarks)
    for remark in remarks:
        zone = file.zone[order.index(remark.zone)]
        assert remark.other is None or remark.other in order
        assert remark.vertex is None or 1 <= remark.vertex <= len(zone.polygon)
        assert remark.problem
        assert remark.mend
    assert lint(file, years=tuple(years)) == remarks


def look(path: Path, data: bytes) -> None:
    """What `patrol zones lint` does with a file: remarks, or errors that name what is wrong."""
    path.write_bytes(data)
    file, faults = examine_zone_file(path)
    assert (file is None) == bool(faults)
    for fault in faults:
        assert fault.problem
        assert fault.file == str(path)
        json.dumps(fault.as_dict(), ensure_ascii=False).encode("utf-8")
    if file is not None:
        lint(file, years=(2026,))


@pytest.fixture(params=["toml", "json", "geojson"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / f"zones.{request.param}"


@MANY
@given(st.binary(max_size=300))
def test_garbage(place: Path, data: bytes) -> None:
    look(place, data)


@MANY
@given(st.data())
def test_a_file_that_was_cut_or_whose_bytes_were_changed(place: Path, data: st.DataObject) -> None:
    whole = as_written(place)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        piece = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b"]]", b'"', b"nan", b"1e999", b"\n", b"-", b"{"])
        )
        whole = whole[:at] + piece + whole[at + data.draw(st.integers(0, 6)) :]
        if data.draw(st.booleans()):
            whole = whole[: data.draw(st.integers(0, len(whole)))]
    look(place, whole)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([1e308, -1e308, 2**64, "", "P1", "car", "24:00", "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@MANY
@given(st.data())
def test_a_value_of_another_kind_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    """One value of a sound file is exchanged for anything that JSON can say; or a key is added or removed."""
    tree: Any = plain(tomllib.loads(WHOLE))
    spots = list(walk(tree))
    holder, key = data.draw(st.sampled_from(spots))
    deed = data.draw(st.sampled_from(["exchange", "exchange", "remove", "add"]))
    if deed == "exchange":
        holder[key] = data.draw(ANYTHING)
    elif deed == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder[data.draw(st.text(max_size=6))] = data.draw(ANYTHING)
    else:
        holder.append(data.draw(ANYTHING))
    look(tmp_path / "zones.json", json.dumps(tree).encode("utf-8"))


@MANY
@given(ANYTHING)
def test_anything_that_json_can_say(tmp_path: Path, value: Any) -> None:
    look(tmp_path / "zones.json", json.dumps(value).encode())
    features = {"type": "FeatureCollection", "picture": {"width": 640, "height": 360}, "features": value}
    look(tmp_path / "zones.geojson", json.dumps(features).encode())
    one = {"type": "Feature", "properties": value, "geometry": {"type": "Polygon", "coordinates": value}}
    look(tmp_path / "zones.geojson", json.dumps({**features, "features": [one]}).encode())


@FEW
@given(st.lists(st.tuples(st.floats(-1, 641), st.floats(-1, 361)), min_size=3, max_size=9), st.booleans())
def test_any_polygon_is_refused_by_name_or_looked_at(
    tmp_path: Path, corners: list[tuple[float, float]], exact: bool
) -> None:
    ring = corners if exact else [(round(x), round(y)) for x, y in corners]
    look(
        tmp_path / "zones.toml",
        WHOLE.replace(
            "[[10, 200], [300, 200], [300, 300], [10, 300]]", str([list(c) for c in ring])
        ).encode(),
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a = " + "[" * 5_000,
        "x = " + "9" * 5_000,
        '{"zone": [{"id": "\\ud800", "name": 1e999}]}',
        "\ufeff" + WHOLE,
        WHOLE.replace("640", "640.5"),
        WHOLE.replace("P1", "\x7f"),
        WHOLE.replace('"B1"', '"P1"'),
        WHOLE * 2,
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_the_command_ends_with_a_code_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, strict: bool
) -> None:
    for name in ("zones.toml", "zones.json"):
        path = tmp_path / name
        path.write_text(text, "utf-8", errors="replace")
        with pytest.raises(SystemExit) as ended:
            main(["zones", "lint", str(path), "--json", *(["--strict"] if strict else [])])
        assert ended.value.code in (0, 1, 2)
        told = json.loads(capsys.readouterr().out)
        assert told["errors"] or ended.value.code != 2


def plain(value: Any) -> Any:
    """With dates as JSON writes them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def walk(tree: Any) -> Any:
    """Every holder with every key or index of it."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from walk(tree[key])


def as_written(place: Path) -> bytes:
    """The sound file in the format of a place."""
    tree = plain(tomllib.loads(WHOLE))
    if place.suffix == ".toml":
        return WHOLE.encode()
    if place.suffix == ".json":
        return json.dumps(tree).encode()
    zones = tree.pop("zone")
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [zone.pop("polygon")]},
            "properties": zone,
        }
        for zone in zones
    ]
    return json.dumps({**tree, "type": "FeatureCollection", "features": features}).encode()
