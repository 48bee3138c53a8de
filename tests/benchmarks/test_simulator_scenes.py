"""Simulated scenes: the same seed gives the same picture, and the ground truth is what the picture shows."""

from __future__ import annotations

import itertools
import math
import tomllib
from typing import Any

import numpy as np
import pytest

from benchmarks.simulator import Scene, load_scene, preset_names, zone_file
from benchmarks.simulator.motion import Stop, Track
from protocol.errors import PatrolError


def small_scene(**changes: Any) -> dict[str, Any]:
    """A short street: one car stands on the pavement, another passes in front of it."""
    scene: dict[str, Any] = {
        "schema": 1,
        "seed": 4,
        "size": [320, 180],
        "fps": 10,
        "duration_s": 20,
        "camera": {"at": [0, -7], "height": 4.5, "yaw": 95, "pitch": 14, "fov": 60},
        "street": {
            "band": [{"kind": "road", "y": [-5, 7]}, {"kind": "pavement", "y": [7, 12]}],
            "building": [{"y": 12}],
        },
        "zone": [
            {
                "id": "P1",
                "name": "Pavement",
                "kind": "no_parking",
                "polygon": [[-20, 7], [20, 7], [20, 12], [-20, 12]],
                "confirm_after_s": 10,
            }
        ],
        "place": [{"id": "spot", "at": [0.5, 9], "heading": 180}],
        "vehicle": [
            {
                "id": "stays",
                "kind": "saloon",
                "colour": "red",
                "plate": "京A12345",
                "from_s": 0,
                "route": [{"at": [9, 4]}, {"place": "spot", "wait_s": 6}, {"at": [-30, 4]}],
            },
            {
                "id": "passes",
                "kind": "van",
                "colour": "white",
                "from_s": 4.5,
                "speed_kmh": 36,
                "route": [{"at": [20, 3]}, {"at": [-30, 3]}],
            },
        ],
    }
    return scene | changes


def test_two_scenes_of_one_seed_are_equal_in_every_pixel() -> None:
    first, second = Scene.from_dict(small_scene()), Scene.from_dict(small_scene())
    for t_ms in (0, 3_100, 9_400):
        assert np.array_equal(first.render(t_ms), second.render(t_ms))


def test_a_picture_does_not_depend_on_what_was_drawn_before() -> None:
    forwards, backwards = Scene.from_dict(small_scene()), Scene.from_dict(small_scene())
    times = [0, 2_000, 5_000, 9_500, 14_000]
    drawn = {t: forwards.render(t) for t in times}
    for t in reversed(times):
        assert np.array_equal(backwards.render(t), drawn[t])


def test_another_seed_gives_another_picture() -> None:
    first, second = Scene.from_dict(small_scene()), Scene.from_dict(small_scene(seed=5))
    assert not np.array_equal(first.render(5_000), second.render(5_000))


