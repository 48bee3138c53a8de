"""Troubles while the agent runs: named in its health or log, and over when their cause is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.loop import Loop, check_promises
from tests.acceptance.parts import BROKER_PASSWORD, CAMERA_PASSWORD

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Street = Callable[..., Loop]

DISK_MIB = 24


def small_disk(folder: Path) -> list[str]:
    """A command that starts another with a disk of its own at `folder`, seen by nobody else."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "util-linux belongs to the system packages that tests need"
    script = f"mount -t tmpfs -o size={DISK_MIB}m patrol '{folder}' && exec \"$@\""
    way = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    return [unshare, *way, "sh", "-c", script, "sh"]


def fill(folder: Path) -> Path:
    """Use up the last byte of a disk; returns the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_a_full_disk_is_named_and_nothing_is_lost(street: Street, tmp_path: Path) -> None:
    disk = tmp_path / "data"
    disk.mkdir()
    with street(before=small_disk(disk)) as loop:
        loop.reached("notified")
        ballast = fill(Path(f"/proc/{loop.agent.pid}/root") / disk.relative_to("/"))
        loop.watch.until(lambda: "disk_full" in loop.centre.problems(), "a complaint about the disk")
        before = loop.centre.states()
        assert before[:2] == ["confirmed", "notified"]
        ballast.unlink()
        loop.watch.until(lambda: "disk_full" not in loop.centre.problems(), "the end of the complaint")
        loop.finish()
        assert loop.centre.states() == ["confirmed", "notified", "rechecking", "tasked", "closed"]
        loop.watch.until(lambda: loop.centre.problems() == "", "a health without complaints")
        assert len(loop.sms()) == 1
        assert loop.agent.stop() == 0
        assert "Traceback" not in loop.logged()


def test_a_broker_that_refuses_the_password_is_named(street: Street) -> None:
    with street(broker_password="an old word") as loop:
        loop.watch.until(lambda: "confirmed" in loop.agent.states(), "a case")
        loop.watch.until(lambda: "mqtt_refused: not authorised" in loop.logged(), "the refusal in the log")
        assert loop.centre.seen == {}
        # The password is corrected while the agent runs; nothing of what waited is lost.
        (loop.folder / "broker.password").write_text(BROKER_PASSWORD + "\n")
        loop.finish()
        assert loop.agent.stop() == 0
        check_promises(loop)
        assert "an old word" not in loop.logged()


def test_a_camera_that_refuses_the_password_is_named_and_taken_up_again(street: Street) -> None:
    with street() as loop:
        secret = loop.folder / "camera.password"
        loop.reached("observing")
        secret.write_text("an old word\n")
        loop.camera.kill()
        loop.start_camera()
        loop.watch.until(
            lambda: loop.centre.health[-1]["cameras"][0]["state"] == "unauthorised", "the camera's refusal"
        )
        secret.write_text(CAMERA_PASSWORD + "\n")
        loop.finish()
        assert loop.agent.stop() == 0
        check_promises(loop)


def test_zones_for_another_shape_of_picture_stop_their_own_camera_only(
    street: Street, tmp_path: Path
) -> None:
    (tmp_path / "cam2.zones.toml").write_text(
        """
[picture]
width = 640
height = 640
[[zone]]
id = "P2"
name = "Drawn for another camera"
polygon = [[10, 10], [600, 10], [600, 600], [10, 600]]
"""
    )
    loop = street()
    loop.more = '[[camera]]\nid = "cam2"\nzones = "cam2.zones.toml"\nSOURCE'
    with loop:
        loop.watch.until(lambda: "cam2" in loop.centre.problems(), "a complaint about the zones of cam2")
        assert "zones" in loop.centre.problems()
        assert "cam1" not in loop.centre.problems()
        loop.finish()
        assert {event["camera"] for event in loop.agent.events} == {"cam1"}
        # Zones that fit are taken up without a restart.
        path = tmp_path / "cam2.zones.toml"
        path.write_text(path.read_text().replace("height = 640", "height = 360").replace("600]", "300]"))
        loop.watch.until(lambda: "cam2" not in loop.centre.problems(), "the end of the complaint")
        assert loop.agent.stop() == 0
        check_promises(loop)


def test_damaged_evidence_is_named_and_stops_nothing(street: Street) -> None:
    """The disk has spoilt the manifest of an open case: no task rests on it, and the agent goes on."""
    with street() as loop:
        loop.reached("notified")
        (manifest,) = (loop.folder / loop.data / "evidence").glob("*/manifest.json")
        sound = manifest.read_bytes()
        manifest.write_bytes(
            sound.replace(b"pavement", b"pavemant").replace(b"Pavement", b"Pavemant", 1)[:-9]
        )
        loop.watch.until(lambda: "damaged: " in loop.centre.problems(), "a complaint about the evidence")
        assert "manifest.json" in loop.centre.problems()
        assert loop.centre.of("enforcement_task") == []
        manifest.write_bytes(sound)
        loop.finish()
        assert loop.agent.stop() == 0
        check_promises(loop)


def test_two_agents_never_work_on_one_folder(street: Street) -> None:
    """A second agent on the same data would warn and fine on its own."""
    with street() as loop:
        loop.reached("observing")
        second = subprocess.run(
            [sys.executable, "-m", "patrol", "agent", "run", str(loop.agent.config)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 3
        assert "another agent" in second.stderr
        assert "Traceback" not in second.stderr
        loop.finish()
        assert loop.agent.stop() == 0
