"""Other systems report bays over HTTP: with a key, in NGSI-LD's shape, as often and in whatever order they like."""

from __future__ import annotations

import json

import pytest
from django.test.client import Client

from central.bays import api, feeds
from central.bays.models import Bay, FeedKey, Reservation
from central.bays.services import offer_for_case
from protocol.clock import iso
from protocol.errors import PatrolError
from tests.central.bays.plan import ON_SQLITE, PLACE, bay, case
from tests.central.street import JURISDICTION, MINUTE, NOON

SPOT = "urn:ngsi-ld:ParkingSpot:sanlihe:1"


@pytest.fixture
def feed(centre):
    """`feed(method, path, body)`: a call with a valid key."""
    secret = feeds.add_key("car-park-3", JURISDICTION)
    client = Client(enforce_csrf_checks=True)

    def call(method: str, path: str, body: object = None, **more: object):
        headers = {"authorization": f"Bearer {secret}", **more.pop("headers", {})}
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return client.generic(
            method,
            f"/ngsi-ld/v1/{path}",
            data,
            content_type=more.pop("content_type", "application/json"),
            headers=headers,
        )

    return call


def status(value: str = "free", at_ms: int = NOON) -> dict[str, object]:
    return {"status": {"type": "Property", "value": value, "observedAt": iso(at_ms)}}


def patch(feed, body: object, bay_id: str = SPOT, **more: object):
    return feed("PATCH", f"entities/{bay_id}/attrs", body, **more)


def test_a_spot_follows_its_sensor(feed):
    bay(SPOT, status="unknown", free=0, observed_at_ms=None)
    assert patch(feed, status("free")).status_code == 204
    known = Bay.objects.get()
    assert (known.status, known.free, known.observed_at_ms, known.observed_by) == (
        "free",
        1,
        NOON,
        "feed:car-park-3",
    )
    assert patch(feed, status("occupied", NOON - 1)).status_code == 204, "older: no error, no change"
    assert patch(feed, status("free")).status_code == 204, "again: no error, no change"
    assert Bay.objects.get().status == "free"
    centre_entity = feed("GET", f"entities/{SPOT}").json()
    assert centre_entity["status"] == {"value": "free", "observedAt": iso(NOON)}
    assert centre_entity["type"] == "ParkingSpot"
    assert centre_entity["location"]["coordinates"] == [PLACE.longitude, PLACE.latitude]


def test_a_car_park_tells_how_many_places_are_free(feed, centre):
    bay("park", kind="OffStreetParking", total=300, free=0, status="unknown")
    centre.clock.advance(MINUTE)
    body = {"availableSpotNumber": {"value": 17, "observedAt": iso(NOON + MINUTE)}}
    assert patch(feed, body, "park").status_code == 204
    assert (Bay.objects.get().status, Bay.objects.get().free) == ("free", 17)
    body = {"availableSpotNumber": 0, "observedAt": iso(NOON + MINUTE + 1)}
    centre.clock.advance(1)
    assert patch(feed, body, "park").status_code == 204
    assert (Bay.objects.get().status, Bay.objects.get().free) == ("occupied", 0)
    shown = feed("GET", "entities/park").json()
    assert shown["availableSpotNumber"] == {"value": 0, "observedAt": iso(NOON + MINUTE + 1)}
    assert shown["totalSpotNumber"] == 300


def test_a_taken_spot_is_let_go(feed, centre):
    bay(SPOT)
    offer_for_case(case(), vehicle_class="car", position=PLACE, until_ms=NOON + 10 * MINUTE)
    centre.clock.advance(1000)
    patch(feed, status("occupied", NOON + 1000))
    assert Reservation.objects.get().release_reason == "occupied"


