"""Logging in: passwords, single-use links, and a brake on guessing."""

from __future__ import annotations

import pytest

from central.people import services
from central.people.models import LoginLink, User
from protocol.errors import PatrolError
from tests.central.street import MINUTE

PASSWORD = "kerb-stone-granite-7"


def log_in(client, name="wang", password=PASSWORD):
    return client.post("/login/", {"username": name, "password": password})


def test_the_right_password_opens_and_argon2_keeps_it(browse, person):
    user = person("wang", password=PASSWORD)
    assert user.password.startswith("argon2")
    client = browse()
    assert log_in(client, password="wrong").status_code == 403
    answer = log_in(client)
    assert (answer.status_code, answer["Location"]) == (302, "/start/")
    cookie = client.cookies["patrol_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_after_too_many_wrong_passwords_even_the_right_one_waits(browse, person, centre):
    person("wang", password=PASSWORD)
    client = browse()
    for _ in range(services.BRAKE_NAME):
        assert log_in(client, "Wang", "wrong").status_code == 403
    answer = log_in(client)
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()
    centre.clock.advance(16 * MINUTE)
    assert log_in(client).status_code == 302


def test_many_names_from_one_address_wait_as_well(browse, person, monkeypatch):
    monkeypatch.setattr(services, "BRAKE_ADDRESS", 3)
    person("wang", password=PASSWORD)
    client = browse()
    for number in range(3):
        log_in(client, f"guess{number}", "wrong")
    assert log_in(client).status_code == 429


def test_a_link_logs_in_once_and_looking_at_it_spends_nothing(browse, person):
    secret = services.make_login_link(person("wang"))
    assert secret not in str(LoginLink.objects.values()), "only its hash is stored"
    address = f"/login/{secret}/"
    first, second = browse(), browse()
    for _ in range(2):
        assert "Hello, Wang" in first.get(address).content.decode()
    assert first.post(address)["Location"] == "/start/"
    assert first.get("/officer/").status_code == 200
    assert second.post(address).status_code == 410
    assert second.get("/officer/").status_code == 302


@pytest.mark.parametrize("end", ["expired", "deactivated"])
def test_a_link_ends(browse, person, centre, end):
    user = person("wang")
    secret = services.make_login_link(user)
    if end == "expired":
        centre.clock.advance(15 * MINUTE)
    else:
        User.objects.update(is_active=False)
    assert browse().get(f"/login/{secret}/").status_code == 410
    assert browse().post(f"/login/{secret}/").status_code == 410


def test_the_way_back_after_the_log_in_stays_here(browse, person):
    person("wang", password=PASSWORD)
    for target, expected in (
        ("/cases/1/", "/cases/1/"),
        ("https://evil.example/", "/start/"),
        ("//evil", "/start/"),
    ):
        answer = browse().post("/login/", {"username": "wang", "password": PASSWORD, "next": target})
        assert answer["Location"] == expected


@pytest.mark.parametrize(
    ("name", "role", "password", "field"),
    [
        ("wang", "king", None, "role"),  # no such role
        ("wang li", "officer", None, "name"),  # a space
        ("", "officer", None, "name"),
        ("li", "officer", "12345678", "password"),  # common and short
        ("taken", "officer", None, "name"),
        ("TAKEN", "officer", None, "name"),  # names differ by more than case
    ],
)
def test_a_person_who_cannot_be_added_is_told_why(person, name, role, password, field):
    person("taken")
    with pytest.raises(PatrolError) as caught:
        services.add_user(name, role, password=password)
    assert caught.value.field == field
    assert User.objects.count() == 1
    assert password is None or password not in str(caught.value)
