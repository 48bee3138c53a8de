"""One spelling for each plate and each phone number, so that they can be compared."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s·•・.\-_]+")

_MAINLAND_MOBILE = re.compile(r"1[3-9]\d{9}")


def normal_plate(text: str) -> str:
    """Upper case, full-width characters made narrow, separators removed.

    Raises:
        ValueError: it cannot be a plate: shorter than 4 or longer than 10 characters, or with other signs.
    """
    plate = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not 4 <= len(plate) <= 10:
        raise ValueError("a plate has 4 to 10 characters")
    if not plate.isalnum() or not any(sign.isdigit() or sign.isascii() for sign in plate):
        raise ValueError("a plate has letters, digits and province signs only")
    return plate


def normal_phone(text: str) -> str:
    """E.164. A number without a country is taken as a mobile number of the Chinese mainland.

    Raises:
        ValueError: it is neither a mainland mobile number nor an international number with + or 00.
    """
    digits = re.sub(r"[\s\-().]", "", unicodedata.normalize("NFKC", text))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if _MAINLAND_MOBILE.fullmatch(digits):
        return "+86" + digits
    if not re.fullmatch(r"\+[1-9]\d{7,14}", digits):
        raise ValueError("neither a mainland mobile number nor an international number like +85291234567")
    if digits.startswith("+86") and not _MAINLAND_MOBILE.fullmatch(digits[3:]):
        raise ValueError("not a mobile number: it cannot receive SMS")
    return digits
