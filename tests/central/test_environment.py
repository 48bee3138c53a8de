"""Settings are checked before anything starts, and each mistake names its variable."""

from __future__ import annotations

import stat
import threading

import pytest

from central.project import environment
from protocol.clock import ManualClock
from protocol.errors import PatrolError, UnavailableError


def test_without_any_setting_the_defaults_are_safe(tmp_path):
    got = environment.read({})
    assert got.hosts == ("127.0.0.1", "localhost", "[::1]")
    assert (got.https, got.database_url, got.language, got.time_zone) == (
        False,
        None,
        "zh-hans",
        "Asia/Shanghai",
    )
    assert got.broker == environment.Broker("127.0.0.1", 1883)
    sqlite = environment.database(None, tmp_path)
    assert sqlite["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATROL_CENTRAL_HOST", "x"),  # one letter short of a setting
        ("PATROL_CENTRAL_HTTPS", "perhaps"),
        ("PATROL_CENTRAL_TIME_ZONE", "Mars/Olympus"),
        ("PATROL_CENTRAL_TIME_ZONE", "../../etc/passwd"),
        ("PATROL_CENTRAL_LANGUAGE", "fr"),
        ("PATROL_CENTRAL_RESPONSE_MINUTES", "0"),
        ("PATROL_CENTRAL_RESPONSE_MINUTES", "soon"),
        ("PATROL_CENTRAL_PICTURE_MIB", "100000"),
        ("PATROL_CENTRAL_PUBLIC_URL", "p.example.org"),
        ("PATROL_CENTRAL_PUBLIC_URL", "https://user:word@p.example.org"),
        ("PATROL_CENTRAL_BAY_FRESH_MINUTES", "0"),
        ("PATROL_CENTRAL_BAY_RADIUS_M", "far"),
        ("PATROL_CENTRAL_BROKER", "http://broker"),
        ("PATROL_CENTRAL_BROKER", "mqtt://"),
        ("PATROL_CENTRAL_BROKER", "mqtt://host:port"),
        ("PATROL_CENTRAL_BROKER_CA_FILE", "/no/such/file"),
        ("PATROL_CENTRAL_BROKER_PASSWORD_FILE", "/no/such/file"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name, value):
    with pytest.raises(PatrolError) as caught:
        environment.read({name: value})
    assert caught.value.field == name
    assert caught.value.exit_code == 2


def test_the_pages_answer_to_the_name_that_stands_in_links():
    got = environment.read({"PATROL_CENTRAL_PUBLIC_URL": "https://p.example.org:8443/"})
    assert got.public_url == "https://p.example.org:8443"
    assert got.allowed_hosts == ["127.0.0.1", "localhost", "[::1]", "p.example.org"]
    assert environment.read({}).allowed_hosts == ["127.0.0.1", "localhost", "[::1]"]


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://user:secret@[host/db", "sqlite:///x"])
def test_a_database_that_is_neither_is_named_without_its_password(tmp_path, url):
    with pytest.raises(PatrolError) as caught:
        environment.database(url, tmp_path)
    assert caught.value.field == "PATROL_DATABASE_URL"
    assert "secret" not in str(caught.value)


def test_a_postgresql_url_keeps_its_options(tmp_path):
    got = environment.database("postgresql://u:p%40ss@db:5433/patrol?sslmode=require", tmp_path)
    assert (got["HOST"], got["PORT"], got["NAME"], got["PASSWORD"]) == ("db", "5433", "patrol", "p@ss")
    assert got["OPTIONS"]["sslmode"] == "require"
    assert got["OPTIONS"]["options"] == environment.SHORT_QUERIES
    own = environment.database("postgresql://db/patrol?options=-c%20jit%3Doff", tmp_path)
    assert own["OPTIONS"]["options"] == "-c jit=off"


def test_nothing_secret_is_shown(tmp_path):
    file = tmp_path / "password"
    file.write_text("open-sesame\n")
    got = environment.read(
        {
            "PATROL_DATABASE_URL": "postgresql://u:hidden@db/x",
            "PATROL_CENTRAL_BROKER": "mqtts://broker.example",
            "PATROL_CENTRAL_BROKER_USER": "centre",
            "PATROL_CENTRAL_BROKER_PASSWORD_FILE": str(file),
        }
    )
    assert got.broker.password == "open-sesame"
    assert (got.broker.port, got.broker.tls) == (8883, True)
    assert "open-sesame" not in repr(got)
    assert "hidden" not in repr(got)
    assert got.broker.name == "mqtts://broker.example:8883"


def test_a_certificate_without_its_key_and_without_tls_is_refused(tmp_path):
    file = tmp_path / "client.pem"
    file.touch()
    with pytest.raises(PatrolError, match="encrypted"):
        environment.read({"PATROL_CENTRAL_BROKER_CERT_FILE": str(file)})
    with pytest.raises(PatrolError, match="come together"):
        environment.read({"PATROL_CENTRAL_BROKER": "mqtts://b", "PATROL_CENTRAL_BROKER_CERT_FILE": str(file)})


def test_the_secret_key_is_made_once_for_its_owner_only(tmp_path):
    folder = tmp_path / "new" / "data"
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(environment.secret_key(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys) == 8
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret_key"]
    assert environment.secret_key(tmp_path / "other") != keys[0]


def test_a_folder_that_cannot_be_used_and_a_key_that_is_too_short_are_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError):
        environment.secret_key(tmp_path / "file" / "data")
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(PatrolError, match="too short"):
        environment.secret_key(tmp_path)


def test_a_clock_that_runs_fast_is_for_a_marked_folder_on_this_machine_alone(tmp_path):
    fast = {"PATROL_CENTRAL_DATA": str(tmp_path), "PATROL_CENTRAL_CLOCK": "60@1000@5000"}
    with pytest.raises(PatrolError, match="not marked"):
        environment.read(fast)
    (tmp_path / environment.SIMULATED).touch()
    clock = environment.read(fast | {"PATROL_CENTRAL_HOSTS": "127.0.0.1,localhost,[::1]"}).clock
    system = ManualClock(1000)
    clock._system = system
    assert clock.utc_ms() == 5000
    system.advance(100)
    assert (clock.utc_ms(), clock.monotonic_ms()) == (5000 + 60 * 100, 100)
    assert environment.read({}).clock is None
    for served in (
        {"HTTPS": "1"},
        {"HOSTS": "patrol.example.org"},
        {"PUBLIC_URL": "https://p.example.org"},
        {"BROKER": "mqtt://broker.example.org"},
        {"CLOCK": "1001@0@0"},
        {"CLOCK": "fast"},
    ):
        with pytest.raises(PatrolError) as caught:
            environment.read(fast | {f"PATROL_CENTRAL_{name}": text for name, text in served.items()})
        assert caught.value.field == "PATROL_CENTRAL_CLOCK"
