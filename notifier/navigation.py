"""Addresses that open a place in a map application, each in the datum and order that it expects.

Positions here are WGS-84. Maps of mainland China are drawn in GCJ-02, a datum that is shifted by some hundred metres
by a published formula, and Baidu's in BD-09, which is GCJ-02 shifted once more. Outside of mainland China (also in
Hong Kong, Macau and Taiwan) nobody shifts.

| application | datum in mainland China | order | source |
|---|---|---|---|
| Amap 高德 | GCJ-02 (``coordinate=gaode``) | longitude, latitude | lbs.amap.com, URI API, navigation |
| Baidu 百度 | BD-09 (``coord_type=bd09ll``) | latitude, longitude | lbsyun.baidu.com, URI API, marker |
| Tencent 腾讯 | GCJ-02 (``coord_type=2``) | latitude, longitude | lbs.qq.com, URI API, routeplan |
| Apple | GCJ-02: its Chinese map is AutoNavi's | latitude, longitude | developer.apple.com, Map Links |
| Google | GCJ-02: its Chinese streets are drawn so | latitude, longitude | developers.google.com, Maps URLs |
| geo: | WGS-84, by RFC 5870 | latitude, longitude | RFC 5870 |
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from notifier._mainland import in_mainland_china
from protocol.messages import Position

App = Literal["amap", "baidu", "tencent", "apple", "google", "geo"]
Datum = Literal["wgs84", "gcj02", "bd09"]

_SOURCE = "street-patrol"
_KRASOVSKY_A = 6_378_245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid, metres, on which the GCJ-02 shift is defined."""

_KRASOVSKY_E2 = 0.00669342162296594323
_X_PI = math.pi * 3000.0 / 180.0


@dataclass(frozen=True, slots=True)
class MapLink:
    """An address that opens a place in one application."""

    app: App
    url: str


def map_links(position: Position, name: str) -> tuple[MapLink, ...]:
    """Addresses for all applications, those most used in China first.

    Args:
        position: WGS-84.
        name: what the application shows at the place.
    """
    lon, lat = position.longitude, position.latitude
    gcj_lon, gcj_lat = wgs84_to_gcj02(lon, lat)
    shifted = in_mainland_china(lon, lat)
    baidu_lon, baidu_lat = gcj02_to_bd09(gcj_lon, gcj_lat) if shifted else (lon, lat)
    return (
        MapLink(
            "amap",
            "https://uri.amap.com/navigation?"
            + _query(
                to=f"{gcj_lon:.6f},{gcj_lat:.6f},{_plain(name)}",
                mode="car",
                coordinate="gaode" if shifted else "wgs84",
                src=_SOURCE,
                callnative="1",
            ),
        ),
        MapLink(
            "baidu",
            "https://api.map.baidu.com/marker?"
            + _query(
                location=f"{baidu_lat:.6f},{baidu_lon:.6f}",
                title=name,
                content=name,
                coord_type="bd09ll" if shifted else "wgs84",
                output="html",
                src=f"webapp.{_SOURCE}",
            ),
        ),
        MapLink(
            "apple",
            "https://maps.apple.com/?" + _query(daddr=f"{gcj_lat:.6f},{gcj_lon:.6f}", q=name, dirflg="d"),
        ),
        MapLink(
            "google",
            "https://www.google.com/maps/dir/?"
            + _query(api="1", destination=f"{gcj_lat:.6f},{gcj_lon:.6f}", travelmode="driving"),
        ),
        MapLink("tencent", _tencent(gcj_lon, gcj_lat, name, shifted=shifted)),
        MapLink("geo", geo_uri(position, name)),
    )


def geo_uri(position: Position, name: str = "") -> str:
    """A geo: address (RFC 5870, WGS-84, latitude first); the label after ``q=`` is what Android shows."""
    point = f"{position.latitude:.6f},{position.longitude:.6f}"
    return f"geo:{point}?q={point}({quote(name, safe='')})" if name else f"geo:{point}"


def wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """GCJ-02 (longitude, latitude) of a WGS-84 position; the same position outside of mainland China.

    The published approximation of the shift; it agrees with the official one to some decimetres.
    """
    if not in_mainland_china(lon, lat):
        return lon, lat
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def gcj02_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """WGS-84 (longitude, latitude) of a GCJ-02 position, by iteration to a millimetre."""
    if not in_mainland_china(lon, lat):
        return lon, lat
    guess_lon, guess_lat = lon, lat
    for _ in range(30):
        east, north = _shift(guess_lon, guess_lat)
        off_lon, off_lat = guess_lon + east - lon, guess_lat + north - lat
        guess_lon, guess_lat = guess_lon - off_lon, guess_lat - off_lat
        if abs(off_lon) < 1e-8 and abs(off_lat) < 1e-8:
            break
    return guess_lon, guess_lat


def gcj02_to_bd09(lon: float, lat: float) -> tuple[float, float]:
    """BD-09 (longitude, latitude) of a GCJ-02 position."""
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _X_PI)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _X_PI)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


def bd09_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """GCJ-02 (longitude, latitude) of a BD-09 position."""
    x, y = lon - 0.0065, lat - 0.006
    radius = math.hypot(x, y) - 0.00002 * math.sin(y * _X_PI)
    angle = math.atan2(y, x) - 0.000003 * math.cos(x * _X_PI)
    return radius * math.cos(angle), radius * math.sin(angle)


def to_wgs84(lon: float, lat: float, datum: Datum) -> tuple[float, float]:
    """WGS-84 (longitude, latitude) of a position in another datum."""
    if datum == "gcj02":
        return gcj02_to_wgs84(lon, lat)
    if datum == "bd09":
        return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat)) if in_mainland_china(lon, lat) else (lon, lat)
    return lon, lat


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """Degrees east and north from WGS-84 to GCJ-02."""
    x, y = lon - 105.0, lat - 35.0
    root = math.sqrt(abs(x))
    waves = (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    north += (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    east += (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    east += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    bend = 1.0 - _KRASOVSKY_E2 * math.sin(math.radians(lat)) ** 2
    across = _KRASOVSKY_A / math.sqrt(bend) * math.cos(math.radians(lat))
    along = _KRASOVSKY_A * (1.0 - _KRASOVSKY_E2) / (bend * math.sqrt(bend))
    return math.degrees(east / across), math.degrees(north / along)


def _tencent(lon: float, lat: float, name: str, *, shifted: bool) -> str:
    to = {"to": name, "tocoord": f"{lat:.6f},{lon:.6f}", "coord_type": "2" if shifted else "1"}
    return "https://apis.map.qq.com/uri/v1/routeplan?" + _query(type="drive", **to, referer=_SOURCE)


def _plain(name: str) -> str:
    """A name without the commas that part a position from it."""
    return name.replace(",", " ").replace("，", " ")


def _query(**parts: str) -> str:
    # Slashes and commas stay readable; everything else that means something in an address does not.
    return urlencode(parts, quote_via=quote, safe=",")
