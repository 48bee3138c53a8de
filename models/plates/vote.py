"""One plate from several frames of the same vehicle: per-character voting. Pure.

Each frame's reading votes for its characters with the log-odds of being right, scaled by its sharpness. Frames of one
camera err alike: together they are never taken for more than two independent looks, so that no number of doubtful
frames makes a sure plate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from models.plates.grammar import Automaton, china
from models.plates.reader import THRESHOLD
from models.plates.reading import PlateReading, Unreadable

LEAST_SHARPNESS = 0.05
"""A smear still votes a little: where all frames are smears, they must not weigh nothing."""

LARGEST_SAY = math.log(0.9999 / 0.0001)
"""No frame is surer of a character than this, in log-odds."""

LEAST_SAY = 0.01
"""A reading that is no better than a guess weighs next to nothing, never less."""

ALIKE = 0.5
"""How much of each further frame's say is news: frames of one stay share light, angle and dirt."""

LEAST_LEAD = 0.5
"""Lead of the winning character over the next, as a part of all votes for the place, below which frames conflict."""


def vote(
    readings: Iterable[PlateReading],
    *,
    threshold: float = THRESHOLD,
    automaton: Automaton | None = None,
) -> PlateReading | Unreadable:
    """The plate that these readings of one vehicle agree on.

    The result does not depend on the order of the readings. Places are voted on among readings of the length that
    has the most votes; a reading of another length counts against the whole.

    Args:
        readings: of one vehicle, one per frame.
        threshold: confidence below which the result is Unreadable.
        automaton: the grammar that the voted text must obey; None: China's.

    Returns:
        A reading whose text won every place, with corners and sharpness of the best frame that read just this text;
        or Unreadable with reason `no_reading`, `conflict` or `doubt`.
    """
    automaton = china() if automaton is None else automaton
    # A fixed order makes sums of floats, and so the result, the same for any order given.
    frames = sorted(readings, key=_order)
    if not frames:
        return Unreadable("no_reading")
    lengths: dict[int, float] = {}
    for frame in frames:
        lengths[len(frame.text)] = lengths.get(len(frame.text), 0.0) + _weight(frame) * max(
            LEAST_SAY, frame.confidence
        )
    length = max(lengths, key=lambda key: (lengths[key], key))
    voters = [frame for frame in frames if len(frame.text) == length]
    text, doubts, lead = "", [], lengths[length] / sum(lengths.values())
    for place in range(length):
        char, chance, place_lead = _place(voters, place)
        text += char
        doubts.append(chance)
        lead = min(lead, place_lead)
    exact = [frame for frame in voters if frame.text == text]
    others = [frame for frame in frames if frame.text != text]
    if not exact or not automaton.accepts(text):
        # Characters that won one by one but that nobody read together are no plate anyone saw.
        best = max(frames, key=lambda frame: (frame.confidence * _weight(frame), frame.text))
        return Unreadable("conflict", best.text, best.confidence)
    confidence = _chance(
        [(frame.confidence, _weight(frame)) for frame in exact],
        [(frame.confidence, _weight(frame)) for frame in others],
    )
    sure: dict[str, int] = {}
    for frame in frames:
        if frame.confidence >= threshold:
            sure[frame.text] = sure.get(frame.text, 0) + 1
    if any(count > sure.get(text, 0) for other, count in sure.items() if other != text):
        # However sharp one frame is: it does not outvote several that were sure of another plate.
        return Unreadable("conflict", text, min(confidence, lead))
    if lead < LEAST_LEAD:
        return Unreadable("conflict", text, min(confidence, lead))
    if confidence < threshold:
        return Unreadable("doubt", text, confidence)
    shown = max(exact, key=lambda frame: (frame.confidence * _weight(frame), frame.confidence, _order(frame)))
    return replace(
        shown, confidence=confidence, per_character=tuple(doubts), margin=max(0.0, 2 * confidence - 1)
    )


def _order(frame: PlateReading) -> tuple[str, float, float, tuple[float, ...], tuple[float, ...], str]:
    corners = tuple(float(value) for value in frame.corners.ravel())
    return frame.text, frame.confidence, frame.sharpness, frame.per_character, corners, frame.kind


def _weight(frame: PlateReading) -> float:
    return max(LEAST_SHARPNESS, frame.sharpness)


def _say(chance: float) -> float:
    """Log-odds of a character or a text being right, from nearly nothing to `LARGEST_SAY`."""
    if chance >= 1:
        return LARGEST_SAY
    return min(LARGEST_SAY, max(LEAST_SAY, math.log(max(chance, 1e-9) / (1 - chance))))


def _place(voters: list[PlateReading], place: int) -> tuple[str, float, float]:
    """The winning character of a place, the chance that it is right, and its lead as a part of all votes."""
    votes: dict[str, float] = {}
    for frame in voters:
        char = frame.text[place]
        votes[char] = votes.get(char, 0.0) + _weight(frame) * _say(frame.per_character[place])
    ranked = sorted(votes, key=lambda char: (-votes[char], char))
    first = votes[ranked[0]]
    second = votes[ranked[1]] if len(ranked) > 1 else 0.0
    supporters = [
        (frame.per_character[place], _weight(frame)) for frame in voters if frame.text[place] == ranked[0]
    ]
    opponents = [
        (frame.per_character[place], _weight(frame)) for frame in voters if frame.text[place] != ranked[0]
    ]
    return ranked[0], _chance(supporters, opponents), (first - second) / sum(votes.values())


def _chance(supporters: list[tuple[float, float]], opponents: list[tuple[float, float]]) -> float:
    """The chance of being right from (chance, weight) of each frame for and against.

    The best supporter's log-odds count in full; the others add part of theirs, together never more than the best's
    own; opponents take theirs away. Weights are relative to the heaviest supporter's.
    """
    heaviest = max(weight for _, weight in supporters)
    says = sorted((_say(chance) * weight / heaviest for chance, weight in supporters), reverse=True)
    against = sum(_say(chance) * min(1.0, weight / heaviest) for chance, weight in opponents)
    odds = says[0] + min(ALIKE * sum(says[1:]), says[0]) - against
    return 1 / (1 + math.exp(-max(-LARGEST_SAY, min(LARGEST_SAY, odds))))
