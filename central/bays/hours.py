"""When a bay is open, as its entity says: schema.org's `openingHours` (also as OpenStreetMap writes it) and
`openingHoursSpecification`, which NGSI-LD's parking models take over. Pure.

They are kept as rules (`read_hours`), each a window of `zones.rules` and the days from and until which it is valid, and
judged by the clock on the wall of the bay's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from protocol.clock import Millis
from zones.hours import Hours
from zones.rules import Calendar, DayKind, Window

Rule = dict[str, Any]
"""`days`, `from`, `to` as a `Window` has them; `valid_from`, `valid_to` (both included), ISO 8601 dates, where given."""

_DAYS: tuple[DayKind, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHORT: dict[str, DayKind] = {day[:2]: day for day in _DAYS} | {"ph": "holiday"}
_LONG: dict[str, DayKind] = {
    "monday": "mon", "tuesday": "tue", "wednesday": "wed", "thursday": "thu", "friday": "fri", "saturday": "sat",
    "sunday": "sun", "publicholidays": "holiday",
}  # fmt: skip
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\Z|24:00(?::00)?\Z")
_TEXT = re.compile(
    r"(?P<days>[A-Za-z][A-Za-z,\- ]*?)?\s*(?P<times>\d\d:\d\d\s*-\s*\d\d:\d\d(?:\s*,\s*\d\d:\d\d\s*-\s*\d\d:\d\d)*)?\Z"
)
_MOST = 100


def read_hours(texts: Any, specifications: Any) -> list[Rule] | None:
    """The rules of an entity; None where it says nothing: then it is always open.

    Args:
        texts: value of `openingHours`: one text or several.
        specifications: value of `openingHoursSpecification`: one object or several.

    Raises:
        ValueError: what is said is not understood.
    """
    rules: list[Rule] = []
    for text in _several(texts, str):
        for part in re.split(r"\s*;\s*", text.strip(" ;")):
            rules += _of_text(part)
    for each in _several(specifications, Mapping):
        rules += _of_specification(each)
    if len(rules) > _MOST:
        raise ValueError(f"{len(rules)} windows are said, at most {_MOST} are taken")
    return rules or None


def write_hours(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """The rules as `openingHoursSpecification`."""
    names = {short: f"https://schema.org/{name.capitalize()}" for name, short in _LONG.items()}
    names["holiday"] = "https://schema.org/PublicHolidays"
    return [
        {
            "dayOfWeek": [names[day] for day in rule["days"]],
            "opens": rule["from"],
            "closes": "23:59" if rule["to"] == "24:00" else rule["to"],
            **({"validFrom": rule["valid_from"]} if "valid_from" in rule else {}),
            **({"validThrough": rule["valid_to"]} if "valid_to" in rule else {}),
        }
        for rule in rules
    ]


def open_throughout(rules: Sequence[Rule] | None, start_ms: Millis, end_ms: Millis, time_zone: str) -> bool:
    """Whether a bay is open from one instant to another without a pause. Where a day's kind is not known: no.

    Args:
        rules: from `read_hours`.
        start_ms: UTC milliseconds.
        end_ms: not before it.
        time_zone: of the bay's place.
    """
    if rules is None:
        return True
    zone = ZoneInfo(time_zone)
    days = [datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat() for at_ms in (start_ms, end_ms)]
    valid = tuple(
        (tuple(rule["days"]), rule["from"], rule["to"])
        for rule in rules
        if all((rule.get("valid_from") or "") <= day <= (rule.get("valid_to") or "9") for day in days)
    )
    if not valid:
        return False
    span = _hours(valid, time_zone).span(start_ms)
    return span.counts is True and (span.until_ms is None or span.until_ms >= end_ms)


@lru_cache(maxsize=1024)
def _hours(windows: tuple[tuple[tuple[DayKind, ...], str, str], ...], time_zone: str) -> Hours:
    made = tuple(Window.model_validate({"days": d, "from": f, "to": t}) for d, f, t in windows)
    return Hours(made, time_zone, Calendar())


def _several(value: Any, kind: type) -> Iterable[Any]:
    found = [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(each, kind) for each in found):
        raise ValueError("must be one of its kind or a list of them")
    return found


def _of_text(text: str) -> list[Rule]:
    if text == "24/7":
        return [_rule(_DAYS, "00:00", "24:00")]
    found = _TEXT.match(text)
    if not text or found is None:
        raise ValueError(f"{text[:40]!r} is not understood; write e.g. Mo-Fr 08:00-20:00")
    days = _days(found["days"]) if found["days"] else _DAYS
    times = re.split(r"\s*,\s*", found["times"]) if found["times"] else ["00:00-24:00"]
    return [_rule(days, *(part.strip() for part in time.split("-"))) for time in times]


def _days(text: str) -> tuple[DayKind, ...]:
    found: dict[DayKind, None] = {}
    for part in text.replace(" ", "").lower().split(","):
        first, dash, last = part.partition("-")
        if first not in _SHORT or (dash and last not in _SHORT) or (dash and "ph" in (first, last)):
            raise ValueError(f"{text.strip()[:40]!r} names no days; days are Mo, Tu, We, Th, Fr, Sa, Su, PH")
        if not dash:
            found[_SHORT[first]] = None
            continue
        begin, end = _DAYS.index(_SHORT[first]), _DAYS.index(_SHORT[last])
        for number in range(begin, end + 1 if end >= begin else end + 8):
            found[_DAYS[number % 7]] = None
    return tuple(found)


def _of_specification(body: Mapping[str, Any]) -> list[Rule]:
    named = _several(body.get("dayOfWeek"), str)
    days = []
    for name in named:
        short = name.rpartition("/")[2].lower()
        if short not in _LONG:
            raise ValueError(f"dayOfWeek {name[:40]!r} is no day")
        days.append(_LONG[short])
    opens, closes = body.get("opens", "00:00"), body.get("closes", "24:00")
    if not isinstance(opens, str) or not isinstance(closes, str):
        raise ValueError("opens and closes are times of day, e.g. 08:00")
    valid = {
        key: _date(body[name], name)
        for key, name in (("valid_from", "validFrom"), ("valid_to", "validThrough"))
        if body.get(name) is not None
    }
    return [_rule(tuple(days) or _DAYS, opens, closes) | valid]


def _rule(days: tuple[DayKind, ...], opens: str, closes: str) -> Rule:
    begin, end = _time(opens), _time(closes)
    if begin == "24:00":
        begin = "00:00"
    # 23:59 is how many say midnight, and so is 00:00.
    if end in ("23:59", "00:00"):
        end = "24:00"
    if begin == end:
        raise ValueError(f"opens and closes at {begin}; all day is 00:00 to 24:00")
    return {"days": list(days), "from": begin, "to": end}


def _time(text: str) -> str:
    if not _TIME.match(text):
        raise ValueError(f"{text[:20]!r} is no time of day, e.g. 08:00")
    return text[:5]


def _date(value: Any, name: str) -> str:
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise ValueError(f"{name} {str(value)[:20]!r} is no date, e.g. 2026-01-31") from None
