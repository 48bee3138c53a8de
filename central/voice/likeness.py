"""How likely two reports of residents are one matter: words, what they are about, place and time. Pure and symmetric.

People say one thing in many ways - 停运, 坏了, 不动了 -, so a text is read for the things that it speaks of and for what is wrong with
them (`things.toml`). That, the other words, the houses, doors, floors and shops that are named, how far apart and how long: each becomes a number,
and a logistic curve over their weighted sum is the likeness. The weights are fitted to labelled pairs: `likeness.toml`, written by
``patrol bench voice --fit``.
"""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from central.cases.alike import Report, dice, metres, pairs

radius_m = 200.0
WINDOW_MS = 90 * 86_400_000
NEAR_M = 60.0
"""Nearness falls to a third within so many metres."""

FOLDER = Path(__file__).parent
SAID_MOST = 600
"""Characters of a text that are read."""

FEATURES = (
    "words", "letters", "things", "other_things", "no_things", "troubles", "other_troubles", "thing_but_other_trouble", "no_troubles", "wide",
    "near", "unplaced", "place_words", "unplaced_words", "months", "same_house", "other_house", "other_door", "other_name",
)  # fmt: skip
"""What a pair is measured by: shares from 0 to 1, or 0 and 1; `months` in months of thirty days."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A report with what was read out of it.

    `words` are the pairs of neighbouring characters, `letters` the characters that are left without fillers and numbers of
    houses; `marks` the numbers and names by kind.
    """

    report: Report
    things: frozenset[str]
    troubles: frozenset[str]
    wide: frozenset[str]
    words: Counter[str]
    letters: Counter[str]
    place_words: Counter[str]
    marks: Mapping[str, frozenset[str]]


def see(report: Report) -> Seen:
    """Read a report once, to be compared with many."""
    text = unicodedata.normalize("NFKC", report.text[:SAID_MOST]).casefold()
    found: dict[str, set[str]] = {"objects": set(), "troubles": set(), "wide": set(), "fillers": set()}
    rest = [" "]
    plain = _any_mark().sub(" ", text)
    for piece, meanings in _scan(plain):
        for kind, code in meanings:
            found[kind].add(code)
        rest.append(" " if any(kind == "fillers" for kind, _ in meanings) else piece)
    pieces = "".join(rest).split()
    words: Counter[str] = Counter()
    letters: Counter[str] = Counter()
    for each in pieces:
        clean = "".join(letter for letter in each if letter.isalnum())
        words.update(clean[at : at + 2] for at in range(len(clean) - 1))
        letters.update(set(clean) - set(letters))
    return Seen(
        report,
        frozenset(found["objects"]),
        frozenset(found["troubles"]),
        frozenset(found["wide"]),
        words,
        letters,
        pairs(report.place),
        _marks(f"{unicodedata.normalize('NFKC', report.place).casefold()} {text}"),
    )


def likeness(one: Seen, other: Seen) -> float | None:
    """How likely the two are one matter, 0 to 1; None where they are too far or too long apart."""
    found = measures(one, other)
    if found is None:
        return None
    weights = model().weights
    total = weights["bias"] + sum(weights[name] * value for name, value in found.items())
    return round(1 / (1 + math.exp(-max(-60.0, min(60.0, total)))), 4)


def measures(one: Seen, other: Seen) -> dict[str, float] | None:
    """What a pair is measured by, by the names of `FEATURES`; None where they are too far or too long apart."""
    apart_ms = abs(one.report.at_ms - other.report.at_ms)
    far = metres(one.report, other.report)
    if apart_ms > WINDOW_MS or (far is not None and far > radius_m):
        return None
    # The name of the place says where, and both say it: it is no sign that they speak of one thing.
    named = one.place_words | other.place_words
    words = [
        Counter({pair: n for pair, n in each.words.items() if pair not in named}) for each in (one, other)
    ]
    letters = [
        Counter(letter for letter in each.letters if letter not in one.report.place + other.report.place)
        for each in (one, other)
    ]
    things = _share(one.things, other.things)
    _, broad, families = _content()
    other_troubles = _other(
        *({families[name] for name in each.troubles & families.keys()} for each in (one, other))
    )
    place_words = dice(one.place_words, other.place_words)
    house, door, name = (_verdict(one, other, kinds) for kinds in (HOUSES, DOORS, ("name",)))
    return {
        "words": dice(*words),
        "letters": dice(*letters),
        "things": things,
        "other_things": _other(one.things - broad, other.things - broad),
        "no_things": float(not one.things or not other.things),
        "troubles": _share(one.troubles, other.troubles),
        "other_troubles": other_troubles,
        "thing_but_other_trouble": things * other_troubles,
        "no_troubles": float(not one.troubles or not other.troubles),
        "wide": _share(one.wide, other.wide),
        "near": 0.0 if far is None else math.exp(-far / NEAR_M),
        "unplaced": float(far is None),
        "place_words": place_words,
        "unplaced_words": place_words if far is None else 0.0,
        "months": apart_ms / (30 * 86_400_000),
        "same_house": float(house > 0),
        "other_house": float(house < 0),
        "other_door": float(door < 0),
        "other_name": float(name < 0),
    }


def about(text: str) -> frozenset[str]:
    """The things that a text speaks of, by their names in `things.toml`."""
    return see(Report(0, 0, text=text)).things


