"""The camera above the ground, as far as the homography tells: focal length, height, and which way is up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zones.calibration._lens import Lens

Floats = NDArray[np.float64]

_FOCAL = (0.25, 25.0)
"""Focal lengths in picture widths between which a lens is believed: 127 degrees across to 2.3 degrees."""

_USUAL = 0.9
"""Focal length in picture widths that is taken where the homography does not tell: 58 degrees across."""


@dataclass(frozen=True)
class Camera:
    """A pinhole with square pixels that looks through the middle of the picture.

    Attributes:
        focal_px: focal length, pixels.
        at: x, y of the lens on the ground and its height above it, metres.
        matrix: 3 x 4, takes (x, y, z, 1) in metres to straight pixels, up to scale; depth is positive in front.
        assumed: whether the focal length was assumed, because the points do not tell it.
    """

    focal_px: float
    at: tuple[float, float, float]
    matrix: Floats
    assumed: bool


def recover_camera(to_picture: Floats, lens: Lens) -> Camera:
    """The camera of a homography from ground metres to straight pixels.

    Two equations say that the ground's axes are perpendicular and of equal length; both are linear in 1/f^2 and
    are solved by least squares (Zhang, A flexible new technique for camera calibration, 2000, section 2.3).
    """
    shift = np.array([[1, 0, -lens.width / 2], [0, 1, -lens.height / 2], [0, 0, 1.0]])
    unit = np.diag([1 / lens.width, 1 / lens.width, 1.0])
    h = unit @ shift @ to_picture
    h = h / np.linalg.norm(h[:, :2])
    a, b = h[:, 0], h[:, 1]
    left = np.array([a[0] * b[0] + a[1] * b[1], (a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2) / 2])
    right = -np.array([a[2] * b[2], (a[2] ** 2 - b[2] ** 2) / 2])
    with np.errstate(all="ignore"):
        inverse_square = float(left @ right / (left @ left))
    focal = inverse_square**-0.5 if inverse_square > 0 else float("nan")
    assumed = not _FOCAL[0] <= focal <= _FOCAL[1]
    if assumed:
        focal = _USUAL
    rays = np.diag([1 / focal, 1 / focal, 1.0]) @ h
    scale = (np.linalg.norm(rays[:, 0]) * np.linalg.norm(rays[:, 1])) ** 0.5
    rays = rays / scale
    one, two, shift_by = rays.T
    up = np.cross(one, two)
    up /= max(float(np.linalg.norm(up)), 1e-12)
    turn = np.stack([one, two, up], axis=1)
    # The nearest rotation: noise leaves the axes slightly askew.
    u, _, v = np.linalg.svd(turn)
    eye = -(u @ v).T @ shift_by
    whole = np.column_stack([rays[:, 0], rays[:, 1], up, rays[:, 2]])
    pixels = np.linalg.inv(unit @ shift) @ np.diag([focal, focal, 1.0]) @ whole
    return Camera(
        float(focal * lens.width), (float(eye[0]), float(eye[1]), float(eye[2])), np.asarray(pixels), assumed
    )