def test_pictures_are_8_bit_bgr_of_the_size_asked_for() -> None:
    picture = Scene.from_dict(small_scene()).render(0)
    assert picture.shape == (180, 320, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("preset", preset_names())
def test_homography_and_projection_agree(preset: str) -> None:
    camera = load_scene(preset).camera
    pixels = np.array(
        [[x * camera.width, camera.height_px * y] for x in (0.05, 0.5, 0.95) for y in (0.6, 0.8, 0.99)]
    )
    ground = camera.to_ground(pixels)
    back = camera.project(np.concatenate([ground, np.zeros((len(ground), 1))], axis=1))
    assert np.abs(back - pixels).max() < 0.5


def test_a_standing_vehicle_is_where_the_truth_says() -> None:
    bright = {
        "light": {"time": "day", "noise": 0.0, "rain": 0.4}
    }  # no sun: its shadow would join the difference
    with_car = Scene.from_dict(small_scene(**bright))
    stay = next(s for s in with_car.truth(occlusion=False).stays if s.vehicle == "stays")
    without = Scene.from_dict(small_scene(vehicle=[], **bright))
    t_ms = stay.standing_ms + 500
    difference = np.abs(with_car.render(t_ms).astype(int) - without.render(t_ms)).max(axis=2)
    rows, columns = np.nonzero(difference > 40)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    for edge, told in zip(seen[:3], stay.box[:3], strict=True):
        assert abs(edge - told) <= 3
    assert abs(seen[3] - stay.box[3]) <= 5  # below it lies its contact shadow


def test_the_truth_names_times_place_zone_and_plate() -> None:
    scene = Scene.from_dict(small_scene())
    truth = scene.truth()
    stay = next(s for s in truth.stays if s.vehicle == "stays")
    assert stay.place == "spot"
    assert stay.zones == ["P1"]
    assert stay.leaving_ms is not None
    assert stay.leaving_ms - stay.standing_ms == 6_000
    assert stay.arriving_ms < stay.standing_ms < stay.leaving_ms < (stay.gone_ms or 0)
    vehicle = next(v for v in truth.vehicles if v.id == "stays")
    assert (vehicle.plate, vehicle.plate_kind, vehicle.class_name) == ("京A12345", "blue", "car")
    assert type(truth).model_validate_json(truth.model_dump_json()) == truth


def test_a_vehicle_moves_only_outside_its_stay() -> None:
    scene = Scene.from_dict(small_scene())
    stay = next(s for s in scene.truth(occlusion=False).stays if s.vehicle == "stays")
    track = next(v for v in scene.vehicles if v.id == "stays").track
    assert stay.leaving_ms is not None
    poses = {track.at(t)[0] for t in range(stay.standing_ms, stay.leaving_ms, 200)}  # type: ignore[index]
    assert len(poses) == 1
    (rest,) = poses
    for t_ms in (stay.standing_ms - 400, stay.leaving_ms + 1_200):
        at = track.at(t_ms)
        assert at is not None
        assert math.dist((at[0].x, at[0].y), (rest.x, rest.y)) > 0.05


def test_the_truth_sees_the_bus_that_passes_in_front() -> None:
    scene = small_scene()
    scene["vehicle"][1]["kind"] = "bus"
    stay = next(s for s in Scene.from_dict(scene).truth().stays if s.vehicle == "stays")
    (passing,) = stay.occluded
    assert passing.by == ["passes"]
    assert passing.least_visible < 0.6
    assert stay.standing_ms < passing.from_ms < passing.to_ms < (stay.leaving_ms or 0)
    assert stay.visible[0].fraction == 1.0
    assert stay.visible[-1].fraction == 1.0


def test_a_van_behind_the_car_hides_nothing_of_it() -> None:
    scene = small_scene()
    scene["vehicle"][1]["route"] = [{"at": [20, 11.5]}, {"at": [-30, 11.5]}]
    stay = next(s for s in Scene.from_dict(scene).truth().stays if s.vehicle == "stays")
    assert stay.occluded == []


def test_speed_never_jumps_and_keeps_its_limit() -> None:
    stops = [
        Stop(0, 0, None, 0, 10),
        Stop(60, 0, None, 3, 10),
        Stop(90, 3, None, 0, 5),
        Stop(140, 3, None, 0, 12),
    ]
    track = Track(stops, 0.0)
    before = None
    for t_ms in range(0, int(track.end_s * 1000), 50):
        at = track.at(t_ms)
        assert at is not None
        pose = (at[0].x, at[0].y)
        if before is not None:
            assert math.dist(pose, before) <= 12 * 0.05 + 0.02
        before = pose
    assert [h.leave_ms - h.stand_ms for h in track.halts if h.leave_ms is not None] == [3_000]


def test_a_frozen_camera_shows_one_picture_and_a_dead_one_none() -> None:
    events = [
        {"kind": "freeze", "from_s": 3, "to_s": 6},
        {"kind": "black", "from_s": 7, "to_s": 8},
        {"kind": "outage", "from_s": 9, "to_s": 11},
    ]
    scene = Scene.from_dict(small_scene(event=events))
    assert np.array_equal(scene.render(3_000), scene.render(5_900))
    assert not np.array_equal(scene.render(5_900), scene.render(6_100))
    assert scene.render(7_500).max() == 0
    assert scene.outages == [(9_000, 11_000)]
    assert [e.kind for e in scene.truth(occlusion=False).events] == ["freeze", "black", "outage"]


def test_traffic_keeps_its_distance() -> None:
    lane = {"y": 1, "x": [-40, 40], "every_s": [0.5, 3], "speed_kmh": [10, 60]}
    scene = Scene.from_dict(small_scene(vehicle=[], traffic=[lane], duration_s=120))
    assert len(scene.vehicles) > 5
    for t_ms in range(0, 120_000, 500):
        places = sorted(s.pose.x for s in scene.seen_at(t_ms))
        assert all(ahead - behind > 5 for behind, ahead in itertools.pairwise(places))


def test_any_instant_of_a_twelve_hour_stay_can_be_drawn() -> None:
    scene = small_scene(duration_s=43_200, traffic=[{"y": 1, "x": [-40, 40]}])
    scene["vehicle"][0]["route"][1]["wait_s"] = math.inf
    street = Scene.from_dict(scene)
    assert street.render(43_199_000).shape == (180, 320, 3)
    stay = next(s for s in street.truth(occlusion=False).stays if s.vehicle == "stays")
    assert stay.leaving_ms is None


def test_the_zone_file_lies_in_the_picture() -> None:
    zones = tomllib.loads(zone_file(Scene.from_dict(small_scene())))
    assert zones["schema"] == 1
    assert zones["picture"] == {"width": 320, "height": 180}
    (zone,) = zones["zone"]
    assert zone["confirm_after_s"] == 10
    assert len(zone["polygon"]) >= 3
    assert all(0 <= x <= 320 and 0 <= y <= 180 for x, y in zone["polygon"])


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_draws_and_has_a_sound_zone_file(preset: str) -> None:
    scene = load_scene(preset).changed(size=(320, 180))
    assert scene.render(scene.duration_ms // 2).std() > 5
    assert tomllib.loads(zone_file(scene))["zone"]


def test_the_demo_plays_as_told() -> None:
    truth = load_scene("demo_pavement").truth()
    (stay,) = truth.stays
    assert stay.zones == ["P1"]
    assert stay.leaving_ms is None
    assert stay.plate_px >= 100
    # Confirmation 10 s, grace 45 s and time for an officer before the scene ends.
    assert truth.duration_ms - stay.standing_ms > 120_000
    hidden = [o for o in stay.occluded if "bus" in o.by]
    assert len(hidden) == 1
    assert 5_000 <= hidden[0].to_ms - hidden[0].from_ms <= 8_000
    assert hidden[0].least_visible < 0.1
    bays = {s.vehicle: s for s in load_scene("demo_bays").truth(occlusion=False).stays}
    assert bays["corrected"].zones == ["P2"]
    corrected, rules = bays["corrected"], load_scene("demo_bays").spec.zone[0]
    assert rules.confirm_after_s is not None
    assert rules.grace_s is not None
    stood_s = ((corrected.leaving_ms or 0) - corrected.standing_ms) / 1000
    assert rules.confirm_after_s + 5 < stood_s < rules.confirm_after_s + rules.grace_s - 5
    assert bays["in_bay"].zones == ["B2"]


def test_the_replacement_comes_15_seconds_later_to_the_same_place() -> None:
    first, second = load_scene("replacement").truth(occlusion=False).stays
    assert (first.place, second.place) == ("spot", "spot")
    assert first.leaving_ms is not None
    assert abs(second.standing_ms - first.leaving_ms - 15_000) < 1_500


def _with(path: str, value: Any) -> dict[str, Any]:
    scene = small_scene()
    target: Any = scene
    *way, last = path.split(".")
    for part in way:
        target = target[int(part)] if part.isdigit() else target[part]
    target[last] = value
    return scene


@pytest.mark.parametrize(
    ("scene", "field"),
    [
        (_with("camera.hight", 4), "camera.hight"),  # unknown key
        (_with("camera.fov", 400), "camera.fov"),  # out of range
        (_with("size", [321, 180]), "size[1]"),  # odd width
        (_with("vehicle.0.kind", "tank"), "vehicle[1].kind"),
        (_with("vehicle.0.plate", "京I12345"), "vehicle[1].plate"),  # no plate has an I
        (_with("vehicle.0.route", []), "vehicle[1].route"),
        (_with("street.band", []), "street.band"),
        (_with("zone.0.polygon", [[0, 0], [1, 1]]), "zone[1].polygon"),
        (_with("light", {"time": "noon"}), "light.time"),
        (_with("schema", 2), "schema"),
    ],
)
def test_a_bad_scene_names_file_and_field(scene: dict[str, Any], field: str) -> None:
    with pytest.raises(PatrolError) as caught:
        Scene.from_dict(scene, file="street.toml")
    assert caught.value.file == "street.toml"
    assert caught.value.field == field
    assert caught.value.mend


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("vehicle.1.id", "stays", "'stays'"),  # twice
        ("vehicle.0.route", [{"place": "nowhere"}], "'nowhere'"),
        ("start", "yesterday", "yesterday"),
    ],
)
def test_a_scene_that_contradicts_itself_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(PatrolError, match=words):
        Scene.from_dict(_with(path, value))


def test_a_zone_outside_the_picture_is_refused() -> None:
    scene = Scene.from_dict(_with("zone.0.polygon", [[-20, -40], [20, -40], [20, -30]]))
    with pytest.raises(PatrolError) as caught:
        zone_file(scene)
    assert caught.value.field == "zone P1"