HOUSES = ("house", "yard", "street")
DOORS = ("door", "floor", "room")
_NUMBER = r"([0-9]{1,4}|[一二三四五六七八九十]{1,3})"
_MARKS = {
    "house": rf"{_NUMBER}\s*(?:号楼|栋|幢|座|#)|(?:building|block|house) ([0-9]+)",
    "yard": rf"{_NUMBER}\s*号院",
    "street": rf"{_NUMBER}\s*号(?!楼|院|线)",
    "door": rf"{_NUMBER}\s*(?:单元|门(?!禁|口|锁))|(?:entrance|staircase) ([0-9]+)",
    "floor": rf"{_NUMBER}\s*(?:层|楼(?![道梯顶房上下前后门里的栋]))",
    "room": r"(?<![0-9])([0-9]{3,4})(?=室|房|户|\b|[^0-9号栋幢座年米元])",
    "name": r"([\u4e00-\u9fff]{2})(?:超市|便利店|烧烤|餐厅|饭店|火锅|面馆|奶茶|药店|药房|理发|洗车|宾馆|酒店|银行|菜市场|幼儿园|小学|中学)",
}
"""Numbers and names by which people tell one place from its neighbour, by kind."""


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    return {kind: re.compile(words) for kind, words in _MARKS.items()}


@lru_cache(maxsize=1)
def _any_mark() -> re.Pattern[str]:
    return re.compile("|".join(words for kind, words in _MARKS.items() if kind != "name"))


def _marks(text: str) -> dict[str, frozenset[str]]:
    found = {}
    for kind, pattern in _patterns().items():
        numbers = {next(each for each in match.groups() if each) for match in pattern.finditer(text)}
        if numbers:
            found[kind] = frozenset(each if kind == "name" else _number(each) for each in numbers)
    return found


def _verdict(one: Seen, other: Seen, kinds: tuple[str, ...]) -> int:
    """1 where both name the same of one kind, -1 where both name others, 0 where one of them names none."""
    said = 0
    for kind in kinds:
        mine, theirs = one.marks.get(kind), other.marks.get(kind)
        if mine and theirs:
            if not mine & theirs:
                return -1
            said = 1
    return said


def _other(mine: Set[str], theirs: Set[str]) -> float:
    """1 where both say something and it is not the same."""
    return float(bool(mine and theirs) and not mine & theirs)


def _share(mine: frozenset[str], theirs: frozenset[str]) -> float:
    """Twice what both have, by what each has; things that many matters have count for less."""
    size = _weight(mine) + _weight(theirs)
    return 2 * _weight(mine & theirs) / size if size else 0.0


BROAD = 0.35
"""What a thing counts that is named in many matters."""


def _weight(names: frozenset[str]) -> float:
    broad = _content()[1]
    return sum(BROAD if name in broad else 1.0 for name in names)


_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


def _number(text: str) -> str:
    if text.isdigit():
        return str(int(text))
    tens, mark, ones = text.rpartition("十")
    if not mark:
        return "".join(str(_DIGITS.get(each, 0)) for each in text)
    return str(_DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0))


Meanings = tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def _content() -> tuple[dict[str, list[tuple[str, Meanings]]], frozenset[str], dict[str, str]]:
    """`things.toml`: its words by their first character, the longest first, with (kind, name) of what they mean; broad things; the
    family of each trouble."""
    content = tomllib.loads((FOLDER / "things.toml").read_text("utf-8"))
    broad = frozenset(content.pop("broad")["names"].split())
    families = {each: name for name, them in content.pop("families").items() for each in them.split()}
    meanings: dict[str, list[tuple[str, str]]] = {}
    for kind, lines in content.items():
        for code, text in lines.items():
            for word in text.split():
                meanings.setdefault(word.replace("_", " ").casefold(), []).append((kind, code))
    found: dict[str, list[tuple[str, Meanings]]] = {}
    for word in sorted(meanings, key=lambda each: (-len(each), each)):
        found.setdefault(word[0], []).append((word, tuple(meanings[word])))
    return found, broad, families


def _scan(text: str) -> Iterator[tuple[str, Meanings]]:
    """The text in pieces: known words with what they mean, and single characters between them."""
    known, at = _content()[0], 0
    while at < len(text):
        for word, meanings in known.get(text[at], ()):
            if text.startswith(word, at) and _whole(text, at, word):
                yield word, meanings
                at += len(word)
                break
        else:
            yield text[at], ()
            at += 1


def _whole(text: str, at: int, word: str) -> bool:
    """Latin words begin and end where words do; an s may follow. Chinese has no such ends."""
    if not word[0].isascii() or word[0].isdigit():
        return True
    after = text[at + len(word) :].removeprefix("s")[:1]
    return not (at and text[at - 1].isascii() and text[at - 1].isalpha()) and not (
        after.isascii() and after.isalpha()
    )


@dataclass(frozen=True, slots=True)
class Model:
    """The weight of each measure and of `bias`, and the least likeness that is shown."""

    threshold: float
    weights: Mapping[str, float]


@lru_cache(maxsize=1)
def model() -> Model:
    """What `likeness.toml` says."""
    content = tomllib.loads((FOLDER / "likeness.toml").read_text("utf-8"))
    return Model(content["threshold"], content["weights"])
