"""`patrol zones edit`: draw zones over the camera's picture, on a page on this machine."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from edge_agent.zone_tools.edit_sight import CameraSight
    from zones.model import Picture

EPILOG = (
    "Examples:\n\n"
    "patrol zones edit street.toml --picture street.jpg\n\n"
    "patrol zones edit street.toml --picture rtsp://192.0.2.7/stream1\n\n"
    "patrol zones edit street.toml --picture street.mp4 --no-browser --port 8090"
)


def edit(
    file: Annotated[
        Path, typer.Argument(help="Zone file; begun anew where there is none.", show_default=False)
    ],
    picture: Annotated[
        str | None,
        typer.Option(
            "--picture",
            "-p",
            help="A still, a video, a folder of pictures or an rtsp:// address; else a plain sheet.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: one of the file's own.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    detect: Annotated[
        bool | None,
        typer.Option(
            "--detect/--no-detect", help="Show vehicles and where they stand. Default: if a detector is here."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON with the address.")] = False,
) -> None:
    """Draw zones on a page that only this machine and this address can reach; Ctrl-C or Quit ends it.

    It saves the same file, whole or not at all, and keeps its comments. Faults in the file are shown, to be mended.

    Exit code 2: the file cannot be parsed, or the picture cannot be read; 3: no camera, or no port.
    """
    from edge_agent.zone_tools.edit_browser import opened_in_browser
    from zones.editor import Session, listen, serve

    drawn = _drawn(file)
    sight = _sight(picture, drawn, detect)
    try:
        session = Session(file, _starting(sight))
        with listen(port, file) as listening, opened_in_browser() as show:

            def ready(url: str) -> None:
                if json:
                    console.print_json({"url": url, "file": str(file)})
                else:
                    console.out.print(escape(url), soft_wrap=True)
                    console.err.print(
                        "  Keep this address to yourself: who has it can change the file. Ctrl-C ends.",
                        soft_wrap=True,
                    )
                if browser and not show(url):
                    console.err.print("  No browser was found here: open the address yourself.")

            # Whoever stops the process ends it as Ctrl-C does: tidily.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                serve(session, sight, listening, ready)
            except KeyboardInterrupt:
                # The way to end it; the page keeps what was not saved as a draft.
                console.err.print("stopped")
    finally:
        if sight is not None:
            sight.close()


def _drawn(file: Path) -> Picture | None:
    """The size of picture that a file speaks of, if it says one."""
    from pydantic import ValidationError

    from zones.files import read_zone_data
    from zones.model import Picture

    try:
        return Picture.model_validate(read_zone_data(file.read_bytes(), file).get("picture"))
    except (OSError, ValidationError):
        # What is wrong with the file is said where it is opened.
        return None


def _sight(picture: str | None, drawn: Picture | None, detect: bool | None) -> CameraSight | None:
    if picture is None:
        return None
    from edge_agent.zone_tools.edit_sight import CameraSight, open_camera, open_eyes
    from protocol.clock import SystemClock

    detector = None
    if detect is not False:
        try:
            detector = open_eyes()
        except PatrolError as error:
            if detect:
                raise
            console.err.print(f"[yellow]no vehicles are shown[/] {escape(str(error))}", soft_wrap=True)
    camera = open_camera(picture, SystemClock())
    try:
        return CameraSight(camera, detector, drawn)
    except BaseException:
        camera.close()
        raise


def _starting(sight: CameraSight | None) -> dict[str, Any] | None:
    if sight is None:
        return None
    shot = sight.shot()
    return {"schema": 1, "picture": {"width": shot.width, "height": shot.height}, "zone": []}
