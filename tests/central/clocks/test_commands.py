"""`patrol central calendar` and `patrol central clocks`, as a person or a script calls them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from central.cases.history import Audit, verify
from central.clocks.calendars import calendar_for
from central.clocks.models import CalendarDay
from protocol.errors import PatrolError
from tests.central.clocks.office import MONDAY, beijing, clock_of, kinds, open_case


@pytest.fixture(autouse=True)
def monday(centre):
    centre.clock.set_utc(MONDAY)


@pytest.fixture
def patrol(centre):
    """`patrol(*arguments)`: in this process, on this centre; what it printed, or the error that a person reads."""
    from central.cli import app

    def run(*arguments: str, code: int = 0):
        done = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "COLUMNS": "140"})
        if isinstance(done.exception, PatrolError):
            raise done.exception
        assert done.exit_code == code, done.output
        return done.stdout

    return run


def test_a_year_is_a_picture_with_marks_for_those_who_see_no_colours(patrol):
    shown = patrol("calendar", "show", "2026", "-j", "hall")
    for line in ("2026-02", "14+", "15*", "23*", "mon-fri 09:00-12:00,13:30-17:30; sat-sun closed"):
        assert line in shown
    assert " ?" not in shown.replace("? unknown", ""), "no day of 2026 is unknown"
    data = json.loads(patrol("calendar", "show", "2026", "-j", "hall", "--json"))
    assert data["known"]
    assert data["working_days"] == 248
    assert {
        "day": "2026-02-14",
        "kind": "makeup",
        "hours": "09:00-12:00,13:30-17:30",
        "occasion": "Spring Festival",
    } in data["days"]
    unknown = patrol("calendar", "show", "2027", "-j", "hall")
    assert "due dates in it are provisional" in unknown
    assert "import FILE --complete 2027" in unknown


def test_a_day_is_set_and_a_whole_year_imported_or_nothing(patrol, tmp_path):
    patrol(
        "calendar",
        "set",
        "2026-11-25",
        "shortened",
        "--hours",
        "09:00-11:00",
        "--reason",
        "drill",
        "-j",
        "hall",
    )
    assert "2026-11-25 shortened 09:00-11:00: drill (cli:" in patrol("calendar", "show", "2026", "-j", "hall")
    assert patrol("calendar", "missing", code=1).split() == ["hall", "2027:", "needed", "soon"]
    file = tmp_path / "2027.csv"
    file.write_text("day,kind,reason\n2027-01-01,holiday,元旦\n2027-01-02,holyday,x\n")
    with pytest.raises(PatrolError, match="kind of day"):
        patrol("calendar", "import", str(file), "--complete", "2027", "-j", "hall")
    assert CalendarDay.objects.count() == 1
    file.write_text("day,kind,reason\n2027-01-01,holiday,元旦\n2027-01-09,makeup,元旦\n")
    assert "in order" in patrol(
        "calendar", "import", str(file), "--complete", "2027", "--dry-run", "-j", "hall"
    )
    patrol("calendar", "import", str(file), "--complete", "2027", "-j", "hall")
    assert patrol("calendar", "missing").strip() == "none"
    assert calendar_for("hall").is_known(2027)
    patrol("calendar", "hours", "--days", "mon-fri", "--hours", "08:00-20:00", "-j", "hall")
    week = json.loads(patrol("calendar", "hours", "-j", "hall", "--json"))["week"]
    assert (week["fri"], week["sat"]) == ("08:00-20:00", "")


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)  # nothing reaches the database
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("set", "2026-02-30", "holiday", "--reason", "x"), "day"),
        (("set", "2026-02-03", "shortened", "--hours", "9-12", "--reason", "x"), "--hours"),
        (("set", "2026-02-03", "shortened", "--hours", "12:00-09:00", "--reason", "x"), "2026-02-03: hours"),
        (("set", "2026-02-03", "shortened", "--hours", "09:60-10:00", "--reason", "x"), "--hours"),
        (("set", "2026-02-03", "holiday", "--reason", " "), "2026-02-03: reason"),
        (("hours", "--days", "mon-funday", "--hours", "09:00-10:00"), "--days"),
        (("hours", "--hours", "09:00-10:00"), "--days"),
        (("hours", "--time-zone", "Mars/Olympus"), "time_zone"),
        (("show", "1812"), "year"),
    ],
)
def test_nonsense_is_named(patrol, arguments, field, centre):
    with pytest.raises(PatrolError) as caught:
        patrol("calendar", *arguments, "-j", "hall")
    assert caught.value.field == field


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)  # nothing reaches the database
@pytest.mark.parametrize(
    "text",
    [
        "",
        "day,kind\n2027-01-01,holiday\n",
        "day,kind,reason,colour\n2027-01-01,holiday,x,red\n",
        "day,kind,reason\n",
        "day,kind,reason\n2027-01-01,holiday\n",
        "day,kind,reason\n2027-01-01,holiday,x,y\n",
        "day,kind,reason\n2027-01-01,holiday,x\n2027-01-01,makeup,x\n",
        "day,kind,reason\n2026-01-01,holiday,x\n",
        "day,kind,reason,hours\n2027-01-01,shortened,x,whenever\n",
        "day,kind,reason\n\udcff,holiday,x\n",
    ],
)
def test_a_file_that_makes_no_sense_stores_nothing(patrol, tmp_path, text):
    file = tmp_path / "days.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PatrolError):
        patrol("calendar", "import", str(file), "--complete", "2027", "-j", "hall")
    assert CalendarDay.objects.count() == 0


def test_clocks_are_listed_paused_resumed_and_extended_by_hand(patrol, centre):
    case = open_case()
    rows = json.loads(patrol("clocks", "list", "--json"))
    assert [(row["kind"], row["state"], row["due"]) for row in rows] == [
        ("reply", "running", "2026-11-26T09:30:00.000Z"),
        ("resolution", "running", "2026-12-07T09:30:00.000Z"),
    ]
    number = str(rows[0]["clock"])
    patrol("clocks", "pause", number, "--reason", "waits")
    centre.clock.set_utc(beijing("2026-11-24T09:00"))
    assert json.loads(patrol("clocks", "resume", number, "--json"))["due"] == "2026-11-26T09:30:00.000Z", (
        "day one"
    )
    patrol("clocks", "extend", number, "--by", "1.5", "--reason", "granted")
    assert clock_of(case).due_at_ms == beijing("2026-11-30T14:00"), "half of Monday's hours"
    assert clock_of(case).started_at_ms == MONDAY
    assert kinds(case)[2:] == ["clock_paused", "clock_resumed", "clock_extended"]
    assert "reply" in patrol("clocks", "list", "--case", str(case.pk))
    with pytest.raises(PatrolError, match="no such clock"):
        patrol("clocks", "pause", "999", "--reason", "x")
    assert patrol("clocks", "list", "--late").strip() == "none"
    centre.clock.set_utc(beijing("2026-12-08T09:00"))
    assert json.loads(patrol("sweep", "--once", "--json")) == {"swept": 2, "reckoned": 0}
    assert len(json.loads(patrol("clocks", "list", "--late", "--json"))) == 2
    assert list(verify(Audit())) == []
