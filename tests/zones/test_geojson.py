"""Zones on the map and back: RFC 7946 out, nothing but zones in."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import minimum_clearance
from shapely.geometry import Polygon

from patrol.main import main
from protocol.errors import PatrolError
from tests.zones.cameras import SIZE, calibrated, cameras, on_street, street_camera
from zones import ZoneFile, dump_zone_file, load_zone_file, parse_zone_file
from zones.calibration import Ground, Lens
from zones.geojson import changes, from_map, merged, read_map, to_map, to_pixels
from zones.outlines import outlines_of
from zones.positions import position_of

ORIGIN = {"longitude": 116.397, "latitude": 39.908}
SQUARE = [(300, 650), (900, 660), (800, 450), (400, 440)]


def street(*zones: dict[str, Any], **more: Any) -> ZoneFile:
    return calibrated(
        street_camera(),
        *(zones or ({"id": "P1", "polygon": SQUARE},)),
        origin=ORIGIN,
        bearing_deg=30,
        **more,
    )


def feature(file: ZoneFile, number: int = 0) -> dict[str, Any]:
    return deepcopy(to_map(file)[0]["features"][number])


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def apart(one: Any, other: Any) -> float:
    return float(Polygon(one).exterior.hausdorff_distance(Polygon(other).exterior))


# Out


def test_outlines_for_a_message_are_small_and_lie_where_the_map_has_them() -> None:
    many = [
        (600 + 250 * np.cos(a), 560 + 90 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ]
    file = street(
        {"id": "P1", "polygon": SQUARE},
        {"id": "R1", "kind": "loading", "polygon": [[float(x), float(y)] for x, y in many]},
        {"id": "SKY", "kind": "ignore", "polygon": [(0, 0), (900, 0), (900, 5), (0, 5)]},
    )
    position, zones = outlines_of(file)
    assert position is not None
    assert [(zone.zone_id, zone.kind, zone.version) for zone in zones] == [
        (zone.id, zone.kind, zone.version) for zone in file.zone
    ]
    square, round_, sky = (zone.outline for zone in zones)
    assert sky is None
    for outline, whole in (
        (square, feature(street())),
        (round_, feature(street(file.zone[1].model_dump(by_alias=True)))),
    ):
        assert outline is not None
        (ring,) = outline.coordinates
        assert len(ring) <= 25
        assert ring[0] == ring[-1]
        shown, drawn = Polygon(ring), Polygon(whole["geometry"]["coordinates"][0])
        assert shown.symmetric_difference(drawn).area < 0.05 * drawn.area
    bare = file.model_copy(update={"calibration": None})
    assert [zone.outline for zone in outlines_of(bare)[1]] == [None, None, None]


def test_a_map_is_rfc_7946() -> None:
    file = street(
        {"id": "P1", "polygon": SQUARE, "hours": [{"days": ["workday"], "from": "08:00", "to": "20:00"}]},
        {"id": "B1", "kind": "parking_bay", "polygon": SQUARE[::-1]},
    )
    data, left_out = to_map(file)
    assert left_out == ()
    assert set(data) == {"type", "features"}, "no crs: RFC 7946 knows WGS-84 only"
    for one, zone in zip(data["features"], file.zone, strict=True):
        assert one["type"] == "Feature"
        assert one["id"] == zone.id
        (ring,) = one["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert Polygon(ring).exterior.is_ccw, "right-hand rule"
        for longitude, latitude in ring:
            assert abs(longitude - 116.397) < 0.001
            assert abs(latitude - 39.908) < 0.001
        assert "polygon" not in one["properties"]
    assert data["features"][0]["properties"]["hours"] == [
        {"days": ["workday"], "from": "08:00", "to": "20:00"}
    ]


def test_it_lies_where_the_camera_sees_it() -> None:
    """Against the simulator's own line of sight and a plain local scale of degrees."""
    camera = street_camera()
    file = calibrated(camera, {"id": "P1", "polygon": SQUARE}, origin=ORIGIN, bearing_deg=0)
    metres = on_street(camera, np.array(SQUARE, float))
    ring = np.array(feature(file)["geometry"]["coordinates"][0][:-1])
    scale = np.array([111_320 * np.cos(np.radians(39.908)), 111_035])
    east_north = (ring - [116.397, 39.908]) * scale
    assert np.allclose(sorted(map(tuple, east_north)), sorted(map(tuple, metres)), atol=0.05)


