"""`patrol bench all --render`: the published tables come from the benchmarks' own files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.capacity.search import Report
from benchmarks.faults import chart
from benchmarks.faults.cli import leaked, summary
from benchmarks.faults.leaks import Leaks
from benchmarks.publish.cli import PAGE, ROOT
from benchmarks.publish.render import NAMES, between, put, read, render
from benchmarks.publish.short import READMES, SHORT, rewrite
from protocol.errors import PatrolError
from tests.benchmarks.test_capacity_bench import FINE, PERIOD_S

FACTS = {"processor": "two | cores"}
ACCELERATED = {
    "runs": 3,
    "faults": 90,
    "seconds": 2.5,
    "kinds": Counter({"crash": 88, "disk full": 2}),
    "stays": 9,
}
REAL = {
    "runs": 1, "faults": 2, "seconds": 50.0, "kinds": {"broker's network: slow": 1, "kill agent": 1},
    "not_possible_here": ["disk full"],
    "agent": {"minutes": 1.0, "rss_mb": [300.0, 310.0], "handles": [40, 41], "found": []},
}  # fmt: skip
WEEK = Leaks(8, 64, (100.0,) * 8, (5000,) * 8, (13,) * 8, ("memory: grew by 9.0 MB over 6 samples",))
WRONG = [
    {"seed": 7, "sort": "real", "repeat": "patrol …", "lost": ["a", "b"], "doubled": [], "unproven": ["c"]}
]


def test_faults_have_their_keys_and_null_for_what_was_not_measured() -> None:
    nothing = summary({}, {}, None, [])
    assert {"runs", "lost", "doubled", "unproven", "leaks"} <= nothing.keys()
    assert [nothing[name] for name in ("runs", "lost", "doubled", "unproven", "leaks")] == [0, *[None] * 4]
    assert summary(ACCELERATED, {}, None, [])["leaks"] is None
    whole = summary(ACCELERATED, REAL, WEEK, WRONG)
    assert [whole[name] for name in ("runs", "lost", "doubled", "unproven", "leaks")] == [4, 2, 0, 1, 1]
    assert leaked(whole) == list(WEEK.found)
    text = " ".join(ElementTree.fromstring(chart.draw(whole)).itertext())
    assert all(part in text for part in ("crash", "88", "broker's network", "8 hours", "100"))
    ElementTree.fromstring(chart.draw(nothing))


def test_the_page_is_written_from_the_files_and_what_has_no_file_stays(tmp_path: Path) -> None:
    page, folder = tmp_path / "page.md", tmp_path / "results"
    folder.mkdir()
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    with pytest.raises(PatrolError, match="holds no results"):
        render(folder, page)
    report = Report(1, results=[FINE], floor_cost=0.0025, peer_cost=0.25)
    rows = [asdict(FINE) | {"cost": FINE.cost, "measurable": True, "sustained": FINE.sustained}]
    told = {
        "capacity": report.summary(),
        "details": report.details(),
        "missed_goals": report.faults(PERIOD_S),
    }
    common = {"command": "patrol bench …", "machine": FACTS}
    (folder / "capacity.json").write_text(json.dumps(common | {"rows": rows} | told), "utf-8")
    faults = summary(ACCELERATED, REAL, WEEK, WRONG)
    (folder / "faults.json").write_text(json.dumps(common | {"faults": faults}), "utf-8")
    assert render(folder, page) == ["capacity", "faults"]
    text = page.read_text("utf-8")
    assert "| main-stream cameras a core that ran with nothing missed | 110 | 100 |" in text
    assert "| sub-stream cameras a core that ran with nothing missed | 0 | 300: **missed** |" in text
    assert "| **lost** | 0 | 2 |" in text
    assert "Not possible on that machine: disk full" in text
    assert text.count("processor: two | cores") == 2
    begin, end = between("accuracy")
    assert (
        text.partition(begin)[2].partition(end)[0]
        == PAGE.read_text("utf-8").partition(begin)[2].partition(end)[0]
    )
    before = text
    (folder / "faults.json").write_text('{"faults": 3}', "utf-8")
    with pytest.raises(PatrolError, match="no result of `patrol bench faults`"):
        render(folder, page)
    assert page.read_text("utf-8") == before
    with pytest.raises(PatrolError, match="not there exactly once"):
        put("no marks", "faults", "x")
    assert all(
        text.count(mark) == 1 for name in NAMES for mark in (*between(name), *between(f"{name} in short"))
    )


def test_the_first_screen_and_both_readmes_have_the_same_figures(tmp_path: Path) -> None:
    strata = [{"kind": "all", "name": "all", "scenes": 3, "events": 200, "precision": 0.99, "recall": 0.99}]
    strata += [{"kind": "light", "name": light, "f1": 0.9764} for light in ("day", "dusk", "night", "rain")]
    accuracy = {
        "accuracy": {"f1": {"real": None}, "cases_per_stay_12h": 1.0, "wrongful_tasks": 2}, "rows": strata, "tasks": 641,
        "wrongful_rate_below": 0.0125,
    }  # fmt: skip
    report = Report(1, results=[FINE], peer_cost=0.25)
    results = {
        "accuracy": accuracy,
        "capacity": {"capacity": report.summary(), "details": report.details()},
        "faults": {"faults": summary(ACCELERATED, REAL, WEEK, WRONG)},
    }
    for name, whole in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(whole), "utf-8")
    assert read(tmp_path) == json.loads(json.dumps(results))
    said = " ".join(SHORT[name](whole) for name, whole in results.items())
    for words in (
        "**2 of 641**",
        "1.25 %",
        "198 got",
        "2 cases were false",
        "**110** cameras",
        "carries 4.0",
        "4 runs with 92 faults",
    ):
        assert words in said
    for name in READMES:
        text = (ROOT / name).read_text("utf-8")
        after = rewrite(text, name, results)
        assert rewrite(after, name, results) == after
        assert len(after.splitlines()) == len(text.splitlines())
        assert all(figure in after for figure in ("641", "0.976", "110", "92", "4.0"))
        accuracy["accuracy"]["wrongful_tasks"] = 0  # type: ignore[index]
        assert "**" not in next(line for line in rewrite(after, name, results).splitlines() if "641" in line)
        accuracy["accuracy"]["wrongful_tasks"] = 2  # type: ignore[index]
        with pytest.raises(PatrolError, match="not there exactly once"):
            rewrite("", name, results)
