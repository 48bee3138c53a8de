"""`patrol central iot`: types of devices, the devices themselves, their keys, and the worker that takes their messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from central.project.bootstrap import ready, start
from central.project.cli_rows import show_rows
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="Things that measure: types, devices, keys, and the worker that takes their messages.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central iot types check my-sensor.toml\n\n"
    "patrol central iot import devices.csv --jurisdiction tianlin --dry-run\n\n"
    "patrol central iot key smoke-3-2-101 --jurisdiction tianlin\n\n"
    "patrol central iot work",
)
types_app = typer.Typer(
    help="Types of devices: what they measure and when they raise an alarm.",
    no_args_is_help=True,
    epilog="Example: patrol central iot types check my-sensor.toml",
)
app.add_typer(types_app, name="types")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose devices.")]
Name = Annotated[str, typer.Argument(help="The device's name, as in its topic.")]


@types_app.command(
    "check", epilog="Example: patrol central iot types check my-sensor.toml --message sample.json"
)
def types_check(
    file: Annotated[Path, typer.Argument(help="TOML file of a type.")],
    message: Annotated[
        Path | None, typer.Option(help="A message of such a device: show what would be read out of it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a type; with a message also show what is read out of it. Leaves with 2 where something is wrong."""
    from central.iot import types
    from central.iot.decode import Reader, UnreadableError

    made = types.read(file)
    found: dict[str, Any] = {
        "code": made.code,
        "title": made.titles.model_dump(),
        "fields": [field.name for field in made.fields],
        "alarms": [rule.name for rule in made.alarms],
    }
    if message is not None:
        from protocol.clock import SystemClock

        try:
            payload = message.read_bytes()
        except OSError as error:
            raise PatrolError(f"the file cannot be read: {error.strerror}", file=message) from error
        try:
            decoded = Reader(made).read(payload, SystemClock().utc_ms())
        except UnreadableError as error:
            raise PatrolError(
                f"this message would not be taken: {error.code.replace('_', ' ')}",
                file=message,
                value=error.detail or None,
            ) from None
        found["message"] = {
            "values": dict(decoded.message.values),
            "at_ms": decoded.message.at_ms if decoded.message.timed else None,
            "not_believed": list(decoded.doubts),
        }
    if as_json:
        console.print_json(found)
        return
    console.out.print(
        f"[bold green]{made.code}[/] {made.titles.zh} · {made.titles.en}: "
        f"{len(made.fields)} fields, {len(made.alarms)} alarms, as it should be"
    )
    if message is not None:
        for name, value in found["message"]["values"].items():
            console.out.print(f"  {name} = {value} {made.by_name[name].unit}".rstrip(), markup=False)
        for name in found["message"]["not_believed"]:
            console.out.print(f"  {name}: not believed", markup=False)


@types_app.command("list", epilog="Example: patrol central iot types list --json")
def types_list(as_json: Json = False) -> None:
    """List the types that this centre knows."""
    start()
    from central.iot.known import device_types

    rows = [
        {
            "code": made.code,
            "zh": made.titles.zh,
            "en": made.titles.en,
            "fields": [field.name for field in made.fields],
            "alarms": [f"{rule.name} ({rule.severity})" for rule in made.alarms],
            "silent_after_s": made.silence.after_s,
        }
        for made in sorted(device_types().values(), key=lambda each: each.code)
    ]
    if as_json:
        console.print_json(rows)
        return
    from rich.table import Table

    table = Table("code", "", "", "fields", "alarms", "silent after", box=None)
    for row in rows:
        table.add_row(
            row["code"],
            row["zh"],
            row["en"],
            ", ".join(row["fields"]),
            ", ".join(row["alarms"]),
            f"{row['silent_after_s'] / 3600:g} h",
        )
    console.out.print(table)


@app.command(
    "add", epilog="Example: patrol central iot add smoke-7 --type smoke -j tianlin --place 'Tianlin Rd 12'"
)
def add(
    name: Name,
    jurisdiction: Jurisdiction,
    type_: Annotated[str, typer.Option("--type", help="Its type; see: patrol central iot types list.")],
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    place: Annotated[str, typer.Option(help="Where it is, in words.")] = "",
    longitude: Annotated[float | None, typer.Option(help="WGS 84.")] = None,
    latitude: Annotated[float | None, typer.Option(help="WGS 84.")] = None,
    as_json: Json = False,
) -> None:
    """Add a device."""
    ready()
    from central.iot import registry

    made = registry.add(jurisdiction, registry.Wanted(name, type_, title, place, longitude, latitude))
    if as_json:
        console.print_json({"device": made.name, "jurisdiction": jurisdiction, "type": made.kind})
    else:
        console.out.print(f"{jurisdiction}/{made.name} added", markup=False)


