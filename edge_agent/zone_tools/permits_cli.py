"""`patrol zones permits`: keep the permit lists of a box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from edge_agent.permits import PermitBook

app = typer.Typer(
    name="permits",
    help="Keep the permit lists that zones' exemptions name: import, list, remove. Encrypted on the box.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol zones permits import residents.csv --list residents --agent agent.toml\n\n"
    "patrol zones permits list --agent agent.toml --zones street.toml\n\n"
    "patrol zones permits remove residents --plate 京A12345 --agent agent.toml",
)

AgentOption = Annotated[
    Path | None,
    typer.Option(
        "--agent", "-a", envvar="PATROL_AGENT", help="The agent's configuration, which names its data folder."
    ),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="The box's data folder, instead of --agent.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]


@app.command(
    "import", epilog="Example: patrol zones permits import residents.csv --list residents --agent agent.toml"
)
def import_(
    csv_file: Annotated[
        Path, typer.Argument(help="CSV with the columns plate, list, valid_from, valid_to, note.")
    ],
    agent: AgentOption = None,
    data: DataOption = None,
    list_name: Annotated[str | None, typer.Option("--list", help="The list of rows that name none.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="The lists in the file hold nothing else afterwards.")
    ] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Import the good rows although others are bad.")
    ] = False,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Import permits from a CSV file and report row by row. With a bad row nothing is imported, unless asked.

    A running agent heeds them at once. Leaves with 1 if a row is bad.
    """
    from edge_agent.permits_csv import read_permits

    readings = read_permits(csv_file, list_name)
    good = [(reading.line, reading.permit) for reading in readings if reading.permit is not None]
    bad = len(readings) - len(good)
    stored: dict[int, str] = {}
    folder = _folder(agent, data)
    if dry_run:
        stored = {line: "would_import" for line, _ in good} if not bad or skip_bad_rows else {}
    elif not bad or skip_bad_rows:
        with _book(folder) as book:
            lists = [list_name] if list_name is not None else []
            changes = book.add([permit for _, permit in good], lists=lists, replace=replace)
        stored = {line: change for (line, _), change in zip(good, changes, strict=True)}
    report: list[dict[str, object]] = [
        {
            "line": reading.line,
            "plate": reading.plate,
            "list": reading.list,
            "result": stored.get(reading.line, "bad" if reading.permit is None else "not_imported"),
            "problem": reading.problem,
        }
        for reading in readings
    ]
    counts: dict[str, int] = {}
    for line in report:
        counts[str(line["result"])] = counts.get(str(line["result"]), 0) + 1
    if json:
        console.print_json({"file": str(csv_file), "dry_run": dry_run, "rows": report, "counts": counts})
    else:
        _show_report(report, counts)
    if bad:
        raise typer.Exit(1)


