"""`patrol zones history`: what was published, by whom, and whether it is still as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError
from zones import completing

if TYPE_CHECKING:
    from zones.model import ZoneFile
    from zones.publishing import History

AgentConfig = Annotated[
    Path | None,
    typer.Option(
        "--agent-config",
        help="Configuration of the agent whose camera it is; instead of the folder.",
        show_default=False,
        autocompletion=completing.zone_files,
    ),
]
Camera = Annotated[
    str | None,
    typer.Option(
        "--camera",
        "-c",
        help="Which camera, where file or configuration do not tell.",
        show_default=False,
        autocompletion=completing.cameras,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help="Folder of the published versions.",
        show_default=False,
        autocompletion=completing.folders,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the group `patrol zones`."""
    app.command(epilog="Example: patrol zones history published/cam1 --verify --trusted li-wei.pem.pub")(
        history
    )


def history(
    folder: Folder = None,
    agent_config: AgentConfig = None,
    camera: Camera = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Exit with code 1 unless every version is as it was published.")
    ] = False,
    trusted: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted",
            help="A key that may have signed: a file, or ed25519:…; may be repeated. Else any key is taken.",
            show_default=False,
            autocompletion=completing.key_files,
        ),
    ] = None,
    contains: Annotated[
        list[str] | None,
        typer.Option(
            "--contains",
            help="A hash that must be there, e.g. the one in the agent's health.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """List what was published: version, time, author, reason, hash, signer, and what changed.

    The check needs nothing but the folder: each version's signature, and that it names the hash of the one before.
    Exit code 0: done; 1: with --verify, something is not as it was published; 2: wrong input.
    """
    from zones.publishing import find_target, trusted_keys

    target = find_target(folder, agent_config, camera)
    if not target.archive.folder.is_dir():
        raise PatrolError("nothing was published there", file=target.archive.folder, mend="Check the path.")
    past = target.archive.history(trusted_keys(trusted) if trusted else None, contains=contains or ())
    wrong = bool(past.faults) or bool(past.unfinished) or not past.entries
    changes = _changes(past)
    if json:
        console.print_json(
            {
                "folder": str(target.archive.folder),
                "in_force": past.current,
                "in_order": not wrong,
                "faults": [asdict(fault) for fault in past.faults],
                "unfinished": past.unfinished,
                "versions": [
                    {
                        **entry.head.model_dump(exclude={"signature", "format", "key"}),
                        "sha256": entry.sha256,
                        "signer": entry.head.signer.fingerprint,
                        "changed": changed,
                        "file": str(entry.path),
                    }
                    for entry, changed in zip(past.entries, changes, strict=True)
                ],
            }
        )
    else:
        _table(past, changes)
        for number in past.unfinished:
            console.err.print(
                f"[yellow]warning[/] version {number} is not in force: its publishing was cut off, or an older file was put in "
                f"its place. Publish again, or roll back to {number}.",
                soft_wrap=True,
            )
        for fault in past.faults:
            where = "" if fault.version is None else f"version {fault.version}: "
            console.err.print(f"[bold red]error[/] {escape(where + fault.problem)}", soft_wrap=True)
        if verify and not wrong:
            who = "trusted keys only" if trusted else "whose keys these are was not checked: give --trusted"
            console.out.print(
                f"[green]in order[/] {len(past.entries)} versions, signatures and hashes hold; {who}"
            )
    if verify and wrong:
        raise typer.Exit(1)


def _table(past: History, changes: Sequence[str]) -> None:
    table = Table(title="Published zones", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("Version", "Time (UTC)", "Author", "Reason", "Hash", "Signer", "Changed"):
        fixed = name in ("Version", "Time (UTC)", "Hash", "Signer")
        table.add_column(
            name, justify="right" if name == "Version" else "left", overflow="fold", no_wrap=fixed
        )
    for entry, changed in zip(reversed(past.entries), reversed(changes), strict=True):
        head = entry.head
        here = head.version == past.current
        table.add_row(
            f"[bold green]{head.version} *[/]" if here else f"{head.version}  ",
            head.at[:16].replace("T", " "),
            escape(head.author),
            escape(head.reason),
            entry.sha256[:10],
            head.signer.fingerprint[7:15],
            escape(changed),
        )
    console.out.print(table)
    console.out.print("* in force" if past.current is not None else "none is in force")


def _changes(past: History) -> list[str]:
    """What each version changed against the one before, in a few words."""
    from zones.diff import compare
    from zones.files import parse_zone_file

    told: list[str] = []
    before: ZoneFile | None = None
    for entry in past.entries:
        try:
            zones = parse_zone_file(entry.text, name=entry.path)
        except PatrolError as error:  # written by a version of this program that allowed it
            told.append(f"not valid today: {error.problem}")
            before = None
            continue
        restored = f"as version {entry.head.restores}: " if entry.head.restores else ""
        if before is None:
            told.append(f"{restored}{len(zones.zone)} zone{'s' if len(zones.zone) != 1 else ''}")
        else:
            signs = {"added": "+", "removed": "-", "changed": "~"}
            difference = compare(before, zones)
            parts = [key.key for key in difference.keys]
            for change in difference.zones:
                what = [key.key for key in change.keys]
                if change.change == "changed" and change.ground is not None and not change.ground.same:
                    what.append("ground")
                parts.append(f"{signs[change.change]}{change.id}" + (f" ({', '.join(what)})" if what else ""))
            told.append(restored + (", ".join(parts) or "nothing that counts"))
        before = zones
    return told
