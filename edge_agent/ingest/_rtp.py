"""Keyframes out of interleaved RTP (RFC 2326 10.12, RFC 6184, RFC 7798), with next to no work for everything else.

Nine tenths of a camera's bytes are pictures that nobody decodes. They are stepped over from frame header to frame
header; only the packets of keyframes are put together. Pure: bytes go in, keyframes come out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_agent.ingest._problem import SourceProblem

Codec = Literal["h264", "hevc"]

START_CODE = b"\0\0\0\1"

MOST_KEYFRAME_BYTES = 16 * 1024 * 1024
"""A larger keyframe is not put together: no camera sends one."""

MOST_MESSAGE_BYTES = 64 * 1024
"""A longer RTSP message between the packets is taken for garbage. Also bounds what is kept between two reads."""

MOST_GARBAGE_BYTES = 256 * 1024
"""So many bytes that are neither packets nor messages, without a keyframe between them, end the connection."""

_MOST_SETS, _MOST_SET_BYTES = 16, 64 * 1024

_HEADER = struct.Struct(">BBHBBHIIBBB")
"""``$``, channel, length; the RTP header; the first three bytes of the payload."""

_SIGN, _WRAP = 1 << 31, 1 << 32

_PARAMETER_SETS: dict[Codec, tuple[int, ...]] = {"h264": (7, 8), "hevc": (32, 33, 34)}
_SEQUENCE_SET: dict[Codec, int] = {"h264": 7, "hevc": 33}
_BYE = 203


class NotUnderstood(SourceProblem):
    """The camera does something that only FFmpeg's reader knows.

    Args:
        what: in words, for the camera's health.
    """

    def __init__(self, what: str) -> None:
        super().__init__("unsupported", f"the thin reader does not know {what}: set reader to ffmpeg")
        self.what = what


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One whole keyframe.

    Attributes:
        data: Annex B, beginning with its parameter sets.
        ticks: its time stamp, unwrapped, in units of the stream's clock since the first packet.
    """

    data: bytes
    ticks: int


