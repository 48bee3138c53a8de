"""`patrol evidence`: check, show, open and purge evidence, offline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from edge_agent.evidence.keys import AgentKey, PublicKey, load_secret
from edge_agent.evidence.manifest import Package, read_package
from edge_agent.evidence.originals import Vault
from edge_agent.evidence.retention import purge, read_receipts
from edge_agent.evidence.verify import CaseReport, case_folders, verify_case
from edge_agent.files import write_atomically
from patrol import console
from protocol.clock import SystemClock, iso
from protocol.errors import PatrolError

app = typer.Typer(
    help="Verify, show, open and purge evidence, offline.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol evidence verify evidence/ --public-key agent-1.pub.pem\n\n"
    "patrol evidence show evidence/c1-20260101-0007\n\n"
    "patrol evidence purge evidence/ --older-than 180d --receipt receipts.jsonl --key keys/agent.pem",
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A case's folder, or the folder that holds the cases.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON value per case on stdout.")]
PublicKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--public-key",
        metavar="FILE",
        help="The agent's public key as you know it, from `patrol evidence key`.",
    ),
]

_DAY_MS = 86_400_000
_UNITS = {"h": 3_600_000, "d": _DAY_MS, "w": 7 * _DAY_MS}


@app.command(epilog="Example: patrol evidence verify evidence/ --public-key agent-1.pub.pem --json")
def verify(folder: Folder, public_key: PublicKeyFile = None, as_json: AsJson = False) -> None:
    """Check hashes, signatures and order. Exit code 0: all intact, 1: something is not, 2: nothing to check."""
    known = PublicKey.load(public_key) if public_key else None
    reports = [verify_case(each, known) for each in _with_progress(case_folders(folder), "Verifying")]
    for report in reports:
        if as_json:
            console.print_json(report.as_dict())
        else:
            _print_report(report)
    failed = sum(not report.intact for report in reports)
    if not as_json:
        pictures = sum(len(report.pictures) for report in reports)
        console.out.print(f"{len(reports)} cases, {pictures} pictures, {failed} cases not intact")
        if known is None:
            console.err.print(
                "[yellow]note[/] no --public-key was given: this shows that the evidence agrees with itself, "
                "not who signed it",
                soft_wrap=True,
            )
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol evidence show evidence/c1-20260101-0007")
def show(folder: Folder, as_json: AsJson = False) -> None:
    """Show what is sealed: when, where, by which camera and model."""
    for each in case_folders(folder):
        package = _package(each)
        if as_json:
            console.print_json(package.model_dump(mode="json"))
            continue
        table = Table(title=f"case {escape(package.case_id)}", title_justify="left")
        for heading in ("picture", "taken (UTC)"):
            table.add_column(heading, no_wrap=True)
        for heading in ("clock", "camera", "zone", "place", "model", "size"):
            table.add_column(heading, overflow="fold")
        for entry in package.entries:
            manifest, meta = entry.manifest, entry.manifest.meta
            known = meta.clock.uncertainty_ms
            table.add_row(
                manifest.picture.file,
                iso(meta.taken_at_ms),
                meta.clock.source + ("" if known is None else f" ±{known} ms"),
                meta.camera_id,
                escape(f"{meta.zone_name} ({meta.zone_id})"),
                escape(meta.place),
                escape(meta.model_name),
                f"{manifest.picture.width}x{manifest.picture.height}, {manifest.picture.size // 1000} kB",
            )
        console.out.print(table)


@app.command(
    "purge",
    epilog="Example: patrol evidence purge evidence/ --older-than 180d --receipt receipts.jsonl --key keys/agent.pem",
)
def purge_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds the cases.")],
    older_than: Annotated[str, typer.Option(help="Age of a case's newest picture: 180d, 26w or 12h.")],
    receipt: Annotated[
        Path, typer.Option(metavar="FILE", help="File of receipts, grown by a line per case.")
    ],
    key: Annotated[
        Path, typer.Option(metavar="FILE", help="The agent's private key, which signs the receipts.")
    ],
    keep: Annotated[
        list[str] | None, typer.Option(metavar="CASE", help="Leave this case alone (legal hold); repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete cases after their term and sign a receipt for each. Exit code 1: a case was kept, being altered."""
    now = SystemClock().utc_ms()
    report = purge(
        folder,
        older_than_ms=now - _age_ms(older_than),
        now_ms=now,
        key=AgentKey.load(key),
        receipts=receipt,
        keep=keep or (),
        dry_run=dry_run,
        progress=lambda folders: _with_progress(list(folders), "Reading"),
    )
    if as_json:
        console.print_json(
            {
                "dry_run": dry_run,
                "purged": list(report.purged),
                "kept_broken": [each.as_dict() for each in report.kept_broken],
            }
        )
    else:
        verb = "would be deleted" if dry_run else f"deleted, receipts in {receipt}"
        console.out.print(f"{len(report.purged)} cases {escape(verb)}", soft_wrap=True)
        for each in report.kept_broken:
            console.out.print("[bold]kept, because it does not verify:[/]")
            _print_report(each)
    if report.kept_broken:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol evidence receipts receipts.jsonl --public-key agent-1.pub.pem")
