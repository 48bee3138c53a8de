"""`patrol agent`: run the camera-side agent, check its configuration, replay recordings through it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from patrol import console
from protocol.errors import PatrolError

if TYPE_CHECKING:
    from edge_agent.engine import Event
    from edge_agent.replay import ReplayResult

app = typer.Typer(
    no_args_is_help=True,
    help="Run the camera-side agent, check its configuration, replay recordings through it.",
    epilog="Examples:  patrol agent init agent.toml  ·  patrol agent check agent.toml  ·  patrol agent run agent.toml  ·  "
    "patrol agent replay street.mp4 --zones street.toml --json",
)

_DAMAGES = 5
"""How often a running agent restores its database before it gives up: then the disk is dying."""

_COLOURS = {
    "observing": "cyan",
    "confirmed": "yellow",
    "notified": "blue",
    "unnotifiable": "magenta",
    "rechecking": "yellow",
    "tasked": "bold red",
    "self_corrected": "green",
    "exempt": "green",
    "closed": "dim",
    "ended": "dim",
    "unverified": "magenta",
    "rules_changed": "bold cyan",
}


@app.command(
    epilog="Example:  patrol agent replay street.mp4 --zones street.toml --loops 12 --json > events.jsonl"
)
def replay(
    file: Annotated[Path, typer.Argument(help="Video file, or folder of pictures.")],
    zones: Annotated[Path, typer.Option("--zones", "-z", help="Zone file of this view.")],
    json: Annotated[bool, typer.Option("--json", help="One event a line on stdout, nothing else.")] = False,
    loops: Annotated[
        int, typer.Option(help="Play the recording this many times on end.", min=1, max=10_000)
    ] = 1,
    speed: Annotated[
        float | None,
        typer.Option(help="1: real time, 8: eight times as fast; not given: as fast as possible.", min=0.01),
    ] = None,
    period: Annotated[
        float, typer.Option(help="Seconds of stream time between looks.", min=0.04, max=60)
    ] = 2.0,
    camera: Annotated[
        str | None, typer.Option(help="Name of the camera in events; else the zone file's, else cam1.")
    ] = None,
    start: Annotated[str, typer.Option(help="UTC time of the first picture.")] = "2026-01-01T00:00:00Z",
    confirm: Annotated[
        float | None, typer.Option(help="Use this confirm time in all zones, seconds.", min=1)
    ] = None,
    grace: Annotated[
        float | None, typer.Option(help="Use this grace period in all zones, seconds.", min=1)
    ] = None,
    model: Annotated[
        str, typer.Option(help="Detector: name in the catalogue, or an ONNX file.")
    ] = "nanodet-g",
    plates: Annotated[bool, typer.Option("--plates/--no-plates", help="Read number plates.")] = True,
    data: Annotated[
        Path | None, typer.Option(help="Keep database and evidence in this empty folder.")
    ] = None,
) -> None:
    """Run a recording through the whole agent and show what it decides. Nothing leaves the machine.

    The same recording always gives the same events, at any speed. Exit code 0: done; 2: wrong input.
    """
    import tempfile
    from contextlib import ExitStack

    from pydantic import ValidationError
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from edge_agent.build import open_perceiver
    from edge_agent.ingest import SourceConfig, open_recording
    from edge_agent.replay import replay as run
    from zones import load_zone_file

    zone_file = load_zone_file(zones)
    changes = {k: v for k, v in (("confirm_after_s", confirm), ("grace_s", grace)) if v is not None}
    zone_file = zone_file.model_copy(
        update={"zone": tuple(z.model_copy(update=changes) for z in zone_file.zone)}
    )
    try:
        source = SourceConfig.model_validate({"url": str(file), "sample_period_s": period, "start_at": start})
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise PatrolError(str(fault["msg"]), field=".".join(str(p) for p in fault["loc"])) from error
    camera_id = camera or zone_file.camera or "cam1"
    recording = open_recording(camera_id, source, loops=loops)
    perceiver = open_perceiver(model, plates=plates)
    with ExitStack() as stack:
        if data is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-replay-")))
        else:
            folder = data
            if folder.exists() and any(folder.iterdir()):
                raise PatrolError(
                    "is not empty",
                    file=folder,
                    field="--data",
                    mend="Name a new folder; a replay starts from nothing.",
                )
        bar = stack.enter_context(
            Progress(
                TextColumn("[dim]{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn(),
                console=console.err, transient=True, disable=not console.err.is_terminal,
            )
        )  # fmt: skip
        task = bar.add_task(file.name, total=recording.duration_ms * loops or None)
        stop = _stop_on_signals()

        def show(event: Event) -> None:
            if json:
                console.print_json(event)
            else:
                bar.console.print(_line(event), soft_wrap=True)

        def progress(_frame: object, result: ReplayResult) -> None:
            bar.update(task, completed=(result.last_ms or 0) - (result.first_ms or 0))

        result = run(
            recording, zone_file, perceiver, camera_id=camera_id, period_s=period, data_dir=folder, speed=speed,
            on_event=show, on_frame=progress, stop=stop,
        )  # fmt: skip
    if not json:
        _summary(result)
    if stop.is_set():
        raise typer.Exit(130)


@app.command(epilog="Example:  patrol agent init /etc/street-patrol/agent.toml")
def init(
    file: Annotated[Path, typer.Argument(help="File to write; must not exist yet.")] = Path("agent.toml"),
) -> None:
    """Write a commented configuration to begin with: every section and key, with defaults or examples."""
    from rich.markup import escape

    from edge_agent._template import starting_config
    from zones.writing import refuse_existing, write_whole

    refuse_existing(file)
    write_whole(file, starting_config(file.name).encode())
    console.out.print(escape(str(file)), soft_wrap=True)


@app.command("config-reference", hidden=True)
def config_reference() -> None:
    """Print docs/configuration.md."""
    from edge_agent._template import configuration_reference

    console.out.print(configuration_reference(), markup=False, soft_wrap=True, end="")


@app.command(epilog="Example:  patrol agent check /etc/street-patrol/agent.toml")
def check(
    config: Annotated[Path, typer.Argument(help="The agent's configuration file.")],
    json: Annotated[bool, typer.Option("--json", help="Machine-readable result.")] = False,
) -> None:
    """Read the configuration, the zone files and the models, and say what is wrong. Starts and writes nothing."""
    from rich.markup import escape

    from edge_agent.config import load_config
    from edge_agent.runtime import check_config

    facts = check_config(load_config(config))
    if json:
        console.print_json(facts)
        return
    table = Table(title=f"{config}: in order", title_justify="left")
    table.add_column("Camera")
    table.add_column("Address")
    table.add_column("Zones")
    table.add_column("Version")
    for camera in facts["cameras"]:
        told = camera["zone_file"]
        version = f"{told['version']} by {told['author']}" if "version" in told else "not published"
        table.add_row(camera["id"], camera["url"], ", ".join(camera["zones"]), escape(version))
    console.out.print(table)


@app.command(epilog="Example:  patrol agent run /etc/street-patrol/agent.toml")
def run(
    config: Annotated[Path, typer.Argument(help="The agent's configuration file.")],
    json: Annotated[bool, typer.Option("--json", help="One event a line on stdout.")] = False,
) -> None:
    """Run the agent until Ctrl-C or SIGTERM. Everything that matters is on disk at any moment."""
    import logging

    import cv2

    from edge_agent.config import load_config
    from edge_agent.runtime import Agent
    from edge_agent.second_log import DamagedError
    from notifier import masking

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    masking.install()
    cv2.setNumThreads(1)

    def show(event: Event) -> None:
        if json:
            console.print_json(event)
        else:
            console.out.print(_line(event), soft_wrap=True)

    stop, loaded = _stop_on_signals(), load_config(config)
    damages = 0
    while True:
        agent = Agent(loaded, on_event=show)
        try:
            agent.run(stop)
            return
        except DamagedError as error:
            damages += 1
            if damages > _DAMAGES:
                raise
            logging.getLogger(__name__).error("%s; the agent starts anew and restores it", error)


def _stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set; a second SIGINT interrupts at once."""
    stop = threading.Event()

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def _line(event: Event) -> str:
    from rich.markup import escape

    state = str(event["state"])
    who = event["case"] or event["stay"] or "-"
    colour = _COLOURS.get(state, "white")
    return (
        f"[dim]{event['time']}[/] {escape(str(event['camera']))} {escape(str(event['zone'] or '-'))} "
        f"[{colour}]{state:<14}[/] {escape(str(who))}  {escape(str(event['reason']))}"
    )


def _summary(result: ReplayResult) -> None:
    table = Table(title="Cases", title_justify="left")
    for name in ("Case", "Zone", "Confirmed", "Last state", "Reason"):
        table.add_column(name)
    for case in result.cases:
        events = [e for e in result.events if e["case"] == case]
        last = events[-1]
        table.add_row(
            case, str(last["zone"]), str(events[0]["time"]), str(last["state"]), str(last["reason"])
        )
    if result.cases:
        console.out.print(table)
    seconds = ((result.last_ms or 0) - (result.first_ms or 0)) / 1000
    console.out.print(
        f"{len(result.cases)} case{'s' if len(result.cases) != 1 else ''} in {seconds:.0f} s of recording; "
        f"{result.frames} pictures looked at, {result.inferences} times through the detector",
    )
