"""What the law or the sub-district promises for a kind of case: how long, in which time, counted between which states.

Pure data: read from the definition of a service, without a database.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ClockKind", "ClockRule", "DayEnds", "Unit"]

ClockKind = Literal["response", "reply", "resolution"]
"""Somebody goes there; the reporter hears something; the matter is mended. Each has its own clock."""

Unit = Literal["minutes", "hours", "working_minutes", "working_hours", "working_days"]
"""Plain time, or the working time of the jurisdiction's calendar."""

DayEnds = Literal["close", "same_hour"]
"""What "three working days" means. `close`: the day of the start is not counted, and the third working day after it ends
the promise with its close of business (Civil Code of the PRC, articles 201 and 203; so do permits, penalties and
hotlines count). `same_hour`: three working days later at the same point of the working day."""


class ClockRule(BaseModel):
    """One promise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ClockKind
    amount: float = Field(gt=0, le=100_000, description="How much time, in `unit`.")
    unit: Unit
    warn_after: float | None = Field(
        default=None, gt=0, description="When to warn, in `unit` from the start; none warns nobody."
    )
    starts_in: tuple[str, ...] = Field(
        min_length=1, description="States of the process that start the clock."
    )
    stops_in: tuple[str, ...] = Field(min_length=1, description="States that end it: the promise is kept.")
    pauses_in: tuple[str, ...] = Field(default=(), description="States in which it stands still.")
    days: DayEnds = Field(default="close", description="What a working day is; only for working_days.")
    escalate: bool = Field(default=True, description="Whether a breach goes to the grid above.")
    escalate_every: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        description="Time, in `unit`, after which it goes a grid higher; none: `amount`.",
    )

    @model_validator(mode="after")
    def _sane(self) -> ClockRule:
        if self.warn_after is not None and self.warn_after >= self.amount:
            raise ValueError("warn_after must lie before amount")
        for one, other in (("starts_in", "stops_in"), ("starts_in", "pauses_in"), ("stops_in", "pauses_in")):
            both = set(getattr(self, one)) & set(getattr(self, other))
            if both:
                raise ValueError(f"{sorted(both)[0]!r} is in {one} and in {other}")
        return self
