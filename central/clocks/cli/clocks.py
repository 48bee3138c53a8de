"""`patrol central clocks`: which promises run, and what people decide about them; `patrol central sweep`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="Deadlines of cases: list, pause, resume, extend.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central clocks list --late\n\n"
    'patrol central clocks pause 17 --reason "waits for the owner\'s papers"\n\n'
    "patrol central clocks extend 17 --by 2 --reason 与自来水公司协调",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Number = Annotated[int, typer.Argument(min=1, help="The clock's number, as in the list.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the case's history.")]


def sweep(
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now, then end. For cron and for checks.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: print what was done as JSON.")
    ] = False,
) -> None:
    """Run one worker that warns, notes breaches and escalates; start as many as you need. `patrol central up` runs one."""
    from central.project import process

    process.follow_parent()
    ready()
    from central.clocks.sweeper import ClockSweeper, run_worker

    if not once:
        run_worker()
        return
    sweeper = ClockSweeper()
    reckoned = sweeper.reckon_again()
    done = 0
    while now := sweeper.sweep():
        done += now
    if as_json:
        console.print_json({"swept": done, "reckoned": reckoned})
    else:
        console.out.print(f"{done} clocks swept, {reckoned} reckoned by a changed calendar")


@app.command("list", epilog="Example: patrol central clocks list --case 12 --json")
def list_(
    case: Annotated[int | None, typer.Option(help="Only of this case, ended ones too.")] = None,
    jurisdiction: Annotated[
        str | None, typer.Option("--jurisdiction", "-j", help="Only of this one.")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="Only broken promises.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the next due first.")] = 50,
    as_json: Json = False,
) -> None:
    """List clocks that run or stand still, the next due first."""
    ready()
    from central.clocks.models import Clock

    found = Clock.objects.order_by("due_at_ms", "pk")
    found = found.filter(case_id=case) if case is not None else found.filter(stopped_at_ms__isnull=True)
    if jurisdiction is not None:
        found = found.filter(jurisdiction_id=jurisdiction)
    if late:
        found = found.filter(breached_at_ms__isnull=False)
    rows = [_row(clock) for clock in found[:limit]]
    if as_json:
        console.print_json(rows)
        return
    from rich.table import Table

    if not rows:
        console.out.print("none")
        return
    shown = ("clock", "case", "kind", "state", "due", "late since", "level")
    table = Table(*shown, box=None)
    for row in rows:
        due = str(row["due"]) + (" [yellow]provisional[/]" if row["provisional"] else "")
        late_since = f"[bold red]{row['breached']}[/]" if row["breached"] else ""
        state = f"[yellow]{row['state']}[/]" if row["state"] == "paused" else str(row["state"])
        table.add_row(
            str(row["clock"]),
            str(row["case"]),
            str(row["kind"]),
            state,
            due,
            late_since,
            str(row["level"] or ""),
        )
    console.out.print(table)


@app.command(epilog='Example: patrol central clocks pause 17 --reason "waits for the owner\'s papers"')
def pause(clock: Number, reason: Reason, as_json: Json = False) -> None:
    """Let a clock stand still; the time until it is resumed does not count."""
    ready()
    from central.clocks import services

    _tell(_do(clock, lambda: services.pause(clock, console.person(), reason)), as_json=as_json)


@app.command(epilog="Example: patrol central clocks resume 17")
def resume(
    clock: Number,
    reason: Annotated[str, typer.Option(help="Why now; may be left out.")] = "",
    as_json: Json = False,
) -> None:
    """Let a clock run again; its due date moves by the time for which it stood still."""
    ready()
    from central.clocks import services

    _tell(_do(clock, lambda: services.resume(clock, console.person(), reason)), as_json=as_json)


@app.command(epilog="Example: patrol central clocks extend 17 --by 2 --reason 与自来水公司协调")
def extend(
    clock: Number,
    by: Annotated[float, typer.Option(help="How much more, in the clock's own unit.")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Grant more time, before the promise is broken."""
    ready()
    from central.clocks import services

    _tell(_do(clock, lambda: services.extend(clock, console.person(), by, reason)), as_json=as_json)


def _do(number: int, command: Any) -> Any:
    from central.clocks.models import Clock

    try:
        return command()
    except Clock.DoesNotExist as error:
        raise PatrolError(
            "there is no such clock", field="clock", value=number, mend="See: patrol central clocks list"
        ) from error


def _row(clock: Any) -> dict[str, Any]:
    from protocol.clock import iso

    def at(ms: int | None) -> str | None:
        return None if ms is None else iso(ms)

    return {
        "clock": clock.pk,
        "case": clock.case_id,
        "jurisdiction": clock.jurisdiction_id,
        "kind": clock.kind,
        "round": clock.round,
        "state": clock.state,
        "amount": clock.amount,
        "extra": clock.extra,
        "unit": clock.unit,
        "started": at(clock.started_at_ms),
        "due": at(clock.due_at_ms),
        "provisional": clock.provisional,
        "warned": at(clock.warned_at_ms),
        "breached": at(clock.breached_at_ms),
        "level": clock.level,
        "stopped": at(clock.stopped_at_ms),
        "on_time": clock.on_time,
    }


def _tell(clock: Any, *, as_json: bool) -> None:
    row = _row(clock)
    if as_json:
        console.print_json(row)
    else:
        console.out.print(
            escape(f"clock {row['clock']} of case {row['case']}: {row['state']}, due {row['due']}")
        )
