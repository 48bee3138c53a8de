"""Voting over several frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plates import PlateReading, Unreadable, vote

CORNERS = np.array([[0, 0], [100, 0], [100, 30], [0, 30]], np.float32)


def reading(text: str, confidence: float = 0.99, sharpness: float = 0.6) -> PlateReading:
    return PlateReading(text, confidence, "civil_blue", CORNERS, sharpness, (confidence,) * len(text))


readings = st.builds(
    reading,
    st.sampled_from(["皖A12345", "皖A12845", "皖A1234S", "皖AD12345", "京A12345"]),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)


def summary(result: PlateReading | Unreadable) -> object:
    return result if isinstance(result, Unreadable) else result.as_dict()


@settings(max_examples=200)
@given(frames=st.lists(readings, max_size=8), order=st.randoms())
def test_the_order_of_frames_changes_nothing(frames: list[PlateReading], order: object) -> None:
    shuffled = list(frames)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summary(vote(frames)) == summary(vote(shuffled))


@settings(max_examples=200)
@given(frames=st.lists(readings, max_size=8), threshold=st.floats(0.5, 1.0))
def test_what_is_given_out_was_read_by_a_frame_and_keeps_the_threshold(
    frames: list[PlateReading], threshold: float
) -> None:
    result = vote(frames, threshold=threshold)
    if isinstance(result, PlateReading):
        assert result.text in {frame.text for frame in frames}
        assert result.confidence >= threshold


@given(right=st.integers(4, 8), sharpness=st.floats(0.2, 0.9))
def test_a_clear_majority_wins(right: int, sharpness: float) -> None:
    frames = [reading("皖A12345", sharpness=sharpness)] * right + [reading("皖A12845", 0.9, sharpness)]
    result = vote(frames)
    assert isinstance(result, PlateReading)
    assert result.text == "皖A12345"


def test_frames_that_disagree_alike_are_unreadable() -> None:
    result = vote([reading("皖A12345", 0.999), reading("皖A12845", 0.999)])
    assert isinstance(result, Unreadable)
    assert result.reason == "conflict"


def test_a_split_of_lengths_is_unreadable() -> None:
    result = vote([reading("皖A12345", 0.999), reading("皖AD12345", 0.999)])
    assert isinstance(result, Unreadable)


def test_characters_that_no_frame_read_together_are_no_plate() -> None:
    # Each place has a winner, yet the winning text was seen by nobody.
    frames = [reading("皖A12346"), reading("皖B12345"), reading("皖A12845")]
    result = vote(frames, threshold=0.5)
    assert isinstance(result, Unreadable)
    assert result.reason == "conflict"


def test_no_frame_is_no_reading() -> None:
    assert vote([]) == Unreadable("no_reading")


@given(count=st.integers(1, 40), confidence=st.floats(0.0, 0.7))
def test_any_number_of_doubtful_frames_stays_doubtful(count: int, confidence: float) -> None:
    result = vote([reading("皖A12345", confidence)] * count)
    assert isinstance(result, Unreadable)
    assert result.reason == "doubt"
    assert result.best == "皖A12345"


def test_two_good_frames_are_surer_than_one() -> None:
    one, two = vote([reading("皖A12345", 0.985)]), vote([reading("皖A12345", 0.985)] * 2)
    assert isinstance(one, PlateReading)
    assert isinstance(two, PlateReading)
    assert two.confidence > one.confidence == pytest.approx(0.985)


def test_a_sharp_frame_outweighs_a_smear() -> None:
    frames = [reading("皖A12345", 0.999, 0.8), reading("皖A12845", 0.9, 0.06)]
    result = vote(frames)
    assert isinstance(result, PlateReading)
    assert result.text == "皖A12345"


def test_plates_are_masked_where_a_log_would_show_them() -> None:
    assert "12345" not in repr(reading("皖A12345"))
    assert "12345" not in repr(Unreadable("doubt", "皖A12345", 0.5))


@settings(max_examples=300)
@given(
    right=st.lists(
        st.builds(reading, st.just("皖A12345"), st.floats(0.96, 1.0), st.floats(0.0, 1.0)),
        min_size=2,
        max_size=8,
    ),
    wrong=st.builds(
        reading,
        st.sampled_from(["皖A12845", "京A12345", "皖AD12345"]),
        st.floats(0.0, 1.0),
        st.floats(0.0, 1.0),
    ),
)
def test_one_wrong_reading_never_wins_against_several_sure_ones(
    right: list[PlateReading], wrong: PlateReading
) -> None:
    result = vote([*right, wrong])
    assert isinstance(result, Unreadable) or result.text == "皖A12345"
