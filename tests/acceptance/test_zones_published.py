"""Zones are published while the agent runs: taken up without a restart, or refused and named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.loop import Loop, check_promises
from tests.acceptance.parts import ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Street = Callable[..., Loop]


def patrol_zones(*arguments: object) -> str:
    """Run a verb of `patrol zones`; what it prints."""
    command = [sys.executable, "-m", "patrol", "zones", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


class PublishedLoop(Loop):
    """The loop of one street whose camera reads published zones."""

    def _config(self) -> str:
        self.published = self.folder / "cam1.zones"
        self.key = self.folder / "li-wei.pem"
        self.draft = self.folder / "draft.toml"
        patrol_zones("key", "new", self.key)
        text = self.zones.read_text("utf-8")
        self.draft.write_text(text)
        config = super()._config().replace('zones = "cam1.zones.toml"', 'zones = "cam1.zones"')
        self.publish_to = ("--to", self.published, "--camera", "cam1")
        self.publish("The first")
        return config + f'[zones]\ntrusted_keys = ["{self.key.name}.pub"]\npoll_s = 0.2\n'

    def publish(self, reason: str) -> None:
        who = ("--key", self.key, "--author", "Li Wei", "--reason", reason, "--allow-warnings")
        patrol_zones("publish", self.draft, *self.publish_to, *who)

    def in_force(self) -> dict[str, Any]:
        """What the newest health message says of the camera's zones."""
        if not self.centre.health:
            return {}
        told: dict[str, Any] = self.centre.health[-1]["cameras"][0].get("zones") or {}
        return told


def test_published_zones_reach_a_running_agent_and_bad_ones_do_not(
    footage: tuple[Path, Path], tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """The zone is taken from under a standing vehicle whose warning is out: the case keeps its rules and goes on to its
    task. Before that a changed, a cut, an old and a missing file are refused."""
    with PublishedLoop(tmp_path, *footage, free_port) as loop:
        # The agent runs with version 1; nothing of what follows is a reason to start it again.
        pid = loop.agent.pid
        loop.watch.until(lambda: loop.in_force().get("version") == 1, "version 1 in the health")
        current = loop.published / "current.toml"
        sound = current.read_bytes()
        copy = loop.folder / "copy.toml"
        for data, said in (
            (sound.replace(b"confirm_after_s", b"confirm_after_s ", 1), "changed or cut off"),
            (sound[:-9], "changed or cut off"),
            (sound.partition(b"#: }\n")[2], "not signed"),
            (None, "does not exist"),
        ):
            if data is None:
                current.unlink()
            else:
                copy.write_bytes(data)
                copy.replace(current)
            loop.watch.until(lambda said=said: said in loop.centre.problems(), f"a complaint: {said}")
            assert "zones_refused: camera cam1" in loop.centre.problems()
            assert loop.in_force()["version"] == 1
        copy.write_bytes(sound)
        copy.replace(current)
        loop.watch.until(lambda: "zones_refused" not in loop.centre.problems(), "the end of the complaints")

        loop.reached("notified")
        moved = re.sub(
            r"polygon = \[[^=]*\]\n",
            "polygon = [[2, 2], [60, 2], [60, 60], [2, 60]]\n",
            loop.draft.read_text(),
            count=1,
        )
        loop.draft.write_text(moved)
        loop.publish("The pavement is a building site")
        loop.watch.until(lambda: loop.in_force().get("version") == 2, "version 2 in the health")
        loop.watch.until(lambda: "rules_changed" in loop.agent.states(), "the change in the events")
        change = next(e for e in loop.agent.events if e["state"] == "rules_changed")
        assert "version 2 by Li Wei" in change["reason"]
        assert "1 open case keeps the rules under which it was opened" in change["reason"]

        shutil.copy(loop.published / "versions/000001.toml", copy)
        copy.replace(current)
        loop.watch.until(
            lambda: "older than version 2" in loop.centre.problems(), "a complaint about a downgrade"
        )
        assert loop.in_force()["author"] == "Li Wei"
        loop.finish()
        assert loop.centre.states() == ["confirmed", "notified", "rechecking", "tasked", "closed"]
        assert loop.agent.pid == pid
        assert loop.agent.stop() == 0
        check_promises(loop)
        history = patrol_zones("history", loop.published, "--json", "--trusted", f"{loop.key}.pub")
        assert '"in_force":1,"in_order":false' in history
        assert '"unfinished":[2]' in history
