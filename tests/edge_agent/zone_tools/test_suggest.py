"""Drafts of zones: from made-up heat, from a simulated street, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import Polygon, box
from typer.testing import CliRunner

from benchmarks.simulator import Scene
from edge_agent.build import WATCHED
from edge_agent.frames import Frame
from edge_agent.zone_tools.suggest import Heat, Rest, draft_zones, gather
from edge_agent.zone_tools.suggest.writing import draft_text, heat_picture
from edge_agent.zone_tools.suggest_cli import app
from models.detector import open_detector
from protocol.errors import PatrolError
from zones import parse_zone_file

PAVEMENT = box(0, 120, 640, 180)
ROAD = box(0, 200, 640, 330)


def heat(*, people: bool = True, rests: tuple[Rest, ...] = ()) -> Heat:
    """A street seen from the side: a bright pavement above a dark road; people kept 8 px from the pavement's edges."""
    background = np.full((360, 640, 3), 90, np.uint8)
    background[120:180] = 200
    background[200:330] = 40
    feet = np.zeros((360, 640), np.float32)
    if people:
        feet[128:172, 10:630] = 20
    wheels = np.zeros((360, 640), np.float32)
    wheels[215:320] = 10
    return Heat(
        width=640,
        height=360,
        scale=1.0,
        feet=feet,
        wheels=wheels,
        background=background,
        last=background.copy(),
        person_px=(0.0, 60.0) if people else None,
        people=900 if people else 3,
        passes=50,
        rests=rests,
        pictures=300,
        seconds=300,
    )


def standing_at(left: float, top: float) -> Rest:
    return Rest((left, top, left + 90, top + 40), "car", 200, 0.9, 280, 0.6, sure=0.5)


def test_pavement_ends_at_the_edges_of_the_picture_not_where_people_happened_to_walk() -> None:
    [proposal] = draft_zones(heat()).proposals
    drawn = Polygon(proposal.polygon)
    assert proposal.kind == "no_parking"
    assert drawn.intersection(PAVEMENT).area / drawn.union(PAVEMENT).area > 0.9
    assert drawn.intersection(ROAD).area == 0
    assert "people walked on" in proposal.why


def test_without_people_nothing_is_called_pavement() -> None:
    draft = draft_zones(heat(people=False))
    assert draft.proposals == ()
    assert any("hardly anybody walked (3 sightings in 300 s)" in remark for remark in draft.remarks)


def test_a_vehicle_on_the_road_side_makes_a_bay_and_one_on_the_pavement_does_not() -> None:
    draft = draft_zones(heat(rests=(standing_at(100, 165), standing_at(300, 120))))
    bays = [each for each in draft.proposals if each.kind == "parking_bay"]
    assert len(bays) == 1
    assert Polygon(bays[0].polygon).intersects(box(100, 190, 190, 205))
    assert any("stood on the proposed pavement" in remark for remark in draft.remarks)


def test_a_draft_is_a_valid_zone_file_that_says_it_is_one() -> None:
    seen = heat(rests=(standing_at(100, 165),))
    draft = draft_zones(seen)
    text = draft_text(draft, seen, source="street\n.mp4", camera="cam1")
    assert text is not None
    assert text.startswith("# A DRAFT")
    file = parse_zone_file(text)
    assert [zone.id for zone in file.zone] == ["pavement-1", "bay-1"]
    assert [zone.polygon for zone in file.zone] == [each.polygon for each in draft.proposals]
    assert all(each.why in text for each in draft.proposals)
    assert heat_picture(seen).shape == (360, 640, 3)


def test_a_simulated_street_gives_its_pavement() -> None:
    scene = Scene.from_dict(
        {
            "schema": 1,
            "title": "walk",
            "seed": 7,
            "size": [640, 360],
            "duration_s": 120,
            "camera": {"at": [12, -3], "height": 6, "yaw": 150, "pitch": 18, "fov": 50},
            "light": {"time": "day", "sun": [255, 46]},
            "street": {
                "band": [
                    {"kind": "road", "y": [-7, 7]},
                    {"kind": "kerb", "y": [7, 7.25]},
                    {"kind": "pavement", "y": [7.25, 13]},
                ],
                "building": [{"y": 14.5, "height": 13}],
            },
            "zone": [
                {
                    "id": "P",
                    "name": "P",
                    "kind": "no_parking",
                    "polygon": [[5, 7.25], [-24, 7.25], [-24, 13], [5, 13]],
                }
            ],
            "crowd": [{"count": 12, "x": [-24, 5], "y": [7.6, 12.5]}],
        }
    )
    from benchmarks.simulator.truth import make_truth

    detector = open_detector("nanodet-g", score_threshold=0.2, iou_threshold=0.5, classes=WATCHED)
    frames = (Frame("c", at, scene.render(at), at // 4000) for at in range(0, 120_000, 4000))
    told: list[int] = []
    seen = gather(frames, detector, progress=told.append)
    assert seen is not None
    assert told == list(range(1, 31))
    [zone] = make_truth(scene, occlusion=False).zones
    true = Polygon(zone.polygon_px)
    proposals = draft_zones(seen).proposals
    drawn = max((Polygon(p.polygon) for p in proposals if p.kind == "no_parking"), key=lambda p: p.area)
    assert drawn.intersection(true).area / drawn.union(true).area > 0.5
    assert drawn.intersection(true).area / drawn.area > 0.7


def test_pictures_of_two_sizes_are_refused() -> None:
    detector = open_detector("nanodet-g", classes=WATCHED)
    frames = [
        Frame("c", number, np.zeros((90, 160 + 2 * number, 3), np.uint8), number) for number in range(2)
    ]
    with pytest.raises(PatrolError, match="picture 2 has another size"):
        gather(frames, detector)
    assert gather([], detector) is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["{clip}", "--out", "{old}"], "exists already"),
        (["{clip}", "--out", "draft.json"], "must end in .toml"),
        (["{clip}", "--out", "{new}", "--picture", "x.gif"], "no such picture format"),
        (["nowhere.mp4", "--out", "{new}"], "there is no such file"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    old = tmp_path / "old.toml"
    old.write_text("mine")
    places = {"clip": str(tmp_path / "clip.mp4"), "old": str(old), "new": str(tmp_path / "new.toml")}
    result = CliRunner().invoke(app, [argument.format(**places) for argument in arguments])
    assert isinstance(result.exception, PatrolError)
    assert problem in str(result.exception)
    assert old.read_text() == "mine"
    assert not (tmp_path / "new.toml").exists()


def test_a_recording_in_which_nothing_happens_says_so_and_writes_nothing(tmp_path: Path) -> None:
    import cv2

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((90, 160, 3), 120, np.uint8))
    out = tmp_path / "draft.toml"
    result = CliRunner().invoke(app, [str(folder), "--out", str(out), "--json"])
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert told["zones"] == []
    assert told["file"] is None
    assert told["remarks"]
    assert not out.exists()
