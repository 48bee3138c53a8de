"""The attack list of docs/security.md: what a stranger, a colleague and a forged page try, and what they get."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import override_settings

import central
from central.cases.models import WorkOrder
from central.clocks.alerts import DISPATCHERS, tell
from central.grids.models import Grid
from central.ingest.intake import take_all
from central.pages.filters import Filters
from central.people import services
from central.people.models import FailedLogin, Role
from tests.central.people.conftest import PASSWORD, end
from tests.central.people.test_matrix import OPEN, fill, routes
from tests.central.street import AGENT, JURISDICTION, TOPICS, picture, reference, sha256, task

PICTURE = picture(1)
INJECTIONS = (
    "' OR '1'='1",
    "1; DROP TABLE cases_case; --",
    '" UNION SELECT password FROM people_user --',
    "%' OR jurisdiction_id LIKE '%",
    "\\",
    "%00",
    "\u0000",
    "9" * 400,
    "-1",
    "１",  # a digit that is none of ours
    "<script>alert(1)</script>",
    "../../etc/passwd",
)


@pytest.fixture
def order(agent):
    issued = task(pictures=(reference(PICTURE, "confirm"),))
    take_all([(TOPICS.of("tasks"), issued.model_dump_json().encode())])
    take_all([(TOPICS.evidence(sha256(PICTURE)), PICTURE)])
    return WorkOrder.objects.get()


def log_in(client, name, password, address="192.0.2.1"):
    return client.post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def test_sql_and_markup_in_every_filter_find_nothing_and_break_nothing(order, browse, person):
    """Someone who sees nothing asks: whatever comes back then came through a hole."""
    blind = browse(person("blind", Role.AUDITOR, "elsewhere"))
    officer = browse(person("blind2", Role.OFFICER, "elsewhere"))
    for text in INJECTIONS:
        word = quote(text)
        for client, address in (
            (blind, f"/?show={word}"),
            (blind, f"/?show=all&before={word}"),
            (blind, f"/?show=all&before=1-{word}"),
            (blind, f"/access-log/?who={word}&case={word}&before={word}"),
            (officer, f"/officer/?show={word}"),
        ):
            answer = client.get(address)
            assert answer.status_code == (400 if "%00" in address else 200), address
            shown = answer.content.decode()
            assert "三里河路" not in shown, address
            assert "<script>alert" not in shown, address
        for address in (
            f"/cases/{order.case_id}/pictures/{word}.jpg",
            f"/live/?case={word}",
            f"/login/{word}/",
        ):
            answer = blind.get(address)
            assert answer.status_code in {200, 301, 302, 400, 404, 410}, address
            end(answer)
    sees = browse(person("wang"))
    for text in INJECTIONS:
        answer = sees.get(f"/cases/{order.case_id}/pictures/{quote(text)}.jpg")
        assert answer.status_code in {302, 400, 404}, text
    assert WorkOrder.objects.count() == 1


FILTERS = (
    *((address, each.name) for address in ("/", "/map/cases/") for each in fields(Filters)),
    ("/", "case"),
    ("/", "wall"),
    ("/live/", "case"),
    ("/alerts/", "show"),
    ("/dispatch/mine/", "after"),
    ("/access-log/", "who"),
    ("/administration/zones/", "j"),
    ("/administration/grids/", "j"),
    ("/administration/grids/", "q"),
    ("/administration/grids/", "level"),
    ("/administration/grids/", "page"),
    ("/administration/calendar/", "year"),
    ("/administration/services/sidewalk_parking/", "version"),
    ("/hotline/", "j"),
    ("/hotline/new/places/", "place"),
    ("/hotline/figures/", "days"),
    ("/hotline/due/", "kind"),
    ("/hotline/city/", "state"),
    ("/voice/", "show"),
    ("/voice/figures/", "days"),
    ("/say/done/", "before"),
    ("/shops/", "colour"),
    ("/shops/", "category"),
    ("/shops/", "grid"),
    ("/shops/", "q"),
    ("/shops/", "open"),
    ("/shops/", "page"),
    ("/iot/", "severity"),
    ("/iot/devices/", "show"),
    ("/statistics/", "grid"),
    ("/statistics/", "period"),
    ("/statistics/", "from"),
    ("/statistics/figures.csv", "to"),
    ("/statistics/figures.csv", "grid"),
)
"""(address, parameter): all that a log-in's pages take from an address. The next test knows when one is missing."""
OF_OTHERS = {
    *("notice", "lang", "whole", "next", "before", "new", "done", "sent", "small"),
    *("api_key", "jurisdiction_id", "start_date", "end_date", "extensions", "token"),
}
"""Of gateways, drivers, residents, Open311 and probes, whose tests ask them; `next` and `before` have tests of their own here."""


def test_no_filter_is_missing_from_the_list():
    house = Path(central.__file__).parent
    named = {
        name
        for path in house.rglob("*.py")
        for name in re.findall(r"request\.GET(?:\.get\(|\[)\"(\w+)\"", path.read_text())
    }
    assert len(named) > 12
    assert named - {parameter for _, parameter in FILTERS} <= OF_OTHERS


