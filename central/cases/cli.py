"""`patrol central services` and `patrol central keys`: what kinds of matter there are, and who may bring them over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from central.project.bootstrap import ready, start
from central.project.cli_rows import told
from patrol import console

services_app = typer.Typer(
    help="Kinds of matters and how each lives: definitions that are data.",
    no_args_is_help=True,
    epilog="Example: patrol central services show city_appearance",
)
keys_app = typer.Typer(
    help="Keys of systems that bring cases over HTTP.",
    no_args_is_help=True,
    epilog="Example: patrol central keys add hotline-12345 --jurisdiction sanlihe",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Language = Annotated[str, typer.Option(help="Language of titles: en or zh.")]
Whose = Annotated[
    str, typer.Option("--jurisdiction", "-j", help="As it is in force there; else as files say.")
]
Where = Annotated[str, typer.Option("--jurisdiction", "-j", help="Whose new cases follow it.")]
Reason = Annotated[str, typer.Option(help="Why; kept with your name.")]


@services_app.command("list", epilog="Example: patrol central services list --json")
def services_list(jurisdiction: Whose = "", language: Language = "en", as_json: Json = False) -> None:
    """List the services in force."""
    _known(jurisdiction)
    from central.cases.rules import services

    rows: list[dict[str, Any]] = [
        {
            "service_code": definition.service_code,
            "title": definition.titles.text(language),
            "category": definition.category.code,
            "priority": definition.priority,
            "sources": list(definition.sources),
            "states": len(definition.states),
            "clocks": len(definition.clocks),
            "sha256": definition.sha256,
        }
        for definition in sorted(services(jurisdiction).values(), key=lambda found: found.service_code)
    ]
    if as_json:
        console.print_json(rows)
        return
    from rich.table import Column, Table

    table = Table(Column("code", no_wrap=True), "title", "category", "states", "clocks", "version", box=None)
    for row in rows:
        shown = (row[name] for name in ("service_code", "title", "category", "states", "clocks"))
        table.add_row(*(str(cell) for cell in shown), row["sha256"][:12])
    console.out.print(table)


@services_app.command(
    "show", epilog="Example: patrol central services show city_appearance --mermaid > street.mmd"
)
def services_show(
    code: Annotated[str, typer.Argument(help="The service's code.")],
    jurisdiction: Whose = "",
    language: Language = "en",
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid state diagram.")] = False,
    as_json: Json = False,
) -> None:
    """Draw one service: its states, what leads where, who may do it."""
    _known(jurisdiction)
    from central.cases.rules import service

    definition = service(code, jurisdiction)
    if as_json:
        console.print_json({**definition.model_dump(mode="json", by_alias=True), "sha256": definition.sha256})
        return
    _draw(definition, language, mermaid=mermaid)


@services_app.command("check", epilog="Example: patrol central services check our-street.toml")
def services_check(
    file: Annotated[Path, typer.Argument(help="A definition, TOML.")],
    language: Language = "en",
    as_json: Json = False,
) -> None:
    """Check a definition and draw it; nothing is changed."""
    start()
    from central.cases.catalogue import read

    definition = read(file)
    if as_json:
        console.print_json(
            {"file": str(file), "service_code": definition.service_code, "sha256": definition.sha256}
        )
        return
    _draw(definition, language, mermaid=False)
    console.err.print(f"[bold green]{file.name} can be followed[/]")


@services_app.command(
    "put",
    epilog="Example: patrol central services put our-street.toml -j tianlin --reason 'two days, not three'",
)
def services_put(
    file: Annotated[Path, typer.Argument(help="A definition, TOML.")],
    jurisdiction: Where,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Put a definition in force for new cases of a jurisdiction; open cases keep the rules that they have."""
    ready()
    from central.cases import versions
    from central.cases.catalogue import read

    read(file)
    version = versions.put(
        file.read_text("utf-8"), jurisdiction, reason=reason, author=f"cli:{console.person()}"
    )
    if as_json:
        console.print_json({"service_code": version.service_code, "sha256": version.definition_id})
    else:
        console.out.print(f"new cases of {version.service_code} in {jurisdiction} follow it", markup=False)


