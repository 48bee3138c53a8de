"""The homography between two planes from points known in both, and what no homography can be made of.

Normalised direct linear transform, then Levenberg-Marquardt on the distances in the picture, where people click
(Hartley and Zisserman, Multiple View Geometry, 2nd edition, algorithms 4.2 and 4.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocol.errors import PatrolError
from zones.calibration._lens import Lens

Floats = NDArray[np.float64]

_ROUNDS = 40
_FLAT_PICTURE = 0.002
"""Points that leave a line by less than this share of the picture's diagonal lie on it: a click is not better."""

_FLAT_GROUND = 0.005
"""The same on the ground, as a share of the largest distance between two points."""

_CONTRADICTION = 0.01
"""Mean distance between where points are and where they should be, as a share of the diagonal, that is no calibration."""

_MANY = 40
"""With more points than this nobody looks for the one that spoils the rest by leaving out each in turn."""


def fit_homography(picture: Floats, ground: Floats, names: Sequence[str], diagonal: float) -> Floats:
    """The 3 x 3 matrix that takes ground metres (x, y, 1) to picture pixels (u, v, 1), up to scale.

    Args:
        picture: (N, 2) pixels without lens distortion, N of four or more.
        ground: (N, 2) metres, right-handed seen from above.
        names: what each point is called in errors.
        diagonal: of the picture, pixels.

    Raises:
        PatrolError: the points are degenerate, mirrored or contradict one another; the error names the culprit.
    """
    _refuse_doubles(picture, ground, names, diagonal)
    _refuse_lines(picture, names, _FLAT_PICTURE * diagonal, "in the picture")
    _refuse_lines(ground, names, _FLAT_GROUND * _extent(ground), "on the ground")
    matrix = _solve(picture, ground)
    depth = ground @ matrix[2, :2] + matrix[2, 2]
    if (depth < 0).sum() > (depth > 0).sum():
        matrix, depth = -matrix, -depth
    rms = float(np.sqrt((_errors(matrix, picture, ground) ** 2).sum(1).mean()))
    if rms > _CONTRADICTION * diagonal:
        raise _contradiction(picture, ground, names, rms)
    if np.any(depth <= 1e-9 * np.abs(depth).max()):
        wrong = [name for name, d in zip(names, depth, strict=True) if d <= 1e-9 * np.abs(depth).max()]
        raise PatrolError(
            f"the points fit no view of a ground: {_list(wrong)} would lie on or above the horizon",
            field=f"calibration: {wrong[0]}",
            mend="Two points are probably exchanged; check the order in which they were given.",
        )
    if np.linalg.det(matrix) > 0:
        raise PatrolError(
            "the ground is mirrored: seen from above its axes are left-handed",
            field="calibration",
            mend="Turn the sign of one ground axis, or exchange x and y: with x to the right, y points away from the camera.",
        )
    return matrix


def fit_lens(picture: Floats, ground: Floats, lens: Lens) -> Lens:
    """The lens whose k1 makes six or more points agree best; k2 is kept.

    Args:
        picture: (N, 2) pixels as the camera shows them.
        ground: (N, 2) metres.
        lens: size of the picture, and k2.

    Raises:
        PatrolError: fewer than six points: the fit would only follow their errors.
    """
    if len(picture) < 6:
        raise PatrolError(
            f"{len(picture)} points are too few to fit the lens",
            field="calibration: k1",
            mend="Give six points or more, some of them near the picture's corners.",
        )

    def loss(k1: float) -> float:
        trial = Lens(lens.width, lens.height, k1, lens.k2)
        if not trial.reaches(picture).all():
            return float("inf")
        matrix = _solve(trial.straighten(picture), ground)
        with np.errstate(all="ignore"):
            shown = trial.distort(project(matrix, ground))
        return float(((shown - picture) ** 2).sum())

    grid = np.linspace(-0.35, 0.35, 29)
    losses = [loss(k1) for k1 in grid]
    best = int(np.nanargmin(losses))
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    golden = (5**0.5 - 1) / 2
    one, two = high - golden * (high - low), low + golden * (high - low)
    loss_one, loss_two = loss(one), loss(two)
    while high - low > 1e-6:
        if loss_one <= loss_two:
            high, two, loss_two = two, one, loss_one
            one = high - golden * (high - low)
            loss_one = loss(one)
        else:
            low, one, loss_one = one, two, loss_two
            two = low + golden * (high - low)
            loss_two = loss(two)
    return Lens(lens.width, lens.height, round(float((low + high) / 2), 6), lens.k2)


def project(matrix: Floats, points: Floats) -> Floats:
    """Points (..., 2) through a homography."""
    lifted = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(lifted[..., :2] / lifted[..., 2:3])


def _solve(picture: Floats, ground: Floats) -> Floats:
    """The best homography of any points, without asking whether it makes sense."""
    p, to_p = _normalised(picture)
    g, to_g = _normalised(ground)
    zero, one = np.zeros(len(g)), np.ones(len(g))
    lifted = np.stack([g[:, 0], g[:, 1], one], axis=1)
    rows_u = np.concatenate([lifted, np.stack([zero] * 3, axis=1), -p[:, :1] * lifted], axis=1)
    rows_v = np.concatenate([np.stack([zero] * 3, axis=1), lifted, -p[:, 1:] * lifted], axis=1)
    matrix = np.linalg.svd(np.concatenate([rows_u, rows_v]), full_matrices=True)[2][-1].reshape(3, 3)
    if len(g) > 4:
        matrix = _refine(matrix, p, g)
    matrix = np.linalg.inv(to_p) @ matrix @ to_g
    return np.asarray(matrix / np.linalg.norm(matrix))


