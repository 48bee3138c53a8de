"""`patrol central owners`: the centre's table of owners: import, check, look up by name of purpose, change the key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central.project.bootstrap import ready
from central.project.cli_rows import print_rows
from patrol import console

if TYPE_CHECKING:
    from notifier.owners import OwnerRow

app = typer.Typer(
    help="The centre's encrypted table of owners, and who asked for whom.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central owners import owners.csv\n\n"
    "patrol central owners check\n\n"
    "patrol central owners find 京A12345 --purpose 'complaint 2026-17'\n\n"
    "patrol central owners lookups --json",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
_BATCH = 500
_OFTEN = frozenset({"added", "unchanged", "not_imported"})


@app.command("import", epilog="Example: patrol central owners import owners.csv")
def import_(
    csv_file: Annotated[Path, typer.Argument(help="CSV with the columns plate, phone, language, opted_out.")],
    replace: Annotated[bool, typer.Option("--replace", help="The file becomes the whole table.")] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Import the good rows although others are bad.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Import owners from a CSV file and report row by row. With a bad row nothing is imported, unless asked.

    Leaves with 1 if a row is bad or gives a plate a second owner; such a plate is ambiguous and nobody is warned.
    """
    ready()
    from rich.progress import Progress

    from central.owners import services
    from notifier.owners._csv import read_owners

    readings = read_owners(csv_file)
    good = [(reading.line, reading.row) for reading in readings if reading.row is not None]
    stored: dict[int, str] = {}
    if len(good) == len(readings) or skip_bad_rows:
        with Progress(console=console.err, transient=True) as progress:
            task = progress.add_task("sealing", total=len(good))

            def rows() -> Iterator[OwnerRow]:
                for number, (_, row) in enumerate(good):
                    if number % _BATCH == 0:
                        progress.update(task, completed=number)
                    yield row

            changes = services.add(rows(), replace=replace)
        stored = {line: change for (line, _), change in zip(good, changes, strict=True)}
    report = [
        {
            "line": reading.line,
            "plate": reading.plate,
            "phone": reading.phone,
            "result": stored.get(reading.line, "bad" if reading.row is None else "not_imported"),
            "problem": reading.problem,
        }
        for reading in readings
    ]
    counts: dict[str, int] = {}
    for line in report:
        counts[str(line["result"])] = counts.get(str(line["result"]), 0) + 1
    if as_json:
        console.print_json({"file": str(csv_file), "rows": report, "counts": counts})
    else:
        print_rows([line for line in report if line["result"] not in _OFTEN])
        console.out.print(
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
        )
        if counts.get("not_imported"):
            console.err.print("Nothing was imported: mend the bad rows, or use --skip-bad-rows.")
        if counts.get("second_owner"):
            console.err.print("Plates with two owners are ambiguous: nobody is warned for them.")
    if counts.get("bad") or counts.get("second_owner"):
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central owners check --json")
def check(as_json: Json = False) -> None:
    """Open every row with the key and count. Leaves with 1 if a row cannot be opened."""
    ready()
    from dataclasses import asdict

    from central.owners import services

    report = services.verify()
    if as_json:
        console.print_json(asdict(report))
    else:
        print_rows([{name.replace("_", " "): str(value) for name, value in asdict(report).items()}])
    if report.unreadable:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central owners find 京A12345 --purpose 'complaint 2026-17'")
def find(
    plate: Annotated[str, typer.Argument(help="The plate.")],
    purpose: Annotated[str, typer.Option(help="Why; it is written down with your name before the answer.")],
    as_json: Json = False,
) -> None:
    """Say whether a plate's owner is known, with the number masked. Written down like every look-up.

    Leaves with 1 if the plate has no single owner who wants messages.
    """
    ready()
    from central.owners import services
    from notifier.masking import mask_phone, mask_plate
    from notifier.owners import Owner

    answer = services.find(plate, purpose=purpose, who=f"cli:{console.person()}")
    known = isinstance(answer, Owner)
    shown = {
        "plate": mask_plate(plate),
        "answer": "found" if isinstance(answer, Owner) else answer.reason,
        "phone": mask_phone(answer.phone) if isinstance(answer, Owner) else None,
    }
    if as_json:
        console.print_json(shown)
    else:
        print_rows([shown])
    if not known:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central owners lookups --limit 20 --json")
def lookups(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Who asked for whom, why, and what was answered."""
    ready()
    from central.owners.models import Lookup
    from protocol.clock import iso

    rows = [
        {
            "at": iso(line.at_ms),
            "who": line.who,
            "purpose": line.purpose,
            "plate": line.plate_masked,
            "answer": line.answer,
        }
        for line in Lookup.objects.order_by("-pk")[:limit]
    ]
    if as_json:
        console.print_json(rows)
    else:
        print_rows(rows)


@app.command(epilog="Example: patrol central owners rotate")
def rotate(as_json: Json = False) -> None:
    """Seal owners, opt-outs and notices with a fresh key, which replaces the one in the key file. Stop the centre first."""
    ready()
    from rich.progress import Progress

    from central.owners import keys, services
    from central.owners.models import Owner

    with Progress(console=console.err, transient=True) as progress:
        task = progress.add_task("sealing", total=Owner.objects.count())
        done = services.rotate(lambda count: progress.update(task, completed=count))
    if as_json:
        console.print_json({"owners": done.owners, "opt_outs": done.opt_outs, "key": done.key})
    else:
        console.out.print(f"{done.owners} owners and {done.opt_outs} opt-outs sealed with key {done.key}")
        console.err.print(
            f"Keep a copy of {keys.key_file()} away from this machine; older copies are of no use now."
        )
