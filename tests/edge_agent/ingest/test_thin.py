"""The thin reader: what it makes of packets, of passwords and descriptions, and of bytes that are neither."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from functools import cache

import av
import pytest
from av.packet import Packet
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rtsp import Credentials, MediaFile
from benchmarks.rtsp.server import ServerThread
from edge_agent.ingest import SourceConfig, SourceProblem, SteadyClock, open_source
from edge_agent.ingest._decode import SharedDecoder
from edge_agent.ingest._rtp import MOST_MESSAGE_BYTES, Codec, Cutter
from edge_agent.ingest._rtsp import (
    Login,
    channels_of,
    parse_answer,
    parse_description,
    resolve,
    session_of,
)
from edge_agent.ingest._sampling import EARLY_SHARE, Pace, Spread
from protocol.clock import SystemClock
from tests.benchmarks.rtsp_clips import GOP, PICTURES, clip
from tests.edge_agent.ingest.conftest import Camera
from tests.servers.rtsp import RtspServer

TICKS = 3600


@cache
def recording(codec: Codec) -> tuple[bytes, tuple[int, ...], tuple[bytes, ...]]:
    """A real session's bytes as they come after PLAY, with a report and an answer in between; where packets begin."""
    media = MediaFile.open(clip(codec))
    wire = bytearray()
    starts: list[int] = []
    sequence = 65_500  # wraps
    for number, unit in enumerate(media.units):
        starts += [len(wire) + start for start in unit.starts]
        wire += unit.stamped(sequence, (number * TICKS - 9 * TICKS) & 0xFFFFFFFF, 7)
        sequence = (sequence + len(unit.starts)) & 0xFFFF
        if number == GOP + 2:
            wire += b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 4\r\n\r\n$$$$"
            wire += struct.pack(">cBHBBHIQIII", b"$", 1, 28, 0x80, 200, 6, 7, 0, 0, 0, 0)
    return bytes(wire), tuple(starts), media.parameter_sets


def feed(cutter: Cutter, data: bytes, step: int) -> int:
    """In pieces, as a socket gives them; the most that was ever kept back."""
    rest = b""
    kept = 0
    for at in range(0, len(data), step):
        buffer = bytearray(rest + data[at : at + step])
        used = cutter.feed(buffer, len(buffer))
        assert 0 <= used <= len(buffer)
        rest = bytes(buffer[used:])
        kept = max(kept, len(rest) - step)
    return kept


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("step", [37, 1460, 1_000_000])
def test_keyframes_come_out_whole_however_the_bytes_are_cut(codec: Codec, step: int) -> None:
    data, _, sets = recording(codec)
    cutter = Cutter(codec, parameter_sets=sets)
    feed(cutter, data, step)

    # The last keyframe is followed by other pictures, so that all have ended.
    assert [k.ticks for k in cutter.keyframes] == [n * TICKS for n in range(0, PICTURES, GOP)]
    assert cutter.broken == 0
    assert [m.split(b"\r\n")[0] for m in cutter.messages] == [b"RTSP/1.0 200 OK"]
    with av.open(str(clip(codec))) as file:
        whole = [p.to_ndarray(format="bgr24") for p in file.decode(video=0)]
    decoder = SharedDecoder(codec)
    for number, keyframe in enumerate(cutter.keyframes):
        picture = decoder.alone(Packet(keyframe.data))  # type: ignore[arg-type]
        assert picture is not None
        assert (picture.to_ndarray(format="bgr24") == whole[number * GOP]).all()


