"""Whether a warning may be sent now: hours of rest, limits, opt-outs, foreign numbers. Pure: facts in, verdict out.

What is counted and looked up is brought by whoever keeps the ledger: the centre, or a box that sends by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from protocol.clock import Millis

ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
"""Time of day, `HH:MM`; `24:00` ends a day."""

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

RefusalCode = Literal[
    "opted_out", "foreign_number", "quiet_hours", "number_limit", "agent_limit", "day_limit", "warned_before"
]

SAYINGS: dict[RefusalCode, str] = {
    "opted_out": "the owner has opted out",
    "foreign_number": "the owner's number is a foreign one",
    "quiet_hours": "no messages are sent at this hour",
    "number_limit": "this number has had its messages of the day",
    "agent_limit": "this box has asked for too many messages within an hour",
    "day_limit": "the messages of the day are used up",
    "warned_before": "already warned in this street",
}
"""Why nobody was told, in words that end in the case's history."""


class QuietWindow(BaseModel):
    """A span of the day in which nobody is written to. One that ends before it begins runs over midnight."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    from_: ClockTime = Field(alias="from", title="From", description="Local time of day.")
    to: ClockTime = Field(title="To", description="Local time of day, not included.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.from_ == "24:00":
            raise ValueError("a window cannot begin at 24:00; write 00:00")
        if self.from_ == self.to:
            raise ValueError(
                f"the window is empty: it begins and ends at {self.to}; all day is 00:00 to 24:00"
            )
        return self

    def end_after(self, at: datetime) -> datetime | None:
        """When the window that covers this local instant ends, or None if it covers it not."""
        for day in (at.date() - timedelta(days=1), at.date()):
            begins, ends = _moment(day, self.from_, at), _moment(day, self.to, at)
            if ends <= begins:
                ends = _moment(day + timedelta(days=1), self.to, at)
            if begins <= at < ends:
                return ends
        return None


class NoticePolicy(BaseModel):
    """When, to whom and how often warnings are sent. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet: tuple[QuietWindow, ...] = Field(
        default=(),
        title="Quiet hours",
        description="When nobody is written to; empty: never quiet.",
        max_length=10,
    )
    quiet_then: Literal["refuse", "hold"] = Field(
        default="refuse",
        title="In quiet hours",
        description="refuse: nobody is told, and the zone's policy says what follows. hold: the message waits for "
        "the end of the quiet hours and is sent if the vehicle still stands there.",
    )
    foreign: Literal["refuse", "send"] = Field(
        default="refuse",
        title="Foreign numbers",
        description="Whether numbers of other countries are written to.",
    )
    home: tuple[Annotated[str, StringConstraints(pattern=r"^\+[1-9]\d{0,3}$")], ...] = Field(
        default=("+86",), title="Home", description="Country codes that are not foreign.", min_length=1
    )
    per_number_per_day: int = Field(
        default=5,
        title="Per number",
        description="Messages to one number within 24 hours; 0: no limit.",
        ge=0,
        le=1000,
    )
    per_agent_per_hour: int = Field(
        default=600,
        title="Per box",
        description="Messages that one box may cause within an hour, against a box run wild; 0: no limit.",
        ge=0,
        le=1_000_000,
    )
    segments_per_day: int = Field(
        default=0,
        title="Per day",
        description="Segments within 24 hours, all boxes together, a limit to the cost; 0: no limit.",
        ge=0,
        le=100_000_000,
    )
    price_per_segment: float = Field(
        default=0.0,
        title="Price",
        description="Price of a segment, for gateways that do not say what a message cost.",
        ge=0,
        le=1000,
    )
    currency: str = Field(
        default="CNY", pattern=r"^[A-Z]{3}$", title="Currency", description="Of that price, ISO 4217."
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about a message that is about to be sent.

    Args:
        now_ms: the moment, UTC milliseconds.
        phone: the number, E.164.
        opted_out: whether the number wants no messages.
        to_number: messages to this number within the last 24 hours.
        by_agent: messages that the box caused within the last hour.
        segments_today: segments sent within the last 24 hours by all.
        warned_before: whether this plate was warned in this street within the zone's time.
    """

    now_ms: Millis
    phone: str = field(repr=False)
    opted_out: bool = False
    to_number: int = 0
    by_agent: int = 0
    segments_today: int = 0
    warned_before: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """It may be sent."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It will not be sent."""

    code: RefusalCode

    @property
    def reason(self) -> str:
        """In words."""
        return SAYINGS[self.code]


@dataclass(frozen=True, slots=True)
class Hold:
    """It waits until an instant, UTC milliseconds."""

    until_ms: Millis
    reason: str


Verdict = Send | Refuse | Hold


def judge(policy: NoticePolicy, standing: Standing, time_zone: ZoneInfo) -> Verdict:
    """What becomes of a message. A refusal that will not change goes before one that waiting would mend."""
    if standing.opted_out:
        return Refuse("opted_out")
    if standing.warned_before:
        return Refuse("warned_before")
    if policy.foreign == "refuse" and not standing.phone.startswith(policy.home):
        return Refuse("foreign_number")
    if 0 < policy.per_number_per_day <= standing.to_number:
        return Refuse("number_limit")
    if 0 < policy.segments_per_day <= standing.segments_today:
        return Refuse("day_limit")
    if 0 < policy.per_agent_per_hour <= standing.by_agent:
        return Refuse("agent_limit")
    until_ms = quiet_until(policy.quiet, standing.now_ms, time_zone)
    if until_ms is None:
        return Send()
    if policy.quiet_then == "refuse":
        return Refuse("quiet_hours")
    local = datetime.fromtimestamp(until_ms / 1000, UTC).astimezone(time_zone)
    return Hold(until_ms, f"the message waits until {local:%H:%M}")


def quiet_until(windows: tuple[QuietWindow, ...], now_ms: Millis, time_zone: ZoneInfo) -> Millis | None:
    """When the quiet hours that cover this instant end, windows that touch taken together; None outside of them.

    Windows that cover the whole day are left after a day.
    """
    at = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(time_zone)
    last = at + timedelta(days=1)
    end: datetime | None = None
    while end is None or end < last:
        later = max((e for w in windows if (e := w.end_after(end or at)) is not None), default=None)
        if later is None:
            break
        end = later
    return None if end is None else round(end.astimezone(UTC).timestamp() * 1000)


def _moment(day: date, text: str, like: datetime) -> datetime:
    """A local time of day; where the clocks skip it, the moment after the gap."""
    if text == "24:00":
        day, text = day + timedelta(days=1), "00:00"
    local = datetime.combine(day, time.fromisoformat(text), tzinfo=like.tzinfo)
    return local.astimezone(UTC).astimezone(like.tzinfo)


# Opt-out words. Carriers of the mainland know TD and T; Twilio's own list is STOP and its kin.

_STOP = frozenset({"TD", "T", "N", "退订", "拒收", "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START = frozenset({"START", "UNSTOP", "YES", "恢复", "订阅", "恢复订阅"})
_DECORATION = re.compile(r"[\s,.!?;:'\"。，！？；：、“”‘’()（）\[\]【】]+")


def heard(text: str) -> Literal["stop", "start"] | None:
    """What an answer to a warning asks for; only the bare words count, so that a sentence that holds one does not."""
    word = _DECORATION.sub("", text).upper()
    if word in _STOP:
        return "stop"
    return "start" if word in _START else None
