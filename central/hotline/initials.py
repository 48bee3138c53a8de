"""First letters of the pinyin of Chinese words, as call-takers type them. Pure.

The characters of GB 2312's first level stand in the order of their pronunciation, so a table of where each letter begins
is enough. Characters of the second level stand by radicals and have no letter here; a character that is read in two ways
has the usual one.
"""

from __future__ import annotations

from bisect import bisect_right

_LETTERS = "abcdefghjklmnopqrstwxyz"
_BEGINS = (
    0xB0A1, 0xB0C5, 0xB2C1, 0xB4EE, 0xB6EA, 0xB7A2, 0xB8C1, 0xB9FE, 0xBBF7, 0xBFA6, 0xC0AC, 0xC2E8,
    0xC4C3, 0xC5B6, 0xC5BE, 0xC6DA, 0xC8BB, 0xC8F6, 0xCBFA, 0xCDDA, 0xCEF4, 0xD1B9, 0xD4D1,
)  # fmt: skip
_ENDS = 0xD7F9


def initials(text: str) -> str:
    """The first letters of a text: `噪音扰民` gives `zyrm`; letters and digits stay, everything else is left out."""
    return "".join(_initial(letter) for letter in text)


def _initial(letter: str) -> str:
    if letter.isascii():
        return letter.lower() if letter.isalnum() else ""
    try:
        code = letter.encode("gb2312")
    except UnicodeEncodeError:
        return ""
    number = int.from_bytes(code) if len(code) == 2 else 0
    return _LETTERS[bisect_right(_BEGINS, number) - 1] if _BEGINS[0] <= number <= _ENDS else ""