def is_slice(codec: Codec, payload: bytes) -> bool:
    """Whether a packet holds a keyframe's slice or a fragment of it, not parameters or messages alone."""
    if codec == "h264":
        return (payload[1] & 31 if payload[0] & 31 == 28 else payload[0] & 31) == 5
    kind = payload[0] >> 1 & 63
    return 16 <= (payload[2] & 63 if kind == 49 else kind) <= 21


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_keyframe_that_lacks_a_packet_is_left_out_and_no_other(codec: Codec) -> None:
    data, starts, sets = recording(codec)
    ends = (*starts[1:], len(data))
    stamps = [data[s + 8 : s + 12] for s in starts]
    second = struct.pack(">I", (GOP - 9) * TICKS & 0xFFFFFFFF)
    mine = [
        n for n, stamp in enumerate(stamps) if stamp == second and is_slice(codec, data[starts[n] + 16 :])
    ]
    assert mine
    for lost in mine:
        cutter = Cutter(codec, parameter_sets=sets)
        feed(cutter, data[: starts[lost]] + data[ends[lost] :], 1460)
        got = [k.ticks // TICKS for k in cutter.keyframes]
        assert got == [n for n in range(0, PICTURES, GOP) if n != GOP]


@given(
    codec=st.sampled_from(["h264", "hevc"]),
    changes=st.lists(
        st.tuples(st.integers(0, 2**20), st.sampled_from(["flip", "cut", "insert"]), st.binary(max_size=40)),
        max_size=12,
    ),
    noise=st.binary(max_size=3000),
    step=st.sampled_from([11, 700, 1_000_000]),
)
def test_mutilated_sessions_and_noise_never_crash_spin_or_pile_up(
    codec: Codec, changes: list[tuple[int, str, bytes]], noise: bytes, step: int
) -> None:
    data = bytearray(recording(codec)[0][:60_000])
    for place, how, some in changes:
        at = place % len(data)
        if how == "flip":
            data[at : at + len(some)] = some
        elif how == "cut":
            del data[at : at + 1 + len(some)]
        else:
            data[at:at] = some
    cutter = Cutter(codec)
    try:
        kept = feed(cutter, bytes(data) + noise, step)
    except SourceProblem:
        return
    assert kept <= 4 + 65_535 + MOST_MESSAGE_BYTES
    decoder = SharedDecoder(codec)
    for keyframe in cutter.keyframes[:3]:
        decoder.alone(Packet(keyframe.data))  # type: ignore[arg-type]


@given(st.binary(max_size=400), st.text(max_size=400))
def test_answers_and_descriptions_of_any_kind_are_read_or_refused(data: bytes, text: str) -> None:
    for message in (data, b"RTSP/1.0 200 " + data):
        try:
            parse_answer(message)
        except SourceProblem:
            continue
    for description in (text, f"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 {text}"):
        try:
            parse_description(description, "rtsp://camera/a")
        except SourceProblem:
            continue
    session_of(text)
    Login("a", "b").challenged([text, f"Digest {text}"])


def test_endless_garbage_ends_the_connection() -> None:
    cutter = Cutter("h264")
    with pytest.raises(SourceProblem, match="neither video nor RTSP"):
        feed(cutter, b"\xff" * 1_000_000, 4096)


@pytest.mark.parametrize(
    ("base", "control", "uri"),
    [
        ("rtsp://c/live/", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/live", "track1", "rtsp://c/live/track1"),
        ("rtsp://c/r?channel=1&subtype=0/", "trackID=0", "rtsp://c/r?channel=1&subtype=0/trackID=0"),
        ("rtsp://c/live", "rtsp://10.0.0.9/other/track1", "rtsp://10.0.0.9/other/track1"),
        ("rtsp://c/live", "/abs/track1", "rtsp://c/abs/track1"),
        ("rtsp://c/live", "*", "rtsp://c/live"),
    ],
)
def test_control_addresses_as_cameras_write_them(base: str, control: str, uri: str) -> None:
    assert resolve(base, control) == uri


def test_session_and_transport_headers() -> None:
    assert session_of("12345678;timeout=30") == ("12345678", 30.0)
    assert session_of("abc") == ("abc", 60.0)
    assert channels_of("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=1") == (2, 3)


def test_digest_answers_are_those_of_the_standard() -> None:
    """RFC 2069's way, worked out by hand from RFC 2617, 3.2.2, and the strongest offer is taken."""
    login = Login("Mufasa", "Circle Of Life")
    assert login.challenged(['Basic realm="x"', 'Digest realm="testrealm@host.com", nonce="dcd98b"'])
    header = login.header("DESCRIBE", "rtsp://camera/a")
    import hashlib

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    secret, what = md5("Mufasa:testrealm@host.com:Circle Of Life"), md5("DESCRIBE:rtsp://camera/a")
    assert f'response="{md5(f"{secret}:dcd98b:{what}")}"' in header
    assert not login.challenged(['Digest realm="testrealm@host.com", nonce="other"']), "refused, not stale"
    assert login.challenged(['Digest realm="testrealm@host.com", nonce="third", stale=true'])


def test_cameras_are_spread_over_a_long_period_alone() -> None:
    spread = Spread()
    assert spread.second_share("rtsp://a", 2_000, 0) == 1.0
    # Whenever a camera is connected, and however often, it comes to its own point of the period.
    points = []
    for number in range(125):
        shares = {ms: spread.second_share(f"rtsp://a/cam{number}", 10_000, ms) for ms in (0, 3_337 * number)}
        assert all(EARLY_SHARE <= share < 1 + EARLY_SHARE for share in shares.values())
        arrived = {round((ms / 10_000 + share) % 1.0, 6) for ms, share in shares.items()}
        points.append(arrived.pop())
        assert not arrived
    tenths = [sum(int(point * 10) == tenth for point in points) for tenth in range(10)]
    assert max(tenths) - min(tenths) <= 3
    pace = Pace(10_000)
    pace.took(0, 0.4)
    taken = [at for at in range(2_000, 60_000, 2_000) if pace.due(at) and (pace.took(at) or True)]
    assert taken == [4_000, 14_000, 24_000, 34_000, 44_000, 54_000]


def test_one_thread_reads_many_cameras_with_sha256_and_few_decoders() -> None:
    clock = SteadyClock(SystemClock())
    with ServerThread(
        auth="digest", credentials=Credentials("a", "b"), algorithms=("MD5", "SHA-256"), session_timeout_s=3
    ) as server:
        cameras = []
        for number in range(12):
            server.add(f"/cam{number}", MediaFile.open(clip("h264" if number % 2 else "hevc")))
            config = SourceConfig(
                url=server.url(f"/cam{number}"),
                username="a",
                password="b",
                sample_period_s=0.3,
                reader="thin",
            )
            cameras.append(open_source(f"cam{number}", config, clock=clock))
        for camera in cameras:
            camera.start()
        # Longer than the session's time-out: without signs of life the server would have hung up.
        ends_ms = clock.monotonic_ms() + 4_000
        while clock.monotonic_ms() < ends_ms:
            for camera in cameras:
                assert camera.take(15) is not None, camera.health()
        assert all(camera.health().reconnects == 0 for camera in cameras)
        assert sum(thread.name == "ingest-receive" for thread in threading.enumerate()) == 1
        for camera in cameras:
            camera.stop()


def test_who_reads_may_be_chosen(serve: Callable[..., RtspServer], watch: Callable[..., Camera]) -> None:
    with pytest.raises(ValueError, match="reader: thin reads"):
        SourceConfig(url="rtsp://c/a", reader="thin", transport="udp")
    camera = watch(url=serve(clip("h264")).url, reader="ffmpeg")
    assert camera.becomes("live").reason == ""
    assert not [thread for thread in threading.enumerate() if thread.name == "ingest-receive"]
