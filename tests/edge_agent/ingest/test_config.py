"""A source's configuration: what is refused, and that no secret can be seen."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edge_agent.ingest import SourceConfig, open_source
from protocol.clock import ManualClock
from protocol.errors import PatrolError

SECRET = "s3cret-w0rd"


def shown(config: SourceConfig) -> str:
    return f"{config} {config!r} {config.model_dump()} {config.model_dump_json()}"


def test_credentials_in_the_address_are_moved_out_of_it() -> None:
    config = SourceConfig(url=f"rtsp://admin:{SECRET}@10.0.0.5:8554/stream?channel=1")

    assert config.url == "rtsp://10.0.0.5:8554/stream?channel=1"
    assert config.username == "admin"
    assert config.read_password() == SECRET
    assert SECRET not in shown(config)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": f"rtsp://admin:{SECRET}@h/", "username": "admin"}, "keep only one"),
        ({"url": f"rtsp://admin:{SECRET}@h/", "password_env": "X"}, "keep only one"),
        ({"url": "rtsp://h/", "username": "u", "password": SECRET, "password_env": "X"}, "only one of"),
        ({"url": "rtsp://h/", "password": SECRET}, "no user name"),
        ({"url": f"http://admin:{SECRET}@h/"}, "http:// is not supported"),
        ({"url": "rtsp:///stream"}, "not a camera's address"),
        ({"url": "rtsp://host:99999/stream"}, "not a camera's address"),
        # an unescaped slash in the password makes the rest look like a path
        ({"url": f"rtsp://admin:{SECRET}/x@h/"}, "not a camera's address"),
        ({"url": "rtsp://h/", "colour": "red"}, "colour"),
        ({"url": "rtsps://h/", "transport": "udp"}, "only over tcp"),
        ({"url": "rtsp://h/", "sample_period_s": 0}, "sample_period_s"),
        ({"url": "rtsp://h/", "transport": "http"}, "transport"),
        ({"url": "a.mp4", "start_at": "2026-01-01T00:00:00"}, "start_at"),
        ({"url": "rtsp://h/", "backoff_min_s": 9, "backoff_max_s": 3}, "backoff_max_s"),
    ],
)
def test_a_wrong_configuration_is_refused_without_showing_it(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SourceConfig.model_validate(fields)
    assert problem in str(refused.value)
    assert SECRET not in str(refused.value)
    assert SECRET not in str(refused.value.errors(include_input=False, include_context=False))


def test_every_field_tells_a_person_what_it_is() -> None:
    for name, field in SourceConfig.model_fields.items():
        assert field.title, name
        assert field.description, name


@given(name=st.text(min_size=1), password=st.text())
def test_any_user_name_and_password_survive_the_way_into_the_address(name: str, password: str) -> None:
    config = SourceConfig.model_validate(
        {"url": "rtsp://10.0.0.5/stream", "username": name, "password": password}
    )
    user = urlsplit(config.dial_url()).netloc.rpartition("@")[0]
    assert [unquote(part) for part in user.split(":")] == [name, password]


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SourceConfig(url="rtsp://h/", username="u", password_env="CAMERA_PASSWORD")
    monkeypatch.setenv("CAMERA_PASSWORD", SECRET)
    assert config.read_password() == SECRET
    monkeypatch.delenv("CAMERA_PASSWORD")
    with pytest.raises(PatrolError, match="not set"):
        open_source("cam", config, clock=ManualClock())


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_an_unusable_password_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    config = SourceConfig(url="rtsp://h/", username="u", password_file=file)
    with pytest.raises(PatrolError) as refused:
        open_source("cam", config, clock=ManualClock())
    assert refused.value.file == str(file)
    assert refused.value.mend


def test_a_missing_certificate_is_refused(tmp_path: Path) -> None:
    config = SourceConfig(url="rtsps://h/", tls_ca_file=tmp_path / "ca.pem")
    with pytest.raises(PatrolError, match="no such file"):
        open_source("cam", config, clock=ManualClock())


def test_a_malformed_camera_identifier_is_refused() -> None:
    with pytest.raises(PatrolError, match="identifier"):
        open_source("a/b", SourceConfig(url="rtsp://h/"), clock=ManualClock())
