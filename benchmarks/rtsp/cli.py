"""`patrol sim serve`: scenes and videos as RTSP cameras, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.rtsp import _prepare
from benchmarks.rtsp._auth import Credentials
from benchmarks.rtsp._media import MediaFile
from benchmarks.rtsp.control import ControlServer
from benchmarks.rtsp.server import DEFAULT_PORT, RtspServer
from patrol import console
from protocol.errors import PatrolError

MAX_CAMERAS = 1000

EXAMPLES = """Examples:

  patrol sim serve street.toml                    one camera, rtsp://127.0.0.1:8554/cam1

  patrol sim serve street.mp4 --count 16          sixteen cameras, spread over the video

  patrol sim serve a.toml b.toml --once --user patrol --password-file secret.txt
"""


def serve(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SCENE_OR_VIDEO...", help="Scene files (.toml) or names, or MP4/MKV videos."),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    count: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_CAMERAS, help="Cameras; by default one for each source. More share the sources."
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop/--once", help="Begin anew after the end, or end the stream.")
    ] = True,
    user: Annotated[str | None, typer.Option(help="User name that clients must give.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File whose first line is the password.")] = None,
    auth: Annotated[
        Literal["basic", "digest", "none"] | None,
        typer.Option(help="By default digest with --user, else none."),
    ] = None,
    codec: Annotated[Literal["h264", "h265"], typer.Option(help="How scenes are encoded.")] = "h264",
    size: Annotated[str | None, typer.Option(help="Picture size of scenes, e.g. 1280x720.")] = None,
    fps: Annotated[float | None, typer.Option(min=1, max=60, help="Pictures a second of scenes.")] = None,
    gop: Annotated[
        float | None, typer.Option(min=0.04, max=60, help="Seconds between keyframes of scenes.")
    ] = None,
    bitrate: Annotated[str | None, typer.Option(help="Bit rate of scenes, e.g. 4M.")] = None,
    control_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Also take fault orders (JSON lines) on this loopback port."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
) -> None:
    """Serve simulated streets and videos as RTSP cameras in real time, until Ctrl-C (or their end with --once)."""
    credentials = _credentials(user, password_file, auth)
    options: dict[str, Any] = {
        "codec": codec,
        "size": _prepare.picture_size(size) if size else None,
        "fps": fps,
        "gop_s": gop,
        "bitrate": _prepare.bits_per_second(bitrate) if bitrate else None,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    media = _open(sources, chosen, quiet=as_json)
    server = RtspServer(
        host, port, auth=auth or ("digest" if credentials else "none"), credentials=credentials
    )
    for number in range(count or len(media)):
        add_camera(server, number, count or len(media), media, loop=loop)
    asyncio.run(_serve(server, media, control_port, as_json=as_json, loop=loop))


def add_camera(server: RtspServer, number: int, count: int, media: list[MediaFile], *, loop: bool) -> None:
    """Add camera `number` of `count` as ``/cam1``...; copies of a looping file are spread evenly over it."""
    file = media[number % len(media)]
    copies = len(range(number % len(media), count, len(media)))
    offset_s = file.duration_s * (number // len(media)) / copies if loop else 0.0
    starts: Literal["added", "first_play"] = "added" if loop else "first_play"
    server.add(f"/cam{number + 1}", file, loop=loop, offset_s=offset_s, starts=starts)


def _credentials(user: str | None, password_file: Path | None, auth: str | None) -> Credentials | None:
    if user is None and password_file is None:
        if auth in ("basic", "digest"):
            raise PatrolError(
                "a user and a password are needed",
                field="--auth",
                value=auth,
                mend="Add --user and --password-file.",
            )
        return None
    if user is None or password_file is None:
        missing = "--user" if user is None else "--password-file"
        raise PatrolError(
            f"{missing} is missing", field=missing, mend="Give --user and --password-file together."
        )
    if auth == "none":
        raise PatrolError("--user makes no sense with --auth none", field="--auth", value=auth)
    return Credentials(user, _prepare.password_from(password_file))


def _open(sources: list[str], options: dict[str, Any], *, quiet: bool) -> list[MediaFile]:
    columns = (
        TextColumn("rendering {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=console.err, transient=True, disable=quiet
    ) as bars:

        def bar(source: str) -> _prepare.Progress:
            task = bars.add_task(Path(source).stem, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        return _prepare.open_all(sources, options, progress=bar)


async def _serve(
    server: RtspServer, media: list[MediaFile], control_port: int | None, *, as_json: bool, loop: bool
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    control = ControlServer(server)
    try:
        await server.start()
        bound = None if control_port is None else await control.start(control_port)
        _announce(server, media, bound, as_json=as_json)
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stopped.wait())]
        if not loop:
            waiting.append(asyncio.create_task(server.wait_ended()))
        _, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
    finally:
        await control.stop()
        await server.stop()


def _announce(server: RtspServer, media: list[MediaFile], control_port: int | None, *, as_json: bool) -> None:
    rows = [(path, server.url(path), media[index % len(media)]) for index, path in enumerate(server.paths)]
    if as_json:
        cameras = [
            {
                "path": path,
                "url": url,
                "file": str(file.file),
                "codec": file.codec,
                "width": file.width,
                "height": file.height,
                "fps": file.fps,
                "duration_s": file.duration_s,
                "truth": _prepare.truth_of(file.file),
            }
            for path, url, file in rows
        ]
        console.print_json({"port": server.port, "control_port": control_port, "cameras": cameras})
        return
    table = Table("camera", "codec", "picture", "seconds", "Mb/s", box=None, header_style="bold")
    for _, url, file in rows:
        picture = f"{file.width}x{file.height} at {file.fps:g}"
        table.add_row(url, file.codec, picture, f"{file.duration_s:.1f}", f"{file.bitrate / 1e6:.2f}")
    console.out.print(table)
    if control_port is not None:
        console.out.print(f"fault orders on 127.0.0.1:{control_port}")
    console.err.print("Ctrl-C ends it.", style="dim")
