"""`patrol bench capacity`: what it concludes from lines that agent and farm wrote. Its figures are in docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.capacity.chart import draw
from benchmarks.capacity.search import CLOSE, Report, next_count
from benchmarks.capacity.stage import PARTS, Result, _costs, _judge, start_s
from benchmarks.cli import app
from protocol.errors import PatrolError

PERIOD_S = 10.0
SENT = [{"utc_ms": second * 2000, "skipped": 0, "cpu_s": second * 1.0} for second in range(70)]


def agent_lines(
    *, cameras: int = 2, seconds: int = 120, silent: tuple[int, int] | None = None
) -> list[dict[str, Any]]:
    """A line a second of an agent that decides on one picture of each camera every ten seconds, half a second after it
    was taken; camera 0 is not looked at between two seconds."""
    lines = []
    for second in range(seconds + 1):
        looks = [
            [f"cam{n}", 1000 * second - 500, 1000 * second]
            for n in range(cameras)
            if second % 10 == 0 and not (n == 0 and silent and silent[0] <= second < silent[1])
        ]
        checks = cameras * (second // 10)
        lines.append({
            "utc_ms": 1000 * second, "process_s": 0.02 * second + 0.06 * checks, "peak_mb": 300.0, "looks": looks, "stays": [], "second_looks": 0,
            "threads": {"receive": 0.002 * second, "cameras": 0.02 * checks},
            "parts": {"decode": 0.02 * checks, "change test": 0.01 * checks, "regions": 0.03 * checks},
            "calls": {"decode": checks, "change test": checks, "regions": checks // 2},
        })  # fmt: skip
    return lines


def judged(lines: list[dict[str, Any]], sent: list[dict[str, Any]] = SENT, **arrivals_ms: int) -> Result:
    """What is concluded of the two cameras' window of 110 s."""
    farm = {"arrivals_ms": arrivals_ms}
    return _judge("main", 2, 1, lines, farm, 5_000, 115_000, PERIOD_S, -1_000, sent=sent)


def test_a_period_without_a_picture_is_a_missed_check_and_late_seen_stays_are_missed() -> None:
    lines = agent_lines()
    lines[42]["stays"] = [["cam1", 40_000, 42_000]]
    lines[99]["stays"] = [["cam1", 40_000, 99_000]]  # told after a minute: as good as never
    result = judged(lines, cam1=30_000)
    assert (result.missed_checks, result.checks) == (0, 22)
    assert (result.stays, result.missed_stays, result.seen_after_s) == (2, 1, [10.0])
    assert result.measurable
    assert not result.sustained
    lines[43]["stays"] = [["cam1", 40_000, 43_000]]
    assert judged(lines, cam1=30_000).sustained
    assert not judged(lines).sustained, "no stay was there to be missed"
    assert judged(agent_lines(silent=(40, 60))).missed_checks == 1


def test_what_is_measured_begins_a_period_after_every_camera_has_been_looked_at() -> None:
    assert judged(agent_lines()).started_s == 1.0
    assert judged(agent_lines()).seconds == 105.0
    late = judged(agent_lines(silent=(0, 41)))  # 20.6 s are the most there is, from the fifth second on
    assert (late.started_s, late.missed_checks, late.checks) == (51.0, 1, 9 + 7)
    soon = judged(agent_lines(silent=(0, 11)))
    assert (soon.started_s, soon.missed_checks, soon.checks) == (21.0, 0, 22 - 4)
    assert judged(agent_lines(silent=(0, 200))).started_s is None
    assert (start_s("main", 2), start_s("main", 200), start_s("sub", 600)) == pytest.approx(
        (20.6, 80.0, 80.0)
    )


def test_what_the_farm_left_out_or_sent_late_is_not_held_for_sustained() -> None:
    lines = agent_lines()
    lines[42]["stays"] = [["cam1", 40_000, 42_000], ["cam1", 41_000, 42_000]]
    left_out = [{**line, "skipped": int(line["utc_ms"] > 60_000)} for line in SENT]
    before = [{**line, "skipped": 7} for line in SENT]
    busy = [{**line, "cpu_s": line["utc_ms"] / 1000} for line in SENT]
    kept = [judged(lines, sent, cam1=30_000) for sent in (SENT, before, left_out, busy)]
    assert [one.sustained for one in kept] == [True, True, False, False]
    assert [one.measurable for one in kept] == [True, True, False, False]