def test_many_at_once_with_each_failure_named(feed):
    bay("a", observed_at_ms=NOON - MINUTE), bay("b", observed_at_ms=NOON - MINUTE)
    good = [{"id": name, "type": "ParkingSpot", **status("occupied")} for name in ("a", "b")]
    assert feed("POST", "entityOperations/update", good).status_code == 204
    assert set(Bay.objects.values_list("status", flat=True)) == {"occupied"}
    mixed = feed(
        "POST",
        "entityOperations/update",
        [
            {"id": "a", **status("free", NOON + 1)},
            {"id": "nowhere", **status()},
            {"id": "b", "status": "odd"},
            7,
        ],
    )
    assert mixed.status_code == 207
    body = mixed.json()
    assert body["success"] == ["a"]
    assert [(e["entityId"], e["error"]["status"]) for e in body["errors"]] == [
        ("nowhere", 404),
        ("b", 400),
        ("[3]", 400),
    ]


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "this says nothing of it"),
        ({"status": "free"}, "observedAt is missing"),
        ({"status": "perhaps", "observedAt": iso(NOON)}, "'perhaps' is none of"),
        ({"status": 1, "observedAt": iso(NOON)}, "must be a name"),
        ({"status": {"type": "Property"}, "observedAt": iso(NOON)}, "has no value"),
        ({"status": "free", "observedAt": "yesterday"}, "must be an instant"),
        ({"status": "free", "observedAt": "2026-01-01T12:00:00"}, "must be an instant"),
        ({"status": "free", "observedAt": iso(NOON + 6 * MINUTE)}, "lies in the future"),
        ({"status": "free", "observedAt": iso(NOON), "location": {}}, "'location' cannot be reported"),
        ({"status": "free", "observedAt": iso(NOON), "colour": "red"}, "'colour' cannot be reported"),
        ({"availableSpotNumber": 2, "observedAt": iso(NOON)}, "one vehicle"),
        ({"availableSpotNumber": -1, "observedAt": iso(NOON)}, "whole number from 0"),
        ({"availableSpotNumber": 1.5, "observedAt": iso(NOON)}, "whole number from 0"),
        ({"availableSpotNumber": True, "observedAt": iso(NOON)}, "whole number from 0"),
        ([], "JSON object"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"status": "free", "availableSpotNumber": NaN}', "whole number"),
        (b'{"status": "free", "availableSpotNumber": Infinity}', "whole number"),
        (b"\xff\xfe", "not JSON"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_clear_400(feed, body, says):
    bay(SPOT, observed_at_ms=NOON - MINUTE)
    answer = patch(feed, body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert says in problem["title"], problem
    assert problem["status"] == 400
    assert problem["type"].startswith("https://uri.etsi.org/ngsi-ld/errors/")
    assert Bay.objects.get().observed_at_ms == NOON - MINUTE


def test_a_car_park_says_a_number(feed):
    bay("park", kind="OffStreetParking", total=30, free=3, observed_at_ms=NOON - MINUTE)
    assert "how many" in patch(feed, {"status": "open", "observedAt": iso(NOON)}, "park").json()["title"]
    answer = patch(feed, {"availableSpotNumber": 31, "observedAt": iso(NOON)}, "park")
    assert answer.status_code == 400
    assert patch(feed, {"status": "closed", "observedAt": iso(NOON)}, "park").status_code == 204
    assert Bay.objects.get().status == "closed"


@ON_SQLITE
def test_sizes_and_kinds_have_limits(feed):
    bay(SPOT)
    assert patch(feed, b" " * (api.BODY_BYTES + 1)).status_code == 413
    assert patch(feed, status(), content_type="text/plain").status_code == 415
    assert feed("POST", "entityOperations/update", [{"id": "x"}] * (api.BATCH + 1)).status_code == 413
    assert feed("POST", "entityOperations/update", {}).status_code == 400
    assert feed("DELETE", f"entities/{SPOT}").status_code == 405
    assert patch(feed, status(), "no/such/bay").status_code == 404
    assert patch(feed, status(), "x" * 500).status_code == 404


@ON_SQLITE
def test_without_a_key_nothing_is_told(feed, centre):
    bay(SPOT)
    stranger = Client()
    for header in (
        {},
        {"authorization": "Bearer guess"},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer " + "é" * 30},
    ):
        answer = stranger.get(f"/ngsi-ld/v1/entities/{SPOT}", headers=header)
        assert answer.status_code == 401
        assert "Bearer" in answer["WWW-Authenticate"]
        assert SPOT not in answer.content.decode()
    assert stranger.get("/ngsi-ld/v1/entities/nowhere").status_code == 401


def test_a_key_is_for_one_jurisdiction_and_can_be_revoked(feed):
    bay(SPOT, jurisdiction_id="elsewhere")
    assert patch(feed, status()).status_code == 404
    feeds.revoke_key("car-park-3")
    assert patch(feed, status()).status_code == 401
    with pytest.raises(PatrolError):
        feeds.revoke_key("nobody")
    with pytest.raises(PatrolError):
        feeds.add_key("car-park-3", JURISDICTION)
    with pytest.raises(PatrolError):
        feeds.add_key("bad name", JURISDICTION)


@ON_SQLITE
def test_only_a_hash_of_the_key_is_stored(centre):
    secret = feeds.add_key("sensor", JURISDICTION)
    stored = FeedKey.objects.get()
    assert secret not in {stored.secret_sha256, stored.name}
    assert feeds.find_key(secret) == stored
    assert feeds.find_key(secret[:-1]) is None
    assert FeedKey.objects.get().used_at_ms == NOON


@ON_SQLITE
def test_a_flood_is_told_when_to_come_back(feed, centre):
    bay(SPOT)
    codes = [feed("GET", f"entities/{SPOT}").status_code for _ in range(205)]
    assert codes.count(200) == 200
    last = feed("GET", f"entities/{SPOT}")
    assert last.status_code == 429
    centre.clock.advance(int(last["Retry-After"]) * 1000)
    assert feed("GET", f"entities/{SPOT}").status_code == 200
    strangers = [Client().get("/ngsi-ld/v1/entities/x").status_code for _ in range(22)]
    assert strangers[-1] == 429
