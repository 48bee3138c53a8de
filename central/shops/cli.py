"""`patrol central shops`: the register, colours, plates and codes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    help="Shops and their safety codes: import, colours, plates.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central shops import shops.xlsx --jurisdiction sanlihe --dry-run\n\n"
    "patrol central shops plates --jurisdiction sanlihe --out plates.pdf\n\n"
    "patrol central shops recolour --json",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose shops.")]


@app.command("import", epilog="Example: patrol central shops import shops.csv -j sanlihe --dry-run")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8 or GB 18030) or XLSX with a heading.")],
    jurisdiction: Jurisdiction,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import shops and report row by row. With a bad row nothing is imported, and it leaves with 1."""
    ready()
    from central.shops.imports import take

    try:
        data = file.read_bytes()
    except OSError as error:
        raise UnavailableError(f"the file cannot be read: {error.strerror}", file=file) from error
    report = take(data, str(file), jurisdiction, f"cli:{console.person()}", dry_run=dry_run)
    counts = asdict(report.counts) if report.counts else None
    if as_json:
        rows = [row.as_dict() for row in report.rows]
        console.print_json({"file": str(file), "written": counts, "bad": len(report.bad), "rows": rows})
    else:
        for row in report.bad[:200]:
            console.out.print(
                f"row {row.row}  {row.number}  [bold red]{row.field}[/]: {row.problem}", soft_wrap=True
            )
        good = len(report.rows) - len(report.bad)
        what = ", ".join(f"{value} {name}" for name, value in counts.items()) if counts else "nothing written"
        console.out.print(f"{good} rows good, {len(report.bad)} bad: {what}")
    if report.bad:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central shops recolour --json")
def recolour(as_json: Json = False) -> None:
    """Compute every colour anew and open the cases that are due; the sweeper does the same by itself."""
    ready()
    from central.shops.colours import recolour as run
    from central.shops.rules import rule_in_force

    done = run()
    if as_json:
        console.print_json({"rule": rule_in_force().version, **asdict(done)})
        return
    colours = ", ".join(f"{count} {name}" for name, count in done.colours.items())
    console.out.print(f"{done.shops} shops by rule {rule_in_force().version}: {colours}")
    console.out.print(f"{done.turned} turned, {done.cases} cases opened")


@app.command(epilog="Example: patrol central shops plates -j sanlihe --out plates.pdf")
def plates(
    out: Annotated[Path, typer.Option(help="The PDF to write.")],
    jurisdiction: Annotated[str | None, typer.Option("--jurisdiction", "-j", help="Only its shops.")] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="Only the shop of this number; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The plates of all doors, a page of A6 each."""
    ready()
    from rich.progress import Progress

    from central.shops.models import Code
    from central.shops.plates import write_pdf

    codes = Code.objects.filter(revoked_at_ms__isnull=True, shop__active=True)
    if jurisdiction:
        codes = codes.filter(shop__jurisdiction_id=jurisdiction)
    if number:
        codes = codes.filter(shop__number__in=number)
    found = list(codes.select_related("shop").order_by("shop__jurisdiction_id", "shop__number"))
    if not found:
        raise PatrolError("there is no shop with a code here", field="--jurisdiction", value=jurisdiction)
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("printing", total=len(found))
        count = write_pdf(found, out, lambda done: bar.update(task, completed=done))
    facts: dict[str, Any] = {"file": str(out), "plates": count, "bytes": out.stat().st_size}
    if as_json:
        console.print_json(facts)
    else:
        console.out.print(f"{count} plates in {out} ({facts['bytes'] / 1e6:.1f} MB)")


@app.command(
    "renew-code", epilog="Example: patrol central shops renew-code S-0042 -j sanlihe --reason stolen"
)
def renew_code(
    number: Annotated[str, typer.Argument(help="The shop's number.")],
    jurisdiction: Jurisdiction,
    reason: Annotated[str, typer.Option(help="Why; stands in the log.")] = "",
    until: Annotated[
        str | None, typer.Option(help="The last day of the new one, such as 2027-06-30.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Revoke the code on a door and give out a new one."""
    ready()
    from central.project.asked import day
    from central.shops import register
    from central.shops.models import Shop

    shop = Shop.objects.filter(jurisdiction_id=jurisdiction, number=number).first()
    if shop is None:
        raise PatrolError("there is no such shop", field="number", value=f"{jurisdiction}/{number}")
    code = register.renew_code(
        shop, f"cli:{console.person()}", reason, day(until, "--until") if until else None
    )
    if as_json:
        console.print_json({"number": number, "token": code.token})
    else:
        console.out.print(f"{shop.name}: new code /s/{code.token}")


@app.command("warn", epilog="Example: patrol central shops warn --json")
def warn(as_json: Json = False) -> None:
    """Tell merchants what runs out soon and which codes are red, once each; the sweeper does the same by itself."""
    ready()
    from central.shops.messages import warn_of_expiry, warn_of_red
    from central.shops.models import Shop

    told = warn_of_red(Shop.objects.all()) + warn_of_expiry(Shop.objects.all())
    if as_json:
        console.print_json({"told": told})
    else:
        console.out.print(f"{told} warnings")
