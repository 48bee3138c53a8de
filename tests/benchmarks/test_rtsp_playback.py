"""Real clients watch: FFmpeg over TCP and UDP, many at once, slow ones, late ones."""

from __future__ import annotations

import struct
import threading
import time
from itertools import pairwise

import av
import numpy as np
import pytest

from benchmarks.rtsp import Credentials, ServerThread
from protocol.clock import ManualClock
from protocol.errors import PatrolError, UnavailableError
from tests.benchmarks.rtsp_clips import FPS, GOP, PICTURES, RawClient, clip, decoded, media, numbers

INSPECTOR = Credentials("city inspector", "p@ss:word/ü")
NTP_TO_UNIX = 2_208_988_800


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("codec", "b_frames", "auth"),
    [("h264", 0, "digest"), ("h264", 2, "basic"), ("hevc", 0, "basic"), ("hevc", 2, "digest")],
)
def test_every_picture_arrives_and_equals_the_files(
    codec: str, b_frames: int, auth: str, transport: str
) -> None:
    with ServerThread(auth=auth, credentials=INSPECTOR) as server:
        server.add("/cam1", media(codec, b_frames=b_frames), loop=False, starts="first_play")
        seen = decoded(server.url("/cam1", INSPECTOR), rtsp_transport=transport)
    assert numbers(seen, decoded(clip(codec, b_frames=b_frames))) == list(range(PICTURES))


@pytest.mark.parametrize("options", [{"qop": False}, {"algorithms": ("SHA-256", "MD5")}])
def test_digest_works_in_its_other_forms(options: dict[str, object]) -> None:
    with ServerThread(auth="digest", credentials=INSPECTOR, **options) as server:
        server.add("/cam1", media())
        assert len(decoded(server.url("/cam1", INSPECTOR), most=2, rtsp_transport="tcp")) == 2


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_a_wrong_password_is_refused(auth: str) -> None:
    with ServerThread(auth=auth, credentials=INSPECTOR) as server:
        server.add("/cam1", media())
        for wrong in (
            Credentials("city inspector", "guess"),
            Credentials("nobody", INSPECTOR.password),
            None,
        ):
            with pytest.raises(av.error.HTTPUnauthorizedError):
                decoded(server.url("/cam1", wrong), most=1, rtsp_transport="tcp")


def test_each_camera_may_have_its_own_password() -> None:
    other = Credentials("other", "secret")
    with ServerThread(auth="digest", credentials=INSPECTOR) as server:
        server.add("/cam1", media())
        server.add("/cam2", media(), credentials=other)
        assert decoded(server.url("/cam2", other), most=1, rtsp_transport="tcp")
        with pytest.raises(av.error.HTTPUnauthorizedError):
            decoded(server.url("/cam2", INSPECTOR), most=1, rtsp_transport="tcp")


def test_an_unknown_path_is_not_found() -> None:
    with ServerThread() as server, pytest.raises(av.error.HTTPNotFoundError):
        decoded(server.url("/nowhere"), most=1, rtsp_transport="tcp")