@pytest.mark.parametrize(
    "centre", ["postgresql"], indirect=True
)  # it is the stricter about types, sizes and NUL
def test_every_filter_takes_any_text_and_gives_nothing_away(order, browse, person):
    """Somebody of another jurisdiction asks: neither place, agent nor jurisdiction of the case may come back."""
    Grid.objects.create(jurisdiction_id=JURISDICTION, code="g", name="三里河路网格", level=1)
    tell(JURISDICTION, [DISPATCHERS], key="k", kind="case_new", at_ms=0, case=order.case)
    blind = {role: browse(person(f"blind-{role}", role, "elsewhere")) for role in Role}
    for address, parameter in FILTERS:
        own = {"/dispatch/mine/": Role.OFFICER, "/hotline/new/places/": Role.DISPATCHER}
        role = own.get(address, Role.ADMINISTRATOR)
        client = blind[Role.AUDITOR if address == "/access-log/" else role]
        for text in INJECTIONS:
            where = f"{address}?{parameter}={quote(text)}"
            answer = client.get(where)
            assert answer.status_code in {200, 400, 404}, where
            shown = b"" if answer.streaming else answer.content
            end(answer)
            if answer["Content-Type"].startswith(
                "text/html"
            ):  # elsewhere it is text, and nothing guesses a type
                assert b"<script>alert" not in shown, where
            assert not any(word.encode() in shown for word in ("三里河路", AGENT, JURISDICTION)), where
    for text in INJECTIONS:
        answer = blind[Role.AUDITOR].get(f"/statistics/{quote(text)}.csv")
        assert answer.status_code in {400, 404}, text


def test_guessing_is_braked_by_name_by_address_and_from_everywhere(browse, person, monkeypatch):
    person("wang", password=PASSWORD)
    person("li", password=PASSWORD)
    for number in range(services.BRAKE_NAME):  # one name, from a botnet: each address once
        assert log_in(browse(), "wang", "wrong", f"203.0.113.{number}").status_code == 403
    assert log_in(browse(), "wang", PASSWORD, "198.51.100.7").status_code == 429, "also the right one waits"
    assert log_in(browse(), "li", PASSWORD).status_code == 302, "others do not"
    monkeypatch.setattr(services, "BRAKE_ADDRESS", 5)
    for number in range(5):  # many names from one address
        log_in(browse(), f"name{number}", "wrong", "203.0.113.99")
    assert log_in(browse(), "li", PASSWORD, "203.0.113.99").status_code == 429
    kept = json.dumps(list(FailedLogin.objects.values()))
    assert "wang" not in kept, "no list of names is left behind"
    assert PASSWORD not in kept


def test_a_link_still_opens_where_somebody_keeps_guessing_the_password(browse, person):
    user = person("wang", password=PASSWORD)
    for _ in range(services.BRAKE_NAME):
        log_in(browse(), "wang", "wrong")
    assert browse().post(f"/login/{services.make_login_link(user)}/").status_code == 302


class CountingHasher(PBKDF2PasswordHasher):
    """Counts how often it works: what takes time takes it as often for everybody."""

    algorithm = "counting"
    iterations = 10
    worked = 0

    def encode(self, *args, **more):
        CountingHasher.worked += 1
        return super().encode(*args, **more)


def test_who_exists_shows_neither_in_words_nor_in_work(browse, person):
    with override_settings(PASSWORD_HASHERS=["tests.central.people.test_attacks.CountingHasher"]):
        person("open", password=PASSWORD)
        closed = person("closed", password=PASSWORD)
        services.set_active(closed, False)
        person("by-link")
        told = {}
        for name in ("nobody", "open", "closed", "by-link"):
            CountingHasher.worked = 0
            answer = log_in(browse(), name, "wrong", f"203.0.113.{len(told)}")
            text = re.sub(r'value="[^"]*"', "", answer.content.decode())
            told[name] = (answer.status_code, text, CountingHasher.worked)
    assert len({(status, text) for status, text, _ in told.values()}) == 1
    assert {worked for _, _, worked in told.values()} == {1}, {name: each[2] for name, each in told.items()}


def test_no_way_back_leads_elsewhere(order, browse, person):
    case = f"/cases/{order.case_id}/"
    for target in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        " https://evil.example",
        "https:///evil.example",
        "https://testserver@evil.example/",
        "/%0d%0aLocation: https://evil.example",
    ):
        client = browse()
        person_client = browse(person(f"w{abs(hash(target))}", Role.DISPATCHER))
        answers = (
            client.post("/language/", {"language": "en", "next": target}),
            person_client.post(f"{case}plate/", {"why": "test", "next": target}),
            person_client.get(f"/login/?next={quote(target)}"),
        )
        for answer in answers:
            found = answer.get("Location", "")
            assert "evil.example" not in found or found.startswith("/%0"), (target, found)
            assert not found.startswith(("//", "/\\", "javascript", "http")), (target, found)
        assert (
            'href="https://evil'
            not in person_client.get(f"{case}plate/?next={quote(target)}").content.decode()
        )


def test_another_host_is_not_answered_and_never_repeated(browse):
    for host in (
        "evil.example",
        "testserver.evil.example",
        "testserver:80@evil.example",
        "127.0.0.1.evil.example",
    ):
        answer = browse().get("/login/", headers={"host": host})
        assert answer.status_code == 400, host
        assert "evil" not in answer.content.decode()
    told = browse().get("/", headers={"x-forwarded-host": "evil.example"})
    assert "evil" not in told["Location"]


def test_a_forged_form_is_refused_whatever_it_brings(order, browse, person):
    client = browse(person("wang"), csrf=True)
    page = client.get(f"/officer/{order.pk}/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    address = f"/officer/{order.pk}/accept/"
    assert client.post(address).status_code == 403
    assert client.post(address, {"csrfmiddlewaretoken": "x" * 64}).status_code == 403
    other = browse(person("li"), csrf=True)
    theirs = re.search(
        r'name="csrfmiddlewaretoken" value="(\w+)"', other.get(f"/officer/{order.pk}/").content.decode()
    )[1]
    assert client.post(address, {"csrfmiddlewaretoken": theirs}).status_code == 403, "somebody else's token"
    good = {"csrfmiddlewaretoken": token}
    assert client.post(address, good, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post(address, good).status_code == 302
    assert client.post(address, good).status_code == 302, "pressed again: nothing more happens"
    assert WorkOrder.objects.get().assignee.username == "wang"
    assert sum(1 for entry in order.case.history.all() if entry.kind == "accepted") == 1


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)  # it reads pages, whatever the database
def test_every_page_is_strict_about_scripts_frames_and_caches(order, browse, person):
    values = {"case_id": order.case_id, "order_id": order.pk, "sha256": sha256(PICTURE)}
    clients = {role: browse(person(f"some-{role}", role)) for role in Role}
    clients["nobody"] = browse()
    pages = 0
    for route in sorted(set(routes())):
        for name, client in clients.items():
            if name != "nobody" and any(re.fullmatch(each, route) for each in OPEN):
                continue
            answer = client.get(fill(route, values))
            kind = answer.get("Content-Type", "")
            assert "unsafe" not in answer["Content-Security-Policy"], route
            assert answer["X-Content-Type-Options"] == "nosniff", route
            assert answer["X-Frame-Options"] == "DENY", route
            if not kind.startswith("text/html") or answer.status_code != 200:
                answer.close()
                continue
            pages += 1
            text = answer.content.decode()
            policy = answer["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy, route
            assert "default-src 'none'" in policy, route
            assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=|javascript:", text), route
            # Links to maps lead away when they are pressed; nothing is loaded from elsewhere.
            text = re.sub(
                r'<a class="[^"]*\bway\b[^"]*" href="https://[^"]+" rel="noreferrer noopener"', "<a", text
            )
            assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text), route
            assert "no-store" in answer["Cache-Control"] or "private" in answer["Cache-Control"], route
    assert pages > 40


def test_what_is_too_large_is_refused_before_it_is_read(order, browse, person):
    client = browse(person("wang"))
    huge = {"result": "fined", "note": "x" * 300_000}
    assert client.post(f"/officer/{order.pk}/close/", huge).status_code in {400, 413}
    many = {f"f{number}": "1" for number in range(60)}
    assert client.post(f"/officer/{order.pk}/close/", many).status_code in {400, 413}
    assert WorkOrder.objects.get().state == "new"


def test_cookies_are_for_this_site_alone(browse, person):
    client = browse()
    person("wang", password=PASSWORD)
    client.get("/login/")
    log_in(client, "wang", PASSWORD)
    for name, same in (("patrol_session", "Lax"), ("patrol_csrf", "Strict")):
        cookie = client.cookies[name]
        assert cookie["httponly"]
        assert cookie["samesite"] == same
        assert not cookie["domain"]


def test_in_production_cookies_travel_by_https_alone(tmp_path):
    ask = (
        "from django.conf import settings as s; import json; print(json.dumps("
        "[s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.LANGUAGE_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0,"
        " s.PATROL.second_factor, s.DEBUG]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", ask],
        env={
            "PATROL_CENTRAL_DATA": str(tmp_path),
            "PATROL_CENTRAL_HTTPS": "1",
            "DJANGO_SETTINGS_MODULE": "central.project.settings",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == [True, True, True, True, True, False]


def test_a_person_cannot_reach_what_a_colleague_was_shown(order, browse, person):
    """The plate that one session asked for stays in that session."""
    chen = person("chen", Role.DISPATCHER, JURISDICTION)
    asked, other = browse(chen), browse(chen)
    asked.post(f"/cases/{order.case_id}/plate/", {"why": "the driver calls"})
    assert "京A12345" in asked.get(f"/cases/{order.case_id}/").content.decode()
    assert "京A12345" not in other.get(f"/cases/{order.case_id}/").content.decode()
