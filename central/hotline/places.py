"""Places by the first letters of their pinyin: `xjkndj8hy` gives 新街口南大街8号院. Pure.

Whole places that are known are found by their initials. A place that nobody named before is put together: a known street, and a
number with the letters of its unit. The street may also be written out: 新街口南大街8hy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from central.hotline.initials import initials

UNITS = {
    "": "",
    "h": "号",
    "hl": "号楼",
    "hy": "号院",
    "hm": "号门",
    "l": "楼",
    "c": "层",
    "dy": "单元",
    "m": "门",
    "s": "室",
    "z": "座",
    "d": "栋",
    "x": "巷",
}
"""Letters after a number -> what they stand for."""

STEMS = {"j": "甲", "y": "乙", "b": "丙"}
"""Letters before a house number -> the sign that houses between two numbers have."""

_TAIL = re.compile(r"(?:[0-9]{1,5}[a-z]{0,2})+")
_PART = re.compile(r"([0-9]{1,5})([a-z]{0,2})")
_STREET = re.compile(r"^([^0-9]{2,}?)[甲乙丙]?[0-9]")
_LATIN = re.compile(r"[a-z]")


@lru_cache(maxsize=20_000)
def letters(place: str) -> str:
    """The initials of a place; one place is asked for many times."""
    return initials(place)


def street_of(place: str) -> str:
    """The street of a place with a house number: 新街口南大街 of 新街口南大街8号院; empty where there is none."""
    found = _STREET.match(place)
    return found[1] if found else ""


def has_letters(typed: str) -> bool:
    """Whether what is typed asks for letters to be read as initials."""
    return _LATIN.search(typed.casefold()) is not None


def complete(typed: str, places: Iterable[str], streets: Iterable[str]) -> list[str]:
    """What may be meant by what is typed, the most likely first; each once.

    Args:
        typed: initials with numbers, or a street written out, a number and the letters of its unit.
        places: whole places that are known, the most frequent first.
        streets: names of streets.
    """
    text = typed.strip().casefold()
    if not has_letters(text):
        return []
    known = [place for place in places if place]
    every = list(dict.fromkeys([*streets, *(each for place in known if (each := street_of(place)))]))
    found = [place for place in known if letters(place) == text]
    composed = list(_composed(text, every))
    # A number without its unit may be the beginning of one; with a unit, it is what was meant.
    found += [] if text[-1].isdigit() else composed
    found += [place for place in (*known, *every) if letters(place).startswith(text)]
    found += composed
    return list(dict.fromkeys(found))


def _composed(text: str, streets: list[str]) -> Iterator[str]:
    at = next((place for place, letter in enumerate(text) if letter.isascii() and letter.isdigit()), None)
    if not at or not _TAIL.fullmatch(text[at:]):
        return
    number = _number(text[at:])
    if number is None:
        return
    head = text[:at]
    if not head.isascii():
        # The street is written out, whether we know it or not.
        stem = STEMS.get(head[-1], "") if head[-1].isascii() else ""
        yield (head[:-1] if stem else head) + stem + number
        return
    for street in streets:
        if letters(street) == head:
            yield street + number
    for street in streets:
        if letters(street) == head[:-1] and head[-1] in STEMS:
            yield street + STEMS[head[-1]] + number


def _number(tail: str) -> str | None:
    """`4hl501` is 4号楼501; None where the letters stand for nothing."""
    said = []
    for digits, unit in _PART.findall(tail):
        if unit not in UNITS:
            return None
        said.append(digits + UNITS[unit])
    return "".join(said)
