"""Cameras over a real RTSP server: every state is reached for real."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.edge_agent.ingest.clips import encode, number_in, numbered
from tests.edge_agent.ingest.conftest import FPS, Camera
from tests.servers.rtsp import RtspServer

Serve = Callable[..., RtspServer]
Watch = Callable[..., Camera]

USER = "viewer"
PASSWORD = "p@ss/w:rd#ü?"  # every character that means something in an address


def numbers(camera: Camera, count: int) -> list[tuple[int, int]]:
    """(number shown, time taken) of the next `count` frames."""
    seen = []
    while len(seen) < count:
        frame = camera.source.take(10)
        assert frame is not None, camera.source.health()
        seen.append((number_in(frame.image), frame.at_ms))
    return seen


def open_files() -> int:
    """How many file descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_camera_is_live_over_both_transports_in_both_codecs(
    transport: str, codec: str, request: pytest.FixtureRequest, serve: Serve, watch: Watch
) -> None:
    server = serve(request.getfixturevalue(f"numbered_{codec}"), "--codec", codec, "--protocols", transport)
    camera = watch(url=server.url, transport=transport)

    seen = numbers(camera, 6)

    for (before, at_before), (after, at_after) in pairwise(seen):
        assert after > before
        # The time between two pictures is the time between their numbers, whatever the network did.
        assert at_after - at_before == pytest.approx((after - before) * 1000 / FPS, abs=60)
    health = camera.becomes("live")
    assert health.frames >= 6
    assert health.last_frame_age_ms is not None
    assert health.last_frame_age_ms < 3000


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_a_camera_lets_in_who_knows_the_password(
    auth: str, numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    server = serve(numbered_h264, "--auth", auth, "--user", USER, "--password", PASSWORD)
    watch(url=server.url, username=USER, password=PASSWORD).becomes("live")


def test_the_password_may_be_in_a_file(
    numbered_h264: Path, serve: Serve, watch: Watch, tmp_path: Path
) -> None:
    server = serve(numbered_h264, "--auth", "digest", "--user", USER, "--password", PASSWORD)
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n", encoding="utf-8")
    watch(url=server.url, username=USER, password_file=str(secret)).becomes("live")


@pytest.mark.parametrize(
    ("auth", "credentials", "reason"),
    [
        ("basic", {"username": USER, "password": "wrong-secret"}, "refused the user name or password"),
        ("digest", {"username": USER, "password": "wrong-secret"}, "refused the user name or password"),
        ("digest", {}, "asks for a user name and password"),
    ],
)
def test_a_wrong_password_is_told_apart_and_not_hammered(
    auth: str,
    credentials: dict[str, str],
    reason: str,
    numbered_h264: Path,
    serve: Serve,
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(numbered_h264, "--auth", auth, "--user", USER, "--password", PASSWORD)
    camera = watch(url=server.url, unauthorised_retry_s=3, **credentials)

    health = camera.becomes("unauthorised")
    refused_at = time.monotonic()

    assert reason in health.reason
    deadline = threading.Event()
    deadline.wait(1.5)
    assert camera.source.health().reconnects == 0, "it tried again although told to wait"
    while camera.source.health().reconnects == 0:
        assert time.monotonic() - refused_at < 10
        deadline.wait(0.05)
    assert time.monotonic() - refused_at >= 2.5
    shown = caplog.text + "".join(capfd.readouterr()) + repr(camera.reports) + repr(camera.source)
    assert "wrong-secret" not in shown
    assert "Traceback" not in shown


def certificate(path: Path) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return path


def test_an_encrypted_camera_must_show_a_trusted_certificate(
    numbered_h264: Path, serve: Serve, watch: Watch, tmp_path: Path
) -> None:
    own = certificate(tmp_path / "own.pem")
    other = certificate(tmp_path / "other.pem")
    server = serve(
        numbered_h264, "--tls", str(own), "--auth", "basic", "--user", USER, "--password", PASSWORD
    )
    fields = {"url": server.url.replace("rtsp:", "rtsps:"), "username": USER, "password": PASSWORD}

    watch(**fields, tls_ca_file=str(own)).becomes("live")
    watch(**fields, tls_verify=False).becomes("live")
    for trusted in ({}, {"tls_ca_file": str(other)}):
        assert "certificate is not trusted" in watch(**fields, **trusted).becomes("unreachable").reason


def test_a_port_where_nobody_listens_is_unreachable(watch: Watch, free_port: Callable[[], int]) -> None:
    camera = watch(url=f"rtsp://127.0.0.1:{free_port()}/cam")
    assert "connection refused" in camera.becomes("unreachable").reason


def test_a_path_that_does_not_exist_is_unreachable(numbered_h264: Path, serve: Serve, watch: Watch) -> None:
    server = serve(numbered_h264)
    camera = watch(url=server.url + "/nothing-here")
    assert "404" in camera.becomes("unreachable").reason


def test_a_host_name_that_does_not_exist_is_unreachable(watch: Watch) -> None:
    assert watch(url="rtsp://camera.invalid/cam").becomes("unreachable", 30).reason


def test_a_transport_that_the_camera_does_not_offer_is_unsupported(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    server = serve(numbered_h264, "--protocols", "tcp")
    assert "change transport" in watch(url=server.url, transport="udp").becomes("unsupported").reason


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_frozen_peer_is_noticed_within_ten_seconds_and_comes_back(
    transport: str, numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    server = serve(numbered_h264)
    camera = watch(url=server.url, transport=transport)
    camera.becomes("live")

    server.freeze()
    frozen_at = time.monotonic()
    health = camera.becomes("stalled", 10.0)
    noticed_s = time.monotonic() - frozen_at

    assert 8 < noticed_s <= 10
    assert "nothing received" in health.reason
    assert health.last_frame_age_ms is not None
    assert health.last_frame_age_ms > 8000
    server.thaw()
    camera.becomes("live", 30)
    assert camera.source.health().reconnects >= 1


def test_a_killed_server_is_noticed_at_once_and_found_again_on_the_same_port(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    server = serve(numbered_h264)
    camera = watch(url=server.url)
    camera.becomes("live")

    server.kill()
    camera.becomes("unreachable", 5)
    serve(numbered_h264, port=server.port)
    camera.becomes("live", 20)

    assert camera.source.health().reconnects >= 1


def test_a_slow_consumer_gets_the_newest_frame_and_sees_the_gap(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    camera = watch(url=serve(numbered_h264).url)
    first = camera.source.take(10)
    threading.Event().wait(4)
    late = camera.source.take(0)

    assert first is not None
    assert late is not None
    assert late.seq > first.seq + 3
    assert camera.clock.utc_ms() - late.at_ms < 1500
    assert camera.source.take(0) is None, "an old frame was kept"


def test_pictures_that_waited_get_their_true_old_time(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    """The peer stands still for 4 s and then sends at once what was due: each picture's time still fits its number."""
    server = serve(numbered_h264)
    camera = watch(url=server.url, sampling="all", sample_period_s=0.1)
    before = numbers(camera, 20)
    server.freeze()
    threading.Event().wait(4)
    server.thaw()
    after = numbers(camera, 60)

    origin = [at_ms - number * 1000 / FPS for number, at_ms in before + after]
    assert after[-1][0] - before[-1][0] >= 60
    assert max(origin[5:]) - min(origin[5:]) < 150


def test_a_picture_can_be_asked_for_before_the_period_is_over(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    camera = watch(url=serve(numbered_h264).url, sample_period_s=3600)
    assert camera.source.take(10) is not None
    assert camera.source.take(1.5) is None
    camera.source.request_now()
    assert camera.source.take(3) is not None
    assert camera.source.take(1.5) is None, "one request gives one picture"


def test_all_pictures_can_be_sampled_where_keyframes_are_rare(
    tmp_path: Path, serve: Serve, watch: Watch
) -> None:
    rare = encode(tmp_path / "rare.mp4", map(numbered, range(300)), gop=30)
    server = serve(rare)
    every = watch(url=server.url, sampling="all", sample_period_s=0.5)
    keys = watch(url=server.url, sampling="keyframes", sample_period_s=0.5)

    seen = numbers(every, 8)
    assert seen[-1][1] - seen[0][1] == pytest.approx(7 * 500, abs=400)
    first, second, third = (numbers(keys, 1)[0] for _ in range(3))
    assert second[0] - first[0] == third[0] - second[0] == 30
    assert "keyframes come every 3.0 s" in keys.source.health().reason
    assert "keyframes" not in every.source.health().reason


def test_a_picture_that_never_changes_is_frozen_and_not_delivered_again(
    tmp_path: Path, serve: Serve, watch: Watch
) -> None:
    still = encode(tmp_path / "still.mp4", (numbered(7) for _ in range(50)), gop=1)
    server = serve(still)
    camera = watch(url=server.url, freeze_after_s=2)
    assert camera.source.take(10) is not None

    health = camera.becomes("frozen", 10)

    assert "has not changed" in health.reason
    camera.source.take(0)
    assert camera.source.take(1.5) is None


def test_forty_reconnections_leave_no_thread_and_no_file_behind(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    server = serve(numbered_h264, "--hang-up-every", "0.15")
    camera = watch(url=server.url, backoff_min_s=0.01, backoff_max_s=0.02)

    def reconnected(times: int) -> None:
        deadline = time.monotonic() + 120
        while camera.source.health().reconnects < times:
            assert time.monotonic() < deadline, camera.source.health()
            threading.Event().wait(0.05)

    reconnected(10)
    threads, files = threading.active_count(), open_files()
    reconnected(50)

    # A connection that is just being made or given up has a thread and a few files of its own.
    assert threading.active_count() <= threads + 2
    assert open_files() <= files + 6


def test_stopping_ends_the_thread_and_wakes_who_waits(
    numbered_h264: Path, serve: Serve, watch: Watch
) -> None:
    camera = watch(url=serve(numbered_h264).url, sample_period_s=3600)
    camera.becomes("live")
    assert camera.source.take(5) is not None
    got: list[object] = []
    waiting = threading.Thread(target=lambda: got.append(camera.source.take(60)))
    waiting.start()

    camera.source.stop()
    waiting.join(5)

    assert got == [None]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("camera-")]