@app.command("list", epilog="Example: patrol zones permits list --agent agent.toml --zones street.toml")
def list_(
    name: Annotated[str | None, typer.Argument(help="Show the plates of this list, masked.")] = None,
    agent: AgentOption = None,
    data: DataOption = None,
    zones: Annotated[
        list[Path] | None,
        typer.Option("--zones", "-z", help="Zone files whose exemptions' lists must be there."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the lists with how many plates each has, or one list's plates, masked.

    Leaves with 1 if a zone file names a list that the box does not have.
    """
    from notifier.masking import mask_plate

    with _book(_folder(agent, data), readonly=True) as book:
        lists, entries = sorted(book.lists()), book.entries(name)
    if name is not None and name not in lists:
        raise PatrolError(
            "there is no such permit list", field=name, mend=f"There are: {', '.join(lists) or 'none'}."
        )
    wanted = _wanted(zones or [])
    missing = {one: zone for one, zone in wanted.items() if one not in lists}
    sizes = {one: sum(permit.list == one for permit in entries) for one in lists}
    if json:
        rows = [
            {"plate": mask_plate(p.plate), "list": p.list, "valid_from": p.valid_from, "valid_to": p.valid_to}
            for p in entries
        ]
        shown: dict[str, object] = {"lists": sizes} if name is None else {"list": name, "permits": rows}
        console.print_json({**shown, "missing": missing} if zones else shown)
    else:
        table = Table("list", "plates") if name is None else Table("plate", "valid from", "valid to", "note")
        for one, count in sizes.items() if name is None else ():
            table.add_row(one, str(count))
        for permit in entries if name is not None else ():
            table.add_row(
                *map(escape, (mask_plate(permit.plate), permit.valid_from, permit.valid_to, permit.note))
            )
        console.out.print(table)
        for one, where in missing.items():
            console.err.print(
                f"[yellow]missing[/] {escape(f'{where} names the permit list {one}')}", soft_wrap=True
            )
            console.err.print(
                f"  [green]mend[/] patrol zones permits import FILE --list {one}; until then whether a vehicle is "
                "exempt there cannot be told, and a person has to look",
                soft_wrap=True,
            )
    if missing:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol zones permits remove residents --plate 京A12345 --agent agent.toml")
def remove(
    name: Annotated[str, typer.Argument(help="The list.")],
    agent: AgentOption = None,
    data: DataOption = None,
    plate: Annotated[
        str | None, typer.Option("--plate", help="Only this plate; else the whole list.")
    ] = None,
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Take a plate off a list, or remove a whole list."""
    from notifier.owners import normal_plate

    try:
        normal = None if plate is None else normal_plate(plate)
    except ValueError as error:
        raise PatrolError(str(error), field="--plate") from error
    with _book(_folder(agent, data), readonly=dry_run) as book:
        if dry_run:
            on_it = [p for p in book.entries(name) if normal is None or p.plate == normal]
            if name not in book.lists() or (normal is not None and not on_it):
                raise PatrolError("there is no such list or plate", field=name)
            count = len(on_it)
        else:
            count = book.remove(name, normal)
    if json:
        console.print_json({"list": name, "removed": count, "dry_run": dry_run})
    else:
        done = "would be removed" if dry_run else "removed"
        console.out.print(
            f"{count} permit{'s' if count != 1 else ''} {done} from {escape(name)}", soft_wrap=True
        )


def _folder(agent: Path | None, data: Path | None) -> Path:
    if (agent is None) == (data is None):
        raise PatrolError(
            "the box's data folder is named " + ("nowhere" if data is None else "twice"),
            field="--agent",
            mend="Give --agent agent.toml, or --data FOLDER.",
        )
    if data is not None:
        return data
    from edge_agent.config import load_config

    assert agent is not None
    return load_config(agent).agent.data_dir


def _book(folder: Path, *, readonly: bool = False) -> PermitBook:
    from edge_agent.permits import PERMITS_FILE, PermitBook
    from edge_agent.vault import Vault

    if not folder.is_dir():
        raise PatrolError("no such data folder", file=folder, mend="Start the agent once, or check the path.")
    key, table = folder / "keys" / "box.key", folder / PERMITS_FILE
    if readonly and not key.exists():
        if table.exists():
            raise PatrolError("the box's key is missing", file=key, mend="Restore it from a backup.")
        return PermitBook(table, Vault(bytes(32)), readonly=True)  # nothing is there to be opened
    return PermitBook(table, Vault.open(key), readonly=readonly)


def _wanted(files: list[Path]) -> dict[str, str]:
    """Permit list -> the first zone that names it."""
    from zones.files import load_zone_file

    found: dict[str, str] = {}
    for path in files:
        for zone in load_zone_file(path).zone:
            for exemption in zone.exempt:
                if exemption.permit is not None:
                    found.setdefault(exemption.permit, f"{path}: zone {zone.id}")
    return found


def _show_report(report: list[dict[str, object]], counts: dict[str, int]) -> None:
    notable = [line for line in report if line["result"] in ("bad", "changed")]
    if notable:
        shown = Table("line", "plate", "list", "result", "problem")
        for line in notable:
            shown.add_row(*(escape(str(value or "")) for value in line.values()))
        console.out.print(shown)
    summary = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
    console.out.print(summary or "nothing to import")
    if counts.get("not_imported"):
        console.err.print("Nothing was imported: mend the bad rows, or use --skip-bad-rows.")
