"""`patrol central bays`: import bays, look at them, and give other systems a key to report them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from central.project.bootstrap import ready
from central.project.cli_rows import told
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="Parking bays: import, list, and keys of other systems that report them.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central bays import bays.geojson --jurisdiction sanlihe --dry-run\n\n"
    "patrol central bays list --jurisdiction sanlihe --json\n\n"
    "patrol central bays keys add car-park-3 --jurisdiction sanlihe",
)
keys_app = typer.Typer(
    help="Keys of other systems.",
    no_args_is_help=True,
    epilog="Example: patrol central bays keys add car-park-3 --jurisdiction sanlihe",
)
app.add_typer(keys_app, name="keys")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Jurisdiction = Annotated[str, typer.Option(help="Whose bays.")]


@app.command(
    "import", epilog="Example: patrol central bays import bays.geojson --jurisdiction sanlihe --dry-run"
)
def import_(
    file: Annotated[Path, typer.Argument(help="GeoJSON FeatureCollection, or a list of NGSI-LD entities.")],
    jurisdiction: Jurisdiction,
    datum: Annotated[
        str, typer.Option(help="Datum of the file's positions: wgs84, gcj02 (Amap, Tencent) or bd09 (Baidu).")
    ] = "wgs84",
    within: Annotated[
        Path | None, typer.Option(help="GeoJSON outline of the jurisdiction; bays outside are refused.")
    ] = None,
    close_missing: Annotated[
        bool, typer.Option("--close-missing", help="Close the bays that the file does not name.")
    ] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Import the good rows although others are bad.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report, and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import bays and report row by row. With a bad row nothing is imported, unless asked; then it leaves with 1."""
    if datum not in ("wgs84", "gcj02", "bd09"):
        raise PatrolError(
            "there is no such datum", field="--datum", value=datum, mend="Use wgs84, gcj02 or bd09."
        )
    _check_jurisdiction(jurisdiction)
    ready()
    from rich.progress import Progress

    from central.bays.imports import Options, import_bays, read_features, read_outline

    features = read_features(file)
    options = Options(
        jurisdiction,
        datum,  # type: ignore[arg-type]  # checked above
        () if within is None else read_outline(within),
        close_missing,
        skip_bad_rows,
        dry_run,
    )
    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as bar:
        task = bar.add_task("reading", total=len(features))
        report = import_bays(features, options, progress=lambda done: bar.update(task, completed=done))
    counts = {name: report.count(name) for name in ("added", "changed", "unchanged", "bad")}
    if as_json:
        console.print_json(
            {
                "file": str(file),
                "jurisdiction": jurisdiction,
                "written": report.written,
                "counts": counts,
                "closed": list(report.closed),
                "rows": [row.as_dict() for row in report.rows],
            }
        )
    else:
        from rich.table import Table

        told = [row for row in report.rows if row.result == "bad" or row.warnings]
        if told:
            table = Table("row", "id", "result", "what", box=None)
            for row in told[:200]:
                what = f"{row.field}: {row.problem}" if row.problem else "; ".join(row.warnings)
                table.add_row(str(row.number), row.id, row.result, what)
            console.out.print(table)
            if len(told) > 200:
                console.out.print(f"… and {len(told) - 200} rows more; --json tells all")
        words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        closed = f", {len(report.closed)} closed" if report.closed else ""
        console.out.print(
            f"{words or 'no rows'}{closed}" + ("" if report.written else "  [dim](nothing written)[/]")
        )
        if counts["bad"] and not report.written and not dry_run:
            console.err.print("Nothing was imported: mend the bad rows, or use --skip-bad-rows.")
    if counts["bad"]:
        raise typer.Exit(1)


@app.command("list", epilog="Example: patrol central bays list --jurisdiction sanlihe --json")
def list_(jurisdiction: Jurisdiction, as_json: Json = False) -> None:
    """List the bays of a jurisdiction with what is known of them now."""
    _check_jurisdiction(jurisdiction)
    ready()
    from central.bays.models import Bay
    from central.bays.services import effective_status
    from protocol.clock import iso

    rows = [
        {
            "id": bay.bay_id,
            "name": bay.name,
            "type": bay.kind,
            "status": str(effective_status(bay)),
            "free": bay.free,
            "total": bay.total,
            "allowed": bay.allowed,
            "public": bay.public,
            "longitude": bay.longitude,
            "latitude": bay.latitude,
            "observed": iso(bay.observed_at_ms) if bay.observed_at_ms else None,
            "by": bay.observed_by,
        }
        for bay in Bay.objects.filter(jurisdiction_id=jurisdiction)
    ]
    if told(rows, as_json=as_json):
        return
    from rich.table import Table

    table = Table("id", "name", "type", "status", "free", "observed", "by", box=None)
    for row in rows:
        table.add_row(
            str(row["id"]),
            str(row["name"]),
            str(row["type"]),
            str(row["status"]),
            f"{row['free']}/{row['total']}",
            str(row["observed"] or "never"),
            str(row["by"]),
        )
    console.out.print(table)


@keys_app.command("add", epilog="Example: patrol central bays keys add car-park-3 --jurisdiction sanlihe")
def keys_add(
    name: Annotated[str, typer.Argument(help="What the other system is called.")],
    jurisdiction: Jurisdiction,
    as_json: Json = False,
) -> None:
    """Make a key; it is shown this once."""
    ready()
    from central.bays.feeds import add_key

    secret = add_key(name, jurisdiction)
    if as_json:
        console.print_json({"name": name, "jurisdiction": jurisdiction, "key": secret})
    else:
        console.out.print(f"{name} may report the bays of {jurisdiction}; its key, shown this once:")
        console.out.print(secret, soft_wrap=True, markup=False)


@keys_app.command("list", epilog="Example: patrol central bays keys list --json")
def keys_list(as_json: Json = False) -> None:
    """List keys, never their secrets."""
    ready()
    from central.bays.models import FeedKey
    from protocol.clock import iso

    rows = [
        {
            "name": key.name,
            "jurisdiction": key.jurisdiction_id,
            "state": "revoked" if key.revoked_at_ms else "valid",
            "made": iso(key.made_at_ms),
            "used": iso(key.used_at_ms) if key.used_at_ms else None,
        }
        for key in FeedKey.objects.order_by("name")
    ]
    if told(rows, as_json=as_json):
        return
    from rich.table import Table

    table = Table("name", "jurisdiction", "state", "made", "used", box=None)
    for row in rows:
        table.add_row(*(str(cell or "never") for cell in row.values()))
    console.out.print(table)


@keys_app.command("revoke", epilog="Example: patrol central bays keys revoke car-park-3")
def keys_revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """A key opens nothing any more."""
    ready()
    from central.bays.feeds import revoke_key

    revoke_key(name)
    console.out.print(f"{name} may report nothing any more")


def _check_jurisdiction(name: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from protocol.messages import Ident

    try:
        TypeAdapter(Ident).validate_python(name)
    except ValidationError as error:
        raise PatrolError(
            "a name has letters, digits, '_', '.' and '-', and at most 64 of them",
            field="--jurisdiction",
            value=name,
        ) from error
