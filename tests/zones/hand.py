"""A hand at the editor's page in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.zones.editing import Editor

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


class Hand:
    """A page with an open editor, and where things of the picture are on its screen."""

    def __init__(self, page: Page, editor: Editor) -> None:
        self.page = page
        self.editor = editor

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A pixel of the picture on the screen."""
        frame = self.page.locator("#stage .frame").bounding_box()
        size = self.page.locator("#stage .frame").evaluate(
            "rect => [rect.width, rect.height].map(side => side.baseVal.value)"
        )
        assert frame is not None
        return frame["x"] + x * frame["width"] / size[0], frame["y"] + y * frame["height"] / size[1]

    def settled(self) -> None:
        """Wait until the picture has kept its place on the screen for some frames: panels move it."""
        self.page.evaluate(
            """() => new Promise(done => {
                const place = () => JSON.stringify(document.querySelector('#stage .frame').getBoundingClientRect());
                let before = place(), same = 0;
                const look = () => {
                    const now = place();
                    same = now === before ? same + 1 : 0;
                    before = now;
                    same >= 5 ? done() : requestAnimationFrame(look);
                };
                requestAnimationFrame(look);
            })"""
        )

    def click(self, x: float, y: float, **how: Any) -> None:
        self.page.mouse.click(*self.at(x, y), **how)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=6)
        self.page.mouse.up()

    def save(self) -> None:
        """Through the dialog that shows what changes."""
        self.page.keyboard.press("Control+s")
        dialog = self.page.get_by_role("dialog")
        expect(dialog.locator(".diff .add, .diff .del").first).to_be_visible()
        dialog.get_by_role("button", name=re.compile("^(Save|保存)$")).click()
        expect(self.page.locator("#dirty")).to_have_text("")

    def field(self, path: str) -> Locator:
        """The input of a key of the chosen zone or of the file."""
        return self.page.locator(f'[data-path="{path}"]').get_by_role("textbox")

    def names(self) -> list[str]:
        return self.page.locator(".zone-item strong").all_text_contents()


Open = Callable[..., Hand]


def touch(page: Page, *path: tuple[float, float]) -> None:
    """One finger down, along, and up: what the screen would send."""
    session = page.context.new_cdp_session(page)
    for n, (x, y) in enumerate(path):
        kind = "touchStart" if n == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()