@given(cameras(), st.floats(0, 360), st.sampled_from([(0.0, 0.0), (-0.12, 0.02), (0.06, 0.0)]), st.data())
@settings(max_examples=60, deadline=None)
def test_out_and_back_within_a_tenth_of_a_pixel(
    camera: Any, bearing: float, k: tuple[float, float], data: Any
) -> None:
    lens = Lens(*SIZE, *k)
    corner = st.tuples(st.floats(60, 1220), st.floats(430, 700))
    polygon = [tuple(round(v, 2) for v in data.draw(corner)) for _ in range(data.draw(st.integers(3, 6)))]
    shape = Polygon(polygon)
    assume(shape.is_valid and minimum_clearance(shape) > 4)
    try:
        file = calibrated(
            camera, {"id": "P1", "polygon": polygon}, lens=lens, origin=ORIGIN, bearing_deg=bearing
        )
    except ValueError:
        assume(False)
    ground = Ground.of(file)
    assert ground is not None
    assume((ground.below_horizon(np.array(polygon)) > 20).all())
    (back,) = from_map(to_map(file)[0], file, name="m", into="f")
    assert back.change == "unchanged"
    assert back.lost == 0
    other = file.model_copy(update={"zone": (file.zone[0].model_copy(update={"id": "other"}),)})
    (fresh,) = from_map(to_map(file)[0], other, name="m", into="f")
    assert fresh.change == "added"
    assert apart(fresh.zone.polygon, polygon) <= 0.1
    assert fresh.zone.model_copy(update={"polygon": file.zone[0].polygon}) == file.zone[0]


def test_a_file_without_a_place_on_the_map_says_what_to_do() -> None:
    for file in (
        calibrated(street_camera()),
        ZoneFile.model_validate(
            {"picture": {"width": 1280, "height": 720}, "zone": [{"id": "P", "name": "P", "polygon": SQUARE}]}
        ),
    ):
        with pytest.raises(PatrolError, match="nobody knows where on the map") as caught:
            to_map(file, name="street.toml")
        assert "--pixels" in str(caught.value)


def test_an_ignored_screen_above_the_horizon_stays_at_home() -> None:
    sky = {"id": "screen", "kind": "ignore", "polygon": [(100, 5), (200, 5), (200, 60), (100, 60)]}
    data, left_out = to_map(street({"id": "P1", "polygon": SQUARE}, sky))
    assert left_out == ("screen",)
    assert [one["id"] for one in data["features"]] == ["P1"]
    with pytest.raises(PatrolError, match="zone P1: vertex 3: lies above the horizon"):
        to_map(street({"id": "P1", "polygon": [(300, 600), (900, 600), (600, 5)]}))


def test_pixels_are_a_zone_file_again() -> None:
    file = street({"id": "P1", "polygon": SQUARE, "exempt": [{"reason": "r", "up_to_s": 60}]})
    text = json.dumps(to_pixels(file))
    assert parse_zone_file(text, name="z.geojson") == file


# In


def test_a_polygon_that_reaches_out_of_the_picture_is_cut_at_its_edge() -> None:
    camera = street_camera()
    file = street()
    ground = Ground.of(file)
    assert ground is not None
    near = ground.to_ground(np.array([[640.0, 500.0]]))[0]
    around = near + np.array([(-30, -30), (30, -30), (30, 30), (-30, 30)], float)
    one = feature(file)
    one["geometry"]["coordinates"] = [
        [*ground.to_wgs84(around).tolist(), ground.to_wgs84(around)[0].tolist()]
    ]
    one["id"] = one["properties"]["id"] = "big"
    (back,) = from_map(collection(one), file, name="m", into="f")
    assert 0.3 < back.lost < 1
    seen = Polygon(back.zone.polygon)
    assert len(back.zone.polygon) < 30, "no needless vertices along the edge"
    left, _, right, bottom = seen.bounds
    assert (left, right, bottom) == (0, 1280, 720)
    # By the line of sight: what is in the picture and within the square on the ground, and nothing else.
    grid = np.array([(x, y) for x in range(5, 1280, 45) for y in range(5, 720, 35)], float)
    depth = ground.below_horizon(grid)
    for pixel, metres in zip(grid[depth > 8], on_street(camera, grid[depth > 8]), strict=True):
        inside = bool((np.abs(metres - near) < 30).all())
        margin = min(abs(np.abs(metres - near) - 30))
        if margin > 1:
            assert seen.covers(Polygon(pixel + np.array([(0, 0), (0.2, 0), (0, 0.2)]))) is inside
    assert merged(file, [back]).zone[-1].id == "big"


def test_two_parts_at_the_edge_are_not_guessed() -> None:
    file = street()
    ground = Ground.of(file)
    assert ground is not None
    # A U whose base lies below the picture: two prongs are to be seen.
    pixels = [(300, 600), (400, 600), (400, 800), (800, 800), (800, 600), (900, 600), (900, 900), (300, 900)]
    degrees = ground.to_wgs84(ground.to_ground(np.array(pixels, float))).tolist()
    one = feature(file)
    one["geometry"]["coordinates"] = [[*degrees, degrees[0]]]
    with pytest.raises(PatrolError, match="falls into 2 parts"):
        from_map(collection(one), file, name="m", into="f")
    one["geometry"]["coordinates"] = [[*degrees[:2], degrees[2], degrees[7], degrees[0]]]
    (back,) = from_map(collection(one), file, name="m", into="f")
    assert back.lost > 0.2


