"""From the picture to the ground and the map and back, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.simulator.camera import Camera
from protocol.errors import PatrolError
from tests.zones.cameras import PIXELS, SIZE, calibrated, cameras, lenses, on_street, street_camera
from zones import ZoneFile, parse_zone_file
from zones.calibration import Ground, Lens, TangentPlane, fit_lens

Floats = NDArray[np.float64]


def ground_of(file: ZoneFile) -> Ground:
    ground = Ground.of(file)
    assert ground is not None
    return ground


def lower(camera: Camera, count: int, seed: int) -> Floats:
    """Pixels below the horizon by a twentieth of the picture."""
    rng = np.random.default_rng(seed)
    horizon = camera.height_px / 2 - camera.focal * math.tan(math.radians(camera.pitch))
    return rng.uniform((0, max(0, horizon + 36)), SIZE, (count, 2))


@settings(max_examples=60, deadline=None)
@given(cameras(), lenses, st.integers(0, 1000))
def test_the_ground_is_where_the_lines_of_sight_meet_it(camera: Camera, lens: Lens, seed: int) -> None:
    assume(lens.reaches(lens.distort(PIXELS)).all())
    ground = ground_of(calibrated(camera, lens=lens))
    straight = lower(camera, 50, seed)
    expected = on_street(camera, straight)
    seen = lens.distort(straight)
    known = lens.reaches(seen)
    far = np.hypot(*(expected - camera.eye[:2]).T)
    np.testing.assert_allclose(ground.to_ground(seen)[known], expected[known], atol=1e-5 * far.max())
    np.testing.assert_allclose(ground.to_picture(expected)[known], seen[known], atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(cameras())
def test_the_camera_is_recovered_from_the_ground_alone(camera: Camera) -> None:
    found = ground_of(calibrated(camera)).camera
    assert not found.assumed
    assert found.focal_px == pytest.approx(camera.focal, rel=1e-3)
    assert found.at == pytest.approx(tuple(camera.eye), abs=0.02)
    # A point above the ground, too.
    above = np.array([[*on_street(camera, PIXELS[4:5])[0], 1.7]])
    lifted = found.matrix @ np.append(above[0], 1.0)
    assert lifted[:2] / lifted[2] == pytest.approx(camera.project(above)[0], abs=0.5)


@given(lenses, st.integers(0, 1000))
def test_distortion_can_be_undone(lens: Lens, seed: int) -> None:
    points = np.random.default_rng(seed).uniform((-200, -200), (SIZE[0] + 200, SIZE[1] + 200), (80, 2))
    np.testing.assert_allclose(lens.straighten(lens.distort(points)), points, atol=1e-5)
    np.testing.assert_allclose(lens.distort(lens.straighten(points)), points, atol=1e-5)


@given(lenses, st.integers(0, 1000))
def test_the_stretch_of_a_lens_is_its_derivative(lens: Lens, seed: int) -> None:
    points = np.random.default_rng(seed).uniform((100, 100), (1180, 620), (20, 2))
    step = 1e-3
    for axis in (0, 1):
        aside = np.zeros(2)
        aside[axis] = step
        slope = (lens.distort(points + aside) - lens.distort(points - aside)) / (2 * step)
        np.testing.assert_allclose(lens.stretch(points)[..., axis], slope, atol=1e-5)


def test_a_barrel_draws_the_corners_in_and_leaves_the_middle_alone() -> None:
    lens = Lens(*SIZE, -0.1)
    assert lens.distort(np.array([640.0, 360.0])) == pytest.approx((640, 360))
    # At the corner r is 1: everything moves to 90%.
    assert lens.distort(np.array([0.0, 0.0])) == pytest.approx((64, 36))


def test_a_point_above_the_horizon_has_no_ground_and_is_not_mirrored() -> None:
    camera = street_camera(yaw=0)
    ground = ground_of(calibrated(camera))
    horizon = 360 - camera.focal * math.tan(math.radians(camera.pitch))
    found = ground.to_ground(np.array([(640, horizon - 5), (640, horizon), (640, horizon + 5), (640, -4000)]))
    assert np.isnan(found[[0, 1, 3]]).all()
    # Looking along x, everything seen lies ahead.
    assert found[2, 0] > 100
    # What is behind the camera is not in the picture.
    assert np.isnan(ground.to_picture(np.array([(-30.0, 0.0)]))).all()


def test_a_camera_that_looks_straight_down_has_no_horizon() -> None:
    camera = Camera(0, 0, 10, 90, 89, 60, *SIZE)
    metres = np.array([(-3, -2), (3, -2), (3, 2), (-3, 2)], float)
    pixels = np.array([(300, 600), (980, 600), (980, 120), (300, 120)], float)
    file = {
        "picture": {"width": SIZE[0], "height": SIZE[1]},
        "zone": [{"id": "P", "name": "P", "polygon": pixels.tolist()}],
        "calibration": {
            "point": [{"picture": list(p), "ground": list(g)} for p, g in zip(pixels, metres, strict=True)]
        },
    }
    ground = ground_of(ZoneFile.model_validate(file))
    assert ground.horizon is None
    assert ground.camera.assumed
    assert ground.to_ground(np.array([(640.0, 360.0)]))[0] == pytest.approx((0, 0), abs=1e-9)
    assert camera.focal > 0


def test_pixels_follow_the_size_of_the_pictures() -> None:
    ground = ground_of(calibrated(street_camera(), lens=Lens(*SIZE, -0.1)))
    half = ground.scaled(640, 360)
    np.testing.assert_allclose(half.to_ground(PIXELS / 2), ground.to_ground(PIXELS), atol=1e-9)
    np.testing.assert_allclose(half.to_picture(half.to_ground(PIXELS / 2)), PIXELS / 2, atol=1e-6)
    # One pixel is two.
    np.testing.assert_allclose(
        half.metres_per_pixel(PIXELS / 2), 2 * ground.metres_per_pixel(PIXELS), rtol=0.02
    )


def test_residuals_say_which_point_is_off_and_by_how_much() -> None:
    camera = street_camera()
    pixels = np.vstack([PIXELS, [(760, 600), (300, 520)]])
    ground = on_street(camera, pixels)
    wrong = ground.copy()
    wrong[5] += (0.0, 0.3)
    found = ground_of(ZoneFile.model_validate(_file(pixels, wrong))).residuals()
    assert found.worst.name == "point 6"
    assert found.worst.cm == max(point.cm for point in found.points)
    # The others pull it some of the way.
    assert 10 < found.worst.cm < 30
    assert found.rms_px**2 == pytest.approx(np.mean([point.px**2 for point in found.points]))
    exact = ground_of(ZoneFile.model_validate(_file(pixels, ground))).residuals()
    assert exact.rms_cm < 1e-6
    assert exact.rms_px < 1e-6


def test_clicks_that_tremble_by_a_pixel_still_give_the_ground() -> None:
    camera = street_camera()
    rng = np.random.default_rng(7)
    pixels = np.array([(u, v) for u in (200, 500, 800, 1100) for v in (420, 520, 640)], float)
    ground = ground_of(
        ZoneFile.model_validate(_file(pixels + rng.normal(0, 1, pixels.shape), on_street(camera, pixels)))
    )
    off = np.hypot(*(ground.to_ground(pixels) - on_street(camera, pixels)).T)
    reach = ground.metres_per_pixel(pixels)
    assert (off < 2.5 * reach).all()
    assert 0.2 < ground.residuals().rms_px < 1.5


@pytest.mark.parametrize("clockwise", [True, False])
def test_a_rectangle_may_be_clicked_either_way_round(clockwise: bool) -> None:
    camera = street_camera(yaw=60)
    middle, along = on_street(camera, PIXELS[4:5])[0], np.array([math.cos(0.4), math.sin(0.4)])
    across = np.array([-along[1], along[0]]) * (-1 if clockwise else 1)
    corners = np.array([middle, middle + 2.5 * along, middle + 2.5 * along + 6 * across, middle + 6 * across])
    seen = camera.project(np.column_stack([corners, np.zeros(4)]))
    data = _file(seen, corners) | {
        "calibration": {"rectangle": {"picture": seen.tolist(), "width_m": 2.5, "length_m": 6.0}}
    }
    ground = ground_of(ZoneFile.model_validate(data))
    found = ground.to_ground(seen)
    assert found[0] == pytest.approx((0, 0), abs=1e-6)
    assert found[1] == pytest.approx((2.5, 0), abs=1e-6)
    assert found[3] == pytest.approx((0, -6 if clockwise else 6), abs=1e-6)
    # Anywhere else, distances are those of the street.
    others = on_street(camera, PIXELS)
    for one in range(len(PIXELS)):
        gap = np.hypot(*(ground.to_ground(PIXELS) - ground.to_ground(PIXELS)[one]).T)
        np.testing.assert_allclose(gap, np.hypot(*(others - others[one]).T), atol=1e-6)


def _file(pixels: Floats, ground: Floats, **more: Any) -> dict[str, Any]:
    return {
        "picture": {"width": SIZE[0], "height": SIZE[1]},
        "zone": [{"id": "P", "name": "P", "polygon": [(300, 420), (900, 420), (900, 640), (300, 640)]}],
        "calibration": {
            "point": [
                {"picture": [float(v) for v in p], "ground": [float(v) for v in g]}
                for p, g in zip(pixels, ground, strict=True)
            ],
            **more,
        },
    }


def _exchanged(ground: Floats) -> Floats:
    after = ground[:4].copy()
    after[[2, 3]] = after[[3, 2]]
    return after


GROUND = on_street(street_camera(), PIXELS)


@pytest.mark.parametrize(
    ("pixels", "ground", "more", "words"),
    [
        # Three of four points on one kerb.
        (PIXELS[:4], np.array([(0, 0), (3, 0), (9, 0), (2, 5)]), {}, "point 3: .*one line on the ground"),
        # The same in the picture.
        (
            np.array([(200, 600), (400, 600), (700, 600.4), (500, 450)], float),
            GROUND[:4],
            {},
            "point 3: .*one line in the picture",
        ),
        # All points but one on a kerb tell as little.
        (
            PIXELS,
            np.array([(0, 0), (3, 0), (9, 0), (14, 0), (20, 0), (2, 5)]),
            {},
            "point 5: .*one line on the ground",
        ),
        (
            PIXELS[[0, 1, 2, 0]],
            GROUND[:4],
            {},
            "point 4: point 1 and point 4 are the same place in the picture",
        ),
        (
            PIXELS[:4],
            GROUND[[0, 1, 2, 1]],
            {},
            "point 4: point 2 and point 4 are the same place on the ground",
        ),
        # y to the right of x: everything fits, mirrored.
        (PIXELS, GROUND * [1, -1], {}, "mirrored.*exchange x and y"),
        (PIXELS, GROUND[:, ::-1], {}, "mirrored"),
        (PIXELS[:4], _exchanged(GROUND), {}, "horizon.*exchanged"),
        # One point far off.
        (
            PIXELS + np.eye(6)[:, 2:3] * [150, -90],
            GROUND,
            {},
            "point 3 contradicts the others",
        ),
        # A lens that folds the picture where the points are.
        (PIXELS, GROUND, {"k1": -1.5}, "point 1: the lens coefficients"),
        (PIXELS[:3], GROUND[:3], {}, "3 points are too few"),
        (PIXELS[:1], GROUND[:1], {}, "1 point is too few"),
    ],
)
def test_points_that_say_nothing_are_refused(
    pixels: Floats, ground: Floats, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        ZoneFile.model_validate(_file(pixels, ground, **more))


def test_a_file_that_is_refused_names_itself_the_point_and_the_mend() -> None:
    import tomli_w

    text = tomli_w.dumps(_file(PIXELS, GROUND * [1, -1]))
    with pytest.raises(PatrolError) as caught:
        parse_zone_file(text, name="street.toml")
    assert caught.value.file == "street.toml"
    assert "calibration" in str(caught.value)
    assert "Turn the sign of one ground axis" in str(caught.value)


def test_a_zone_in_the_sky_is_refused_but_a_screen_there_may_be_ignored() -> None:
    camera = street_camera()
    sky = [(300, 2), (900, 2), (900, 60), (300, 60)]
    horizon = 360 - camera.focal * math.tan(math.radians(camera.pitch))
    sky = [(u, v / 60 * (horizon - 2)) for u, v in sky] if horizon < 60 else sky
    with pytest.raises(ValueError, match="zone S: lies on or above the horizon"):
        calibrated(camera, {"id": "S", "polygon": sky})
    assert calibrated(camera, {"id": "S", "polygon": sky, "kind": "ignore"}).zone


def test_the_lens_is_found_from_points() -> None:
    camera = street_camera()
    pixels = np.vstack([PIXELS, [(60, 690), (1220, 690), (100, 400), (1200, 410), (640, 690)]])
    seen = Lens(*SIZE, -0.11, 0.02).distort(pixels)
    found = fit_lens(seen, on_street(camera, pixels), Lens(*SIZE, 0.0, 0.02))
    assert found.k1 == pytest.approx(-0.11, abs=1e-3)
    with pytest.raises(PatrolError, match="too few"):
        fit_lens(seen[:5], on_street(camera, pixels)[:5], Lens(*SIZE))


def vincenty(one: tuple[float, float], two: tuple[float, float]) -> tuple[float, float]:
    """Metres and direction (radians from north, clockwise) from one place to another on the ellipsoid, longitude
    first: T. Vincenty, Direct and inverse solutions of geodesics on the ellipsoid, 1975."""
    a, f = 6378137.0, 1 / 298.257223563
    b = a * (1 - f)
    u1 = math.atan((1 - f) * math.tan(math.radians(one[1])))
    u2 = math.atan((1 - f) * math.tan(math.radians(two[1])))
    across = lam = math.radians(two[0] - one[0])
    for _ in range(50):
        sin_s = math.hypot(
            math.cos(u2) * math.sin(lam),
            math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam),
        )
        cos_s = math.sin(u1) * math.sin(u2) + math.cos(u1) * math.cos(u2) * math.cos(lam)
        sigma = math.atan2(sin_s, cos_s)
        sin_a = math.cos(u1) * math.cos(u2) * math.sin(lam) / sin_s
        cos2_a = 1 - sin_a**2
        cos_2m = cos_s - 2 * math.sin(u1) * math.sin(u2) / cos2_a if cos2_a else 0.0
        c = f / 16 * cos2_a * (4 + f * (4 - 3 * cos2_a))
        before, lam = (
            lam,
            across + (1 - c) * f * sin_a * (sigma + c * sin_s * (cos_2m + c * cos_s * (2 * cos_2m**2 - 1))),
        )
        if abs(lam - before) < 1e-14:
            break
    uu = cos2_a * (a * a - b * b) / (b * b)
    big_a = 1 + uu / 16384 * (4096 + uu * (-768 + uu * (320 - 175 * uu)))
    big_b = uu / 1024 * (256 + uu * (-128 + uu * (74 - 47 * uu)))
    delta = big_b * sin_s * (cos_2m + big_b / 4 * cos_s * (2 * cos_2m**2 - 1))
    azimuth = math.atan2(
        math.cos(u2) * math.sin(lam),
        math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam),
    )
    return b * big_a * (sigma - delta), azimuth


@given(
    st.floats(-180, 180),
    st.floats(-80, 80),
    st.floats(-180, 180),
    st.floats(10, 1000),
    st.floats(-math.pi, math.pi),
)
def test_the_map_is_right_to_a_centimetre_over_a_kilometre(
    longitude: float, latitude: float, bearing: float, distance: float, direction: float
) -> None:
    plane = TangentPlane(longitude, latitude, bearing)
    metres = np.array([distance * math.cos(direction), distance * math.sin(direction)])
    there = plane.to_wgs84(metres)
    far, azimuth = vincenty((longitude, latitude), (float(there[0]), float(there[1])))
    assert far == pytest.approx(distance, abs=0.01)
    # The y axis points to the bearing, x a quarter further clockwise.
    expected = math.radians(bearing) + math.pi / 2 - direction
    turn = (azimuth - expected + math.pi) % (2 * math.pi) - math.pi
    assert abs(turn) * distance < 0.01
    assert plane.from_wgs84(there) == pytest.approx(metres, abs=1e-3)


def test_points_may_be_given_on_the_map() -> None:
    camera = street_camera()
    plane = TangentPlane(121.4737, 31.2304, 25.0)
    file = _file(PIXELS, GROUND)
    file["calibration"] = {
        "origin": {"longitude": 121.4737, "latitude": 31.2304},
        "bearing_deg": 25.0,
        "point": [
            {"picture": p.tolist(), "at": {"longitude": float(q[0]), "latitude": float(q[1])}}
            for p, q in zip(PIXELS, plane.to_wgs84(GROUND), strict=True)
        ],
    }
    ground = ground_of(ZoneFile.model_validate(file))
    np.testing.assert_allclose(ground.to_ground(PIXELS), on_street(camera, PIXELS), atol=1e-3)
    back = ground.from_wgs84(ground.to_wgs84(GROUND))
    np.testing.assert_allclose(back, GROUND, atol=1e-3)


def test_without_an_origin_there_is_no_map() -> None:
    ground = ground_of(calibrated(street_camera()))
    with pytest.raises(PatrolError, match="no origin"):
        ground.to_wgs84(np.zeros((1, 2)))
