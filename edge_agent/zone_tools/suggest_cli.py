"""`patrol zones suggest`: draft zones from a recording."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from edge_agent.frames import Frame

app = typer.Typer(add_completion=False)

_MOST_PICTURES = 3600


@app.command(
    epilog="Examples:\n\npatrol zones suggest street.mp4 --out draft.toml --picture draft.png\n\n"
    "patrol zones suggest rtsp://10.0.0.9/stream --minutes 20 --out draft.toml\n\n"
    "patrol zones edit draft.toml --picture street.mp4"
)
def suggest(
    source: Annotated[
        str, typer.Argument(metavar="RECORDING", help="A video, a folder of pictures, or a camera.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Zone file to write; must not exist yet.")] = Path(
        "draft.toml"
    ),
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Also draw the draft over the picture here.")
    ] = None,
    period: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1, max=60)] = 1.0,
    minutes: Annotated[
        float,
        typer.Option(help="How long a camera is watched; recordings are read whole.", min=0.1, max=1440),
    ] = 15.0,
    camera: Annotated[str | None, typer.Option(help="Name of the camera, for the file.")] = None,
    model: Annotated[
        str, typer.Option(help="Detector: name in the catalogue, or an ONNX file.")
    ] = "nanodet-g",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")] = False,
) -> None:
    """Propose pavement where people walk, and bays where vehicles stand, as a draft that a person corrects.

    Needs a fixed camera, and some minutes in which people walk and vehicles drive; the more of them, the better.
    docs/zone-suggestions.md says how good drafts are. Exit code 1: nothing could be proposed.
    """
    import cv2

    from edge_agent.build import WATCHED
    from edge_agent.ingest import SourceConfig
    from edge_agent.zone_tools.suggest import draft_zones, gather
    from edge_agent.zone_tools.suggest.writing import draft_text, heat_picture, zones_of
    from models.detector import open_detector
    from zones.pictures import draw
    from zones.writing import refuse_existing, write_whole

    if out.suffix.lower() != ".toml":
        raise PatrolError("must end in .toml", field="--out", value=str(out), mend="Name it *.toml.")
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise PatrolError(
            "no such picture format", field="--picture", value=str(picture), mend="Name it *.png or *.jpg."
        )
    if not dry_run:
        refuse_existing(out)
    frames, total = _frames(SourceConfig(url=source, sample_period_s=period), minutes)
    detector = open_detector(model, score_threshold=0.2, iou_threshold=0.5, classes=WATCHED)
    with Progress(
        TextColumn("watching the street"), BarColumn(), TextColumn("{task.completed:.0f} pictures"),
        TimeElapsedColumn(), console=console.err, transient=True, disable=not console.err.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=total)
        heat = gather(frames, detector, progress=lambda done: bar.update(task, completed=done))
    if heat is None:
        raise PatrolError(
            "gave no picture", field="RECORDING", value=_shown(source), mend="Check the source."
        )
    draft = draft_zones(heat)
    text = draft_text(draft, heat, source=_shown(source), camera=camera)
    zones = zones_of(draft, heat, camera)
    if not dry_run and text is not None:
        write_whole(out, text.encode())
    if not dry_run and picture is not None:
        over = heat_picture(heat)
        drawn = draw(zones, over) if zones is not None else over
        write_whole(picture, cv2.imencode(picture.suffix.lower(), drawn)[1].tobytes())
    if json:
        ids = [zone.id for zone in zones.zone] if zones is not None else []
        console.print_json(
            {
                "file": None if text is None or dry_run else str(out),
                "pictures": heat.pictures,
                "seconds": round(heat.seconds, 1),
                "people": heat.people,
                "passes": heat.passes,
                "zones": [
                    {"id": name, "kind": p.kind, "polygon": p.polygon, "why": p.why, "sureness": p.sureness}
                    for name, p in zip(ids, draft.proposals, strict=True)
                ],
                "remarks": list(draft.remarks),
            }
        )
    else:
        table = Table(title="Draft zones", title_justify="left")
        for name in ("Zone", "Kind", "Corners", "Why"):
            table.add_column(name)
        for zone, each in zip(zones.zone if zones else (), draft.proposals, strict=True):
            table.add_row(zone.id, each.kind, str(len(each.polygon)), escape(each.why))
        if zones is not None:
            console.out.print(table)
        for remark in draft.remarks:
            console.err.print(f"[yellow]note[/] {escape(remark)}", soft_wrap=True)
        if text is not None and not dry_run:
            console.out.print(escape(str(out)), soft_wrap=True)
            console.err.print(
                f"  A draft, not more: patrol zones edit {escape(str(out))} --picture {escape(_shown(source))}",
                soft_wrap=True,
            )
    if text is None:
        raise typer.Exit(1)


def _shown(source: str) -> str:
    """The source without a password."""
    from urllib.parse import urlsplit

    if "://" not in source:
        return source
    parts = urlsplit(source)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _frames(config: object, minutes: float) -> tuple[Iterator[Frame], int | None]:
    """Pictures of a recording, or of a camera for some minutes; and how many there will be, where that is known."""
    from edge_agent.ingest import SourceConfig, SteadyClock, open_recording, open_source
    from protocol.clock import SystemClock

    assert isinstance(config, SourceConfig)
    if "://" not in config.url:
        recording = open_recording("suggest", config)
        total = max(1, round(recording.duration_ms / 1000 / config.sample_period_s))
        if total > _MOST_PICTURES:
            raise PatrolError(
                f"would look at {total} pictures, more than {_MOST_PICTURES}",
                field="--period",
                value=config.sample_period_s,
                mend=f"Take --period {recording.duration_ms / 1000 / _MOST_PICTURES:.0f} or more.",
            )
        return recording.frames(), total
    clock = SteadyClock(SystemClock())
    camera = open_source("suggest", config, clock=clock)

    def watched() -> Iterator[Frame]:
        pause = threading.Event()
        until = clock.monotonic_ms() + round(minutes * 60_000)
        camera.start()
        try:
            while clock.monotonic_ms() < until:
                frame = camera.take(0.5)
                if frame is not None:
                    yield frame
                elif camera.health().state in ("unauthorised", "unsupported"):
                    raise PatrolError(
                        f"the camera cannot be watched: {camera.health().reason}",
                        field="RECORDING",
                        value=_shown(config.url),
                        mend="Check the address and the credentials.",
                    )
                else:
                    pause.wait(0.05)
        finally:
            camera.stop()

    return watched(), round(minutes * 60 / config.sample_period_s)
