"""`patrol central calendar`, `clocks` and `sweep`."""

from central.clocks.cli.calendars import app as calendar_app
from central.clocks.cli.clocks import app as clocks_app
from central.clocks.cli.clocks import sweep

__all__ = ["calendar_app", "clocks_app", "sweep"]