def test_a_looping_camera_keeps_its_timestamps_rising() -> None:
    with ServerThread() as server, RawClient(server.port) as client:
        server.add("/cam1", media(pictures=GOP), starts="first_play")
        _, reply = client.play(server.url("/cam1"))
        stamps = []
        sequence = None
        while len(stamps) < 3 * GOP:
            packet = client.rtp()
            assert sequence in (None, packet.sequence), "no packet is missing"
            sequence = (packet.sequence + 1) & 0xFFFF
            if packet.marker:
                stamps.append(packet.timestamp)
    steps = {(later - earlier) & 0xFFFFFFFF for earlier, later in pairwise(stamps)}
    assert steps == {90_000 // FPS}
    assert f"rtptime={stamps[0]}" in reply["rtp-info"]


def test_pictures_come_in_real_time() -> None:
    with ServerThread() as server:
        server.add("/cam1", media(), loop=False, starts="first_play")
        began = time.monotonic()
        with RawClient(server.port) as client:
            client.play(server.url("/cam1"))
            arrived = []
            while len(arrived) < PICTURES:
                if client.rtp().marker:
                    arrived.append(time.monotonic() - began)
    assert arrived[-1] - arrived[0] == pytest.approx((PICTURES - 1) / FPS, abs=0.25)


def test_a_held_camera_repeats_its_last_group_for_ever() -> None:
    file = decoded(clip())
    last_group = list(range(PICTURES - GOP, PICTURES))
    with ServerThread() as server:
        server.add(
            "/cam1", media(), loop=False, hold=True, offset_s=(PICTURES - GOP) / FPS, starts="first_play"
        )
        seen = decoded(server.url("/cam1"), most=2 * GOP, rtsp_transport="tcp")
    assert numbers(seen, file) == last_group * 2


def test_a_late_client_begins_with_the_keyframe_that_is_due_now() -> None:
    file = decoded(clip())
    with ServerThread() as server:
        server.add("/cam1", media(), offset_s=1.5 * GOP / FPS, starts="first_play")
        seen = decoded(server.url("/cam1"), most=3, rtsp_transport="tcp")
    assert numbers(seen, file) == [2 * GOP, 2 * GOP + 1, 2 * GOP + 2]


def test_all_clients_of_a_camera_see_the_same_moment() -> None:
    with ServerThread() as server:
        server.add("/cam1", media())
        with RawClient(server.port) as one, RawClient(server.port) as two:
            one.play(server.url("/cam1"))
            one.rtp()
            two.play(server.url("/cam1"))
            joined = two.rtp()
            packet = one.rtp()
            while packet.sequence != joined.sequence:
                packet = one.rtp()
            assert packet == joined


def test_twenty_clients_get_every_keyframe() -> None:
    wanted = 6
    got: list[list[int]] = []

    def watch(url: str, transport: str) -> None:
        with av.open(url, options={"rtsp_transport": transport}, timeout=15) as container:
            stamps = [
                packet.pts or 0  # FFmpeg gives the very first packet no time
                for packet in _until_keyframes(container, wanted)
            ]
        got.append(stamps)

    with ServerThread() as server:
        for number in range(4):
            server.add(f"/cam{number}", media(), offset_s=0.1 * number)
        threads = [
            threading.Thread(target=watch, args=(server.url(f"/cam{n % 4}"), "udp" if n % 5 == 4 else "tcp"))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(camera.skipped for camera in server.stats() if camera.viewers) == 0
    assert len(got) == 20
    for stamps in got:
        assert np.diff(stamps).tolist() == [GOP * 90_000 // FPS] * (wanted - 1)


def _until_keyframes(container: av.container.InputContainer, wanted: int) -> list[av.Packet]:
    found: list[av.Packet] = []
    for packet in container.demux(video=0):
        if packet.is_keyframe:
            found.append(packet)
        if len(found) == wanted:
            break
    return found


def test_a_slow_reader_loses_whole_groups_and_delays_nobody() -> None:
    with ServerThread(viewer_buffer_bytes=20_000) as server:
        server.add("/cam1", media())
        with RawClient(server.port, receive_buffer=4096) as slow, RawClient(server.port) as quick:
            slow.play(server.url("/cam1"))
            quick.play(server.url("/cam1"))
            sequence = quick.rtp().sequence
            deadline = time.monotonic() + 90
            while server.stats()[0].skipped < 2 * GOP:  # the slow one reads nothing meanwhile
                assert time.monotonic() < deadline
                sequence += 1
                assert quick.rtp().sequence == sequence & 0xFFFF, "the quick one misses nothing"
            # what the slow one finds is whole: after every gap in the numbers comes a parameter set
            gaps = 0
            packet = slow.rtp()
            while gaps == 0:
                following = slow.rtp()
                if following.sequence != (packet.sequence + 1) & 0xFFFF:
                    gaps += 1
                    assert packet.marker, "the picture before the gap is complete"
                    assert following.payload[0] & 0x1F == 24, "aggregated parameter sets begin the keyframe"
                packet = following


def test_a_paused_client_gets_nothing_until_it_plays_again() -> None:
    with ServerThread() as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        url = server.url("/cam1")
        session, _ = client.play(url)
        first = client.rtp()
        assert client.ask("PAUSE", url, Session=session).status == 200
        assert server.stats()[0].viewers == 0
        assert client.ask("PAUSE", url, Session=session).status == 455
        assert client.ask("PLAY", url, Session=session).status == 200
        again = client.rtp()
        assert again.ssrc == first.ssrc
        assert again.payload[0] & 0x1F == 24, "a keyframe first"
        assert client.ask("TEARDOWN", url, Session=session).status == 200
        assert client.ask("PLAY", url, Session=session).status == 454


def test_sender_reports_tie_the_stream_to_the_wall_clock() -> None:
    clock = ManualClock(1_767_225_600_500)
    with ServerThread(clock=clock) as server, RawClient(server.port) as client:
        server.add("/cam1", media(), starts="first_play")
        _, reply = client.play(server.url("/cam1"))
        report = client.packet(1)
        packet = client.rtp()
    seconds, fraction, stamp = struct.unpack(">III", report[8:20])
    assert seconds - NTP_TO_UNIX + fraction / 2**32 == pytest.approx(1_767_225_600.5, abs=1e-6)
    lead = (stamp - packet.timestamp + 2**31) % 2**32 - 2**31
    assert 0 <= lead < 90_000 // FPS, "the picture's own time is the report's, less the moment it was late"
    assert f"rtptime={packet.timestamp}" in reply["rtp-info"]


def test_a_restarted_camera_jumps_and_its_timestamps_still_rise() -> None:
    with ServerThread() as server, RawClient(server.port) as client:
        server.add("/cam1", media(), starts="first_play")
        client.play(server.url("/cam1"))
        before = client.rtp()
        server.restart("/cam1", 2 * GOP / FPS)
        sizes = {unit.octets: index for index, unit in enumerate(media().units)}
        packets = [client.rtp()]
        while len(packets) < 400:
            packets.append(client.rtp())
            if packets[-1].timestamp != packets[-2].timestamp:
                steps = (packets[-1].timestamp - packets[-2].timestamp) & 0xFFFFFFFF
                assert steps < 90_000
                total = sum(
                    p.payload and len(p.payload) for p in packets if p.timestamp == packets[-2].timestamp
                )
                if sizes.get(total) == 2 * GOP:
                    break
        assert sizes.get(total) == 2 * GOP
        assert packets[0].ssrc == before.ssrc


def test_a_client_that_plays_after_the_end_is_told_so() -> None:
    with ServerThread() as server:
        server.add("/cam1", media(pictures=GOP), loop=False, starts="first_play")
        assert len(decoded(server.url("/cam1"), rtsp_transport="tcp")) == GOP
        assert server.stats()[0].ended
        with RawClient(server.port) as client:
            client.play(server.url("/cam1"))
            report = client.packet(1)
    assert report[1] == 200
    assert report[-8:-4] == b"\x81\xcb\x00\x01", "BYE ends the compound packet"


def test_a_taken_port_is_named() -> None:
    with ServerThread() as server, pytest.raises(UnavailableError) as raised, ServerThread(port=server.port):
        pass
    assert str(server.host) in str(raised.value)
    assert "--port" in str(raised.value)


def test_contradictions_are_errors() -> None:
    with ServerThread() as server:
        server.add("/cam1", media())
        with pytest.raises(PatrolError, match="same path"):
            server.add("cam1/", media())
        with pytest.raises(PatrolError, match="nothing asks for them"):
            server.add("/cam2", media(), credentials=INSPECTOR)
        with pytest.raises(PatrolError, match="no end to hold"):
            server.add("/cam2", media(), hold=True)
        with pytest.raises(PatrolError, match="outside the file"):
            server.add("/cam2", media(), loop=False, offset_s=60)
        with pytest.raises(PatrolError, match="no camera"):
            server.faults("/cam2")


def test_a_removed_camera_is_gone_for_its_viewers_too() -> None:
    with ServerThread() as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        client.play(server.url("/cam1"))
        server.remove("/cam1")
        assert client.closed()
        assert server.paths == []


def test_the_password_shows_nowhere() -> None:
    assert INSPECTOR.password not in repr(INSPECTOR)
