"""deploy/systemd and deploy/prometheus: every command exists, every worker has a unit, every alert asks for what is told."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).resolve().parent.parent
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
WORDS = re.compile(r"\bpatrol_[a-z_]+\b")


def unit(path: Path) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(path)
    return found


def words(path: Path) -> list[str]:
    """The command of a unit without options of the group."""
    line = unit(path)["Service"]["ExecStart"].split()
    assert line[:2] == ["/opt/street-patrol/bin/patrol", "central"]
    rest = line[2:]
    return rest[2:] if rest[0] == "--log-format" else rest


def test_each_unit_runs_a_command_that_exists_with_options_that_exist() -> None:
    from central.cli import app

    root = typer.main.get_command(app)
    for path in UNITS:
        command, rest = root, words(path)
        while rest and not rest[0].startswith("--") and hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]  # type: ignore[attr-defined]
        options = {name for each in command.params for name in each.opts}
        assert {word for word in rest if word.startswith("--")} <= options, path.name


def test_each_worker_of_the_one_process_tree_has_a_unit_too() -> None:
    from central.project.supervisor import WORKERS

    run = {tuple(word for word in words(path) if not word.startswith("-"))[:2] for path in UNITS}
    for _, arguments in (*WORKERS, ("ingest", ("ingest",))):
        assert arguments in run, arguments
    target = (ROOT / "deploy/systemd/patrol-central.target").read_text()
    for path in UNITS:
        if "backup" not in path.name:
            assert path.name.replace("@", "@1") in target


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_are_shut_tight(path: Path) -> None:
    service = unit(path)["Service"]
    for name in ("NoNewPrivileges", "PrivateUsers", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[name] == "yes", name
    assert (service["UMask"], service["ProtectSystem"], service["CapabilityBoundingSet"]) == (
        "0077",
        "strict",
        "",
    )
    if "backup" not in path.name:
        assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(path)],
            capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-400:] + done.stderr


def test_alerts_and_docs_name_only_metrics_that_are_told() -> None:
    source = (ROOT / "central/operations/measures.py").read_text() + (
        ROOT / "central/project/metrics.py"
    ).read_text()
    told = set(WORDS.findall(source))
    for name in ("deploy/prometheus/alerts.yml", "docs/operations.md"):
        text = (ROOT / name).read_text()
        for word in set(WORDS.findall(text)):
            plain = re.sub(r"_(total|bucket|count|sum|info)$", "", word)
            assert {word, plain} & told, f"{name}: {word}"
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "rules", ROOT / "deploy/prometheus/alerts.yml"], check=True)
