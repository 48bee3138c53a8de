"""`patrol central backup`, `restore` and `check`: what those do who run the centre."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from central.project.bootstrap import ready
from patrol import console
from protocol.errors import PatrolError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]

backup_app = typer.Typer(
    help="One file that holds the whole centre but its keys.",
    epilog="Examples:\n\n"
    "patrol central backup --out /var/backups/street-patrol --keep 14\n\n"
    "patrol central backup verify /var/backups/street-patrol/street-patrol-20261128T010000Z.tar\n\n"
    "patrol central restore street-patrol-20261128T010000Z.tar",
)


@backup_app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(help="A file that does not exist, or a folder: the backup gets a name.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="With a folder: how many backups stay in it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a backup of database and pictures while the centre works.

    Keys are not in it: keep them apart, see docs/operations.md. Exit code 2: the file exists; 3: database or disk failed.
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        raise PatrolError("where to?", field="--out", mend="Name a file or a folder")
    ready()
    from central.operations.backup import make

    with _progress() as step:
        path, manifest, deleted = make.make(out, step, keep=keep)
    if as_json:
        told = manifest.as_dict()
        console.print_json({"file": str(path), "deleted": [str(each) for each in deleted], **told})
        return
    console.out.print(
        f"[bold green]backed up[/] {escape(str(path))}: {manifest.cases} cases, {manifest.files} pictures,"
        f" {manifest.bytes / 2**20:.1f} MiB",
        soft_wrap=True,
    )
    if deleted:
        console.out.print(f"{len(deleted)} older backups deleted")
    console.out.print("[dim]not in it, keep them apart:[/]")
    for name, key in make.key_files().items():
        if key.exists():
            console.out.print(f"  [dim]{name}:[/] {escape(str(key))}", soft_wrap=True)


@backup_app.command("verify", epilog="Example: patrol central backup verify centre.tar --json")
def verify(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    as_json: Json = False,
) -> None:
    """Read a backup to its end and compare every hash; needs no database. Exit code 2: it is damaged."""
    from central.project import bootstrap

    bootstrap.start()
    from central.operations.backup import make

    with _progress() as step:
        manifest = make.verify(file, step)
    if as_json:
        console.print_json({"file": str(file), "whole": True, **manifest.as_dict()})
        return
    console.out.print(
        f"[bold green]whole[/]: {manifest.engine} of {manifest.made_at} by version {manifest.version},"
        f" {manifest.cases} cases, {manifest.files} pictures",
        soft_wrap=True,
    )
    console.out.print(f"digest {manifest.digest}", soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a centre that is there already.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in place, bring it to this version, and prove its histories and figures.

    Exit code 1: it is in place and something is not as it was; 2: nothing was changed; 3: database or disk failed.
    """
    from central.project import bootstrap

    bootstrap.start()
    from central.operations.backup.restore import restore as put

    with _progress() as step:
        done = put(file, step, replace=replace)
    if as_json:
        console.print_json(
            {
                "good": done.good,
                "made_at": done.manifest.made_at,
                "digest": done.manifest.digest,
                "cases": done.manifest.cases,
                "files": done.files,
                "migrated": done.migrated,
                "aside": None if done.aside is None else str(done.aside),
                "keys": dict(done.keys),
                "differs": {name: list(counts) for name, counts in done.differs.items()},
                "faults": done.faults,
                "same_figures": done.same_figures,
            }
        )
    else:
        _tell(done)
    if not done.good:
        raise typer.Exit(1)


def check(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Say which migrations this version would run; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say how the centre is: database, workers, clocks, broker. The same as /readyz?whole=1.

    Exit code 1: something has to be mended; with --upgrade: migrations are waiting. 2: the database is newer than this
    version. 3: it does not answer.
    """
    from central.project import bootstrap

    bootstrap.start()
    if upgrade:
        missing = bootstrap.waiting()
        if as_json:
            console.print_json({"database": bootstrap.database_name(), "migrations": missing})
        else:
            console.out.print(f"{len(missing)} migrations wait for {escape(bootstrap.database_name())}")
            for name in missing:
                console.out.print(f"  {name}")
            if missing:
                console.out.print("Back up, stop every part, then: patrol central migrate")
        if missing:
            raise typer.Exit(1)
        return
    from central.operations.state import BAD, GOOD, OK, look

    state = look()
    if as_json:
        console.print_json(state.as_dict())
    else:
        from rich.table import Table

        table = Table("what", "which", "state", "facts", box=None)
        for found in state.findings:
            colour = "green" if found.tone == GOOD else "bold red" if found.tone == BAD else "yellow"
            facts = ", ".join(
                f"{name} {fact}" for name, fact in found.facts.items() if fact not in (None, [])
            )
            table.add_row(found.name, escape(found.subject), f"[{colour}]{found.word}[/]", escape(facts))
        console.out.print(table)
    if state.status != OK:
        raise typer.Exit(1)


def _tell(done: Any) -> None:
    made = done.manifest
    console.out.print(
        f"restored the centre of {made.made_at}: {made.cases} cases, {done.files} pictures written,"
        f" {len(done.migrated)} migrations",
        soft_wrap=True,
    )
    if done.aside is not None:
        console.out.print(f"what was there before: {escape(str(done.aside))}", soft_wrap=True)
    for name, what in done.keys:
        console.err.print(
            f"[yellow]{name} {'is missing' if what == 'missing' else 'is not the one of this backup'}[/]:"
            " put the right one in place before the centre starts",
            soft_wrap=True,
        )
    for table, (told, found) in done.differs.items():
        console.err.print(f"[bold red]{table}[/]: {found} rows instead of {told}")
    for fault in done.faults[:20]:
        console.err.print(f"[bold red]{escape(fault)}[/]", soft_wrap=True)
    if not done.same_figures:
        console.err.print("[bold red]the figures are not what the history says[/]")
    if done.good:
        console.out.print("[bold green]tables, histories, pictures and figures are as they were[/]")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import Progress

    with Progress(console=console.err, transient=True, disable=not console.err.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def step(what: str, done: int, of: int) -> None:
            progress.update(bar, description=what, completed=done, total=of or None)

        yield step
