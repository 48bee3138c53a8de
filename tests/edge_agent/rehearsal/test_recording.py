"""A drawn recording through the whole agent, by the old and the new zones: detector, closer looks, cases, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulator import encode, zone_file
from benchmarks.simulator.scene import Scene
from tests.edge_agent.rehearsal.test_cli import Captured, patrol
from zones import dump_zone_file, load_zone_file

SCENE: dict[str, Any] = {
    "schema": 1, "title": "One on the pavement, one in the bay", "seed": 9, "size": [1280, 720], "fps": 2, "duration_s": 20,
    "camera": {"at": [9, -3], "height": 5.0, "yaw": 138, "pitch": 18, "fov": 38},
    "light": {"time": "day", "sun": [255, 46]},
    "street": {
        "band": [
            {"kind": "pavement", "y": [-12, -7.2]}, {"kind": "kerb", "y": [-7.2, -7]}, {"kind": "road", "y": [-7, 7]},
            {"kind": "kerb", "y": [7, 7.25]}, {"kind": "pavement", "y": [7.25, 13]},
        ],
        "line": [{"y": 0, "colour": "yellow"}],
        "building": [{"y": 14.5, "height": 13}],
    },
    "zone": [
        {"id": "P1", "name": "North pavement", "kind": "no_parking", "confirm_after_s": 4, "grace_s": 5,
         "polygon": [[6, 7.25], [-26, 7.25], [-26, 13], [6, 13]]},
        {"id": "B1", "name": "Parking bay", "kind": "parking_bay",
         "polygon": [[-3, 4.7], [-26, 4.7], [-26, 7.0], [-3, 7.0]]},
    ],
    "place": [{"id": "near", "at": [-0.5, 10.0], "heading": 120}, {"id": "bay", "at": [-8.5, 5.9], "heading": 180}],
    "vehicle": [
        {"id": "stayer", "kind": "saloon", "colour": "black", "route": [{"place": "near", "wait_s": float("inf")}]},
        {"id": "in_bay", "kind": "hatchback", "colour": "blue", "route": [{"place": "bay", "wait_s": float("inf")}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds, a keyframe a second; beside it the zones as they are, and with the bay forbidden."""
    folder = tmp_path_factory.mktemp("clip")
    scene = Scene.from_dict(SCENE)
    encode(scene, folder / "street.mp4", gop_s=1.0)
    (folder / "old.toml").write_text(zone_file(scene), "utf-8")
    old = load_zone_file(folder / "old.toml")
    turned = tuple(
        zone.model_copy(update={"kind": "fire_lane", "confirm_after_s": 4.0, "grace_s": 5.0})
        if zone.id == "B1"
        else zone
        for zone in old.zone
    )
    (folder / "new.toml").write_text(dump_zone_file(old.model_copy(update={"zone": turned})), "utf-8")
    return folder


def test_a_recording_is_rehearsed_by_the_whole_agent(clip: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "report.html"
    code = patrol(
        clip / "new.toml", "--on", clip / "street.mp4", "--old", clip / "old.toml", "--period", 1, "--no-plates",
        "--html", out, "--json",
    )  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert code == 1
    assert told["how"] == "recording"
    (flip,) = told["flips"]
    assert flip["kinds"] == ["new_case"]
    assert flip["old"]["cases"] == []
    assert "where standing is allowed" in flip["old"]["why"]
    (case,) = flip["new"]["cases"]
    assert case["zone_id"] == "B1"
    assert case["tasked_ms"] is not None
    assert flip["caveats"] == ["standing"]
    # Both vehicles were looked at; the one on the pavement is decided as before.
    assert told["looked_at"]["stays"] == 2
    page = out.read_text("utf-8")
    assert page.count("data:image/jpeg") == 2
    assert "全部" in page
