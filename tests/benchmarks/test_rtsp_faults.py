"""Every fault of a simulated camera does what it says, and ends when it is cleared."""

from __future__ import annotations

import struct
import threading
import time
from itertools import pairwise

import av
import pytest

from benchmarks.rtsp import Credentials, Faults, RtspServer, ServerThread
from benchmarks.rtsp.control import ControlClient, ControlServer
from protocol.clock import ManualClock
from protocol.errors import PatrolError, UnavailableError
from tests.benchmarks.rtsp_clips import GOP, RawClient, clip, decoded, media, numbers

QUIET_S = 0.5
"""Longer than a group of pictures (0.4 s): within it a healthy camera sends something."""


@pytest.fixture
def server():
    with ServerThread() as running:
        running.add("/cam1", media())
        running.add("/cam2", media())
        yield running


def silent(client: RawClient) -> bool:
    """Whether no RTP packet comes for a while, once what is on its way has arrived."""
    client.socket.settimeout(QUIET_S)
    deadline = time.monotonic() + 5
    try:
        while time.monotonic() < deadline:
            client.rtp()
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(5)
    return False


def is_keyframe(payload: bytes) -> bool:
    return payload[0] & 0x1F == 24  # aggregated parameter sets begin each keyframe of these clips


def test_a_frozen_camera_sends_nothing_but_answers(server: RtspServer) -> None:
    url = server.url("/cam1")
    with RawClient(server.port) as client, RawClient(server.port) as neighbour:
        session, _ = client.play(url)
        neighbour.play(server.url("/cam2"))
        client.rtp()
        server.faults("/cam1").set(freeze=True)
        assert silent(client)
        assert client.ask("GET_PARAMETER", url, Session=session).status == 200
        assert neighbour.rtp(), "other cameras are well"
        server.faults("/cam1").clear()
        assert is_keyframe(client.rtp().payload)


def test_a_frozen_picture_keeps_coming_with_new_times(server: RtspServer) -> None:
    server.faults("/cam1").set(frozen_picture=True)
    with av.open(
        server.url("/cam1"), options={"rtsp_transport": "tcp", "fpsprobesize": "0"}, timeout=10
    ) as container:
        seen, stamps = [], []
        for frame in container.decode(video=0):
            seen.append(frame.to_ndarray(format="gray"))
            stamps.append(frame.pts or 0)
            if len(seen) == 6:
                break
    which = set(numbers(seen, decoded(clip())))
    assert len(which) == 1
    assert which <= {0, GOP, 2 * GOP, 3 * GOP}
    assert stamps == sorted(set(stamps))


def test_after_a_frozen_picture_the_stream_goes_on_with_a_keyframe(server: RtspServer) -> None:
    with RawClient(server.port) as client:
        client.play(server.url("/cam1"))
        server.faults("/cam1").set(frozen_picture=True)
        still = {client.rtp().payload for _ in range(60)}
        server.faults("/cam1").clear()
        while (packet := client.rtp()).payload in still:
            pass
        assert is_keyframe(packet.payload)


def test_a_black_hole_swallows_everything_and_keeps_the_connection(server: RtspServer) -> None:
    url = server.url("/cam1")
    with RawClient(server.port) as client, RawClient(server.port) as newcomer:
        session, _ = client.play(url)
        client.rtp()
        server.faults("/cam1").set(black_hole=True)
        assert silent(client)
        client.socket.settimeout(QUIET_S)
        with pytest.raises(TimeoutError):
            client.ask("GET_PARAMETER", url, Session=session)
        newcomer.socket.settimeout(QUIET_S)
        with pytest.raises(TimeoutError):
            newcomer.ask("OPTIONS", url)
        assert server.faults("/cam1").now.black_hole
        server.faults("/cam1").clear()
        client.socket.settimeout(5)
        newcomer.socket.settimeout(5)
        assert newcomer.ask("RECORD", url).status == 405, "and later requests are answered, even wrong ones"
        assert client.rtp(), "when the hole closes, the stream comes back on the same connection"


def test_a_black_hole_outlives_the_session_timeout() -> None:
    with ServerThread(session_timeout_s=0.4) as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        client.play(server.url("/cam1"))
        server.faults("/cam1").set(black_hole=True)
        assert silent(client)
        assert silent(client), "two silences are longer than the time-out"
        assert server.stats()[0].viewers == 1


def test_a_dropped_connection_ends_for_viewers_of_that_camera_only(server: RtspServer) -> None:
    with RawClient(server.port) as one, RawClient(server.port) as two, RawClient(server.port) as neighbour:
        for client in (one, two):
            client.play(server.url("/cam1"))
        neighbour.play(server.url("/cam2"))
        assert server.faults("/cam1").drop() == 2
        assert one.closed()
        assert two.closed()
        assert neighbour.rtp()


def test_ffmpeg_notices_a_dropped_connection(server: RtspServer) -> None:
    watching = threading.Event()
    ended = threading.Event()

    def watch() -> None:
        with av.open(server.url("/cam1"), options={"rtsp_transport": "tcp"}, timeout=10) as container:
            try:
                for _ in container.demux(video=0):
                    watching.set()
            except av.error.FFmpegError:
                pass
        ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    assert watching.wait(10)
    server.faults("/cam1").drop()
    assert ended.wait(10)
    thread.join(10)


