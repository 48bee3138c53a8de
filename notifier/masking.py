"""Plates, phone numbers and credentials never reach a log in full."""

from __future__ import annotations

import logging
import re

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"

# A province sign, a letter, then four to six characters; two-row and separated spellings included. Police,
# learner, trailer and Hong Kong/Macau plates end in a sign, embassy plates begin with 使 or end in 使/领.
_PLATE = re.compile(
    rf"[{_PROVINCES}使领]\s?[A-Z0-9]\s?[·•.\-]?\s?[A-Z0-9]{{3,6}}[挂学警港澳使领应急试超]?(?![A-Z0-9])"
)

_PHONE = re.compile(
    r"(?:(?<![\w.+-])|(?<=%2B)|(?<=%2b))(?:"
    r"\+\d[\d -]{6,16}\d"  # E.164, with or without separators
    r"|(?<=%2B)\d{8,15}|(?<=%2b)\d{8,15}"  # the same in an address
    r"|(?:(?:00)?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"  # a mobile number of the mainland
    r")(?![\w])"
)

_CREDENTIALS = (
    (re.compile(r"(?<=://)[^\s/@]+@"), "***@"),
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*(?:basic|bearer|digest)?\s*)\S+"), r"\1***"),
    (
        re.compile(
            r"(?i)([\"']?\b[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key)[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
        ),
        r"\1***",
    ),
)


def mask_plate(plate: str, sign: str = "*") -> str:
    """``京A12345`` -> ``京A***45``: place of issue and two last characters stay.

    A plate too short to keep four characters and hide two keeps the first only. Pages hide by another `sign` than messages, whose
    alphabet has few.
    """
    text = plate.strip()
    if len(text) < 6:
        return text[:1] + sign * max(len(text) - 1, 0)
    return text[:2] + sign * (len(text) - 4) + text[-2:]


def mask_phone(phone: str) -> str:
    """``+8613800138000`` -> ``+86138****8000``: country, carrier and four last digits stay.

    Shorter numbers keep less, so that at least half of the digits of any number are hidden or four are.
    """
    text = re.sub(r"[ \-()]", "", phone.strip())
    if re.fullmatch(r"(?:\+?86|0086)?1[3-9]\d{9}", text):
        return f"{text[:-8]}****{text[-4:]}"
    kept = 2 if len(text) >= 8 else 0
    head = 3 if text.startswith("+") and kept else 0
    return text[:head] + "*" * max(len(text) - head - kept, 0) + (text[-kept:] if kept else "")


def mask_text(text: str) -> str:
    """A log line with everything in it masked that looks like a plate, a phone number or a credential."""
    for pattern, instead in _CREDENTIALS:
        text = pattern.sub(instead, text)
    text = _PHONE.sub(lambda found: mask_phone(found[0]), text)
    return _PLATE.sub(lambda found: mask_plate(found[0]), text)


class MaskingFilter(logging.Filter):
    """Put it on a handler: message, exception and stack of every record are masked before they are written."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)  # arguments that do not fit must not let the text through unmasked
        record.msg, record.args = mask_text(message), None
        if record.exc_info and not record.exc_text:
            # A formatter uses this text if it is there already.
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask_text(record.exc_text)
        if record.stack_info:
            record.stack_info = mask_text(record.stack_info)
        return True


def install(logger: logging.Logger | None = None) -> None:
    """Mask everything that the handlers of a logger (the root by default) write; harmless if repeated."""
    for handler in (logger or logging.getLogger()).handlers:
        if not any(isinstance(known, MaskingFilter) for known in handler.filters):
            handler.addFilter(MaskingFilter())
