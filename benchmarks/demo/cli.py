"""`patrol demo`: the whole loop on this machine, with real parts all the way."""

from __future__ import annotations

import json as jsonlib
import queue
import shutil
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from patrol import console
from protocol.clock import Millis, SystemClock, from_iso
from protocol.errors import UnavailableError

if TYPE_CHECKING:
    from benchmarks.demo.check import Finding
    from benchmarks.demo.driver import ScriptedDriver
    from benchmarks.demo.officer import ScriptedOfficer
    from benchmarks.demo.scenes import Footage
    from benchmarks.demo.stage import Stage
    from benchmarks.simulator.truth import Stay

app = typer.Typer(
    help="The whole loop on this machine: cameras, agent, broker, centre.", add_completion=False
)

_STORY = {
    "observing": ("cyan", "a vehicle came to rest where it must not stand"),
    "confirmed": ("yellow", "it stood long enough: a case, with its first picture"),
    "notified": ("blue", "the owner was warned by one SMS; the clock runs"),
    "unnotifiable": ("magenta", "nobody could be told"),
    "rechecking": ("yellow", "the clock ended; the agent looks again"),
    "tasked": ("bold red", "the same vehicle is still there: a task for an officer"),
    "self_corrected": ("green", "it left in time: no punishment"),
    "exempt": ("green", "nothing to do"),
    "closed": ("green", "the case is closed"),
    "unverified": ("magenta", "the camera could not tell: nothing follows"),
    "ended": ("dim", "it drove on"),
}

_PLAIN = frozenset({"rechecking", "observing", "notified"})
"""States whose story says it all."""

_ZONE = ZoneInfo("Asia/Shanghai")

_TAIL_S = 12
"""How long after the scenes' end the loop is given to finish."""


