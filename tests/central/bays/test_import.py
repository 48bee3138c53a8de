"""Importing bays: every row judged, every mistake named, and nothing half written."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central.bays.imports import Options, import_bays, read_features, read_outline
from central.bays.models import Bay, Reservation
from central.bays.ngsi import BadEntityError, read_entity, read_feature
from central.bays.services import offer_for_case
from notifier.navigation import wgs84_to_gcj02
from protocol.clock import iso
from protocol.errors import PatrolError, UnavailableError
from tests.central.bays.plan import ON_SQLITE, PLACE, bay, case
from tests.central.street import JURISDICTION, MINUTE, NOON
from tests.commands import Done, call

HERE = Options(JURISDICTION)


def feature(bay_id: str = "B1", position: Any = None, **properties: Any) -> dict[str, Any]:
    where = position or [PLACE.longitude, PLACE.latitude]
    return {
        "type": "Feature",
        "id": bay_id,
        "geometry": {"type": "Point", "coordinates": where},
        "properties": {"type": "ParkingSpot", "name": f"泊位 {bay_id}", **properties},
    }


def one(row: Any, options: Options = HERE) -> Any:
    return import_bays([row], options).rows[0]


def test_rows_are_added_changed_and_left(centre):
    rows = [feature("B1"), feature("B2")]
    report = import_bays(rows, HERE)
    assert [row.result for row in report.rows] == ["added", "added"]
    assert report.written
    assert Bay.objects.get(bay_id="B1").name == "泊位 B1"
    rows[1]["properties"]["name"] = "renamed"
    report = import_bays(rows, HERE)
    assert [row.result for row in report.rows] == ["unchanged", "changed"]
    assert Bay.objects.get(bay_id="B2").name == "renamed"
    assert import_bays(rows, HERE).count("unchanged") == 2


def test_dry_writes_nothing(centre):
    report = import_bays([feature("B1")], Options(JURISDICTION, dry_run=True))
    assert (report.rows[0].result, report.written) == ("added", False)
    assert not Bay.objects.exists()


def test_one_bad_row_keeps_all_out_unless_asked(centre):
    rows = [feature("B1"), feature("B2", [200, 10]), feature("B3")]
    report = import_bays(rows, HERE)
    assert [row.result for row in report.rows] == ["added", "bad", "added"]
    assert not report.written
    assert not Bay.objects.exists()
    report = import_bays(rows, Options(JURISDICTION, skip_bad=True))
    assert report.written
    assert set(Bay.objects.values_list("bay_id", flat=True)) == {"B1", "B3"}


@ON_SQLITE
@pytest.mark.parametrize(
    ("position", "says"),
    [
        ([39.9145, 116.3321], "look swapped"),
        ([200, 10], "no place on earth"),
        ([0, 0], "Gulf of Guinea"),
        ([116.3], "longitude, latitude"),
        (["116.3", "39.9"], "longitude, latitude"),
        ([float("nan"), 39.9], "longitude, latitude"),
        ([float("inf"), 39.9], "longitude, latitude"),
        ([None, None], "longitude, latitude"),
        ([True, False], "longitude, latitude"),
    ],
    ids=str,
)
def test_impossible_coordinates_are_named(centre, position, says):
    row = one(feature("B1", position))
    assert (row.result, row.field, row.number, row.id) == ("bad", "location", 1, "B1")
    assert says in row.problem


@ON_SQLITE
def test_a_swap_that_stays_on_earth_is_seen_by_its_neighbours(centre):
    rows = [feature(f"B{n}", [35.0 + n / 1e4, 33.5]) for n in range(5)]  # where both orders exist
    rows.append(feature("B9", [33.5, 35.0]))
    report = import_bays(rows, HERE)
    assert report.rows[5].result == "bad"
    assert "the other way round" in report.rows[5].problem


@ON_SQLITE
def test_a_bay_far_from_all_others_is_remarked_on(centre):
    rows = [feature(f"B{n}", [PLACE.longitude + n / 1e4, PLACE.latitude]) for n in range(5)]
    rows.append(feature("B9", [121.47, 31.23]))
    row = import_bays(rows, HERE).rows[5]
    assert row.result == "added"
    assert "km from the middle" in row.warnings[0]


def test_ids_are_unique_in_a_file(centre):
    report = import_bays([feature("B1"), feature("B1")], HERE)
    assert [row.result for row in report.rows] == ["added", "bad"]
    assert report.rows[1].problem == "is the id of row 1 too"


@ON_SQLITE
def test_what_lies_outside_the_jurisdiction_is_refused(centre, tmp_path):
    ring = [[116.33, 39.91], [116.34, 39.91], [116.34, 39.92], [116.33, 39.92], [116.33, 39.91]]
    path = tmp_path / "outline.geojson"
    for body in (
        {"type": "Polygon", "coordinates": [ring]},
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}},
    ):
        path.write_text(json.dumps(body))
        options = Options(JURISDICTION, within=read_outline(path))
        report = import_bays([feature("in"), feature("out", [116.35, 39.915])], options)
        assert [row.result for row in report.rows] == ["added", "bad"]
    path.write_text('{"type": "Point", "coordinates": [1, 2]}')
    with pytest.raises(PatrolError):
        read_outline(path)


@ON_SQLITE
@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"id": None}, "id", "is missing"),
        ({"id": "a b"}, "id", "letters, digits"),
        ({"id": 7}, "id", "letters, digits"),
        ({"geometry": None}, "location", "is missing"),
        ({"geometry": {"type": "LineString", "coordinates": []}}, "location", "Point or a Polygon"),
        ({"geometry": []}, "location", "GeoJSON geometry"),
        ({"properties": []}, "properties", "object"),
        ({"type": "Thing"}, "type", "must be one of"),
    ],
    ids=str,
)
def test_a_row_that_lacks_what_it_needs_is_named(centre, change, field, says):
    row = one({**feature(), **change})
    if change == {"properties": []}:
        assert row.result == "added", "an empty list is as good as none"
        return
    assert (row.result, row.field) == ("bad", field)
    assert says in row.problem


@ON_SQLITE
@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"type": "Bench"}, "type"),
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"status": "maybe"}, "status"),
        ({"allowedVehicleType": 7}, "allowedVehicleType"),
        ({"category": {"a": 1}}, "category"),
        ({"totalSpotNumber": 2}, "totalSpotNumber"),
        ({"type": "OffStreetParking"}, "totalSpotNumber"),
        ({"type": "OffStreetParking", "totalSpotNumber": 0}, "totalSpotNumber"),
        ({"type": "OffStreetParking", "totalSpotNumber": 5, "availableSpotNumber": 6}, "availableSpotNumber"),
        ({"refParkingSite": "not a name"}, "refParkingSite"),
        ({"observedAt": "noon"}, "observedAt"),
    ],
    ids=str,
)
def test_attributes_that_make_no_sense_are_named(centre, properties, field):
    row = one(feature(**properties))
    assert (row.result, row.field) == ("bad", field)


@ON_SQLITE
def test_what_is_not_known_is_told_and_left_out(centre):
    row = one(feature(colour2="red", allowedVehicleType=["car", "hovercraft"], width=2.4))
    assert row.result == "added"
    assert any("colour2" in each for each in row.warnings)
    assert any("hovercraft" in each for each in row.warnings)
    assert not any("width" in each for each in row.warnings)
    assert Bay.objects.get().allowed == ["car"]


@ON_SQLITE
@pytest.mark.parametrize(
    "category", ["forDisabled", ["free", "forResidents"], ["onlyWithPermit"], "private", ["taxiStop"]]
)
def test_reserved_places_are_known_and_never_offered(centre, category):
    one(feature(category=category, status="free", observedAt=iso(NOON)))
    assert Bay.objects.get().public is False
    assert offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + MINUTE) == []


@ON_SQLITE
def test_all_the_forms_of_an_entity_mean_the_same(centre):
    simple = {
        "id": "urn:ngsi-ld:OffStreetParking:1",
        "type": "OffStreetParking",
        "name": "北门停车场",
        "location": {"type": "Point", "coordinates": [116.3321, 39.9145]},
        "totalSpotNumber": 80,
        "availableSpotNumber": 12,
        "allowedVehicleType": ["car"],
        "observedAt": iso(NOON),
    }
    normal = {
        "id": simple["id"],
        "type": "OffStreetParking",
        "name": {"type": "Property", "value": "北门停车场"},
        "location": {"type": "GeoProperty", "value": simple["location"]},
        "totalSpotNumber": {"type": "Property", "value": 80},
        "availableSpotNumber": {"type": "Property", "value": 12, "observedAt": iso(NOON)},
        "allowedVehicleType": {"type": "Property", "value": ["car"]},
        "@context": ["https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"],
    }
    geo = {
        "type": "Feature",
        "id": simple["id"],
        "geometry": simple["location"],
        "properties": {k: v for k, v in normal.items() if k not in {"id", "location", "@context"}},
    }
    assert read_entity(simple) == read_entity(normal) == read_feature(geo)
    one(simple)
    assert (Bay.objects.get().free, Bay.objects.get().status) == (12, "free")


@ON_SQLITE
def test_a_polygon_becomes_a_place_inside_it(centre):
    ring = [[116.0, 39.0], [116.001, 39.0], [116.001, 39.001], [116.0, 39.001], [116.0, 39.0]]
    row = {**feature(), "geometry": {"type": "Polygon", "coordinates": [ring]}}
    one(row)
    known = Bay.objects.get()
    assert 116.0 < known.longitude < 116.001
    assert known.outline == [ring]
    twisted = {"type": "Polygon", "coordinates": [[ring[0], ring[2], ring[1], ring[3], ring[0]]]}
    assert "crosses itself" in one({**feature("B2"), "geometry": twisted}).problem
    assert (
        "ends where it begins"
        in one({**feature("B3"), "geometry": {"type": "Polygon", "coordinates": [ring[:3]]}}).problem
    )


@ON_SQLITE
def test_positions_of_chinese_maps_are_taken_back_to_wgs84(centre):
    lon, lat = wgs84_to_gcj02(PLACE.longitude, PLACE.latitude)
    one(feature("B1", [lon, lat]), Options(JURISDICTION, datum="gcj02"))
    known = Bay.objects.get()
    assert known.longitude == pytest.approx(PLACE.longitude, abs=1e-6)
    assert known.latitude == pytest.approx(PLACE.latitude, abs=1e-6)


def test_an_import_does_not_undo_what_sensors_said_since(centre):
    bay("B1", status="occupied", free=0, observed_at_ms=NOON)
    assert one(feature(status="free", observedAt=iso(NOON - MINUTE))).result == "changed"  # its name
    assert Bay.objects.get().status == "occupied"
    one(feature(status="free", observedAt=iso(NOON + 1)))
    assert Bay.objects.get().status == "free"
    row = one(feature(status="occupied"))
    assert "not when" in row.warnings[0]
    assert Bay.objects.get().status == "free"
    row = one(feature(status="occupied", observedAt=iso(NOON + 60 * MINUTE)))
    assert "future" in row.warnings[0]
    assert Bay.objects.get().status == "free"


def test_bays_that_are_gone_are_closed_and_opened_again(centre):
    import_bays([feature("B1"), feature("B2", status="free", observedAt=iso(NOON))], HERE)
    bay("far", jurisdiction_id="elsewhere")
    offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + MINUTE)
    report = import_bays([feature("B1")], Options(JURISDICTION, close_missing=True))
    assert report.closed == ("B2",)
    assert {b.bay_id: b.status for b in Bay.objects.all()} == {"B1": "unknown", "B2": "closed", "far": "free"}
    assert Reservation.objects.get().release_reason == "occupied"
    import_bays([feature("B2")], HERE)
    assert Bay.objects.get(bay_id="B2").status == "unknown"


def test_files_that_are_none_are_named(tmp_path):
    path = tmp_path / "bays.geojson"
    with pytest.raises(PatrolError, match="no such file"):
        read_features(path)
    for text in ("{", '{"type": "Feature"}', "7", '"x"', "[" * 200_000):
        path.write_text(text)
        with pytest.raises(PatrolError) as caught:
            read_features(path)
        assert caught.value.file == str(path)
    with pytest.raises((PatrolError, UnavailableError)):
        read_features(tmp_path)
    path.write_text("[]")
    assert read_features(path) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["id", "type", "name", "location", "status", "availableSpotNumber", "totalSpotNumber", "allowedVehicleType",
     "category", "refParkingSite", "observedAt"]
)  # fmt: skip


@given(st.dictionaries(_NAMES, _JSON, max_size=8) | _JSON)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_comes_is_an_entity_or_a_named_mistake(body):
    for read in (read_entity, read_feature):
        with contextlib.suppress(BadEntityError):
            read(body)


@ON_SQLITE
def test_the_command_reports_row_by_row(centre, tmp_path: Path):
    path = tmp_path / "bays.geojson"
    rows = [feature("B1"), feature("B2", [39.9, 116.3])]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))

    def run(*arguments: str) -> Done:
        return call("central", "bays", *arguments, env=centre.env())

    done = run("import", str(path), "--jurisdiction", JURISDICTION, "--dry-run", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["counts"] == {"added": 1, "changed": 0, "unchanged": 0, "bad": 1}
    assert told["written"] is False
    assert told["rows"][1]["field"] == "location"
    assert "swapped" in told["rows"][1]["problem"]
    assert not Bay.objects.exists()
    done = run("import", str(path), "--jurisdiction", JURISDICTION, "--skip-bad-rows")
    assert done.returncode == 1
    assert "1 added, 1 bad" in done.stdout
    listed = json.loads(run("list", "--jurisdiction", JURISDICTION, "--json").stdout)
    assert [(row["id"], row["status"]) for row in listed] == [("B1", "unknown")]
    assert run("import", str(path), "--jurisdiction", "no such").returncode == 2
    assert run("import", str(path), "--jurisdiction", JURISDICTION, "--datum", "etrs89").returncode == 2
    made = json.loads(run("keys", "add", "sensor", "--jurisdiction", JURISDICTION, "--json").stdout)
    assert len(made["key"]) >= 40
    shown = run("keys", "list")
    assert "sensor" in shown.stdout
    assert made["key"] not in shown.stdout
    assert run("keys", "revoke", "sensor").returncode == 0
