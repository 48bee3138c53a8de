"""Exempt, concerned, or nobody can tell."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zones.exemptions import Exempt, Ruling, Unclear, Who, needs_plate, plate_matches, rule
from zones.holidays import known_years
from zones.rules import Calendar, Exemption

T0 = 1_767_225_600_000
"""08:00 in Shanghai on New Year's Day of 2026."""

MINUTE_MS = 60_000


def ruled(*exemptions: dict[str, Any], at_ms: int = T0, **who: Any) -> Ruling:
    given = [Exemption.model_validate({"reason": "r", **e}) for e in exemptions]
    someone = Who(**{"vehicle_class": "car", "first_ms": T0, **who})
    return rule(given, someone, at_ms, time_zone="Asia/Shanghai", calendar=Calendar())


@pytest.mark.parametrize(
    ("pattern", "plate", "expected"),
    [
        ("京A12345", "京A12345", True),
        ("京A·12345", "京A12345", True),
        ("京a1*", "京A12345", True),
        ("京A1*", "京B12345", False),
        ("京A?2345", "京A12345", True),
        ("京A?345", "京A12345", False),
        ("*警", "京A1234警", True),
        ("*警", "京A12345", False),
        ("京A1.345", "京A12345", False),
        ("京A[12]*", "京A12345", False),
        ("ＷＪ*", "WJ京12345", True),
    ],
)
def test_patterns(pattern: str, plate: str, expected: bool) -> None:
    assert plate_matches((pattern,), plate) is expected


signs = st.text("京A1?*", min_size=1, max_size=6)


@given(signs, st.text("京A1", max_size=7))
def test_patterns_against_a_slow_reference(pattern: str, plate: str) -> None:
    def fits(p: str, text: str) -> bool:
        if not p:
            return not text
        if p[0] == "*":
            return any(fits(p[1:], text[n:]) for n in range(len(text) + 1))
        return bool(text) and p[0] in ("?", text[0]) and fits(p[1:], text[1:])

    assert plate_matches((pattern,), plate) is fits(pattern, plate)


def test_all_conditions_must_hold_and_one_exemption_is_enough() -> None:
    both = {"classes": ["truck"], "plates": ["京A*"]}
    assert ruled(both, vehicle_class="truck", plate="京A12345") == Exempt("r", None, by_vehicle=True)
    assert ruled(both, vehicle_class="car", plate="京A12345") is None
    assert ruled(both, vehicle_class="truck", plate="京B12345") is None
    assert ruled(both, {"reason": "s", "classes": ["car"]}) == Exempt("s", None, by_vehicle=True)


def test_a_plate_that_is_not_known_is_no_no() -> None:
    plates = {"plates": ["京A*"]}
    assert ruled(plates) == Unclear("r", needs_plate=True)
    assert ruled({**plates, "classes": ["truck"]}) is None, "of another class it does not matter"
    assert ruled({**plates, "up_to_s": 60}, at_ms=T0 + MINUTE_MS) is None, "nor when the time is over"
    assert ruled({**plates, "hours": [{"from": "09:00"}]}) is None, "nor at another hour"
    assert isinstance(ruled(plates, {"up_to_s": 60}), Exempt), "nor where another exemption holds"


def test_a_permit_list_that_is_not_there_is_no_no() -> None:
    permit = {"permit": "residents"}
    assert ruled(permit, plate="京A12345") is None
    assert ruled(permit, plate="京A12345", permits={"residents": T0 + 5}) == Exempt(
        "r", T0 + 5, by_vehicle=True
    )
    missing = ruled(permit, {"plates": ["京B*"]}, plate="京A12345", missing=frozenset({"residents"}))
    assert missing == Unclear("r", needs_plate=False, missing="residents")
    assert ruled(permit, missing=frozenset({"residents"})) == missing, "the plate alone would not help"


def test_until_is_the_first_end() -> None:
    window = {"hours": [{"from": "08:00", "to": "08:10"}]}
    assert ruled(window) == Exempt("r", T0 + 10 * MINUTE_MS, by_vehicle=False)
    assert ruled({**window, "up_to_s": 60}) == Exempt("r", T0 + MINUTE_MS, by_vehicle=False)
    longer = ruled({**window, "up_to_s": 60}, {"reason": "s", "up_to_s": 300})
    assert longer == Exempt("s", T0 + 5 * MINUTE_MS, by_vehicle=False)
    assert ruled({"up_to_s": 60}, at_ms=T0 + MINUTE_MS - 1) is not None
    assert ruled({"up_to_s": 60}, at_ms=T0 + MINUTE_MS) is None


def test_a_day_that_is_not_known_exempts() -> None:
    far = T0 + (max(known_years()) + 1 - 2026) * 366 * 86_400_000 + 200 * 86_400_000
    assert isinstance(ruled({"hours": [{"days": ["holiday"]}]}, at_ms=far), Exempt)
    assert ruled({"hours": [{"days": ["holiday"]}]}, at_ms=T0 + 4 * 86_400_000) is None


def test_whether_the_plate_matters_hangs_on_the_class() -> None:
    exemptions = [
        Exemption(reason="r", up_to_s=60),
        Exemption(reason="s", permit="p", classes=("truck",)),
    ]
    assert needs_plate(exemptions, "truck")
    assert not needs_plate(exemptions, "car")


@pytest.mark.parametrize("pattern", ["*", "??", "·*"])
def test_a_pattern_for_everybody_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="every plate"):
        Exemption(reason="r", plates=(pattern,))


def test_more_is_known_never_turns_exempt_into_concerned_by_itself() -> None:
    """Where the plate is not known, the ruling is `unclear` exactly if plates differ in what would be ruled."""
    exemptions = [
        {"plates": ["京A*"]},
        {"permit": "p", "classes": ["car"]},
        {"up_to_s": 60},
        {"classes": ["bus"]},
    ]
    for count in range(1, 4):
        for some in itertools.combinations(exemptions, count):
            for label, at_ms in itertools.product(("car", "bus"), (T0, T0 + 2 * MINUTE_MS)):
                unknown = ruled(*some, vehicle_class=label, at_ms=at_ms)
                known = {
                    isinstance(ruled(*some, vehicle_class=label, at_ms=at_ms, plate=p, permits=m), Exempt)
                    for p, m in (("京A12345", {}), ("京B12345", {}), ("京B12345", {"p": None}))
                }
                assert isinstance(unknown, Unclear) is (known == {True, False}), (some, label)
                assert isinstance(unknown, Exempt) is (known == {True})
