"""Two small scenes of the accuracy benchmark through the real engine and the real detector."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from benchmarks.accuracy.play import play
from benchmarks.accuracy.run import Outcome, fingerprint, rules_of
from benchmarks.accuracy.score import Fault, Judgement, judge
from benchmarks.accuracy.script import Script, draw_script
from benchmarks.accuracy.truth import true_stays
from benchmarks.cli import app
from benchmarks.simulator.scene import Scene
from edge_agent.build import open_perceiver


@pytest.fixture(scope="module")
def script() -> Script:
    """One car on the pavement from the beginning on, gone after 52 s; a clock of 15 and 10 s."""
    plain = draw_script(1, 0)
    scene = plain.scene | {
        "duration_s": 70,
        "camera": {"at": [3.0, -8.0], "height": 5.5, "yaw": 100.0, "pitch": 15.0, "fov": 62.0},
        "traffic": [],
        "crowd": [],
        "vehicle": [
            {
                "id": "v1", "kind": "suv", "colour": "red", "from_s": -10,
                "route": [
                    {"at": [0, 9.3], "heading": 180, "wait_s": 62},
                    {"at": [-8, 5.3], "heading": 180, "speed_kmh": 20}, {"at": [-95, 5.2]},
                ],
            }
        ],
    }  # fmt: skip
    zone = scene["zone"][0] | {"confirm_after_s": 15, "grace_s": 10}
    return replace(plain, scene=scene | {"zone": [zone]}, confirm_s=15, grace_s=10)


def test_one_stay_is_one_case_one_task_and_its_end_is_seen(script: Script) -> None:
    scene = Scene.from_dict(script.scene)
    log = play(script, scene, open_perceiver("nanodet-g", plates=False))
    found = judge(true_stays(scene), log, rules_of(script))
    assert (found.right, found.missed, found.false) == (1, 0, 0)
    assert (found.tasks, found.tasks_right, found.wrongful) == (1, 1, 0)
    assert found.moments[0].near
    assert log.inferences < len(log.looks)  # nothing moved: the change test spared most


def test_a_restart_with_a_stepped_clock_and_a_frozen_picture_make_no_task_early(script: Script) -> None:
    events = [{"kind": "freeze", "from_s": 8, "to_s": 15}]
    stepped = replace(
        script, scene=script.scene | {"event": events, "duration_s": 56}, restarts=((22, 3600.0),)
    )
    scene = Scene.from_dict(stepped.scene)
    log = play(stepped, scene, open_perceiver("nanodet-g", plates=False))
    found = judge(true_stays(scene), log, rules_of(stepped))
    assert found.wrongful == 0
    assert found.switches == 0
    assert len(log.opened) == 1
    assert set(log.planned) - set(log.looks) == {10_000, 12_000, 14_000}


def test_the_command_goes_on_where_it_was_and_writes_figures_and_report(tmp_path: Path) -> None:
    """The scenes are kept ones, so nothing is played again; the worst is drawn."""
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    out.mkdir()
    bad = Judgement(right=1, missed=1, faults=[Fault("no case", 90_000, "v1-1")])
    script = draw_script(3, 1)
    kept = Outcome(
        1, 3, script.light, script.situation, script.angle, script.distance, script.crowding, bad, 9, 99, 1.0
    )
    for outcome in (replace(kept, number=0, light="day", judgement=Judgement(right=2)), kept):
        line = {"program": fingerprint("nanodet-g"), **asdict(outcome)}
        with (out / "scenes.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    before = (out / "scenes.jsonl").read_bytes()
    command = [
        "accuracy",
        "--scenes",
        "2",
        "--seed",
        "3",
        "--jobs",
        "1",
        "--out",
        str(out),
        "--json",
        str(figures),
    ]
    ran = CliRunner().invoke(app, command, env={"PATROL_SHARED": str(tmp_path)})
    assert ran.exit_code == 1, ran.output
    assert (out / "scenes.jsonl").read_bytes() == before
    told = json.loads(figures.read_text("utf-8"))["accuracy"]
    assert told == {
        "f1": {"day": 1.0, "dusk": 0.6667, "night": None, "rain": None, "real": None},
        "within_10s": None, "cases_per_stay_12h": None, "cases_per_stay_12h_min": None,
        "cases_per_stay_12h_max": None, "false_cases_12h": None, "wrongful_tasks": 0,
    }  # fmt: skip
    assert "footage/kerb_street" in ran.output  # clips that are not there are named
    page = (out / "report.html").read_text("utf-8")
    picture = next(out.glob("worst-01-*.png"))
    assert picture.name in page
    assert "<svg" in page
    assert cv2.imread(str(picture)).shape == (540, 960, 3)
