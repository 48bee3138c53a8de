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
    """An automaton as flat arrays: its steps, ordered by the state they leave, and its *places*.

    A place is a state together with the character that led to it: what may follow depends on both, as a repeated
    character needs a blank between. E steps, P places.

    Attributes:
        first: S + 1; the steps of state s are `first[s]` to `first[s + 1]`, the last excluded.
        leaves, char, enters: E each: the state a step leaves, its character, the place it enters.
        state, seen: P each: a place's state and character.
        repeat: P; the step that leaves the place with its own character again; E where there is none.
    """

    first: NDArray[np.intp]
    leaves: NDArray[np.intp]
    char: NDArray[np.intp]
    enters: NDArray[np.intp]
    state: NDArray[np.intp]
    seen: NDArray[np.intp]
    repeat: NDArray[np.intp]


class _Prefix:
    """An opened prefix: the steps that lead on from it, the heaviest first, each with the weight of all plates there.

    Attributes:
        text: what it is.
        order, masses: of the steps: their numbers and weights.
        entering: T x steps, in that order: weights per slice of alignments that begin the step's character there.
        in_blank: T + 1, of alignments that end in a blank after the prefix.
    """

    __slots__ = ("entering", "in_blank", "masses", "order", "text")

    def __init__(
        self, text: str, order: NDArray[np.intp], masses: list[float], entering: Floats, in_blank: Floats
    ) -> None:
        self.text = text
        self.order = order
        self.masses = masses
        self.entering = entering
        self.in_blank = in_blank


