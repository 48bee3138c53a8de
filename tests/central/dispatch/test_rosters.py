"""Rosters by the command line, and the precision of zones."""

from __future__ import annotations

import json
import math
from datetime import date, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from central.cases import services as cases
from central.cases.models import WorkOrder
from central.cases.states import Result
from central.cli import app
from central.dispatch import rosters
from central.dispatch.models import Shift
from central.dispatch.precision import wilson, zone_precision
from central.ingest import intake
from protocol.clock import from_iso
from protocol.errors import PatrolError
from tests.central.dispatch.ground import store_square
from tests.central.street import JURISDICTION, MINUTE, NOON, TOPICS, task

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def run(centre):
    """`run(*words)`: what `patrol central …` prints and its exit code."""

    def call(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return call


def test_a_file_is_imported_whole_or_not_at_all(centre, person, run, tmp_path):
    person("wang", scope=JURISDICTION)
    person("chief", role="dispatcher")
    store_square(JURISDICTION, 116.3321, 39.9145)
    file = tmp_path / "roster.csv"
    file.write_text(
        "officer,from,to,grids,mode\n"
        "wang,2026-01-05 08:00,2026-01-05 16:00,leaf;other,scooter\n"
        "wang,2026-01-05 15:00,2026-01-05 20:00,,\n"
        "nobody,2026-01-05 08:00,2026-01-05 16:00,,\n"
        "chief,2026-01-05 08:00,2026-01-05 16:00,,\n"
        "wang,2026-01-06 08:00,2026-01-06,,\n"
        "wang,2026-01-07 08:00,2026-01-07 07:00,nowhere,rocket\n"
        "\n"
        "wang,2026-01-08 08:00\n",
        encoding="utf-8-sig",
    )
    code, out = run("rosters", "import", file, "-j", JURISDICTION, "--json")
    answer = json.loads(out)
    assert (code, answer["stored"]) == (2, None)
    assert [(fault["row"], fault["field"]) for fault in answer["faults"]] == [
        (3, "from"),
        (4, "officer"),
        (5, "officer"),
        (6, "to"),
        (7, "grids"),
        (7, "mode"),
        (7, "to"),
        (9, "row"),
    ]
    assert not Shift.rows.exists()
    file.write_text(
        "officer,from,to,grids,mode\nwang,2026-01-05 08:00,2026-01-05T16:00+08:00,leaf other,scooter\n"
    )
    for stored in (None, {"added": 1, "unchanged": 0}, {"added": 0, "unchanged": 1}):
        words = ["rosters", "import", file, "-j", JURISDICTION, "--json"]
        code, out = run(*words, *(["--dry-run"] if stored is None else []))
        assert (code, json.loads(out)["stored"]) == (0, stored)
    shift = Shift.rows.get()
    assert (shift.from_ms, shift.to_ms) == (
        from_iso("2026-01-05T00:00:00+00:00"),
        from_iso("2026-01-05T08:00:00+00:00"),
    )
    assert (shift.grids, shift.mode) == (["leaf", "other"], "scooter")
    with pytest.raises(PatrolError, match="on duty already"):
        rosters.store(JURISDICTION, [rosters.Wanted("wang", shift.to_ms - 1, shift.to_ms + MINUTE, row=1)])
    rosters.store(JURISDICTION, [rosters.Wanted("wang", shift.to_ms, shift.to_ms + MINUTE)])


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"officer,from\n", "columns"),
        (b"officer,from,to,shoe\n", "columns"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'officer,from,to\n"wang,1,2\n', "no CSV"),
        (b"", "columns"),
    ],
)
def test_what_is_no_roster_is_one_clear_error(centre, run, tmp_path, text, problem):
    file = tmp_path / "roster.csv"
    file.write_bytes(text)
    with pytest.raises(PatrolError, match=problem):
        run("rosters", "import", file, "-j", JURISDICTION)