def test_costs_are_counted_a_check_whatever_part_of_them_was_done() -> None:
    whole, half = agent_lines(), agent_lines()
    for line in half:  # the machine is too busy for every second check
        done = {name: calls // 2 for name, calls in line["calls"].items()}
        parts = {name: seconds / 2 for name, seconds in line["parts"].items()}
        line |= {"calls": done, "parts": parts}
    costs = _costs(whole[0], whole[-1], 2, 120.0, PERIOD_S)
    assert set(costs) == set(PARTS)
    assert costs["receive"] == pytest.approx(0.001)
    assert costs["decode"] == pytest.approx(0.002)
    assert costs["change test"] == pytest.approx(0.001)
    assert costs["inference"] == pytest.approx(0.003)
    slow = _costs(half[0], half[-1], 2, 120.0, PERIOD_S)
    assert [slow[part] for part in PARTS[1:4]] == pytest.approx([costs[part] for part in PARTS[1:4]])
    for line in whole:  # one second look beside every two checks
        line["second_looks"] = more = line["calls"]["decode"] // 2
        line["calls"] |= {"decode": line["calls"]["decode"] + more}
        line["parts"] |= {"decode": 1.5 * line["parts"]["decode"]}
        line["threads"] |= {"cameras": 1.5 * line["threads"]["cameras"]}
    assert _costs(whole[0], whole[-1], 2, 120.0, PERIOD_S)["decode"] == pytest.approx(0.003)
    assert judged(whole).second_looks == 10


FINE = replace(
    judged(agent_lines()), cameras=110, stays=4, seen_after_s=[2.0, 3.0, 9.0, 4.0], missed_checks=0
)


def test_the_summary_has_its_keys_and_null_for_what_was_not_tested() -> None:
    keys = {"main_per_core", "sub_per_core", "peer_per_core", "floor_per_core", "missed_stays"}
    quick = Report(1, quick=True, results=[replace(FINE, stays=0, seen_after_s=[])])
    assert quick.summary() == dict.fromkeys(keys)
    assert quick.details()["main"]["per_core_by_cpu"] == round(1 / FINE.cost, 1)
    beyond = replace(FINE, cameras=130, missed_checks=3, missed_stays=2, costs=dict.fromkeys(PARTS, 1.0))
    sub = replace(FINE, stream="sub", cameras=300, missed_stays=1, cores=1)
    report = Report(1, results=[FINE, beyond, sub], floor_cost=0.0025, peer_cost=0.25)
    assert report.summary() == {
        "main_per_core": 110, "sub_per_core": 0, "peer_per_core": 4.0, "floor_per_core": 400.0, "missed_stays": 1,
    }  # fmt: skip
    assert report.details()["main"] == {
        "per_core_by_cpu": round(1 / FINE.cost, 1), "best_stage_cameras": 110, "missed_stays": 0, "stays": 4,
        "seen_after_s_median": 4.0, "seen_after_s_max": 9.0,
    }  # fmt: skip
    assert len(report.faults(PERIOD_S)) == 2  # too few sub-stream cameras, and a missed stay
    assert len(report.faults(8.0)) == 3  # first seen after 9 s
    chart = ElementTree.fromstring(draw(report))
    text = " ".join(chart.itertext())
    assert "110 cameras, main stream" in text, "what ran with nothing missed, not what was tried beyond it"
    assert "300 cameras, sub stream" in text
    assert "250 ms" in text
    assert "110, ran, nothing missed" in text
    assert "400, by its cost" in text


def test_counts_that_were_asked_for_are_answered_one_by_one() -> None:
    late = replace(FINE, cameras=90, missed_checks=4, missed_stays=1)
    busy = replace(FINE, stream="sub", cameras=250, farm_share=0.96)
    report = Report(2, results=[FINE, late, busy], asked=True)
    assert report.faults(PERIOD_S) == [
        "90 main-stream cameras: 4 checks missed, 22 done",
        "90 main-stream cameras: 1 of 4 stays missed",
        "250 sub-stream cameras: the farm did not send all in time, so nothing can be said of the agent",
    ]
    assert Report(2, results=[FINE], asked=True).faults(PERIOD_S) == []
    assert len(Report(2, results=[FINE], asked=True).faults(8.0)) == 1  # first seen after 9 s
    assert Report(2, results=[FINE], asked=True).sustained("sub") is None, "nobody asked"


@pytest.mark.parametrize("text", ["main", "main=", "main=-1", "main=0", "main=1001", "top=3", "sub=ten"])
def test_what_is_no_count_is_refused(text: str) -> None:
    done = CliRunner().invoke(app, ["capacity", "--cameras", text])
    assert isinstance(done.exception, PatrolError)
    assert (done.exception.field, done.exception.value) == ("--cameras", text)


@given(limit=st.integers(1, 700), goal=st.sampled_from([100, 300]))
def test_the_search_begins_with_the_goal_and_ends_at_the_limit(limit: int, goal: int) -> None:
    tried: list[tuple[int, bool]] = []
    while (count := next_count(goal, 600, tried)) is not None:
        assert count not in dict(tried)
        assert 0 < count <= 600
        tried.append((count, count <= limit))
        assert len(tried) < 40
    assert tried[0][0] == goal
    good = max((count for count, fine in tried if fine), default=0)
    bad = min((count for count, fine in tried if not fine), default=None)
    if bad is None:
        assert good == 600
    else:
        assert good <= limit < bad
        assert bad - good <= max(1, CLOSE * bad)
