"""`patrol zones publish`, `history`, `rollback` and `key`, as a person or a script calls them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.zones.publishing.test_signed import TEXT
from tests.zones.test_cli import patrol
from zones.publishing import Archive, PublisherKey

ODD = TEXT + '[[zone]]\nid = "S"\nname = "S"\npolygon = [[10, 200], [200, 200], [200, 202], [10, 202]]\n'


class Desk:
    """A folder with a key and a draft."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.draft = folder / "draft.toml"
        self.draft.write_text(TEXT, "utf-8")
        self.key = folder / "li-wei.pem"
        assert patrol("key", "new", self.key) == 0
        self.to = folder / "published" / "cam1"
        self.archive = Archive(self.to)
        self._capsys = capsys
        capsys.readouterr()

    def who(self, reason: str = "A test") -> tuple[object, ...]:
        return ("--key", self.key, "--author", "Li Wei", "--reason", reason)

    def publish(self, *more: object, text: str | None = None, code: int = 0) -> str:
        """Publish the draft; what was said on stdout and stderr."""
        if text is not None:
            self.draft.write_text(text, "utf-8")
        assert patrol("publish", self.draft, "--to", self.to, *self.who(), *more) == code
        return self.said()

    def said(self) -> str:
        shown = self._capsys.readouterr()
        return f"{shown.out}{shown.err}"

    def told(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """JSON on stdout."""
        self._capsys.readouterr()
        assert patrol(*arguments, "--json") == code
        told: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return told


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_a_key_pair_is_made_once_and_shown_without_its_secret(desk: Desk) -> None:
    assert desk.key.stat().st_mode & 0o777 == 0o600
    public = desk.folder / "li-wei.pem.pub"
    shown = desk.told("key", "show", desk.key)
    assert shown["key"] == desk.told("key", "show", public)["key"] == PublisherKey.load(public).line
    assert patrol("key", "show", public) == 0
    assert desk.key.read_text().splitlines()[1] not in desk.said()
    before = desk.key.read_bytes()
    assert patrol("key", "new", desk.key) == 2
    public.rename(desk.folder / "away")
    assert patrol("key", "new", desk.key, "--dry-run") == 2
    assert patrol("key", "new", desk.folder / "other.pem", "--dry-run") == 0
    assert not (desk.folder / "other.pem").exists()
    assert desk.key.read_bytes() == before


def test_publishing_says_what_changes_and_keeps_it(desk: Desk) -> None:
    assert "version 1, the first in force: P1 (no_parking)" in desk.publish()
    said = desk.publish(text=TEXT.replace("200, 100", "220, 100").replace("by the school", "no school"))
    assert "version 2 against version 1" in said
    assert "changed P1" in said
    assert "vertex 3 of 4 moved" in said
    assert "published version 2 of camera cam1" in said
    current = desk.archive.current()
    assert current is not None
    assert (current.head.author, current.head.reason) == ("Li Wei", "A test")
    assert current.text.startswith("# 学校门口 - no school"), "comments are kept"


def test_the_same_again_is_not_published(desk: Desk) -> None:
    desk.publish()
    assert "version 1 is the same already" in desk.publish()
    told = desk.told("publish", desk.draft, "--to", desk.to, *desk.who())
    assert (told["published"], told["version"]) == (False, 1)
    assert desk.archive.numbers() == [1]


def test_a_published_file_can_be_edited_and_published_again(desk: Desk) -> None:
    desk.publish()
    copy = desk.archive.current_path.read_text("utf-8").replace("200, 100", "220, 100")
    desk.publish(text=copy)
    current = desk.archive.current()
    assert current is not None
    assert current.text == TEXT.replace("200, 100", "220, 100")


def test_json_files_are_published_as_toml(desk: Desk) -> None:
    zones = {
        "camera": "cam1",
        "picture": {"width": 640, "height": 360},
        "zone": [{"id": "P1", "name": "P", "polygon": [[0, 0], [200, 0], [200, 100], [0, 100]]}],
    }
    path = desk.folder / "draft.json"
    path.write_text(json.dumps(zones))
    told = desk.told("publish", path, "--to", desk.to, *desk.who())
    assert told["published"]
    assert told["sha256"] == desk.archive.history().entries[0].sha256
    assert told["changes"] is None


def test_errors_refuse_and_leave_nothing(desk: Desk) -> None:
    crossed = TEXT.replace("[200, 10], [200, 100]", "[200, 100], [200, 10]")
    assert "crosses itself" in desk.publish(text=crossed, code=2)
    metres = TEXT + "min_length_m = 3\n"
    assert "not calibrated" in desk.publish("--allow-warnings", text=metres, code=2)
    assert not desk.to.exists()


def test_warnings_need_somebody_who_allows_them(desk: Desk) -> None:
    said = desk.publish(text=ODD, code=1)
    assert "only 2.0 px wide" in said
    assert "nothing was published" in said
    told = desk.told("publish", desk.draft, "--to", desk.to, *desk.who(), code=1)
    assert [warning["rule"] for warning in told["warnings"]] == ["sliver"]
    assert not told["published"]
    assert desk.archive.numbers() == []
    desk.publish("--allow-warnings")
    assert desk.archive.numbers() == [1]


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_at_a_terminal_it_asks(desk: Desk, answer: str, code: int) -> None:
    desk.draft.write_text(ODD, "utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "patrol", "zones", "publish", desk.draft, "--to", desk.to, *desk.who()]
    process = subprocess.Popen(
        list(map(str, command)), stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    os.write(ours, f"{answer}\n".encode())
    _, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code, err
    assert b"Publish all the same?" in err
    assert desk.archive.numbers() == ([1] if code == 0 else [])


def test_a_dry_run_shows_everything_and_writes_nothing(desk: Desk) -> None:
    assert "version 1 would be published, nothing was written" in desk.publish("--dry-run")
    assert not desk.to.exists()
    assert desk.told("publish", desk.draft, "--to", desk.to, *desk.who(), "-n")["published"] is False
    assert desk.publish("--dry-run", text=ODD, code=1)
    desk.publish(text=TEXT)
    desk.publish(text=TEXT.replace("200", "210"))
    before = sorted(path.name for path in desk.to.rglob("*"))
    assert patrol("rollback", desk.to, "--to", 1, *desk.who(), "--dry-run") == 0
    assert sorted(path.name for path in desk.to.rglob("*")) == before


def test_who_looked_at_an_older_version_is_refused(desk: Desk) -> None:
    desk.publish("--expect", 0)
    assert "version 1 is in force" in desk.publish("--expect", 0, text=TEXT.replace("200", "210"), code=2)
    desk.publish("--expect", 1)


def test_a_camera_is_settled_before_anything_is_published(desk: Desk) -> None:
    nameless = TEXT.replace('camera = "cam1"\n', "")
    assert "nobody says whose zones" in desk.publish(text=nameless, code=2)
    desk.publish("--camera", "cam1")
    desk.publish(text=nameless + "# the folder knows\n")
    assert "belong to camera cam9" in desk.publish(text=TEXT.replace("cam1", "cam9") + "\n", code=2)
    assert desk.archive.numbers() == [1, 2]


def test_a_key_that_others_may_read_does_not_publish(desk: Desk) -> None:
    desk.key.chmod(0o644)
    assert "other users" in desk.publish(code=2)
    assert not desk.to.exists()


# Rolling back, and the history


def test_a_rollback_is_a_new_version(desk: Desk) -> None:
    desk.publish()
    desk.publish(text=TEXT.replace("200", "210"))
    assert patrol("rollback", desk.to, "--to", 1, *desk.who("Too wide")) == 0
    current = desk.archive.current()
    assert current is not None
    assert (current.head.version, current.head.restores, current.head.reason) == (3, 1, "Too wide")
    assert current.text == TEXT
    told = desk.told("history", desk.to, "--verify")
    assert (told["in_force"], told["in_order"]) == (3, True)
    assert [v["changed"] for v in told["versions"]] == [
        "1 zone",
        "~P1 (ground)",
        "as version 1: ~P1 (ground)",
    ]
    assert patrol("rollback", desk.to, "--to", 3, *desk.who()) == 2
    assert patrol("rollback", desk.to, "--to", 9, *desk.who()) == 2
    assert "There are versions 1 to 3" in desk.said()


def test_the_history_is_a_table_and_a_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    desk.publish()
    desk.publish(text=TEXT.replace('"人行道"', '"Pavement"'))
    public = f"{desk.key}.pub"
    assert patrol("history", desk.to, "--verify", "--trusted", public) == 0
    said = desk.said()
    newest = desk.archive.history().entries[-1]
    for word in ("Li Wei", "A test", newest.sha256[:10], "~P1 (name)", "trusted keys only", "2 *"):
        assert word in said
    assert patrol("key", "new", desk.folder / "other.pem") == 0
    assert patrol("history", desk.to, "--verify", "--trusted", desk.folder / "other.pem.pub") == 1
    assert "not trusted here" in desk.said()
    assert patrol("history", desk.to, "--verify", "--contains", newest.sha256[:12]) == 0
    assert patrol("history", desk.to, "--verify", "--contains", "0" * 12) == 1
    desk.archive.path_of(1).unlink()
    assert patrol("history", desk.to) == 0, "without --verify it only shows"
    assert desk.told("history", desk.to, "--verify", code=1)["faults"][0] == {
        "version": 1,
        "problem": "is missing",
        "in_force": False,
    }
    assert patrol("history", desk.folder / "nowhere") == 2


# By an agent's configuration


def agent(desk: Desk, *cameras: tuple[str, str], trusted: str = "") -> Path:
    path = desk.folder / "agent.toml"
    tables = "".join(
        f'[[camera]]\nid = "{name}"\nurl = "rtsp://192.0.2.1/"\nzones = "{zones}"\n'
        for name, zones in cameras
    )
    path.write_text(f"[zones]\ntrusted_keys = [{trusted}]\n{tables}", "utf-8")
    return path


def test_the_agent_says_where_its_zones_are(desk: Desk) -> None:
    config = agent(desk, ("cam1", "zones/cam1"), ("cam2", "zones/cam2.zones"))
    assert patrol("publish", desk.draft, "--agent-config", config, *desk.who()) == 2
    assert "It has: cam1, cam2" in desk.said()
    assert patrol("publish", desk.draft, "--agent-config", config, "--camera", "cam1", *desk.who()) == 0
    assert Archive(desk.folder / "zones" / "cam1").numbers() == [1]
    desk.draft.write_text(TEXT.replace("cam1", "cam2"))
    assert patrol("publish", desk.draft, "--agent-config", config, "-c", "cam2", *desk.who()) == 0
    assert patrol("history", "--agent-config", config, "-c", "cam2", "--verify") == 0
    assert patrol("lint", "--agent-config", config) == 0
    (desk.folder / "zones" / "cam1" / "current.toml").write_text(TEXT.replace("cam1", "cam7"))
    assert patrol("lint", "--agent-config", config) == 2
    assert "belongs to camera cam7, not cam1" in desk.said()


def test_a_plain_file_of_the_agent_is_not_overwritten(desk: Desk) -> None:
    config = agent(desk, ("cam1", "draft.toml"))
    assert patrol("publish", desk.draft, "--agent-config", config, *desk.who()) == 2
    assert "reads the plain file" in desk.said()
    assert desk.draft.read_text("utf-8") == TEXT


def test_a_key_that_the_agent_does_not_trust_is_refused_before_it_is_in_force(desk: Desk) -> None:
    assert patrol("key", "new", desk.folder / "other.pem") == 0
    config = agent(desk, ("cam1", "zones/cam1"), trusted='"other.pem.pub"')
    assert patrol("publish", desk.draft, "--agent-config", config, *desk.who()) == 2
    assert "does not trust" in desk.said()
    config = agent(desk, ("cam1", "zones/cam1"), trusted='"other.pem.pub", "li-wei.pem.pub"')
    assert patrol("publish", desk.draft, "--agent-config", config, *desk.who()) == 0


def test_a_folder_or_a_configuration_must_be_given(desk: Desk) -> None:
    assert patrol("publish", desk.draft, *desk.who()) == 2
    config = agent(desk, ("cam1", "zones/cam1"))
    assert patrol("publish", desk.draft, "--to", desk.to, "--agent-config", config, *desk.who()) == 2
    assert patrol("history", desk.draft) == 2