@services_app.command(
    "back",
    epilog="Example: patrol central services back city_appearance -j tianlin --reason 'the trial is over'",
)
def services_back(
    code: Annotated[str, typer.Argument(help="The service's code.")], jurisdiction: Where, reason: Reason
) -> None:
    """Go back to what the files say, for new cases."""
    ready()
    from central.cases import versions

    versions.take_back(code, jurisdiction, reason=reason, author=f"cli:{console.person()}")
    console.out.print(f"new cases of {code} in {jurisdiction} follow the files again", markup=False)


@keys_app.command(
    "add",
    epilog="Example: patrol central keys add hotline-12345 --jurisdiction sanlihe --right open --right read",
)
def keys_add(
    name: Annotated[str, typer.Argument(help="What the other system is called.")],
    jurisdiction: Annotated[str, typer.Option(help="The jurisdiction whose cases it may see.")],
    right: Annotated[
        list[str] | None,
        typer.Option(
            help="open, read, note, photo, move, reporter, export or webhook; by default the first four."
        ),
    ] = None,
    role: Annotated[str, typer.Option(help="As what it takes steps, with --right move.")] = "",
    per_minute: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Its own limit of calls and reports a minute.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key; it is shown this once."""
    ready()
    from central.cases.apikeys import USUAL, add_key

    rights = right or list(USUAL)
    secret = add_key(name, jurisdiction, rights, role, per_minute)
    if as_json:
        console.print_json(
            {"name": name, "jurisdiction": jurisdiction, "rights": sorted(set(rights)), "key": secret}
        )
    else:
        console.out.print(
            f"{name} may {', '.join(sorted(set(rights)))} in {jurisdiction}; its key, shown this once:"
        )
        console.out.print(secret, soft_wrap=True, markup=False)


@keys_app.command("list", epilog="Example: patrol central keys list --json")
def keys_list(as_json: Json = False) -> None:
    """List keys, never their secrets."""
    ready()
    from central.cases.models import ApiKey
    from protocol.clock import iso

    rows = [
        {
            "name": key.name,
            "jurisdiction": key.jurisdiction_id,
            "rights": ", ".join(key.rights),
            "role": key.role or None,
            "a minute": key.per_minute,
            "state": "revoked" if key.revoked_at_ms else "valid",
            "made": iso(key.made_at_ms),
            "used": iso(key.used_at_ms) if key.used_at_ms else None,
        }
        for key in ApiKey.objects.order_by("name")
    ]
    if told(rows, as_json=as_json):
        return
    from rich.table import Table

    table = Table("name", "jurisdiction", "rights", "role", "a minute", "state", "made", "used", box=None)
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row.values()))
    console.out.print(table)


@keys_app.command("revoke", epilog="Example: patrol central keys revoke hotline-12345")
def keys_revoke(name: Annotated[str, typer.Argument(help="The key's name.")]) -> None:
    """A key opens nothing any more."""
    ready()
    from central.cases.apikeys import revoke_key

    revoke_key(name)
    console.out.print(f"{name} may do nothing any more")


def _draw(definition: Any, language: str, *, mermaid: bool) -> None:
    from central.cases import drawing

    if mermaid:
        for line in drawing.mermaid(definition):
            console.out.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    category = definition.category
    title = f"{definition.service_code}  {definition.titles.text(language)}"
    console.out.print(f"[bold]{title}[/]  {category.code} {category.titles.text(language)}", highlight=False)
    for line in drawing.tree(definition, language):
        console.out.print(line, markup=False, highlight=False, soft_wrap=True)
    for clock in definition.clocks:
        console.out.print(
            f"⏱ {clock.kind}: {clock.amount:g} {clock.unit}, from {', '.join(clock.starts_in)}",
            markup=False,
            highlight=False,
        )


def _known(jurisdiction: str) -> None:
    """Files can be read without a database, what a jurisdiction put up cannot."""
    (ready if jurisdiction else start)()
