"""What can be wrong with a simulated camera, switched while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.errors import PatrolError


class Faults(BaseModel):
    """The faults of one camera at one moment. The default is a healthy camera."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    freeze: bool = Field(
        default=False, description="No more pictures, while the connection stays open and is answered."
    )
    frozen_picture: bool = Field(
        default=False, description="The same picture again and again, with new timestamps."
    )
    black_hole: bool = Field(
        default=False, description="Nothing is sent and nothing answered; the connection stays open."
    )
    refuse: bool = Field(default=False, description="Every request is answered 503 Service Unavailable.")
    deny: bool = Field(default=False, description="Every password is wrong: 401 Unauthorized.")
    codec: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.+-]{1,32}$",
        description="Encoding name that the session description claims instead of the true one.",
    )
    loss_percent: float = Field(
        default=0.0, ge=0, le=100, description="RTP packets lost at random, per cent."
    )
    jitter_ms: float = Field(
        default=0.0, ge=0, le=10_000, description="Each picture is late by up to this many milliseconds."
    )
    clock_offset_s: float = Field(
        default=0.0,
        ge=-1e9,
        le=1e9,
        description="Seconds by which the camera's own clock, as it reports it, is ahead.",
    )
    stall_after_s: float | None = Field(
        default=None,
        ge=0,
        description="Each viewer gets no more pictures this many seconds after it began to play.",
    )


HEALTHY = Faults()


class FaultSwitch:
    """The faults of one camera, to be read and set from any thread.

    Args:
        disconnect: closes every connection that uses the camera; returns how many.
    """

    def __init__(self, disconnect: Callable[[], int]) -> None:
        self.now = HEALTHY
        self._disconnect = disconnect

    def set(self, **changes: Any) -> Faults:
        """Change the named faults, keep the others, and return what now holds.

        Raises:
            PatrolError: there is no such fault, or the value is out of its range.
        """
        try:
            self.now = Faults.model_validate({**self.now.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise PatrolError(
                first["msg"],
                field=f"fault {name}",
                value=changes.get(name),
                mend=f"Faults are {', '.join(Faults.model_fields)}.",
            ) from error
        return self.now

    def clear(self) -> Faults:
        """A healthy camera again."""
        self.now = HEALTHY
        return self.now

    def drop(self) -> int:
        """Break every connection that uses this camera, as a power cut would. Returns how many there were."""
        return self._disconnect()
