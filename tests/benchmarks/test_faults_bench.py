"""The fault benchmark: its checks notice what is wrong. Its runs are in tests/central/test_faults.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.faults.check import CaseFact, Facts, StayFact, TaskFact, check
from benchmarks.faults.leaks import find_growth
from tests.commands import call

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


@pytest.mark.parametrize("bench", ["accuracy", "capacity", "faults"])
def test_hours_of_work_are_not_begun_for_a_file_that_cannot_be_written(bench: str, tmp_path: Path) -> None:
    ran = call("bench", bench, "--json", tmp_path / "nowhere" / "found.json")
    assert ran.returncode == 3
    assert "found.json" in ran.stderr
    assert "Name a file in a folder that exists" in ran.stderr


def test_real_runs_are_refused_before_the_accelerated_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*_: object) -> None:
        raise AssertionError("accelerated runs were begun")

    monkeypatch.setattr("benchmarks.faults.cli._accelerated", begun)
    ran = call("bench", "faults", "--keep", tmp_path)
    assert (ran.returncode, "exists already" in ran.stderr) == (2, True)
    monkeypatch.setattr("benchmarks.servers._PLACES", str(tmp_path))
    ran = call("bench", "faults", "--keep", tmp_path / "new")
    assert (ran.returncode, "mosquitto is not installed" in ran.stderr) == (3, True)
    assert not (tmp_path / "new").exists()
