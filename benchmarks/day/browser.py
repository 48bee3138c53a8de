"""An officer's real page in headless Chromium, its clock as fast as the day's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.chromium import ARGUMENTS, chromium_path
from benchmarks.day.world import World
from protocol.errors import UnavailableError

FAST_CLOCK = """(() => {
  const Real = Date, speed = %d, real = %d, scaled = %d;
  const now = () => Math.round(scaled + (Real.now() - real) * speed);
  globalThis.Date = class extends Real {
    constructor(...given) { given.length ? super(...given) : super(now()); }
    static now() { return now(); }
  };
  if (globalThis.SyncManager) SyncManager.prototype.register = async () => {};
})();"""
"""Pages get the day's clock. The service worker cannot get it: an outcome that it sent would be stamped by two clocks, so
the browser is not asked to wake it, and the page itself sends when the network is back."""

WAIT_MS = 8_000


class Page:
    """One officer's browser: presses the buttons that a person presses, and waits for what a person would see."""

    def __init__(self, world: World, officer: int) -> None:
        self._world, self._officer = world, officer
        self._taken: set[int] = set()

    def __enter__(self) -> Page:
        try:
            from playwright.sync_api import sync_playwright
        except ModuleNotFoundError as error:
            raise UnavailableError(
                "officers in a browser need the Python package 'playwright'", mend="Give --browsers 0."
            ) from error
        self._folder = tempfile.TemporaryDirectory(prefix="patrol-day-")
        self._running = sync_playwright().start()
        self._browser = self._running.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        self._context = self._browser.new_context(
            viewport={"width": 390, "height": 844},
            locale="en-GB",
            timezone_id="Asia/Shanghai",
            has_touch=True,
        )
        clock = self._world.clock
        self._context.add_init_script(FAST_CLOCK % (clock.speed, clock.real_ms, clock.scaled_ms))
        name, value = self._world.cookies[self._officer]
        self._context.add_cookies([{"name": name, "value": value, "url": self._world.url}])
        self._page: Any = self._context.new_page()
        self._page.set_default_timeout(WAIT_MS)
        self._page.goto(self._world.url + "/officer/")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._running.stop()
        self._folder.cleanup()

    def accept(self, order: int) -> None:
        self._open(order)
        self._page.get_by_role("button", name="Accept this task").click()
        self._page.locator("[data-step=work]").wait_for(state="visible")
        self._sent()

    def decline(self, order: int, reason: str) -> None:
        self._open(order)
        self._page.locator("details.declining summary").click()
        self._page.locator("details.declining [name=reason]").fill(reason)
        self._page.get_by_role("button", name="Decline this task").click()
        self._sent()

    def photo(self, order: int, data: bytes) -> None:
        self._open(order)
        file = Path(self._folder.name) / f"{order}.jpg"
        file.write_bytes(data)
        self._page.locator("[data-step=work] input[type=file]").first.set_input_files(str(file))
        self._page.locator("#live .photos").wait_for(state="visible")
        self._sent()

    def tap_offline(self, order: int, result: str, note: str) -> None:
        self._open(order)
        self._context.set_offline(True)
        self._fill(result, note)
        self._page.locator("#field-queue").wait_for(state="visible")
        self._taken.add(order)

    def close(self, order: int, result: str, note: str) -> None:
        if order in self._taken:
            self._context.set_offline(False)
            self._sent()
            return
        self._open(order)
        self._fill(result, note)
        self._sent()
        self._page.locator("[data-step=over]").first.wait_for(state="visible")

    def _open(self, order: int) -> None:
        self._context.set_offline(False)  # a second task cannot wait for the first one's tunnel
        self._page.goto(f"{self._world.url}/officer/{order}/")

    def _fill(self, result: str, note: str) -> None:
        self._page.locator(f"[data-step=work] input[name=result][value={result}]").check(force=True)
        self._page.locator("[data-step=work] textarea[name=note]").fill(note)
        self._page.get_by_role("button", name="Close this task").click()

    def _sent(self) -> None:
        """Until nothing waits on the phone; what was refused is read and put away, as its officer would.

        Raises:
            UnavailableError: something was refused.
        """
        # The bar is away for a moment while it is drawn anew: one look at it says nothing.
        self._page.evaluate("() => { globalThis.dayQuiet = 0; }")
        settled = self._page.wait_for_function(
            "() => { const bar = document.getElementById('field-queue');"
            " if (bar && bar.textContent.includes('Understood')) return bar.textContent;"
            " globalThis.dayQuiet = !bar || bar.hidden ? (globalThis.dayQuiet || 0) + 1 : 0;"
            " return globalThis.dayQuiet > 3 ? 'nothing' : false; }",
            polling=100,
        )
        told = str(settled.json_value()).strip()
        if told == "nothing":
            return
        bar = self._page.locator("#field-queue")
        if bar.get_attribute("open") is None:
            bar.locator("summary span").click()
        understood = bar.get_by_role("button", name="Understood")
        while understood.count():
            understood.first.click()
            self._page.wait_for_timeout(200)
        raise UnavailableError(f"the centre refused: {told[:200]}")