class Cutter:
    """Cuts the bytes of one connection into packets and keeps the keyframes.

    Args:
        codec: ``h264`` or ``hevc``.
        channels: interleaved channels of RTP and RTCP.
        payload_type: RTP payload type of the video.
        parameter_sets: NAL units from the session description; those in the stream replace them.

    Attributes:
        keyframes: whole keyframes that nobody has taken yet; the caller empties the list.
        messages: RTSP messages between the packets; the caller empties the list.
        newest_ticks: time stamp of the newest packet, unwrapped, or None before the first.
        ended: the camera said goodbye (RTCP BYE).
        packets: RTP packets seen.
        broken: keyframes of which something was missing.
    """

    def __init__(
        self,
        codec: Codec,
        channels: tuple[int, int] = (0, 1),
        payload_type: int = 96,
        parameter_sets: Sequence[bytes] = (),
    ) -> None:
        self._codec: Codec = codec
        self._channel, self._control = channels
        self._payload_type = payload_type
        self._known = list(parameter_sets)[:_MOST_SETS]
        self._nal_header = 1 if codec == "h264" else 2
        self.keyframes: list[Keyframe] = []
        self.messages: list[bytes] = []
        self.newest_ticks: int | None = None
        self.ended = False
        self.packets = 0
        self.broken = 0
        self._garbage = 0
        self._last_stamp: int | None = None
        self._passed_over: int | None = None
        """Time stamp of the picture whose packets are not wanted."""
        self._ticks = 0
        self._stamp: int | None = None
        self._next_sequence: int | None = None
        self._forget()

    def feed(self, buffer: bytearray, end: int) -> int:
        """Take in what was received.

        Args:
            buffer: bytes; the unconsumed rest of the last call comes first.
            end: how many of them are valid.

        Returns:
            How many were consumed. The rest is less than one packet or message.

        Raises:
            SourceProblem: this is no RTSP connection (any more), or the packets are of an unknown kind.
        """
        unpack, channel, payload_type = _HEADER.unpack_from, self._channel, self._payload_type
        size = _HEADER.size
        passed_over = self._passed_over
        at = packets = 0
        newest = None
        while end - at >= size:
            dollar, chan, length, first, kind, sequence, stamp, _, b0, b1, b2 = unpack(buffer, at)
            if dollar != 0x24:
                reached = self._between(buffer, at, end)
                if reached is None:
                    break
                at = reached
                continue
            stop = at + 4 + length
            if stop > end:
                break
            if chan == channel:
                if length >= 15:
                    packets += 1
                    newest = stamp
                    if stamp != passed_over and kind & 0x7F == payload_type:
                        start = at + 16
                        if first != 0x80:
                            start, stop_here = _payload(buffer, at + 4, stop)
                            if stop_here - start >= 3:
                                b0, b1, b2 = buffer[start : start + 3]
                                self._take(buffer, start, stop_here, sequence, stamp, kind, b0, b1, b2)
                        else:
                            self._take(buffer, start, stop, sequence, stamp, kind, b0, b1, b2)
                        passed_over = self._passed_over
                elif length >= 12 and stamp == self._stamp and sequence == self._next_sequence:
                    # Too short for a slice: a delimiter or the end of a sequence. It counts, but holds nothing.
                    self._next_sequence = (sequence + 1) & 0xFFFF
                    self._marked = bool(kind & 0x80)
            elif chan == self._control:
                self._report(buffer, at + 4, stop)
            at = stop
        self.packets += packets
        if newest is not None:
            self.newest_ticks = self._unwrap(newest)
        return at

    # one picture

    def _forget(self) -> None:
        """No picture is being put together."""
        self._stamp = None
        self._next_sequence = None
        self._parts: list[bytes] = []
        self._sets: list[bytes] = []
        self._bytes = 0
        self._in_fragments = False
        self._begun = False
        self._marked = False

    def _pass_over(self, stamp: int, *, broken: bool = False) -> None:
        self._passed_over = stamp
        self.broken += broken
        self._forget()

    def _take(
        self,
        buffer: bytearray,
        start: int,
        stop: int,
        sequence: int,
        stamp: int,
        kind: int,
        b0: int,
        b1: int,
        b2: int,
    ) -> None:
        """One packet of a picture that may be a keyframe."""
        if stamp != self._stamp:
            if self._begun:
                # Nothing is missing at its end if its last packet says so, or the next packet follows on it.
                self._finish(whole=self._marked or sequence == self._next_sequence)
            self._forget()
            self._stamp = stamp
            self._passed_over = None
        elif self._begun and sequence != self._next_sequence:
            self._pass_over(stamp, broken=True)
            return
        self._next_sequence = (sequence + 1) & 0xFFFF
        self._marked = bool(kind & 0x80)
        if self._codec == "h264":
            self._take_h264(buffer, start, stop, b0, b1)
        else:
            self._take_hevc(buffer, start, stop, b0, b1, b2)

    def _take_h264(self, buffer: bytearray, start: int, stop: int, b0: int, b1: int) -> None:
        kind = b0 & 31
        if kind == 28:
            begins = bool(b1 & 0x80)
            head = bytes([b0 & 0xE0 | b1 & 31]) if begins else b""
            self._fragment(b1 & 31, head, buffer, start + 2, stop, begins=begins, ends=bool(b1 & 0x40))
        elif 1 <= kind <= 23:
            self._unit(kind, bytes(buffer[start:stop]))
        elif kind == 24:
            self._aggregate(buffer, start + 1, stop)
        elif kind != 0 and kind < 30:
            raise NotUnderstood("interleaved H.264 packets (packetization-mode 2)")

    def _take_hevc(self, buffer: bytearray, start: int, stop: int, b0: int, b1: int, b2: int) -> None:
        kind = b0 >> 1 & 63
        if kind == 49:
            begins = bool(b2 & 0x80)
            head = bytes([b0 & 0x81 | (b2 & 63) << 1, b1]) if begins else b""
            self._fragment(b2 & 63, head, buffer, start + 3, stop, begins=begins, ends=bool(b2 & 0x40))
        elif kind == 48:
            self._aggregate(buffer, start + 2, stop)
        elif kind < 48:
            self._unit(kind, bytes(buffer[start:stop]))

    def _aggregate(self, buffer: bytearray, at: int, stop: int) -> None:
        stamp = self._stamp
        while stop - at > 2 and self._passed_over != stamp:
            length = buffer[at] << 8 | buffer[at + 1]
            at += 2
            if length == 0 or at + length > stop:
                return
            unit = bytes(buffer[at : at + length])
            at += length
            self._unit(unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63, unit)

    def _unit(self, kind: int, unit: bytes) -> None:
        """One whole NAL unit."""
        assert self._stamp is not None
        if self._in_fragments:
            self._pass_over(self._stamp, broken=True)
        elif self._is_key(kind):
            if not self._may_begin(unit[self._nal_header : self._nal_header + 1]):
                return
            self._add(START_CODE, unit)
        elif kind in _PARAMETER_SETS[self._codec]:
            if len(self._sets) < _MOST_SETS and len(unit) < _MOST_SET_BYTES:
                self._sets.append(unit)
        elif self._is_picture(kind):
            self._keep_sets()
            self._pass_over(self._stamp)

    def _fragment(
        self, kind: int, head: bytes, buffer: bytearray, start: int, stop: int, *, begins: bool, ends: bool
    ) -> None:
        assert self._stamp is not None
        if not self._is_key(kind):
            # A parameter set or message in fragments is not worth following; another picture is not wanted.
            if self._is_picture(kind):
                self._keep_sets()
                self._pass_over(self._stamp)
            return
        if begins == self._in_fragments:
            self._pass_over(self._stamp, broken=True)
            return
        data = bytes(buffer[start:stop])
        if begins:
            if not self._may_begin(data[:1]):
                return
            self._add(START_CODE, head, data)
        else:
            self._add(data)
        self._in_fragments = not ends

    def _may_begin(self, slice_header: bytes) -> bool:
        """Both codecs' slice headers open with a bit that is 1 in the first slice of a picture alone."""
        if self._begun:
            return True
        if not slice_header or not slice_header[0] & 0x80:
            assert self._stamp is not None
            self._pass_over(self._stamp, broken=True)
            return False
        self._begun = True
        return True

    def _add(self, *parts: bytes) -> None:
        self._parts += parts
        self._bytes += sum(map(len, parts))
        if self._bytes > MOST_KEYFRAME_BYTES and self._stamp is not None:
            self._pass_over(self._stamp, broken=True)

    def _keep_sets(self) -> None:
        """Parameter sets of this picture are the stream's from here on."""
        if not self._sets:
            return
        if any(self._kind(unit) == _SEQUENCE_SET[self._codec] for unit in self._sets):
            self._known = self._sets
        else:
            new = [unit for unit in self._sets if unit not in self._known]
            self._known = (self._known + new)[-_MOST_SETS:]
        self._sets = []

    def _finish(self, *, whole: bool) -> None:
        if self._in_fragments or not whole:
            self.broken += 1
            return
        self._keep_sets()
        if self._stamp is None or not self._known:
            return
        self._garbage = 0
        sets = b"".join(START_CODE + unit for unit in self._known)
        self.keyframes.append(Keyframe(sets + b"".join(self._parts), self._unwrap(self._stamp)))

    def _kind(self, unit: bytes) -> int:
        return unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63

    def _is_key(self, kind: int) -> bool:
        return kind == 5 if self._codec == "h264" else 16 <= kind <= 21

    def _is_picture(self, kind: int) -> bool:
        return 1 <= kind <= 4 if self._codec == "h264" else kind <= 15

    def _unwrap(self, stamp: int) -> int:
        """RTP stamps wrap every 13 hours and begin anywhere."""
        if self._last_stamp is None:
            self._last_stamp, self._ticks = stamp, 0
        self._ticks += ((stamp - self._last_stamp + _SIGN) & (_WRAP - 1)) - _SIGN
        self._last_stamp = stamp
        return self._ticks

    # what is no video packet

    def _report(self, buffer: bytearray, at: int, stop: int) -> None:
        """A compound RTCP packet; only the goodbye matters."""
        while stop - at >= 4:
            if buffer[at] >> 6 != 2:
                return
            if buffer[at + 1] == _BYE:
                self.ended = True
            at += 4 * ((buffer[at + 2] << 8 | buffer[at + 3]) + 1)

    def _between(self, buffer: bytearray, at: int, end: int) -> int | None:
        """Step over an RTSP message or garbage; None to wait for more."""
        if 0x41 <= buffer[at] <= 0x5A:
            limit = min(end, at + MOST_MESSAGE_BYTES)
            head = buffer.find(b"\r\n\r\n", at, limit)
            if head < 0 and limit == end and end - at < MOST_MESSAGE_BYTES and _is_text(buffer, at, end):
                return None
            if head >= 0 and _is_text(buffer, at, head):
                stop = head + 4 + _body_length(bytes(buffer[at:head]))
                if stop <= end:
                    self.messages.append(bytes(buffer[at:stop]))
                    del self.messages[:-8]
                    return stop
                if stop - at < MOST_MESSAGE_BYTES:
                    return None
        reached = buffer.find(b"$", at + 1, end)
        reached = end if reached < 0 else reached
        self._garbage += reached - at
        if self._garbage > MOST_GARBAGE_BYTES:
            raise SourceProblem("unreachable", "the camera sends what is neither video nor RTSP")
        return reached


