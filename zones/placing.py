"""Where on the ground the vehicle of a detector's box stands, when the camera is calibrated.

A box says left, top, right and bottom; a vehicle on the ground has a place, a heading and a size. For each body
that the class may be and each heading that is likely, the place is sought at which the outline of that body, seen by
this camera, fills the box best; sizes may differ from the typical ones as vehicles differ. That is a small
regularised least-squares problem (Gauss-Newton, sizes and heading marginalised as Gaussian), and how well it ends
says how likely the hypothesis is. What comes out is a handful of rectangles on the ground with weights; shares of
a footprint are means over them, which move smoothly when the box trembles.

A side of the box at the picture's edge is where the picture ends, not where the vehicle ends: it only says that the
vehicle reaches at least that far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zones.bodies import SPREAD, Body, bodies_of
from zones.calibration import Ground
from zones.overlap import Rectangles

Floats = NDArray[np.float64]

_HEADINGS = 8
"""Headings that are tried over half a turn, the first along the street."""

_ALONG = 0.55
_ACROSS = 0.15
"""How many vehicles stand along the street and across it; the rest at any other angle."""

_TURN = np.radians(6.0)
"""How far vehicles stand from the heading of their hypothesis, standard deviation."""

_KEPT = 4
"""Hypotheses that are kept for each box."""

_FIRST, _MORE = 2, 3
"""Rounds of Gauss-Newton for all hypotheses, and for those that were kept."""

_NOISE = (1.0, 0.02)
"""Standard deviation of a box's side: pixels, and share of the box's size."""

_EDGE_PX = 2.0
"""A side this near to the picture's edge, in pixels of the drawn picture, is cut off by it."""

_UNKNOWN = 30.0
"""Standard deviations of a side that the picture cuts off, in box sizes: as good as unknown."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the vehicles of N boxes may stand; M rectangles each.

    Attributes:
        rectangles: (N * M) of them, box by box, in metres; meaningless where the weight is zero.
        weight: (N, M), sums to one for each box, most likely first; all zero for a box that stands nowhere on the
            ground.
        length: (N,), expected length of the vehicle, metres.
        area: (N,), expected area of its footprint, square metres.
    """

    rectangles: Rectangles
    weight: Floats
    length: Floats
    area: Floats


