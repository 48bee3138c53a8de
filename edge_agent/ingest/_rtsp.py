"""The little of RTSP 1.0 (RFC 2326) that a viewer needs: messages, passwords, session descriptions. Pure.

Lenient where cameras are: control addresses with queries, base addresses without a slash, parameters in any order.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_agent.ingest._problem import SourceProblem
from edge_agent.ingest._rtp import Codec, NotUnderstood

AGENT = "street-patrol"

_CODECS: dict[str, Codec] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,\s]*))')
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        status: its number.
        headers: names in small letters; the first of equal names, but every challenge.
        body: what follows.
    """

    status: int
    headers: dict[str, str]
    challenges: tuple[str, ...] = ()
    body: bytes = b""


def parse_answer(message: bytes) -> Answer:
    """A whole response, as `Cutter.messages` and the handshake get it.

    Raises:
        SourceProblem: it is no RTSP response.
    """
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    words = lines[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith("RTSP/") or not (words[1].isdigit() and len(words[1]) == 3):
        raise SourceProblem("unreachable", "the answer is not RTSP: check address and port")
    headers: dict[str, str] = {}
    challenges = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers.setdefault(name, value)
        if name == "www-authenticate":
            challenges.append(value)
    return Answer(int(words[1]), headers, tuple(challenges), body)


@dataclass(slots=True)
class Login:
    """A user name and password, and how this camera wants to be told them.

    Attributes:
        username, password: None where there is none.
    """

    username: str | None
    password: str | None = field(repr=False)
    _challenge: dict[str, str] | None = None
    _count: int = 0

    def challenged(self, challenges: Sequence[str]) -> bool:
        """Take up the strongest of the offered ways. False if none is known, or it was tried already."""
        if self.username is None:
            return False
        best: tuple[int, dict[str, str]] | None = None
        for text in challenges:
            scheme, _, rest = text.partition(" ")
            values = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
            algorithm = values.get("algorithm", "MD5").upper()
            if scheme.lower() == "digest" and algorithm in _HASHES and "nonce" in values:
                rank = 1 + (algorithm == "SHA-256")
            elif scheme.lower() == "basic":
                rank = 0
            else:
                continue
            if best is None or rank > best[0]:
                best = (rank, values | {"scheme": scheme.lower(), "algorithm": algorithm})
        if best is None:
            return False
        again = self._challenge is not None and best[1].get("stale", "").lower() != "true"
        self._challenge, self._count = best[1], 0
        return not again

    def header(self, method: str, uri: str) -> str:
        """The Authorization header's line, or nothing as long as the camera has not asked."""
        ask = self._challenge
        if ask is None or self.username is None:
            return ""
        password = self.password or ""
        if ask["scheme"] == "basic":
            token = base64.b64encode(f"{self.username}:{password}".encode()).decode()
            return f"Authorization: Basic {token}\r\n"

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[ask["algorithm"]], text.encode(), usedforsecurity=False).hexdigest()

        realm, nonce = ask.get("realm", ""), ask["nonce"]
        secret, what = digest(f"{self.username}:{realm}:{password}"), digest(f"{method}:{uri}")
        fields = [f'username="{self.username}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
        if "auth" in [part.strip() for part in ask.get("qop", "").split(",")]:
            self._count += 1
            count, own = f"{self._count:08x}", secrets.token_hex(8)
            fields.append(f'response="{digest(f"{secret}:{nonce}:{count}:{own}:auth:{what}")}"')
            fields += ["qop=auth", f"nc={count}", f'cnonce="{own}"']
        else:
            fields.append(f'response="{digest(f"{secret}:{nonce}:{what}")}"')
        if "opaque" in ask:
            fields.append(f'opaque="{ask["opaque"]}"')
        if ask["algorithm"] != "MD5":
            fields.append(f"algorithm={ask['algorithm']}")
        return f"Authorization: Digest {', '.join(fields)}\r\n"


def request(method: str, uri: str, number: int, login: Login, *lines: str) -> bytes:
    """A request without a body."""
    extra = "".join(f"{line}\r\n" for line in lines)
    text = f"{method} {uri} RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: {AGENT}\r\n"
    return (text + login.header(method, uri) + extra + "\r\n").encode()


@dataclass(frozen=True, slots=True)
class Description:
    """The video of a session description (RFC 4566).

    Attributes:
        codec: ``h264`` or ``hevc``.
        payload_type: of its RTP packets.
        clock: time stamps a second.
        parameter_sets: NAL units, SPS before PPS (VPS first); empty if they only come in the stream.
        setup_uri: what SETUP names.
        play_uri: what PLAY and keep-alive name.
    """

    codec: Codec
    payload_type: int
    clock: int
    parameter_sets: tuple[bytes, ...]
    setup_uri: str
    play_uri: str


def parse_description(text: str, base: str) -> Description:
    """Find the video.

    Args:
        text: the session description.
        base: Content-Base, Content-Location or the address that was asked for.

    Raises:
        SourceProblem: there is no video.
        NotUnderstood: it is of a kind that only FFmpeg reads.
    """
    session: dict[str, str] = {}
    video: dict[str, str] | None = None
    formats: list[str] = []
    attributes = session
    maps: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for line in text.splitlines():
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            words = value.split()
            attributes = {}
            if words and words[0].lower() == "video" and video is None:
                video, formats = attributes, words[3:]
        elif kind == "a":
            name, _, value = value.partition(":")
            attributes.setdefault(name.strip().lower(), value.strip())
            if attributes is video and name in ("rtpmap", "fmtp"):
                number, _, rest = value.strip().partition(" ")
                (maps if name == "rtpmap" else parameters).setdefault(number, rest.strip())
    if video is None:
        raise SourceProblem("unsupported", "the camera sends no video at this address")
    for number in formats:
        encoding, _, clock = maps.get(number, "").partition("/")
        codec = _CODECS.get(encoding.strip().upper())
        if codec is not None and number.isdigit() and int(number) < 128:
            break
    else:
        raise NotUnderstood("this kind of video")
    rate = clock.split("/")[0].strip()
    values = _format_values(parameters.get(number, ""))
    if values.get("packetization-mode") == "2" or values.get("sprop-max-don-diff", "0") != "0":
        raise NotUnderstood("interleaved packets")
    names = ("sprop-parameter-sets",) if codec == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    sets = tuple(unit for name in names for unit in _units(values.get(name, "")))
    aggregate = session.get("control", "*")
    return Description(
        codec=codec,
        payload_type=int(number),
        clock=int(rate) if rate.isdigit() and 0 < int(rate) <= 10_000_000 else 90_000,
        parameter_sets=sets,
        setup_uri=resolve(base, video.get("control", "*")),
        play_uri=resolve(base, aggregate),
    )


def resolve(base: str, control: str) -> str:
    """A control address as cameras mean it: appended to the base, whose last part is no file and whose query stays."""
    if control in ("", "*"):
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    if control.startswith("/") and base.count("/") > 2:
        scheme, _, rest = base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}{control}"
    return base + ("" if base.endswith("/") else "/") + control


def session_of(header: str) -> tuple[str, float]:
    """Identifier and time-out in seconds of a Session header."""
    name, _, rest = header.partition(";")
    found = re.search(r"timeout\s*=\s*(\d{1,6})", rest, re.IGNORECASE)
    return name.strip(), max(5.0, float(found[1])) if found and int(found[1]) else 60.0


def channels_of(transport: str) -> tuple[int, int]:
    """The interleaved channels of a Transport header's answer.

    Raises:
        NotUnderstood: it names none.
    """
    found = re.search(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", transport, re.IGNORECASE)
    if found is None:
        if "tcp" in transport.lower():
            return 0, 1
        raise NotUnderstood("a camera that does not send over the RTSP connection")
    first = int(found[1])
    return first, int(found[2]) if found[2] else first + 1


def _format_values(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _units(text: str) -> list[bytes]:
    units = []
    for part in text.split(","):
        try:
            unit = base64.b64decode(part.strip() + "=" * (-len(part.strip()) % 4))
        except (binascii.Error, ValueError):
            continue
        unit = unit.removeprefix(b"\0\0\0\1").rstrip(b"\0")
        if unit:
            units.append(unit)
    return units
