"""A pinhole camera over a flat street: where a point of the street falls in the picture, and back.

Street coordinates are metres: x along the road, y across it (to the left of x), z up; the ground is z = 0.
Picture coordinates are continuous pixels: the top left corner is (0, 0), the centre of the first pixel (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NEAR_M = 0.25
"""Points nearer to the lens than this are cut off."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Camera:
    """A fixed camera without lens distortion.

    Args:
        x, y: the foot of its pole, metres.
        height: of the lens above the ground, metres.
        yaw: direction of sight from the x axis, degrees, counter-clockwise seen from above.
        pitch: how far it looks down, degrees.
        fov: horizontal field of view, degrees.
        width, height_px: picture size in pixels.
    """

    x: float
    y: float
    height: float
    yaw: float
    pitch: float
    fov: float
    width: int
    height_px: int
    focal: float = field(init=False)
    axes: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        forward = np.array(
            [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch)]
        )
        right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
        down = np.cross(forward, right)
        object.__setattr__(self, "focal", self.width / 2 / math.tan(math.radians(self.fov) / 2))
        object.__setattr__(self, "axes", np.stack([right, down, forward]))

    @property
    def eye(self) -> Floats:
        """Position of the lens, (3,) metres."""
        return np.array([self.x, self.y, self.height])

    def to_view(self, points: Floats) -> Floats:
        """Points (N, 3) in street metres as right, down and depth metres from the lens."""
        return (np.asarray(points, float) - self.eye) @ self.axes.T

    def view_to_pixels(self, view: Floats) -> Floats:
        """View coordinates (N, 3) as pixels (N, 2); depth must be positive."""
        scale = self.focal / view[:, 2:3]
        return view[:, :2] * scale + np.array([self.width / 2, self.height_px / 2])

    def project(self, points: Floats) -> Floats:
        """Street points (N, 3) in metres as pixels (N, 2).

        Raises:
            ValueError: a point lies behind the camera.
        """
        view = self.to_view(points)
        if np.any(view[:, 2] < NEAR_M):
            raise ValueError("a point lies behind the camera")
        return self.view_to_pixels(view)

    def homography(self) -> Floats:
        """The 3 x 3 matrix that takes picture pixels (u, v, 1) to ground metres (x, y, 1), up to scale."""
        return np.asarray(np.linalg.inv(self.ground_to_pixels()))

    def ground_to_pixels(self) -> Floats:
        """The 3 x 3 matrix that takes ground metres (x, y, 1) to picture pixels, up to scale."""
        intrinsic = np.array(
            [[self.focal, 0, self.width / 2], [0, self.focal, self.height_px / 2], [0, 0, 1]]
        )
        ground = np.stack([self.axes[:, 0], self.axes[:, 1], -self.axes @ self.eye], axis=1)
        return np.asarray(intrinsic @ ground)

    def to_ground(self, pixels: Floats) -> Floats:
        """Pixels (N, 2) below the horizon as ground metres (N, 2)."""
        pixels = np.asarray(pixels, float)
        lifted = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ self.homography().T
        return np.asarray(lifted[:, :2] / lifted[:, 2:3])

    def rays(self) -> Floats:
        """Unit direction of sight of each pixel centre, (height, width, 3) float32, in street axes."""
        u = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        v = (np.arange(self.height_px) + 0.5 - self.height_px / 2) / self.focal
        right, down, forward = self.axes
        rays = forward + u[None, :, None] * right + v[:, None, None] * down
        rays /= np.linalg.norm(rays, axis=2, keepdims=True)
        return np.asarray(rays.astype(np.float32))
