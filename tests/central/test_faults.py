"""The whole chain under random faults, with the real intake on this suite's databases; thousands more are a benchmark."""

from __future__ import annotations

import pytest

from benchmarks.faults.accelerated import run
from benchmarks.faults.pool import fast_folder

pytestmark = pytest.mark.usefixtures("centre")


def test_a_few_runs_full_of_faults_lose_and_double_nothing() -> None:
    """The same seeds every time; in the last the clock is set before the first second is over."""
    with fast_folder() as folder:
        results = [run(seed, folder / f"run-{seed}", mean=300) for seed in (5013, 5020, 197)]
    for result in results:
        assert not result.findings, (result.seed, result.findings)
    assert sum(sum(result.faults.values()) for result in results) > 40
    assert sum(result.cases for result in results) >= 6
    assert sum(result.tasks for result in results) >= 3
