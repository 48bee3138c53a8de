"""Exact decoding of a CTC reader's output, limited to legal plates.

A CTC network gives, per slice of the picture, the probability of each character and of a blank; a text's probability
is the sum over all alignments that collapse to it (Graves et al., "Connectionist Temporal Classification", 2006).
Decoding here is prefix search, best first: every open prefix carries the exact probability of all legal plates that
begin with it, so the first plate that comes out is the best one, the second the next, and the sum over all legal
plates is known too. Nothing is pruned.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.plates.grammar import Automaton

Floats = NDArray[np.float64]

MOST_EXPANSIONS = 400
"""Prefixes opened before decoding gives up: noise, where no plate stands out, would otherwise take for ever."""


class Candidate(NamedTuple):
    """A legal plate and the logarithm of its probability, unnormalised: alignments of this very text."""

    text: str
    log_prob: float


class Fold:
    """From a reader's own characters to those of a grammar.

    Columns of look-alikes are added to the character they stand for, separators and spaces to the blank; all other
    columns are dropped.

    Args:
        automaton: the grammar.
        alphabet: the reader's characters, one per column; the blank is the empty string.
        blanks: characters that stand between plate characters and mean nothing.
    """

    def __init__(self, automaton: Automaton, alphabet: Sequence[str], blanks: str = " ·.•-") -> None:
        places = {char: number + 1 for number, char in enumerate(automaton.characters)}
        for wanted, others in automaton.grammar.look_alikes.items():
            places.update(dict.fromkeys(others, places[wanted]))
        places.update({"": 0, **dict.fromkeys(blanks, 0)})
        self.width = len(automaton.characters) + 1
        pairs = [(column, places[char]) for column, char in enumerate(alphabet) if char in places]
        self._columns = np.array([column for column, _ in pairs])
        self._sums = np.zeros((len(pairs), self.width))
        self._sums[np.arange(len(pairs)), [place for _, place in pairs]] = 1.0

    def knows(self, place: int) -> bool:
        """Does the reader have any character for this column of the result?"""
        return bool(self._sums[:, place].any())

    def __call__(self, probabilities: NDArray[np.float32]) -> Floats:
        """T x C probabilities of the reader to T x (1 + characters) of the grammar; blank first; rows sum to <= 1."""
        folded: Floats = probabilities[:, self._columns].astype(np.float64) @ self._sums
        return folded


@dataclass(frozen=True)
class _Tables:
    """An automaton as arrays. S states, A characters."""

    target: NDArray[np.intp]
    """S x A, the next state; 0 where there is none (nothing leads back to the start)."""
    legal: Floats
    """S x A, 1 where the step exists."""


class Decoder:
    """Decodes pictures of one grammar. Thread-safe: it holds tables only."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton

    @cached_property
    def _tables(self) -> _Tables:
        states, characters = len(self.automaton.steps), len(self.automaton.characters)
        target = np.zeros((states, characters), np.intp)
        for state, row in enumerate(self.automaton.steps):
            for number, following in row.items():
                target[state, number] = following
        return _Tables(target, (target > 0).astype(np.float64))

    def decode(
        self,
        probabilities: Floats,
        *,
        most: int = 8,
        form_weights: Mapping[str, float] | None = None,
        least_log_total: float = -math.inf,
    ) -> tuple[list[Candidate], float]:
        """The most probable legal plates, best first, and the log of the sum over all legal plates.

        Args:
            probabilities: T x (1 + characters), blank first, of the automaton's characters in its order. Rows need
                not sum to one.
            most: how many plates at most.
            form_weights: form name -> factor on its plates' probability (what else is known: the colour); 1 where
                it is not named.
            least_log_total: where the log total over all legal plates is below it, no plate is looked for.

        Returns:
            The plates with their log-probability, weights included, and the log total over all legal plates; an empty
            list and -inf where no legal plate has any probability.
        """
        weights = form_weights or {}
        accept = np.array(
            [
                max((weights.get(form.name, 1.0) for form in forms), default=0.0)
                for forms in self.automaton.accepted
            ]
        )
        peaks = probabilities.max(axis=1, initial=0.0)
        if not len(probabilities) or peaks.min() <= 0:
            return [], -math.inf
        scaled = probabilities / peaks[:, None]
        log_scale = float(np.log(peaks).sum())
        after, total = self._backward(scaled, accept)
        if total <= 0:
            return [], -math.inf
        log_total = math.log(total) + log_scale
        if log_total < least_log_total:
            return [], log_total
        found = self._search(scaled, after, accept, total, most)
        return [Candidate(text, math.log(weight) + log_scale) for text, weight in found], math.log(
            total
        ) + log_scale

    def _backward(self, scaled: Floats, accept: Floats) -> tuple[Floats, float]:
        """What is still to come: [t, state, character] = weight of all ways to end legally from slice t on, when
        `character` was the last thing seen and led to `state`; and the weight of everything from the start."""
        tables = self._tables
        slices, characters = len(scaled), len(self.automaton.characters)
        column = np.arange(characters)
        after = np.empty((slices + 1, len(accept), characters))
        after[slices] = accept[:, None]
        after_blank = accept
        for t in range(slices - 1, -1, -1):
            chars = scaled[t, 1:]
            new = tables.legal * chars * after[t + 1][tables.target, column]
            all_new = scaled[t, 0] * after_blank + new.sum(axis=1)
            after[t] = np.maximum(all_new[:, None] - new, 0.0) + chars * after[t + 1]
            after_blank = all_new
        return after, float(after_blank[0])

    def _search(
        self, scaled: Floats, after: Floats, accept: Floats, total: float, most: int
    ) -> list[tuple[str, float]]:
        tables, characters = self._tables, self.automaton.characters
        blank: list[float] = scaled[:, 0].tolist()
        found: list[tuple[str, float]] = []
        # Entries: (-weight, text, whole plate?, state, weights of its alignments that end in its last character and
        # in a blank, per slice; None until the prefix is opened, with the parent's summed ones in their place).
        ends_blank = np.concatenate(([1.0], np.cumprod(scaled[:, 0])))
        root = (np.zeros(len(scaled) + 1), ends_blank)
        heap: list[tuple[float, str, bool, int, tuple[Floats, Floats] | None]] = [
            (-total, "", False, 0, root)
        ]
        for _ in range(MOST_EXPANSIONS):
            if not heap or len(found) == most:
                break
            weight, text, whole, state, ends = heapq.heappop(heap)
            if whole:
                found.append((text, -weight))
                continue
            assert ends is not None
            if text:
                ends = _advance(ends[0], scaled[:, 1 + characters.index(text[-1])].tolist(), blank)
            in_char, in_blank = ends
            if accept[state] > 0:
                here = float((in_char[-1] + in_blank[-1]) * accept[state])
                if here > 0:
                    heapq.heappush(heap, (-here, text, True, state, None))
            legal = np.flatnonzero(tables.legal[state])
            if not legal.size:
                continue
            # A repeated character needs a blank between, so its own last slice is no place to start from.
            before = np.repeat((in_char + in_blank)[:-1, None], legal.size, axis=1)
            if text:
                before[:, legal == characters.index(text[-1])] = in_blank[:-1, None]
            entering = before * scaled[:, 1 + legal]
            targets = tables.target[state, legal]
            masses = np.einsum("tc,tc->c", entering, after[1:, targets, legal])
            for column in np.flatnonzero(masses > 0):
                heapq.heappush(
                    heap,
                    (
                        -float(masses[column]),
                        text + characters[legal[column]],
                        False,
                        int(targets[column]),
                        (entering[:, column], in_blank),
                    ),
                )
        return found

    def score(self, probabilities: Floats, texts: Sequence[str]) -> Floats:
        """The log-probability of each text, legal or not, of the automaton's characters; -inf where none aligns."""
        peaks = probabilities.max(axis=1, initial=0.0)
        if not texts or not len(probabilities) or peaks.min() <= 0:
            return np.full(len(texts), -np.inf)
        scaled = probabilities / peaks[:, None]
        places = {char: number + 1 for number, char in enumerate(self.automaton.characters)}
        longest = max(map(len, texts))
        # A blank before, between and after the characters; shorter texts are filled up with blanks never counted.
        labels = np.zeros((len(texts), 2 * longest + 1), np.intp)
        for row, text in enumerate(texts):
            labels[row, 1 : 2 * len(text) : 2] = [places[char] for char in text]
        skips = np.zeros(labels.shape)
        skips[:, 2:] = (labels[:, 2:] != 0) & (labels[:, 2:] != labels[:, :-2])
        weights = np.zeros(labels.shape)
        weights[:, 0] = 1.0
        for chances in scaled:
            moved = weights.copy()
            moved[:, 1:] += weights[:, :-1]
            moved[:, 2:] += weights[:, :-2] * skips[:, 2:]
            weights = moved * chances[labels]
        rows, lengths = np.arange(len(texts)), np.array([len(text) for text in texts])
        totals = weights[rows, 2 * lengths] + np.where(
            lengths > 0, weights[rows, np.maximum(2 * lengths - 1, 0)], 0.0
        )
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(totals) + float(np.log(peaks).sum())
        return logs


def _advance(entering: Floats, char: list[float], blank: list[float]) -> tuple[Floats, Floats]:
    """Weights per slice of alignments that end in the prefix's last character, and in a blank after it."""
    in_char, in_blank = [0.0], [0.0]
    for enter, stay, rest in zip(entering.tolist(), char, blank, strict=True):
        in_blank.append((in_blank[-1] + in_char[-1]) * rest)
        in_char.append(enter + in_char[-1] * stay)
    return np.array(in_char), np.array(in_blank)