def receipts(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of receipts that `purge` wrote.")],
    public_key: Annotated[Path, typer.Option(metavar="FILE", help="The agent's public key.")],
    as_json: AsJson = False,
) -> None:
    """Check receipts of deletion and list them."""
    for signed in read_receipts(file, PublicKey.load(public_key)):
        if as_json:
            console.print_json(signed.model_dump(mode="json"))
        else:
            one = signed.receipt
            console.out.print(
                f"{iso(one.purged_at_ms)}  case {escape(one.case_id)}  {len(one.pictures)} pictures, "
                f"the last taken {iso(one.last_taken_at_ms)}",
                soft_wrap=True,
            )


@app.command(epilog="Example: patrol evidence key keys/agent.pem > agent-1.pub.pem")
def key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The agent's private key.")],
) -> None:
    """Print the public half of an agent's key, for the centre and for `verify`; its fingerprint on stderr."""
    public = AgentKey.load(file).public
    console.out.out(public.pem, end="")
    console.err.print(f"fingerprint {public.fingerprint}", soft_wrap=True)


@app.command(
    epilog="Example: patrol evidence original evidence/c1-20260101-0007 recheck --key keys/originals.key --out r.jpg"
)
def original(
    folder: Annotated[Path, typer.Argument(metavar="CASE_DIR", help="A case's folder.")],
    name: Annotated[
        str, typer.Argument(metavar="PICTURE", help="Name of the picture: confirm, recheck, plate…")
    ],
    key_file: Annotated[Path, typer.Option("--key", metavar="FILE", help="The secret key of the originals.")],
    to: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the picture goes (readable by you only).")
    ],
) -> None:
    """Open the unmasked original of a picture, where the law allows it."""
    package = _package(folder)
    for entry in package.entries:
        if entry.manifest.name == name:
            picture = Vault(load_secret(key_file)).open(folder, entry.manifest)
            write_atomically(to, picture, mode=0o600)
            console.err.print(f"wrote {escape(str(to))}", soft_wrap=True)
            return
    raise PatrolError(
        "no such picture is sealed",
        file=folder,
        field="PICTURE",
        value=name,
        mend="It has: " + ", ".join(entry.manifest.name for entry in package.entries),
    )


def _package(folder: Path) -> Package:
    package = read_package(folder)
    if package is None:
        raise PatrolError("holds no sealed case", file=folder, mend="Run `patrol evidence verify` on it")
    return package


def _print_report(report: CaseReport) -> None:
    verdict = "[green]intact[/]" if report.intact else "[bold red]NOT INTACT[/]"
    name = report.case_id or report.folder.name
    signer = f"  [dim]signed by {report.fingerprint}[/]" if report.fingerprint else ""
    console.out.print(f"{verdict} {escape(name)}{signer}", soft_wrap=True)
    for problem in report.problems:
        console.out.print(f"  [red]✗[/] {escape(problem)}", soft_wrap=True)
    for picture in report.pictures:
        mark = "[red]✗[/]" if picture.problems else "[green]✓[/]"
        console.out.print(f"  {mark} {escape(picture.file)}  {iso(picture.taken_at_ms)}", soft_wrap=True)
        for problem in picture.problems:
            console.out.print(f"      {escape(problem)}", soft_wrap=True)
    for note in report.notes:
        console.out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)


def _age_ms(text: str) -> int:
    matched = re.fullmatch(r"([1-9]\d{0,5})([hdw])", text)
    if not matched:
        raise PatrolError(
            "is no age", field="--older-than", value=text, mend="Write days, weeks or hours: 180d, 26w, 12h"
        )
    return int(matched[1]) * _UNITS[matched[2]]


def _with_progress(folders: Iterable[Path], what: str) -> Iterator[Path]:
    with Progress(console=console.err, transient=True) as progress:
        yield from progress.track(list(folders), description=what)
