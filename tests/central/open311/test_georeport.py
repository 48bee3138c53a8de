"""GeoReport v2 as its specification writes it: both formats, its errors, and nothing of anybody to strangers."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.client import Client
from django.test.utils import CaptureQueriesContext

from central.cases import reports
from central.cases.apikeys import add_key
from central.cases.attachments import attach
from central.cases.models import ApiKey, Attachment, Case, HistoryEntry, Reporter
from central.cases.reporters import contact_of
from central.open311 import views
from central.open311.models import Report
from central.project import gate
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_SQLITE
from tests.central.street import MINUTE, NOON

FORM = {
    "service_code": "city_appearance",
    "lat": "39.9145",
    "long": "116.3321",
    "address_string": "三里河南区3号楼",
    "attribute[what]": "rubbish",
    "description": "楼下垃圾三天没人清，我是王秀英，电话13800138000",
    "first_name": "秀英",
    "last_name": "王",
    "phone": "138 0013 8000",
    "email": "Wang@Example.org",
    "device_id": "a-phone",
}
SECRETS = ("王", "秀英", "13800138000", "wang@example", "垃圾三天", "a-phone")


@pytest.fixture(autouse=True)
def fresh_limits():
    views._limits.clear()


class Caller:
    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(headers={"accept-language": "en"}, enforce_csrf_checks=True)

    def get(self, path: str, **query: str):
        return self.client.get(f"/open311/v2/{path}", query)

    def post(self, form: dict, path: str = "requests.json", **headers: str):
        return self.client.post(
            f"/open311/v2/{path}",
            urlencode({"api_key": self.secret, **form}),
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )


@pytest.fixture
def app(centre):
    return Caller(add_key("city-app", "sanlihe"))


def error(answer, status: int) -> str:
    assert answer.status_code == status, answer.content
    ((told),) = answer.json()
    assert told["code"] == status
    return told["description"]


def as_data(element: ElementTree.Element):
    """XML as the JSON of the same answer: lists are elements whose children have one name that is their singular."""
    if len(element) == 0:
        return element.text
    children = [(child.tag, as_data(child)) for child in element]
    if element.tag in {
        "services",
        "service_requests",
        "errors",
        "attributes",
        "values",
        "formats",
        "endpoints",
        "notes",
    }:
        return [value for _, value in children]
    return dict(children)


def as_words(data):
    """JSON with its leaves as XML can write them."""
    if isinstance(data, dict):
        return {name: as_words(value) for name, value in data.items()}
    if isinstance(data, list):
        return [as_words(value) for value in data] or None
    return None if data is None else str(data).lower() if isinstance(data, bool) else str(data)


def test_a_report_is_taken_once_and_followed_and_names_nobody(app, centre):
    made = app.post(FORM)
    assert made.status_code == 201, made.content
    ((told),) = made.json()
    assert told == {
        "service_request_id": told["service_request_id"],
        "service_notice": None,
        "account_id": None,
    }
    case = Case.objects.get()
    assert told["service_request_id"] == str(case.pk)
    assert (case.source, case.service_code, case.jurisdiction_id) == ("person", "city_appearance", "sanlihe")
    assert case.text.endswith("\nWhat is in the way: Rubbish")
    contact = contact_of(case.reporter)
    assert (contact.name, contact.phone, contact.email) == ("王秀英", "+8613800138000", "wang@example.org")
    centre.clock.advance(MINUTE)
    again = app.post(FORM)
    assert (again.status_code, again.json()) == (200, made.json())
    assert Case.objects.count() == 1
    stranger = Caller("")
    for path in ("requests.json", f"requests/{case.pk}.json", f"requests/{case.pk}.xml", "requests.xml"):
        seen = stranger.get(path, extensions="true")
        assert seen.status_code == 200
        for secret in SECRETS:
            assert secret not in seen.content.decode(), (path, secret)
    assert not any(
        s in json.dumps(list(HistoryEntry.objects.values_list("body", flat=True))) for s in SECRETS
    )
    ((public),) = stranger.get(f"requests/{case.pk}.json").json()
    assert public["status"] == "open"
    assert datetime.fromisoformat(public["requested_datetime"]).timestamp() * 1000 == NOON
    assert (public["lat"], public["long"], public["description"]) == (39.9145, 116.3321, None)
    ((own),) = app.get(f"requests/{case.pk}.json", api_key=app.secret).json()
    assert own["description"] == case.text
    token = Report.objects.get().token
    assert app.get(f"tokens/{token}.json").json() == [{"service_request_id": str(case.pk), "token": token}]
    error(app.get("tokens/nothing.json"), 404)


@ON_SQLITE
def test_xml_says_what_json_says(app):
    app.post(FORM)
    number = Case.objects.get().pk
    for path, root in (
        ("services", "services"),
        ("services/city_appearance", "service_definition"),
        ("requests", "service_requests"),
        (f"requests/{number}", "service_requests"),
        ("discovery", "discovery"),
        ("services/none", "errors"),
        ("requests/0", "errors"),
    ):
        query = {"extensions": "true", "api_key": app.secret}
        xml, plain = app.get(f"{path}.xml", **query), app.get(f"{path}.json", **query)
        assert xml.status_code == plain.status_code
        assert xml["Content-Type"] == "text/xml; charset=utf-8"
        assert plain["Content-Type"] == "application/json; charset=utf-8"
        element = ElementTree.fromstring(xml.content)
        assert element.tag == root
        assert as_data(element) == as_words(plain.json()), path
    listed = ElementTree.fromstring(app.get("services.xml").content)
    assert [found.findtext("service_code") for found in listed.findall("service")] == [
        "city_appearance",
        "residents_voice",
    ]
    assert "sidewalk_parking" not in app.get("services.json").content.decode()
    made = ElementTree.fromstring(app.post({**FORM, "description": "x"}, "requests.xml").content)
    assert [child.tag for child in made.find("request")] == [
        "service_request_id",
        "service_notice",
        "account_id",
    ]


@ON_SQLITE
def test_what_makes_no_sense_is_refused_by_the_codes_of_the_specification(app):
    for change, status, word in (
        ({"api_key": ""}, 403, "API key"),
        ({"api_key": "x" * 40}, 403, "API key"),
        ({"service_code": ""}, 400, "service_code"),
        ({"service_code": "sidewalk_parking"}, 404, "service_code"),
        ({"jurisdiction_id": "elsewhere"}, 404, "jurisdiction_id"),
        ({"lat": "", "long": "", "address_string": ""}, 400, "place"),
        ({"lat": "91"}, 400, "lat"),
        ({"long": "nan"}, 400, "long"),
        ({"long": ""}, 400, "long"),
        ({"attribute[what]": "gold"}, 400, "what"),
        ({"attribute[colour]": "red"}, 400, "colour"),
        ({"phone": "call me"}, 400, "phone"),
        ({"email": "me"}, 400, "email"),
        ({"description": "长" * 4001}, 400, "description"),
        ({"description": "a\x00b"}, 400, "NUL"),
        ({"media_url": "file:///etc/passwd"}, 400, "media_url"),
    ):
        assert word in error(app.post({**FORM, **change}), status), change
    assert Case.objects.count() == Reporter.objects.count() == 0
    for query, status in (
        ({"start_date": "2026-01-01"}, 400),
        ({"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-04-02T00:00:00Z"}, 400),
        ({"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-01-02T00:00:00Z"}, 400),
        ({"status": "lost"}, 400),
        ({"service_code": "none"}, 404),
        ({"jurisdiction_id": "elsewhere"}, 404),
        ({"page_size": "0"}, 400),
        ({"api_key": "x" * 40}, 403),
    ):
        error(app.get("requests.json", **query), status)
    error(app.client.put("/open311/v2/requests.json"), 405)
    assert app.get("requests").status_code == 404
    add_key("other", "elsewhere")
    assert "not provided" in error(app.get("services.json"), 400)


@ON_SQLITE
def test_filters_pages_and_what_is_for_strangers(app, centre):
    other = Caller(add_key("other-app", "sanlihe"))
    numbers = []
    for north in ("39.90", "39.92", "39.94"):  # too far apart to be one matter
        numbers.append(app.post({**FORM, "lat": north}).json()[0]["service_request_id"])
        centre.clock.advance(61 * MINUTE)
    voice = app.post({"service_code": "residents_voice", "address_id": "7", "description": "吵"}).json()[0]
    hidden = voice["service_request_id"]
    patrol = reports.NewCase("camera", "k", "sidewalk_parking", "sanlihe", NOON, "agent:x", plate="京A12345")
    plates = str(reports.open_case(patrol)[0].pk)
    stranger = Caller("")

    def listed(caller=stranger, **query):
        return [found["service_request_id"] for found in caller.get("requests.json", **query).json()]

    assert listed() == numbers[::-1]
    assert listed(page="2", page_size="2") == numbers[:1]
    assert listed(service_request_id=f"{numbers[0]},{hidden},{plates}") == numbers[:1]
    assert listed(service_code="residents_voice") == []
    assert listed(app, api_key=app.secret) == [hidden, *numbers[::-1]]
    assert listed(other, api_key=other.secret) == numbers[::-1]
    start = datetime.fromtimestamp(NOON / 1000 + 60, UTC).isoformat()
    assert listed(start_date=start, status="open") == numbers[:0:-1]
    assert listed(status="closed") == []
    for number in (hidden, plates):
        error(stranger.get(f"requests/{number}.json"), 404)
        error(other.get(f"requests/{number}.json", api_key=other.secret), 404)
    token = Report.objects.get(case=hidden).token
    assert stranger.get(f"requests/{hidden}.json", token=token).json()[0]["description"] == "吵"
    centre.clock.advance(91 * 86_400_000)
    assert listed() == []


@ON_SQLITE
def test_pictures_are_written_anew_and_shown_to_whoever_brought_them(app):
    def send(data: bytes):
        form = {"api_key": app.secret, **FORM, "media": SimpleUploadedFile("a.jpg", data, "image/jpeg")}
        return app.client.post("/open311/v2/requests.json", form)

    assert "media" in error(send(b"<svg/>"), 400)
    assert Case.objects.count() == 0
    number = send(photo()).json()[0]["service_request_id"]
    assert send(photo()).json()[0]["service_request_id"] == number
    assert Attachment.objects.count() == 1
    attach(
        Case.objects.get(),
        None,
        photo(taken="2026:01:02 08:00:00"),
        "door.jpg",
        "of-an-officer",
        actor="user:li",
    )
    ((own),) = app.get(f"requests/{number}.json", api_key=app.secret, extensions="true").json()
    assert own["extended_attributes"]["media_urls"] == [own["media_url"]], "what an officer took stays inside"
    picture = app.client.get(own["media_url"].removeprefix("http://testserver"))
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/jpeg")
    ((public),) = app.get(f"requests/{number}.json").json()
    assert public["media_url"] is None
    assert app.client.get("/open311/media/1.nothing.jpg").status_code == 404


def knock(method, address="127.0.0.1"):
    """What the door says to a call before anybody works on it."""
    said = []

    async def send(message):
        said.append(message)

    scope = {"method": method, "path": "/open311/v2/requests.json", "client": (address, 40_000)}
    with patch.object(gate, "HOLD_S", 0):
        turned_away = asyncio.run(gate.turned_away(scope, send))
    assert turned_away == bool(said)
    return said


@ON_SQLITE
def test_a_key_has_its_own_limit_and_a_flood_is_turned_away_before_it_is_read(app, centre):
    ApiKey.objects.update(per_minute=12)
    statuses = [app.post({**FORM, "description": str(n)}).status_code for n in range(40)]
    assert statuses[:1] == [201]
    last = app.post({**FORM, "description": "more"})
    assert "come back" in error(last, 429)
    assert int(last["Retry-After"]) >= 1
    before = Case.objects.count()
    with CaptureQueriesContext(connection) as asked:
        assert app.post({**FORM, "description": "more"}).status_code == 429
    assert not asked.captured_queries, "nothing is asked of the database"
    assert Case.objects.count() == before
    assert app.get("services.json").status_code == 200, "who floods may still look"
    at_the_door = knock("POST")
    assert at_the_door[0]["status"] == 429
    assert dict(at_the_door[0]["headers"])[b"retry-after"] == last["Retry-After"].encode()
    assert at_the_door[1]["body"] == last.content
    assert knock("GET") == knock("POST", "127.0.0.9") == []
    centre.clock.advance(MINUTE)
    assert knock("POST") == []
    assert app.post({**FORM, "description": "later"}).status_code == 201
