"""Logging in through an OpenID provider: a real one over HTTP, and one that breaks a rule at a time."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import override_settings

from central.people import services
from central.people.models import User
from central.project import oidc_config
from protocol.errors import PatrolError
from tests.servers.openid import CLIENT, SECRET, OpenIDProvider


@pytest.fixture(scope="module")
def keys():
    """Made once: RSA keys are slow."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def city():
    with OpenIDProvider() as provider:
        yield provider


def write(folder, city, more=""):
    (folder / "oidc.secret").write_text(SECRET + "\n")
    file = folder / "oidc.toml"
    file.write_text(
        f'id = "city"\nname = "City"\nissuer = "{city.issuer}"\nclient_id = "{CLIENT}"\n'
        f'client_secret_file = "oidc.secret"\n{more}'
    )
    return file


@pytest.fixture
def use(tmp_path):
    """`use(city, more)`: the centre is told of the provider."""
    open_settings = []

    def told(city, more=""):
        read = oidc_config.read(write(tmp_path, city, more))
        change = override_settings(PATROL_OIDC=read, SOCIALACCOUNT_PROVIDERS=oidc_config.providers(read))
        change.enable()
        open_settings.append(change)

    yield told
    for change in reversed(open_settings):
        change.disable()


def walk(client, following="/officer/"):
    """As a browser does: to the provider, and back with what it says."""
    begun = client.get(f"/login/with/city/?next={following}")
    assert begun.status_code == 302, begun.content.decode()[-300:]
    back = requests.get(begun["Location"], allow_redirects=False, timeout=10).headers["Location"]
    parts = urlsplit(back)
    return client.get(f"{parts.path}?{parts.query}")


def test_a_tied_person_comes_in_and_nobody_else(city, use, browse, person):
    use(city)
    user = person("wang")
    stranger = browse()
    assert "Log in with City" in stranger.get("/login/").content.decode()
    answer = walk(stranger)
    assert answer.status_code == 403
    assert "Nobody here is tied to this identity" in answer.content.decode()
    assert User.objects.count() == 1, "nobody signs up"
    services.connect_identity(user, "city", "s-1")
    client = browse()
    answer = walk(client)
    assert (answer.status_code, answer["Location"]) == (302, "/officer/")
    assert client.get("/officer/").status_code == 200
    # The same answer again opens nothing: the state is spent.
    begun = browse().get("/login/with/city/")
    back = urlsplit(requests.get(begun["Location"], allow_redirects=False, timeout=10).headers["Location"])
    assert browse().get(f"{back.path}?{back.query}").status_code == 401, "another browser has no such state"


@pytest.mark.parametrize(
    "centre", ["sqlite"], indirect=True
)  # the database is not asked before the token is believed
def test_what_a_forged_or_stale_token_says_is_not_believed(city, use, browse, person, keys):
    use(city)
    services.connect_identity(person("wang"), "city", "s-1")
    now = int(time.time())
    wrong = {
        "nonce of another log-in": {"claims": {"nonce": "x" * 32}},
        "no nonce": {"claims": {"nonce": None}},
        "another audience": {"claims": {"aud": "somebody-else"}},
        "an audience of two without azp": {"claims": {"aud": [CLIENT, "somebody-else"]}},
        "another authorised party": {"claims": {"aud": [CLIENT, "other"], "azp": "other"}},
        "expired": {"claims": {"iat": now - 7200, "exp": now - 3600}},
        "not yet valid": {"claims": {"nbf": now + 3600}},
        "no expiry": {"claims": {"exp": None}},
        "another issuer": {"claims": {"iss": "https://evil.example"}},
        "no subject": {"claims": {"sub": None}},
        "an unknown key": {"kid": "k9"},
        "another key under a known name": {"sign_with": keys},
        "signed with the shared secret": {"algorithm": "HS256"},
        "not signed at all": {"algorithm": "none"},
    }
    for why, fault in wrong.items():
        good = {name: getattr(city, name) for name in fault}
        for name, value in fault.items():
            setattr(city, name, value)
        client = browse()
        granted = city.tokens
        answer = walk(client)
        assert city.tokens == granted + 1, f"{why}: the token was fetched"
        assert answer.status_code == 401, why
        assert client.get("/officer/").status_code == 302, why
        for name, value in good.items():
            setattr(city, name, value)
    assert walk(browse()).status_code == 302, "and the good one still is"


