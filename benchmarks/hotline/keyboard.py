"""A scripted operator takes calls by the keyboard alone, at the speed of a person, in a real Chromium at a real centre.

What is assumed of the person: so many keys a second for digits, Latin letters and commands; so many Chinese characters a second, since
a pinyin composition cannot be played in a browser without a screen (each character is put in whole, and takes the time of its
composition); and a pause before each field, to listen and to look. Each of these wavers by a third, by the seed. What the caller says
is typed as it is said. The rest is measured: the page, its look-ups and the way to the stored case.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chromium import ARGUMENTS, chromium_path
from benchmarks.servers import free_port
from protocol.errors import UnavailableError

GOAL_S = 30.0
JURISDICTION = "bench"
OPERATOR = "operator"
WAVERS = (0.67, 1.33)
ANSWER_MS = 30_000


@dataclass(frozen=True, slots=True)
class Person:
    """How fast somebody works.

    Args:
        keys: keys a second.
        characters: Chinese characters a second, composition included.
        look_s: seconds before each field.
    """

    keys: float
    characters: float
    look_s: float


@dataclass(frozen=True, slots=True)
class Matter:
    """What one caller says, and the letters by which the operator finds the subject."""

    phone: str
    name: str
    letters: str
    subject: str
    place: str
    text: str
    takes_place: int = 0
    """After so many characters the place is taken from the list; 0: it is typed whole."""


MATTERS = (
    Matter("13800138001", "王秀英", "zyrm", "噪音扰民", "德胜里3号楼", "楼上半夜装修"),
    Matter("13900139002", "", "dt", "电梯故障", "槐柏树街12号院2号楼", "电梯停在六层，门打不开", 4),
    Matter("01066012003", "李先生", "gn", "供暖问题", "新街口南大街8号院", "家里只有十四度，有新生儿"),
    Matter("13700137004", "", "ljqy", "垃圾清运", "月坛北小街7号", "垃圾桶满了两天没人收", 3),
    Matter("13600136005", "赵强", "td", "停电断电", "陶然亭路21号", "整栋楼停电一个小时了"),
    Matter("13500135006", "孙女士", "zd", "占道经营", "牛街东里小区北门", "烧烤摊占了盲道", 3),
    Matter("13800138001", "", "zyrm", "噪音扰民", "德胜里3号楼", "昨晚又开始了，老人睡不着", 3),
    Matter("13400134007", "周大爷", "wl", "为老服务", "白纸坊西街4号楼501", "想申请助餐，腿脚不方便"),
    Matter("13300133008", "", "wf", "违法建设", "广安门内大街甲3号", "一层住户私自扩建阳台"),
    Matter("13200132009", "何师傅", "xgg", "乱贴小广告", "椿树馆街便民市场旁", "电线杆贴满小广告", 3),
)
"""Written for this; some call again, and some name a place that earlier cases know."""

PLACES = (
    "德胜里3号楼",
    "槐柏树街12号院2号楼",
    "月坛北小街7号",
    "牛街东里小区北门",
    "椿树馆街便民市场旁",
    "三里河东路5号",
    "天桥南大街1号",
    "什刹海前海东沿",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """One call as it went, in seconds of the monotonic clock.

    Args:
        whole_s: from the first key to the page that says that the case is stored.
        stored_s: of this, from the last chord to that page.
        known_s: from the last digit to what is known of the number.
        keys: keys pressed; a Chinese character counts as one.
        right: whether the case is stored with that subject, place and text.
    """

    whole_s: float
    stored_s: float
    known_s: float
    keys: int
    right: bool


def measure(
    calls: int, earlier: int, person: Person, seed: int, progress: Callable[[str, float], None]
) -> list[Taken]:
    """Take calls one after the other.

    Args:
        calls: how many.
        earlier: calls that the centre has already, each with its case.
        person: how fast the operator works.
        seed: of the wavering.
        progress: told what is done, and the share of it.

    Raises:
        UnavailableError: Playwright or Chromium is not there, or the pages do not start.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "`patrol bench hotline` needs the Python package 'playwright', which is not installed",
            mend="Run: pip install playwright",
        ) from error
    dice = random.Random(seed)  # wavers a hand, keeps no secret
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patrol-bench-")))
        password = _centre(stack, folder, earlier, progress)
        url = stack.enter_context(_pages(folder))
        browser = stack.enter_context(_chromium(sync_playwright))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        page.set_default_timeout(ANSWER_MS)
        page.goto(f"{url}/login/?next=/hotline/new/")
        page.fill("[name=username]", OPERATOR)
        page.fill("[name=password]", password)
        page.locator("section.login button").click()
        page.wait_for_url("**/hotline/new/")
        found = []
        for number in range(calls):
            progress("taking calls", number / calls)
            matter = MATTERS[number % len(MATTERS)]
            times, keys = _take(page, matter, _Hand(page, person, dice))
            found.append(Taken(*times, keys, _stored(matter)))
    return found


