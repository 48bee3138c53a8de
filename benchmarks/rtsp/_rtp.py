"""RTP payloads of H.264 (RFC 6184) and H.265 (RFC 7798), and the RTCP packets a sender needs (RFC 3550)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

Codec = Literal["h264", "hevc"]

CLOCK_HZ = 90_000
"""RTP clock of every video payload used here, ticks per second."""

PAYLOAD_TYPE = 96
"""First dynamic payload type (RFC 3551); the SDP says what it means."""

MAX_PAYLOAD = 1400
"""Bytes after the RTP header: with RTP, UDP and IPv6 headers still below a 1500-byte Ethernet frame."""

H264_SPS, H264_PPS, H264_DELIMITER = 7, 8, 9
HEVC_VPS, HEVC_SPS, HEVC_PPS, HEVC_DELIMITER = 32, 33, 34, 35

_H264_STAP_A, _H264_FU_A = 24, 28
_HEVC_AP, _HEVC_FU = 48, 49

_NTP_EPOCH_OFFSET = 2_208_988_800
"""Seconds from 1900-01-01 (NTP) to 1970-01-01 (Unix)."""

_SENDER_REPORT, _SOURCE_DESCRIPTION, _BYE = 200, 202, 203


def split_annexb(data: bytes) -> Iterator[bytes]:
    """The NAL units between the start codes of an Annex B byte stream, without trailing zero bytes."""
    start = data.find(b"\x00\x00\x01")
    while start >= 0:
        start += 3
        end = data.find(b"\x00\x00\x01", start)
        nal = (data[start:] if end < 0 else data[start:end]).rstrip(b"\x00")
        if nal:
            yield nal
        start = end


def nal_type(codec: Codec, nal: bytes) -> int:
    """``nal_unit_type`` of a NAL unit."""
    return nal[0] & 0x1F if codec == "h264" else (nal[0] >> 1) & 0x3F


def payloads(codec: Codec, nals: Iterable[bytes], limit: int = MAX_PAYLOAD) -> list[bytes]:
    """The RTP payloads of one access unit, in order.

    Neighbouring small NAL units share one aggregation packet (STAP-A, AP), large ones are cut into fragments
    (FU-A, FU), the rest travel alone.

    Args:
        codec: ``h264`` or ``hevc``.
        nals: NAL units without start codes.
        limit: most bytes in one payload.
    """
    packets: list[bytes] = []
    waiting: list[bytes] = []
    header = 1 if codec == "h264" else 2
    size = header
    for nal in nals:
        if waiting and size + 2 + len(nal) > limit:
            packets.append(_aggregate(codec, waiting))
            waiting, size = [], header
        if len(nal) > limit:
            packets.extend(_fragments(codec, nal, limit))
        else:
            waiting.append(nal)
            size += 2 + len(nal)
    if waiting:
        packets.append(_aggregate(codec, waiting))
    return packets


def _aggregate(codec: Codec, nals: Sequence[bytes]) -> bytes:
    if len(nals) == 1:
        return nals[0]
    body = b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)
    if codec == "h264":
        importance = max(nal[0] & 0x60 for nal in nals)
        return bytes([importance | _H264_STAP_A]) + body
    layer = min((nal[0] & 1) << 5 | nal[1] >> 3 for nal in nals)
    temporal = min(nal[1] & 7 for nal in nals)
    return bytes([_HEVC_AP << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal]) + body


def _fragments(codec: Codec, nal: bytes, limit: int) -> Iterator[bytes]:
    if codec == "h264":
        head, kind, skip = bytes([nal[0] & 0xE0 | _H264_FU_A]), nal[0] & 0x1F, 1
    else:
        head, kind, skip = bytes([nal[0] & 0x81 | _HEVC_FU << 1, nal[1]]), (nal[0] >> 1) & 0x3F, 2
    room = limit - len(head) - 1
    last = len(nal) - room
    for at in range(skip, len(nal), room):
        marks = (0x80 if at == skip else 0) | (0x40 if at >= last else 0)
        yield head + bytes([marks | kind]) + nal[at : at + room]


def sender_report(
    ssrc: int, *, utc_s: float, rtp_time: int, packets: int, octets: int, name: str = "camera"
) -> bytes:
    """A compound RTCP packet: sender report and source description.

    Args:
        ssrc: synchronisation source.
        utc_s: wall clock, seconds since 1970.
        rtp_time: RTP timestamp of the same instant.
        packets: RTP packets sent so far to this receiver.
        octets: payload bytes sent so far to this receiver.
        name: the CNAME, at most 255 bytes of UTF-8.
    """
    ntp = round((utc_s + _NTP_EPOCH_OFFSET) * 2**32)
    report = struct.pack(
        ">BBHIQIII",
        0x80,
        _SENDER_REPORT,
        6,
        ssrc,
        ntp & (2**64 - 1),
        rtp_time & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    return report + _source_description(ssrc, name)


def _source_description(ssrc: int, name: str) -> bytes:
    text = name.encode()[:255]
    item = struct.pack(">IBB", ssrc, 1, len(text)) + text
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list of items
    return struct.pack(">BBH", 0x81, _SOURCE_DESCRIPTION, len(item) // 4) + item


def goodbye(ssrc: int) -> bytes:
    """The RTCP BYE packet: the source ends its stream. It follows a sender report in the same compound packet."""
    return struct.pack(">BBHI", 0x81, _BYE, 1, ssrc)