class Placer:
    """Places vehicles for one camera.

    Args:
        ground: of the camera, in pixels of its pictures.
        directions: (S, 5): start x, y and end x, y of lines along which the street runs, metres, and their weight.
            Without any, all headings are equally likely.
    """

    def __init__(self, ground: Ground, directions: Floats) -> None:
        self._ground = ground
        self._lines = directions
        self._matrix = ground.camera.matrix / np.linalg.norm(ground.camera.matrix[2, :3])
        self._lens = ground.lens
        self._top_noise = 3.0 if ground.camera.assumed else 1.0

    def place(self, boxes: Floats, classes: Sequence[str]) -> Places:
        """Where vehicles stand.

        Args:
            boxes: (N, 4) left, top, right, bottom in pixels of the pictures.
            classes: detector class of each.
        """
        count = len(boxes)
        centre, along, across = (np.zeros((count, _KEPT, 2)) for _ in range(3))
        weight = np.zeros((count, _KEPT))
        sizes = np.zeros((count, _KEPT, 2))
        drawn = boxes * np.tile(self._ground.factor, 2)
        for vehicle_class in dict.fromkeys(classes):
            mine = np.array([n for n, each in enumerate(classes) if each == vehicle_class])
            fit = self._fit(drawn[mine], bodies_of(vehicle_class))
            for whole, part in zip((centre, along, across, weight, sizes), fit, strict=True):
                whole[mine] = part
        rectangles = Rectangles(centre.reshape(-1, 2), along.reshape(-1, 2), across.reshape(-1, 2))
        return Places(
            rectangles,
            weight,
            (weight * sizes[..., 0]).sum(1),
            (weight * sizes[..., 0] * sizes[..., 1]).sum(1),
        )

    def _fit(self, boxes: Floats, bodies: tuple[Body, ...]) -> tuple[Floats, ...]:
        """Centres, half lengths, half widths (N, M, 2), weights (N, M), lengths and widths (N, M, 2)."""
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1) / self._ground.factor
        start = self._ground.to_ground(feet)
        on_ground = np.isfinite(start).all(axis=1)
        start = np.where(on_ground[:, None], start, 0.0)
        eye = np.array(self._ground.camera.at[:2])
        away = start - eye
        distance = np.maximum(np.hypot(*away.T), 0.1)
        away /= distance[:, None]
        # Hypotheses: headings times bodies, (N, K).
        street = self._street(start)
        heading = street[:, None] + np.arange(_HEADINGS) * np.pi / _HEADINGS
        prior = np.full(_HEADINGS, (1 - _ALONG - _ACROSS) / (_HEADINGS - 2))
        prior[0], prior[_HEADINGS // 2] = _ALONG, _ACROSS
        if not len(self._lines):
            prior[:] = 1 / _HEADINGS
        kinds = np.repeat(np.arange(len(bodies)), _HEADINGS)
        heading = np.tile(heading, (1, len(bodies)))
        log_prior = np.log(np.tile(prior, len(bodies))) + np.log([bodies[k].share for k in kinds])
        typical = np.array([(b.length, b.width, b.height) for b in bodies])[kinds]
        outline = _outlines(bodies)[kinds]
        state = _State(
            at=start[:, None, :] + away[:, None, :] * (typical[:, 1] / 2)[None, :, None],
            heading=heading,
            other=np.zeros((*heading.shape, 4)),
            typical=np.broadcast_to(typical, (*heading.shape, 3)),
            outline=np.broadcast_to(outline, (*heading.shape, *outline.shape[1:])),
        )
        for _ in range(_FIRST):
            state, score = self._step(state, boxes)
        score = score + log_prior
        kept = np.argsort(-score, axis=1, kind="stable")[:, : _KEPT + 1]
        log_prior = np.broadcast_to(log_prior, score.shape)
        log_prior = np.take_along_axis(log_prior, kept, 1)
        state = state.take(kept)
        for _ in range(_MORE):
            state, score = self._step(state, boxes)
        score = score + log_prior
        order = np.argsort(-score, axis=1, kind="stable")
        score = np.take_along_axis(score, order, 1)
        state = state.take(order[:, :_KEPT])
        weight = np.exp(score - score[:, :1])
        # The last hypothesis only says from where on weights count, so that one that comes in begins with zero.
        weight = weight[:, :_KEPT] - weight[:, _KEPT:]
        total = weight.sum(1, keepdims=True)
        weight = np.where(total > 1e-9, weight / np.maximum(total, 1e-9), 1 / _KEPT)
        weight = np.where(on_ground[:, None], weight, 0.0)
        size = state.size
        turned = state.heading + state.other[..., 3]
        unit = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
        side = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
        return (
            state.at,
            unit * size[..., :1] / 2,
            side * size[..., 1:2] / 2,
            weight,
            size[..., :2],
        )

    def _street(self, points: Floats) -> Floats:
        """Direction of the street at points (N, 2), radians: of the lines near by, long ones first."""
        if not len(self._lines):
            return np.zeros(len(points))
        start, end = self._lines[:, :2], self._lines[:, 2:4]
        step = end - start
        long = np.maximum((step**2).sum(1), 1e-9)
        share = np.clip(((points[:, None] - start) * step).sum(-1) / long, 0, 1)
        gap = ((points[:, None] - start - share[..., None] * step) ** 2).sum(-1)
        weight = self._lines[:, 4] * long / (gap + 9.0)
        angle = 2 * np.arctan2(step[:, 1], step[:, 0])
        return np.asarray(np.arctan2(weight @ np.sin(angle), weight @ np.cos(angle)) / 2)

    def _step(self, state: _State, boxes: Floats) -> tuple[_State, Floats]:
        """One round of Gauss-Newton, and the logarithm of how likely each hypothesis is, up to a constant."""
        seen, slope = self._project(state)
        # Which point of the outline makes each side of the box: left, top, right, bottom.
        axis = np.array([0, 1, 0, 1])
        extreme = np.stack(
            [
                seen[..., 0].argmin(-1), seen[..., 1].argmin(-1), seen[..., 0].argmax(-1), seen[..., 1].argmax(-1),
            ],
            axis=-1,
        )  # fmt: skip
        shown = np.take_along_axis(seen, extreme[..., None], 2)[..., np.arange(4), axis]
        jacobian = np.take_along_axis(slope, extreme[..., None, None], 2)[..., np.arange(4), axis, :]
        error = boxes[:, None, :] - shown
        wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        noise = _NOISE[0] + _NOISE[1] * np.stack([wide, high, wide, high], axis=1)
        noise[:, 1] *= self._top_noise
        noise = np.broadcast_to(noise[:, None, :], error.shape)
        edge = np.array([-np.inf, -np.inf, self._lens.width, self._lens.height])
        cut = np.concatenate([boxes[:, :2] <= _EDGE_PX, boxes[:, 2:] >= edge[2:] - _EDGE_PX], axis=1)
        outward = np.array([1, 1, -1, -1])
        beyond = cut[:, None, :] & (error * outward >= 0)
        noise = np.where(beyond, noise * _UNKNOWN, noise)
        to_place, to_other = jacobian[..., :2], jacobian[..., 2:]
        spread = np.array([*SPREAD, _TURN])
        target = error + (to_other * state.other[..., None, :]).sum(-1)
        loaded = to_other * spread
        cover = loaded @ np.swapaxes(loaded, -1, -2)
        cover[..., np.arange(4), np.arange(4)] += noise**2
        inverse = np.linalg.inv(cover)
        half = np.swapaxes(to_place, -1, -2) @ inverse
        normal = half @ to_place
        right = (half @ target[..., None])[..., 0]
        det = normal[..., 0, 0] * normal[..., 1, 1] - normal[..., 0, 1] ** 2
        det = np.maximum(det, 1e-12)
        move = (
            np.stack(
                [
                    normal[..., 1, 1] * right[..., 0] - normal[..., 0, 1] * right[..., 1],
                    normal[..., 0, 0] * right[..., 1] - normal[..., 0, 1] * right[..., 0],
                ],
                axis=-1,
            )
            / det[..., None]
        )
        left = target - (to_place @ move[..., None])[..., 0]
        pull = (inverse @ left[..., None])[..., 0]
        other = spread**2 * (np.swapaxes(to_other, -1, -2) @ pull[..., None])[..., 0]
        limit = 3.0 * spread
        score = -0.5 * ((left * pull).sum(-1) + np.log(np.maximum(np.linalg.det(cover), 1e-12)) + np.log(det))
        return state.moved(move, np.clip(other, -limit, limit)), score

    def _project(self, state: _State) -> tuple[Floats, Floats]:
        """The outline's points in the drawn picture (N, K, P, 2), and how they move with x, y and the logarithms of
        length, width, height and the heading (N, K, P, 2, 6)."""
        size = state.size
        turned = state.heading + state.other[..., 3]
        cos, sin = np.cos(turned)[..., None], np.sin(turned)[..., None]
        long = state.outline[..., 0] * size[..., None, 0] / 2
        wide = state.outline[..., 1] * size[..., None, 1] / 2
        tall = state.outline[..., 2] * size[..., None, 2]
        lx, ly, wx, wy = long * cos, long * sin, -wide * sin, wide * cos
        x = state.at[..., None, 0] + lx + wx
        y = state.at[..., None, 1] + ly + wy
        p = self._matrix
        depth = np.maximum(p[2, 0] * x + p[2, 1] * y + p[2, 2] * tall + p[2, 3], 0.3)
        points = []
        slopes = []
        nothing = np.zeros_like(x)
        one = np.ones_like(x)
        moves = (
            (one, nothing, nothing), (nothing, one, nothing), (lx, ly, nothing), (wx, wy, nothing),
            (nothing, nothing, tall), (-(ly + wy), lx + wx, nothing),
        )  # fmt: skip
        down = [p[2, 0] * mx + p[2, 1] * my + p[2, 2] * mz for mx, my, mz in moves]
        for row in (0, 1):
            value = (p[row, 0] * x + p[row, 1] * y + p[row, 2] * tall + p[row, 3]) / depth
            points.append(value)
            slopes.append(
                np.stack(
                    [
                        (p[row, 0] * mx + p[row, 1] * my + p[row, 2] * mz - value * dz) / depth
                        for (mx, my, mz), dz in zip(moves, down, strict=True)
                    ],
                    axis=-1,
                )
            )
        seen = np.stack(points, axis=-1)
        slope = np.stack(slopes, axis=-2)
        if not self._lens.straight:
            slope = self._lens.stretch(seen) @ slope
            seen = self._lens.distort(seen)
        return seen, slope


@dataclass(frozen=True, slots=True)
class _State:
    """Hypotheses under way, (N, K): place, heading, differences from the typical (log sizes and turn), outline."""

    at: Floats
    heading: Floats
    other: Floats
    typical: Floats
    outline: Floats

    @property
    def size(self) -> Floats:
        return np.asarray(self.typical * np.exp(self.other[..., :3]))

    def moved(self, move: Floats, other: Floats) -> _State:
        return _State(self.at + np.clip(move, -8, 8), self.heading, other, self.typical, self.outline)

    def take(self, which: NDArray[np.intp]) -> _State:
        def pick(values: Floats) -> Floats:
            extra = values.ndim - which.ndim
            return np.take_along_axis(values, which.reshape(*which.shape, *[1] * extra), 1)

        return _State(*(pick(v) for v in (self.at, self.heading, self.other, self.typical, self.outline)))


def _outlines(bodies: tuple[Body, ...]) -> Floats:
    """Outline points of all bodies, (B, P, 3); shorter lists repeat their last point."""
    points = [body.points for body in bodies]
    most = max(len(each) for each in points)
    return np.stack(
        [np.concatenate([each, np.repeat(each[-1:], most - len(each), axis=0)]) for each in points]
    )