def parameter_sets_of(codec: str, data: bytes) -> bytes:
    """What stands before the first slice of a keyframe as `Cutter` makes it."""
    at = 0
    while True:
        kind = data[at + 4] & 31 if codec == "h264" else data[at + 4] >> 1 & 63
        if kind not in _PARAMETER_SETS["h264" if codec == "h264" else "hevc"]:
            return data[:at]
        following = data.find(START_CODE, at + 4)
        if following < 0:
            return data
        at = following


def _payload(buffer: bytearray, at: int, stop: int) -> tuple[int, int]:
    """Begin and end of an RTP packet's payload where its header is not the plainest; empty if it is malformed."""
    first = buffer[at]
    if first >> 6 != 2:
        return stop, stop
    start = at + 12 + 4 * (first & 15)
    if first & 0x10:
        if start + 4 > stop:
            return stop, stop
        start += 4 + 4 * (buffer[start + 2] << 8 | buffer[start + 3])
    if first & 0x20:
        stop -= buffer[stop - 1]
    return (start, stop) if start <= stop else (stop, stop)


def _is_text(buffer: bytearray, at: int, end: int) -> bool:
    """Whether the beginning of these bytes is what a message's first line is made of."""
    return all(0x20 <= byte < 0x7F or byte in (9, 10, 13) for byte in buffer[at : min(end, at + 64)])


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        value = value.strip()
        if name.strip().lower() == b"content-length" and value.isdigit() and len(value) < 8:
            return int(value)
    return 0