class _Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@app.callback(invoke_without_command=True, epilog="Examples:  patrol demo  ·  patrol demo --headless --json")
def demo(
    headless: Annotated[
        bool,
        typer.Option(
            "--headless",
            help="A scripted officer too; compare with the ground truth; exit 1 on a difference.",
        ),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the pages; 0 takes a free one.", min=0, max=65535)] = 0,
    keep: Annotated[Path | None, typer.Option(help="Keep all data in this new folder.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="With --headless: the findings as JSON on stdout.")
    ] = False,
) -> None:
    """Watch a vehicle on a pavement be seen, warned, given its time, looked at again and handed to an officer.

    Everything runs on this machine: two simulated cameras over RTSP with a password, the agent with the real
    detector and plate reader, an MQTT 5 broker, and the centre with its pages, which finds the owner and warns. One
    scripted driver follows the link in his message, is kept a bay and drives off; another stays. Nothing leaves this
    machine; the SMS goes into a file. The time to leave is shortened to 30 s and the confirmation to 8 s, and Ctrl-C ends all of it.
    """
    if keep is not None and keep.exists():
        raise UnavailableError(
            "this folder exists already", field="--keep", value=str(keep), mend="Name a new one."
        )
    folder = keep or Path(tempfile.mkdtemp(prefix="patrol-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    try:
        right = _play(folder.resolve(), headless=headless, port=port, json=json)
    except _Stopped:
        console.err.print("\nstopped; nothing is left running")
        raise typer.Exit(130) from None
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if not right:
        raise typer.Exit(1)


def _interrupt(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def _play(folder: Path, *, headless: bool, port: int, json: bool) -> bool:
    from benchmarks.demo.stage import Stage

    with Stage(folder, port) as stage:
        footage, cameras = _set_up(stage)
        _announce(stage, headless=headless)
        officer = None
        if headless:
            from benchmarks.demo.officer import ScriptedOfficer

            officer = ScriptedOfficer(stage.login_link("officer"))
            officer.log_in()
        stage.start_agent(footage, cameras)
        driver = _leaving_driver(footage)
        events, pictures = _watch(stage, footage, officer, driver)
        if not headless:
            return True
        return _judge(stage, footage, events, pictures, driver, json=json)


def _leaving_driver(footage: list[Footage]) -> ScriptedDriver:
    """The driver of the vehicle that, in the second scene, leaves the pavement in time."""
    from benchmarks.demo.driver import ScriptedDriver

    item, stay = _leaving(footage)
    plate = next(v.plate for v in item.truth.vehicles if v.id == stay.vehicle)
    return ScriptedDriver(item.camera, plate or "")


def _leaving(footage: list[Footage]) -> tuple[Footage, Stay]:
    from benchmarks.demo.check import due_stays

    item = next(item for item in footage if item.camera == "bays")
    return item, next(stay for stay in due_stays(item) if stay.leaving_ms is not None)


def _set_up(stage: Stage) -> tuple[list[Footage], dict[str, str]]:
    """Draw the footage and start broker and centre, side by side."""
    from benchmarks.demo.scenes import render_all

    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeElapsedColumn(),
        console=console.err,
    )  # fmt: skip
    with bar, ThreadPoolExecutor(1) as pool:
        drawing = bar.add_task("drawing the street (once; kept for the next time)", total=1.0)
        starting = bar.add_task("starting broker and centre", total=2)
        drawn = pool.submit(render_all, lambda share: bar.update(drawing, completed=share))
        # From this thread: the centre is told to end when the thread that started it does.
        stage.start_broker()
        bar.advance(starting)
        stage.start_centre()
        bar.advance(starting)
        footage = drawn.result()
    return footage, stage.start_cameras(footage)


def _announce(stage: Stage, *, headless: bool) -> None:
    lines = [
        "Two cameras, one agent, one broker, one centre, all on this machine.",
        "[bold]Shortened for the demo:[/] a vehicle is confirmed after 8 s (a street: 60 s) and has 30 s to leave "
        "(a street: 10 minutes).",
    ]
    if not headless:
        lines += [
            "",
            f"Live list      [link]{stage.login_link('dispatcher')}[/link]",
            f"Officer        [link]{stage.login_link('officer')}[/link]",
            "[dim]Each link logs in once; then the pages stay at[/] " + stage.url,
            "[dim]The first task comes about 45 s after the cameras start. Times are UTC+8, as on the pages. "
            "Ctrl-C ends everything.[/]",
        ]
    console.err.print(Panel("\n".join(lines), title="street-patrol demo", border_style="blue", expand=False))


def _watch(
    stage: Stage, footage: list[Footage], officer: ScriptedOfficer | None, driver: ScriptedDriver
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """Tell events as they happen, until the scenes are over (headless) or for ever (until Ctrl-C)."""
    events: list[dict[str, Any]] = []
    pictures: dict[int, int] = {}
    clock = SystemClock()
    began: Millis | None = None
    over = False
    length_ms = max(item.truth.duration_ms for item in footage)
    while True:
        assert stage.agent is not None
        if stage.agent.poll() is not None:
            log = (stage.folder / "agent.log").read_text("utf-8")[-800:].strip()
            raise UnavailableError(f"the agent ended with code {stage.agent.returncode}: {log}")
        try:
            event = stage.events.get(timeout=0.5)
        except queue.Empty:
            pass
        else:
            events.append(event)
            _tell(stage, event)
        if officer is not None:
            _work(officer, pictures)
        _drive(stage, footage, driver)
        if began is None and all(_begun(stage, item.camera) for item in footage):
            began = min(stage.scene_began_ms(item.camera) for item in footage)
        if began is not None and clock.utc_ms() - began > length_ms + _TAIL_S * 1000:
            if officer is not None:
                return events, pictures
            if not over:
                over = True
                console.err.print(
                    "[dim]The scenes are over and their last seconds repeat. What is open waits on the pages.[/]"
                )


def _begun(stage: Stage, camera: str) -> bool:
    assert stage.server is not None
    return any(
        s.path == f"/{camera}" and s.position_s is not None and s.pictures > 0 for s in stage.server.stats()
    )


def _work(officer: ScriptedOfficer, pictures: dict[int, int]) -> None:
    """Accept what waits, look at its pictures, say what was found."""
    for number in officer.waiting():
        if number in pictures:
            continue
        pictures[number] = officer.pictures(number)
        officer.accept(number)
        officer.close(number, "ticketed", "demo")
        _say("officer", f"accepted task {number} on the page, saw {pictures[number]} pictures, closed it")


def _drive(stage: Stage, footage: list[Footage], driver: ScriptedDriver) -> None:
    """The driver follows his link when it comes, and says that he has left when his vehicle in the scene does."""
    if (link := driver.open(_messages(stage))) is not None:
        kept = (
            f"{driver.bays[0]} is kept for him" if driver.kept and driver.bays else "no bay is kept for him"
        )
        _say("driver", f"followed the link, sees {len(driver.bays)} bays; {escape(kept)}  {escape(link)}")
    driver.look()
    item, stay = _leaving(footage)
    assert stay.leaving_ms is not None
    if _begun(stage, item.camera):
        leaves_ms = stage.scene_began_ms(item.camera) + stay.leaving_ms
        if driver.leave(SystemClock().utc_ms(), leaves_ms):
            _say("driver", "pulls out and presses 'I have left' on his page")
    if driver.thanks():
        _say("driver", "is thanked on his page: the sidewalk is clear")


def _say(who: str, what: str) -> None:
    console.err.print(f"[dim]         {who:<9}[/]{what}", soft_wrap=True)


def _tell(stage: Stage, event: dict[str, Any]) -> None:
    state = str(event["state"])
    colour, words = _STORY.get(state, ("white", state))
    time = datetime.fromtimestamp(from_iso(str(event["time"])) / 1000, _ZONE)
    reason = "" if state in _PLAIN else f"  [dim]{escape(str(event['reason']))}[/]"
    console.err.print(
        f"[dim]{time:%H:%M:%S}[/] {escape(str(event['camera'])):<9} [{colour}]{words}[/]{reason}",
        soft_wrap=True,
    )
    messages = _messages(stage)
    if state == "notified" and messages:
        console.err.print(
            Panel(escape(str(messages[-1]["text"])), title="SMS", border_style="dim", expand=False)
        )


def _messages(stage: Stage) -> list[dict[str, Any]]:
    """The warnings in the log gateway's file, oldest first."""
    if not stage.sms_file.exists():
        return []
    return [jsonlib.loads(line) for line in stage.sms_file.read_text("utf-8").splitlines()]


def _judge(
    stage: Stage,
    footage: list[Footage],
    events: list[dict[str, Any]],
    pictures: dict[int, int],
    driver: ScriptedDriver,
    *,
    json: bool,
) -> bool:
    """Compare with the truth and say so."""
    from benchmarks.demo.check import Finding, compare

    began = {item.camera: stage.scene_began_ms(item.camera) for item in footage}
    sms = _messages(stage)
    findings = compare(footage, began, events, sms)
    tasks = sum(1 for event in events if event["state"] == "tasked")
    findings += driver.findings()
    findings += [
        Finding(
            "centre: tasks on the officer's page", str(tasks), str(len(pictures)), tasks == len(pictures)
        ),
        Finding(
            "centre: pictures with each task",
            "2",
            str(sorted(pictures.values())),
            set(pictures.values()) == {2},
        ),
        Finding("centre: history unbroken", "yes", "yes" if stage.audit() else "no", stage.audit()),
        Finding(
            "evidence: as it was sealed",
            "yes",
            "yes" if stage.verify_evidence() else "no",
            stage.verify_evidence(),
        ),
    ]
    if json:
        console.print_json(
            [{"what": f.what, "expected": f.expected, "found": f.found, "right": f.right} for f in findings]
        )
    else:
        console.out.print(_table(findings))
    return all(finding.right for finding in findings)


def _table(findings: list[Finding]) -> Table:
    table = Table(title="What happened, against the ground truth", title_justify="left")
    for name in ("", "Compared", "Expected", "Found"):
        table.add_column(name)
    for finding in findings:
        mark = "[green]✓[/]" if finding.right else "[bold red]✗[/]"
        table.add_row(mark, finding.what, finding.expected, finding.found)
    return table
