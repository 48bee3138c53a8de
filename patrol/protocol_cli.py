"""`patrol protocol`: the messages between camera side and centre, for those who write the other end."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from patrol import console
from protocol import PROTOCOL_VERSION, messages, topics
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    help="Export the messages as JSON Schema; list the topics.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol protocol topics\n\n"
    "patrol protocol schema --out docs/protocol\n\n"
    "patrol protocol schema --out docs/protocol --check",
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) of every message, by its `kind`, in alphabetical order."""
    found = {}
    for value in vars(messages).values():
        if isinstance(value, type) and issubclass(value, messages.Message) and "kind" in value.model_fields:
            kind = value.model_fields["kind"].default
            schema = value.model_json_schema()
            found[kind] = {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$id": f"urn:street-patrol:protocol:v{PROTOCOL_VERSION}:{kind}",
                **schema,
            }
    return dict(sorted(found.items()))


def schema_files() -> dict[str, str]:
    """Path below the output folder -> text, the same on every run."""
    return {
        f"v{PROTOCOL_VERSION}/{kind}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for kind, schema in schemas().items()
    }


_ROOT = f"patrol/v{PROTOCOL_VERSION}/{{jurisdiction}}/"


def topic_rows() -> list[dict[str, str]]:
    """The table of `protocol.topics`, which alone spells topics: columns as its head names them."""
    lines = [line for line in (topics.__doc__ or "").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head, rows = cells[0], cells[2:]
    return [{"topic": _ROOT + row[0], **dict(zip(head[1:], row[1:], strict=True))} for row in rows]


@app.command(epilog="Example: patrol protocol schema --out docs/protocol")
def schema(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write one file per message below DIR/v1; else to stdout."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if DIR is not current.")
    ] = False,
) -> None:
    """Export every message as JSON Schema, draft 2020-12."""
    if out is None:
        if check:
            raise PatrolError("needs a folder to check", field="--check", mend="Add: --out docs/protocol")
        console.print_json(schemas())
        return
    files = schema_files()
    stale = sorted(
        set(_present(out)) ^ set(files) | {name for name, text in files.items() if _read(out, name) != text}
    )
    if check:
        for name in stale:
            console.err.print(f"not current: {out / name}", soft_wrap=True)
        if stale:
            raise typer.Exit(1)
        console.err.print(f"{len(files)} schemas are current in {out}", soft_wrap=True)
        return
    for name, text in files.items():
        _write(out / name, text)
    console.err.print(f"{len(files)} schemas in {out / f'v{PROTOCOL_VERSION}'}", soft_wrap=True)
    for name in sorted(set(_present(out)) - set(files)):
        console.err.print(f"[yellow]note[/] {out / name} is no message any more", soft_wrap=True)


@app.command("topics", epilog="Example: patrol protocol topics --json")
def topics_command(as_json: AsJson = False) -> None:
    """List the MQTT topics: who publishes what, and who keeps it."""
    rows = topic_rows()
    if as_json:
        console.print_json(rows)
        return
    # What all have in common stands once, above: beside it the rest fits into a narrow terminal.
    table = Table(title=f"Topics below {_ROOT}", title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold", no_wrap=heading == "topic")
    for row in rows:
        table.add_row(*(row | {"topic": row["topic"].removeprefix(_ROOT)}).values())
    console.out.print(table)


def _present(out: Path) -> list[str]:
    return [f"v{PROTOCOL_VERSION}/{path.name}" for path in (out / f"v{PROTOCOL_VERSION}").glob("*.json")]


def _read(out: Path, name: str) -> str | None:
    try:
        return (out / name).read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise PatrolError("cannot be read as text", file=out / name) from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as draft:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
        Path(draft.name).chmod(0o644)
        Path(draft.name).replace(path)
    except OSError as error:
        raise UnavailableError(
            f"cannot be written: {error.strerror}", file=path, mend="Name a folder that you may write"
        ) from error
