"""The scripts around the code: what they pin, what they install, what they say."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASH = sorted([ROOT / "scripts/setup", ROOT / "scripts/install-system-packages", ROOT / ".ci/run"])


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_constraints_are_names_and_versions_only() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), line


def test_every_direct_need_is_pinned_within_its_range() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(need for name in ("central", "sim", "demo", "dev") for need in extras[name]),
    ]
    known = pins()
    for need in map(Requirement, wanted):
        name = canonicalize_name(need.name)
        if name != "street-patrol":
            assert name in known, f"{name}: run `make constraints`"
            assert need.specifier.contains(known[name]), f"{name} {known[name]} is not {need.specifier}"


def test_constraints_cannot_be_frozen_from_an_address(tmp_path: Path) -> None:
    """In an environment whose records say that one package came from a download address."""
    folder = tmp_path / "site"
    for name, version, extra in (
        ("street_patrol", "0.1.0", "Requires-Dist: pinned\n"),
        ("pinned", "1.0", ""),
    ):
        record = folder / f"{name}-{version}.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extra}")
    (folder / "pinned-1.0.dist-info/direct_url.json").write_text(
        '{"url": "https://example.org/pinned-1.0.whl"}'
    )
    # -S leaves this environment's own packages out, but for the one library that the script needs.
    import packaging

    shutil.copytree(Path(packaging.__file__).parent, folder / "packaging")
    before = (ROOT / "constraints.txt").read_bytes()
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "scripts/freeze-constraints")],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "pinned 1.0 was installed from an address" in done.stderr
    assert (ROOT / "constraints.txt").read_bytes() == before


@pytest.mark.parametrize("script", BASH, ids=lambda path: path.name)
def test_scripts_stop_at_the_first_error(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert "\nset -euo pipefail\n" in script.read_text()
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True).returncode == 0


def test_make_lists_its_targets_first() -> None:
    shown = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "lint", "types", "setup", "clean", "help"):
        assert f"make {target} " in shown


def bare_checkout(folder: Path) -> Path:
    """What `make` needs of this checkout, without a virtual environment."""
    (folder / "scripts").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements-models.txt", "scripts/setup"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def python_that(folder: Path, script: str) -> str:
    """A PATH on which every Python is a script of ours."""
    folder.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("python", "says", "mend"),
    [
        # Too old, or announced by a version manager without being installed.
        ("exit 1", "Python 3.11 or newer was not found", "apt-get install python3"),
        # Debian's Python without python3-venv.
        ('case "$*" in *ensurepip*) exit 1;; esac', "has no venv module", "apt-get install python3-venv"),
    ],
    ids=["no python", "no venv"],
)
def test_a_machine_that_lacks_something_is_told_what(
    tmp_path: Path, python: str, says: str, mend: str
) -> None:
    checkout = bare_checkout(tmp_path / "checkout")
    done = subprocess.run(
        ["make", "setup-demo"],
        cwd=checkout,
        env={"PATH": python_that(tmp_path / "bin", python), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert mend in done.stderr
    assert not (checkout / ".venv").exists()


def test_an_unknown_profile_is_refused() -> None:
    done = subprocess.run([str(ROOT / "scripts/setup"), "everything"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "scripts/setup demo" in done.stderr


def test_system_packages_without_apt_are_one_clear_error(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("env", "bash"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    script = tmp_path / "install"
    # Only the PATH that the script itself adds is taken away: this machine keeps its programs elsewhere.
    text = (ROOT / "scripts/install-system-packages").read_text()
    script.write_text("\n".join(line for line in text.splitlines() if not line.startswith("export PATH=")))
    done = subprocess.run(
        [str(tools / "bash"), str(script)], env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert done.returncode == 3
    assert "no apt" in done.stderr
    assert "mend:" in done.stderr


def test_the_unit_runs_commands_that_exist_and_restarts_only_what_may_mend() -> None:
    from patrol.main import GROUPS

    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/patrol-agent.service")
    program, group, command, *_ = unit["Service"]["ExecStart"].split()
    assert program.endswith("/patrol")
    assert group in GROUPS
    assert command == "run"
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    assert unit["Service"]["NoNewPrivileges"] == "yes"
    assert unit["Service"]["UMask"] == "0077"


def test_the_container_holds_every_house() -> None:
    text = (ROOT / "deploy/Containerfile").read_text()
    houses = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    for house in houses["packages"]:
        assert f"COPY {house} {house}\n" in text