def bad(change: Any) -> dict[str, Any]:
    one = feature(street())
    change(one)
    return collection(one)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (collection(), "has no features"),
        (bad(lambda f: f.update(type="Polygon")), "is no Feature"),
        (bad(lambda f: f["geometry"].update(type="MultiPolygon")), "is a MultiPolygon, not a Polygon"),
        (bad(lambda f: f.update(geometry=None)), "has no geometry"),
        (bad(lambda f: f["geometry"]["coordinates"].append([])), "exactly one ring"),
        (bad(lambda f: f["geometry"]["coordinates"][0].pop()), "the ring is not closed"),
        (bad(lambda f: f["geometry"].update(coordinates=[[[1, 2], [1, 2]]])), "too few positions"),
        (bad(lambda f: f["geometry"]["coordinates"][0][1].append("x")), "vertex 2: is no position"),
        (
            bad(lambda f: f["geometry"]["coordinates"].__setitem__(0, [[640, 500]] * 4)),
            "no longitude and latitude",
        ),
        (
            bad(lambda f: f["properties"].update(colour="red")),
            r"feature 1: colour: this property is not known",
        ),
        (bad(lambda f: f["properties"].update(kind="lake")), r"feature 1 \(P1\): kind"),
        (bad(lambda f: f["properties"].pop("name")), "name"),
        (bad(lambda f: [p.reverse() for p in f["geometry"]["coordinates"][0]]), "no longitude and latitude"),
        (
            bad(lambda f: [p.__setitem__(0, p[0] + 0.005) for p in f["geometry"]["coordinates"][0]]),
            "lies off the picture",
        ),
        (
            bad(lambda f: [p.__setitem__(0, p[0] - 40) for p in f["geometry"]["coordinates"][0]]),
            "km from the calibration's origin",
        ),
        (collection(feature(street()), feature(street())), "the id is used twice"),
    ],
)
def test_what_is_no_zone_is_named(data: dict[str, Any], said: str) -> None:
    with pytest.raises(PatrolError, match=said):
        from_map(data, street(), name="m.geojson", into="street.toml")


def test_the_feature_s_id_and_a_third_coordinate_will_do() -> None:
    one = feature(street())
    one["id"] = 7
    del one["properties"]["id"]
    for point in one["geometry"]["coordinates"][0]:
        point.append(12.5)
    (back,) = from_map(collection(one), street(), name="m", into="f")
    assert back.zone.id == "7"


