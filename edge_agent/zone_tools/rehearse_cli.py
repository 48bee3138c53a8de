"""`patrol zones rehearse`: which past decisions would be otherwise with other zones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from edge_agent.build import Perceiver
    from edge_agent.rehearsal.flips import Flip
    from edge_agent.rehearsal.run import Progress, Rehearsal
    from zones import ZoneFile
    from zones.pictures import Image

_MOST = 40
"""Rows of the terminal's table."""

_COLOURS = {
    "new_case": "bold red", "now_task": "bold red", "no_case": "green", "no_task": "green",
    "other_zone": "magenta", "earlier": "yellow", "later": "blue", "other_end": "cyan",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the verb to the group `patrol zones`."""
    app.command(
        epilog="Examples:\n\npatrol zones rehearse new.toml --on /var/lib/street-patrol --html report.html\n\n"
        "patrol zones rehearse new.toml --on street.mp4 --old old.toml --json\n\n"
        "patrol zones rehearse new.toml --on data/agent.db --since 2026-03-01 && echo nothing flips"
    )(rehearse)


def rehearse(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="NEW [PATH...]",
            help="The zone file as it would be; then more paths for --on.",
            show_default=False,
        ),
    ],
    on: Annotated[
        list[Path],
        typer.Option(
            "--on",
            metavar="PATH",
            show_default=False,
            help="An agent's data folder or agent.db, or a recording: a video file or a folder of pictures. May be "
            "given again.",
        ),
    ],
    old: Annotated[
        Path | None,
        typer.Option(
            help="The zones as they are. Past days: by default those that were in force last. Needed for recordings.",
            show_default=False,
        ),
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Which camera; by default the zone file's.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only what came to rest from then on: a date or an instant.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only what came to rest before then.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report for people: one file, *.html.", show_default=False)
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            "-p",
            help="A still or video to draw the zones over in the report.",
            show_default=False,
        ),
    ] = None,
    lang: Annotated[
        Literal["zh-Hans", "en"], typer.Option(help="Language that the report shows first; it holds both.")
    ] = "zh-Hans",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Decide and check everything, write no report.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")] = False,
    period: Annotated[
        float, typer.Option(help="Recordings: seconds of stream time between looks.", min=0.04, max=60)
    ] = 2.0,
    model: Annotated[
        str, typer.Option(help="Recordings: detector, a name in the catalogue or an ONNX file.")
    ] = "nanodet-g",
    plates: Annotated[
        bool, typer.Option("--plates/--no-plates", help="Recordings: read number plates.")
    ] = True,
) -> None:
    """Say which decisions about past stays would flip if NEW took the place of the zones in force.

    Past days are decided again from what the agent remembers of vehicles at rest; recordings are replayed through the
    whole agent, by the old and by the new zones. Nothing is written but the report. Exit code 0: nothing flips;
    1: something does; 2: wrong input.
    """
    from edge_agent.rehearsal.report import html_report, json_report
    from edge_agent.rehearsal.run import join
    from zones.files import load_zone_file
    from zones.pictures import check_shape, read_picture
    from zones.writing import write_whole

    new, paths = load_zone_file(files[0]), [*on, *files[1:]]
    old_zones = None if old is None else load_zone_file(old)
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise PatrolError("is no name of a web page", field="--html", value=str(html), mend="Name it *.html.")
    if picture is not None and html is None:
        raise PatrolError(
            "a picture to draw over needs --html",
            field="--picture",
            value=str(picture),
            mend="Name a report with --html.",
        )
    below = None if picture is None else read_picture(picture)
    if below is not None:
        check_shape(new, below, file=picture)
    with _Bar() as progress:
        parts = [
            _on(
                path, new, old_zones, str(old), camera, since, until, progress,
                period=period, model=model, plates=plates,
            )
            for path in paths
        ]  # fmt: skip
    rehearsal = join(parts)
    if html is not None:
        if below is None:
            below = _first_picture(paths)
        report = html_report(rehearsal, picture=below, language=lang)
        if not dry_run:
            write_whole(html, report)
    if json:
        html_name = None if html is None else str(html)
        console.print_json({**json_report(rehearsal), "html": html_name, "dry_run": dry_run})
    else:
        _print(rehearsal, html)
        if dry_run:
            console.err.print("Nothing was written.")
    if rehearsal.flips:
        raise typer.Exit(1)


def _on(
    path: Path,
    new: ZoneFile,
    old: ZoneFile | None,
    old_name: str,
    camera: str | None,
    since: str | None,
    until: str | None,
    progress: Progress,
    *,
    period: float,
    model: str,
    plates: bool,
) -> Rehearsal:
    from edge_agent.rehearsal.past import find_database, read_past
    from edge_agent.rehearsal.run import rehearse_past

    if not path.exists():
        raise PatrolError("does not exist", file=path, field="--on", mend="Check the path.")
    database = find_database(path)
    if database is not None:
        past = read_past(
            database,
            since_ms=_instant(since, "--since", new.time_zone),
            until_ms=_instant(until, "--until", new.time_zone),
        )
        return rehearse_past(past, new, old=old, old_from=old_name, camera=camera, progress=progress)
    if old is None:
        raise PatrolError(
            "is a recording; the zones to compare with are needed",
            file=path,
            field="--old",
            mend="Give the zone file in force with --old.",
        )
    if since is not None or until is not None:
        raise PatrolError(
            "--since and --until are for past days, not for recordings", file=path, mend="Leave them away."
        )
    return _on_recording(
        path, new, old, old_name, camera, progress, period=period, model=model, plates=plates
    )


def _on_recording(
    path: Path,
    new: ZoneFile,
    old: ZoneFile,
    old_name: str,
    camera: str | None,
    progress: Progress,
    *,
    period: float,
    model: str,
    plates: bool,
) -> Rehearsal:
    import tempfile

    from edge_agent.build import open_perceiver
    from edge_agent.ingest import Recording, SourceConfig, open_recording
    from edge_agent.rehearsal.recordings import rehearse_recording

    name = camera or new.camera or old.camera or "cam1"
    source = SourceConfig.model_validate(
        {"url": str(path), "sample_period_s": period, "start_at": "2026-01-01T00:00:00Z"}
    )

    def recording() -> Recording:
        return open_recording(name, source)

    recording()  # a file that cannot be read is told before models are loaded
    load: Callable[[], Perceiver] = lambda: open_perceiver(model, plates=plates)  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="patrol-rehearse-") as folder:
        return rehearse_recording(
            recording, str(path), old, new, load, Path(folder),
            old_from=old_name, camera=name, period_s=period, progress=progress,
        )  # fmt: skip


def _first_picture(paths: list[Path]) -> Image | None:
    from edge_agent.rehearsal.past import find_database
    from zones.pictures import read_picture

    for path in paths:
        if path.is_file() and find_database(path) is None:
            return read_picture(path)
    return None


def _instant(text: str | None, option: str, time_zone: str) -> int | None:
    """UTC milliseconds of a date (its beginning where the camera is) or an instant."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise PatrolError(
            "is neither a date nor an instant",
            field=option,
            value=text,
            mend="Write 2026-03-11 or 2026-03-11T08:00.",
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(time_zone))
    return round(moment.timestamp() * 1000)


