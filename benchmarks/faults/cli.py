"""`patrol bench faults`: nothing lost, nothing doubled, nothing unproven, whatever fails."""

from __future__ import annotations

import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from patrol import console

if TYPE_CHECKING:
    from benchmarks.faults.check import Findings
    from benchmarks.faults.leaks import Leaks

app = typer.Typer(add_completion=False)

_MEAN_STEPS = 300.0


@app.command(
    epilog="Examples:\n\npatrol bench faults --quick\n\npatrol bench faults --runs 2000 --real 34 --json faults.json\n\n"
    "patrol bench faults --seed 4711 --runs 1 --real 0 --hours 0 --story"
)
def faults(
    seed: Annotated[int, typer.Option(min=0, help="The first run's seed; the next has the next.")] = 1,
    runs: Annotated[int, typer.Option(min=0, help="Accelerated runs, of some 35 faults each.")] = 400,
    real: Annotated[
        int, typer.Option(min=0, help="Runs with real processes, half a minute to a minute each.")
    ] = 6,
    hours: Annotated[int, typer.Option(min=0, help="Hours of stream time that memory is watched for.")] = 168,
    minutes: Annotated[
        float, typer.Option(min=0, help="Minutes for which the real agent's memory is read; needs --real.")
    ] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Processes for the accelerated runs.")] = 2,
    mean: Annotated[
        float, typer.Option(min=20, help="Steps between two strikes at the process, in the mean.")
    ] = _MEAN_STEPS,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of everything, and one real run.")] = False,
    story: Annotated[bool, typer.Option("--story", help="Also print what struck in each run.")] = False,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep the folders of failing real runs in this new folder.", show_default=False),
    ] = None,
    out_chart: Annotated[
        Path | None,
        typer.Option("--out-chart", metavar="FILE", help="Also draw faults by kind and memory as SVG."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures here; - is stdout.")
    ] = None,
) -> None:
    """Random faults in accelerated and in real runs, and a simulated week for leaks. Exit code 1: anything is wrong.

    Accelerated: the real engine, database, outbox, SMS worker and centre's intake die at any statement, meet full disks,
    damaged files, clock steps of up to an hour, cut connections, lost, doubled, late and malformed messages. Real: agent,
    Mosquitto, centre and camera as processes, with kill -9 and a bad network between them. A run that goes wrong prints
    its seed and how to repeat it.
    """
    from benchmarks._machine import machine
    from benchmarks.cli import _interrupt
    from benchmarks.servers import mosquitto_program
    from zones.writing import refuse_existing, refuse_unwritable

    # All that can be told beforehand, before the first half an hour.
    refuse_unwritable(json, out_chart)
    if real:
        mosquitto_program()
        if keep is not None:
            refuse_existing(keep)
    if quick:
        runs, real, hours, minutes = max(1, runs // 10), min(real, 1), hours // 7, min(minutes, 1)
    facts = machine()
    signal.signal(signal.SIGTERM, _interrupt)
    wrong: list[dict[str, Any]] = []
    accelerated = _accelerated(seed, runs, workers, mean, wrong, story) if runs else {}
    with_processes = _real(seed, real, wrong, story, keep, minutes) if real else {}
    leaks = _leaks(hours) if hours else None
    faults = summary(accelerated, with_processes, leaks, wrong)
    if out_chart is not None:
        from benchmarks.faults.chart import draw
        from zones.writing import write_whole

        write_whole(out_chart, draw(faults).encode())
    _report(faults, facts, json)
    if wrong or leaked(faults):
        raise typer.Exit(1)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console.err, transient=True, disable=not console.err.is_terminal,
    )  # fmt: skip


