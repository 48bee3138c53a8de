"""Several looks at one plate, by three readers, made into one distribution over legal texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.plates.decoder import Decoder, Floats

FLOOR = 1e-5
"""Added to every probability: no reader is surer than this that a character is something else."""

LEAST_EVIDENCE = -8.0
"""Log-odds below which one look's objection to a text counts no more: one bad look must not decide alone."""

LEAST_LEGAL = -14.0
"""Log of the probability that the text is a legal plate, below which it is some other text, or none."""

OBJECTION = 30.0
"""Factor that the odds of being right lose for every reader that prefers other letters or digits."""

CANDIDATES = 5
"""Best texts of each look that go to the final comparison."""

LEAST_SHARE = math.exp(LEAST_EVIDENCE)
"""A look's texts less probable than its best one times this are not listed: its say ends there."""

DIGIT_DOUBT = 4.0
"""Log-odds by which a text with a letter in the place of a digit is more probable than it looks, up to as probable as the
best. All readers take unclear letters for digits (Q for 0), hardly ever digits for letters, and they do so together. It
raises the doubt alone and chooses nothing."""

SURPRISED = -2.5
"""Log of a text's share of all that a reader sees, below which the reader's own best texts are compared as well."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How much a reader has to say.

    Attributes:
        weight: factor on its log-odds beside the first reader's.
        regions: exponent on its probabilities of regions: 1 takes them as they are, 0 hears nothing of them. Readers
            trained in one province see that province everywhere.
    """

    weight: float = 1.0
    regions: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One way of cutting the plate out, as the first reader saw it.

    Attributes:
        probabilities: T x (1 + plate characters).
        texts: its best legal texts.
        log_total: log of the probability that the text is legal at all, form weights included.
        log_legal: the same without the weight of the best text's form; -inf where there is no text.
    """

    probabilities: Floats
    texts: tuple[str, ...]
    log_total: float
    log_legal: float = -math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """What another reader saw, in one look or several."""

    voice: Voice
    looks: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Texts, best first, and the probability of each; they sum to one.

    Attributes:
        shares: with the doubt about digits (`DIGIT_DOUBT`).
        objections: what each reader prefers to the best text where its letters or digits are others.
        seen: the best text's share by what was seen alone, without doubts or objections: what further looks could raise.
    """

    texts: tuple[str, ...]
    shares: NDArray[np.float64]
    objections: tuple[str, ...] = ()
    seen: float = 1.0

    @property
    def confidence(self) -> float:
        """Of the best text; every reader that prefers another one lowers it."""
        return _lowered(float(self.shares[0]), len(self.objections))

    @property
    def margin(self) -> float:
        """Lead of the best text over the next."""
        return float(self.shares[0] - self.shares[1]) if len(self.shares) > 1 else float(self.shares[0])

    def per_character(self) -> tuple[float, ...]:
        """For each character of the best text, the probability of the texts that have it there.

        A reader that prefers another text lowers it where that text differs, everywhere if it is of another length.
        """
        best = self.texts[0]
        chances = []
        for place, char in enumerate(best):
            agreeing = [len(text) == len(best) and text[place] == char for text in self.texts]
            against = sum(len(text) != len(best) or text[place] != char for text in self.objections)
            chances.append(_lowered(min(1.0, float(self.shares[agreeing].sum())), against))
        return tuple(chances)


def _lowered(chance: float, objections: int) -> float:
    factor = OBJECTION**objections
    return chance / (chance + (1 - chance) * factor) if objections else chance


def _digit_for_letter(best: str, other: str) -> bool:
    """Has the best text a digit where the other, of its length, has a letter?"""
    return len(best) == len(other) and any(
        char.isdigit() and instead.isascii() and instead.isalpha()
        for char, instead in zip(best, other, strict=True)
    )