class _Bar:
    """A progress bar on stderr, where that is a terminal."""

    def __enter__(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("[dim]{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn(),
            console=console.err, transient=True, disable=not console.err.is_terminal,
        )  # fmt: skip
        self._bar.start()
        task = self._bar.add_task("reading", total=None)

        def told(what: str, done: int, total: int) -> None:
            self._bar.update(task, description=escape(what), completed=done, total=total)

        return told

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _print(rehearsal: Rehearsal, html: Path | None) -> None:
    from edge_agent.rehearsal.flips import KINDS, count_kinds
    from edge_agent.rehearsal.words import ground_said, local

    def say(text: str) -> None:
        console.out.print(text, soft_wrap=True)

    zone = rehearsal.new.time_zone
    say(
        f"[dim]camera[/] {escape(rehearsal.camera)}  [dim]from[/] {local(rehearsal.first_ms, zone)} [dim]to[/] "
        f"{local(rehearsal.last_ms, zone)} [dim]{escape(zone)}[/]"
    )
    if rehearsal.difference.forbidden is not None and not rehearsal.difference.same:
        say(f"[dim]forbidden ground[/] {escape(ground_said(rehearsal.difference.forbidden).en)}")
    if rehearsal.flips:
        console.out.print(_table(rehearsal.flips[:_MOST], zone))
        if len(rehearsal.flips) > _MOST:
            say(f"[dim]and {len(rehearsal.flips) - _MOST} more; --json and --html have all[/]")
    for one in rehearsal.not_seen:
        say(
            f"[yellow]not seen[/] {one.share:.0%} of zone {escape(one.zone)} lies where nobody looked; what stood there is "
            "not known"
        )
    if rehearsal.history_differs:
        count = len(rehearsal.history_differs)
        say(
            f"[yellow]history differs[/] in {count} stay{'s' if count != 1 else ''}; --json and --html say how"
        )
    counted = count_kinds(rehearsal.flips)
    told = ", ".join(f"{counted[kind]} {words[0]}" for kind, words in KINDS.items() if counted[kind])
    stays = rehearsal.stays + rehearsal.places
    say(
        f"{stays} vehicle{'s' if stays != 1 else ''} at rest looked at, {rehearsal.places} of them outside the zones of then: "
        + (
            f"[bold red]{len(rehearsal.flips)} flip[/] ({told})"
            if rehearsal.flips
            else "[green]nothing flips[/]"
        )
    )
    if html is not None:
        say(escape(str(html)))


def _table(flips: tuple[Flip, ...], time_zone: str) -> Table:
    from edge_agent.rehearsal.flips import CAVEATS, KINDS
    from edge_agent.rehearsal.words import clock, local, outcome_said

    table = Table(title="Decisions that flip", title_justify="left", show_lines=True)
    for name in ("When", "What", "Old", "New"):
        table.add_column(name)
    for flip in flips:
        until = "" if flip.until_ms is None else f"-{clock(flip.until_ms, time_zone)}"
        kinds = ", ".join(f"[{_COLOURS[kind]}]{KINDS[kind][0]}[/]" for kind in flip.kinds)
        sides = [
            f"{escape(outcome_said(side.cases, time_zone).en)}\n[dim]{escape(side.reason.en)}[/]"
            for side in (flip.old, flip.new)
        ]
        short = [CAVEATS[caveat][0].partition(":")[0] for caveat in flip.caveats]
        caveats = "".join(f"\n[yellow]! {escape(text)}[/]" for text in short)
        table.add_row(
            f"{local(flip.at_ms, time_zone)}{until}\n{escape(flip.label)}\n[dim]{escape(flip.place)}[/]",
            kinds,
            sides[0],
            f"{sides[1]}{caveats}",
        )
    return table
