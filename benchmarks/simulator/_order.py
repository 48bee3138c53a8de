"""Which of two things standing on the ground hides the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def nearer(a: Floats, b: Floats, eye: Floats) -> bool:
    """Whether outline `a` (N, 2) lies between the camera's foot `eye` (2,) and outline `b` (M, 2).

    Two convex outlines that do not overlap have an edge whose line parts them; the one on the camera's side is
    nearer. Overlapping outlines are told apart by distance.
    """
    for outline, other, own in ((a, b, True), (b, a, False)):
        after = np.roll(outline, -1, axis=0)
        edge = after - outline
        normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
        middle = outline.mean(axis=0)
        offset = np.sum(normal * outline, axis=1)
        flip = np.where(normal @ middle > offset, -1.0, 1.0)
        normal, offset = normal * flip[:, None], offset * flip
        parted = np.flatnonzero(np.min(normal @ other.T, axis=1) >= offset - 1e-9)
        if len(parted):
            side = normal[parted[0]] @ eye > offset[parted[0]]
            return bool(side != own)
    return bool(np.linalg.norm(a.mean(axis=0) - eye) < np.linalg.norm(b.mean(axis=0) - eye))


def far_to_near(
    outlines: Sequence[Floats], boxes: Sequence[tuple[int, int, int, int]], eye: Floats
) -> list[int]:
    """An order of drawing: whatever hides another comes later. Boxes are left, top, right, bottom in the picture."""
    count = len(outlines)
    hidden_by: list[set[int]] = [set() for _ in range(count)]
    for i in range(count):
        for j in range(i + 1, count):
            a, b = boxes[i], boxes[j]
            if a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]:
                continue
            if nearer(outlines[i], outlines[j], eye):
                hidden_by[i].add(j)
            else:
                hidden_by[j].add(i)
    order: list[int] = []
    left = set(range(count))
    while left:
        # `hidden_by[i]` holds what must be drawn before i. A ring of three is cut at its farthest member.
        ready = [i for i in left if not hidden_by[i] & left]
        pick = ready or [max(left, key=lambda i: float(np.linalg.norm(outlines[i].mean(axis=0) - eye)))]
        order += sorted(pick)
        left -= set(pick)
    return order
