"""`patrol central calendar`: working hours, days off and make-up days of a jurisdiction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from central.clocks.day_file import WEEKDAYS, read_date, read_days, read_hours, said_hours
from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from central.clocks.calendar import Windows
    from central.clocks.calendars import DayFacts

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
    ready()
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
                "week": {
                    name: said_hours(hours) for name, hours in zip(WEEKDAYS, calendar.week, strict=True)
                },
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
            hours = f" {said_hours(facts.hours)}" if facts.kind == "shortened" else ""
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
    when = read_date(day, "day")
    ready()
    from central.clocks import calendars

    calendars.set_day(
        jurisdiction, when, kind, reason=reason, author=f"cli:{console.person()}", windows=windows
    )
    if as_json:
        console.print_json(
            {"jurisdiction": jurisdiction, "day": day, "kind": kind, "hours": said_hours(windows)}
        )
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
    reason: Annotated[str, typer.Option(help="Why; kept with your name.")] = "",
    as_json: Json = False,
) -> None:
    """Show the weekly working hours, or change those of some days."""
    windows, chosen = read_hours(hours, "--hours"), _weekdays(days)
    if hours and not chosen:
        raise PatrolError("hours of which days?", field="--days", mend="Write e.g. --days mon-fri")
    ready()
    from central.clocks import calendars

    if chosen or time_zone or country:
        week = list(calendars.calendar_for(jurisdiction).week)
        for number in chosen:
            week[number] = windows
        calendars.set_week(
            jurisdiction,
            week=week if chosen else None,
            time_zone=time_zone,
            country=country,
            reason=reason,
            author=f"cli:{console.person()}",
        )
    calendar = calendars.calendar_for(jurisdiction)
    if as_json:
        week_words = {name: said_hours(day) for name, day in zip(WEEKDAYS, calendar.week, strict=True)}
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
    changes = read_days(file)
    outside = [change.day for change in changes if complete is not None and change.day.year != complete]
    if outside:
        raise PatrolError(
            f"a day of another year than {complete}", file=file, field="day", value=outside[0].isoformat()
        )
    ready()
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
    ready()
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
    row = {"day": facts.day.isoformat(), "kind": facts.kind, "hours": said_hours(facts.hours)}
    if facts.occasion is not None:
        row["occasion"] = facts.occasion.english
    if facts.reason:
        row |= {"reason": facts.reason, "author": facts.author}
    return row


def _week_in_words(week: tuple[Windows, ...]) -> str:
    parts: list[tuple[int, int]] = []
    for number, windows in enumerate(week):
        if parts and week[parts[-1][0]] == windows:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return "; ".join(
        f"{WEEKDAYS[a]}{'' if a == b else '-' + WEEKDAYS[b]} {said_hours(week[a]) or 'closed'}"
        for a, b in parts
    )