def _accelerated(
    seed: int, count: int, workers: int, mean: float, wrong: list[dict[str, Any]], story: bool
) -> dict[str, Any]:
    from benchmarks.faults.pool import fast_folder, runs

    total: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    began = time.monotonic()
    with fast_folder() as folder, _bar() as bar:
        task = bar.add_task("accelerated runs", total=count)
        for run in runs(folder, range(seed, seed + count), mean, workers):
            kinds.update(run.faults)
            for name in ("stays", "musts", "cases", "tasks", "due", "warnings", "restored"):
                total[name] += getattr(run, name)
            repeat = (
                f"patrol bench faults --seed {run.seed} --runs 1 --real 0 --hours 0 --mean {mean:g} --story"
            )
            _judge(run.seed, "accelerated", run.findings, run.story, repeat, wrong, story)
            bar.advance(task)
    seconds = round(time.monotonic() - began, 1)
    return {"runs": count, "faults": sum(kinds.values()), "seconds": seconds, "kinds": dict(kinds), **total}


def _real(
    seed: int, count: int, wrong: list[dict[str, Any]], story: bool, keep: Path | None, minutes: float
) -> dict[str, Any]:
    from dataclasses import asdict

    from benchmarks.faults.alive import watch
    from benchmarks.faults.real import prepare, run_real

    kinds: Counter[str] = Counter()
    impossible: set[str] = set()
    began = time.monotonic()
    if keep is not None:
        keep.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="patrol-faults-") as temporary, _bar() as bar:
        task = bar.add_task("drawing the street", total=count)
        shared = Path(temporary)
        prepare(shared)
        for number in range(seed, seed + count):
            bar.update(task, description="real runs")
            run = run_real(number, shared, (keep or shared) / f"run-{number}")
            impossible.update(run.impossible)
            kinds.update(run.faults)
            repeat = (
                f"patrol bench faults --seed {run.seed} --runs 0 --real 1 --hours 0 --minutes 0 --story "
                "--keep FOLDER"
            )
            _judge(run.seed, "real", run.findings, run.story, repeat, wrong, story)
            bar.advance(task)
        seconds = round(time.monotonic() - began, 1)
        agent = None
        if minutes:
            task = bar.add_task("minutes of the agent's memory", total=minutes)
            agent = watch(shared, shared / "alive", minutes, lambda done: bar.update(task, completed=done))
    return {
        "runs": count,
        "faults": sum(kinds.values()),
        "seconds": seconds,
        "kinds": dict(kinds),
        "not_possible_here": sorted(impossible),
        "agent": None if agent is None else asdict(agent),
    }


def _leaks(hours: int) -> Leaks:
    import logging

    from benchmarks.faults.leaks import measure
    from benchmarks.faults.pool import fast_folder

    disabled, root = logging.CRITICAL, logging.getLogger()
    before = root.manager.disable
    logging.disable(disabled)
    try:
        with fast_folder() as folder, _bar() as bar:
            task = bar.add_task("hours of stream time", total=hours)
            return measure(folder / "box", hours, lambda done: bar.update(task, completed=done))
    finally:
        logging.disable(before)


def _judge(
    seed: int,
    sort: str,
    findings: Findings,
    what: Iterable[str],
    repeat: str,
    wrong: list[dict[str, Any]],
    story: bool,
) -> None:
    if story:
        for line in what:
            console.err.print(f"  [dim]{escape(line)}[/]", soft_wrap=True)
    if not findings:
        return
    found = {"lost": findings.lost, "doubled": findings.doubled, "unproven": findings.unproven}
    wrong.append({"seed": seed, "sort": sort, "repeat": repeat} | {k: list(v) for k, v in found.items()})
    for name, lines in found.items():
        for line in lines:
            console.err.print(f"[bold red]{name}[/] in {sort} run {seed}: {escape(line)}", soft_wrap=True)
    console.err.print(f"  again: {escape(repeat)}", soft_wrap=True)


