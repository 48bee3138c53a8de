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

_AT_ONCE = 256
"""Boxes that are worked on at once: what is in between then stays in the processor's cache."""

_FIRST, _MORE = 1, 3
"""Rounds of Gauss-Newton for all hypotheses, and for those that were kept."""

_NOISE_PX = 1.0
_NOISE = np.array([0.025, 0.04, 0.025, 0.025])[:, None]
"""Standard deviation of a box's left, top, right and bottom: pixels, and shares of the box's size."""

_LOOSE = np.array([-0.008, 0.0, 0.008, 0.012])[:, None]
"""How far detectors draw the sides outside a vehicle, shares of the box's size: blur, and the shadow below it."""

_EDGE_PX = 2.0
_EDGE = 0.02
"""A side this near to the picture's edge, in pixels of the drawn picture and in box sizes, is cut off by it."""

_UNKNOWN = 30.0
"""How much less a side says that the picture cuts off: as good as nothing."""

_NEAR_M = 0.3
"""Nothing is nearer to the lens than this."""

_SPREAD = np.array([*SPREAD, _TURN])[:, None, None, None]
_LIMIT = 3 * _SPREAD[:, 0]
_OUTWARD = np.array([1.0, 1.0, -1.0, -1.0])[:, None, None]
_ROW = np.array([0, 1, 0, 1])


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
            same = np.array([n for n, each in enumerate(classes) if each == vehicle_class])
            for mine in np.split(same, range(_AT_ONCE, len(same), _AT_ONCE)):
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
        on_ground = np.isfinite(start[:, 0])
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
        typical = np.array([(b.length, b.width, b.height) for b in bodies])[kinds].T
        outline = np.moveaxis(_outlines(bodies)[kinds], -1, 0).astype(np.float32)
        shape = heading.shape
        inward = typical[1] / 2
        state = _State(
            start[:, :1] + away[:, :1] * inward,
            start[:, 1:] + away[:, 1:] * inward,
            heading,
            np.broadcast_to(typical[:, None], (3, *shape)),
            np.broadcast_to(outline[:, None], (3, *shape, outline.shape[-1])),
            np.zeros((4, *shape)),
        )
        sides = self._read(boxes)
        for _ in range(_FIRST):
            state, score = self._step(state, sides)
        kept = np.argsort(-(score + log_prior), axis=1, kind="stable")[:, : _KEPT + 1]
        log_prior = log_prior[kept]
        state = state.take(kept)
        for _ in range(_MORE):
            state, score = self._step(state, sides)
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
        length, width, _ = state.size
        turned = state.heading + state.other[3]
        unit = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
        side = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
        return (
            np.stack([state.x, state.y], axis=-1),
            unit * length[..., None] / 2,
            side * width[..., None] / 2,
            weight,
            np.stack([length, width], axis=-1),
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

    def _step(self, state: _State, boxes: _Boxes) -> tuple[_State, Floats]:
        """One round of Gauss-Newton, and the logarithm of how likely each hypothesis is, up to a constant.

        With the differences from the typical vehicle as Gaussian as the noise, the sides' errors e = J d + n have the
        covariance C = S S' + N; d is the place and S the slope along the differences, times their spread. C is
        factored, and everything is solved for all hypotheses at once.
        """
        shown, slopes = self._sides(state)
        error = boxes.sides[..., None] - shown
        noise = (
            np.where(boxes.cut[..., None] & (error * _OUTWARD >= 0), _UNKNOWN, 1.0) * boxes.noise[..., None]
        )
        loaded = slopes[2:] * _SPREAD
        target = error + (slopes[2:] * state.other[:, None]).sum(0)
        low = _factored(loaded, noise)
        one, two, goal = _forward(low, slopes[0]), _forward(low, slopes[1]), _forward(low, target)
        xx, xy, yy = (one * one).sum(0), (one * two).sum(0), (two * two).sum(0)
        x, y = (one * goal).sum(0), (two * goal).sum(0)
        det = np.maximum(xx * yy - xy * xy, 1e-12)
        move_x, move_y = (yy * x - xy * y) / det, (xx * y - xy * x) / det
        left = goal - one * move_x - two * move_y
        pulled = _backward(low, left)
        other = _SPREAD[:, 0] * (loaded * pulled).sum(1)
        score = -0.5 * ((left * left).sum(0) + np.log(det)) - sum(np.log(low[i][i]) for i in range(4))
        return state.moved(move_x, move_y, np.minimum(np.maximum(other, -_LIMIT), _LIMIT)), score

    def _sides(self, state: _State) -> tuple[Floats, Floats]:
        """Where the sides of the outline's box are (4, N, K), left, top, right, bottom, in the drawn picture, and how
        they move (6, 4, N, K) with x, y, the logarithms of length, width and height, and the heading."""
        p, lens = self._matrix, self._lens
        length, width, height = state.size
        turned = state.heading + state.other[3]
        cos, sin = np.cos(turned), np.sin(turned)
        half, side = length / 2, width / 2
        along_x, along_y, across_x, across_y = half * cos, half * sin, -side * sin, side * cos
        share_l, share_w, share_h = state.outline
        # All points of the outline, (N, K, P), to find the outermost; half the precision is enough for that.
        rows = []
        for q in p:
            base = q[0] * state.x + q[1] * state.y + q[3]
            parts = (base, q[0] * along_x + q[1] * along_y, q[0] * across_x + q[1] * across_y, q[2] * height)
            base, to_l, to_w, to_h = (part.astype(np.float32)[..., None] for part in parts)
            rows.append(base + to_l * share_l + to_w * share_w + to_h * share_h)
        depth = 1 / np.maximum(rows[2], _NEAR_M)
        u, v = rows[0] * depth, rows[1] * depth
        if not lens.straight:
            bent = lens.distort(np.stack([u, v], axis=-1))
            u, v = bent[..., 0], bent[..., 1]
        outer = np.stack([u.argmin(-1), v.argmin(-1), u.argmax(-1), v.argmax(-1)])
        # The outermost alone, (4, N, K), with their slopes.
        long, wide, tall = (
            np.take_along_axis(np.broadcast_to(share, (4, *share.shape)), outer[..., None], -1)[..., 0]
            for share in state.outline
        )
        lx, ly, wx, wy = long * along_x, long * along_y, wide * across_x, wide * across_y
        tall = tall * height
        x, y = state.x + lx + wx, state.y + ly + wy
        depth = 1 / np.maximum(p[2, 0] * x + p[2, 1] * y + p[2, 2] * tall + p[2, 3], _NEAR_M)
        if lens.straight:
            shown, slope = _seen(p[_ROW, :, None, None], p[2], x, y, tall, depth)
        else:
            u, slope_u = _seen(p[:1, :, None, None], p[2], x, y, tall, depth)
            v, slope_v = _seen(p[1:2, :, None, None], p[2], x, y, tall, depth)
            straight = np.stack([u, v], axis=-1)
            stretch = lens.stretch(straight)
            which = np.array([0, 1, 0, 1])
            shown = lens.distort(straight)[np.arange(4), ..., which]
            mine = stretch[np.arange(4), ..., which, :]
            slope = [
                mine[..., 0] * one + mine[..., 1] * two for one, two in zip(slope_u, slope_v, strict=True)
            ]
        gx, gy, gz = slope
        slopes = np.stack(
            [gx, gy, gx * lx + gy * ly, gx * wx + gy * wy, gz * tall, gy * (lx + wx) - gx * (ly + wy)]
        )
        return shown, slopes

    def _read(self, boxes: Floats) -> _Boxes:
        """What boxes (N, 4) in the drawn picture say of each side."""
        wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        size = np.stack([wide, high, wide, high])
        noise = _NOISE_PX + _NOISE * size
        noise[1] *= self._top_noise
        edge = _EDGE_PX + _EDGE * size
        cut = np.stack(
            [
                boxes[:, 0] <= edge[0],
                boxes[:, 1] <= edge[1],
                boxes[:, 2] >= self._lens.width - edge[2],
                boxes[:, 3] >= self._lens.height - edge[3],
            ]
        )
        return _Boxes(boxes.T - np.where(cut, 0.0, _LOOSE * size), noise, cut)


def _seen(
    row: Floats, last: Floats, x: Floats, y: Floats, z: Floats, depth: Floats
) -> tuple[Floats, list[Floats]]:
    """One picture coordinate of points, and how it moves with x, y and z. `depth` is its inverse."""
    q0, q1, q2, q3 = (row[:, n] for n in range(4))
    value = (q0 * x + q1 * y + q2 * z + q3) * depth
    return value, [(q - value * w) * depth for q, w in zip((q0, q1, q2), last[:3], strict=True)]


def _factored(loaded: Floats, noise: Floats) -> list[list[Floats]]:
    """Cholesky factor, row by row, of the 4 x 4 covariances of the sides."""
    low: list[list[Floats]] = []
    for i in range(4):
        row: list[Floats] = []
        for j in range(i + 1):
            value = (loaded[:, i] * loaded[:, j]).sum(0)
            if i == j:
                value = value + noise[i] ** 2
            for k in range(j):
                value = value - row[k] * (low[j][k] if j < i else row[k])
            row.append(np.sqrt(value) if i == j else value / low[j][j])
        low.append(row)
    return low


def _forward(low: list[list[Floats]], right: Floats) -> Floats:
    """Solve L x = right."""
    out: list[Floats] = []
    for i in range(4):
        value = right[i]
        for k in range(i):
            value = value - low[i][k] * out[k]
        out.append(value / low[i][i])
    return np.stack(out)


def _backward(low: list[list[Floats]], right: Floats) -> Floats:
    """Solve L' x = right."""
    out: list[Floats] = [right[0]] * 4
    for i in (3, 2, 1, 0):
        value = right[i]
        for k in range(i + 1, 4):
            value = value - low[k][i] * out[k]
        out[i] = value / low[i][i]
    return np.stack(out)


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Sides of N boxes (4, N): where, how well known (standard deviation), and whether the picture cuts them off."""

    sides: Floats
    noise: Floats
    cut: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _State:
    """Hypotheses under way, (N, K) each: place, heading, body, and differences from it, (4, N, K): logarithms of
    length, width and height, and turn. `outline` is three of (N, K, P)."""

    x: Floats
    y: Floats
    heading: Floats
    typical: Floats
    outline: Floats
    other: Floats

    @property
    def size(self) -> Floats:
        """Length, width, height, (3, N, K)."""
        return np.asarray(self.typical * np.exp(self.other[:3]))

    def moved(self, x: Floats, y: Floats, other: Floats) -> _State:
        step = 8.0
        x, y = np.minimum(np.maximum(x, -step), step), np.minimum(np.maximum(y, -step), step)
        return _State(self.x + x, self.y + y, self.heading, self.typical, self.outline, other)

    def take(self, which: NDArray[np.intp]) -> _State:
        rows = np.arange(len(which))[:, None]
        return _State(
            self.x[rows, which],
            self.y[rows, which],
            self.heading[rows, which],
            self.typical[:, rows, which],
            self.outline[:, rows, which],
            self.other[:, rows, which],
        )


def _outlines(bodies: tuple[Body, ...]) -> Floats:
    """Outline points of all bodies, (B, P, 3); shorter lists repeat their last point."""
    points = [body.points for body in bodies]
    most = max(len(each) for each in points)
    return np.stack(
        [np.concatenate([each, np.repeat(each[-1:], most - len(each), axis=0)]) for each in points]
    )
