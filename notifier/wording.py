"""Words of a warning that a jurisdiction writes itself: plain text with names in braces. Pure, and nothing in it can run.

``{plate}`` is replaced; what stands in square brackets is left out where a name in it has nothing to say:
``[Free nearby: {bays}.]``. There are no conditions and no loops: what an administrator writes reaches people's phones, and
must neither fail at the moment of sending nor read more than the message's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NEEDED = ("plate", "place", "deadline", "reference")
"""Without these nobody knows what is meant, until when, and which message it was: the gateway is asked by the reference."""

MAY_LACK = ("sender", "bays", "link", "opt_out")
"""Names that may have nothing to say; they stand in square brackets."""

PROMISED = ("link", "opt_out")
"""Whoever is warned can see the picture and object, and can ask for no more messages: no wording leaves that out."""

LONGEST = 400

SHIPPED: Mapping[str, str] = {
    "zh-Hans": "[【{sender}】]车辆{plate}停在{place}人行道上，请于{deadline}前驶离，按时驶离不予处罚。[附近空位：{bays}。]"
    "[查看照片和车位：{link} ]编号{reference}[，拒收请回复{opt_out}]",
    "en": "[{sender}: ]Vehicle {plate} is parked on the sidewalk at {place}. Please move it by {deadline}; no penalty if you do."
    "[ Free nearby: {bays}.][ Photo and bays: {link}] Ref {reference}[. Reply {opt_out} to stop]",
}
"""What the distribution says, in this form: to begin with."""

_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)|([\[\]])")
_NAME = re.compile(r"\{([^{}]*)\}|([{}])")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a wording: a code for pages that have words of their own, the name at fault, and a sentence."""

    code: str
    name: str
    problem: str


def flaws(text: str) -> Iterator[Flaw]:
    """Everything that speaks against a wording; nothing where it can be sent."""
    if not text.strip() or len(text) > LONGEST:
        yield Flaw("length", str(LONGEST), f"a text of 1 to {LONGEST} characters is needed")
        return
    if any(ord(sign) < 32 for sign in text):
        yield Flaw("control", "", "a message is one line")
    outside: set[str] = set()
    inside: set[str] = set()
    for optional, words in _parts(text):
        if words is None:
            yield Flaw("brackets", "", "square brackets come in pairs and not one in another")
            return
        names = [found[1] for found in _NAME.finditer(words)]
        if None in names:
            yield Flaw("braces", "", "braces come in pairs, around a name")
            return
        (inside if optional else outside).update(names)
        if optional and not set(names) & set(MAY_LACK):
            yield Flaw(
                "idle", words[:40], f"nothing in [{words[:40]}] may be missing: write it without brackets"
            )
    for name in sorted(inside | outside):
        if name not in (*NEEDED, *MAY_LACK):
            yield Flaw("unknown", name, f"there is no {{{name}}}; known: {', '.join((*NEEDED, *MAY_LACK))}")
    for name in NEEDED:
        if name not in outside:
            yield Flaw("needed", name, f"{{{name}}} is needed, outside of square brackets")
    for name in MAY_LACK:
        if name in outside:
            yield Flaw("bare", name, f"{{{name}}} may be empty: put it and the words around it into [ ]")
    for name in PROMISED:
        if name not in inside | outside:
            yield Flaw("needed", name, f"[{{{name}}}] is needed")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The wording with its values; white space is drawn together. The text has no flaws.

    A space follows the address of the page, or phones take what comes next for a part of it.
    """
    values = {**values, "link": f"{values['link']} "} if values.get("link") else values
    said = []
    for optional, words in _parts(text):
        if words is None:
            continue
        names = [found[1] for found in _NAME.finditer(words)]
        if optional and not all(values.get(name) for name in names):
            continue
        said.append(_NAME.sub(lambda found: values.get(found[1] or "", ""), words))
    return " ".join("".join(said).split())


def said_bays(bays: Sequence[tuple[str, int]], language: str) -> str:
    """Free places as a wording says them: name and metres, nearest first."""
    if language == "en":
        return ", ".join(f"{name} {metres} m" for name, metres in bays)
    return "、".join(f"{name}约{metres}米" for name, metres in bays)


def _parts(text: str) -> Iterator[tuple[bool, str | None]]:
    """(whether it is in brackets, the words); None for a bracket without its fellow."""
    for found in _PART.finditer(text):
        if found[3] is not None:
            yield False, None
        else:
            yield found[1] is not None, found[1] if found[1] is not None else found[2]
