"""Entry point of `patrol`. Each group is imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

import click
import typer

from patrol import console
from protocol.errors import PatrolError

GROUPS: dict[str, tuple[str, str]] = {
    "agent": ("edge_agent.cli", "Run the camera-side agent, or replay recordings through it."),
    "zones": ("zones.cli", "Check and show zone files."),
    "models": ("models.cli", "List, verify, fetch, import, time and export detector weights."),
    "plates": ("models.plates.cli", "Read number plates from pictures and measure the reader."),
    "evidence": ("edge_agent.evidence.cli", "Verify evidence packages offline."),
    "owners": ("notifier.owners.cli", "Keep the encrypted table of owners on a box that works alone."),
    "central": ("central.cli", "Run the centre: web pages, ingest, migrations."),
    "sim": ("benchmarks.simulator.cli", "Draw simulated streets and serve them as RTSP cameras."),
    "bench": ("benchmarks.cli", "Benchmarks that print a table and the command that made it."),
    "demo": ("benchmarks.demo.cli", "The whole loop on this machine: cameras, agent, broker, centre."),
    "protocol": ("patrol.protocol_cli", "Export the messages as JSON Schema."),
}
"""Group -> (module with a Typer application called `app`, one line of help)."""

EXTRAS = {"central": "central", "sim": "sim", "bench": "demo", "demo": "demo", "plates": "plates"}


class LazyGroups(click.Group):
    """A group whose sub-groups are modules, imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        module_name, _ = GROUPS[cmd_name]
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get(cmd_name)
            ours = (error.name or "").split(".")[0] in {"patrol", module_name.split(".")[0]}
            if extra is None or ours:
                raise
            raise PatrolError(
                f"`patrol {cmd_name}` needs the Python package {error.name!r}, which is not installed",
                mend=f"Run: pip install 'street-patrol[{extra}]'",
            ) from error
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in GROUPS.items()])


@click.group(
    cls=LazyGroups,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Examples:  patrol demo   ·   patrol agent replay street.mp4 --zones street.toml   ·   patrol models list",
)
@click.version_option(version("street-patrol"), prog_name="patrol")
def cli() -> None:
    """street-patrol: keeps sidewalks clear of parked vehicles, warn first."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0 done, 1 a check failed, 2 wrong input, 3 not available."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        code = cli.main(args=arguments, prog_name="patrol", standalone_mode=False)
    except PatrolError as error:
        console.print_error(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        console.err.print("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
