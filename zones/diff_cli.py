"""`patrol zones diff`: what changes for the street if one zone file takes the place of another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError
from zones.writing import write_whole

if TYPE_CHECKING:
    from zones.diff import Difference, GroundChange, KeyChange, ZoneChange

_SIGNS = {
    "added": "[bold red]+ added[/]",
    "removed": "[bold blue]- removed[/]",
    "changed": "[yellow]~ changed[/]",
}


def register(app: typer.Typer) -> None:
    """Add the verb to the group `patrol zones`."""
    app.command(epilog="Example: patrol zones diff old.toml new.toml --picture street.jpg --out diff.png")(
        diff
    )


def diff(
    old: Annotated[Path, typer.Argument(metavar="A", help="The zone file as it is.", show_default=False)],
    new: Annotated[
        Path, typer.Argument(metavar="B", help="The zone file as it would be.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Draw the difference: *.png, *.jpg or *.webp.", show_default=False),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            "-p",
            help="A still or video of the camera, to draw over; else a plain sheet.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say and check everything, draw nothing to disk.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")] = False,
) -> None:
    """Say what B changes: zones, ground gained and lost, and every rule, old and new.

    Files that mean the same, though they write it another way, are the same. Exit code 0: the same; 1: different;
    2: wrong input.
    """
    from zones.diff import compare
    from zones.files import load_zone_file

    before, after = load_zone_file(old), load_zone_file(new)
    if picture is not None and out is None:
        raise PatrolError(
            "a picture to draw over needs --out",
            field="--picture",
            value=str(picture),
            mend="Name a file with --out.",
        )
    difference = compare(before, after)
    if out is not None:
        import cv2

        from zones.diff_pictures import draw_difference
        from zones.pictures import check_shape, read_picture

        if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
            raise PatrolError(
                "no such picture format",
                field="--out",
                value=str(out),
                mend="Name it *.png, *.jpg or *.webp.",
            )
        below = None
        if picture is not None:
            below = read_picture(picture)
            check_shape(after, below, file=picture)
        _, data = cv2.imencode(out.suffix.lower(), draw_difference(before, after, difference, below))
        if not dry_run:
            write_whole(out, data.tobytes())
    if json:
        told = {
            "same": difference.same,
            **asdict(difference),
            "picture": None if out is None else str(out),
            "dry_run": dry_run,
        }
        console.print_json({"old": str(old), "new": str(new), **told})
    else:
        print_difference(difference)
        if out is not None:
            console.out.print(escape(str(out)), soft_wrap=True)
        if dry_run:
            console.err.print("Nothing was written.")
    if not difference.same:
        raise typer.Exit(1)


def print_difference(difference: Difference) -> None:
    """The difference in words, on stdout."""

    def say(text: str) -> None:
        console.out.print(text, soft_wrap=True)

    if difference.same:
        say("[green]the same ground and the same rules[/]")
    for note in difference.same_otherwise:
        say(f"[dim]{escape(note)}[/]")
    for key in difference.keys:
        say(f"[yellow]~ file[/] {_key(key)}")
    for change in difference.zones:
        say(f"{_SIGNS[change.change]} [bold]{escape(change.id)}[/]{_renamed(change)}")
        for line in zone_lines(change):
            say(f"    {escape(line)}")
    if not difference.comparable:
        say("[yellow]the pictures have different shapes: polygons cannot be compared[/]")
    elif difference.forbidden is not None and not difference.same:
        say(f"[bold]forbidden ground[/] {escape(ground_words(difference.forbidden))}")


def _key(key: KeyChange) -> str:
    return f"{escape(key.key)}: {escape(key.old)} [dim]->[/] {escape(key.new)}"


def _renamed(change: ZoneChange) -> str:
    return "" if change.was is None else f" [dim](was {escape(change.was)})[/]"


def zone_lines(change: ZoneChange) -> list[str]:
    """What changed in one zone, a line each, without markup."""
    lines = [f"{key.key}: {key.old} -> {key.new}" for key in change.keys]
    ground = change.ground
    if ground is None:
        return lines
    if change.change == "changed" and ground.same:
        return [*lines, "the same ground"]
    if ground.how:
        metres = "" if ground.moved_m is None else f" ({ground.moved_m:.2f} m)"
        lines.append(f"outline: {ground.how}{metres}")
    return [*lines, f"ground: {ground_words(ground)}"]


def ground_words(ground: GroundChange) -> str:
    """Areas gained, lost and kept, without markup."""
    from zones.diff_pictures import area_words

    parts = [
        f"{word} {area_words(px, m2)}"
        for word, px, m2 in (
            ("gained", ground.gained_px, ground.gained_m2),
            ("lost", ground.lost_px, ground.lost_m2),
            ("kept", ground.kept_px, ground.kept_m2),
        )
        if px or word == "kept"
    ]
    return ", ".join(parts)
