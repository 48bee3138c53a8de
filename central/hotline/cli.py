"""`patrol central hotline`: the worker, a check of its file, and both sides of the city's work orders compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    help="The residents' hotline and the city's 12345 platform.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central hotline work\n\n"
    "patrol central hotline check hotline.toml\n\n"
    "patrol central hotline reconcile --json\n\n"
    "patrol central hotline verify --days 30",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.command(epilog="Example: patrol central hotline work")
def work() -> None:
    """Run one worker that reminds of what is late and talks with the city; `patrol central up` runs one."""
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    bootstrap.check_services()
    from central.hotline.worker import run_worker

    run_worker()


@app.command(epilog="Example: patrol central hotline check hotline.toml --json")
def check(
    file: Annotated[Path, typer.Argument(help="The file that PATROL_CENTRAL_HOTLINE_FILE will name.")],
    as_json: Json = False,
) -> None:
    """Check a file of the hotline, its secret included, without asking the city anything."""
    ready()
    from central.hotline import config
    from central.hotline.city.orders import mapped

    conf = config.check(file)
    city = conf.city
    answer = {
        "subjects": [subject.code for subject in conf.subjects],
        "city": None if city is None else {"url": city.url, "categories": mapped(conf, city)},
    }
    if city is not None:
        assert city.secret
    if as_json:
        console.print_json(answer)
        return
    console.out.print(f"[bold green]in order[/]: {len(conf.subjects)} subjects")
    if city is not None:
        console.out.print(f"city platform {city.url}, {len(city.categories)} categories")


@app.command(epilog="Example: patrol central hotline reconcile --json")
def reconcile(
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Also fetch the orders that are missing here.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare the city's orders with ours; exit code 1 where they differ."""
    ready()
    from central.hotline import config
    from central.hotline.city.compare import compare
    from central.hotline.city.exchange import mend
    from central.hotline.city.link import CityLink, CityRefusedError, CityTroubleError
    from central.hotline.models import CityFeed

    conf = config.load()
    if conf.city is None:
        raise PatrolError(
            "no city platform is named", field="PATROL_CENTRAL_HOTLINE_FILE",
            mend="Write a file with a table [city]; docs/hotline.md lists its keys",
        )  # fmt: skip
    link = CityLink(conf.city)
    try:
        if fetch:
            CityFeed.objects.bulk_create(
                [CityFeed(jurisdiction_id=conf.city.jurisdiction)], ignore_conflicts=True
            )
        found = mend(link, conf) if fetch else compare(link)
    except (CityTroubleError, CityRefusedError) as error:
        raise UnavailableError(f"the city platform: {error}", value=conf.city.url) from error
    if as_json:
        console.print_json(found.as_json())
    else:
        console.out.print(f"the city has {found.theirs} orders, we have {found.ours}")
        for number in found.missing_here:
            console.out.print(f"[bold red]missing here[/] {number}")
        for number in found.unknown_there:
            console.out.print(f"[bold red]unknown there[/] {number}")
        for one in found.differ:
            tail = " [dim](on its way)[/]" if one.on_its_way else ""
            console.out.print(f"[bold red]differs[/] {one.number}: there {one.theirs}, here {one.ours}{tail}")
    if not found.same:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central hotline verify --days 30 --json")
def verify(
    days: Annotated[int, typer.Option(help="1, 7, 30, 90 or 366 days, today the last of them.")] = 30,
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", "-j", help="Only this one; else all.")] = "",
    as_json: Json = False,
) -> None:
    """Compute the figures of cases and errands again from the histories alone; exit code 1 where they differ."""
    ready()
    from rich.progress import Progress
    from rich.table import Table

    from central.cases.models import Case
    from central.hotline.figures import DAYS, count, period_of
    from central.hotline.models import Errand
    from central.hotline.replay import replay

    if days not in DAYS:
        raise PatrolError(
            "no such period", field="--days", value=days, mend=f"Known: {', '.join(map(str, DAYS))}"
        )
    period = period_of(str(days))
    cases, errands = (each.objects.unscoped("the operator proves all of it") for each in (Case, Errand))
    errands = errands.filter(case__isnull=False)  # what is about no case stands in no history
    if jurisdiction:
        cases, errands = (each.filter(jurisdiction_id=jurisdiction) for each in (cases, errands))
    shown = count(cases, errands, period)
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        reading = progress.add_task("reading the histories", total=cases.count())
        again = replay(cases, period, lambda: progress.advance(reading))
    same = all(again.figures[name] == number for name, number in shown.items())
    if as_json:
        history = {name: again.figures[name] for name in shown}
        read = {"cases": again.cases, "entries": again.entries}
        console.print_json({"days": days, "same": same, "shown": shown, "history": history, **read})
    else:
        table = Table("figure", "shown", "history", "", box=None)
        for name, number in shown.items():
            mark = "[green]the same[/]" if again.figures[name] == number else "[bold red]differs[/]"
            table.add_row(name, str(number), str(again.figures[name]), mark)
        console.out.print(table)
        console.out.print(f"[dim]{again.cases} cases, {again.entries} entries; calls are in no history[/]")
    if not same:
        raise typer.Exit(1)
