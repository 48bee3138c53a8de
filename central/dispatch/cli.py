"""`patrol central dispatch`, `rosters` and `zones`: the worker, who is on duty, and how often cameras were right."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Annotated, Any

import typer

from central.project.bootstrap import ready
from central.project.cli_rows import show_rows
from patrol import console
from protocol.errors import PatrolError

dispatch_app = typer.Typer(
    help="Finding officers for tasks.",
    no_args_is_help=True,
    epilog="Examples:\n\npatrol central dispatch work\n\npatrol central dispatch open --json",
)
rosters_app = typer.Typer(
    help="Duty rosters: who is on duty when, where and how they travel.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central rosters import january.csv --jurisdiction sanlihe --dry-run\n\n"
    "patrol central rosters weekly li.wei --days mon-fri --hours 08:00-16:00 --first 2027-01-04 --last 2027-03-26"
    " --jurisdiction sanlihe\n\n"
    "patrol central rosters who-now --json",
)
zones_app = typer.Typer(
    help="What officers' outcomes say about camera zones.",
    no_args_is_help=True,
    epilog="Example: patrol central zones precision --json",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose roster.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and report; store nothing.")]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MS = 86_400_000


@dispatch_app.command(epilog="Example: patrol central dispatch work")
def work() -> None:
    """Run one worker that finds officers for tasks; start as many as you need. `patrol central up` runs one."""
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    from central.dispatch.worker import run_worker

    run_worker()


@dispatch_app.command("open", epilog="Example: patrol central dispatch open --json")
def open_(as_json: Json = False) -> None:
    """Tasks that nobody has accepted: to whom they are offered, or why to nobody."""
    ready()
    from central.dispatch.models import Assignment, Offer, OfferState
    from central.dispatch.words import why_words
    from protocol.clock import iso

    found = (
        Assignment.rows.filter(state__in=["waiting", "offered", "unassigned"])
        .select_related("order__case")
        .order_by("since_ms", "order_id")
    )
    offers = {
        offer.order_id: offer
        for offer in Offer.rows.filter(state=OfferState.OFFERED).select_related("officer")
    }
    rows: list[dict[str, Any]] = []
    for search in found:
        offer = offers.get(search.order_id)
        rows.append(
            {
                "task": search.order_id,
                "jurisdiction": search.jurisdiction_id,
                "place": search.order.case.place,
                "state": search.state,
                "since": iso(search.since_ms),
                "officer": offer.officer.get_username() if offer else None,
                "until": iso(offer.expires_at_ms) if offer and offer.expires_at_ms else None,
                "why": why_words(offer.why) if offer else search.reason,
            }
        )
    show_rows(rows, as_json=as_json)


@rosters_app.command(
    "import", epilog="Example: patrol central rosters import january.csv --jurisdiction sanlihe --dry-run"
)
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: officer, from, to; and if wanted grids, mode.")],
    jurisdiction: Jurisdiction,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Store the shifts of a file, all or none, and report what is wrong row by row (exit code 2).

    Rows that are stored already, word for word, stay as they are: a file may be imported again.
    """
    ready()
    from central.dispatch import rosters
    from central.dispatch.roster_file import read_roster

    wanted, faults = read_roster(file, _zone())
    faults = sorted([*faults, *rosters.check(jurisdiction, wanted)], key=lambda f: (f.row, f.field))
    stored = None
    if not faults and not dry_run:
        stored = rosters.store(jurisdiction, wanted)
    _told(len(wanted), faults, stored, as_json=as_json)


