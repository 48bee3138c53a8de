"""What the tests of every house may ask for."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings

from benchmarks.chromium import ARGUMENTS, chromium_path

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says something of the machine, and nothing of what is tested.
settings.register_profile("patrol", deadline=None)
settings.load_profile("patrol")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of this checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real inputs (footage, stills, plates, models): PATROL_SHARED, else ../shared.

    Where it must be, in continuous integration, its absence is an error; elsewhere these tests cannot run.
    """
    folder = Path(os.environ.get("PATROL_SHARED") or ROOT.parent / "shared").resolve()
    if folder.is_dir():
        return folder
    reason = f"the real inputs are not at {folder}; name their folder in PATROL_SHARED"
    if os.environ.get("CI") or os.environ.get("PATROL_SHARED"):
        raise FileNotFoundError(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One real Chromium for all tests of a file.

    Its driver keeps an event loop in this thread, where Django has connections of its own: it starts before a test's
    database and ends after it, so that none of them outlives its database.
    """
    from playwright.sync_api import sync_playwright

    with patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a TCP port of 127.0.0.1 that nobody listens on, another one at each call.

    Prefer port 0 where the server tells which port it got: between asking here and listening there, another
    program may take the port.
    """
    given: set[int] = set()

    def ask() -> int:
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return ask


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """`wait_until(condition, within=10.0)`: return once `condition()` is true, fail at the deadline (seconds).

    For conditions in other processes, which cannot signal an event.
    """

    def wait(condition: Callable[[], object], within: float = 10.0, what: str = "the condition") -> None:
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come true within {within} s")
            time.sleep(0.02)

    return wait
