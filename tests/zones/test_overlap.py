"""Areas of rectangles in polygons, against clipping in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon
from shapely.geometry import Polygon
from shapely.geometry import box as square

from tests.zones.strategies import polygons
from zones.overlap import Rectangles, Regions

Exact = tuple[Fraction, Fraction]


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangles:
    """A turned rectangle somewhere around the picture of the strategies."""
    turn = draw(st.one_of(st.sampled_from([0.0, math.pi / 2, math.pi / 4]), st.floats(0, math.pi)))
    long, wide = draw(st.floats(2, 200)), draw(st.floats(2, 120))
    unit = np.array([math.cos(turn), math.sin(turn)])
    return Rectangles(
        np.array([[draw(st.floats(-50, 690)), draw(st.floats(-50, 410))]]),
        (unit * long)[None],
        (np.array([-unit[1], unit[0]]) * wide)[None],
    )


def exact_area(ring: list[Exact]) -> Fraction:
    """Signed area of a ring."""
    return (
        sum(
            (a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], *ring[:1]], strict=True)),
            Fraction(0),
        )
        / 2
    )


def exact_clip(ring: list[Exact], clip: list[Exact]) -> Fraction:
    """Area of a ring inside a convex, counter-clockwise one: Sutherland and Hodgman, in fractions. The edges that it
    leaves along the clip's border for concave rings enclose nothing."""
    for a, b in zip(clip, [*clip[1:], *clip[:1]], strict=True):

        def side(p: Exact, a: Exact = a, b: Exact = b) -> Fraction:
            return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])

        kept: list[Exact] = []
        for p, q in zip(ring, [*ring[1:], *ring[:1]], strict=True):
            sp, sq = side(p), side(q)
            if sp >= 0:
                kept.append(p)
            if (sp > 0 > sq) or (sp < 0 < sq):
                part = sp / (sp - sq)
                kept.append((p[0] + (q[0] - p[0]) * part, p[1] + (q[1] - p[1]) * part))
        ring = kept
        if not ring:
            return Fraction(0)
    return abs(exact_area(ring))


def exact(points: object) -> list[Exact]:
    ring = [(Fraction(float(x)), Fraction(float(y))) for x, y in np.asarray(points, float)]
    return ring if exact_area(ring) > 0 else ring[::-1]


@settings(max_examples=300, deadline=None)
@given(polygons(), rectangles())
def test_shares_are_those_of_exact_clipping(
    polygon: tuple[tuple[float, float], ...], foot: Rectangles
) -> None:
    corners = exact(foot.corners[0])
    expected = exact_clip(exact(polygon), corners) / exact_area(corners)
    found = Regions([Polygon(polygon)]).shares(foot)
    assert found[0, 0] == pytest.approx(float(expected), abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(polygons(), polygons(), rectangles())
def test_holes_and_parts_count_as_they_should(
    one: tuple[tuple[float, float], ...], two: tuple[tuple[float, float], ...], foot: Rectangles
) -> None:
    rest = Polygon(one).difference(Polygon(two))
    whole = Polygon(foot.corners[0])
    found = Regions([rest, rest.boundary, Polygon()]).shares(foot)
    assert found[0, 0] == pytest.approx(rest.intersection(whole).area / whole.area, abs=1e-7)
    # A line has no area, and nothing is in nothing.
    assert found[0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("at_once", [1, 40, 8192])
def test_many_at_once_are_as_one_by_one(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether all edges are worked on in one piece, in several, or each pair for itself."""
    monkeypatch.setattr("zones.overlap._AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    shapes = [
        MultiPolygon([square(x, y, x + 40, y + 30), square(x + 60, y, x + 90, y + 50)])
        for x, y in rng.uniform(0, 400, (12, 2))
    ]
    turn = rng.uniform(0, np.pi, 80)
    unit = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    many = Rectangles(
        rng.uniform(0, 500, (80, 2)),
        unit * rng.uniform(5, 60, (80, 1)),
        np.stack([-unit[:, 1], unit[:, 0]], axis=1) * rng.uniform(5, 60, (80, 1)),
    )
    regions = Regions(shapes)
    found = regions.shares(many)
    assert 0.01 < (found > 0).mean() < 0.5
    for number in range(len(many)):
        quad = Polygon(many.corners[number])
        expected = [shape.intersection(quad).area / quad.area for shape in shapes]
        assert found[number] == pytest.approx(expected, abs=1e-9)


def test_an_edge_along_the_side_counts_once() -> None:
    unit = Rectangles(np.array([[0.5, 0.5]]), np.array([[0.5, 0.0]]), np.array([[0.0, 0.5]]))
    neighbours = [square(0, 0, 1, 1), square(1, 0, 2, 1), square(-1, -1, 0.25, 2), square(0, 0.5, 1, 1)]
    assert Regions(neighbours).shares(unit)[0] == pytest.approx([1, 0, 0.25, 0.5])
