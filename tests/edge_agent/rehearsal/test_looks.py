"""Looks of a rest without a list of all looks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.rehearsal.looks import Look, Looks
from edge_agent.rests import Pose, Rest, Span

T0 = 1_767_225_600_000


def rest(spans: list[Span], doubtful: tuple[tuple[int, int], ...] = ()) -> Rest:
    return Rest(
        id="R",
        camera_id="cam1",
        by="place",
        stay_id=None,
        first_ms=spans[0].start_ms,
        last_ms=spans[-1].end_ms,
        covered_ms=sum(s.end_ms - s.start_ms for s in spans),
        spans=tuple(spans),
        poses=(Pose(spans[0].start_ms, (0, 0, 10, 10), "car"),),
        doubtful=doubtful,
    )


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    found, at_ms = [], T0
    for _ in range(draw(st.integers(1, 5))):
        looks = draw(st.integers(1, 9))
        length = 0 if looks == 1 else draw(st.integers(looks, 50_000))
        found.append(Span(at_ms, at_ms + length, looks))
        at_ms += length + draw(st.integers(1, 60_000))
    return found


def listed(looks: Looks) -> list[Look]:
    """One after the other."""
    look: Look | None = looks.first()
    found = []
    while look is not None:
        found.append(look)
        look = looks.after(look)
    return found


@given(spans(), st.integers(-70_000, 500_000))
@settings(max_examples=200, deadline=None)
def test_before_and_after_an_instant_against_a_slow_search(drawn: list[Span], offset: int) -> None:
    looks = Looks(rest(drawn))
    every = listed(looks)
    assert len(every) == sum(span.looks for span in drawn)
    assert [look.at_ms for look in every] == sorted(look.at_ms for look in every)
    at_ms = T0 + offset
    assert looks.at_or_after(at_ms) == next((look for look in every if look.at_ms >= at_ms), None)
    earlier = [look for look in every if look.at_ms < at_ms]
    # Of looks in the same millisecond any may be meant.
    found = looks.before(at_ms)
    assert (found and found.at_ms) == (earlier[-1].at_ms if earlier else None)


def test_doubtful_looks_prove_nothing() -> None:
    looks = Looks(rest([Span(T0, T0 + 10_000, 6)], doubtful=((T0 + 4_000, T0 + 6_000),)))
    assert [look.proven for look in listed(looks)] == [True, True, False, False, True, True]
