"""Why a camera gives no pictures, in words for the person who mends it. Holds no address and no credential."""

from __future__ import annotations

import errno
import os
from typing import Literal

import av.error

SourceState = Literal[
    "connecting", "live", "stalled", "frozen", "unauthorised", "unreachable", "unsupported", "ended"
]


class SourceProblem(Exception):
    """A connection that did not work or has ended.

    Args:
        state: the camera's new state.
        reason: what happened and, where it is known, what to do.
    """

    def __init__(self, state: SourceState, reason: str) -> None:
        super().__init__(reason)
        self.state: SourceState = state
        self.reason = reason


def connection_problem(
    error: Exception,
    *,
    has_credentials: bool,
    transport: str,
    encrypted: bool,
    waited_s: float,
    limit_s: float,
) -> SourceProblem:
    """What a failed attempt to connect means. FFmpeg's own text is not used: it quotes the address.

    Args:
        error: what PyAV raised.
        has_credentials: whether a user name was offered.
        transport: the transport asked for.
        encrypted: whether TLS was asked for.
        waited_s: how long the attempt took, seconds.
        limit_s: the limit on one wait that was set, seconds. FFmpeg reports a wait that ran out in several ways.
    """
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            if has_credentials:
                return SourceProblem("unauthorised", "the camera refused the user name or password")
            return SourceProblem("unauthorised", "the camera asks for a user name and password")
        case av.error.HTTPNotFoundError():
            return SourceProblem(
                "unreachable", "the camera has no stream at this path (404): check the address"
            )
        case av.error.HTTPClientError() | av.error.HTTPServerError():
            return SourceProblem("unreachable", "the camera refused to play the stream")
        case av.error.ExitError() | TimeoutError():
            return SourceProblem("unreachable", f"the camera did not answer within {waited_s:.0f} s")
        case ConnectionRefusedError():
            return SourceProblem(
                "unreachable", "connection refused: check the port, or the camera is starting"
            )
        case (
            av.error.DecoderNotFoundError()
            | av.error.DemuxerNotFoundError()
            | av.error.ProtocolNotFoundError()
            | av.error.PatchWelcomeError()
        ):
            return SourceProblem("unsupported", "this kind of stream cannot be read")
    if waited_s >= limit_s:
        return SourceProblem("unreachable", f"the camera did not answer within {waited_s:.0f} s")
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EPROTONOSUPPORT:
        return SourceProblem("unsupported", f"the camera does not offer {transport}: change transport")
    if number == errno.EIO and encrypted:
        return SourceProblem(
            "unreachable", "no TLS connection: the certificate is not trusted (see tls_ca_file), or it broke"
        )
    if number == errno.EIO:
        return SourceProblem("unreachable", "no answer: the host name is unknown or the connection broke")
    if number is not None and number > 0:
        return SourceProblem("unreachable", os.strerror(number).lower())
    return SourceProblem("unreachable", "the answer is not RTSP: check address and port")


def reading_problem(error: Exception, stalled_after_s: float) -> SourceProblem:
    """What a failure in the middle of a stream means."""
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return SourceProblem("stalled", f"nothing received for {stalled_after_s:.0f} s")
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and 0 < number < 1000:
        return SourceProblem("unreachable", f"the connection broke: {os.strerror(number).lower()}")
    return SourceProblem("unreachable", "the connection broke")
