"""`patrol zones`: the verbs that need cameras, detectors or past cases."""

from __future__ import annotations

import typer

from edge_agent.zone_tools import suggest_cli

app = typer.Typer(no_args_is_help=True, add_completion=False)

app.add_typer(suggest_cli.app)
