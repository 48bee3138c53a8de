"""Several readers weighed: what an objection costs, what a voice without regions cannot say."""

from __future__ import annotations

import numpy as np
import pytest

from models.plates._fusion import Fusion, Opinion, Posterior, Voice
from models.plates.decoder import Decoder
from models.plates.grammar import china

CHARACTERS = china().characters
FUSION = Fusion(Decoder(china()))
WEIGHTS = china().weights(None)


def table(text: str, sure: float = 0.98) -> np.ndarray:
    rows = []
    for char in text:
        row = np.full(1 + len(CHARACTERS), (1 - sure) / len(CHARACTERS))
        row[1 + CHARACTERS.index(char)] = sure
        rows += [row, np.eye(1 + len(CHARACTERS))[0]]
    return np.array(rows)


def read(first: str, *others: tuple[str, Voice]) -> Posterior:
    looks = [FUSION.look(table(first), WEIGHTS)]
    found = FUSION.posterior(looks, [Opinion(voice, (table(text),)) for text, voice in others], WEIGHTS)
    assert found is not None
    return found


def test_readers_that_agree_are_surer_than_one() -> None:
    voice = Voice(0.8)
    both = read("皖A12345", ("皖A12345", voice))
    assert both.texts[0] == "皖A12345"
    assert both.objections == ()
    assert both.confidence > read("皖A12345").confidence


def test_a_reader_that_prefers_other_letters_lowers_the_confidence_at_that_place() -> None:
    found = read("皖A12345", ("皖A12845", Voice(0.3)))
    assert found.texts[0] == "皖A12345"
    assert found.objections == ("皖A12845",)
    assert found.confidence < found.shares[0]
    chances = found.per_character()
    assert chances[4] == min(chances)
    assert chances[0] > 0.99


def test_a_voice_without_regions_does_not_choose_between_them() -> None:
    found = read("苏E51712", ("皖E51712", Voice(0.8, regions=0.0)))
    assert found.texts[0] == "苏E51712"
    assert found.objections == ()
    assert found.confidence == pytest.approx(
        read("苏E51712", ("苏E51712", Voice(0.8, regions=0.0))).confidence, abs=0.02
    )


def test_what_only_another_reader_saw_is_compared_too() -> None:
    # Two characters off: no swap of one character leads from the first reader's text to the other's.
    found = read("皖A12345", ("皖A1XX45", Voice(3.0)))
    assert found.texts[0] == "皖A1XX45"


def test_no_legal_text_is_no_posterior() -> None:
    noise = np.full((20, 1 + len(CHARACTERS)), 1e-4)
    assert FUSION.posterior([FUSION.look(noise, WEIGHTS)], [], WEIGHTS) is None


def test_a_text_that_nothing_looks_like_stands_alone() -> None:
    found = read("皖R99999")
    assert found.texts == ("皖R99999",)
    assert found.confidence == found.seen == 1.0


def unclear(text: str, place: int, other: str, share: float) -> np.ndarray:
    """A clear reading but for one place, where another character has this share."""
    chances = table(text)
    mine, others = 1 + CHARACTERS.index(text[place]), 1 + CHARACTERS.index(other)
    chances[2 * place, [mine, others]] = 0.98 * (1 - share), 0.98 * share
    return chances


def test_a_digit_where_a_letter_may_stand_is_doubted_and_a_letter_is_not() -> None:
    (digit,) = [FUSION.look(unclear("皖R99909", 5, "Q", 0.01), WEIGHTS)]
    (letter,) = [FUSION.look(unclear("皖R999Q9", 5, "0", 0.01), WEIGHTS)]
    doubted, believed = FUSION.posterior([digit], [], WEIGHTS), FUSION.posterior([letter], [], WEIGHTS)
    assert doubted is not None
    assert believed is not None
    # The doubt changes neither the text nor what was seen, and it never makes another text the likelier one.
    assert doubted.texts[0] == "皖R99909"
    assert doubted.seen == pytest.approx(believed.seen, abs=0.005)
    assert doubted.confidence < 0.75 < 0.98 < believed.confidence
    assert doubted.shares[0] == doubted.shares.max()
    assert doubted.per_character()[5] == min(doubted.per_character())
