"""Map links: each application's datum, each one's order, and no shift where nobody shifts."""

from __future__ import annotations

import math
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.navigation import (
    bd09_to_gcj02,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    geo_uri,
    in_mainland_china,
    map_links,
    to_wgs84,
    wgs84_to_gcj02,
)
from protocol.messages import Position

NAME = "三里河路 12号, 北门 & Co"
BEIJING = Position(longitude=116.404, latitude=39.915)
HONG_KONG = Position(longitude=114.1694, latitude=22.3193)


def links(position: Position) -> dict[str, tuple[str, dict[str, str]]]:
    """app -> (address without its query, the query's parts)."""
    found = {}
    for link in map_links(position, NAME):
        parts = urlsplit(link.url)
        query = {key: values[0] for key, values in parse_qs(parts.query, strict_parsing=True).items()}
        found[link.app] = (f"{parts.scheme}://{parts.netloc}{parts.path}", query)
    return found


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    east = (one[0] - other[0]) * math.cos(math.radians(one[1]))
    return math.hypot(east, one[1] - other[1]) * 111_195


def test_the_published_reference_points() -> None:
    # The pair that coordtransform, its ports and hutool publish and test against.
    assert wgs84_to_gcj02(116.404, 39.915) == pytest.approx(
        (116.41024449916938, 39.91640428150164), abs=1e-11
    )
    assert gcj02_to_bd09(116.404, 39.915) == pytest.approx((116.41036949371029, 39.92133699351021), abs=1e-11)
    assert bd09_to_gcj02(116.404, 39.915) == pytest.approx((116.39762729119315, 39.90865673957631), abs=1e-11)


@pytest.mark.parametrize(
    ("place", "lon", "lat", "shifted"),
    [
        ("Beijing", 116.397, 39.909, True),
        ("Shanghai", 121.474, 31.230, True),
        ("Lüshun, at the sea", 121.26, 38.81, True),
        ("Zhoushan, an island", 122.30, 29.95, True),
        ("Sanya", 109.51, 18.25, True),
        ("Kashgar", 75.99, 39.47, True),
        ("Mohe, the north", 122.54, 52.97, True),
        ("Xiamen", 118.09, 24.48, True),
        ("Pingtan", 119.79, 25.50, True),
        ("Shenzhen, Luohu port", 114.1185, 22.5335, True),
        ("Shenzhen, Futian port", 114.0690, 22.5205, True),
        ("Shekou", 113.915, 22.485, True),
        ("Yantian", 114.27, 22.575, True),
        ("Zhuhai, Gongbei", 113.5485, 22.2200, True),
        ("Hengqin", 113.530, 22.130, True),
        ("Hong Kong, Central", 114.158, 22.282, False),
        ("Hong Kong, Sheung Shui", 114.128, 22.502, False),
        ("Hong Kong, Lau Fau Shan", 113.985, 22.468, False),
        ("Hong Kong, airport", 113.915, 22.308, False),
        ("Macau", 113.5439, 22.1987, False),
        ("Macau, Taipa", 113.560, 22.157, False),
        ("Taipei", 121.565, 25.033, False),
        ("Kinmen", 118.32, 24.44, False),
        ("Seoul", 126.978, 37.566, False),
        ("Pyongyang", 125.754, 39.039, False),
        ("Hanoi", 105.854, 21.028, False),
        ("Vladivostok", 131.886, 43.115, False),
        ("Ulaanbaatar", 106.917, 47.918, False),
        ("Kathmandu", 85.324, 27.717, False),
        ("Almaty", 76.945, 43.238, False),
        ("Tokyo", 139.69, 35.68, False),
        ("Berlin", 13.405, 52.52, False),
    ],
)
def test_where_maps_are_shifted(place: str, lon: float, lat: float, shifted: bool) -> None:
    assert in_mainland_china(lon, lat) is shifted
    moved = metres((lon, lat), wgs84_to_gcj02(lon, lat))
    assert (100 < moved < 1000) if shifted else moved == 0


@given(st.floats(75, 134), st.floats(19, 53))
def test_there_and_back_again(lon: float, lat: float) -> None:
    there = wgs84_to_gcj02(lon, lat)
    around = [(lon + dx, lat + dy) for dx in (-0.05, 0.05) for dy in (-0.05, 0.05)]
    if not all(in_mainland_china(*each) for each in around):
        return  # on the line itself, one datum may be inside and the other out
    assert metres(gcj02_to_wgs84(*there), (lon, lat)) < 0.01
    assert metres(to_wgs84(*gcj02_to_bd09(*there), "bd09"), (lon, lat)) < 1.0
    assert to_wgs84(*there, "gcj02") == gcj02_to_wgs84(*there)
    assert to_wgs84(lon, lat, "wgs84") == (lon, lat)


def test_each_application_gets_its_own_datum_and_order() -> None:
    found = links(BEIJING)
    gcj = (116.410244, 39.916404)
    bd = gcj02_to_bd09(*wgs84_to_gcj02(116.404, 39.915))
    where, query = found["amap"]
    assert where == "https://uri.amap.com/navigation"
    assert query["to"] == f"{gcj[0]:.6f},{gcj[1]:.6f},{NAME.replace(',', ' ')}"
    assert query["coordinate"] == "gaode"
    where, query = found["baidu"]
    assert where == "https://api.map.baidu.com/marker"
    assert query["location"] == f"{bd[1]:.6f},{bd[0]:.6f}"
    assert query["coord_type"] == "bd09ll"
    assert query["title"] == NAME
    assert found["apple"][1]["daddr"] == f"{gcj[1]:.6f},{gcj[0]:.6f}"
    assert found["google"][1]["destination"] == f"{gcj[1]:.6f},{gcj[0]:.6f}"
    assert found["tencent"][1]["coord_type"] == "2"
    assert found["tencent"][1]["tocoord"] == f"{gcj[1]:.6f},{gcj[0]:.6f}"
    geo = next(link.url for link in map_links(BEIJING, NAME) if link.app == "geo")
    assert geo.startswith("geo:39.915000,116.404000?q=39.915000,116.404000(")
    assert unquote(geo).endswith(f"({NAME})")
    assert " " not in geo


def test_outside_of_the_mainland_nothing_is_shifted_and_the_datum_is_named() -> None:
    found = links(HONG_KONG)
    assert found["amap"][1]["to"].startswith("114.169400,22.319300,")
    assert found["amap"][1]["coordinate"] == "wgs84"
    assert found["baidu"][1]["location"] == "22.319300,114.169400"
    assert found["baidu"][1]["coord_type"] == "wgs84"
    assert found["google"][1]["destination"] == "22.319300,114.169400"
    assert found["tencent"][1]["coord_type"] == "1"


def test_baidu_and_amap_mean_the_same_point() -> None:
    """What both show lies within a metre, once each is taken back to WGS-84."""
    found = links(BEIJING)
    lat, lon = map(float, found["baidu"][1]["location"].split(","))
    amap_lon, amap_lat = map(float, found["amap"][1]["to"].split(",")[:2])
    assert metres(to_wgs84(lon, lat, "bd09"), to_wgs84(amap_lon, amap_lat, "gcj02")) < 1
    assert metres(to_wgs84(amap_lon, amap_lat, "gcj02"), (116.404, 39.915)) < 1


def test_a_geo_address_needs_no_name() -> None:
    assert geo_uri(BEIJING) == "geo:39.915000,116.404000"
