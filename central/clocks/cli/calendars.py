"""`patrol central calendar`: working hours, days off and make-up days of a jurisdiction."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from central.clocks.calendar import Windows
    from central.clocks.calendars import DayChange, DayFacts

app = typer.Typer(
    help="Working time: which days and hours count.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central calendar show 2026 -j tianlin\n\n"
    "patrol central calendar set 2026-12-24 shortened --hours 09:00-12:00 --reason 提前放假 -j tianlin\n\n"
    "patrol central calendar import 2027.csv --complete 2027 -j tianlin\n\n"
    "patrol central calendar missing",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose calendar.")]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_LOOK = {
    "work": "",
    "off": "dim",
    "holiday": "bold red",
    "makeup": "bold green",
    "shortened": "bold yellow",
    "unknown": "bold magenta",
}
_MARK = {"work": " ", "off": " ", "holiday": "*", "makeup": "+", "shortened": "~", "unknown": "?"}
"""For those who see no colours."""


@app.command(epilog="Example: patrol central calendar show 2026 -j tianlin")
def show(
    year: Annotated[int, typer.Argument(help="Which year.")],
    jurisdiction: Jurisdiction,
    as_json: Json = False,
) -> None:
    """Show a year as a picture, and why each day differs from its weekday."""
    _start()
    from central.clocks import calendars

    days = calendars.days_of(jurisdiction, year)
    calendar = calendars.calendar_for(jurisdiction)
    worked = sum(bool(facts.hours) for facts in days)
    known = calendar.is_known(year)
    if as_json:
        console.print_json(
            {
                "jurisdiction": jurisdiction,
                "year": year,
                "known": known,
                "time_zone": calendar.time_zone,
                "week": {name: _hours(hours) for name, hours in zip(WEEKDAYS, calendar.week, strict=True)},
                "working_days": worked,
                "days": [_facts(facts) for facts in days if facts.kind not in ("work", "off")],
            }
        )
        return
    console.out.print(_picture(year, days))
    if not known:
        console.out.print(
            f"[bold magenta]the days off of {year} are not known: due dates in it are provisional[/]\n"
            "[green]mend[/] bring the package chinesecalendar up to date, or: patrol central calendar import FILE "
            f"--complete {year}",
            soft_wrap=True,
        )
    console.out.print(f"{worked} working days; hours {_week_in_words(calendar.week)}; {calendar.time_zone}")
    for facts in days:
        if facts.reason:
            hours = f" {_hours(facts.hours)}" if facts.kind == "shortened" else ""
            console.out.print(
                escape(f"{facts.day} {facts.kind}{hours}: {facts.reason} ({facts.author})"), soft_wrap=True
            )


@app.command(
    "set", epilog="Example: patrol central calendar set 2026-11-25 holiday --reason 台风停工 -j tianlin"
)
def set_(
    day: Annotated[str, typer.Argument(help="The date, e.g. 2026-11-25.")],
    kind: Annotated[str, typer.Argument(help="holiday, makeup, shortened, or usual to take it back.")],
    reason: Annotated[str, typer.Option(help="Why; kept with your name.")],
    jurisdiction: Jurisdiction,
    hours: Annotated[str, typer.Option(help="Hours of a shortened day, e.g. 09:00-12:00,13:00-15:00.")] = "",
    as_json: Json = False,
) -> None:
    """Change one day. Running clocks are reckoned anew by the sweeper; none becomes due earlier than promised."""
    windows = read_hours(hours, "--hours")
    when = _date(day, "day")
    _start()
    from central.clocks import calendars

    calendars.set_day(
        jurisdiction, when, kind, reason=reason, author=f"cli:{console.person()}", windows=windows
    )
    if as_json:
        console.print_json({"jurisdiction": jurisdiction, "day": day, "kind": kind, "hours": _hours(windows)})
    else:
        console.out.print(f"{day} is now {kind} in {escape(jurisdiction)}")


@app.command(
    "hours",
    epilog="Example: patrol central calendar hours --days mon-fri --hours 09:00-12:00,13:30-17:30 -j tianlin",
)
def hours_(
    jurisdiction: Jurisdiction,
    days: Annotated[str, typer.Option(help="mon-fri or sat,sun; with --hours.")] = "",
    hours: Annotated[str, typer.Option(help="Their hours; none closes them.")] = "",
    time_zone: Annotated[str | None, typer.Option(help="IANA name, e.g. Asia/Shanghai.")] = None,
    country: Annotated[str | None, typer.Option(help="Whose days off: cn, or none.")] = None,
    as_json: Json = False,
) -> None:
    """Show the weekly working hours, or change those of some days."""
    windows, chosen = read_hours(hours, "--hours"), _weekdays(days)
    if hours and not chosen:
        raise PatrolError("hours of which days?", field="--days", mend="Write e.g. --days mon-fri")
    _start()
    from central.clocks import calendars

    if chosen or time_zone or country:
        week = list(calendars.calendar_for(jurisdiction).week)
        for number in chosen:
            week[number] = windows
        calendars.set_week(jurisdiction, week=week if chosen else None, time_zone=time_zone, country=country)
    calendar = calendars.calendar_for(jurisdiction)
    if as_json:
        week_words = {name: _hours(day) for name, day in zip(WEEKDAYS, calendar.week, strict=True)}
        console.print_json(
            {"jurisdiction": jurisdiction, "time_zone": calendar.time_zone, "week": week_words}
        )
    else:
        console.out.print(f"{_week_in_words(calendar.week)}; {calendar.time_zone}")


@app.command("import", epilog="Example: patrol central calendar import 2027.csv --complete 2027 -j tianlin")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns day, kind, reason and, if need be, hours.")
    ],
    jurisdiction: Jurisdiction,
    complete: Annotated[
        int | None, typer.Option(help="Vouch that every day off and make-up day of this year is in it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and report; store nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Take days off and make-up days from a file, all or none."""
    changes = _read(file)
    outside = [change.day for change in changes if complete is not None and change.day.year != complete]
    if outside:
        raise PatrolError(
            f"a day of another year than {complete}", file=file, field="day", value=outside[0].isoformat()
        )
    _start()
    from central.clocks import calendars

    if not dry_run:
        calendars.set_days(
            jurisdiction,
            changes,
            author=f"cli:{console.person()}",
            complete_year=complete,
            reason=f"imported from {file.name}",
        )
    if as_json:
        console.print_json({"days": len(changes), "complete": complete, "stored": not dry_run})
    else:
        vouched = f"; {complete} is complete" if complete is not None else ""
        console.out.print(f"{len(changes)} days {'are in order' if dry_run else 'stored'}{vouched}")