class Fusion:
    """Weighs looks. Log-linear: a text is as probable as the (weighted) geometric mean over looks says."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        automaton = decoder.automaton
        opening = [number for number in automaton.steps[0] if not automaton.characters[number].isascii()]
        self._opening = 1 + np.array(sorted(opening), np.intp)
        self._regions = frozenset(automaton.characters[number] for number in opening)
        self._confused: dict[str, str] = {}
        for group in automaton.grammar.confusions:
            for char in group:
                self._confused[char] = self._confused.get(char, "") + group.replace(char, "")

    def look(self, probabilities: Floats, weights: Mapping[str, float]) -> Look:
        """Decode one look of the first reader."""
        floored = probabilities + FLOOR
        candidates, log_total = self._decoder.decode(
            floored,
            most=CANDIDATES,
            form_weights=weights,
            least_log_total=LEAST_LEGAL,
            least_share=LEAST_SHARE,
        )
        texts = tuple(candidate.text for candidate in candidates)
        legal = log_total - math.log(self._weight(texts[0], weights)) if texts else -math.inf
        return Look(floored, texts, log_total, legal)

    def posterior(
        self, looks: Sequence[Look], others: Sequence[Opinion], weights: Mapping[str, float]
    ) -> Posterior | None:
        """What all looks say together; None where no look holds a legal text."""
        read = {text for look in looks for text in look.texts}
        if not read:
            return None
        heard = [
            (opinion, [self._heard(chances, opinion.voice) for chances in opinion.looks])
            for opinion in others
        ]
        read |= {text for _, tables in heard for text in self._surprises(tables[0], sorted(read), weights)}
        texts = sorted(read.union(*(self._swapped(text) for text in read)))
        scores = np.log([self._weight(text, weights) for text in texts])
        evidence = [np.mean([self._evidence(look.probabilities, texts) for look in looks], axis=0)]
        scores += evidence[0]
        for opinion, tables in heard:
            evidence.append(np.mean([self._evidence(table, texts) for table in tables], axis=0))
            scores += opinion.voice.weight * evidence[-1]
        order = np.argsort(-scores, kind="stable")
        best = order[0]
        seen = 1.0 / float(np.exp(scores - scores[best]).sum())
        doubted = [_digit_for_letter(texts[best], text) for text in texts]
        scores[doubted] = np.minimum(scores[doubted] + DIGIT_DOUBT, scores[best])
        shares = np.exp(scores - scores[best])
        shares /= shares.sum()
        order = np.array([best, *(index for index in np.argsort(-scores, kind="stable") if index != best)])
        rest = self._without_region(texts[best])
        preferred = [texts[int(np.argmax(opinion))] for opinion in evidence if opinion[best] < opinion.max()]
        objections = tuple(text for text in preferred if self._without_region(text) != rest)
        return Posterior(tuple(texts[index] for index in order), shares[order], objections, seen)

    def _surprises(self, table: Floats, texts: Sequence[str], weights: Mapping[str, float]) -> set[str]:
        """The reader's own best texts, where none of these explains what it sees."""
        if self._without_region(self._plainly(table)) in {self._without_region(text) for text in texts}:
            return set()
        known = max(
            log + math.log(self._weight(text, weights))
            for text, log in zip(texts, self._decoder.score(table, texts), strict=True)
        )
        candidates, _ = self._decoder.decode(
            table, most=2, form_weights=weights, least_log_total=max(LEAST_LEGAL, known - SURPRISED)
        )
        return {candidate.text for candidate in candidates}

    def _plainly(self, table: Floats) -> str:
        """What is read by taking the likeliest character of each slice: fast, legal or not."""
        numbers = table.argmax(axis=1)
        kept = numbers[(numbers > 0) & (np.diff(numbers, prepend=0) != 0)]
        return "".join(self._decoder.automaton.characters[number - 1] for number in kept)

    def _heard(self, probabilities: Floats, voice: Voice) -> Floats:
        """The reader's probabilities, those of regions no surer than its voice allows."""
        if voice.regions == 1.0 or not self._opening.size:
            return probabilities + FLOOR
        heard = probabilities + FLOOR
        regions = heard[:, self._opening]
        top = regions.max(axis=1, keepdims=True)
        heard[:, self._opening] = top * (regions / top) ** voice.regions
        return heard

    def _swapped(self, text: str) -> set[str]:
        """Legal texts that differ in one character which readers confuse: a reader may not have listed the right one."""
        swapped = {
            text[:place] + other + text[place + 1 :]
            for place, char in enumerate(text)
            for other in self._confused.get(char, "")
        }
        return {other for other in swapped if self._decoder.automaton.accepts(other)}

    def _without_region(self, text: str) -> str:
        return text[1:] if text[:1] in self._regions else text

    def _weight(self, text: str, weights: Mapping[str, float]) -> float:
        return max(weights[form.name] for form in self._decoder.automaton.forms(text))

    def _evidence(self, probabilities: Floats, texts: Sequence[str]) -> Floats:
        logs = self._decoder.score(probabilities, texts)
        best = float(logs.max())
        if not np.isfinite(best):
            return np.zeros(len(texts))
        evidence: Floats = np.maximum(logs - best, LEAST_EVIDENCE)
        return evidence
