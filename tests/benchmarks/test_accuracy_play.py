"""Two small scenes of the accuracy benchmark through the real engine and the real detector."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.accuracy.play import play
from benchmarks.accuracy.run import rules_of
from benchmarks.accuracy.score import judge
from benchmarks.accuracy.script import Script, draw_script
from benchmarks.accuracy.truth import true_stays
from benchmarks.cli import app
from benchmarks.simulator.scene import Scene
from edge_agent.build import open_perceiver


@pytest.fixture(scope="module")
def script() -> Script:
    """One car on the pavement from the beginning on, gone after 44 s; a clock of 15 and 10 s."""
    plain = draw_script(1, 0)
    scene = plain.scene | {
        "duration_s": 64,
        "camera": {"at": [3.0, -8.0], "height": 5.5, "yaw": 100.0, "pitch": 15.0, "fov": 62.0},
        "traffic": [],
        "crowd": [],
        "vehicle": [
            {
                "id": "v1", "kind": "suv", "colour": "red", "from_s": -10,
                "route": [
                    {"at": [0, 9.3], "heading": 180, "wait_s": 54},
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


def test_the_command_writes_figures_and_report_and_goes_on_where_it_was(tmp_path: Path) -> None:
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    command = [
        "accuracy",
        "--scenes",
        "1",
        "--seed",
        "3",
        "--jobs",
        "1",
        "--out",
        str(out),
        "--json",
        str(figures),
    ]
    first = CliRunner().invoke(app, command)
    assert first.exit_code in (0, 1), first.output
    told = json.loads(figures.read_text("utf-8"))
    assert set(told["accuracy"]) == {"f1", "within_10s", "cases_per_stay_12h", "wrongful_tasks"}
    assert set(told["accuracy"]["f1"]) == {"day", "dusk", "night", "rain", "real"}
    assert "<svg" in (out / "report.html").read_text("utf-8")
    kept = (out / "scenes.jsonl").read_text("utf-8")
    CliRunner().invoke(app, command)
    assert (out / "scenes.jsonl").read_text("utf-8") == kept
    assert json.loads(figures.read_text("utf-8"))["accuracy"] == told["accuracy"]