@app.command(epilog="Example: patrol central calendar missing --json")
def missing(as_json: Json = False) -> None:
    """Years whose days off nobody knows although promises need them. Exit code 1: there are some."""
    _start()
    from central.clocks import calendars

    found = calendars.missing_years()
    if as_json:
        console.print_json(
            [{"jurisdiction": m.jurisdiction_id, "year": m.year, "urgent": m.urgent} for m in found]
        )
    else:
        for m in found:
            word = "[bold red]promises are provisional already[/]" if m.urgent else "[yellow]needed soon[/]"
            console.out.print(f"{escape(m.jurisdiction_id)} {m.year}: {word}")
        if not found:
            console.out.print("none")
    if found:
        raise typer.Exit(1)


def read_hours(text: str, field: str) -> Windows:
    """``09:00-12:00,13:30-17:30`` as minutes.

    Raises:
        PatrolError: it is written otherwise.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        start, dash, end = part.partition("-")
        found.append((_minute(start, field, text), _minute(end if dash else "", field, text)))
    return tuple(found)


def _minute(text: str, field: str, whole: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    ok = colon and hours.isascii() and minutes.isascii() and hours.isdigit() and minutes.isdigit()
    value = int(hours) * 60 + int(minutes) if ok and len(hours) <= 2 and len(minutes) == 2 else -1
    if not 0 <= value <= 1440 or int(minutes) > 59:
        raise PatrolError(
            "these are no hours", field=field, value=whole, mend="Write e.g. 09:00-12:00,13:30-17:30"
        )
    return value


def _weekdays(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if first not in WEEKDAYS or last not in WEEKDAYS or WEEKDAYS.index(first) > WEEKDAYS.index(last):
            raise PatrolError(
                "these are no weekdays", field="--days", value=text, mend="Write mon-fri or sat,sun"
            )
        found += range(WEEKDAYS.index(first), WEEKDAYS.index(last) + 1)
    return found


def _date(text: str, field: str, file: Path | None = None) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise PatrolError(
            "this is no date", file=file, field=field, value=text, mend="Write e.g. 2026-11-25"
        ) from error


def _read(file: Path) -> list[DayChange]:
    from central.clocks.calendars import DayChange

    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            rows, columns = list(reader), set(reader.fieldnames or ())
    except (OSError, UnicodeError, csv.Error) as error:
        raise PatrolError(f"the file cannot be read: {error}", file=file) from error
    wrong = sorted({"day", "kind", "reason"} - columns) or sorted(
        columns - {"day", "kind", "reason", "hours"}
    )
    if wrong:
        raise PatrolError(
            "the columns are day, kind, reason and, if need be, hours",
            file=file,
            field="header",
            value=wrong[0],
        )
    found: list[DayChange] = []
    for number, row in enumerate(rows, 2):
        where = f"line {number}"
        if any(value is None or isinstance(value, list) for value in row.values()):
            raise PatrolError("a line has as many cells as the header", file=file, field=where)
        day = _date(row["day"], f"{where}: day", file)
        if any(change.day == day for change in found):
            raise PatrolError("this day comes twice", file=file, field=where, value=row["day"])
        windows = read_hours(row.get("hours") or "", f"{where}: hours")
        found.append(DayChange(day, row["kind"].strip(), row["reason"], windows))
    if not found:
        raise PatrolError("there is no day in it", file=file)
    return found


def _picture(year: int, days: list[DayFacts]) -> Any:
    """Twelve months, three in a row, each day in the colour and with the mark of its kind."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 3))
    months = []
    for month in range(1, 13):
        text = Text(f"{year}-{month:02d}".center(28) + "\n", style="bold")
        text.append(" Mo  Tu  We  Th  Fr  Sa  Su\n", style="dim")
        own = [facts for facts in days if facts.day.month == month]
        text.append("    " * own[0].day.weekday())
        for facts in own:
            text.append(f"{facts.day.day:3d}{_MARK[facts.kind]}", style=_LOOK[facts.kind] or "default")
            if facts.day.weekday() == 6:
                text.append("\n")
        months.append(text)
    for row in range(0, 12, 3):
        grid.add_row(*months[row : row + 3])
    legend = Text()
    for kind in ("holiday", "makeup", "shortened", "unknown"):
        legend.append(f"{_MARK[kind]} {kind}   ", style=_LOOK[kind])
    grid.add_row(legend)
    return grid


def _facts(facts: DayFacts) -> dict[str, Any]:
    row = {"day": facts.day.isoformat(), "kind": facts.kind, "hours": _hours(facts.hours)}
    if facts.occasion is not None:
        row["occasion"] = facts.occasion.english
    if facts.reason:
        row |= {"reason": facts.reason, "author": facts.author}
    return row


def _hours(windows: Windows) -> str:
    return ",".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in windows)


def _week_in_words(week: tuple[Windows, ...]) -> str:
    parts: list[tuple[int, int]] = []
    for number, windows in enumerate(week):
        if parts and week[parts[-1][0]] == windows:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return "; ".join(
        f"{WEEKDAYS[a]}{'' if a == b else '-' + WEEKDAYS[b]} {_hours(week[a]) or 'closed'}" for a, b in parts
    )


def _start() -> None:
    from central.project import bootstrap

    bootstrap.start()
    bootstrap.check_schema()
