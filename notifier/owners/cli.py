"""`patrol owners`: keep the encrypted table of owners on a box that works alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notifier.owners._csv import RowReading
    from notifier.owners.config import OwnersConfig
    from notifier.owners.local import LocalDirectory, OwnerRow

app = typer.Typer(
    help="Keep the encrypted table of owners on a box that works alone.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol owners init-key owners.key\n\n"
    "patrol owners import owners.csv --table owners.db --key-file owners.key\n\n"
    "patrol owners check --table owners.db --key-file owners.key --plate 京A12345\n\n"
    "patrol owners rotate --table owners.db --key-file owners.key",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_BATCH = 500
"""Rows between two movements of the progress bar."""

TableOption = Annotated[
    Path,
    typer.Option("--table", "-t", envvar="PATROL_OWNERS_TABLE", help="The encrypted table, an SQLite file."),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", "-k", envvar="PATROL_OWNERS_KEY_FILE", help="File with the table's key."),
]
KeyEnvOption = Annotated[
    str | None,
    typer.Option("--key-env", help="Environment variable with the table's key, instead of a file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value for a machine.")]


@app.command("init-key", epilog="Example: patrol owners init-key owners.key")
def init_key(
    key_file: Annotated[Path, typer.Argument(help="Where to write it; must not exist yet.")],
    as_json: JsonOption = False,
) -> None:
    """Make a key for a new table, in a file that only you may read. Keep a copy where the box is not."""
    from notifier.owners._key import key_from_file, new_secret, write_key_file

    write_key_file(key_file, new_secret())
    name = key_from_file(key_file).name
    if as_json:
        console.print_json({"key_file": str(key_file), "key": name})
    else:
        console.out.print(f"key {name} written to {key_file}", soft_wrap=True)
        console.err.print("Keep a copy away from this box: without it the table cannot be opened.")


@app.command(
    "import", epilog="Example: patrol owners import owners.csv --table owners.db --key-file owners.key"
)
def import_(
    csv_file: Annotated[Path, typer.Argument(help="CSV with the columns plate, phone, language, opted_out.")],
    table: TableOption,
    key_file: KeyFileOption = None,
    key_env: KeyEnvOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="The file becomes the whole table.")] = False,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Import the good rows although others are bad.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import owners from a CSV file and report row by row. With a bad row nothing is imported, unless asked.

    Leaves with 1 if a row is bad or gives a plate a second owner; such a plate is ambiguous and nobody is warned.
    """
    from notifier.owners._csv import read_owners

    config = _config(table, key_file, key_env)
    readings = read_owners(csv_file)
    bad = [reading for reading in readings if reading.row is None]
    stored: dict[int, str] = {}
    if not bad or skip_bad_rows:
        stored = _store(config, readings, replace=replace)
    report: list[dict[str, object]] = [
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
        _show_import(report, counts)
    if counts.get("bad") or counts.get("second_owner"):
        raise typer.Exit(1)


@app.command(epilog="Example: patrol owners check --table owners.db --key-file owners.key")
def check(
    table: TableOption,
    key_file: KeyFileOption = None,
    key_env: KeyEnvOption = None,
    plate: Annotated[
        str | None, typer.Option("--plate", help="Look this plate up; written down like any look-up.")
    ] = None,
    purpose: Annotated[str, typer.Option("--purpose", help="Why, for the audit.")] = "check by hand",
    as_json: JsonOption = False,
) -> None:
    """Open every row of the table with its key and count; with --plate, say whether its owner is known.

    Leaves with 1 if a row cannot be opened or the plate has no single owner.
    """
    from dataclasses import asdict

    from notifier.masking import mask_phone, mask_plate
    from notifier.owners._port import Owner

    if not table.is_file():
        raise PatrolError(
            "no such table", file=table, mend="Import owners first: patrol owners import --help"
        )
    with _open(_config(table, key_file, key_env)) as directory:
        report = directory.verify()
        answer = None if plate is None else directory.find(plate, purpose)
    result: dict[str, object] = asdict(report)
    if plate is not None and answer is not None:
        known = isinstance(answer, Owner)
        result["plate"] = mask_plate(plate)
        result["answer"] = "found" if isinstance(answer, Owner) else answer.reason
        result["phone"] = mask_phone(answer.phone) if isinstance(answer, Owner) else None
    else:
        known = True
    if as_json:
        console.print_json(result)
    else:
        shown = Table(show_header=False, box=None)
        for name, value in result.items():
            shown.add_row(name.replace("_", " "), "" if value is None else escape(str(value)))
        console.out.print(shown)
    if report.unreadable or not known:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol owners rotate --table owners.db --key-file owners.key")
def rotate(
    table: TableOption,
    key_file: Annotated[
        Path,
        typer.Option("--key-file", "-k", envvar="PATROL_OWNERS_KEY_FILE", help="Key file; gets the new key."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Seal the whole table with a fresh key, which replaces the one in the key file. Stop the agent first."""
    from notifier.owners._key import key_from_file
    from notifier.owners.rotation import rotate as rotate_table
    from protocol.clock import SystemClock

    if not table.is_file():
        raise PatrolError("no such table", file=table, mend="Name the table that the key belongs to.")
    rows = rotate_table(table, key_file, SystemClock())
    name = key_from_file(key_file).name
    if as_json:
        console.print_json({"rows": rows, "key": name})
    else:
        console.out.print(f"{rows} rows sealed with key {name}")
        console.err.print(f"Keep a copy of {key_file} away from this box; older copies are of no use now.")


def _config(table: Path, key_file: Path | None, key_env: str | None) -> OwnersConfig:
    from notifier.owners.config import OwnersConfig

    if (key_file is None) == (key_env is None):
        raise PatrolError(
            "the key of the table is named " + ("twice" if key_file else "nowhere"),
            field="--key-file",
            mend="Give either --key-file or --key-env.",
        )
    return OwnersConfig(directory="local", file=table, key_file=key_file, key_env=key_env)


def _open(config: OwnersConfig) -> LocalDirectory:
    from notifier.owners.local import LocalDirectory
    from notifier.owners.rotation import finish_rotation
    from protocol.clock import SystemClock

    assert config.file is not None
    if config.key_file is not None:
        finish_rotation(config.file, config.key_file)
    return LocalDirectory(config.file, config.key(), SystemClock())


def _store(config: OwnersConfig, readings: list[RowReading], *, replace: bool) -> dict[int, str]:
    good = [(reading.line, reading.row) for reading in readings if reading.row is not None]
    with _open(config) as directory, Progress(console=console.err, transient=True) as progress:
        task = progress.add_task("sealing", total=len(good))

        def rows() -> Iterator[OwnerRow]:
            for number, (_, row) in enumerate(good):
                if number % _BATCH == 0:
                    progress.update(task, completed=number)
                yield row

        changes = directory.add(rows(), replace=replace)
    return {line: change for (line, _), change in zip(good, changes, strict=True)}


def _show_import(report: list[dict[str, object]], counts: dict[str, int]) -> None:
    notable = [line for line in report if line["result"] not in ("added", "unchanged", "not_imported")]
    if notable:
        shown = Table("line", "plate", "phone", "result", "problem")
        for line in notable:
            shown.add_row(*(escape(str(value or "")) for value in line.values()))
        console.out.print(shown)
    console.out.print(
        ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(counts.items()))
    )
    if counts.get("not_imported"):
        console.err.print("Nothing was imported: mend the bad rows, or use --skip-bad-rows.")
    if counts.get("second_owner"):
        console.err.print("Plates with two owners are ambiguous: nobody is warned for them.")
