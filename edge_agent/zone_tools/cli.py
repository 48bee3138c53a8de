"""`patrol zones`: the verbs that need cameras, detectors or past cases."""

from __future__ import annotations

import typer

from edge_agent.zone_tools import edit_cli, init_cli, permits_cli, rehearse_cli

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _joined() -> None:
    """The verbs join the group of `zones.cli`; see `patrol.main.JOINED`."""


init_cli.register(app)
app.add_typer(permits_cli.app)
app.command(epilog=edit_cli.EPILOG)(edit_cli.edit)
rehearse_cli.register(app)
