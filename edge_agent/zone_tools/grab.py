"""One picture from wherever a camera's pictures come from."""

from __future__ import annotations

from edge_agent.frames import Frame
from edge_agent.ingest import SourceConfig, open_recording, open_source
from protocol.clock import Clock, SystemClock
from protocol.errors import PatrolError, UnavailableError

_FINAL = frozenset({"unauthorised", "unsupported"})
"""States that waiting does not mend."""

_STEP_S = 0.25


def grab(camera_id: str, config: SourceConfig, *, timeout_s: float = 30, clock: Clock | None = None) -> Frame:
    """The first picture of a recording, or the next one of a camera.

    Args:
        camera_id: stands in the frame.
        config: where it is. Credentials in it are never shown.
        timeout_s: how long a camera is waited for, seconds.
        clock: the machine's clocks.

    Raises:
        PatrolError: the recording is missing or damaged, or the password is not where it should be.
        UnavailableError: the camera does not answer, refuses the password, or sends nothing that can be decoded.
    """
    if not config.is_camera:
        for frame in open_recording(camera_id, config).frames():
            return frame
        raise PatrolError("holds no picture", file=config.url, mend="Give another recording, or a still.")
    clock = clock or SystemClock()
    source = open_source(camera_id, config, clock=clock)
    source.start()
    try:
        source.request_now()
        end = clock.monotonic_ms() + round(timeout_s * 1000)
        while True:
            found = source.take(_STEP_S)
            if found is not None:
                return found
            health = source.health()
            if health.state in _FINAL or clock.monotonic_ms() >= end:
                raise UnavailableError(
                    f"no picture: {health.state}" + (f", {health.reason}" if health.reason else ""),
                    field=config.url,
                    mend="Check user name and password."
                    if health.state == "unauthorised"
                    else "Check that the camera is on and the address is right.",
                )
    finally:
        source.stop()
