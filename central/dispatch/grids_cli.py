"""Commands of `patrol central grids` that open cases follow: hand over, what a new tree would move, go on by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from central.people.models import User

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose tree.")]


def hand_over(
    code: Annotated[str, typer.Argument(help="Code of the grid.")],
    jurisdiction: Jurisdiction,
    primary: Annotated[str | None, typer.Option(help="User name; without it nobody.")] = None,
    deputy: Annotated[str | None, typer.Option(help="User name; without it nobody.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the histories.")] = "",
    by: Annotated[str | None, typer.Option(help="User name of who hands over, for the histories.")] = None,
    move_accepted: Annotated[
        bool,
        typer.Option(
            "--move-accepted",
            help="Accepted tasks of those who leave go to the primary; else a dispatcher decides about each.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of open cases; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Other people answer for a grid from now on. Its open cases follow within seconds, done by the dispatch worker."""
    ready()
    from central.dispatch import rerouting
    from central.grids import services
    from central.grids.models import Grid

    people = [_person(primary, "--primary"), _person(deputy, "--deputy")]
    who = _person(by, "--by")
    if move_accepted and who is None:
        raise PatrolError("somebody has to answer for moving accepted tasks", field="--by")
    grid = Grid.objects.filter(jurisdiction_id=jurisdiction, code=code).first()
    if grid is None:
        raise PatrolError(
            "there is no such grid", field="code", value=code, mend="See: patrol central grids list"
        )
    told = rerouting.preview(grid, people[0], people[1], move_accepted=move_accepted)
    if not dry_run:
        services.hand_over(
            jurisdiction,
            code,
            primary=people[0],
            deputy=people[1],
            by=who,
            reason=reason,
            move_accepted=move_accepted,
        )
    if as_json:
        console.print_json(
            {
                "grid": grid.code,
                "primary": primary,
                "deputy": deputy,
                "done": not dry_run,
                "open_cases": told.cases,
                "offered_anew": told.anew,
                "dispatcher_decides": told.asked,
                "moved": told.moved,
            }
        )
        return
    console.out.print(
        f"{escape(str(grid))}: {escape(primary or 'nobody')}, deputy {escape(deputy or 'nobody')}"
        + (" [dim](--dry-run: nothing was changed)[/]" if dry_run else "")
    )
    console.out.print(
        f"{told.cases} open cases; tasks offered anew: {told.anew}, moved: {told.moved},"
        f" for a dispatcher to decide: {told.asked}"
    )


def impact(
    file: Annotated[Path, typer.Argument(help="A tree of grids, as for import.")],
    jurisdiction: Jurisdiction,
    as_json: Json = False,
) -> None:
    """How many open cases would lie in another grid if this tree were imported; nothing is changed.

    Exit code 2: the file is wrong.
    """
    from central.grids.reading import read_grids

    report = read_grids(file)
    if report.faults:
        raise PatrolError(
            f"the file has {len(report.faults)} errors",
            file=file,
            mend="See: patrol central grids import --dry-run",
        )
    ready()
    from central.dispatch import rerouting
    from central.grids.index import GridIndex
    from central.grids.services import CRACK_M

    grounds = [(entry.row.code, entry.ground) for entry in report.entries if entry.ground is not None]
    index = GridIndex(sorted(grounds, key=lambda each: each[0]))

    def leaf(longitude: float, latitude: float) -> str | None:
        found = index.leaf_at(longitude, latitude)
        if found is None:
            near = index.nearest(longitude, latitude, CRACK_M)
            found = None if near is None else near[0]
        return found

    cases, busy = rerouting.preview_ground(jurisdiction, leaf)
    if as_json:
        console.print_json({"file": str(file), "open_cases": cases, "with_open_task": busy})
    else:
        console.out.print(f"{cases} open cases would lie in another grid, {busy} of them with an open task")


def reroute(as_json: Json = False) -> None:
    """Take the open cases of all grids that were handed over or drawn anew, now. The dispatch worker does the same."""
    ready()
    from rich.progress import Progress

    from central.dispatch import rerouting
    from central.dispatch.models import ReroutedCase, RerouteState

    todo = ReroutedCase.rows.filter(state=RerouteState.WAITING)
    steps = 0
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        bar = progress.add_task("taking open cases", total=None)
        while done := rerouting.work():
            steps += done
            progress.update(bar, completed=steps, total=steps + todo.count())
    answer = {"left": todo.count(), "questions": rerouting.questions().count()}
    if as_json:
        console.print_json(answer)
    else:
        console.out.print(
            f"{answer['left']} cases are left; a dispatcher has to decide about {answer['questions']} tasks"
        )


def _person(name: str | None, option: str) -> User | None:
    if name is None:
        return None
    from central.people.models import User

    user = User.objects.filter(username=name).first()
    if user is None:
        raise PatrolError("there is no such user", field=option, value=name, mend="patrol central users add")
    return user
