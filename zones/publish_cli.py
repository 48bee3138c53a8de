"""`patrol zones publish`, `rollback` and `key`: signed versions of zones. What was published: `zones.history_cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from patrol import console
from protocol.clock import SystemClock
from protocol.errors import PatrolError
from zones import completing, history_cli
from zones.history_cli import AgentConfig, AsJson, Camera, Folder
from zones.writing import create_new, refuse_existing

if TYPE_CHECKING:
    from zones.lint import Remark
    from zones.model import ZoneFile
    from zones.publishing import SigningKey, Target

Key = Annotated[
    Path,
    typer.Option(
        "--key", "-k", help="Your private key; `key new` makes one.", autocompletion=completing.key_files
    ),
]
Author = Annotated[str, typer.Option("--author", "-a", help="Who publishes: a name that colleagues know.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why, in a sentence.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Check and show everything, write nothing.")]

key_app = typer.Typer(
    help="Make and show the keys of those who publish.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\npatrol zones key new li-wei.pem\n\npatrol zones key show li-wei.pem.pub",
)


def register(app: typer.Typer) -> None:
    """Add the verbs to the group `patrol zones`."""
    app.command(
        epilog='Example: patrol zones publish cam1.toml --to published/cam1 --key li-wei.pem --author "Li Wei" '
        '--reason "Bay B2 was painted"'
    )(publish)
    history_cli.register(app)
    app.command(
        epilog='Example: patrol zones rollback published/cam1 --to 3 --key li-wei.pem --author "Li Wei" '
        '--reason "B2 is not in use yet"'
    )(rollback)
    app.add_typer(key_app, name="key")


def publish(
    file: Annotated[
        Path, typer.Argument(help="The zone file.", show_default=False, autocompletion=completing.zone_files)
    ],
    key: Key,
    author: Author,
    reason: Reason,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Folder of the camera's published versions; made if missing.",
            show_default=False,
            autocompletion=completing.folders,
        ),
    ] = None,
    agent_config: AgentConfig = None,
    camera: Camera = None,
    allow_warnings: Annotated[
        bool, typer.Option("--allow-warnings", help="Publish although lint has warnings; do not ask.")
    ] = False,
    expect: Annotated[
        int | None,
        typer.Option(
            "--expect", help="Refuse unless this version is in force (0: none).", min=0, show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Sign a zone file and put it in force as the next version; running agents take it up by themselves.

    Errors of lint refuse it; warnings are shown, and asked about unless --allow-warnings is given. Exit code 0: published, or
    the same already; 1: warnings, and nobody allowed them; 2: wrong input; 3: the folder cannot be written.
    """
    from zones.files import dump_zone_file, examine_zone_file, parse_zone_file
    from zones.publishing import SigningKey, find_target, read_bytes, without_head

    signer = SigningKey.load(key)
    target = find_target(folder, agent_config, camera)
    zones, faults = examine_zone_file(file)
    if zones is None:
        for fault in faults:
            console.print_error(fault, as_json=json)
        raise typer.Exit(2)
    if file.suffix.lower() == ".toml":
        text = without_head(read_bytes(file).decode("utf-8-sig").replace("\r\n", "\n"))
        zones = parse_zone_file(text, name=file)
    else:
        text = dump_zone_file(zones)
    now_ms = SystemClock().utc_ms()
    remarks = _remarks(zones, now_ms)
    grave = next((remark for remark in remarks if remark.severity == "error"), None)
    if grave is not None:
        raise PatrolError(grave.problem, file=file, field=f"zone {grave.zone}", mend=grave.mend)
    _Publication(target, zones, text, signer, author, reason, now_ms, expect=expect).run(
        remarks, allowed=allow_warnings, dry_run=dry_run, json=json
    )


