"""Whom a zone does not concern. Pure: what is known of a vehicle goes in, whether it is exempt comes out.

A plate that is not read, or a permit list that is not there, is neither: then it is said that nobody can tell, and
nothing automatic may follow from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from protocol.clock import Millis
from zones.hours import Hours
from zones.rules import Calendar, Exemption

_SEPARATORS = re.compile(r"[\s·•・.\-_]+")


@dataclass(frozen=True, slots=True)
class Who:
    """What is known of a vehicle.

    Attributes:
        vehicle_class: detector class.
        first_ms: when it was first seen at its place.
        plate: its plate, or None where it is not known.
        permits: permit lists that name this plate now -> until when (None: without end).
        missing: permit lists that the box does not have.
    """

    vehicle_class: str
    first_ms: Millis
    plate: str | None = None
    permits: Mapping[str, Millis | None] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Exempt:
    """The zone does not concern the vehicle now.

    Attributes:
        reason: the exemption's own words.
        until_ms: the first instant at which it may be otherwise; None: for good.
        by_vehicle: because of what it is (class, plate or permit), not of the time alone.
    """

    reason: str
    until_ms: Millis | None
    by_vehicle: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can tell: it hangs on a plate that is not known, or on a list that is not there.

    Attributes:
        reason: the exemption's own words.
        needs_plate: whether the plate would tell.
        missing: the permit list that is not there, if that is why.
    """

    reason: str
    needs_plate: bool
    missing: str | None = None


Ruling = Exempt | Unclear | None
"""None: the zone concerns the vehicle."""


def rule(
    exemptions: Iterable[Exemption], who: Who, at_ms: Millis, *, time_zone: str, calendar: Calendar
) -> Ruling:
    """Whether one of a zone's exemptions holds for a vehicle at an instant.

    Of several that hold the one that holds longest is told. Where none holds for sure but one might, that is told: it
    must not be taken for a no. Windows on days whose calendar is not known hold, for they are in the driver's favour.
    """
    holding: list[Exempt] = []
    unclear: Unclear | None = None
    for exemption in exemptions:
        ruling = _rule_one(exemption, who, at_ms, time_zone, calendar)
        if isinstance(ruling, Exempt):
            holding.append(ruling)
        elif unclear is None or (ruling is not None and ruling.missing is not None):
            unclear = ruling
    if holding:
        return max(holding, key=lambda h: (h.until_ms is None, h.until_ms or 0, h.by_vehicle))
    return unclear


def needs_plate(exemptions: Iterable[Exemption], vehicle_class: str) -> bool:
    """Whether an exemption could hang on the plate of a vehicle of this class."""
    return any((e.plates or e.permit) and _is_class(e, vehicle_class) for e in exemptions)


def plate_matches(patterns: Iterable[str], plate: str) -> bool:
    """Whether a plate is one of these: `*` stands for any rest, `?` for one character; separators do not count."""
    text = _plain(plate)
    return any(_compiled(pattern).fullmatch(text) is not None for pattern in patterns)


def _rule_one(exemption: Exemption, who: Who, at_ms: Millis, time_zone: str, calendar: Calendar) -> Ruling:
    if not _is_class(exemption, who.vehicle_class):
        return None
    ends: list[Millis | None] = []
    if exemption.up_to_s is not None:
        over_ms = who.first_ms + round(exemption.up_to_s * 1000)
        if at_ms >= over_ms:
            return None
        ends.append(over_ms)
    if exemption.hours:
        hours = Hours(exemption.hours, time_zone, calendar)
        if hours.counts(at_ms) is False:
            return None
    if exemption.plates:
        if who.plate is None:
            return Unclear(exemption.reason, needs_plate=True)
        if not plate_matches(exemption.plates, who.plate):
            return None
    if exemption.permit is not None:
        if exemption.permit in who.missing:
            return Unclear(exemption.reason, needs_plate=False, missing=exemption.permit)
        if who.plate is None:
            return Unclear(exemption.reason, needs_plate=True)
        if exemption.permit not in who.permits:
            return None
        ends.append(who.permits[exemption.permit])
    if exemption.hours:
        ends.append(hours.span(at_ms).until_ms)
    known = [end for end in ends if end is not None]
    by_vehicle = bool(exemption.plates or exemption.permit or exemption.classes)
    return Exempt(exemption.reason, min(known) if known else None, by_vehicle)


def _is_class(exemption: Exemption, vehicle_class: str) -> bool:
    return not exemption.classes or vehicle_class in exemption.classes


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(sign, re.escape(sign)) for sign in _plain(pattern)), re.DOTALL)


def _plain(text: str) -> str:
    """Upper case, full-width signs narrow, separators gone."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
