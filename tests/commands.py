"""`patrol …` as a person calls it, in a process of its own or, cheaper by the second of its imports, in this one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from rich.console import Console

from patrol import console
from patrol.main import main

Done = subprocess.CompletedProcess[str]


def run(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float = 120
) -> Done:
    """Run a command to its end in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "patrol", *map(str, words)],
        cwd=cwd,
        env=None if env is None else dict(env),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def call(*words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Done:
    """Run a command through the same door, `patrol.main.main`, in this process.

    Its words, exit code, folder and environment are those of a process; what it printed comes back. A command of
    the centre works on the database that this process is connected to.
    """
    arguments = [str(word) for word in words]
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        patch.dict(os.environ, env or {}, clear=env is not None),
        # A process asks for the width of its terminal once, at its start.
        patch.object(console, "out", Console(highlight=False, width=_columns(env))),
        patch.object(console, "err", Console(stderr=True, highlight=False, width=_columns(env))),
        chdir(cwd or Path.cwd()),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(arguments)
        except SystemExit as left:
            code = left.code
    assert code is None or isinstance(code, int), f"left with words, not with a code: {code}"
    return subprocess.CompletedProcess(arguments, code or 0, out.getvalue(), err.getvalue())


def _columns(env: Mapping[str, str] | None) -> int | None:
    """What the environment says of the terminal's width; None: whatever rich finds."""
    text = (os.environ if env is None else env).get("COLUMNS", "")
    return int(text) if text.isdigit() else None