def _refine(matrix: Floats, picture: Floats, ground: Floats) -> Floats:
    """Levenberg-Marquardt on the nine numbers, whose common scale stays fixed."""
    lifted = np.concatenate([ground, np.ones((len(ground), 1))], axis=1)
    damping = 1e-3
    h = matrix / np.linalg.norm(matrix)
    with np.errstate(all="ignore"):
        error = _errors(h, picture, ground)
        for _ in range(_ROUNDS):
            depth = lifted @ h[2]
            shown = (lifted @ h[:2].T) / depth[:, None]
            share = lifted / depth[:, None]
            jacobian = np.zeros((len(ground), 2, 9))
            jacobian[:, 0, 0:3] = share
            jacobian[:, 1, 3:6] = share
            jacobian[:, :, 6:9] = -shown[:, :, None] * share[:, None, :]
            flat = jacobian.reshape(-1, 9)
            normal = flat.T @ flat + np.outer(h.ravel(), h.ravel())
            gradient = flat.T @ error.ravel()
            if not (np.isfinite(normal).all() and np.isfinite(gradient).all()):
                break
            step = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal)), -gradient, rcond=None)[0]
            trial = h + step.reshape(3, 3)
            trial /= np.linalg.norm(trial)
            after = _errors(trial, picture, ground)
            if np.isfinite(after).all() and (after**2).sum() < (error**2).sum():
                gain = (error**2).sum() - (after**2).sum()
                h, error, damping = trial, after, damping / 5
                if gain <= 1e-14 * (error**2).sum() + 1e-30:
                    break
            else:
                damping *= 10
                if damping > 1e8:
                    break
    return np.asarray(h)


def _errors(matrix: Floats, picture: Floats, ground: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(project(matrix, ground) - picture)


def _normalised(points: Floats) -> tuple[Floats, Floats]:
    """Points around the origin at a mean distance of the root of two, and the matrix that brings them there."""
    middle = points.mean(axis=0)
    scale = 2**0.5 / max(float(np.hypot(*(points - middle).T).mean()), 1e-12)
    matrix = np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1.0]])
    return (points - middle) * scale, matrix


def _extent(points: Floats) -> float:
    return float(np.hypot(*(points.max(axis=0) - points.min(axis=0))))


def _refuse_doubles(picture: Floats, ground: Floats, names: Sequence[str], diagonal: float) -> None:
    for points, tolerance, where in (
        (picture, 0.0005 * diagonal, "in the picture"),
        (ground, 0.001 * _extent(ground), "on the ground"),
    ):
        for number in range(1, len(points)):
            gaps = np.hypot(*(points[:number] - points[number]).T)
            if gaps.min() <= tolerance:
                other = names[int(gaps.argmin())]
                raise PatrolError(
                    f"{other} and {names[number]} are the same place {where}",
                    field=f"calibration: {names[number]}",
                    mend="Give four points that lie well apart, no three of them on one line.",
                )


def _refuse_lines(points: Floats, names: Sequence[str], tolerance: float, where: str) -> None:
    """Four points are enough only if no three lie on a line; more only if not all but one do."""
    count = len(points)
    for left_out in range(count):
        kept = [n for n in range(count) if n != left_out]
        some = points[kept] - points[kept].mean(axis=0)
        across = np.linalg.svd(some, full_matrices=False)[2][1]
        if np.abs(some @ across).max() <= tolerance:
            called = [names[n] for n in kept]
            told = _list(called) if count <= 6 else f"all points but {names[left_out]}"
            raise PatrolError(
                f"{told} lie on one line {where}; nothing is known of the ground beside it",
                field=f"calibration: {called[-1]}",
                mend="Measure a point well beside the line instead, such as the other kerb.",
            )


def _contradiction(picture: Floats, ground: Floats, names: Sequence[str], rms: float) -> PatrolError:
    """The points fit no plane. With six or more, the one without which the rest agree is named."""
    if 6 <= len(picture) <= _MANY:
        rest = []
        for number in range(len(picture)):
            kept = np.arange(len(picture)) != number
            errors = _errors(_solve(picture[kept], ground[kept]), picture[kept], ground[kept])
            rest.append(float(np.sqrt((errors**2).sum(1).mean())))
        worst = int(np.argmin(rest))
        if rest[worst] < rms / 3:
            return PatrolError(
                f"{names[worst]} contradicts the others: with it they miss one another by {rms:.0f} pixels, "
                f"without it by {rest[worst]:.1f}",
                field=f"calibration: {names[worst]}",
                mend="Measure it again, or leave it out.",
            )
    errors = np.hypot(*_errors(_solve(picture, ground), picture, ground).T)
    worst = int(np.nanargmax(errors)) if np.isfinite(errors).any() else 0
    return PatrolError(
        f"the points contradict one another by {rms:.0f} pixels; {names[worst]} is furthest off",
        field=f"calibration: {names[worst]}",
        mend="Check that picture and ground belong together in each, and that all lie on one plane.",
    )


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
