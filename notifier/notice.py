"""The text of the one warning that an owner gets, and how many SMS segments it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, PackageLoader, StrictUndefined

from notifier.masking import mask_plate
from notifier.wording import fill, said_bays
from protocol.clock import Millis
from protocol.errors import PatrolError

Language = Literal["zh-Hans", "en", "zh-Hans+en"]
"""Language of a notice; the last is both, Chinese first."""

LANGUAGES: tuple[Language, ...] = ("zh-Hans", "en", "zh-Hans+en")

WHOLE_MINUTES_MS = 300_000
"""From this time to leave on a deadline is told in whole minutes; a shorter one would lose too much of itself."""

# GSM 03.38 (3GPP TS 23.038, section 6.2.1): the default alphabet, and what is reached by an escape.
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


class Segments(NamedTuple):
    """Size of an SMS: `units` are septets of GSM-7 (an escaped character takes two) or 16-bit units of UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def segments(text: str) -> Segments:
    """Encoding, units and number of segments of a text as a phone network counts them.

    One segment holds 160 septets or 70 UCS-2 units; each of several holds 153 or 67, for the header that joins
    them takes six bytes. An escaped character or a surrogate pair is never split between segments.
    """
    if all(sign in _GSM_BASIC or sign in _GSM_EXTENDED for sign in text):
        sizes = [2 if sign in _GSM_EXTENDED else 1 for sign in text]
        return Segments("GSM-7", sum(sizes), _count(sizes, 160, 153))
    sizes = [2 if ord(sign) > 0xFFFF else 1 for sign in text]
    return Segments("UCS-2", sum(sizes), _count(sizes, 70, 67))


def _count(sizes: Sequence[int], single: int, joined: int) -> int:
    if sum(sizes) <= single:
        return 1
    number, room = 1, joined
    for size in sizes:
        if size > room:
            number, room = number + 1, joined
        room -= size
    return number


@dataclass(frozen=True, slots=True)
class Bay:
    """A free place nearby: its name and the distance in metres."""

    name: str
    distance_m: float


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """What a warning says.

    Args:
        plate: in full; the text shows it masked.
        place: where, in words for a person.
        deadline_ms: when the vehicle must be gone, UTC milliseconds; from `told_deadline`. Seconds are shown only
            where there are any.
        time_zone: IANA name of the place's time zone, e.g. ``Asia/Shanghai``.
        reference: what the driver quotes and what finds the message again, see `notifier.sms.reference`.
        sender: who writes, e.g. the sub-district's name.
        link: page with picture, deadline and bays, if there is one.
        bays: free places nearby, nearest first.
        opt_out: what to answer to get no more messages, e.g. ``TD``; empty if the gateway offers none.
    """

    plate: str = field(repr=False)
    place: str
    deadline_ms: Millis
    time_zone: str
    reference: str
    sender: str = ""
    link: str | None = None
    bays: tuple[Bay, ...] = ()
    opt_out: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A finished text with its size, and the words that went into it, for gateways with templates of their own."""

    text: str
    size: Segments
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


def told_deadline(now_ms: Millis, grace_ms: int) -> Millis:
    """The deadline that a text written now may name: never later than the end of a clock that starts now or later.

    Rounded down to the minute, since a text shows no seconds; to the second where the whole time is short.
    """
    unit = 60_000 if grace_ms >= WHOLE_MINUTES_MS else 1_000
    return (now_ms + grace_ms) // unit * unit


def render(
    facts: NoticeFacts, language: Language = "zh-Hans", wording: Mapping[str, str] | None = None
) -> Notice:
    """Write the warning.

    Args:
        facts: what it says.
        language: in which; two are joined by +.
        wording: language -> words of the jurisdiction's own (`notifier.wording`); those of the distribution elsewhere.

    Raises:
        PatrolError: the time zone or the language is unknown.
    """
    try:
        zone = ZoneInfo(facts.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PatrolError(
            "is no known time zone",
            field="time_zone",
            value=facts.time_zone,
            mend="Use a name like Asia/Shanghai.",
        ) from error
    if language not in LANGUAGES:
        raise PatrolError(
            "is no known language", field="language", value=language, mend="Use zh-Hans, en or zh-Hans+en."
        )
    deadline = datetime.fromtimestamp(facts.deadline_ms // 1000, UTC).astimezone(zone)
    values: dict[str, Any] = {
        "plate": mask_plate(facts.plate),
        "place": facts.place,
        "deadline": f"{deadline:%H:%M:%S}" if deadline.second else f"{deadline:%H:%M}",
        "reference": facts.reference,
        "sender": facts.sender,
        "link": facts.link,
        "bays": [{"name": bay.name, "metres": _rounded(bay.distance_m)} for bay in facts.bays],
        "opt_out": facts.opt_out,
    }
    texts = [_text(values, one, (wording or {}).get(one, "")) for one in language.split("+")]
    text = "\n".join(" ".join(part.split()) for part in texts)
    words = {name: value for name, value in values.items() if isinstance(value, str)}
    words["bays"] = "、".join(f"{bay['name']}{bay['metres']}m" for bay in values["bays"])
    return Notice(text, segments(text), words)


def _text(values: dict[str, Any], language: str, own: str) -> str:
    if not own:
        return _environment().get_template(f"{language}/notice.j2").render(values)
    bays = [(bay["name"], bay["metres"]) for bay in values["bays"]]
    words = {name: value or "" for name, value in values.items() if name != "bays"}
    return fill(own, {**words, "bays": said_bays(bays, language)})


def _rounded(metres: float) -> int:
    """Distances as people say them: to 10 m."""
    return max(10, round(metres / 10) * 10)


@cache
def _environment() -> Environment:
    # Not HTML: an SMS is plain text, escaping would put entities on the phone.
    return Environment(
        loader=PackageLoader("notifier"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )
