"""Opening a secret address in a browser without telling it to everybody on the machine."""

from __future__ import annotations

import html
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened_in_browser() -> Iterator[Callable[[str], bool]]:
    """A function that opens an address and says whether there was a browser.

    The address must not stand in a browser's command line, which every user of the machine can read. So the
    browser is given a file that only this user can read, and that leads there. It is gone at the end.
    """
    with tempfile.TemporaryDirectory(prefix="patrol-zones-") as folder:

        def show(url: str) -> bool:
            page = Path(folder) / "open.html"
            page.touch(mode=0o600)
            page.write_text(
                '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
                f'<meta http-equiv="refresh" content="0; url={html.escape(url, quote=True)}">'
            )
            try:
                return webbrowser.open(page.as_uri())
            except webbrowser.Error:
                return False

        yield show