@rosters_app.command(
    epilog="Example: patrol central rosters weekly li.wei --days mon-fri --hours 08:00-16:00 --first 2027-01-04"
    " --last 2027-03-26 --jurisdiction sanlihe"
)
def weekly(
    officer: Annotated[str, typer.Argument(help="Log-in name.")],
    jurisdiction: Jurisdiction,
    days: Annotated[str, typer.Option(help="Days on which shifts begin: mon-fri, or sat,sun.")],
    hours: Annotated[str, typer.Option(help="Wall clock, e.g. 08:00-16:00; 22:00-06:00 ends the next day.")],
    first: Annotated[str, typer.Option(help="First day, e.g. 2027-01-04.")],
    last: Annotated[str, typer.Option(help="Last day, included.")],
    grids: Annotated[str, typer.Option(help="Codes of grids, comma-separated; without it everywhere.")] = "",
    mode: Annotated[str, typer.Option(help="foot, bicycle, scooter or car.")] = "foot",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Store the shifts of a weekly pattern, all or none."""
    begins, ends = _hours(hours)
    from_day, to_day = _day("--first", first), _day("--last", last)
    if to_day < from_day or (to_day - from_day).days > 3 * 366:
        raise PatrolError(
            "the last day must follow the first, within three years", field="--last", value=last
        )
    ready()
    from central.dispatch import rosters

    codes = tuple(code.strip() for code in grids.split(",") if code.strip())
    wanted = list(
        rosters.weekly(officer, _weekdays(days), begins, ends, from_day, to_day, _zone(), codes, mode)
    )
    faults = rosters.check(jurisdiction, wanted)
    stored = None
    if not faults and not dry_run:
        stored = rosters.store(jurisdiction, wanted)
    _told(len(wanted), faults, stored, as_json=as_json)


@rosters_app.command(
    "list", epilog="Example: patrol central rosters list --jurisdiction sanlihe --days 7 --json"
)
def list_(
    jurisdiction: Annotated[str | None, typer.Option("--jurisdiction", "-j", help="Only this one's.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days from now on.")] = 7,
    as_json: Json = False,
) -> None:
    """Shifts that run now or begin within some days."""
    ready()
    from central.dispatch.models import Shift
    from central.project.clock import now_ms
    from protocol.clock import iso

    now = now_ms()
    found = Shift.rows.filter(to_ms__gt=now, from_ms__lt=now + days * _DAY_MS).select_related("officer")
    if jurisdiction is not None:
        found = found.filter(jurisdiction_id=jurisdiction)
    rows = [
        {
            "officer": shift.officer.get_username(),
            "jurisdiction": shift.jurisdiction_id,
            "from": iso(shift.from_ms),
            "to": iso(shift.to_ms),
            "grids": shift.grids,
            "mode": shift.mode,
        }
        for shift in found
    ]
    show_rows(rows, as_json=as_json)


@rosters_app.command("who-now", epilog="Example: patrol central rosters who-now --json")
def who_now(
    jurisdiction: Annotated[str | None, typer.Option("--jurisdiction", "-j", help="Only this one's.")] = None,
    as_json: Json = False,
) -> None:
    """Who is on duty at this moment, how much they have to do, and how old their last known place is."""
    ready()
    from central.dispatch.desk import loads
    from central.dispatch.models import Shift
    from central.project.clock import now_ms
    from protocol.clock import iso

    now = now_ms()
    found = Shift.rows.filter(from_ms__lte=now, to_ms__gt=now).select_related("officer__last_position")
    if jurisdiction is not None:
        found = found.filter(jurisdiction_id=jurisdiction)
    busy = loads(shift.officer_id for shift in found)
    rows = []
    for shift in found:
        last = getattr(shift.officer, "last_position", None)
        rows.append(
            {
                "officer": shift.officer.get_username(),
                "jurisdiction": shift.jurisdiction_id,
                "until": iso(shift.to_ms),
                "grids": shift.grids,
                "mode": shift.mode,
                "open_tasks": busy[shift.officer_id],
                "position_age_s": None if last is None else max(0, now - last.at_ms) // 1000,
            }
        )
    show_rows(rows, as_json=as_json)


@zones_app.command(epilog="Example: patrol central zones precision --jurisdiction sanlihe --days 90 --json")
def precision(
    jurisdiction: Annotated[str | None, typer.Option("--jurisdiction", "-j", help="Only this one's.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Outcomes of so many days up to now.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How often officers confirmed what a camera zone reported, with a 95% interval, worst first.

    Share: confirmed / (confirmed + false). Vehicles that had left before the officer came are shown, and not counted.
    """
    ready()
    from dataclasses import asdict

    from central.dispatch.precision import zone_precision
    from central.project.clock import now_ms

    since = None if days is None else now_ms() - days * _DAY_MS
    found = zone_precision(jurisdiction, since_ms=since)
    if as_json:
        console.print_json([asdict(row) for row in found])
        return
    rows = [
        {
            "zone": row.zone_id,
            "name": row.zone_name,
            "camera": f"{row.jurisdiction_id}/{row.agent_id}/{row.camera_id}",
            "version": row.zone_version[:8],
            "confirmed": row.confirmed,
            "false": row.false,
            "gone": row.gone,
            "precision": "" if row.precision is None else f"{row.precision:.1%}",
            "95%": "" if row.low is None or row.high is None else f"{row.low:.1%} to {row.high:.1%}",
        }
        for row in found
    ]
    show_rows(rows, as_json=False)


def _told(rows: int, faults: list[Any], stored: Any, *, as_json: bool) -> None:
    answer = {
        "rows": rows,
        "faults": [fault.as_dict() for fault in faults],
        "stored": None if stored is None else {"added": stored.added, "unchanged": stored.unchanged},
    }
    if as_json:
        console.print_json(answer)
    else:
        for fault in faults:
            console.err.print(f"[bold red]row {fault.row}[/] {fault.field}: {fault.problem}", soft_wrap=True)
        if stored is not None:
            console.out.print(f"{stored.added} shifts added, {stored.unchanged} were there already")
        elif faults:
            console.err.print(f"nothing was stored: {len(faults)} faults")
        else:
            console.out.print(f"{rows} shifts are in order; nothing was stored")
    if faults:
        raise typer.Exit(2)


def _weekdays(text: str) -> list[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.strip().partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise PatrolError(
                "these are no days of the week",
                field="--days",
                value=text,
                mend="Write e.g. mon-fri or sat,sun",
            )
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return sorted(found)


def _hours(text: str) -> tuple[time, time]:
    try:
        first, last = text.split("-")
        return time.fromisoformat(first.strip()), time.fromisoformat(last.strip())
    except ValueError as error:
        raise PatrolError(
            "these are no hours", field="--hours", value=text, mend="Write e.g. 08:00-16:00"
        ) from error


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PatrolError("this is no day", field=option, value=text, mend="Write e.g. 2027-01-04") from error


def _zone() -> Any:
    from zoneinfo import ZoneInfo

    from django.conf import settings

    return ZoneInfo(settings.PATROL.time_zone)
