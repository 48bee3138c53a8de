"""What agents say in English - why, reasons, retractions - in the reader's language.

An agent sends its words as text, because they belong to the evidence as they were said. They are stored as they
came and put into the reader's language where they are shown; words that are not known here are shown as they are.
Most messages are the agent's own English, so that in English little changes but codes, which become words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from central.cases.states import Result

EXACT = {
    # The zones: where a vehicle stands.
    "its footprint touches no forbidden zone": _("its footprint touches no forbidden zone"),
    # The case: its steps, and how a stay ends.
    "the clock ended": _("the clock ended"),
    "no picture proved that the vehicle is still there or gone": _(
        "no picture proved that the vehicle is still there or gone"
    ),
    "the camera could not tell; nothing follows": _("the camera could not tell; nothing follows"),
    "the vehicle left": _("the vehicle left"),
    "another vehicle stands there now": _("another vehicle stands there now"),
    "it is the vehicle of an older stay, seen again": _("it is the vehicle of an older stay, seen again"),
    "the vehicle moved out of the zone": _("the vehicle moved out of the zone"),
    "no answer came whether the warning went out": _("no answer came whether the warning went out"),
    "the answer to the warning was noted": _("the answer to the warning was noted"),
    "the warning went out only now; the time that it gives is not over": _(
        "the warning went out only now; the time that it gives is not over"
    ),
    "standing is allowed there at this hour": _("standing is allowed there at this hour"),
    "the zone's hours ended": _("the zone's hours ended"),
    "the zone's hours ended; nothing follows": _("the zone's hours ended; nothing follows"),
    "lost": _("the camera lost sight of the vehicle"),
    "passing": _("the vehicle was only passing"),
    # The plate.
    "the plate could not be read": _("the plate could not be read"),
    "plates are not read here": _("plates are not read here"),
    "no plate in view": _("no plate in view"),
    "the plate was read only once": _("the plate was read only once"),
    "the readings of the plate contradict one another": _("the readings of the plate contradict one another"),
    "the plate could not be read surely enough": _("the plate could not be read surely enough"),
    # The owner.
    "not_found": _("no owner is known for this plate"),
    "ambiguous": _("several owners are known for this plate"),
    "opted_out": _("the owner wants no messages"),
    "no_directory": _("there is no directory of owners here"),
    # The rules of sending.
    "the owner has opted out": _("the owner has opted out"),
    "the owner's number is a foreign one": _("the owner's number is a foreign one"),
    "no messages are sent at this hour": _("no messages are sent at this hour"),
    "this number has had its messages of the day": _("this number has had its messages of the day"),
    "this box has asked for too many messages within an hour": _(
        "this box has asked for too many messages within an hour"
    ),
    "the messages of the day are used up": _("the messages of the day are used up"),
    "already warned in this street": _("already warned in this street"),
    "the message waits": _("the message waits"),
    # The warning that was not sent.
    "the centre does not take the request": _("the centre does not take the request"),
    "the gateway has a trouble of its own": _("the gateway has a trouble of its own"),
    "no template for this language": _("the gateway has no template for this language"),
    "refused": _("the gateway refused the message"),
    "no SMS gateway is configured": _("no SMS gateway is configured"),
    "not sent in time": _("not sent in time"),
    "no answer": _("no answer"),
    "an internal error; see the log": _("an internal error; see the log"),
    "the gateway does not have it": _("the gateway does not have it"),
    "invalid_number": _("the phone number is not valid"),
    "number_not_reachable": _("the phone number cannot be reached"),
    "unreachable": _("the phone cannot be reached"),
    "short_code": _("the phone number is a short code"),
    "sender_is_recipient": _("sender and recipient are the same number"),
    "number_without_sms": _("the phone number takes no SMS"),
    "region_not_allowed": _("the account may not write to this region"),
    "empty_text": _("the message was empty"),
    "text_too_long": _("the message was too long"),
    "number_not_verified": _("the phone number is not verified with the gateway"),
    "no_route": _("there is no way to this phone number"),
    "not_a_mobile": _("the phone number is not a mobile"),
    "landline": _("the phone number is a landline"),
    "blocked": _("the message was blocked"),
    "unknown_number": _("the phone number does not exist"),
    "filtered_by_carrier": _("the carrier filtered the message"),
    "not_delivered": _("the message was not delivered"),
    "failed": _("the message was not delivered"),
    "undelivered": _("the message was not delivered"),
    "canceled": _("the gateway cancelled the message"),
    "sender_not_registered": _("the sender is not registered with the carrier"),
    "expired": _("the message expired at the gateway"),
    "daily_limit": _("the gateway's daily limit was reached"),
    "too many requests": _("the gateway is asked too often"),
    "the sender's queue is full": _("the sender's queue is full"),
    "the account's queue is full": _("the account's queue is full"),
    "no answer in time": _("no answer in time"),
    "no connection in time": _("no connection in time"),
    "the connection failed": _("the connection failed"),
    "the gateway's answer names no message": _("the gateway's answer names no message"),
    "too many messages to this number to look through": _("too many messages to this number to look through"),
}
"""The agent's words -> the message for people."""

_ZONE = r"[\w.-]+"
_SHARE = r"\d+%"
_AREA = r"\d+\.\d"

