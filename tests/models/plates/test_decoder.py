"""The decoder against brute force over every alignment, on grammars small enough for that."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plates.decoder import Decoder, Fold
from models.plates.grammar import Automaton, Grammar, china, compile_grammar

SMALL = compile_grammar(
    Grammar.model_validate(
        {
            "country": "XX",
            "sets": {"letter": "AB", "digit": "12"},
            "forms": [
                {"name": "short", "slots": ["letter", "digit"], "kinds": {"any": "short"}},
                {
                    "name": "long",
                    "slots": ["letter", "letter", "digit"],
                    "at_most": [],
                    "kinds": {"any": "long"},
                },
                {"name": "double", "slots": ["1", "1"], "kinds": {"any": "double"}},
            ],
        }
    )
)


def by_brute_force(automaton: Automaton, chances: np.ndarray, weights: dict[str, float]) -> dict[str, float]:
    """Text -> weight, from every alignment there is."""
    symbols = ["", *automaton.characters]
    found: dict[str, float] = {}
    for path in itertools.product(range(len(symbols)), repeat=len(chances)):
        text = "".join(symbols[now] for before, now in itertools.pairwise((0, *path)) if now != before)
        forms = automaton.forms(text)
        if forms:
            weight = math.prod(float(chances[t, symbol]) for t, symbol in enumerate(path))
            found[text] = found.get(text, 0.0) + weight * max(weights.get(form.name, 1.0) for form in forms)
    return {text: weight for text, weight in found.items() if weight > 0}


@st.composite
def chances(draw: st.DrawFn) -> np.ndarray:
    slices = draw(st.integers(1, 5))
    # Zeros and ties on purpose: both are what a search gets wrong.
    values = draw(
        st.lists(
            st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0]) | st.floats(1e-6, 1.0),
            min_size=slices * 5,
            max_size=slices * 5,
        )
    )
    return np.array(values).reshape(slices, 5)


@settings(max_examples=150, deadline=None)
@given(table=chances(), weight=st.sampled_from([0.0, 0.1, 1.0]))
def test_the_decoder_finds_what_brute_force_finds(table: np.ndarray, weight: float) -> None:
    weights = {"double": weight}
    expected = by_brute_force(SMALL, table, weights)
    candidates, log_total = Decoder(SMALL).decode(table, most=4, form_weights=weights)
    if not expected:
        assert candidates == []
        return
    assert math.exp(log_total) == pytest.approx(sum(expected.values()), rel=1e-6)
    best = sorted(expected.values(), reverse=True)[:4]
    assert [math.exp(candidate.log_prob) for candidate in candidates] == pytest.approx(best, rel=1e-6)
    for candidate in candidates:
        assert math.exp(candidate.log_prob) == pytest.approx(expected[candidate.text], rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(table=chances(), least=st.sampled_from([0.05, 0.3, 1.0]))
def test_a_least_share_leaves_out_just_the_less_probable(table: np.ndarray, least: float) -> None:
    everything, total = Decoder(SMALL).decode(table, most=50)
    found, same_total = Decoder(SMALL).decode(table, most=50, least_share=least)
    assert same_total == total
    assert found == everything[: len(found)]
    if everything:
        bound = everything[0].log_prob + math.log(least)
        assert all(candidate.log_prob >= bound - 1e-9 for candidate in found)
        assert all(candidate.log_prob <= bound + 1e-9 for candidate in everything[len(found) :])


@settings(max_examples=100, deadline=None)
@given(table=chances())
def test_a_score_is_the_sum_over_a_texts_alignments(table: np.ndarray) -> None:
    expected = by_brute_force(SMALL, table, {})
    texts = ["A1", "AB2", "AA1", "11"]
    scores = Decoder(SMALL).score(table, texts)
    assert np.exp(scores) == pytest.approx([expected.get(text, 0.0) for text in texts], rel=1e-6, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_decoded_chinese_plate_is_always_legal(seed: int) -> None:
    table = np.random.default_rng(seed).dirichlet(np.full(1 + len(china().characters), 0.02), size=24)
    candidates, _ = Decoder(china()).decode(table, most=3)
    assert all(china().accepts(candidate.text) for candidate in candidates)
    assert [c.log_prob for c in candidates] == sorted((c.log_prob for c in candidates), reverse=True)


def slices_of(text: str, sure: float = 0.9) -> np.ndarray:
    """A clear reading: two slices per character, a blank after each."""
    characters = china().characters
    rows = []
    for char in text:
        row = np.full(1 + len(characters), (1 - sure) / len(characters))
        row[1 + characters.index(char)] = sure
        rows += [row, row, np.eye(1 + len(characters))[0] * 0.9 + 0.1 / len(row)]
    return np.array(rows)


@pytest.mark.parametrize("text", ["皖A88888", "苏ED51712", "京A0123警", "224578使"])
def test_a_clear_plate_is_read(text: str) -> None:
    candidates, log_total = Decoder(china()).decode(slices_of(text))
    assert candidates[0].text == text
    assert candidates[0].log_prob - log_total > math.log(0.8)


def test_the_grammar_turns_an_impossible_character_into_the_legal_one_next_to_it() -> None:
    # The reader is surer of a region in the office's place; only the letter is legal there.
    table = slices_of("皖A12345")
    letter = 1 + china().characters.index("A")
    region = 1 + china().characters.index("苏")
    table[3:5, region], table[3:5, letter] = 0.6, 0.3
    assert Decoder(china()).decode(table)[0][0].text == "皖A12345"


def test_no_slice_and_no_probability_give_no_plate() -> None:
    width = 1 + len(china().characters)
    assert Decoder(china()).decode(np.zeros((0, width))) == ([], -math.inf)
    assert Decoder(china()).decode(np.zeros((8, width))) == ([], -math.inf)


def test_a_total_below_the_least_stops_the_search() -> None:
    noise = np.full((24, 1 + len(china().characters)), 1e-4)
    candidates, log_total = Decoder(china()).decode(noise, least_log_total=-14.0)
    assert candidates == []
    assert log_total < -14.0


def test_look_alikes_are_added_to_their_character_and_the_rest_is_dropped() -> None:
    fold = Fold(china(), ["", "0", "O", "·", "院"])
    folded = fold(np.array([[0.1, 0.2, 0.3, 0.15, 0.25]], np.float32))
    assert folded[0, 0] == pytest.approx(0.25)
    assert folded[0, 1 + china().characters.index("0")] == pytest.approx(0.5)
    assert folded.sum() == pytest.approx(0.75)