@app.command("import", epilog="Example: patrol central iot import devices.csv -j tianlin --dry-run")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV: name, type, and title, place, longitude, latitude (WGS 84).")
    ],
    jurisdiction: Jurisdiction,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Import the good rows although others are bad.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Add or change devices and report row by row. With a bad row nothing is written, unless asked; then it leaves with 1."""
    ready()
    from rich.progress import Progress
    from rich.table import Table

    from central.iot import registry

    rows = registry.read_table(file)
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("writing", total=len(rows))
        report = registry.import_rows(
            jurisdiction,
            rows,
            dry_run=dry_run,
            skip_bad=skip_bad_rows,
            on_step=lambda done: bar.update(task, completed=done),
        )
    counts = {name: report.count(name) for name in ("added", "changed", "unchanged", "bad")}
    if as_json:
        console.print_json(
            {
                "file": str(file),
                "jurisdiction": jurisdiction,
                "written": report.written,
                "counts": counts,
                "rows": [row.as_dict() for row in report.rows],
            }
        )
    else:
        bad = [row for row in report.rows if row.result == "bad"]
        if bad:
            table = Table("row", "name", "field", "what", box=None)
            for row in bad[:200]:
                table.add_row(str(row.number), row.name, row.field, row.problem)
            console.out.print(table)
            if len(bad) > 200:
                console.out.print(f"… and {len(bad) - 200} rows more; --json tells all")
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        console.out.print((words or "no rows") + ("" if report.written else "  [dim](nothing written)[/]"))
        if bad and not report.written and not dry_run:
            console.err.print("Nothing was imported: mend the bad rows, or use --skip-bad-rows.")
    if counts["bad"]:
        raise typer.Exit(1)


@app.command("key", epilog="Example: patrol central iot key smoke-7 -j tianlin")
def key(name: Name, jurisdiction: Jurisdiction, as_json: Json = False) -> None:
    """Make a key for the HTTP way, in place of an older one; it is shown this once."""
    ready()
    from central.iot import registry

    secret = registry.new_key(registry.find(jurisdiction, name))
    if as_json:
        console.print_json({"device": name, "jurisdiction": jurisdiction, "key": secret})
    else:
        console.out.print(f"{jurisdiction}/{name} may send by HTTPS; its key, shown this once:", markup=False)
        console.out.print(secret, soft_wrap=True, markup=False)


@app.command("disable", epilog="Example: patrol central iot disable old-sensor -j tianlin")
def disable(
    name: Name,
    jurisdiction: Jurisdiction,
    enable: Annotated[bool, typer.Option("--enable", help="Listen to it again.")] = False,
) -> None:
    """Listen to a device no more; what it sent stays, and nobody misses it."""
    ready()
    from central.iot import registry

    registry.enable(registry.find(jurisdiction, name), wanted=enable)
    console.out.print(f"{jurisdiction}/{name} is {'' if enable else 'not '}listened to", markup=False)


@app.command("refused", epilog="Example: patrol central iot refused --json")
def refused(as_json: Json = False) -> None:
    """Messages that were not taken, by device and reason; what they held is not kept."""
    ready()
    from central.iot.models import Unreadable
    from protocol.clock import iso

    rows = [
        {
            "jurisdiction": row.jurisdiction_id,
            "device": row.name,
            "why": row.code,
            "detail": row.detail,
            "times": row.times,
            "last": iso(row.last_at_ms),
        }
        for row in Unreadable.objects.order_by("-last_at_ms")[:1000]
    ]
    show_rows(rows, as_json=as_json)


@app.command(
    "dead",
    epilog="Examples: patrol central iot dead --json    |    patrol central iot dead --again 7 --again 8",
)
def dead(
    again: Annotated[
        list[int] | None, typer.Option("--again", metavar="ID", help="Try this one again.")
    ] = None,
    away: Annotated[list[int] | None, typer.Option("--away", metavar="ID", help="Forget this one.")] = None,
    all_again: Annotated[
        bool, typer.Option("--all-again", help="Try every one again, oldest first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Dead letters: what the database refused, with its reason. Exit code 1: one that was tried again still cannot be done."""
    ready()
    from central.iot import revive
    from central.iot.models import DeadLetter
    from protocol.clock import iso

    every = DeadLetter.objects.unscoped("whoever runs the centre, at the command line").order_by("pk")
    tried = list(every.values_list("pk", flat=True)) if all_again else list(again or ())
    still = 0
    try:
        for number in tried:
            still += not revive.again(number)
        for number in away or ():
            revive.put_away(number)
    except DeadLetter.DoesNotExist:
        raise PatrolError(
            "there is no such dead letter", field="ID", value=number, mend="patrol central iot dead"
        ) from None
    rows = [
        {
            "id": row.pk,
            "jurisdiction": row.device.jurisdiction_id,
            "device": row.device.name,
            "what": row.what,
            "at": iso(row.at_ms),
            "reason": row.reason,
            "tries": row.tries,
        }
        for row in every.select_related("device")[:1000]
    ]
    show_rows(rows, as_json=as_json)
    if still:
        raise typer.Exit(1)


@app.command("work", epilog="Example: patrol central iot work")
def work() -> None:
    """Take devices' messages, miss silent ones, tell cases of alarms; start as many as you need."""
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    bootstrap.check_services()
    from central.iot.worker import run_worker

    run_worker()
