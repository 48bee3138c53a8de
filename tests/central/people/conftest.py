"""An authenticator app, and settings for one test."""

from __future__ import annotations

import dataclasses
import re

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import override_settings

PASSWORD = "kerb-stone-granite-7"


@pytest.fixture(autouse=True)
def quick_hashes():
    """Argon2 is slow on purpose; these tests log in a hundred times. `test_people` sees that it is what is used."""
    with override_settings(PASSWORD_HASHERS=["tests.central.people.conftest.QuickHasher"]):
        yield


class QuickHasher(PBKDF2PasswordHasher):
    """A real one with little work."""

    algorithm = "quick"
    iterations = 10


def end(answer) -> None:
    """Close an answer that comes in pieces. The client has closed any other: twice, that ends the connection to the database."""
    if answer.streaming:
        answer.close()


class Phone:
    """An authenticator app (RFC 6238). Each code it gives is of another half minute."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.given: set[str] = set()

    def code(self) -> str:
        """A code that the centre takes now and that was not given before: the tolerance has three.

        The oldest comes last: it is refused as soon as the half minute ends, be it while a busy browser still types it.
        """
        before, now, after = totp.yield_hotp_counters_from_time()
        for counter in (now, after, before):
            code = totp.format_hotp_value(totp.hotp_value(self.secret, counter))
            if code not in self.given:
                self.given.add(code)
                return code
        raise AssertionError("no code is left within the tolerance")


def set_up(client) -> tuple[Phone, list[str]]:
    """Set the second factor up as a person does, by the page: (phone, recovery codes)."""
    page = client.get("/account/second-factor/")
    assert page.status_code == 200, page.get("Location")
    phone = Phone(re.search(r'<code class="key">(\w+)</code>', page.content.decode())[1])
    answer = client.post("/account/second-factor/", {"code": phone.code()})
    assert answer["Location"] == "/account/recovery-codes/"
    shown = client.get(answer["Location"]).content.decode()
    return phone, re.findall(r"<li><code>(\d+)</code></li>", shown)


@pytest.fixture
def required(centre):
    """The second factor is required, as it is in production."""
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, second_factor=True)):
        yield