def rollback(
    to: Annotated[
        int,
        typer.Option(
            "--to",
            help="The version whose zones shall be in force again.",
            autocompletion=completing.versions,
        ),
    ],
    key: Key,
    author: Author,
    reason: Reason,
    folder: Folder = None,
    agent_config: AgentConfig = None,
    camera: Camera = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Publish the zones of an earlier version again, as a new one. The history only grows.

    Exit code 0: done; 2: wrong input; 3: the folder cannot be written.
    """
    from zones.publishing import SigningKey, find_target

    signer = SigningKey.load(key)
    target = find_target(folder, agent_config, camera)
    earlier = target.archive.version(to)
    in_force = target.archive.history().current
    if in_force == to:
        raise PatrolError("is in force already", file=target.archive.folder, field="--to", value=to)
    now_ms = SystemClock().utc_ms()
    _Publication(target, earlier.zones, earlier.text, signer, author, reason, now_ms, restores=to).run(
        _remarks(earlier.zones, now_ms), allowed=True, dry_run=dry_run, json=json
    )


class _Publication:
    """One publishing, from the look at what is in force to the new version."""

    def __init__(
        self,
        target: Target,
        zones: ZoneFile,
        text: str,
        signer: SigningKey,
        author: str,
        reason: str,
        now_ms: int,
        *,
        restores: int | None = None,
        expect: int | None = None,
    ) -> None:
        self._target, self._zones, self._text, self._signer = target, zones, text, signer
        self._author, self._reason, self._now_ms, self._restores = author, reason, now_ms, restores
        self._past = target.archive.history()
        newest = self._past.head
        camera = target.camera or (newest.head.camera if newest is not None else zones.camera)
        if camera is None:
            raise PatrolError(
                "nobody says whose zones these are",
                field="--camera",
                mend='Give --camera, or write camera = "…" into the file.',
            )
        self._camera = camera
        if zones.camera not in (None, camera):
            raise PatrolError(
                f"the zones belong to camera {zones.camera}, not {camera}",
                field="camera",
                mend="Choose the other camera, or correct `camera` in the file.",
            )
        if expect is not None and expect != (self._past.current or 0):
            raise PatrolError(
                f"version {self._past.current or 0} is in force",
                file=target.archive.folder,
                field="--expect",
                value=expect,
                mend="Look at what was published meanwhile, then publish again.",
            )
        if target.trusted is not None and signer.public not in target.trusted:
            raise PatrolError(
                f"the agent does not trust the key {signer.public.fingerprint}",
                field="--key",
                mend="Publish with a key that it trusts, or add this one to `trusted_keys` and restart it.",
            )

    def run(self, remarks: Sequence[Remark], *, allowed: bool, dry_run: bool, json: bool) -> None:
        from zones.diff import compare
        from zones.files import parse_zone_file

        archive, past = self._target.archive, self._past
        entry = next((e for e in past.entries if e.head.version == past.current), None)
        before = None if entry is None else parse_zone_file(entry.text, name=entry.path)
        difference = None if before is None else compare(before, self._zones)
        number = 1 if past.head is None else past.head.head.version + 1
        told: dict[str, Any] = {
            "published": False,
            "dry_run": dry_run,
            "camera": self._camera,
            "in_force": past.current,
            "version": number,
            "restores": self._restores,
            "author": self._author,
            "reason": self._reason,
            "signer": self._signer.public.fingerprint,
            "file": str(archive.current_path),
            "changes": None if difference is None else asdict(difference),
            "warnings": [asdict(remark) for remark in remarks],
        }
        if (
            entry is not None
            and entry.text == self._text
            and not any(fault.in_force for fault in past.faults)
        ):
            told["version"] = entry.head.version
            if json:
                console.print_json(told)
            else:
                console.out.print(f"version {entry.head.version} is the same already; nothing was published")
            return
        if not json:
            self._show(number)
        refused = bool(remarks) and not allowed and not self._ask(remarks, json=json)
        if not (refused or dry_run):
            done = archive.publish(
                self._text,
                self._signer,
                camera=self._camera,
                at_ms=self._now_ms,
                author=self._author,
                reason=self._reason,
                restores=self._restores,
                expected=past.current,
            )
            told |= {
                "published": True,
                "version": done.head.version,
                "sha256": done.sha256,
                "at": done.head.at,
            }
        if json:
            console.print_json(told)
        elif refused:
            console.err.print("nothing was published; mend the warnings, or give --allow-warnings")
        elif dry_run:
            console.out.print(f"dry run: version {number} would be published, nothing was written")
        else:
            console.out.print(
                f"[green]published[/] version {told['version']} of camera {self._camera}, {told['sha256'][:12]}: "
                f"{escape(str(archive.current_path))}",
                soft_wrap=True,
            )
        if refused:
            raise typer.Exit(1)

    def _show(self, number: int) -> None:
        from zones.diff import compare
        from zones.diff_cli import print_difference
        from zones.files import parse_zone_file

        past = self._past
        entry = next((e for e in past.entries if e.head.version == past.current), None)
        if entry is None:
            names = ", ".join(f"{zone.id} ({zone.kind})" for zone in self._zones.zone)
            console.out.print(f"version {number}, the first in force: {escape(names)}", soft_wrap=True)
        else:
            console.out.print(f"version {number} against version {entry.head.version}, which is in force:")
            print_difference(compare(parse_zone_file(entry.text, name=entry.path), self._zones))
        for fault in past.faults:
            if fault.in_force:
                console.err.print(f"[yellow]warning[/] {escape(fault.problem)}; publishing replaces it")

    def _ask(self, remarks: Sequence[Remark], *, json: bool) -> bool:
        if json:
            return False
        for remark in remarks:
            print_remark(remark)
        if not sys.stdin.isatty():
            return False
        return typer.confirm("Publish all the same?", default=False, err=True)


def print_remark(remark: Remark, file: Path | None = None) -> None:
    """Say on stderr what is odd in a zone, and how to mend it."""
    colour = "[bold red]error[/]" if remark.severity == "error" else "[yellow]warning[/]"
    where = f"zone {remark.zone}" + (f": vertex {remark.vertex}" if remark.vertex is not None else "")
    line = f"{where}: {remark.problem}" if file is None else f"{file}: {where}: {remark.problem}"
    console.err.print(f"{colour} {escape(line)}", soft_wrap=True)
    console.err.print(f"  [green]mend[/] {escape(remark.mend)}", soft_wrap=True)


def _remarks(zones: ZoneFile, now_ms: int) -> tuple[Remark, ...]:
    from zones.lint import lint, years_ahead

    return lint(zones, years=years_ahead(now_ms))


@key_app.command("new", epilog="Example: patrol zones key new li-wei.pem")
def key_new(
    file: Annotated[Path, typer.Argument(help="File for the private key; FILE.pub gets the public half.")],
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Make a pair of keys: FILE, which only its owner may read (0600), and FILE.pub, which agents are given."""
    from zones.publishing import SigningKey

    public = file.with_name(f"{file.name}.pub")
    refuse_existing(file)
    refuse_existing(public)
    made = SigningKey.generate()
    if not dry_run:
        made.save(file)
        create_new(public, made.public.pem.encode())
    if json:
        facts = {} if dry_run else {"fingerprint": made.public.fingerprint, "key": made.public.line}
        console.print_json({"private": str(file), "public": str(public), "dry_run": dry_run, **facts})
    elif dry_run:
        console.out.print(escape(f"dry run: would write {file} and {public}"), soft_wrap=True)
    else:
        console.out.print(escape(f"{file}\n{public}\n{made.public.fingerprint}"), soft_wrap=True)
        console.err.print(f"  For agents: trusted_keys = [{escape(repr(made.public.line))}]", soft_wrap=True)


@key_app.command("show", epilog="Example: patrol zones key show li-wei.pem.pub --json")
def key_show(
    file: Annotated[
        Path, typer.Argument(help="A private or public key.", autocompletion=completing.key_files)
    ],
    json: AsJson = False,
) -> None:
    """Print a key's fingerprint and the line for an agent's `trusted_keys`. Never anything secret."""
    from zones.publishing import PublisherKey

    public = PublisherKey.load(file)
    if json:
        console.print_json({"file": str(file), "fingerprint": public.fingerprint, "key": public.line})
        return
    console.out.print(escape(f"{public.fingerprint}\n{public.line}"), soft_wrap=True)