def test_a_provider_that_is_another_or_gone_or_says_no(city, use, browse):
    use(city)
    city.refuses = True
    assert walk(browse()).status_code == 401
    city.said_issuer = "https://evil.example"
    assert browse().get("/login/with/city/").status_code == 401
    assert browse().get("/login/with/village/").status_code == 404
    city.__exit__()
    assert browse().get("/login/with/city/").status_code == 401
    city.__enter__()  # for the fixture to end


def test_the_way_back_stays_here_and_what_begins_it_is_ours(city, use, browse, person):
    use(city)
    services.connect_identity(person("wang"), "city", "s-1")
    assert walk(browse(), "https://evil.example/")["Location"] == "/start/"
    asked = parse_qs(
        urlsplit(
            browse().get("/login/with/city/?process=connect&scope=admin&auth_params=prompt%3Dnone")[
                "Location"
            ]
        ).query
    )
    assert asked["scope"] == ["openid"]
    assert "prompt" not in asked
    assert asked["redirect_uri"] == ["http://testserver/login/with/city/back/"]


def test_roles_come_from_claims_only_where_a_mapping_says_so(city, use, browse, person):
    user = person("wang")
    services.connect_identity(user, "city", "s-1")
    city.claims = {"groups": ["staff", "patrol-dispatch"], "role": "administrator"}
    use(city)
    walk(browse())
    user.refresh_from_db()
    assert user.role == "officer", "without a mapping no claim counts"
    use(
        city,
        '[roles]\nclaim = "groups"\nvalues = { patrol-dispatch = "dispatcher", patrol-admin = "administrator" }\n',
    )
    assert walk(browse()).status_code == 302
    user.refresh_from_db()
    assert user.role == "dispatcher"
    for told in (["staff"], ["patrol-dispatch", "patrol-admin"], None, {"patrol-admin": 1}):
        city.claims = {"groups": told}
        assert walk(browse()).status_code == 403, told
    user.refresh_from_db()
    assert user.role == "dispatcher"


def test_a_closed_account_stays_closed(city, use, browse, person):
    use(city)
    user = person("wang")
    services.connect_identity(user, "city", "s-1")
    services.set_active(user, False)
    client = browse()
    assert walk(client).status_code == 403
    assert client.get("/officer/").status_code == 302
    with pytest.raises(PatrolError, match="somebody else"):
        services.connect_identity(person("li"), "city", "s-1")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("issuer", 'issuer = "http://sso.example.org"'), "issuer"),  # no TLS
        (("issuer", 'issuer = "https://sso.example.org/?x=1"'), "issuer"),
        (("client_id", ""), "client_id"),
        (("client_secret_file", 'client_secret_file = "nowhere"'), "client_secret_file"),
        (("name", 'name = "City"\nsecret = "in the open"'), "secret"),  # unknown key
        (("id", 'id = "a/b"'), "id"),
        (("name", 'name = "City"\nscopes = ["profile"]'), "scopes"),
        (("name", 'name = "City"\nroles = { claim = "g", values = { x = "king" } }'), "roles.values.x"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, change, field):
    class Nowhere:
        issuer = "https://sso.example.org"

    file = write(tmp_path, Nowhere)
    lines = [line for line in file.read_text().splitlines() if not line.startswith(change[0] + " ")]
    file.write_text("\n".join([change[1], *lines]))
    with pytest.raises(PatrolError) as caught:
        oidc_config.read(file)
    assert caught.value.field == field
    assert "in the open" not in str(caught.value)