def test_nothing_is_replaced_unasked() -> None:
    one = feature(street())
    one["properties"]["grace_s"] = 300
    imported = from_map(collection(one), street(), name="m", into="f")
    assert [i.change for i in imported] == ["differs"]
    with pytest.raises(PatrolError, match="has P1 otherwise"):
        list(changes(imported, replace=False))
    after = merged(street(), list(changes(imported, replace=True)))
    assert [zone.grace_s for zone in after.zone] == [300]


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5), lambda c: st.lists(c, max_size=4) | st.dictionaries(st.sampled_from(["type", "geometry", "coordinates", "properties", "id", "x"]), c, max_size=5), max_leaves=12), st.sampled_from(["feature", "geometry", "coordinates", "properties"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_map_makes_it_crash(junk: Any, where: str) -> None:
    one = feature(street())
    if where == "feature":
        data = collection(junk)
    elif where == "coordinates":
        one["geometry"]["coordinates"] = junk
        data = collection(one)
    else:
        one[where] = junk
        data = collection(one)
    try:
        from_map(data, street(), name="m", into="f")
    except PatrolError:
        return
    assert where == "properties"


def test_the_two_kinds_of_collection_are_told_apart(tmp_path: Path) -> None:
    wgs, pixels = tmp_path / "map.geojson", tmp_path / "zones.geojson"
    wgs.write_text(json.dumps(to_map(street())[0]))
    pixels.write_text(json.dumps(to_pixels(street())))
    with pytest.raises(PatrolError, match="is a map in WGS-84, not a zone file"):
        load_zone_file(wgs)
    with pytest.raises(PatrolError, match="its coordinates are pixels"):
        read_map(pixels)
    assert load_zone_file(pixels) == street()
    assert read_map(wgs) == to_map(street())[0]
    for text in ("{", "[]", '{"type": "Feature"}'):
        wgs.write_text(text)
        with pytest.raises(PatrolError):
            read_map(wgs)


# Positions


def test_a_zone_s_position_is_its_own_then_its_middle_then_the_camera_s() -> None:
    camera = {"longitude": 116.4, "latitude": 39.9}
    own = {"longitude": 116.3, "latitude": 39.8}
    file = street(
        {"id": "P1", "polygon": SQUARE},
        {"id": "P2", "polygon": SQUARE, "position": own},
    )
    middle = position_of(file, file.zone[0])
    assert middle is not None
    ring = Polygon(feature(file)["geometry"]["coordinates"][0])
    assert abs(middle.longitude - ring.centroid.x) < 2e-7
    assert abs(middle.latitude - ring.centroid.y) < 2e-7
    assert position_of(file, file.zone[1]).model_dump() == own  # type: ignore[union-attr]
    plain = ZoneFile.model_validate(
        {
            "picture": {"width": 1280, "height": 720},
            "position": camera,
            "zone": [{"id": "P", "name": "P", "polygon": SQUARE}],
        }
    )
    assert position_of(plain, plain.zone[0]).model_dump() == camera  # type: ignore[union-attr]
    assert position_of(calibrated(street_camera()), calibrated(street_camera()).zone[0]) is None


def test_the_middle_of_a_bent_zone_lies_in_it() -> None:
    bent = [(200, 700), (1100, 700), (1100, 670), (260, 670), (260, 480), (200, 480)]
    file = street({"id": "P1", "polygon": bent})
    ground = Ground.of(file)
    place = position_of(file, file.zone[0])
    assert ground is not None
    assert place is not None
    pixel = ground.to_picture(ground.from_wgs84(np.array([[place.longitude, place.latitude]])))[0]
    assert Polygon(bent).buffer(1).contains(Polygon(pixel + np.array([(0, 0), (0.1, 0), (0, 0.1)])))


# The commands


def patrol(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = 0
    try:
        main(["zones", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_export_and_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "street.toml", tmp_path / "street.geojson"
    text = "# drawn on Monday\n" + dump_zone_file(street())
    file.write_text(text)
    code, said, _ = patrol(capsys, "export", file, "--geojson", out, "--json")
    assert (code, json.loads(said)["zones"], json.loads(said)["coordinates"]) == (0, 1, "WGS-84")
    assert patrol(capsys, "export", file, "--geojson", out)[0] == 2, "never over something that is there"
    code, said, _ = patrol(capsys, "export", file, "--geojson", "-")
    assert json.loads(said) == json.loads(out.read_text())

    code, said, _ = patrol(capsys, "import", out, "--into", file, "--json")
    assert (code, json.loads(said)["changed"]) == (0, False)
    assert file.read_text() == text, "nothing to do, nothing written"

    data = json.loads(out.read_text())
    data["features"][0]["properties"]["name"] = "北门人行道"
    data["features"].append({**data["features"][0], "id": "P2", "properties": {"name": "new", "id": "P2"}})
    out.write_text(json.dumps(data))
    code, _, err = patrol(capsys, "import", out, "--into", file)
    assert code == 2
    assert "P1 otherwise" in err
    code, said, _ = patrol(capsys, "import", out, "--into", file, "--replace", "--dry-run", "--json")
    assert [(z["zone"], z["change"]) for z in json.loads(said)["zones"]] == [
        ("P1", "replaced"),
        ("P2", "added"),
    ]
    assert file.read_text() == text
    code, _, err = patrol(capsys, "import", out, "--into", file, "--replace")
    assert code == 0
    assert [zone.name for zone in load_zone_file(file).zone] == ["北门人行道", "new"]
    assert (tmp_path / "street.toml.bak").read_text() == text

    data["features"][1]["properties"]["colour"] = "red"
    out.write_text(json.dumps(data))
    before = file.read_text()
    assert patrol(capsys, "import", out, "--into", file, "--replace")[0] == 2
    assert file.read_text() == before, "the whole map or nothing"


def test_without_a_calibration_pixels_are_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "street.toml", tmp_path / "street.geojson"
    file.write_text(dump_zone_file(street().model_copy(update={"calibration": None})))
    code, _, err = patrol(capsys, "export", file, "--geojson", out)
    assert code == 2
    assert "--pixels" in err
    assert patrol(capsys, "export", file, "--geojson", out, "--pixels")[0] == 0
    assert load_zone_file(out) == load_zone_file(file)


def test_a_zone_file_in_json_stays_in_its_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "map.geojson"
    one = feature(street())
    one["id"] = one["properties"]["id"] = "P9"
    out.write_text(json.dumps(collection(one)))
    for name, data in (
        ("a.json", street().model_dump(mode="json", by_alias=True, exclude_none=True)),
        ("b.geojson", to_pixels(street())),
    ):
        file = tmp_path / name
        file.write_text(json.dumps(data))
        assert patrol(capsys, "import", out, "--into", file)[0] == 0
        assert [zone.id for zone in load_zone_file(file).zone] == ["P1", "P9"]
        assert ("features" in json.loads(file.read_text())) is (name == "b.geojson")
