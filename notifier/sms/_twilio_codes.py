"""Twilio's error codes by what they ask of the sender (https://www.twilio.com/docs/api/errors).

Codes that are in none of these tables go by the HTTP status: 4xx never, 429 retry, 5xx unknown.
"""

from __future__ import annotations

NEVER: dict[int, str] = {
    21211: "invalid_number",
    21214: "number_not_reachable",
    21217: "invalid_number",
    21265: "short_code",
    21266: "sender_is_recipient",
    21407: "number_without_sms",
    21408: "region_not_allowed",
    21421: "invalid_number",
    21601: "number_without_sms",
    21602: "empty_text",
    21604: "invalid_number",
    21605: "text_too_long",
    21608: "number_not_verified",
    21610: "opted_out",
    21612: "no_route",
    21614: "not_a_mobile",
    21617: "text_too_long",
    21619: "empty_text",
    21635: "landline",
    30003: "unreachable",
    30004: "blocked",
    30005: "unknown_number",
    30006: "landline",
    30007: "filtered_by_carrier",
    30008: "not_delivered",
    30011: "number_without_sms",
    30034: "sender_not_registered",
    30036: "expired",
    30044: "text_too_long",
    30453: "not_delivered",
    63038: "daily_limit",
}
"""Nothing will make this message arrive: reason kept with the case."""

ACCOUNT: dict[int, str] = {
    20003: "wrong account or token",
    20005: "account not active",
    20006: "access denied",
    20008: "test credentials",
    20404: "no such account",
    21212: "sender is not valid",
    21603: "no sender",
    21606: "sender cannot send SMS",
    21607: "sender is not ours",
    21659: "sender is not ours",
    21660: "sender belongs to another account",
    21661: "sender cannot send SMS",
    21701: "no such messaging service",
    21702: "no such messaging service",
    21703: "the messaging service has no sender",
    21704: "the messaging service has no sender",
    21705: "no such messaging service",
    30002: "account suspended",
}
"""Certainly not sent; a person at the account, or time, can mend it: tried again slowly, named in health."""

RETRY: dict[int, str] = {
    14107: "too many requests",
    20429: "too many requests",
    21611: "the sender's queue is full",
    30001: "the account's queue is full",
}
"""Certainly not sent, worth trying again soon."""
