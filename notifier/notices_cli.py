"""`patrol notices`: see what an owner would read, how many segments it takes, what it costs, and when it may be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from patrol import console
from protocol.errors import PatrolError, UnavailableError

app = typer.Typer(
    help="See what an owner would read, how long it is and what it costs.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Examples:\n\n"
    "patrol notices preview\n\n"
    "patrol notices preview --lang en --place '12 Kerb Street' --bay 'Market car park:120' --json\n\n"
    "patrol notices preview --bay '三里河路停车场:120' --html sms.html\n\n"
    "patrol notices count '车辆京A***45停在人行道上'",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value for a machine.")]
Price = Annotated[float, typer.Option(min=0, max=1000, help="Price of a segment.")]
Currency = Annotated[str, typer.Option(help="Of the price, ISO 4217.")]


@app.command(epilog="Example: patrol notices preview --lang zh-Hans+en --price 0.045 --json")
def preview(
    lang: Annotated[
        str, typer.Option(help="zh-Hans, en, or zh-Hans+en for both in one message.")
    ] = "zh-Hans",
    plate: Annotated[str, typer.Option(help="The plate; the text masks it.")] = "京A12345",
    place: Annotated[str, typer.Option(help="Where the vehicle stands.")] = "三里河路12号",
    grace: Annotated[float, typer.Option(min=1, max=86400, help="Time to leave, seconds.")] = 600,
    at: Annotated[
        str | None, typer.Option(help="When it is sent, UTC, e.g. 2026-01-15T04:00:47Z; else now.")
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of the deadline shown.")] = "Asia/Shanghai",
    sender: Annotated[str, typer.Option(help="Who warns.")] = "",
    opt_out: Annotated[str, typer.Option(help="What to answer to get no more messages.")] = "",
    link: Annotated[str, typer.Option(help="Address of the page.")] = "",
    bay: Annotated[
        list[str] | None, typer.Option("--bay", help="A free bay nearby, NAME:METRES; may be given again.")
    ] = None,
    price: Price = 0.0,
    currency: Currency = "CNY",
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page that shows it as a phone does: one file, *.html.", show_default=False
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write no page.")] = False,
    as_json: Json = False,
) -> None:
    """Write the message as it would be sent now, and count what a network counts.

    The deadline is rounded down to the minute (to the second if the time is under five minutes), so that the clock
    never ends before the time that the text names.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from pydantic import ValidationError

    from notifier.letter import Letter
    from notifier.notice import LANGUAGES
    from notifier.preview_page import message_page
    from notifier.sms import reference
    from protocol.clock import SystemClock, from_iso, iso

    if lang not in LANGUAGES:
        raise PatrolError(
            "is no known language", field="--lang", value=lang, mend=f"Use {', '.join(LANGUAGES)}."
        )
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise PatrolError("is no name of a web page", field="--html", value=str(html), mend="Name it *.html.")
    try:
        now = SystemClock().utc_ms() if at is None else from_iso(at)
    except ValueError as error:
        raise PatrolError(
            "is no instant", field="--at", value=at, mend="Write e.g. 2026-01-15T04:00:47Z."
        ) from error
    try:
        letter = Letter.model_validate(
            {
                "plate": plate,
                "place": place,
                "grace_ms": round(grace * 1000),
                "time_zone": time_zone,
                "reference": reference(f"preview/{plate}"),
                "languages": lang.split("+"),
                "sender": sender,
                "opt_out": opt_out,
                "link": link or None,
                "bays": [_bay(text) for text in bay or ()],
            }
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise PatrolError(str(fault["msg"]), field=".".join(map(str, fault["loc"])) or None) from error
    written = letter.write(now)
    size = written.notice.size
    answer: dict[str, Any] = {
        "language": written.language,
        "text": written.notice.text,
        "characters": len(written.notice.text),
        "encoding": size.encoding,
        "units": size.units,
        "segments": size.segments,
        "cost": round(size.segments * price, 6),
        "currency": currency,
        "sent_at": iso(now),
        "told_until": iso(written.told_until_ms),
    }
    counted = (
        f"{size.encoding}, {size.units} units, {size.segments} segment{'s' if size.segments > 1 else ''}"
    )
    if html is not None:
        local = datetime.fromtimestamp(now / 1000, ZoneInfo(time_zone))
        shown = message_page(written.notice, written.language, sender=sender, sent=f"{local:%H:%M}")
        if not dry_run:
            try:
                html.write_text(shown, "utf-8")
            except OSError as error:
                raise UnavailableError(
                    f"cannot be written: {error.strerror or error}",
                    file=html,
                    mend="Choose a folder that exists and has room.",
                ) from error
        answer |= {"html": str(html), "dry_run": dry_run}
    if as_json:
        console.print_json(answer)
        return
    from rich.markup import escape
    from rich.panel import Panel

    console.out.print(Panel(escape(written.notice.text), title=written.language, expand=False))
    cost = f", {answer['cost']:g} {escape(currency)}" if price else ""
    console.out.print(f"{counted}{cost}")
    if html is not None:
        console.out.print(escape(str(html)), soft_wrap=True)
        if dry_run:
            console.err.print("Nothing was written.")


@app.command(epilog="Example: patrol notices count 'Vehicle 京A***45, please move' --price 0.045 --json")
def count(
    text: Annotated[str, typer.Argument(help="Any text.")],
    price: Price = 0.0,
    currency: Currency = "CNY",
    as_json: Json = False,
) -> None:
    """Count a text as a phone network counts it: alphabet, units, segments, cost."""
    from notifier.notice import segments

    size = segments(text)
    answer = {
        "characters": len(text),
        "encoding": size.encoding,
        "units": size.units,
        "segments": size.segments,
        "cost": round(size.segments * price, 6),
        "currency": currency,
    }
    if as_json:
        console.print_json(answer)
    else:
        console.out.print(f"{size.encoding}, {size.units} units, {size.segments} segment(s)")


def _bay(text: str) -> dict[str, Any]:
    name, _colon, metres = text.rpartition(":")
    try:
        distance = float(metres)
    except ValueError:
        distance = -1.0
    if not name or not 0 <= distance < 1e6:
        raise PatrolError(
            "is no bay", field="--bay", value=text, mend="Write its name and the metres, e.g. 'Market:120'."
        )
    return {"name": name, "distance_m": distance}