def test_a_refusing_camera_says_503_and_a_denying_one_401() -> None:
    guard = Credentials("guard", "open sesame")
    with ServerThread(auth="digest", credentials=guard) as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        server.faults("/cam1").set(refuse=True)
        for method in ("OPTIONS", "DESCRIBE"):
            assert client.ask(method, server.url("/cam1")).status == 503
        with pytest.raises(av.error.HTTPServerError):
            decoded(server.url("/cam1", guard), most=1, rtsp_transport="tcp")
        server.faults("/cam1").set(refuse=False, deny=True)
        with pytest.raises(av.error.HTTPUnauthorizedError):
            decoded(server.url("/cam1", guard), most=1, rtsp_transport="tcp")
        server.faults("/cam1").clear()
        assert decoded(server.url("/cam1", guard), most=1, rtsp_transport="tcp")


def test_a_wrong_codec_is_claimed(server: RtspServer) -> None:
    server.faults("/cam1").set(codec="VP8")
    with av.open(
        server.url("/cam1"), options={"rtsp_transport": "tcp", "probesize": "2000"}, timeout=10
    ) as container:
        assert container.streams.video[0].codec_context.name == "vp8"


@pytest.mark.parametrize("percent", [20, 100])
def test_packets_are_lost_at_the_given_rate(server: RtspServer, percent: int) -> None:
    with RawClient(server.port) as client:
        client.play(server.url("/cam1"))
        client.rtp()
        server.faults("/cam1").set(loss_percent=percent)
        if percent == 100:
            assert silent(client)
            return
        before = client.rtp().sequence
        received, total = 0, 0
        while total < 200:
            sequence = client.rtp().sequence
            total += (sequence - before) & 0xFFFF
            received, before = received + 1, sequence
        assert 0.08 < 1 - received / total < 0.35


def test_jitter_delays_pictures_but_not_their_stamps() -> None:
    with ServerThread() as server, RawClient(server.port) as client:
        server.add("/cam1", media(), loop=False, starts="first_play")
        server.faults("/cam1").set(jitter_ms=120)
        client.play(server.url("/cam1"))
        arrived, stamps = [], []
        while len(stamps) < 3 * GOP:
            packet = client.rtp()
            if packet.marker:
                arrived.append(time.monotonic())
                stamps.append(packet.timestamp)
        steps = [later - earlier for earlier, later in pairwise(arrived)]
        assert max(steps) > 0.06
        assert {(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)} == {3600}


def test_a_cameras_clock_may_be_wrong() -> None:
    clock = ManualClock(1_767_225_600_000)
    with ServerThread(clock=clock) as server, RawClient(server.port) as client:
        server.add("/cam1", media())
        server.faults("/cam1").set(clock_offset_s=-90.5)
        client.play(server.url("/cam1"))
        seconds, fraction = struct.unpack(">II", client.packet(1)[8:16])
    assert seconds - 2_208_988_800 + fraction / 2**32 == pytest.approx(1_767_225_600 - 90.5)


def test_a_stream_stalls_after_a_time_for_each_viewer(server: RtspServer) -> None:
    server.faults("/cam1").set(stall_after_s=0.7)
    with RawClient(server.port) as client:
        client.play(server.url("/cam1"))
        assert client.rtp()
        assert silent(client)
        with RawClient(server.port) as later:
            later.play(server.url("/cam1"))
            assert later.rtp(), "a new viewer has its own time"


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss_percent": 101},
        {"jitter_ms": -1},
        {"codec": "H264\r\na=x"},
        {"melt": True},
        {"freeze": "perhaps"},
    ],
)
def test_wrong_faults_are_named_and_change_nothing(server: RtspServer, wrong: dict[str, object]) -> None:
    before = server.faults("/cam1").set(jitter_ms=3)
    with pytest.raises(PatrolError, match=f"fault {next(iter(wrong))}"):
        server.faults("/cam1").set(**wrong)
    assert server.faults("/cam1").now == before


# from another process


@pytest.fixture
def control(server: RtspServer):
    control = ControlServer(server)
    port = server.call(control.start)
    with ControlClient(port) as client:
        yield client
    server.call(control.stop)


def test_orders_come_over_the_control_port(server: RtspServer, control: ControlClient) -> None:
    assert [camera["path"] for camera in control.ask("list")] == ["/cam1", "/cam2"]
    assert control.ask("set", "/cam1", faults={"freeze": True, "jitter_ms": 5})["freeze"] is True
    assert server.faults("/cam1").now == Faults(freeze=True, jitter_ms=5)
    assert control.ask("faults", "/cam1")["jitter_ms"] == 5
    assert control.ask("clear", "/cam1")["freeze"] is False
    with RawClient(server.port) as client:
        client.play(server.url("/cam1"))
        assert control.ask("drop", "/cam1") == 1
        assert client.closed()
    assert control.ask("restart", "/cam1", position_s=0.5) is None
    assert 0.5 <= control.ask("list")[0]["position_s"] < 5


def test_wrong_orders_are_answered_with_the_mistake(control: ControlClient) -> None:
    with pytest.raises(PatrolError, match="do: "):
        control.ask("explode")
    with pytest.raises(PatrolError, match="no camera"):
        control.ask("clear", "/nowhere")
    with pytest.raises(PatrolError, match="fault melt"):
        control.ask("set", "/cam1", faults={"melt": True})
    with pytest.raises(PatrolError, match="colour"):
        control.ask("list", colour="red")
    assert control.ask("list"), "the connection is still good"


def test_a_control_port_without_a_server_is_named(free_port) -> None:
    with pytest.raises(UnavailableError, match="control port"):
        ControlClient(free_port())
