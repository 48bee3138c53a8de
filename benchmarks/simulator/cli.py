"""`patrol sim`: draw simulated streets, and serve them as RTSP cameras."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.rtsp.cli import serve
from patrol import console
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Draw simulated streets and serve them as RTSP cameras.",
    epilog="Examples:\n\npatrol sim render demo_pavement --out street.mp4\n\npatrol sim serve demo_pavement --port 8554",
    add_completion=False,
)

EXAMPLES = """Examples:

  patrol sim render --list

  patrol sim render demo_pavement --out street.mp4 --zones street.toml

  patrol sim render rain_day --out rain.h265 --codec h265 --size 1920x1080 --gop 5 --bitrate 2M

  patrol sim render replacement --still 62.5 picture.png
"""


@app.command(epilog=EXAMPLES)
def render(
    scene: Annotated[
        str | None, typer.Argument(help="A scene file, or a name from --list.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Video to write: *.mp4, *.h264 or *.h265. Its ground truth goes beside it as *.truth.json.",
        ),
    ] = None,
    codec: Annotated[str, typer.Option(help="h264 or h265.")] = "h264",
    size: Annotated[
        str | None, typer.Option(help="Picture size, e.g. 1920x1080. Default: the scene's.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Pictures per second. Default: the scene's.")] = None,
    gop: Annotated[float, typer.Option(help="Seconds between keyframes.")] = 2.0,
    bitrate: Annotated[
        str | None, typer.Option(help="Bits per second, e.g. 800k or 4M. Default: constant quality.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the scene's.")] = None,
    zones: Annotated[
        Path | None, typer.Option(help="Also write the scene's zone file for the agent.")
    ] = None,
    still: Annotated[
        tuple[float, Path] | None,
        typer.Option(metavar="SECONDS FILE", help="Write one picture of that instant instead of a video."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the scenes that come with the program.")
    ] = False,
    speed_table: Annotated[
        bool, typer.Option("--speed-table", help="Measure drawing speed on one core at three sizes instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Draw a scene into a video with exact ground truth, or into one picture."""
    from benchmarks.simulator.scene import load_scene

    if list_:
        _list(as_json)
        return
    if scene is None:
        raise PatrolError(
            "no scene given", field="SCENE", mend="Give a scene file or a name from: patrol sim render --list"
        )
    street = load_scene(scene, seed=seed)
    if size is not None or fps is not None:
        street = street.changed(size=_size(size), fps=fps)
    if speed_table:
        _speed(street, as_json)
        return
    if still is None and out is None and zones is None:
        raise PatrolError(
            "nothing to write", field="--out", mend="Give --out FILE, --still SECONDS FILE or --zones FILE."
        )
    result: dict[str, Any] = {
        "scene": street.spec.title,
        "size": list(street.size),
        "fps": street.fps,
        "seed": street.spec.seed,
    }
    if zones is not None:
        from benchmarks.simulator.zones import zone_file

        _write(zones, zone_file(street).encode())
        result["zones"] = str(zones)
    if still is not None:
        result["still"] = _still(street, *still)
    if out is not None:
        result |= _video(street, out, codec, gop, bitrate, quiet=as_json)
    if as_json:
        console.print_json(result)
    else:
        for key in ("video", "truth", "zones", "still"):
            if key in result:
                console.out.print(f"{key:6} {result[key]}", soft_wrap=True)


app.command("serve")(serve)


def _list(as_json: bool) -> None:
    from benchmarks.simulator.scene import PRESETS, preset_names
    from benchmarks.simulator.spec import read_scene

    rows = []
    for name in preset_names():
        spec = read_scene(PRESETS / f"{name}.toml")
        rows.append(
            {"name": name, "title": spec.title, "size": list(spec.size), "duration_s": spec.duration_s}
        )
    if as_json:
        console.print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "size", "length", "what happens", box=None)
    for row in rows:
        table.add_row(
            row["name"], f"{row['size'][0]}x{row['size'][1]}", f"{row['duration_s']:g} s", row["title"]
        )
    console.out.print(table)


def _video(
    street: Any, out: Path, codec: str, gop: float, bitrate: str | None, *, quiet: bool
) -> dict[str, Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from benchmarks.simulator.encode import encode, frame_count

    columns = (
        TextColumn("drawing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("pictures"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console.err, disable=quiet, transient=True) as bar:
        task = bar.add_task("drawing", total=frame_count(street, street.fps))
        truth = encode(
            street, out, codec=codec, gop_s=gop, bitrate=_bits(bitrate),  # type: ignore[arg-type]
            progress=lambda done, _total: bar.update(task, completed=done),
        )  # fmt: skip
    return {
        "video": str(out),
        "truth": str(truth),
        "codec": codec,
        "pictures": frame_count(street, street.fps),
    }


def _still(street: Any, seconds: float, file: Path) -> str:
    import cv2

    t_ms = round(seconds * 1000)
    if not 0 <= t_ms <= street.duration_ms:
        raise PatrolError(
            "outside the scene",
            field="--still",
            value=seconds,
            mend=f"Give 0 to {street.duration_ms / 1000:g} seconds.",
        )
    if file.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise PatrolError(
            "no such picture format", field="--still", value=str(file), mend="Name it *.png or *.jpg."
        )
    _, data = cv2.imencode(file.suffix, street.render(t_ms))
    _write(file, data.tobytes())
    return str(file)


def _speed(street: Any, as_json: bool) -> None:
    """Drawing speed on one core, thirty pictures spread over the scene's first minute."""
    import cv2

    from protocol.clock import SystemClock

    clock = SystemClock()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    rows = []
    try:
        for width, height in ((640, 360), (1280, 720), (1920, 1080)):
            other = street.changed(size=(width, height))
            step = 1000 / other.fps
            middle = min(other.duration_ms / 2, 30_000)
            times = [round(middle + i * step) for i in range(60)]
            other.render(times[0])
            start = clock.monotonic_ms()
            for t_ms in times:
                other.render(t_ms)
            took = max(1, clock.monotonic_ms() - start)
            vehicles = sum(1 for s in other.seen_at(times[30]) if other.sprite(s).image.size)
            rows.append(
                {
                    "size": f"{width}x{height}",
                    "pictures_per_s": round(len(times) * 1000 / took, 1),
                    "vehicles": vehicles,
                }
            )
    finally:
        cv2.setNumThreads(before)
    if as_json:
        console.print_json(rows)
        return
    from rich.table import Table

    table = Table("size", "pictures/s on one core", "vehicles in the picture", box=None)
    for row in rows:
        table.add_row(row["size"], str(row["pictures_per_s"]), str(row["vehicles"]))
    console.out.print(table)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise PatrolError(
            "not a picture size", field="--size", value=text, mend="Write width x height, e.g. 1280x720."
        )
    return int(width), int(height)


def _bits(text: str | None) -> int | None:
    if text is None:
        return None
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    number = text[:-1] if factor > 1 else text
    try:
        value = round(float(number) * factor)
    except ValueError:
        value = 0
    if not 10_000 <= value <= 200_000_000:
        raise PatrolError("not a bit rate", field="--bitrate", value=text, mend="Write e.g. 800k or 4M.")
    return value


def _write(file: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(file)
    except OSError as error:
        raise UnavailableError(
            f"cannot write: {error.strerror or error}",
            file=file,
            mend="Choose a folder that exists and has room.",
        ) from None
    finally:
        partial.unlink(missing_ok=True)
