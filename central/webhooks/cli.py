"""`patrol central webhooks`: other systems that are told of what happens to cases."""

from __future__ import annotations

from typing import Annotated

import typer

from central.project.bootstrap import ready
from central.project.cli_rows import told
from patrol import console

app = typer.Typer(
    help="Other systems that are told of what happens to cases, with a signature.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central webhooks add city-hub --key city --url https://hub.example.org/cases --event case.closed\n\n"
    "patrol central webhooks test city-hub\n\n"
    "patrol central webhooks list --json",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Name = Annotated[str, typer.Argument(help="The webhook's name.")]


@app.command(epilog="Example: patrol central webhooks work")
def work() -> None:
    """Run one worker that carries events; start as many as you need. `patrol central up` runs one."""
    from central.project import bootstrap, process

    process.follow_parent()
    ready()
    bootstrap.check_services()
    from central.webhooks.worker import run_worker

    run_worker()


@app.command("list", epilog="Example: patrol central webhooks list --json")
def list_(as_json: Json = False) -> None:
    """List webhooks with what waits and what was given up."""
    ready()
    from central.webhooks.state import rows

    found = rows()
    if told(found, as_json=as_json):
        return
    from rich.table import Table

    table = Table(
        "name", "key", "address", "events", "state", "waiting", "given up", "last received", box=None
    )
    for row in found:
        cells = (row["name"], row["key"], row["url"], ", ".join(row["events"]) or "all", row["state"])
        table.add_row(*cells, str(row["waiting"]), str(row["dead"]), row["success"] or "-")
    console.out.print(table)


@app.command(
    epilog="Example: patrol central webhooks add city-hub --key city --url https://hub.example.org/cases"
)
def add(
    name: Name,
    key: Annotated[str, typer.Option(help="The api client whose it is; its key needs the right webhook.")],
    url: Annotated[str, typer.Option(help="Where events go: https.")],
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="case.opened, case.moved, case.closed, case.reopened or case.placed; all if left out."
        ),
    ] = None,
    service: Annotated[list[str] | None, typer.Option(help="Service code; all if left out.")] = None,
    grid: Annotated[list[str] | None, typer.Option(help="Code of a grid; all if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Tell another system. Its secret is shown this once; `rotate` gives a new one."""
    ready()
    from central.cases.models import ApiKey
    from central.webhooks.services import subscribe
    from protocol.errors import PatrolError

    owner = ApiKey.objects.filter(name=key).first()
    if owner is None:
        raise PatrolError("there is no key of this name", field="key", value=key)
    made, secret = subscribe(
        name, owner, url, wanted=event or (), service_codes=service or (), grids=grid or ()
    )
    if as_json:
        console.print_json({"name": made.name, "url": made.url, "secret": secret})
    else:
        console.out.print(f"{made.name} is told at {made.url}; its secret, shown this once:", markup=False)
        console.out.print(secret, soft_wrap=True, markup=False)


@app.command("test", epilog="Example: patrol central webhooks test city-hub --json")
def try_(name: Name, as_json: Json = False) -> None:
    """Send a test message now and say what came back; exit code 1 if it was not received."""
    ready()
    from central.webhooks import courier, services
    from central.webhooks.models import Delivery, DeliveryState

    made = services.send_test(name)
    found = courier.claim_one(made.pk)
    received = found is not None and courier.carry(found)
    made.refresh_from_db()
    if made.state == DeliveryState.WAITING:
        Delivery.objects.filter(pk=made.pk).delete()  # a test is not tried for three days
    answer = {"webhook": name, "id": made.message_id, "received": received, "status": made.status}
    if as_json:
        console.print_json({**answer, "error": made.error or None})
    else:
        console.out.print(
            f"{name}: " + ("received" if received else f"not received: {made.error}"), markup=False
        )
    if not received:
        raise typer.Exit(1)


@app.command(epilog="Example: patrol central webhooks replay city-hub --number 1207")
def replay(
    name: Name,
    number: Annotated[
        list[int] | None, typer.Option(help="Only this one; all that were given up if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send again what was given up, with the same ids."""
    ready()
    from central.webhooks import services

    count = services.replay(services.find(name), number or ())
    if as_json:
        console.print_json({"webhook": name, "again": count})
    else:
        console.out.print(f"{count} go out again to {name}", markup=False)


@app.command(epilog="Example: patrol central webhooks rotate city-hub")
def rotate(name: Name, as_json: Json = False) -> None:
    """Give a new secret; the one before signs as well for a day."""
    ready()
    from central.webhooks import services

    secret = services.rotate(name)
    if as_json:
        console.print_json({"name": name, "secret": secret})
    else:
        console.out.print(secret, soft_wrap=True, markup=False)


@app.command(epilog="Example: patrol central webhooks pause city-hub")
def pause(name: Name) -> None:
    """Send nothing for now; what happens is not kept for it, what waits is."""
    _switch(name, False)


@app.command(epilog="Example: patrol central webhooks resume city-hub")
def resume(name: Name) -> None:
    """Go on telling."""
    _switch(name, True)


@app.command(epilog="Example: patrol central webhooks remove city-hub")
def remove(name: Name) -> None:
    """Forget a webhook and what waits for it."""
    ready()
    from central.webhooks import services

    services.remove(name)
    console.out.print(f"{name} is told nothing any more", markup=False)


def _switch(name: str, active: bool) -> None:
    ready()
    from central.webhooks import services

    services.switch(name, active=active, reason="" if active else "paused")
    console.out.print(f"{name} is {'told' if active else 'not told'} of cases", markup=False)
