"""Entry point of `patrol`. Each group is imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from patrol import console
from protocol.errors import PatrolError

GROUPS: dict[str, tuple[str, str]] = {
    "agent": ("edge_agent.cli", "Run the camera-side agent, or replay recordings through it."),
    "zones": ("zones.cli", "Begin, draw, check, rehearse and publish zone files."),
    "models": ("models.cli", "List, verify, fetch, import, time and export detector weights."),
    "plates": ("models.plates.cli", "Read number plates from pictures and measure the reader."),
    "evidence": ("edge_agent.evidence.cli", "Verify evidence packages offline."),
    "notices": ("notifier.notices_cli", "See what an owner would read, how long it is and what it costs."),
    "owners": ("notifier.owners.cli", "Keep the encrypted table of owners on a box that works alone."),
    "central": ("central.cli", "Run the centre: web pages, ingest, migrations."),
    "sim": ("benchmarks.simulator.cli", "Draw simulated streets and serve them as RTSP cameras."),
    "bench": ("benchmarks.cli", "Benchmarks that print a table and the command that made it."),
    "demo": ("benchmarks.demo.cli", "The whole loop on this machine: cameras, agent, broker, centre."),
    "protocol": ("patrol.protocol_cli", "Export the messages as JSON Schema."),
}
"""Group -> (module with a Typer application called `app`, one line of help)."""

JOINED: dict[str, tuple[str, ...]] = {"zones": ("edge_agent.zone_tools.cli",)}
"""Group -> more modules whose commands belong to it: verbs that need more houses than the group's own may import."""

EXTRAS = {"central": "central", "sim": "sim", "bench": "demo", "demo": "demo"}
"""Group -> the optional extra that holds its heavy needs."""

HOUSES = {"patrol", "protocol", "zones", "models", "notifier", "edge_agent", "central", "benchmarks"}

EXAMPLES = (
    "patrol demo",
    "patrol agent replay street.mp4 --zones street.toml",
    "patrol models list",
)


class LazyGroups(TyperGroup):
    """A group whose sub-groups are modules, imported when needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in GROUPS:
            return None
        module_name, _ = GROUPS[cmd_name]
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get(cmd_name)
            if extra is None or (error.name or "").split(".")[0] in HOUSES:
                raise
            raise PatrolError(
                f"`patrol {cmd_name}` needs the Python package {error.name!r}, which is not installed",
                mend=f"Run: pip install 'street-patrol[{extra}]'",
            ) from error
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        if isinstance(command, TyperGroup):
            for name in JOINED.get(cmd_name, ()):
                more = typer.main.get_command(importlib.import_module(name).app)
                assert isinstance(more, TyperGroup)
                command.commands.update(more.commands)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Help from the table above, so that asking for it imports no group."""
        with formatter.section("Usage"):
            formatter.write_text(f"{ctx.command_path} GROUP COMMAND [OPTIONS]")
        formatter.write_paragraph()
        formatter.write_text("street-patrol: keeps sidewalks clear of parked vehicles, warn first.")
        with formatter.section("Groups"):
            formatter.write_dl([(name, text) for name, (_, text) in GROUPS.items()])
        with formatter.section("Options"):
            formatter.write_dl(
                [
                    ("--version", "Show the version and leave."),
                    ("-h, --help", "This text; also `patrol GROUP --help`, `patrol GROUP COMMAND --help`."),
                    ("--install-completion", "Install completion for this shell (bash, zsh, fish)."),
                ]
            )
        with formatter.section("Examples"):
            for line in EXAMPLES:
                formatter.write_text(line)


app = typer.Typer(
    cls=LazyGroups,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.out.print(f"patrol {version('street-patrol')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """street-patrol: keeps sidewalks clear of parked vehicles, warn first."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0 done, 1 a check failed, 2 wrong input, 3 not available."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        app(args=arguments, prog_name="patrol")
    except PatrolError as error:
        console.print_error(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except Exception as error:  # the last door: a person gets a line, a developer asks for more
        if os.environ.get("PATROL_DEBUG"):
            raise
        console.err.print(
            f"[bold red]internal error[/] {escape(f'{type(error).__name__}: {error}')}", soft_wrap=True
        )
        console.err.print("  This is a mistake of the program. PATROL_DEBUG=1 shows where it happened.")
        sys.exit(70)
    except KeyboardInterrupt:
        console.err.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
