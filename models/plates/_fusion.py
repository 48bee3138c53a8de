"""Several looks at one plate, by two readers, made into one distribution over legal texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.plates.decoder import Decoder, Floats

FLOOR = 1e-5
"""Added to every probability: no reader is surer than this that a character is something else."""

LEAST_EVIDENCE = -8.0
"""Log-odds below which one look's objection to a text counts no more: one bad look must not decide alone."""

SECOND_WEIGHT = 0.8
"""Say of the second reader beside the first one's; it is right less often."""

FAVOURED = "皖"
"""The region that the second reader sees everywhere; it is taken to be as likely as the best of the others."""

LEAST_LEGAL = -14.0
"""Log of the probability that the text is a legal plate, below which it is some other text, or none."""

SOFTENED = 0.12
"""Exponent on the second reader's probabilities of regions: they are less sure than they look."""

OBJECTION = 0.5
"""Confidence that a reading cannot exceed where one of the two readers prefers other letters or digits."""

CANDIDATES = 5
"""Best texts of each look that go to the final comparison."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One way of cutting the plate out, as the first reader saw it.

    Attributes:
        probabilities: T x (1 + plate characters).
        texts: its best legal texts.
        log_total: log of the probability that the text is legal at all, form weights included.
    """

    probabilities: Floats
    texts: tuple[str, ...]
    log_total: float


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Texts, best first, and the probability of each; they sum to one.

    Attributes:
        agreed: neither reader prefers other letters or digits than the best text's.
    """

    texts: tuple[str, ...]
    shares: NDArray[np.float64]
    agreed: bool

    @property
    def confidence(self) -> float:
        """Of the best text."""
        best = float(self.shares[0])
        return best if self.agreed else min(best, OBJECTION)

    @property
    def margin(self) -> float:
        """Lead of the best text over the next."""
        return float(self.shares[0] - self.shares[1]) if len(self.shares) > 1 else float(self.shares[0])

    def per_character(self) -> tuple[float, ...]:
        """For each character of the best text, the probability of the texts that have it there."""
        best = self.texts[0]
        return tuple(
            min(
                1.0,
                float(
                    self.shares[[len(text) == len(best) and text[place] == char for text in self.texts]].sum()
                ),
            )
            for place, char in enumerate(best)
        )


class Fusion:
    """Weighs looks. Log-linear: a text is as probable as the (weighted) geometric mean over looks says."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        automaton = decoder.automaton
        opening = [number for number in automaton.steps[0] if not automaton.characters[number].isascii()]
        self._opening = 1 + np.array(sorted(opening), np.intp)
        names = [automaton.characters[number] for number in sorted(opening)]
        self._favoured = names.index(FAVOURED) if FAVOURED in names else None
        self._regions = frozenset(automaton.characters[number] for number in opening)
        self._confused: dict[str, str] = {}
        for group in automaton.grammar.confusions:
            for char in group:
                self._confused[char] = self._confused.get(char, "") + group.replace(char, "")

    def look(self, probabilities: Floats, weights: Mapping[str, float]) -> Look:
        """Decode one look of the first reader."""
        floored = probabilities + FLOOR
        candidates, log_total = self._decoder.decode(
            floored, most=CANDIDATES, form_weights=weights, least_log_total=LEAST_LEGAL
        )
        return Look(floored, tuple(candidate.text for candidate in candidates), log_total)

    def posterior(
        self, looks: Sequence[Look], second: Sequence[Floats], weights: Mapping[str, float]
    ) -> Posterior | None:
        """What all looks say together; None where no look holds a legal text."""
        read = {text for look in looks for text in look.texts}
        texts = sorted(read.union(*(self._swapped(text) for text in read)))
        if not texts:
            return None
        scores = np.log([self._weight(text, weights) for text in texts])
        opinions = [np.mean([self._evidence(look.probabilities, texts) for look in looks], axis=0)]
        if second:
            opinions.append(
                np.mean([self._evidence(self._blurred(chances), texts) for chances in second], axis=0)
            )
        for opinion, say in zip(opinions, (1.0, SECOND_WEIGHT), strict=False):
            scores += say * opinion
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        rest = self._without_region(texts[order[0]])
        agreed = all(
            self._without_region(texts[int(np.argmax(opinion))]) == rest or opinion[order[0]] == opinion.max()
            for opinion in opinions
        )
        return Posterior(tuple(texts[index] for index in order), shares[order], agreed)

    def _blurred(self, probabilities: Floats) -> Floats:
        """The second reader's probabilities with its preference for one region taken away and the rest softened."""
        regions = probabilities[:, self._opening]
        softened = (regions + FLOOR) ** SOFTENED
        if self._favoured is not None:
            softened[:, self._favoured] = np.delete(softened, self._favoured, axis=1).max(axis=1, initial=0.0)
        blurred = probabilities.copy()
        blurred[:, self._opening] = (
            softened / softened.max(axis=1, keepdims=True) * regions.sum(axis=1, keepdims=True)
        )
        return blurred + FLOOR

    def _swapped(self, text: str) -> set[str]:
        """Legal texts that differ in one character which readers confuse: a reader may not have listed the right one."""
        swapped = {
            text[:place] + other + text[place + 1 :]
            for place, char in enumerate(text)
            for other in self._confused.get(char, "")
        }
        return {other for other in swapped if self._decoder.automaton.accepts(other)}

    def _without_region(self, text: str) -> str:
        return text[1:] if text[0] in self._regions else text

    def _weight(self, text: str, weights: Mapping[str, float]) -> float:
        return max(weights[form.name] for form in self._decoder.automaton.forms(text))

    def _evidence(self, probabilities: Floats, texts: Sequence[str]) -> Floats:
        logs = self._decoder.score(probabilities, texts)
        best = float(logs.max())
        if not np.isfinite(best):
            return np.zeros(len(texts))
        evidence: Floats = np.maximum(logs - best, LEAST_EVIDENCE)
        return evidence
