"""What a calibration in the making says of the ground: residuals, and a grid of metres over the picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import ValidationError

from protocol.errors import PatrolError
from zones.calibration import Ground
from zones.editor.chinese import said
from zones.ground import Calibration

_MOST_LINES = 60
_STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_PIECES = 48
"""Points of a line: lenses bend lines."""


def look(calibration: Any, width: int, height: int) -> dict[str, Any]:
    """Residuals and grid of a calibration, or what is wrong with it, for the page.

    Args:
        calibration: what the file says; not judged yet.
        width, height: of the picture in which the zones are drawn, pixels.
    """
    try:
        ground = Ground.fit(Calibration.model_validate(calibration), width, height)
    except ValidationError as error:
        fault = error.errors()[0]
        return {"error": {"problem": said(fault["msg"].removeprefix("Value error, ")), "field": None}}
    except PatrolError as error:
        return {
            "error": {"problem": said(error.problem), "mend": said(error.mend), "field": error.field},
        }
    residuals = ground.residuals()
    step, lines = _grid(ground, width, height)
    return {
        "points": [
            {"name": point.name, "cm": round(point.cm, 1), "px": round(point.px, 2)}
            for point in residuals.points
        ],
        "rms_cm": round(residuals.rms_cm, 1),
        "rms_px": round(residuals.rms_px, 2),
        # Four points always fit and prove nothing.
        "proves": len(residuals.points) > 4,
        "step_m": step,
        "grid": lines,
    }


def _grid(ground: Ground, width: int, height: int) -> tuple[float, list[list[list[float]]]]:
    """Lines of whole metres around the known points, as far as the picture and good sense reach."""
    spread = np.ptp(ground.ground_points, axis=0)
    middle = ground.ground_points.mean(axis=0)
    reach = max(6.0, 2.5 * float(spread.max()))
    step = next((s for s in _STEPS if 2 * reach / s <= _MOST_LINES), 2 * reach / _MOST_LINES)
    low = np.floor((middle - reach) / step) * step
    high = np.ceil((middle + reach) / step) * step
    lines: list[list[list[float]]] = []
    for axis in (0, 1):
        along = np.linspace(low[1 - axis], high[1 - axis], _PIECES)
        for at in np.arange(low[axis], high[axis] + step / 2, step):
            metres = np.empty((_PIECES, 2))
            metres[:, axis], metres[:, 1 - axis] = at, along
            lines.extend(_inside(ground.to_picture(metres), width, height))
    return step, lines


def _inside(points: Any, width: int, height: int) -> list[list[list[float]]]:
    """The runs of a line that are near the picture."""
    runs: list[list[list[float]]] = []
    run: list[list[float]] = []
    for x, y in points.tolist():
        if math.isfinite(x) and math.isfinite(y) and -width < x < 2 * width and -height < y < 2 * height:
            run.append([round(x, 1), round(y, 1)])
            continue
        if len(run) > 1:
            runs.append(run)
        run = []
    return [*runs, run] if len(run) > 1 else runs