class Decoder:
    """Decodes pictures of one grammar. Thread-safe: it holds tables only."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        self._places = {char: number + 1 for number, char in enumerate(automaton.characters)}

    @cached_property
    def _tables(self) -> _Tables:
        steps = [
            (state, number, following)
            for state, row in enumerate(self.automaton.steps)
            for number, following in sorted(row.items())
        ]
        leaves = np.array([state for state, _, _ in steps], np.intp)
        places: dict[tuple[int, int], int] = {}
        for _, number, following in steps:
            places.setdefault((following, number), len(places))
        by_step = {(state, number): index for index, (state, number, _) in enumerate(steps)}
        return _Tables(
            first=np.searchsorted(leaves, np.arange(len(self.automaton.steps) + 1)),
            leaves=leaves,
            char=np.array([number for _, number, _ in steps], np.intp),
            enters=np.array([places[following, number] for _, number, following in steps], np.intp),
            state=np.array([state for state, _ in places], np.intp),
            seen=np.array([number for _, number in places], np.intp),
            repeat=np.array([by_step.get(place, len(steps)) for place in places], np.intp),
        )

    def decode(
        self,
        probabilities: Floats,
        *,
        most: int = 8,
        form_weights: Mapping[str, float] | None = None,
        least_log_total: float = -math.inf,
        least_share: float = 0.0,
    ) -> tuple[list[Candidate], float]:
        """The most probable legal plates, best first, and the log of the sum over all legal plates.

        Args:
            probabilities: T x (1 + characters), blank first, of the automaton's characters in its order. Rows need
                not sum to one.
            most: how many plates at most.
            form_weights: form name -> factor on its plates' probability (what else is known: the colour); 1 where
                it is not named.
            least_log_total: where the log total over all legal plates is below it, no plate is looked for.
            least_share: plates less probable than the best one times this are not looked for.

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
        found = self._search(scaled, after, accept, most, least_share)
        return [Candidate(text, math.log(weight) + log_scale) for text, weight in found], math.log(
            total
        ) + log_scale

    def _backward(self, scaled: Floats, accept: Floats) -> tuple[Floats, float]:
        """What is still to come: [t, place] = weight of all ways to end legally from slice t on, when the place's
        character was the last thing seen; and the weight of everything from the start."""
        tables = self._tables
        slices, states, steps = len(scaled), len(accept), len(tables.char)
        begun, kept = scaled[:, 1 + tables.char], scaled[:, 1 + tables.seen]
        after = np.empty((slices + 1, len(tables.state)))
        after[slices] = accept[tables.state]
        after_blank = accept
        new = np.zeros(steps + 1)
        for t in range(slices - 1, -1, -1):
            np.multiply(begun[t], after[t + 1][tables.enters], out=new[:steps])
            all_new = scaled[t, 0] * after_blank + np.bincount(
                tables.leaves, weights=new[:steps], minlength=states
            )
            # A repeated character needs a blank between: its own step is no way on.
            ways = all_new[tables.state] - new[tables.repeat]
            after[t] = np.maximum(ways, 0.0) + kept[t] * after[t + 1]
            after_blank = all_new
        return after, float(after_blank[0])

    def _search(
        self, scaled: Floats, after: Floats, accept: Floats, most: int, least_share: float
    ) -> list[tuple[str, float]]:
        tables, characters = self._tables, self.automaton.characters
        blank: list[float] = scaled[:, 0].tolist()
        found: list[tuple[str, float]] = []
        # Entries: (-weight, order of arrival, prefix, rank of the step that leads on from it). A rank of -1 is the
        # prefix itself as a whole plate. A step enters the heap when the one before it leaves: few ever do.
        heap: list[tuple[float, int, _Prefix, int]] = []
        arrivals = 0

        def enter(weight: float, prefix: _Prefix, rank: int) -> None:
            nonlocal arrivals
            if weight > 0:
                heapq.heappush(heap, (-weight, arrivals, prefix, rank))
                arrivals += 1

        def opened(text: str, state: int, in_char: Floats, in_blank: Floats) -> None:
            first, last = int(tables.first[state]), int(tables.first[state + 1])
            chars = tables.char[first:last]
            ends = in_char + in_blank
            entering = ends[:-1, None] * scaled[:, 1 + chars]
            if text:
                own = np.flatnonzero(chars == self._places[text[-1]] - 1)
                entering[:, own] = in_blank[:-1, None] * scaled[:, 1 + chars[own]]
            masses = np.einsum("tc,tc->c", entering, after[1:, tables.enters[first:last]])
            order = np.argsort(-masses, kind="stable")
            prefix = _Prefix(text, first + order, masses[order].tolist(), entering[:, order], in_blank)
            if accept[state] > 0:
                enter(float(ends[-1] * accept[state]), prefix, -1)
            if prefix.masses:
                enter(prefix.masses[0], prefix, 0)

        ends_blank = np.concatenate(([1.0], np.cumprod(scaled[:, 0])))
        opened("", 0, np.zeros(len(scaled) + 1), ends_blank)
        openings = 1
        while heap and len(found) < most and openings < MOST_EXPANSIONS:
            negative, _, prefix, rank = heapq.heappop(heap)
            if found and -negative < least_share * found[0][1]:
                break
            if rank < 0:
                found.append((prefix.text, -negative))
                continue
            if rank + 1 < len(prefix.masses):
                enter(prefix.masses[rank + 1], prefix, rank + 1)
            step = prefix.order[rank]
            number = int(tables.char[step])
            in_char, in_blank = _advance(prefix.entering[:, rank], scaled[:, 1 + number].tolist(), blank)
            opened(
                prefix.text + characters[number], int(tables.state[tables.enters[step]]), in_char, in_blank
            )
            openings += 1
        return found

    def score(self, probabilities: Floats, texts: Sequence[str]) -> Floats:
        """The log-probability of each text, legal or not, of the automaton's characters; -inf where none aligns."""
        peaks = probabilities.max(axis=1, initial=0.0)
        if not texts or not len(probabilities) or peaks.min() <= 0:
            return np.full(len(texts), -np.inf)
        scaled = probabilities / peaks[:, None]
        longest = max(map(len, texts))
        # A blank before, between and after the characters; shorter texts are filled up with blanks never counted.
        labels = np.zeros((len(texts), 2 * longest + 1), np.intp)
        for row, text in enumerate(texts):
            labels[row, 1 : 2 * len(text) : 2] = [self._places[char] for char in text]
        skips = (labels[:, 2:] != 0) & (labels[:, 2:] != labels[:, :-2])
        weights = np.zeros(labels.shape)
        weights[:, 0] = 1.0
        for chances in scaled[:, labels]:
            moved = weights.copy()
            moved[:, 1:] += weights[:, :-1]
            moved[:, 2:] += weights[:, :-2] * skips
            weights = moved
            weights *= chances
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
