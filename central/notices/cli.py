"""`patrol central notices`: warnings at the centre: the worker, what is on its way, what it cost, who wants none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from central.project.bootstrap import ready
from central.project.cli_rows import show_rows
from patrol import console
from protocol.errors import PatrolError

app = typer.Typer(
    help="Warnings to owners: the worker, what became of them, what they cost.",
    no_args_is_help=True,
    epilog="Examples:\n\n"
    "patrol central notices check notices.toml\n\n"
    "patrol central notices list --state refused\n\n"
    "patrol central notices costs --days 30 --json",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
_DAY_MS = 86_400_000


@app.command(epilog="Example: patrol central notices work")
def work() -> None:
    """Run one worker that hands warnings to the gateway; start as many as you need. `patrol central up` runs one."""
    from central.project import bootstrap, process

    process.follow_parent()
    bootstrap.start()
    bootstrap.check_schema()
    from central.notices.worker import run_worker

    run_worker()


@app.command(epilog="Example: patrol central notices check notices.toml")
def check(
    file: Annotated[Path, typer.Argument(help="The file that PATROL_CENTRAL_NOTICES_FILE will name.")],
    as_json: Json = False,
) -> None:
    """Check a configuration of warnings, and every secret that it names, without sending anything."""
    ready()
    from central.notices.config import NoticesFile
    from notifier.config_file import read_config
    from notifier.sms import make_gateway
    from protocol.clock import SystemClock

    conf = read_config(file, NoticesFile, keys="docs/notices.md")
    make_gateway(conf.sms, SystemClock())
    if conf.sms.aliyun is not None:
        conf.sms.aliyun.callback_token()
    answer = {
        "gateway": conf.sms.gateway,
        "jurisdictions": sorted(conf.jurisdiction),
        "quiet_hours": [f"{window.from_}-{window.to}" for window in conf.policy.quiet],
    }
    if as_json:
        console.print_json(answer)
    else:
        console.out.print(f"{file}: in order; gateway {conf.sms.gateway}", soft_wrap=True)


@app.command("list", epilog="Example: patrol central notices list --state refused --json")
def list_(
    state: Annotated[
        str | None, typer.Option(help="waiting, held, sending, accepted, refused, unknown or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List warnings, newest first; numbers are masked."""
    ready()
    from central.notices.models import Notice, NoticeState
    from protocol.clock import iso

    found = Notice.objects.select_related("case").order_by("-received_at_ms", "-pk")
    if state is not None:
        if state not in NoticeState.values:
            raise PatrolError(
                "there is no such state",
                field="--state",
                value=state,
                mend=f"One of {', '.join(NoticeState.values)}",
            )
        found = found.filter(state=state)
    rows: list[dict[str, Any]] = [
        {
            "asked": iso(notice.asked_at_ms),
            "jurisdiction": notice.case.jurisdiction_id,
            "case": notice.case_id,
            "reference": notice.reference,
            "state": notice.state,
            "reason": notice.reason,
            "phone": notice.phone_masked,
            "segments": notice.segments,
            "delivery": notice.delivery,
            "attempts": notice.attempts,
        }
        for notice in found[:limit]
    ]
    show_rows(rows, as_json=as_json)


@app.command(epilog="Example: patrol central notices costs --days 30 --json")
def costs(
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days up to now.")] = 30,
    as_json: Json = False,
) -> None:
    """What warnings cost, by jurisdiction and gateway: messages that reached a gateway, or may have.

    The price is what the gateway says; where it says nothing, segments times the policy's price_per_segment.
    """
    ready()
    from central.notices import config, ledger
    from central.project.clock import now_ms

    conf = config.load()
    now = now_ms()
    rows = [
        {
            "jurisdiction": cost.jurisdiction_id,
            "gateway": cost.gateway,
            "messages": cost.messages,
            "segments": cost.segments,
            "cost": f"{cost.cost.normalize():f}" if cost.cost else "0",
            "currency": cost.currency,
        }
        for cost in ledger.costs(conf.jurisdiction, conf.policy, now - days * _DAY_MS, now + 1)
    ]
    show_rows(rows, as_json=as_json)


@app.command("opt-out", epilog="Example: patrol central notices opt-out +8613800138000")
def opt_out(
    phone: Annotated[str, typer.Argument(help="The number, e.g. +8613800138000.")],
    undo: Annotated[bool, typer.Option("--undo", help="The owner wants messages again.")] = False,
    as_json: Json = False,
) -> None:
    """Note by hand that a number wants no messages, or wants them again."""
    ready()
    from central.owners import services
    from notifier.masking import mask_phone

    news = services.opt_out(phone, source=f"by hand: {console.person()}", opted_out=not undo)
    if as_json:
        console.print_json({"phone": mask_phone(phone), "opted_out": not undo, "news": news})
    else:
        wish = "wants messages again" if undo else "wants no messages"
        console.out.print(f"{mask_phone(phone)} {wish}{'' if news else ' (known already)'}")
