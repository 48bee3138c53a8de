"""`patrol central`: run the centre, and keep its people, agents and history."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from central.bays.cli import app as bays_app
from central.cases.cli import keys_app, services_app
from central.clocks import cli as clocks_cli
from central.dispatch import grids_cli
from central.dispatch.cli import dispatch_app, rosters_app, zones_app
from central.grids.cli import app as grids_app
from central.hotline.cli import app as hotline_app
from central.iot.cli import app as iot_app
from central.notices.cli import app as notices_app
from central.operations import cli as operations_cli
from central.owners.cli import app as owners_app
from central.people.cli import app as users_app
from central.people.cli import log_app, print_link
from central.project.bootstrap import ready
from central.project.cli_rows import told
from central.shops.cli import app as shops_app
from central.statistics.cli import app as statistics_app
from central.voice.cli import app as voice_app
from central.webhooks.cli import app as webhooks_app
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="Run the centre: web pages, ingest, migrations.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: patrol central up --broker mqtt://127.0.0.1:1883",
)
agents_app = typer.Typer(help="Agents that the centre listens to.", no_args_is_help=True)
audit_app = typer.Typer(help="The append-only histories and access log.", no_args_is_help=True)
app.add_typer(users_app, name="users")
app.add_typer(bays_app, name="bays")
app.add_typer(clocks_cli.calendar_app, name="calendar")
app.add_typer(clocks_cli.clocks_app, name="clocks")
app.command("sweep", epilog="Example: patrol central sweep")(clocks_cli.sweep)
app.add_typer(operations_cli.backup_app, name="backup")
app.command("restore", epilog="Example: patrol central restore centre.tar --json")(operations_cli.restore)
app.command("check", epilog="Example: patrol central check --upgrade --json")(operations_cli.check)
app.add_typer(dispatch_app, name="dispatch")
grids_app.command(
    "hand-over",
    epilog="Example: patrol central grids hand-over 3-07-112 --primary wang.fang -j tianlin --dry-run",
)(grids_cli.hand_over)
grids_app.command("impact", epilog="Example: patrol central grids impact grids.geojson -j tianlin")(
    grids_cli.impact
)
grids_app.command("reroute", epilog="Example: patrol central grids reroute --json")(grids_cli.reroute)
app.add_typer(grids_app, name="grids")
app.add_typer(keys_app, name="keys")
app.add_typer(services_app, name="services")
app.add_typer(iot_app, name="iot")
app.add_typer(notices_app, name="notices")
app.add_typer(owners_app, name="owners")
app.add_typer(hotline_app, name="hotline")
app.add_typer(statistics_app, name="statistics")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(rosters_app, name="rosters")
app.add_typer(voice_app, name="voice")
app.add_typer(shops_app, name="shops")
app.add_typer(zones_app, name="zones")
app.add_typer(agents_app, name="agents")
app.add_typer(audit_app, name="audit")
app.add_typer(log_app, name="access-log")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Host = Annotated[str, typer.Option(help="Address to listen at.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")]
Url = Annotated[str, typer.Option(help="Where the pages are, to print a whole address.")]
BrokerOption = Annotated[
    str | None, typer.Option(help="MQTT broker, e.g. mqtt://127.0.0.1:1883 or mqtts://host:8883.")
]


@app.callback()
def central(
    data: Annotated[
        Path | None, typer.Option(help="Folder of database, pictures and key. [env: PATROL_CENTRAL_DATA]")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://… instead of SQLite. [env: PATROL_DATABASE_URL]")
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(help="text, or json: one object a line. [env: PATROL_CENTRAL_LOG_FORMAT]"),
    ] = None,
) -> None:
    """The centre. Settings come from PATROL_CENTRAL_… in the environment; see docs/operations.md."""
    if data is not None:
        os.environ["PATROL_CENTRAL_DATA"] = str(data.expanduser().absolute())
    if database is not None:
        os.environ["PATROL_DATABASE_URL"] = database
    if log_format is not None:
        os.environ["PATROL_CENTRAL_LOG_FORMAT"] = log_format


@app.command(epilog="Example: patrol central up --port 8000 --broker mqtt://127.0.0.1:1883")
def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    broker: BrokerOption = None,
    ingest_workers: Annotated[int, typer.Option(min=1, max=16, help="Ingest processes.")] = 1,
    web_workers: Annotated[
        int, typer.Option(min=1, max=16, help="Web processes; one for each core that the pages may use.")
    ] = 1,
    as_json: Json = False,
) -> None:
    """Migrate, then run web and ingest in one process tree until Ctrl-C or SIGTERM."""
    _use_broker(broker)
    _allow(host)
    from central.project import bootstrap, process
    from central.project.supervisor import Supervisor
    from patrol.main import main

    bootstrap.start()
    bootstrap.check_services()
    ran = bootstrap.migrate()
    if ran:
        console.err.print(f"database: {len(ran)} migrations applied")
    bootstrap.collect_static()
    from django.conf import settings
    from django.db import connection

    connection.close()
    broker_name = settings.PATROL.broker.name

    def ready(address: str) -> None:
        if as_json:
            console.print_json({"event": "ready", "url": address, "broker": broker_name, "pid": os.getpid()})
        else:
            console.out.print(f"[bold green]the centre is up[/]  {address}  [dim]broker {broker_name}[/]")

    supervisor = Supervisor(process.listen(host, port), ingest_workers, main, console.err.print, web_workers)
    supervisor.run(ready)


@app.command(epilog="Example: patrol central migrate")
def migrate(as_json: Json = False) -> None:
    """Bring the database to this version; again does nothing."""
    from central.project import bootstrap

    bootstrap.start()
    ran = bootstrap.migrate()
    bootstrap.collect_static()
    if as_json:
        console.print_json({"applied": ran, "database": bootstrap.database_name()})
    else:
        console.out.print(f"{len(ran)} migrations applied to {bootstrap.database_name()}")


@app.command(epilog="Example: patrol central web --host 0.0.0.0 --port 8000")
def web(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    fd: Annotated[int | None, typer.Option(hidden=True, help="A socket that listens already.")] = None,
) -> None:
    """Run only the web pages."""
    _allow(host)
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    bootstrap.check_services()
    _measure()
    if fd is None:
        bootstrap.collect_static()
        listener = process.listen(host, port)
        console.err.print(f"pages at {process.address(listener)}")
    else:
        listener = socket.socket(fileno=fd)
    from central.project.web import serve

    serve(listener)


@app.command(epilog="Example: patrol central ingest --broker mqtts://broker.example.org")
def ingest(broker: BrokerOption = None) -> None:
    """Run one ingest worker; start as many as you need."""
    _use_broker(broker)
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    bootstrap.check_services()
    from central.ingest.worker import run_worker

    run_worker()


@app.command("login-link", epilog="Example: patrol central login-link li.wei --url http://127.0.0.1:8000")
def login_link(
    name: Annotated[str, typer.Argument(help="Log-in name.")],
    url: Url = "",
    as_json: Json = False,
) -> None:
    """Print a link that logs this person in once, within 15 minutes; the same as `users link`."""
    print_link(name, url, as_json)


@agents_app.command("add", epilog="Example: patrol central agents add north-gate --jurisdiction sanlihe")
def agents_add(
    agent: Annotated[str, typer.Argument(help="The agent's name, as in its configuration.")],
    jurisdiction: Annotated[str, typer.Option(help="The jurisdiction it belongs to.")],
    as_json: Json = False,
) -> None:
    """Enrol an agent: its messages are taken from now on, also those that it kept."""
    ready()
    from central.fleet.services import enrol

    _, new = enrol(agent, jurisdiction)
    if as_json:
        console.print_json({"agent": agent, "jurisdiction": jurisdiction, "new": new})
    else:
        console.out.print(f"{jurisdiction}/{agent} {'enrolled' if new else 'was enrolled already'}")


@agents_app.command("disable", epilog="Example: patrol central agents disable old-box --jurisdiction sanlihe")
def agents_disable(
    agent: Annotated[str, typer.Argument(help="The agent's name.")],
    jurisdiction: Annotated[str, typer.Option(help="The jurisdiction it belongs to.")],
) -> None:
    """Listen to an agent no more; what it sent stays."""
    ready()
    from central.fleet import services

    found = services.find_agent(jurisdiction, agent)
    if found is None:
        raise PatrolError("no such agent is enrolled", field="agent", value=f"{jurisdiction}/{agent}")
    services.disable(found)
    console.out.print(f"{jurisdiction}/{agent} is not listened to any more")


@agents_app.command("list", epilog="Example: patrol central agents list --json")
def agents_list(as_json: Json = False) -> None:
    """List agents, and strangers that knocked."""
    ready()
    from central.fleet.models import Agent, Stranger
    from protocol.clock import iso

    rows = [
        {
            "jurisdiction": agent.jurisdiction_id,
            "agent": agent.agent_id,
            "state": "disabled" if not agent.enabled else "online" if agent.online else "offline",
            "heard": iso(agent.heard_at_ms) if agent.heard_at_ms else None,
            "cameras": agent.cameras.count(),
            "waiting": agent.outbox_waiting,
        }
        for agent in Agent.objects.all()
    ]
    rows += [
        {
            "jurisdiction": stranger.jurisdiction_id,
            "agent": stranger.agent_id,
            "state": "stranger",
            "heard": iso(stranger.last_at_ms),
            "cameras": 0,
            "waiting": 0,
        }
        for stranger in Stranger.objects.all()
    ]
    if told(rows, as_json=as_json):
        return
    from rich.table import Table

    table = Table("jurisdiction", "agent", "state", "heard", "cameras", "waiting", box=None)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row.values()))
    console.out.print(table)


@audit_app.command("verify", epilog="Example: patrol central audit verify --files --json")
def audit_verify(
    files: Annotated[
        bool, typer.Option("--files", help="Also read every photo and text, and compare it with its hash.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Walk every history and the access log, and prove that nothing was changed, removed or put in between, and that each
    case stands where its history and its rules lead."""
    ready()
    from central.cases.audit import verify_files
    from central.cases.history import Audit, verify
    from central.people import access_chain

    audit, log = Audit(), access_chain.LogAudit()
    faults = list(verify(audit))
    log_faults = list(access_chain.verify(log))
    if files:
        faults += verify_files()
    if as_json:
        console.print_json(
            {
                "cases": audit.cases,
                "entries": audit.entries,
                "digest": audit.digest,
                "faults": [
                    {"case": fault.case_id, "entry": fault.number, "problem": fault.problem}
                    for fault in faults
                ],
                "access_log": {
                    "lines": log.lines,
                    "digest": log.digest,
                    "faults": [dataclasses.asdict(fault) for fault in log_faults],
                },
            }
        )
    else:
        for fault in faults:
            console.out.print(f"[bold red]case {fault.case_id}, entry {fault.number}[/]: {fault.problem}")
        for bad in log_faults:
            where = f"access log of {bad.jurisdiction_id}, line {bad.line}"
            console.out.print(f"[bold red]{where}[/]: {bad.problem}")
        for counted, found in (
            (f"{audit.entries} entries of {audit.cases} cases", faults),
            (f"{log.lines} lines of the access log", log_faults),
        ):
            verdict = "[bold red]not as written[/]" if found else "[bold green]as written[/]"
            console.out.print(f"{counted}: {verdict}")
        console.out.print(f"digest {audit.digest}", soft_wrap=True)
        console.out.print(f"digest of the access log {log.digest}", soft_wrap=True)
    if faults or log_faults:
        raise typer.Exit(1)


def _measure() -> None:
    """Add this process's measurements to those of the other web processes of this machine."""
    from django.conf import settings

    from central.project import logs, metrics_folder

    logs.this_is("web")
    metrics_folder.share(settings.PATROL.data / "metrics")


def _use_broker(url: str | None) -> None:
    if url is not None:
        os.environ["PATROL_CENTRAL_BROKER"] = url


def _allow(host: str) -> None:
    """Answer also to the name that the operator listens at; another name needs PATROL_CENTRAL_HOSTS."""
    if not os.environ.get("PATROL_CENTRAL_HOSTS") and host not in {"0.0.0.0", "::"}:  # noqa: S104
        name = f"[{host}]" if ":" in host else host
        os.environ["PATROL_CENTRAL_HOSTS"] = ",".join(
            dict.fromkeys(("127.0.0.1", "localhost", "[::1]", name))
        )
