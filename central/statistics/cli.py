"""`patrol central statistics`: the figures of a period, and whether the history says the same."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from patrol import console

app = typer.Typer(
    help="Figures with their definitions, and their proof from the history.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central statistics show --period 30d\n\n"
    "patrol central statistics show --from 2026-11-01 --to 2026-11-30 --jurisdiction tianlin --json\n\n"
    "patrol central statistics verify --period 90d",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Preset = Annotated[str, typer.Option("--period", help="today, 7d, 30d or 90d, up to and with today.")]
From = Annotated[str, typer.Option("--from", help="First day, as 2026-11-01.")]
To = Annotated[str, typer.Option("--to", help="Last day; today if left out.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Only this one; else all.")]


@app.command(epilog="Example: patrol central statistics show --period 30d --jurisdiction tianlin")
def show(
    period: Preset = "",
    first: From = "",
    last: To = "",
    jurisdiction: Jurisdiction = "",
    as_json: Json = False,
) -> None:
    """Print the figures of the statistics page."""
    source, asked = _source(period, first, last, jurisdiction)
    from central.statistics import figures

    found = figures.all_figures(source, asked)
    if as_json:
        console.print_json(_as_json(found))
        return
    from rich.table import Table

    table = Table(title=f"{asked.first} to {asked.last}", title_justify="left")
    for head in ("figure", "count", "share", "95 % interval"):
        table.add_column(head, justify="left" if head == "figure" else "right")
    rate, timely = found.departure.rate, found.on_time.rate
    table.add_row("cases", str(found.cases), "", "")
    table.add_row("warned", str(found.departure.warned), "", "")
    table.add_row("left after the warning", f"{rate.hits} of {rate.of}", *_words(rate))
    table.add_row("ended without proof", str(found.departure.unproven), "", "")
    table.add_row("not decided yet", str(found.departure.undecided), "", "")
    table.add_row("tasks done on time", f"{timely.hits} of {timely.of}", *_words(timely))
    table.add_row("tasks retracted", str(found.retracted), "", "")
    for result, count in found.results.items():
        table.add_row(f"result: {result.value}", str(count), "", "")
    console.out.print(table)
    if found.places:
        places = Table(title="repeat places", title_justify="left")
        for head in ("place", "zone", "cases", "days", "warned", "left", "tasks"):
            places.add_column(head, justify="left" if head in {"place", "zone"} else "right")
        for p in found.places:
            places.add_row(
                p.name, p.zone_id, *(str(n) for n in (p.cases, p.days, p.warned, p.left, p.tasked))
            )
        console.out.print(places)
    if found.officers:
        people = Table(title="officers", title_justify="left")
        for head in ("officer", "accepted", "closed", "on time", "median min", "open"):
            people.add_column(head, justify="left" if head == "officer" else "right")
        for o in found.officers:
            minutes = "-" if o.minutes_to_close is None else f"{o.minutes_to_close:.1f}"
            people.add_row(
                o.name, str(o.accepted), str(o.closed), _words(o.on_time)[0], minutes, str(o.open_now)
            )
        console.out.print(people)


@app.command(epilog="Example: patrol central statistics verify --period 90d --json")
def verify(
    period: Preset = "",
    first: From = "",
    last: To = "",
    jurisdiction: Jurisdiction = "",
    as_json: Json = False,
) -> None:
    """Compute every figure again from the append-only histories alone; exit code 1 where they differ."""
    source, asked = _source(period, first, last, jurisdiction)
    from dataclasses import asdict

    from rich.progress import Progress

    from central.statistics import figures
    from central.statistics.endings import endings
    from central.statistics.replay import differences, replay

    shown, ended = figures.all_figures(source, asked), endings(source, asked)
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        reading = progress.add_task("reading the histories", total=source.cases.count())
        again = replay(source.cases, asked, source.now_ms, on_case=lambda: progress.advance(reading))
    found = differences(shown, ended, again)
    same = "differs" not in found.values()
    if as_json:
        sides = (
            {**_as_json(figures_), "endings": [asdict(row) for row in rows]}
            for figures_, rows in ((shown, ended), (again.figures, again.endings))
        )
        console.print_json(
            {
                "from": asked.first.isoformat(),
                "to": asked.last.isoformat(),
                "same": same,
                "parts": found,
                **dict(zip(("shown", "history"), sides, strict=True)),
                "cases": again.cases,
                "entries": again.entries,
                "untold": again.untold,
            }
        )
    else:
        _tell(asked, shown, ended, again, found)
    if not same:
        raise typer.Exit(1)


def _tell(asked: Any, shown: Any, ended: Any, again: Any, found: dict[str, str]) -> None:
    from rich.table import Table

    table = Table(title=f"{asked.first} to {asked.last}", title_justify="left")
    for head in ("figure", "shown", "history", ""):
        table.add_column(head, justify="right" if head in {"shown", "history"} else "left")
    words = {
        "same": "[green]the same[/]",
        "differs": "[bold red]differs[/]",
        "untold": "[yellow]not told then[/]",
    }
    for part, verdict in found.items():
        one = ended if part == "endings" else getattr(shown, part)
        other = again.endings if part == "endings" else getattr(again.figures, part)
        table.add_row(part.replace("_", " "), _brief(one), _brief(other), words[verdict])
    console.out.print(table)
    said = "otherwise" if "differs" in found.values() else "the same"
    colour = "bold red" if said == "otherwise" else "bold green"
    console.out.print(f"{again.entries} entries of {again.cases} cases: [{colour}]the history says {said}[/]")
    for name, count in again.untold.items():
        console.out.print(f"{count} are from a time when their {name} was not written into the history")


def _brief(value: Any) -> str:
    """A figure in one cell: numbers as they are, rows by how many."""
    from dataclasses import asdict, is_dataclass

    if isinstance(value, list):
        return f"{len(value)} rows"
    counts = value if isinstance(value, dict) else asdict(value) if is_dataclass(value) else None  # type: ignore[arg-type]
    return str(value) if counts is None else " ".join(str(count) for count in counts.values())


def _source(period: str, first: str, last: str, jurisdiction: str) -> Any:
    from central.project import bootstrap

    bootstrap.start()
    bootstrap.check_schema()
    from central.cases.models import Case, WorkOrder
    from central.project.clock import now_ms
    from central.statistics.figures import Source
    from central.statistics.period import read_period

    now = now_ms()
    asked = read_period({"period": period, "from": first, "to": last}, now)
    cases, orders = Case.objects.all(), WorkOrder.objects.all()
    if jurisdiction:
        cases = cases.filter(jurisdiction_id=jurisdiction)
        orders = orders.filter(case__jurisdiction_id=jurisdiction)
    return Source(cases, orders, now), asked


def _words(share: Any) -> tuple[str, str]:
    if share.share is None:
        return "-", ""
    return f"{share.share * 100:.1f} %", f"{share.low * 100:.1f} to {share.high * 100:.1f} %"


def _as_json(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    def share(value: Any) -> dict[str, Any]:
        return {
            "hits": value.hits,
            "of": value.of,
            "share": value.share,
            "low": value.low if value.of else None,
            "high": value.high if value.of else None,
        }

    return {
        "from": found.period.first.isoformat(),
        "to": found.period.last.isoformat(),
        "cases": found.cases,
        "departure": {
            **asdict(found.departure),
            "warned": found.departure.warned,
            "rate": share(found.departure.rate),
        },
        "on_time": {**asdict(found.on_time), "rate": share(found.on_time.rate)},
        "results": {result.value: count for result, count in found.results.items()},
        "retracted": found.retracted,
        "places": [asdict(place) for place in found.places],
        "officers": [{**asdict(o), "on_time": share(o.on_time)} for o in found.officers],
        "precision": [asdict(zone) for zone in found.precision],
        "days": [{**asdict(day), "day": day.day.isoformat()} for day in found.days],
    }