def summary(
    accelerated: dict[str, Any], real: dict[str, Any], leaks: Leaks | None, wrong: list[dict[str, Any]]
) -> dict[str, Any]:
    """The figures of `--json` under ``faults``; null is what this run did not measure. Pure."""
    parts = [part for part in (accelerated, real) if part]
    ran = bool(parts)
    agent = real.get("agent")
    whole: dict[str, Any] = {
        "runs": sum(part["runs"] for part in parts),
        "injected": sum(part["faults"] for part in parts),
        **{
            name: sum(len(run[name]) for run in wrong) if ran else None
            for name in ("lost", "doubled", "unproven")
        },
        # The week is what leaks are looked for in; without it a few minutes prove nothing.
        "leaks": None if leaks is None else len(leaks.found) + (len(agent["found"]) if agent else 0),
        "accelerated": accelerated,
        "real": real,
        "week": None,
        "wrong": wrong,
    }
    if leaks is not None:
        whole["week"] = {
            "hours": leaks.hours,
            "stays": leaks.stays,
            "rss_mb": [round(value, 2) for value in leaks.rss_mb],
            "blocks": leaks.blocks,
            "handles": leaks.handles,
            "found": leaks.found,
        }
    return whole


def leaked(faults: dict[str, Any]) -> list[str]:
    """All leaks in words: of the week, and of the agent's process."""
    parts = (faults["week"], faults["real"].get("agent"))
    return [text for part in parts if part for text in part["found"]]


def _report(faults: dict[str, Any], facts: dict[str, str], json: Path | None) -> None:
    from benchmarks.cli import give

    found = {"faults": faults}

    def show() -> None:
        console.out.print(_table(faults))
        for kind in faults["real"].get("not_possible_here", ()):
            console.out.print(f"{kind}: not possible here, other faults were drawn", soft_wrap=True)
        for line in leaked(faults):
            console.out.print(f"[bold red]leak[/] {escape(line)}", soft_wrap=True)

    give(found, facts, json, show)


def _table(summary: dict[str, Any]) -> Table:
    table = Table(title="Faults", title_justify="left")
    table.add_column("What")
    for name in ("Accelerated", "Real processes"):
        table.add_column(name, justify="right")
    parts = (summary["accelerated"], summary["real"])

    def row(what: str, name: str) -> None:
        table.add_row(what, *(f"{part[name]:,}" if name in part else "" for part in parts))

    row("runs", "runs")
    row("faults injected", "faults")
    row("seconds", "seconds")
    for kind in sorted({kind for part in parts for kind in part.get("kinds", ())}):
        table.add_row(f"  {kind}", *(f"{part['kinds'].get(kind, 0):,}" if part else "" for part in parts))
    for what, name in (
        ("stays, of which must have a case", "stays"), ("", "musts"), ("cases", "cases"), ("warnings", "warnings"),
        ("work orders, of which certainly due", "tasks"), ("", "due"), ("restorations of the database", "restored"),
    ):  # fmt: skip
        row(what, name)
    for name in ("lost", "doubled", "unproven"):
        counts = [
            sum(len(run[name]) for run in summary["wrong"] if run["sort"] == sort)
            for sort in ("accelerated", "real")
        ]
        shown = [
            f"[{'green' if not c else 'bold red'}]{c}[/]" if p else ""
            for c, p in zip(counts, parts, strict=True)
        ]
        table.add_row(f"[bold]{name}[/]", *shown)
    week, agent = summary["week"], summary["real"].get("agent")

    def held(what: str, part: dict[str, Any] | None, name: str, digits: str) -> None:
        """The figure once warmed up, and the last one."""
        if part:
            values = part[name]
            text = f"{values[len(values) // 4]:{digits}}, {values[-1]:{digits}}"
            table.add_row(what, *((text, "") if part is week else ("", text)))

    held("memory, MB: after a quarter of the hours, at the end", week, "rss_mb", ".0f")
    held("file handles, likewise", week, "handles", "d")
    held("memory of the agent's process, MB, likewise", agent, "rss_mb", ".0f")
    held("its file handles, likewise", agent, "handles", "d")
    leaks = summary["leaks"]
    if leaks is not None:
        table.add_row("[bold]leaks[/]", f"[{'bold red' if leaks else 'green'}]{leaks}[/]", "")
    return table
