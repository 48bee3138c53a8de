"""An editor's page and the files that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage

from tests.zones.editing import TWO_ZONES, Editor, picture_of, serving
from tests.zones.hand import DESK, Hand, Open


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """`open_page(file, picture, viewport=, language=, touch=)`: the page of a running editor; errors fail the test."""
    problems: list[str] = []
    with ExitStack() as stack:

        def opened(
            file: Path | None = None,
            picture: Path | None = None,
            *,
            viewport: dict[str, int] = DESK,
            language: str = "en-GB",
            touch: bool = False,
            scheme: str = "light",
            editor: Editor | None = None,
            refusals: tuple[int, ...] = (),
        ) -> Hand:
            editor = editor or stack.enter_context(serving(file, picture))
            context = chromium.new_context(
                viewport=viewport, locale=language, has_touch=touch, is_mobile=touch, color_scheme=scheme
            )
            stack.callback(context.close)
            page = context.new_page()

            def heard(said: ConsoleMessage) -> None:
                expected = any(f"status of {status}" in said.text for status in refusals)
                if said.type in ("error", "warning") and not expected:
                    problems.append(said.text)

            page.on("console", heard)
            page.on("pageerror", lambda error: problems.append(str(error)))
            own = editor.url
            page.on(
                "request", lambda asked: None if asked.url.startswith(own) else problems.append(asked.url)
            )
            page.goto(editor.url)
            page.wait_for_selector("html[data-ready]")
            return Hand(page, editor)

        yield opened
    assert problems == []


@pytest.fixture
def street(tmp_path: Path) -> Path:
    path = tmp_path / "street.toml"
    path.write_text(TWO_ZONES)
    return path


@pytest.fixture
def still(tmp_path: Path) -> Path:
    return picture_of(tmp_path / "street.png")
