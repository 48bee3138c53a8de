"""`patrol bench`: what the program costs and how well it sees, as tables with the command that made them."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.accuracy.cli import accuracy
from benchmarks.bays.cli import bays
from benchmarks.capacity.cli import capacity
from benchmarks.clocks import cli as clocks_cli
from benchmarks.day import cli as day_cli
from benchmarks.dispatch import cli as dispatch_cli
from benchmarks.faults import cli as faults_cli
from benchmarks.figures import MARKS, Figure
from benchmarks.flood.cli import flood
from benchmarks.grids import cli as grids_cli
from benchmarks.hotline.cli import hotline
from benchmarks.hour import cli as hour_cli
from benchmarks.iot import cli as iot_cli
from benchmarks.pages.cli import pages
from benchmarks.plates.cli import plates
from benchmarks.publish.cli import everything
from benchmarks.rehearsal.cli import app as rehearsal_app
from benchmarks.shops.cli import shops
from benchmarks.suggest import cli as suggest_cli
from benchmarks.voice.cli import voice
from benchmarks.zones.cli import app as zones_app
from patrol import console
from protocol.errors import PatrolError, UnavailableError

if TYPE_CHECKING:
    from benchmarks.clips import Outcome

app = typer.Typer(
    help="Benchmarks that print a table and the command that made it.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol bench loop\n\n"
    "patrol bench loop --seconds 300 --json loop.json\n\n"
    "patrol bench clips --shared ../shared\n\n"
    "patrol bench clips --clip kerb_street --loops 12\n\n"
    "patrol bench accuracy --scenes 24 --out accuracy\n\n"
    "patrol bench zones --seed 7 --json zones.json\n\n"
    "patrol bench rehearse --seed 7 --json rehearse.json\n\n"
    "patrol bench notices\n\n"
    "patrol bench plates --condition day --out-pictures worst.png\n\n"
    "patrol bench bays --rate 100\n\n"
    "patrol bench faults --quick\n\n"
    "patrol bench iot --devices 5000 --rate 200 --minutes 1\n\n"
    "patrol bench flood --reports 10000\n\n"
    "patrol bench hotline --calls 10\n\n"
    "patrol bench pages --database sqlite\n\n"
    "patrol bench shops --database sqlite\n\n"
    "patrol bench day --json day.json\n\n"
    "patrol bench hour --speed 20\n\n"
    "patrol bench capacity --quick\n\n"
    "patrol bench voice --reports 200000\n\n"
    "patrol bench all --out results --render",
)

Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
]


@app.command(epilog="Example: patrol bench loop --seconds 300 --json loop.json")
def loop(
    seconds: Annotated[
        float, typer.Option(min=5, max=86400, help="How long the agent is watched at work.")
    ] = 60,
    json: Json = None,
) -> None:
    """Start, processor share and memory of the agent with two 1080p25 cameras. Exit code 1: a goal is missed.

    The cameras are a real RTSP server in another process; the agent is `patrol agent run`, reading plates, sealing
    evidence and writing its warnings into a file. Close everything else first: other load makes figures worse.
    """
    try:
        from benchmarks.loop import load_clip, measure_all
    except ModuleNotFoundError as error:
        if error.name != "psutil":
            raise
        raise UnavailableError(
            "`patrol bench loop` needs the Python package 'psutil', which is not installed",
            mend="Run: pip install psutil",
        ) from error
    from benchmarks._machine import machine

    facts = machine()
    signal.signal(signal.SIGTERM, _interrupt)  # so that nothing is left running
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("drawing the clip (once; kept for the next time)", total=1.0)
        clip = load_clip(lambda done, total: bar.update(task, completed=done / total))
        bar.update(task, total=None)
        figures = measure_all(clip, Path(folder), seconds, lambda text: bar.update(task, description=text))
    report("The loop", figures, facts, json)


@app.command(epilog="Example: patrol bench clips --clip kerb_street --loops 12 --json clips.json")
def clips(
    shared: Annotated[
        Path | None, typer.Option(help="Folder of real inputs; by default PATROL_SHARED, else ../shared.")
    ] = None,
    clip: Annotated[
        list[str] | None, typer.Option("--clip", help="Only this clip; may be given again.")
    ] = None,
    loops: Annotated[
        int, typer.Option(min=1, max=1000, help="Play clips with standing vehicles this often on end.")
    ] = 1,
    model: Annotated[
        str, typer.Option(help="Detector: name in the catalogue, or an ONNX file.")
    ] = "nanodet-g",
    json: Json = None,
) -> None:
    """Real clips through the whole agent, against what a person sees in them. Exit code 1: any difference.

    The footage is not part of the project; docs/benchmarks.md says where it comes from.
    """
    from benchmarks._machine import machine
    from benchmarks.clips import load_clips, run_clip
    from edge_agent.build import open_perceiver

    folder = shared or Path(os.environ.get("PATROL_SHARED") or "../shared")
    known = {each.name: each for each in load_clips()}
    for name in clip or ():
        if name not in known:
            raise PatrolError("no such clip", field="--clip", value=name, mend=f"Known: {', '.join(known)}.")
    chosen = [each for each in known.values() if not clip or each.name in clip]
    facts = machine() | {"detector": model}
    perceiver = open_perceiver(model, plates=False)
    outcomes: list[Outcome] = []
    with progress_bar() as bar:
        for each in chosen:
            times = loops if each.standing else 1
            task = bar.add_task(each.name, total=1.0)
            outcomes.append(
                run_clip(
                    each,
                    folder,
                    perceiver,
                    loops=times,
                    progress=lambda share, task=task: bar.update(task, completed=share),
                )
            )
    _report_clips(outcomes, facts, json)
    if not all(outcome.right for outcome in outcomes):
        raise typer.Exit(1)


@app.command(epilog="Example: patrol bench notices --stays 100 --spread 60 --json notices.json")
def notices(
    stays: Annotated[int, typer.Option(min=1, max=9999, help="How many stays are confirmed.")] = 100,
    spread: Annotated[
        float, typer.Option(min=0, max=3600, help="Over how many seconds; 0: all in the same moment.")
    ] = 60,
    answer: Annotated[
        float, typer.Option(min=0, max=10, help="How long the gateway thinks about each message, seconds.")
    ] = 0.2,
    json: Json = None,
) -> None:
    """From confirmation to the gateway's door: outbox, broker, centre, owners, HTTP. Exit code 1: a goal is missed.

    Broker, centre and a gateway that speaks Twilio's API run on this machine; nothing leaves it. Each stay brings its
    picture, which the centre has before the request.
    """
    from benchmarks._machine import machine
    from benchmarks.notices import measure

    facts = machine() | {"gateway": f"answers after {answer:g} s", "spread": f"{stays} stays in {spread:g} s"}
    signal.signal(signal.SIGTERM, _interrupt)
    with progress_bar() as bar, tempfile.TemporaryDirectory(prefix="patrol-bench-") as folder:
        task = bar.add_task("", total=stays)
        figures = measure(
            Path(folder),
            stays=stays,
            spread_s=spread,
            answer_s=answer,
            say=lambda text, count: bar.update(task, description=text, completed=count),
        )
    report("Warnings", figures, facts, json)


app.command(epilog="Example: patrol bench accuracy --scenes 24 --seed 7 --out accuracy")(accuracy)
app.add_typer(zones_app)
app.add_typer(rehearsal_app)
app.add_typer(suggest_cli.app)
app.command(epilog="Example: patrol bench plates --out-pictures worst.png --json plates.json")(plates)
app.command(epilog="Example: patrol bench bays --bays 10000 --rate 100 --json bays.json")(bays)
app.command(
    epilog="Examples:\n\npatrol bench capacity --quick\n\npatrol bench capacity --json capacity.json --out-chart capacity.svg"
)(capacity)
app.command(
    "all",
    epilog="Examples:\n\npatrol bench all --out results\n\npatrol bench all --out results --only faults --render\n\n"
    "patrol bench all --from results",
)(everything)
app.command(epilog="Example: patrol bench flood --reports 10000 --rate 400 --json flood.json")(flood)
app.add_typer(grids_cli.app)
app.add_typer(clocks_cli.app)
app.add_typer(dispatch_cli.app)
app.add_typer(faults_cli.app)
app.add_typer(iot_cli.app)
app.add_typer(day_cli.app)
app.add_typer(hour_cli.app)
app.command(epilog="Example: patrol bench pages --database sqlite --json pages.json")(pages)
app.command(epilog="Example: patrol bench hotline --calls 10 --json hotline.json")(hotline)
app.command(epilog="Example: patrol bench voice --database postgresql --json voice.json")(voice)
app.command(epilog="Example: patrol bench shops --database sqlite --json shops.json")(shops)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def progress_bar() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console.err, transient=True, disable=not console.err.is_terminal,
    )  # fmt: skip


def report(
    title: str,
    figures: Sequence[Figure] | Mapping[str, Sequence[Figure]],
    facts: dict[str, str],
    json: Path | None,
    more: dict[str, Any] | None = None,
) -> None:
    """Figures, or parts of them by name, told as `tell` does; then exit code 1 if one misses its goal."""
    parts = figures if isinstance(figures, Mapping) else {"": figures}
    rows: list[dict[str, Any]] = []
    table = Table(title=title, title_justify="left")
    table.add_column("What")
    for name in ("Figure", "Goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Met")
    for part, of_it in parts.items():
        if part:
            table.add_row(f"[bold]{escape(part)}[/]", "", "", "")
        for f in of_it:
            row = {"what": f.what, "value": round(f.value, 3), "unit": f.unit, "goal": f.goal, "met": f.met}
            rows.append({"part": part} | row if part else row)
            table.add_row(escape(f.what), f.number, f.wanted, MARKS[f.met])
    tell(table, rows, facts, json, more)
    if any(row["met"] is False for row in rows):
        raise typer.Exit(1)


def _report_clips(outcomes: list[Outcome], facts: dict[str, str], json: Path | None) -> None:
    rows: list[dict[str, Any]] = []
    table = Table(title="Real clips", title_justify="left", show_lines=True)
    for name in ("Clip", "Truth by eye"):
        table.add_column(name)
    for name in ("Seconds", "Standing", "Found", "Missed", "False", "Cases per stay", "Tasks"):
        table.add_column(name, justify="right")
    table.add_column("")
    for outcome in outcomes:
        clip = outcome.clip
        row = {
            "clip": clip.name,
            "truth": clip.seen,
            "seconds": round(outcome.seconds, 1),
            "standing": len(clip.standing),
            "found": len(outcome.found),
            "missed": list(outcome.missed),
            "false": [{"case": f.case, "box": [round(v) for v in f.box]} for f in outcome.false],
            "cases_per_stay": outcome.cases_per_stay,
            "tasks": outcome.tasks,
            "right": outcome.right,
        }
        rows.append(row)
        boxes = "; ".join(f"at {', '.join(f'{v:.0f}' for v in f.box)}" for f in outcome.false)
        table.add_row(
            clip.name,
            clip.seen,
            f"{outcome.seconds:.0f}",
            str(len(clip.standing)),
            str(len(outcome.found)),
            f"{len(outcome.missed)} {', '.join(outcome.missed)}".strip(),
            f"{len(outcome.false)} {boxes}".strip(),
            str(outcome.cases_per_stay) if clip.standing else "–",
            str(outcome.tasks),
            "[green]✓[/]" if outcome.right else "[bold red]✗[/]",
        )
    tell(table, rows, facts, json)


FREE_WIDTH = 400
"""Columns of a table in a file, at most."""


def tell(
    table: Table,
    rows: list[dict[str, Any]],
    facts: dict[str, str],
    json: Path | None,
    more: dict[str, Any] | None = None,
) -> None:
    """The table, the machine and the command to people; the figures, and `more`, to a file or, alone, to stdout."""

    def show() -> None:
        if console.out.is_terminal:
            console.out.print(table)
        else:
            # A file has no width: without this a table is cut to 80 columns, figures first.
            Console(file=console.out.file, highlight=False, width=FREE_WIDTH).print(table)

    give({"rows": rows} | (more or {}), facts, json, show)


def give(found: dict[str, Any], facts: dict[str, str], json: Path | None, show: Callable[[], None]) -> None:
    """What `show` prints, the machine and the command to people; all that was found to a file or, alone, to stdout."""
    command = "patrol " + shlex.join(sys.argv[1:])
    whole = {"command": command, "machine": facts} | found
    if json is not None and str(json) == "-":
        console.print_json(whole)
        return
    show()
    for name, fact in facts.items():
        console.out.print(f"[dim]{name}:[/] {escape(fact)}", soft_wrap=True)
    console.out.print(f"[dim]command:[/] {escape(command)}", soft_wrap=True)
    if json is not None:
        from json import dumps

        from zones.writing import write_whole

        write_whole(json, (dumps(whole, ensure_ascii=False, indent=1) + "\n").encode())
