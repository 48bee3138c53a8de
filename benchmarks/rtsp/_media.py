"""A video file, cut once into ready RTP packets that every camera and every viewer shares."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.bitstream
import av.error

from benchmarks.rtsp import _rtp
from benchmarks.rtsp._rtp import CLOCK_HZ, PAYLOAD_TYPE, Codec
from protocol.errors import PatrolError

RTP_HEADER = 12
FRAME_HEADER = 4
"""``$``, channel and 16-bit length before each packet on an RTSP connection (RFC 2326, 10.12)."""

_FILTERS = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_PARAMETER_SETS: dict[Codec, tuple[int, ...]] = {
    "h264": (_rtp.H264_SPS, _rtp.H264_PPS),
    "hevc": (_rtp.HEVC_VPS, _rtp.HEVC_SPS, _rtp.HEVC_PPS),
}
_DELIMITERS: dict[Codec, int] = {"h264": _rtp.H264_DELIMITER, "hevc": _rtp.HEVC_DELIMITER}
_RAW_FORMATS = {"h264", "hevc"}
_patch = struct.Struct(">HII").pack_into


@dataclass(frozen=True, slots=True, repr=False)
class AccessUnit:
    """One picture as it goes on the wire: RTP packets with their interleaved framing, one after the other.

    Args:
        decode_ticks: when it is sent, RTP ticks since the file's first picture.
        present_ticks: when it is shown; its RTP timestamp.
        keyframe: a decoder can begin here.
        wire: the framed packets, for channel 0, with sequence number, timestamp and source still 0.
        starts: offset of each packet's frame header in ``wire``.
    """

    decode_ticks: int
    present_ticks: int
    keyframe: bool
    wire: bytes
    starts: tuple[int, ...]

    @property
    def octets(self) -> int:
        """RTP payload bytes, as RTCP counts them."""
        return len(self.wire) - len(self.starts) * (FRAME_HEADER + RTP_HEADER)

    def stamped(self, sequence: int, timestamp: int, ssrc: int) -> bytearray:
        """A copy of the wire bytes with the three changing fields of every RTP header filled in."""
        wire = bytearray(self.wire)
        for start in self.starts:
            _patch(wire, start + FRAME_HEADER + 2, sequence, timestamp, ssrc)
            sequence = (sequence + 1) & 0xFFFF
        return wire


@dataclass(frozen=True)
class MediaFile:
    """A video file ready to be served. Make one with `MediaFile.open`.

    Args:
        file: where it came from.
        codec: ``h264`` or ``hevc``.
        width: pixels.
        height: pixels.
        fps: pictures a second, rounded to what the file says.
        units: the pictures in decode order; the first is a keyframe.
        keyframes: indices of the keyframes in ``units``.
        period_ticks: duration in RTP ticks.
        parameter_sets: H.264 SPS, PPS or H.265 VPS, SPS, PPS.
    """

    file: Path
    codec: Codec
    width: int
    height: int
    fps: float
    units: Sequence[AccessUnit] = field(repr=False)
    keyframes: Sequence[int] = field(repr=False)
    period_ticks: int
    parameter_sets: tuple[bytes, ...] = field(repr=False)

    @property
    def duration_s(self) -> float:
        """Seconds from the first picture to the end of the last."""
        return self.period_ticks / CLOCK_HZ

    @property
    def bitrate(self) -> float:
        """Mean bits a second on the wire."""
        return 8 * sum(len(unit.wire) for unit in self.units) / self.duration_s

    @classmethod
    def open(cls, file: str | Path) -> MediaFile:
        """Read an MP4, MKV or raw H.264/H.265 file and cut its video into RTP packets.

        Raises:
            PatrolError: the file is missing, is no video, holds another codec, or has no keyframe.
        """
        file = Path(file)
        if not file.is_file():
            raise PatrolError(
                "there is no such video file", file=file, mend="Name an MP4, MKV, .h264 or .h265 file."
            )
        try:
            return cls._read(file)
        except (av.error.FFmpegError, struct.error) as error:
            raise PatrolError(
                f"the video cannot be read: {error.strerror if isinstance(error, OSError) else error}",
                file=file,
                mend="Check that the file is whole: ffprobe or `patrol sim render` can make it anew.",
            ) from error

    @classmethod
    def _read(cls, file: Path) -> MediaFile:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise PatrolError(
                    "the file holds no video", file=file, mend="Name a file with an H.264 or H.265 track."
                )
            stream = container.streams.video[0]
            name = stream.codec_context.name
            codec: Codec
            if name == "h264":
                codec = "h264"
            elif name == "hevc":
                codec = "hevc"
            else:
                raise PatrolError(
                    "this video codec cannot be served over RTP here",
                    file=file,
                    field="video codec",
                    value=name,
                    mend="Encode it as H.264 or H.265.",
                )
            raw = container.format.name in _RAW_FORMATS
            if raw and stream.codec_context.has_b_frames:
                raise PatrolError(
                    "a raw stream with B-frames does not say when its pictures are shown",
                    file=file,
                    mend="Put it into an MP4 or MKV file, or encode it without B-frames.",
                )
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            base = stream.time_base or Fraction(1, CLOCK_HZ)
            filtering = av.bitstream.BitStreamFilterContext(_FILTERS[codec], stream)
            samples: list[tuple[int | None, bool, list[bytes]]] = []
            for packet in container.demux(stream):
                last = packet.size == 0  # asked first: filtering empties the packet
                for part in filtering.filter(None if last else packet):
                    nals = [
                        n
                        for n in _rtp.split_annexb(bytes(part))
                        if _rtp.nal_type(codec, n) != _DELIMITERS[codec]
                    ]
                    if nals and (samples or part.is_keyframe):
                        ticks = None if raw or part.pts is None else round(part.pts * base * CLOCK_HZ)
                        samples.append((ticks, part.is_keyframe, nals))
                if last:
                    break
            width, height = stream.width, stream.height
        if not samples:
            raise PatrolError("the file holds no keyframe", file=file, mend="Encode it with keyframes.")
        step = round(CLOCK_HZ / rate)
        shown = _presentation([sample[0] for sample in samples], step)
        sent = _decode_times(shown)
        first = sent[0]
        units = [
            _unit(codec, decode - first, present - first, keyframe, nals)
            for decode, present, (_, keyframe, nals) in zip(sent, shown, samples, strict=True)
        ]
        return cls(
            file=file,
            codec=codec,
            width=width,
            height=height,
            fps=float(rate),
            units=units,
            keyframes=[index for index, unit in enumerate(units) if unit.keyframe],
            period_ticks=units[-1].decode_ticks + step,
            parameter_sets=_parameter_sets(file, codec, samples[0][2]),
        )


def _presentation(shown: Sequence[int | None], step: int) -> list[int]:
    known = [ticks for ticks in shown if ticks is not None]
    if len(known) == len(shown):
        return known
    return [index * step for index in range(len(shown))]


def _decode_times(shown: Sequence[int]) -> list[int]:
    """Rising times in decode order, none after the picture is to be shown: the order of showing, moved forward."""
    ordered = sorted(shown)
    delay = max(place - time for place, time in zip(ordered, shown, strict=True))
    return [place - delay for place in ordered]


def _unit(codec: Codec, decode: int, present: int, keyframe: bool, nals: list[bytes]) -> AccessUnit:
    wire = bytearray()
    starts = []
    packets = _rtp.payloads(codec, nals)
    for number, payload in enumerate(packets, start=1):
        starts.append(len(wire))
        marker = 0x80 if number == len(packets) else 0
        wire += struct.pack(">cBHBB10x", b"$", 0, RTP_HEADER + len(payload), 0x80, marker | PAYLOAD_TYPE)
        wire += payload
    return AccessUnit(decode, present, keyframe, bytes(wire), tuple(starts))


def _parameter_sets(file: Path, codec: Codec, nals: list[bytes]) -> tuple[bytes, ...]:
    by_type = {_rtp.nal_type(codec, nal): nal for nal in reversed(nals)}
    wanted = _PARAMETER_SETS[codec]
    if not all(kind in by_type for kind in wanted):
        raise PatrolError("the video lacks its parameter sets", file=file, mend="Encode it anew.")
    return tuple(by_type[kind] for kind in wanted)
