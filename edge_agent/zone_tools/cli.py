"""`patrol zones`: the verbs that need cameras, detectors or past cases."""

from __future__ import annotations

import typer

from edge_agent.zone_tools import edit_cli, init_cli, permits_cli, rehearse_cli, suggest_cli

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _joined() -> None:
    """The verbs join the group of `zones.cli`; see `patrol.main.JOINED`."""


app.add_typer(suggest_cli.app)
app.add_typer(permits_cli.app)
init_cli.register(app)
app.command(epilog=edit_cli.EPILOG)(edit_cli.edit)
rehearse_cli.register(app)
