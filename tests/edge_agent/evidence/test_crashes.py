"""A crash between any two touches of the disk leaves nothing half, and the next start goes on from there."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.files import storage_errors, write_atomically
from protocol.errors import UnavailableError


def attempts(root: Path, folder: Path, what: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.edge_agent.evidence._crashes", str(folder), what],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("what", "steps"),
    [
        ("confirm", 15),  # the first picture of a case: marker, folder, original, picture, manifest
        ("recheck", 12),  # the second one: the manifest is replaced
        ("purge", 12),  # receipts first, then the cases
    ],
)
def test_every_crash_is_survived(root: Path, tmp_path: Path, what: str, steps: int) -> None:
    found = attempts(root, tmp_path, what)
    assert len(found) >= steps, "the crash reaches every step of the work"
    assert [each["died"] for each in found] == [True] * (len(found) - 1) + [False]
    wrong = [
        each for each in found if not all(value for key, value in each.items() if key not in ("step", "died"))
    ]
    assert wrong == []


def test_a_full_disk_stores_nothing_and_says_so(root: Path, tmp_path: Path) -> None:
    found = attempts(root, tmp_path, "full")
    assert [each["says"] for each in found] == ["the disk is full, nothing was stored"] * len(found)
    assert all(each["nothing_left"] for each in found)


def test_the_devices_own_refusal_is_told_as_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(UnavailableError, match="disk is full"),
        storage_errors(tmp_path),
        Path("/dev/full").open("wb", buffering=0) as device,
    ):
        device.write(b"x")


def test_other_refusals_name_their_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UnavailableError, match="Not a directory") as caught:
        write_atomically(tmp_path / "file/inside", b"x")
    assert caught.value.exit_code == 3
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOTDIR
