"""The fault benchmark: its checks notice what is wrong. Its runs are in tests/central/test_faults.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.faults.check import CaseFact, Facts, StayFact, TaskFact, check
from benchmarks.faults.leaks import find_growth

RIGHT = Facts(
    stays=(StayFact("v0", True), StayFact("v1", False)),
    cases=(CaseFact("C0", "v0", True),),
    tasks=(TaskFact("C0", True),),
    warnings={"C0": 1},
)


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        pytest.param(RIGHT, "", id="right"),
        pytest.param(replace(RIGHT, stays=(*RIGHT.stays, StayFact("v2", True))), "lost", id="no case"),
        pytest.param(replace(RIGHT, tasks=()), "lost", id="no work order"),
        pytest.param(replace(RIGHT, missing=("a record",)), "lost", id="a message"),
        pytest.param(replace(RIGHT, warnings={"C0": 1, "C9": 1}), "lost", id="a warned case"),
        pytest.param(
            replace(RIGHT, cases=(*RIGHT.cases, CaseFact("C1", "v0", False))), "doubled", id="two cases"
        ),
        pytest.param(replace(RIGHT, tasks=RIGHT.tasks * 2), "doubled", id="two work orders"),
        pytest.param(replace(RIGHT, warnings={"C0": 2}), "doubled", id="two warnings"),
        pytest.param(replace(RIGHT, tasks=(TaskFact("C0", False, "no picture"),)), "unproven", id="no proof"),
        pytest.param(
            replace(RIGHT, cases=(*RIGHT.cases, CaseFact("C1", None, False))), "unproven", id="nobody there"
        ),
    ],
)
def test_a_broken_outcome_is_counted_as_what_it_is(facts: Facts, wrong: str) -> None:
    findings = check(facts)
    counted = {name for name in ("lost", "doubled", "unproven") if getattr(findings, name)}
    assert counted == ({wrong} if wrong else set())
    assert bool(findings) == bool(wrong)


def test_growth_is_told_and_what_is_flat_or_only_warms_up_is_not() -> None:
    flat, files = [100.0 + 0.1 * (n % 3) for n in range(100)], [13] * 100
    blocks = [5000 + n % 7 for n in range(100)]
    assert find_growth(flat, blocks, files) == []
    assert find_growth([min(100.0, 50 + 5.0 * n) for n in range(100)], blocks, files) == []
    assert len(find_growth([100 + 0.2 * n for n in range(100)], blocks, files)) == 1
    assert len(find_growth(flat, [5000 + 60 * n for n in range(100)], files)) == 1
    assert len(find_growth(flat, blocks, [13 + n // 40 for n in range(100)])) == 1
