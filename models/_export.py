"""Turning ultralytics weights into ONNX. Needs the extra `export`, which is AGPL-3.0 and never installed by default."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from models._inspect import Inspection, inspect
from models._session import open_session
from models.catalogue._store import replace
from protocol.errors import PatrolError, UnavailableError


def export(
    weights: Path, target: Path, *, side: int = 640, dynamic: bool = True, end_to_end: bool = False
) -> Inspection:
    """Export ultralytics weights to an ONNX file that `open_detector` can open.

    Args:
        weights: a .pt file, or a .yaml architecture (random weights; for tests).
        target: the ONNX file to write.
        side: long side of the input, pixels; a multiple of 32.
        dynamic: leave batch and sides open (rectangular input).
        end_to_end: use the head that suppresses doubles itself, where the architecture has one (v10, 26).

    Returns:
        What was found in the exported file.

    Raises:
        PatrolError: no such weights, a side that fits no stride, or an export that is no known detector.
        UnavailableError: the extra `export` is not installed, or ultralytics fails.
    """
    if not weights.is_file():
        raise PatrolError("no such weights", file=weights)
    if side < 32 or side % 32:
        raise PatrolError("expected a multiple of 32", field="side", value=side)
    if target.suffix != ".onnx":
        raise PatrolError("expected a name that ends in .onnx", field="output", value=str(target))
    # It talks on stdout, which belongs to our result; its logger keeps the stream it finds when imported.
    with contextlib.redirect_stdout(sys.stderr):
        return _export(weights, target, side, dynamic, end_to_end)


def _export(weights: Path, target: Path, side: int, dynamic: bool, end_to_end: bool) -> Inspection:
    try:
        from ultralytics import RTDETR, YOLO
    except ImportError as error:
        raise UnavailableError(
            f"exporting needs ultralytics, which is not installed here ({error})",
            mend="Run: pip install 'street-patrol[export]'. It is AGPL-3.0, as are its weights: see docs/models.md.",
        ) from error
    make = RTDETR if "rtdetr" in weights.stem.lower() else YOLO
    with tempfile.TemporaryDirectory(prefix="patrol-export-") as folder:
        # It writes beside the weights: work on a copy, so that a failure leaves nothing there.
        copy = Path(shutil.copy(weights, folder))
        options = {"nms": False} if end_to_end else {}
        try:
            made = make(str(copy)).export(
                format="onnx", imgsz=side, dynamic=dynamic, verbose=False, **options
            )
        except Exception as error:
            # Whatever a foreign library raises, a person should read one line.
            raise UnavailableError(
                f"ultralytics could not export it: {type(error).__name__}: {error}", file=weights
            ) from error
        session = open_session(Path(made), ("CPUExecutionProvider",), 1)
        found = inspect(session, Path(made))
        del session
        try:
            replace(target, lambda path: shutil.copyfile(made, path))
        except OSError as error:
            raise UnavailableError(f"cannot be written: {error.strerror or error}", file=target) from error
    return found
