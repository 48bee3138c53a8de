"""A recording through the whole agent: the same events at any speed, and the cases that the truth has."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulator import load_scene, zone_file
from benchmarks.simulator.encode import encode
from benchmarks.simulator.truth import Stay, Truth
from edge_agent.evidence.manifest import read_package
from protocol.clock import from_iso
from zones.geometry import iou

SCENE = Path(__file__).resolve().parent.parent / "acceptance" / "scenes" / "two_cases.toml"
START = "2026-01-01T00:00:00Z"
CONFIRM_S, GRACE_S, PERIOD_S = 3, 6, 1


@dataclass(frozen=True)
class Clip:
    video: Path
    zones: Path
    truth: Truth


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The scene, drawn once: 36 seconds, a keyframe a second."""
    folder = tmp_path_factory.mktemp("clip")
    scene = load_scene(str(SCENE))
    encode(scene, folder / "street.mp4", gop_s=1.0)
    (folder / "zones.toml").write_text(zone_file(scene), "utf-8")
    return Clip(folder / "street.mp4", folder / "zones.toml", scene.truth())


def replay(clip: Clip, *options: str) -> bytes:
    """What `patrol agent replay --json` prints."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "patrol", "agent", "replay", str(clip.video)),
            *("--zones", str(clip.zones), "--json", "--start", START, "--period", str(PERIOD_S)),
            *("--confirm", str(CONFIRM_S), "--grace", str(GRACE_S), *options),
        ],
        capture_output=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def printed(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """One replay as fast as possible, and the folder that it kept its data in."""
    data = tmp_path_factory.mktemp("replay") / "data"
    return replay(clip, "--data", str(data)), data


def events_of(printed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_the_same_recording_gives_the_same_bytes_at_any_speed(
    clip: Clip, printed: tuple[bytes, Path]
) -> None:
    assert printed[0]
    assert replay(clip, "--speed", "4") == printed[0], "and whether its data is kept or not"


def test_exactly_the_stays_of_the_truth_become_cases(clip: Clip, printed: tuple[bytes, Path]) -> None:
    forbidden = {zone.id for zone in clip.truth.zones if zone.kind == "no_parking"}
    expected = [stay for stay in clip.truth.stays if forbidden & set(stay.zones) and lasts(stay)]
    assert {stay.vehicle for stay in expected} == {"leaver", "stayer"}
    cases = dict.fromkeys(e["case"] for e in events_of(printed[0]) if e["case"] is not None)
    found: dict[str, str] = {}
    for case_id in cases:
        package = read_package(printed[1] / "evidence" / case_id)
        assert package is not None
        first = package.entries[0].manifest
        (stay,) = [s for s in expected if iou(s.box, first.meta.box) > 0.6 and s.vehicle not in found]
        found[stay.vehicle] = case_id
        at_ms = first.meta.taken_at_ms - from_iso(START)
        # A vehicle that may have rolled on between two looks stands from the second one on.
        assert stay.standing_ms < at_ms < stay.standing_ms + (CONFIRM_S + 6 * PERIOD_S) * 1000
    assert set(found) == {"leaver", "stayer"}
    end = {e["case"]: e["state"] for e in events_of(printed[0])}
    assert end[found["leaver"]] == "self_corrected"
    assert end[found["stayer"]] == "tasked"


def lasts(stay: Stay) -> bool:
    return stay.leaving_ms is None or stay.leaving_ms - stay.standing_ms > CONFIRM_S * 1000


def test_who_stays_is_warned_and_gets_the_whole_of_the_grace_period(printed: tuple[bytes, Path]) -> None:
    events = events_of(printed[0])
    (tasked,) = [e for e in events if e["state"] == "tasked"]
    mine = {e["state"]: from_iso(e["time"]) for e in events if e["case"] == tasked["case"]}
    assert list(mine) == ["confirmed", "notified", "rechecking", "tasked"]
    assert mine["tasked"] - mine["notified"] >= GRACE_S * 1000


def test_a_folder_that_holds_something_is_not_written_to(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AssertionError, match=r"is not empty.*\n?.*Name a new folder"):
        replay(clip, "--data", str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
