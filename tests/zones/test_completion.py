"""What the shell offers after Tab, asked as bash, zsh and fish ask: a group is loaded only when it is reached."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from patrol.main import main
from tests.zones.publishing.test_signed import KEY, TEXT
from zones.publishing import Archive

Run = Callable[..., str]


def installed(cwd: Path, **environment: str) -> str:
    """What the installed command answers to a shell."""
    done = subprocess.run(
        [Path(sys.executable).with_name("patrol")],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


def bash(line: str, run: Run) -> list[str]:
    words = line.split(" ")
    shown = run(_PATROL_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    return shown.split()


def zsh(line: str, run: Run) -> list[str]:
    shown = run(_PATROL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS=line)
    return [word for word in re.findall(r'^(?:_arguments .*\(\()?"([^"]*)"', shown, re.MULTILINE) if word]


def fish(line: str, run: Run) -> list[str]:
    environment = {"_PATROL_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": line}
    shown = run(_TYPER_COMPLETE_FISH_ACTION="get-args", **environment)
    return [row.split("\t")[0] for row in shown.splitlines() if row]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zone files, a picture, a key and three published versions."""
    place = tmp_path_factory.mktemp("work")
    (place / "cam1.toml").write_text(
        TEXT
        + '[[zone]]\nid = "B1"\nname = "Bay"\npolygon = [[300, 200], [400, 200], [400, 300], [300, 300]]\n',
        "utf-8",
    )
    (place / "cam2.json").write_text("{}")
    (place / "notes.txt").write_text("")
    (place / ".hidden.toml").write_text("")
    (place / "street.jpg").write_bytes(b"")
    (place / "me.pem").write_text("")
    (place / "zones").mkdir()
    (place / "zones" / "inner.toml").write_text("")
    archive = Archive(place / "published")
    for number, author in enumerate(("Li", "Wang", "Li")):
        archive.publish(
            f"{TEXT}# {number}\n",
            KEY,
            camera="cam1",
            at_ms=number,
            author=author,
            reason="why",
            expected=number or None,
        )
    (place / "agent.toml").write_text(
        "".join(f'[[camera]]\nid = "{name}"\nurl = "x"\nzones = "published"\n' for name in ("cam1", "gate"))
    )
    return place


SHELLS = pytest.mark.parametrize("shell", [bash, zsh, fish], ids=["bash", "zsh", "fish"])


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same in this process, which is quicker."""
    monkeypatch.chdir(folder)

    def run(**environment: str) -> str:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit):
                main([])
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out

    return run


ZONE_FILES = ["agent.toml", "cam1.toml", "cam2.json", "published/", "zones/"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("patrol zo", ["zones"]),
        ("patrol zones li", ["lint"]),
        ("patrol zones ini", ["init"]),
        ("patrol zones key ", ["new", "show"]),
        ("patrol zones lint ", ZONE_FILES),
        ("patrol zones lint cam", ["cam1.toml", "cam2.json"]),
        ("patrol zones lint zones/", ["zones/inner.toml"]),
        ("patrol zones lint .h", [".hidden.toml"]),
        ("patrol zones show cam1.toml --zone ", ["P1", "B1"]),
        ("patrol zones show cam1.toml --zone B", ["B1"]),
        ("patrol zones show missing.toml --zone ", []),
        ("patrol zones show cam1.toml --picture s", ["street.jpg"]),
        ("patrol zones publish cam1.toml --to p", ["published/"]),
        ("patrol zones publish cam1.toml --key m", ["me.pem"]),
        ("patrol zones rollback published --to ", ["3", "2", "1"]),
        ("patrol zones rollback published --to 2", ["2"]),
        ("patrol zones rollback --agent-config agent.toml --camera gate --to ", ["3", "2", "1"]),
        ("patrol zones rollback nowhere --to ", []),
        ("patrol zones history --agent-config agent.toml --camera ", ["cam1", "gate"]),
        ("patrol zones init str", ["street.jpg"]),
    ],
)
@SHELLS
def test_offered(here: Run, shell: Callable[[str, Run], list[str]], line: str, offered: list[str]) -> None:
    assert shell(line, here) == offered


@SHELLS
def test_the_installed_command_loads_a_group_and_offers_its_words(
    folder: Path, shell: Callable[[str, Run], list[str]]
) -> None:
    def run(**environment: str) -> str:
        return installed(folder, **environment)

    assert shell("patrol zones show cam1.toml --zone ", run) == ["P1", "B1"]
    assert {"--dry-run", "--expect", "--allow-warnings"} <= set(shell("patrol zones publish --", run))


@pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", None)])
def test_completion_is_installed_for_a_shell(tmp_path: Path, shell: str, file: str | None) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("patrol"), "--install-completion", shell],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert file is None or file in written
    assert any("patrol" in name for name in written)


def test_a_real_bash_completes_a_zone_file(folder: Path) -> None:
    """The script that is installed, in a real shell."""
    patrol = Path(sys.executable).with_name("patrol")
    script = subprocess.run(
        [patrol],
        env={**os.environ, "_PATROL_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    program = f"""{script}
COMP_WORDS=(patrol zones lint cam1); COMP_CWORD=3
_patrol_completion patrol
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=folder,
        env={**os.environ, "PATH": f"{patrol.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["cam1.toml"], done.stderr
