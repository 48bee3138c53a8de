"""`patrol zones init`: a zone file to begin with, on a picture of a file or straight from the camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from patrol import console
from protocol.errors import PatrolError
from zones import completing
from zones.writing import refuse_existing, write_whole

if TYPE_CHECKING:
    from edge_agent.ingest import SourceConfig
    from zones.pictures import Image


def register(app: typer.Typer) -> None:
    """Add the verb to the group `patrol zones`."""
    app.command(
        epilog="Examples:\n\npatrol zones init street.jpg --out street.toml\n\n"
        "patrol zones init rtsp://192.0.2.10/stream1 --username patrol --password-env CAM1_PASSWORD --out cam1.toml "
        "--save-picture cam1.jpg\n\n"
        "patrol zones init --agent-config agent.toml --camera cam1 --out cam1.toml --save-picture cam1.jpg"
    )(init)


def init(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A still, a video, a folder of pictures, or the camera's rtsp:// address.",
            show_default=False,
            autocompletion=completing.pictures,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Zone file to write; must not exist yet.",
            autocompletion=completing.zone_files,
        ),
    ] = Path("zones.toml"),
    save_picture: Annotated[
        Path | None,
        typer.Option(
            "--save-picture",
            help="Keep the picture: *.png, *.jpg or *.webp; must not exist yet.",
            show_default=False,
        ),
    ] = None,
    agent_config: Annotated[
        Path | None,
        typer.Option(
            "--agent-config",
            help="Take the camera from an agent's configuration; instead of SOURCE.",
            show_default=False,
            autocompletion=completing.zone_files,
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            "--camera",
            "-c",
            help="Whose zones they are: the camera's id in the configuration.",
            show_default=False,
            autocompletion=completing.cameras,
        ),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option("--username", "-u", help="For a camera that asks for one.", show_default=False),
    ] = None,
    password_env: Annotated[
        str | None,
        typer.Option(
            "--password-env", help="Environment variable that holds the password.", show_default=False
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help="File whose first line is the password.", show_default=False),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for a camera.", min=1, max=600)
    ] = 30,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Take the picture and check everything, write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of text.")] = False,
) -> None:
    """Write a commented zone file to begin with: the picture's size and one example polygon to move.

    Credentials in an address, a variable or a file are used and never shown. Exit code 0: written; 2: wrong input;
    3: the camera gives no picture.
    """
    from zones.pictures import encode
    from zones.starter import starting_file

    if out.suffix.lower() != ".toml":
        raise PatrolError("must end in .toml", field="--out", value=str(out), mend="Name it *.toml.")
    refuse_existing(out)
    if save_picture is not None:
        refuse_existing(save_picture)
        encode(_blank(), save_picture, field="--save-picture")  # the name before the work
    access = {"username": username, "password_env": password_env, "password_file": password_file}
    image, shown = _picture(source, agent_config, camera, access, timeout)
    height, width = image.shape[:2]
    kept = shown if save_picture is None else save_picture.name
    text = starting_file(width, height, file=out.name, picture=kept, camera=camera)
    if not dry_run:
        if save_picture is not None:
            write_whole(save_picture, encode(image, save_picture))
        write_whole(out, text.encode())
    if json:
        console.print_json(
            {
                "out": str(out),
                "picture": None if save_picture is None else str(save_picture),
                "camera": camera,
                "size": {"width": width, "height": height},
                "written": not dry_run,
            }
        )
        return
    for path in (out, save_picture):
        if path is not None:
            console.out.print(escape(f"{path}{' (dry run: not written)' if dry_run else ''}"), soft_wrap=True)
    console.err.print(
        f"  Move the example polygon, then: patrol zones show {escape(out.name)} --picture {escape(kept)} --out zones.png",
        soft_wrap=True,
    )


def _picture(
    source: str | None,
    agent_config: Path | None,
    camera: str | None,
    access: dict[str, Any],
    timeout_s: float,
) -> tuple[Image, str]:
    """A picture, and how it is called without anything secret."""
    from edge_agent.zone_tools.grab import grab
    from zones.pictures import read_picture

    if (source is None) == (agent_config is None):
        raise PatrolError(
            "name a picture, a recording or a camera",
            field="SOURCE or --agent-config",
            mend="Give one of them, not both." if source is not None else "Give one of them.",
        )
    if source is not None and "://" not in source and not Path(source).is_dir():
        return read_picture(Path(source)), Path(source).name
    config = (
        _from_agent(agent_config, camera) if agent_config is not None else _from_address(source or "", access)
    )
    image = grab(camera or "camera", config, timeout_s=timeout_s).image
    return image, "picture.png" if config.is_camera else Path(config.url).name


def _from_agent(path: Path, camera: str | None) -> SourceConfig:
    from edge_agent.config import load_config

    cameras = {item.id: item for item in load_config(path).camera}
    if camera not in cameras:
        raise PatrolError(
            "say which camera" if camera is None else "has no such camera",
            file=path,
            field="--camera",
            value=camera,
            mend=f"It has: {', '.join(cameras)}.",
        )
    return cameras[camera].source()


def _from_address(address: str, access: dict[str, Any]) -> SourceConfig:
    from pydantic import ValidationError

    from edge_agent.ingest import SourceConfig

    given = {name: value for name, value in access.items() if value is not None}
    try:
        return SourceConfig.model_validate({"url": address, **given})
    except ValidationError as error:
        # The value is never quoted: a password may be anywhere in it.
        fault = error.errors(include_input=False, include_url=False)[0]
        raise PatrolError(
            str(fault["msg"]).removeprefix("Value error, "),
            field="SOURCE",
            mend="Write rtsp://host[:port]/path; give user name and password by --username and --password-env.",
        ) from None


def _blank() -> Image:
    import numpy as np

    return np.zeros((16, 16, 3), np.uint8)