PATTERNS = tuple(
    (re.compile(pattern, re.DOTALL), message)
    for pattern, message in (
        # The zones. The exceptions first: the plain form is their beginning.
        (
            rf"(?P<why>.+), but (?P<share>{_SHARE}) is in an ignored place",
            _("%(why)s, but %(share)s is in an ignored place"),
        ),
        (
            rf"(?P<why>.+), but (?P<share>{_SHARE}) is in (?P<zone>{_ZONE}), where standing is allowed",
            _("%(why)s, but %(share)s is in %(zone)s, where standing is allowed"),
        ),
        (
            rf"(?P<share>{_SHARE}) of its footprint is in zone (?P<zone>{_ZONE}), needs (?P<needed>{_SHARE})",
            _("%(share)s of its footprint is in zone %(zone)s, needs %(needed)s"),
        ),
        (
            rf"(?P<why>.+) \((?P<part>{_AREA}) m² of (?P<whole>{_AREA}) m²\)",
            _("%(why)s (%(part)s m² of %(whole)s m²)"),
        ),
        # The rules of time, and who is exempt.
        (
            r"the zone's hours ended at (?P<time>\d\d:\d\d); nothing follows",
            _("the zone's hours ended at %(time)s; nothing follows"),
        ),
        (r"exempt: (?P<why>.+)", _("exempt: %(why)s")),
        (
            r"the permit list (?P<list>[\w.-]+) is not on this box",
            _("the permit list %(list)s is not on this box"),
        ),
        # The case.
        (r"stood for (?P<seconds>\S+) s; (?P<why>.+)", _("stood for %(seconds)s s; %(why)s")),
        (r"warned; (?P<seconds>\S+) s to leave", _("warned; %(seconds)s s to leave")),
        (r"the same vehicle is still there; (?P<why>.+)", _("the same vehicle is still there; %(why)s")),
        (
            r"the same vehicle is followed in case (?P<case>\S+)",
            _("the same vehicle is followed in case %(case)s"),
        ),
        (
            r"already warned in this street, in case (?P<case>\S+)",
            _("already warned in this street, in case %(case)s"),
        ),
        (r"the message waits until (?P<time>\d\d:\d\d)", _("the message waits until %(time)s")),
        (r"nobody could be told: (?P<why>.+)", _("nobody could be told: %(why)s")),
        (r"officer: (?P<result>\w+)", _("officer: %(result)s")),
        (r"outcome (?P<result>\w+) noted", _("the officer's outcome was noted: %(result)s")),
        # After the words that may hold it.
        (
            r"(?P<why>.+); whether it is exempt could not be told",
            _("%(why)s; whether it is exempt could not be told"),
        ),
        # The warning that was not sent.
        (
            r"nobody knows whether the warning went out: (?P<why>.+)",
            _("nobody knows whether the warning went out: %(why)s"),
        ),
        (r"outcome unknown and owner (?P<why>.+)", _("its outcome is unknown, and %(why)s")),
        (r"gave up looking: (?P<why>.+)", _("gave up looking for it: %(why)s")),
        (r"gave up: (?P<why>.+)", _("gave up: %(why)s")),
        (
            r"the directory of owners does not answer: (?P<cause>.+)",
            _("the directory of owners does not answer: %(cause)s"),
        ),
        (r"the gateway cannot be reached: (?P<why>.+)", _("the gateway cannot be reached: %(why)s")),
        (
            r"the gateway's answer is not understood: (?P<cause>.+)",
            _("the gateway's answer is not understood: %(cause)s"),
        ),
        (r"the look-up was refused: (?P<cause>.+)", _("the gateway refused the look-up: %(cause)s")),
        (r"the look-up failed: (?P<why>.+)", _("the look-up at the gateway failed: %(why)s")),
        (
            r"the look-up's answer is not understood: (?P<cause>.+)",
            _("the answer to the look-up is not understood: %(cause)s"),
        ),
        (
            r"the gateway refuses this account: (?P<cause>.+)",
            _("the gateway refuses this account: %(cause)s"),
        ),
        (r"(?:the gateway answered )?HTTP (?P<status>\d+)", _("the gateway answered HTTP %(status)s")),
        (r"(?P<file>\S+) cannot be written: (?P<cause>.+)", _("%(file)s cannot be written: %(cause)s")),
    )
)
"""(the agent's words, the message for people). What `_WITHIN` names is put into words in its turn."""


def say(words: str) -> str:
    """An agent's words in the reader's language, or unchanged where they are not known."""
    return _said(words, get_language()) if len(words) <= LONGEST_KEPT else _say(words)


LONGEST_KEPT = 300
"""Characters; fifty rows are told in few different words, but an agent may send any."""


@lru_cache(maxsize=4096)
def _said(words: str, _language: str | None) -> str:
    return _say(words)


def _say(words: str) -> str:
    known = EXACT.get(words)
    if known is not None:
        return str(known)
    for pattern, message in PATTERNS:
        found = pattern.fullmatch(words)
        if found is not None:
            return str(message) % {
                name: _WITHIN.get(name, str)(part) for name, part in found.groupdict().items()
            }
    return words


def _result(value: str) -> str:
    return str(Result(value).label) if value in Result.values else value


_WITHIN: dict[str, Callable[[str], str]] = {"why": say, "result": _result}
