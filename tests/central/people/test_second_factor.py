"""The second factor, proving oneself again, sessions."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator

from central.people import second_factor, services, sessions
from central.people.models import Role, UsedCode
from central.project import environment
from tests.central.people.conftest import PASSWORD, set_up
from tests.central.street import MINUTE

LOG_IN = {"username": "chen", "password": PASSWORD}


@pytest.fixture
def chen(person):
    return person("chen", Role.DISPATCHER, password=PASSWORD)


def test_where_it_is_required_nothing_else_opens_before_it_is_set_up(chen, browse, required):
    client = browse()
    client.post("/login/", LOG_IN)
    for address in ("/", "/start/", "/live/", "/cases/1/"):
        assert client.get(address)["Location"] == "/account/second-factor/", address
    assert client.post("/cases/1/objection/")["Location"] == "/account/second-factor/"
    assert client.get("/account/").status_code == 200
    phone, codes = set_up(client)
    assert len(codes) == len(set(codes)) == 10
    assert client.get("/").status_code == 200
    assert client.get("/account/recovery-codes/").content.decode().count(codes[0]) == 0, "shown once"
    assert phone.secret not in str(Authenticator.objects.values()), "sealed"
    client.post("/logout/")
    answer = client.post("/login/", {**LOG_IN, "next": "/?show=open"})
    assert answer["Location"] == "/login/code/"
    assert client.get("/").status_code == 302, "the password alone opens nothing"
    assert client.post("/login/code/", {"code": phone.code()})["Location"] == "/?show=open"
    assert client.get("/").status_code == 200


def test_a_code_is_taken_once_in_whatever_process(chen, browse):
    client = browse()
    client.post("/login/", LOG_IN)
    phone, codes = set_up(client)
    code = phone.code()
    for spent in (code, codes[0]):
        first, second = browse(), browse()
        for each in (first, second):
            each.post("/login/", LOG_IN)
        assert first.post("/login/code/", {"code": spent}).status_code == 302
        from django.core.cache import cache

        cache.clear()  # another process knows nothing of this one's memory
        assert second.post("/login/code/", {"code": spent}).status_code == 200
        assert second.get("/").status_code == 302
    assert UsedCode.objects.count() == 1


def test_guessing_codes_is_braked_for_the_person_whatever_the_address(chen, browse, centre):
    client = browse()
    client.post("/login/", LOG_IN)
    phone, _ = set_up(client)
    for number in range(services.BRAKE_NAME):
        guesser = browse()
        guesser.post("/login/", LOG_IN)
        answer = guesser.post("/login/code/", {"code": "000000"}, REMOTE_ADDR=f"203.0.113.{number}")
        assert "Too many" not in answer.content.decode()
    late = browse()
    late.post("/login/", LOG_IN)
    answer = late.post("/login/code/", {"code": phone.code()})
    assert answer.status_code == 200
    assert "Too many wrong codes" in answer.content.decode()
    centre.clock.advance(16 * MINUTE)
    assert late.post("/login/code/", {"code": phone.code()}).status_code == 302


def test_a_link_stands_for_the_password_and_not_for_the_second_factor(chen, browse):
    client = browse()
    client.post("/login/", LOG_IN)
    phone, _ = set_up(client)
    by_link = browse()
    answer = by_link.post(f"/login/{services.make_login_link(chen)}/")
    assert answer["Location"] == "/login/code/"
    assert by_link.get("/").status_code == 302
    assert by_link.post("/login/code/", {"code": phone.code()}).status_code == 302
    assert by_link.get("/").status_code == 200


def test_a_lost_phone_is_forgotten_and_open_sessions_end(chen, browse):
    client = browse()
    client.post("/login/", LOG_IN)
    set_up(client)
    assert services.reset_second_factor(chen) == 2
    assert client.get("/").status_code == 302
    assert not second_factor.has_second_factor(chen)
    assert browse().post("/login/", LOG_IN)["Location"] == "/start/"


def test_grave_steps_ask_again_once_the_log_in_is_old(chen, browse, centre):
    client = browse()
    client.post("/login/", LOG_IN)
    assert client.get("/account/password/").status_code == 200, "just logged in"
    centre.clock.advance(sessions.FRESH_MS)
    for address in ("/account/password/", "/account/second-factor/"):
        assert client.get(address)["Location"].startswith("/account/confirm/?next="), address
    assert client.post("/account/confirm/", {"password": "wrong"}).status_code == 200
    assert client.get("/account/password/").status_code == 302
    answer = client.post("/account/confirm/", {"password": PASSWORD, "next": "/account/password/"})
    assert answer["Location"] == "/account/password/"
    assert client.get("/account/password/").status_code == 200
    for _ in range(services.BRAKE_NAME):
        client.post("/account/confirm/", {"password": "wrong"})
    assert (
        "Too many wrong passwords"
        in client.post("/account/confirm/", {"password": PASSWORD}).content.decode()
    )


def test_who_has_nothing_to_prove_himself_with_logs_in_anew(person, browse, centre):
    user = person("wang")
    client = browse()
    client.post(f"/login/{services.make_login_link(user)}/")
    assert client.get("/account/second-factor/").status_code == 200
    centre.clock.advance(sessions.FRESH_MS)
    assert client.get("/account/second-factor/").status_code == 403


def test_the_session_turns_over_at_the_log_in_and_a_planted_one_is_worth_nothing(chen, browse):
    attacker = browse()
    session = attacker.session
    session["planted"] = 1
    session.save()
    planted = session.session_key
    attacker.cookies["patrol_session"] = planted
    victim = browse()
    victim.cookies["patrol_session"] = planted
    victim.post("/login/", LOG_IN)
    assert victim.cookies["patrol_session"].value != planted
    assert victim.get("/").status_code == 200
    assert attacker.get("/").status_code == 302


def test_own_sessions_are_listed_and_ended_and_nobody_elses(chen, person, browse):
    here, there = browse(), browse()
    here.post("/login/", LOG_IN, headers={"user-agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/130"})
    there.post("/login/", LOG_IN, headers={"user-agent": "Mozilla/5.0 (Linux; Android 14) Chrome/130"})
    page = here.get("/account/").content.decode()
    assert "Chrome · Windows" in page
    assert "Chrome · Android" in page
    from allauth.usersessions.models import UserSession

    other = UserSession.objects.get(session_key=there.session.session_key)
    stranger = browse(person("wang"))
    assert stranger.post(f"/account/sessions/{other.pk}/end/").status_code == 404
    assert there.get("/").status_code == 200
    assert here.post(f"/account/sessions/{other.pk}/end/").status_code == 302
    assert there.get("/").status_code == 302
    there.post("/login/", LOG_IN)
    here.post("/account/sessions/end-others/")
    assert there.get("/").status_code == 302
    assert here.get("/").status_code == 200
    there.post("/login/", LOG_IN)
    new = {"new_password1": "granite-kerb-stone-8", "new_password2": "granite-kerb-stone-8"}
    assert here.post("/account/password/", new).status_code == 302
    assert here.get("/").status_code == 200, "the one who changed it stays"
    assert there.get("/").status_code == 302, "every other session ends with the old password"


def test_an_untouched_session_ends_and_a_page_that_refreshes_itself_is_no_touch(chen, person, browse, centre):
    client, phone = browse(), browse(person("wang"))
    client.post("/login/", LOG_IN)
    by_itself = {"headers": {"hx-request": "true"}}
    for _ in range(12):
        centre.clock.advance(5 * MINUTE)
        assert client.get("/", **by_itself).status_code == 200
    assert client.get("/").status_code == 200
    for _ in range(23):
        centre.clock.advance(5 * MINUTE)
        assert client.get("/", **by_itself).status_code == 200
    centre.clock.advance(5 * MINUTE)
    assert client.get("/", **by_itself).status_code == 302
    assert phone.get("/officer/").status_code == 200, "a shift in a pocket"


def test_a_closed_account_is_out_at_once(chen, browse):
    client = browse()
    client.post("/login/", LOG_IN)
    secret = services.make_login_link(chen)
    services.set_active(chen, False)
    assert client.get("/").status_code == 302
    assert browse().post("/login/", LOG_IN).status_code == 403
    assert browse().post(f"/login/{secret}/").status_code == 410
    services.set_active(chen, True)
    assert client.get("/").status_code == 302, "and comes back through the door alone"
    assert browse().post("/login/", LOG_IN).status_code == 302


def test_production_requires_it_unless_told_otherwise():
    assert environment.read({"PATROL_CENTRAL_HTTPS": "1"}).second_factor
    assert not environment.read({}).second_factor
    assert environment.read({"PATROL_CENTRAL_SECOND_FACTOR": "required"}).second_factor
    told = {"PATROL_CENTRAL_HTTPS": "1", "PATROL_CENTRAL_SECOND_FACTOR": "offered"}
    assert not environment.read(told).second_factor
