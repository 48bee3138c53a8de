"""What the RTSP server computes without a network: packets, times, descriptions, chosen transports."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rtsp import MediaFile, _rtp, _sdp, _transport
from benchmarks.rtsp._timeline import Timeline
from protocol.errors import PatrolError
from tests.benchmarks.rtsp_clips import GOP, PICTURES, RtpPacket, clip, media

LIMIT = 60


def nals(codec: str) -> st.SearchStrategy[list[bytes]]:
    """NAL units with plausible headers, among them some just at the limits of one packet."""
    sizes = st.one_of(st.integers(3, 200), st.sampled_from([LIMIT - 1, LIMIT, LIMIT + 1]))

    def nal(kind: int, size: int, filler: bytes) -> bytes:
        head = bytes([0x60 | kind]) if codec == "h264" else bytes([kind << 1, 1])
        return (head + filler * size)[:size]

    one = st.builds(nal, st.integers(1, 20), sizes, st.binary(min_size=1, max_size=4))
    return st.lists(one, min_size=1, max_size=8)


def reassembled(codec: str, packets: list[bytes]) -> list[bytes]:
    """What a receiver makes of RTP payloads, written from the standards and not from the sender."""
    head, aggregate, fragment = (1, 24, 28) if codec == "h264" else (2, 48, 49)
    found: list[bytes] = []
    for packet in packets:
        kind = packet[0] & 0x1F if codec == "h264" else packet[0] >> 1 & 0x3F
        if kind == aggregate:
            rest = packet[head:]
            while rest:
                size = struct.unpack(">H", rest[:2])[0]
                found.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == fragment:
            mark = packet[head]
            if mark & 0x80:
                if codec == "h264":
                    found.append(bytes([packet[0] & 0xE0 | mark & 0x1F]))
                else:
                    found.append(bytes([packet[0] & 0x81 | (mark & 0x3F) << 1, packet[1]]))
            found[-1] += packet[head + 1 :]
            assert not (mark & 0x80 and mark & 0x40), "a fragment is never both first and last"
        else:
            found.append(packet)
    return found


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data())
def test_a_receiver_gets_back_every_nal_unit(codec: str, data: st.DataObject) -> None:
    units = data.draw(nals(codec))
    packets = _rtp.payloads(codec, units, limit=LIMIT)
    assert reassembled(codec, packets) == units
    assert max(map(len, packets)) <= LIMIT


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5))
def test_annex_b_is_cut_at_its_start_codes(parts: list[bytes]) -> None:
    units = [b"\x41" + part.replace(b"\x00", b"\x07") for part in parts]
    stream = b"".join(b"\x00\x00\x00\x01" + unit for unit in units)
    assert list(_rtp.split_annexb(stream)) == units


def test_a_sender_report_says_wall_clock_and_stream_clock() -> None:
    report = _rtp.sender_report(
        7, utc_s=1_767_225_600.25, rtp_time=2**32 + 9, packets=3, octets=40, name="cam1"
    )
    first, kind, words, ssrc, seconds, fraction, stamp, packets, octets = struct.unpack(
        ">BBHIIIIII", report[:28]
    )
    assert (first, kind, words, ssrc) == (0x80, 200, 6, 7)
    assert seconds == 3_976_214_400, "2026-01-01 in seconds since 1900"
    assert fraction == 2**30
    assert (stamp, packets, octets) == (9, 3, 40)
    assert report[28:30] == b"\x81\xca"
    assert b"\x01\x04cam1\x00" in report
    assert len(report) % 4 == 0


times = st.lists(st.integers(1, 20), min_size=1, max_size=12)


@given(
    steps=times,
    marks=st.sets(st.integers(0, 12)),
    cycle=st.sampled_from(["loop", "hold", "end"]),
    at=st.floats(0, 900),
)
def test_the_timeline_agrees_with_counting(steps: list[int], marks: set[int], cycle: str, at: float) -> None:
    decode = [sum(steps[:n]) for n in range(len(steps))]
    keys = sorted({0} | {mark for mark in marks if mark < len(steps)})
    period = sum(steps)
    start = {"loop": 0, "hold": keys[-1], "end": None}[cycle]
    line = Timeline(decode, keys, period, start)
    # the same by walking: after the last picture go on with `start`, each picture as long as its step
    walked: list[tuple[int, int]] = []
    index, now = 0, 0
    while now < 1000 and index is not None:
        walked.append((index, now))
        now += steps[index]
        index = index + 1 if index + 1 < len(steps) else start
    for number, (index, due) in enumerate(walked):
        spot = line.spot(number)
        assert spot is not None
        assert spot[0] == index
        assert line.ticks(number) == due
    if start is None:
        assert line.spot(len(walked)) is None
    first = next((n for n, (_, due) in enumerate(walked) if due >= at), len(walked))
    assert line.first_at(at) == first
    later = next((n for n in range(first, len(walked)) if walked[n][0] in keys), None)
    assert line.keyframe_from(first) == later


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", 0), ("h264", 2), ("hevc", 0), ("hevc", 2)])
def test_a_file_is_cut_into_pictures_with_rising_times(codec: str, b_frames: int) -> None:
    file = media(codec, b_frames=b_frames)
    assert (file.codec, file.width, file.height, file.fps) == (codec, 160, 120, 25)
    assert len(file.units) == PICTURES
    assert list(file.keyframes) == list(range(0, PICTURES, GOP))
    assert file.duration_s == pytest.approx(PICTURES / 25)
    sent = [unit.decode_ticks for unit in file.units]
    assert sent == sorted(set(sent))
    assert sent[0] == 0
    assert all(unit.present_ticks >= unit.decode_ticks for unit in file.units)
    shown = sorted(unit.present_ticks for unit in file.units)
    assert {later - earlier for earlier, later in pairwise(shown)} == {3600}


def test_stamping_fills_in_every_header_and_marks_the_last() -> None:
    unit = media().units[0]
    assert len(unit.starts) > 2
    wire = bytes(unit.stamped(65_535, 123, 77))
    packets = []
    for start, end in zip(unit.starts, (*unit.starts[1:], len(wire)), strict=True):
        assert wire[start : start + 2] == b"$\x00"
        assert int.from_bytes(wire[start + 2 : start + 4], "big") == end - start - 4
        packets.append(RtpPacket.parse(wire[start + 4 : end]))
    assert [packet.sequence for packet in packets[:3]] == [65_535, 0, 1], "sequence numbers go round"
    assert {(packet.timestamp, packet.ssrc) for packet in packets} == {(123, 77)}
    assert [packet.marker for packet in packets] == [False] * (len(packets) - 1) + [True]
    assert sum(len(packet.payload) for packet in packets) == unit.octets


@pytest.mark.parametrize("container", ["mkv", "h264"])
def test_other_containers_give_the_same_pictures(container: str) -> None:
    other = MediaFile.open(clip(suffix=container))
    assert [unit.octets for unit in other.units] == [unit.octets for unit in media().units]
    assert [unit.decode_ticks for unit in other.units] == [unit.decode_ticks for unit in media().units]


def test_a_raw_stream_with_b_frames_is_refused() -> None:
    with pytest.raises(PatrolError, match="B-frames"):
        MediaFile.open(clip(b_frames=2, suffix="h264"))


def test_files_that_cannot_be_served_are_named(tmp_path: Path) -> None:
    with pytest.raises(PatrolError, match=r"absent\.mp4: there is no such video file"):
        MediaFile.open(tmp_path / "absent.mp4")
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"no video" * 100)
    with pytest.raises(PatrolError, match=r"junk\.mp4: the video cannot be read"):
        MediaFile.open(junk)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip().read_bytes()[:2000])
    with pytest.raises(PatrolError, match=r"cut\.mp4"):
        MediaFile.open(cut)


def test_the_description_holds_the_parameter_sets() -> None:
    text = _sdp.describe(media("h264"), name="cam1", host="127.0.0.1")
    assert "a=rtpmap:96 H264/90000\r\n" in text
    assert "packetization-mode=1;profile-level-id=" in text
    assert "a=framerate:25\r\n" in text
    text = _sdp.describe(media("hevc"), name="cam1", host="::1")
    assert "a=rtpmap:96 H265/90000\r\n" in text
    assert all(f"sprop-{name}=" in text for name in ("vps", "sps", "pps"))
    assert "c=IN IP6 ::\r\n" in text
    wrong = _sdp.describe(media("h264"), name="cam1", host="127.0.0.1", codec="AV1")
    assert "AV1/90000" in wrong
    assert "sprop" not in wrong


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=2-3", ((2, 3), True)),
        ("RTP/AVP/TCP;unicast", ((4, 5), True)),  # the server chooses the first free pair
        ("RTP/AVP/TCP;interleaved=7", ((7, 8), True)),
        ("RTP/AVP;unicast;client_port=5000-5001", ((5000, 5001), False)),
        ('RTP/AVP/UDP;client_port=5000-5001;mode="play"', ((5000, 5001), False)),
        ("RTP/AVP;multicast, RTP/AVP/TCP;interleaved=2-3", ((2, 3), True)),  # the first that can be served
        ("RTP/AVP;multicast;port=5000-5001", None),
        ("RTP/AVP;unicast", None),  # no port to send to
        ("RTP/AVP/TCP;interleaved=0-1", None),  # taken by another session
        ("RTP/AVP/TCP;interleaved=255-256", None),
        ("RTP/AVP/TCP;interleaved=a-b", None),
        ("RTP/AVP;unicast;client_port=70000-70001", None),
        ("RTP/AVP;unicast;client_port=5000-5000", None),
        ("RTP/SAVP;unicast;client_port=5000-5001", None),
        ("RTP/AVP/TCP;interleaved=2-3;mode=RECORD", None),
        ("", None),
    ],
)
def test_transports_are_chosen(header: str, expected: tuple[tuple[int, int], bool] | None) -> None:
    chosen = _transport.choose(header, taken={0, 1, 2, 3} if header == "RTP/AVP/TCP;unicast" else {0, 1})
    assert (None if chosen is None else (chosen.pair, chosen.interleaved)) == expected