class _Hand:
    """The operator's hand: each key takes its time."""

    def __init__(self, page: Any, person: Person, dice: random.Random) -> None:
        self.page, self.person, self.dice, self.pressed = page, person, dice, 0

    def type(self, text: str) -> None:
        for letter in text:
            rate = self.person.characters if ord(letter) > 0x2E80 else self.person.keys
            self._rest(1 / rate)
            self.page.keyboard.type(letter)
            self.pressed += 1

    def press(self, *keys: str) -> None:
        for key in keys:
            self._rest(1 / self.person.keys)
            self.page.keyboard.press(key)
            self.pressed += 1

    def look(self) -> None:
        self._rest(self.person.look_s)

    def _rest(self, seconds: float) -> None:
        self.page.wait_for_timeout(seconds * self.dice.uniform(*WAVERS) * 1000)


def _take(page: Any, matter: Matter, hand: _Hand) -> tuple[tuple[float, float, float], int]:
    page.locator("#phone:focus").wait_for()
    began = time.monotonic()
    hand.type(matter.phone)
    typed = time.monotonic()
    # What is known of the number: a case, a call, or that it never rang.
    page.locator("#caller :is(.parts, .hush)").first.wait_for()
    page.wait_for_function("!document.querySelector('#caller').textContent.includes('输入号码后')")
    known = time.monotonic() - typed
    hand.press("Tab")
    if matter.name:
        hand.look()
        hand.type(matter.name)
    hand.press("Tab")
    hand.look()
    hand.type(matter.letters)
    hand.press("Tab")
    hand.look()
    hand.type(matter.place[: matter.takes_place] if matter.takes_place else matter.place)
    if matter.takes_place:
        option = page.locator(f'#places [data-value="{matter.place}"]')
        option.wait_for()
        hand.look()
        for _ in range(20):
            hand.press("ArrowDown")
            if option.get_attribute("aria-selected") == "true":
                break
        hand.press("Enter")
    hand.press("Tab")
    hand.look()
    hand.type(matter.text)
    hand.look()
    hand.press("Control+Enter")
    sent = time.monotonic()
    page.locator(".note.success").wait_for()
    ended = time.monotonic()
    return (ended - began, ended - sent, known), hand.pressed


def _stored(matter: Matter) -> bool:
    """Whether the newest call has its case, as it was said."""
    from central.hotline import config
    from central.hotline.models import Call

    call = Call.objects.order_by("-pk").select_related("case").first()
    if call is None or call.case is None:
        return False
    subject = next((one for one in config.load().subjects if one.titles.zh == matter.subject), None)
    case = call.case
    return subject is not None and (call.subject, case.place, case.text) == (
        subject.code,
        matter.place,
        matter.text,
    )


def _centre(stack: ExitStack, folder: Path, earlier: int, progress: Callable[[str, float], None]) -> str:
    """A fresh centre on SQLite in this process and those it starts; the operator's password."""
    data = folder / "centre"
    data.mkdir(mode=0o700)
    os.environ["PATROL_CENTRAL_DATA"] = str(data)
    # The driver of the browser keeps a loop in this thread; nobody else uses this connection.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    os.environ.pop("PATROL_DATABASE_URL", None)
    progress("making a centre", 0)
    from central.project import bootstrap

    bootstrap.start()
    bootstrap.migrate()
    from django.db import connections

    stack.callback(connections.close_all)
    from central.grids.models import Grid
    from central.hotline import calls, config
    from central.people.services import add_user

    Grid.objects.create(jurisdiction_id=JURISDICTION, code="1", name="德胜街道", level=1)
    password = uuid.uuid4().hex
    user = add_user(OPERATOR, "dispatcher", scope=JURISDICTION, password=password, full_name="话务员")
    subjects = [one for one in config.load().subjects if one.service == "hotline_matter"]
    for number in range(earlier):
        if number % 20 == 0:
            progress("earlier calls", number / earlier)
        calls.take(
            calls.NewCall(
                key=str(uuid.UUID(int=number)),
                jurisdiction_id=JURISDICTION,
                started_at_ms=0,
                phone=f"1391234{number % 1000:04d}",
                subject=subjects[number % len(subjects)],
                summary=f"第{number + 1}件旧事",
                place=PLACES[number % len(PLACES)] if number % 3 == 0 else f"新街口南大街{number}号",
            ),
            user,
        )
    return password


@contextmanager
def _pages(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "patrol", "central", "web", "--port", str(port)]
    env = {**os.environ, "NO_COLOR": "1"}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        if "pages at" not in said:
            raise UnavailableError(f"the pages did not start: {said.strip() or 'no word'}")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # so that it never stops to write
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def _chromium(sync_playwright: Any) -> Iterator[Any]:
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        except Exception as error:
            raise UnavailableError(
                f"no Chromium starts: {str(error).splitlines()[0]}",
                mend="Install Chromium, or run: playwright install chromium",
            ) from error
        try:
            yield browser
        finally:
            browser.close()
