"""The Transport header of SETUP (RFC 2326, 12.39): what a client offers and what is chosen of it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True)
class Chosen:
    """How one session's packets travel.

    Args:
        pair: interleaved channels over TCP, or the client's ports over UDP; RTP first, RTCP second.
        interleaved: over the RTSP connection itself.
    """

    pair: tuple[int, int]
    interleaved: bool


def choose(header: str, taken: Container[int]) -> Chosen | None:
    """The first of the offered transports that can be served, or None (461).

    Args:
        header: the Transport header's value.
        taken: interleaved channels that other sessions of the connection use.
    """
    for offer in header.split(","):
        profile, *fields = (part.strip() for part in offer.split(";"))
        values = {name.lower(): value for name, _, value in (part.partition("=") for part in fields)}
        if values.get("mode", "PLAY").strip('"').upper() != "PLAY" or "multicast" in values:
            continue
        profile = profile.upper()
        if profile == "RTP/AVP/TCP":
            pair = _pair(values.get("interleaved"), 255) if "interleaved" in values else _free(taken)
            if pair is not None and pair[0] not in taken and pair[1] not in taken:
                return Chosen(pair, interleaved=True)
        elif profile in ("RTP/AVP", "RTP/AVP/UDP"):
            pair = _pair(values.get("client_port"), 65_535)
            if pair is not None and pair[0] > 0:
                return Chosen(pair, interleaved=False)
    return None


def _pair(text: str | None, most: int) -> tuple[int, int] | None:
    first, dash, second = (text or "").partition("-")
    if not (_number(first) and (_number(second) or not dash)):
        return None
    pair = (int(first), int(second) if dash else int(first) + 1)
    return pair if pair[0] != pair[1] and max(pair) <= most else None


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def _free(taken: Container[int]) -> tuple[int, int] | None:
    return next(((c, c + 1) for c in range(0, 255, 2) if c not in taken and c + 1 not in taken), None)
