"""What a zone file says of when a zone counts and for whom it does not. How hours are judged is in `zones.hours`."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from protocol.messages import Ident

VehicleClass = Literal["car", "bus", "truck", "motorcycle", "bicycle"]

DayKind = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "workday", "restday", "holiday"]
"""`workday` and `restday` follow the calendar with its holidays and make-up days; `holiday` is a public holiday."""

ClockTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
"""Time of day, `HH:MM`; `24:00` ends a day."""

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]

PlatePattern = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=16)
]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Window(_Strict):
    """A span of the day on some kinds of days. One that ends before it begins runs over midnight."""

    days: tuple[DayKind, ...] = Field(
        default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        title="Days",
        description="On which days it begins.",
        min_length=1,
    )
    from_: ClockTime = Field(default="00:00", alias="from", title="From", description="Local time of day.")
    to: ClockTime = Field(default="24:00", title="To", description="Local time of day, not included.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.from_ == "24:00":
            raise ValueError("a window cannot begin at 24:00; write 00:00")
        if self.from_ == self.to:
            raise ValueError(
                f"the window is empty: it begins and ends at {self.to}; all day is 00:00 to 24:00"
            )
        return self


class Exemption(_Strict):
    """Whom a zone does not concern. All conditions that are given must hold."""

    reason: _Text = Field(title="Reason", description="Why, in words; stands in the case's history.")
    plates: tuple[PlatePattern, ...] = Field(
        default=(),
        title="Plates",
        description="Plates of services, not of persons; `*` stands for any rest, `?` for one character.",
    )
    permit: Ident | None = Field(
        default=None, title="Permit", description="Name of a permit list, which the box keeps encrypted."
    )
    classes: tuple[VehicleClass, ...] = Field(default=(), title="Classes", description="Only these classes.")
    hours: tuple[Window, ...] = Field(default=(), title="Hours", description="Only in these windows.")
    up_to_s: float | None = Field(
        default=None,
        title="Up to",
        description="Only for the first so many seconds of a stay: time to load, or to let somebody out.",
        gt=0,
        le=86400,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.plates or self.permit or self.classes or self.hours or self.up_to_s):
            raise ValueError(
                "an exemption without any condition would exempt everybody; give one, or remove the zone"
            )
        for pattern in self.plates:
            if not re.search(r"[^*?·\s]", pattern):
                raise ValueError(f"the plate pattern {pattern!r} would exempt every plate")
        return self


class Calendar(_Strict):
    """Which days are holidays and which weekend days are worked."""

    country: Literal["CN", "none"] = Field(
        default="CN",
        title="Country",
        description="Whose public holidays and make-up days; none: plain weekdays.",
    )
    holidays: tuple[date, ...] = Field(
        default=(), title="More holidays", description="Dates that are holidays here as well."
    )
    workdays: tuple[date, ...] = Field(
        default=(), title="More workdays", description="Dates that are worked here as well."
    )
    years: tuple[Annotated[int, Field(ge=2000, le=2200)], ...] = Field(
        default=(),
        title="Years in full",
        description="Years whose holidays and workdays are all listed here, for a year that is not known yet.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        both = set(self.holidays) & set(self.workdays)
        if both:
            raise ValueError(f"{min(both)} is given as holiday and as workday")
        for year in self.years:
            if self.country != "none" and not any(day.year == year for day in self.holidays):
                raise ValueError(f"the year {year} is said to be listed in full, but no holiday of it is")
        return self