def test_a_weekly_pattern_and_who_is_on_duty(centre, person, run):
    person("wang", scope=JURISDICTION)
    words = ["rosters", "weekly", "wang", "-j", JURISDICTION, "--days", "mon-fri", "--hours", "20:00-04:00"]
    code, out = run(*words, "--first", "2025-12-29", "--last", "2026-01-11", "--json")
    assert (code, json.loads(out)["stored"]["added"]) == (0, 10)
    assert len(json.loads(run("rosters", "list", "--days", 2, "--json")[1])) == 2
    assert json.loads(run("rosters", "who-now", "--json")[1]) == []
    # Noon UTC is 20:00 in Shanghai.
    assert from_iso("2026-01-01T04:00:00+00:00") == NOON
    centre.clock.advance(8 * 60 * MINUTE)
    (row,) = json.loads(run("rosters", "who-now", "--json")[1])
    assert (row["officer"], row["open_tasks"], row["position_age_s"]) == ("wang", 0, None)
    assert "wang" in run("rosters", "who-now")[1]
    with pytest.raises(PatrolError):
        run(*words[:-2], "--hours", "8-16h", "--first", "2026-01-05", "--last", "2026-01-06")


@given(
    st.sets(st.integers(0, 6)),
    st.dates(date(2024, 1, 1), date(2026, 12, 1)),
    st.integers(0, 60),
    st.times(),
    st.times(),
)
@settings(max_examples=60, deadline=None)
def test_a_patterns_shifts_begin_on_its_days_by_the_wall_clock(days, first, length, begins, ends):
    from datetime import datetime, timedelta

    begins, ends = begins.replace(microsecond=0), ends.replace(microsecond=0)
    last = first + timedelta(days=length)
    shifts = list(rosters.weekly("w", sorted(days), begins, ends, first, last, SHANGHAI))
    begun = [datetime.fromtimestamp(s.from_ms / 1000, SHANGHAI) for s in shifts]
    wanted = [first + timedelta(days=n) for n in range(length + 1)]
    assert [b.date() for b in begun] == [day for day in wanted if day.weekday() in days]
    for shift, begin in zip(shifts, begun, strict=True):
        assert begin.time() == begins
        assert datetime.fromtimestamp(shift.to_ms / 1000, SHANGHAI).time() == ends
        assert 0 < shift.to_ms - shift.from_ms <= 24 * 3_600_000
    assert isinstance(begins, time)


def test_what_officers_found_becomes_the_precision_of_a_zones_version(centre, agent, person, run):
    officer = person("wang")

    def found(case, result, version="a" * 64, **changes):
        message = task(case, zone_version=version, **changes)
        intake.take_all([(TOPICS.of("tasks"), message.model_dump_json().encode())])
        order = WorkOrder.objects.get(case__stay__agent_case_id=case)
        cases.accept(order.pk, officer)
        cases.close(order.pk, officer, cases.Finding(result))

    for number, result in enumerate(
        [Result.TICKETED] * 6 + [Result.MOVED_ON, Result.TOWED, Result.NOT_A_VIOLATION, Result.WRONG_VEHICLE]
    ):
        found(f"a{number}", result)
    found("gone", Result.VEHICLE_GONE)
    found("other", Result.OTHER)
    found("check", Result.NOT_A_VIOLATION, manual_check=True, rechecked_at_ms=None)
    found("new", Result.VEHICLE_GONE, version="b" * 64)
    old, new = zone_precision()
    assert (old.confirmed, old.false, old.gone, old.other) == (8, 2, 1, 1)
    # Wilson's interval of 8 in 10, as tables give it: 0.4902 to 0.9433.
    assert (old.precision, round(old.low, 4), round(old.high, 4)) == (0.8, 0.4902, 0.9433)
    assert (new.zone_version, new.precision, new.low, new.gone) == ("b" * 64, None, None, 1)
    assert zone_precision("elsewhere") == zone_precision(since_ms=NOON + 1) == []
    code, out = run("zones", "precision", "--json")
    assert code == 0
    assert [row["confirmed"] for row in json.loads(out)] == [8, 0]
    assert "80.0%" in run("zones", "precision")[1]


@given(st.integers(0, 400), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_the_interval_solves_wilsons_equation(right, wrong):
    everything = right + wrong
    if everything == 0:
        assert wilson(right, everything) is None
        return
    low, high = wilson(right, everything)
    share = right / everything
    assert 0 <= low <= share <= high <= 1
    for edge in (low, high):
        if 0 < edge < 1:
            # The edges are the p at which the share lies 1.96 standard errors away.
            z = abs(share - edge) / math.sqrt(edge * (1 - edge) / everything)
            assert math.isclose(z, 1.959964, rel_tol=1e-5)
