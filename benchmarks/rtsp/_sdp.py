"""The session description (RFC 4566) of one camera."""

from __future__ import annotations

import base64

from benchmarks.rtsp._media import MediaFile
from benchmarks.rtsp._rtp import CLOCK_HZ, PAYLOAD_TYPE

TRACK = "track1"
"""The one media of every camera, as its control URL ends."""


def describe(media: MediaFile, *, name: str, host: str, codec: str | None = None) -> str:
    """The SDP text of a camera.

    Args:
        media: what the camera plays.
        name: the session's name.
        host: address of the server.
        codec: encoding name to claim instead of the true one (a fault).
    """
    true_name = "H264" if media.codec == "h264" else "H265"
    encoding = codec or true_name
    family = "IP6" if ":" in host else "IP4"
    nowhere = "::" if family == "IP6" else "0.0.0.0"  # noqa: S104
    lines = [
        "v=0",
        f"o=- 1 1 IN {family} {host}",
        f"s={name}",
        f"c=IN {family} {nowhere}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"b=AS:{max(1, round(media.bitrate / 1000))}",
        f"a=rtpmap:{PAYLOAD_TYPE} {encoding}/{CLOCK_HZ}",
    ]
    if encoding == true_name:
        lines.append(f"a=fmtp:{PAYLOAD_TYPE} {_format_parameters(media)}")
    lines += [f"a=framerate:{media.fps:g}", f"a=control:{TRACK}"]
    return "\r\n".join(lines) + "\r\n"


def _format_parameters(media: MediaFile) -> str:
    encoded = [base64.b64encode(part).decode() for part in media.parameter_sets]
    if media.codec == "h264":
        profile = media.parameter_sets[0][1:4].hex().upper()
        return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={','.join(encoded)}"
    vps, sps, pps = encoded
    return f"sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}"
