"""An officer's phone: a real browser, a real server process, and a network that is cut between them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.sessions.models import Session
from PIL import ExifTags, Image
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from benchmarks.chromium import ARGUMENTS, chromium_path
from central.cases import attachments, history
from central.cases.models import Attachment, HistoryEntry, WorkOrder
from central.cases.states import WorkState
from central.field.models import Submission
from central.fleet.models import Letter
from central.ingest import intake
from protocol.clock import SystemClock
from tests.central.conftest import Centre
from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.street import MINUTE, NOON, TOPICS, picture, reference, retraction, sha256, task
from tests.servers.wire import Wire

PATROL = [sys.executable, "-m", "patrol", "central"]
PHONE = {"width": 390, "height": 844}
PASSWORD = "kerb-stone-granite-7"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    # The browser's driver keeps an event loop in this thread; Django need not fear it here.
    with patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1"), sync_playwright() as running:
        yield running


@dataclass
class Server:
    """The web process, on one port through all its lives."""

    centre: Centre
    port: int
    wait_until: Callable[..., None]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*PATROL, "web", "--port", str(self.port)],
            env=self.centre.env(),
            stderr=subprocess.DEVNULL,
        )
        self.wait_until(self._answers, within=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False


@dataclass
class Phone:
    """A phone with its storage: the browser may be closed and opened again."""

    playwright: Playwright
    url: str
    folder: Path
    wait_until: Callable[..., None]
    language: str = "en-GB"
    context: BrowserContext | None = None
    problems: list[str] = field(default_factory=list)

    def open(self) -> Page:
        self.context = self.playwright.chromium.launch_persistent_context(
            self.folder,
            executable_path=chromium_path(),
            args=ARGUMENTS,
            viewport=PHONE,
            locale=self.language,
            timezone_id="Asia/Shanghai",
            has_touch=True,
        )
        page = self.context.pages[0]
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def log_in(self, page: Page, name: str) -> None:
        page.goto(self.url + "/login/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("section.login button").click()
        expect(page.locator("#tasks")).to_be_visible()

    def ready_for_the_tunnel(self, page: Page, *addresses: str) -> None:
        """Wait until the service worker keeps these pages."""
        kept = """async () => {
            const name = (await caches.keys()).find((key) => key.startsWith("patrol-kept-"));
            const requests = name ? await (await caches.open(name)).keys() : [];
            return requests.map((each) => new URL(each.url).pathname);
        }"""
        shown = "() => [...document.querySelectorAll('.job')].flatMap((job) => job.dataset.pictures.trim().split(' '))"
        wanted = {*addresses, *page.evaluate(shown)}
        self.wait_until(lambda: wanted <= set(page.evaluate(kept)), within=30)

    def close(self) -> None:
        if self.context is not None:
            self.context.close()
            self.context = None


@dataclass
class Street:
    """One task, its centre and the network between."""

    server: Server
    wire: Wire
    order: WorkOrder

    @property
    def address(self) -> str:
        return f"/officer/{self.order.pk}/"

    def kinds(self) -> list[str]:
        """What officers did, as the history tells it."""
        entries = HistoryEntry.objects.filter(case_id=self.order.case_id, actor__startswith="user:")
        return [entry.kind for entry in entries if entry.kind != "sent_late"]


@pytest.fixture
def street(centre: Centre, agent, person, free_port, wait_until) -> Iterator[Street]:
    centre.clock.advance(SystemClock().utc_ms() - NOON)
    now = centre.clock.utc_ms()
    before, after = picture(1), picture(2)
    refs = (reference(before, "confirm", now - 10 * MINUTE), reference(after, "recheck", now))
    intake.take_all([(TOPICS.of("tasks"), task(pictures=refs, issued_at_ms=now).model_dump_json().encode())])
    for data in (before, after):
        intake.take_all([(TOPICS.evidence(sha256(data)), data)])
    person("wang", password=PASSWORD)
    person("li", password=PASSWORD)
    server = Server(centre, free_port(), wait_until)
    server.start()
    wire = Wire(server.port)
    yield Street(server, wire, WorkOrder.objects.get())
    wire.cut()
    server.kill()


@pytest.fixture
def phone(playwright: Playwright, street: Street, tmp_path: Path, wait_until) -> Iterator[Phone]:
    made = Phone(playwright, street.wire.url, tmp_path / "phone", wait_until)
    yield made
    made.close()
    assert made.problems == []


def shot(seed: int, folder: Path) -> Path:
    """A photo as a phone's camera makes it: 12 megapixels that compress badly, with the time at which it was taken."""
    noise = Image.effect_noise((1000, 750), 60 + seed).resize((4000, 3000))
    image = Image.merge("RGB", [noise, noise.point(lambda value: 255 - value), noise])
    exif = image.getexif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"2026:03:04 10:1{seed}:00"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.OffsetTimeOriginal] = "+08:00"
    path = folder / f"IMG_{seed}.jpg"
    image.save(path, "JPEG", quality=90, exif=exif)
    return path


def camera(page: Page, *paths: Path) -> None:
    page.locator("[data-step=work] input[type=file]").set_input_files(paths)


def close_as(page: Page, label: str, note: str) -> None:
    page.get_by_label(label).check()
    page.get_by_label("Note", exact=True).fill(note)
    page.get_by_role("button", name="Close this task").dblclick()


@ON_POSTGRESQL
def test_a_whole_visit_in_a_tunnel_survives_the_browser_and_arrives_once(street, phone, tmp_path):
    page = phone.open()
    phone.log_in(page, "wang")
    phone.ready_for_the_tunnel(page, "/officer/", street.address)
    street.wire.cut()
    page.locator(".job").click()
    expect(page.get_by_role("heading", name="三里河路12号北门人行道")).to_be_visible()
    expect(page.locator("#field-old")).to_contain_text("No network. This page is as it was at")
    assert (
        page.locator(".swipe img").first.evaluate(
            "async (image) => (await image.decode(), image.naturalWidth)"
        )
        == 640
    )
    page.get_by_role("button", name="Accept this task").click()
    shots = [shot(number, tmp_path) for number in (1, 2, 3)]
    bar = page.locator("#field-queue")
    for number, path in enumerate(shots):
        camera(page, path)
        expect(bar).to_contain_text(f"{number + 2} actions wait for the network", timeout=20_000)
    close_as(page, "Moved on after talking", "driver came back")
    expect(bar).to_contain_text("5 actions wait for the network")
    phone.close()
    assert WorkOrder.objects.get().state == WorkState.NEW

    page = phone.open()
    page.goto(phone.url + "/officer/")
    expect(page.locator("#field-queue")).to_contain_text("5 actions wait for the network")
    street.wire.mend()
    expect(page.locator("#field-queue")).to_be_hidden(timeout=30_000)
    order = WorkOrder.objects.get()
    assert (order.state, order.result, order.note) == (WorkState.CLOSED, "moved_on", "driver came back")
    assert street.kinds() == ["accepted", "attachment", "attachment", "attachment", "outcome"]
    assert Letter.objects.count() == 1
    kept = list(Attachment.objects.order_by("pk"))
    for number, photo in enumerate(kept, 1):
        assert max(photo.width, photo.height) <= 1600
        with Image.open(io.BytesIO(attachments.path_of(photo.stored_sha256).read_bytes())) as image:
            assert dict(image.getexif()) == {}
        assert photo.taken_at_ms == 1_772_590_200_000 + number * MINUTE, "10:1n in China"
    sent = list(Submission.objects.order_by("pk"))
    assert [each.kind for each in sent] == ["accept", "photo", "photo", "photo", "outcome"]
    assert sorted(each.tapped_at_ms for each in sent) == [each.tapped_at_ms for each in sent]
    assert sent[0].received_at_ms > sent[0].tapped_at_ms
    assert list(history.verify(history.Audit())) == []


@ON_SQLITE
def test_a_server_that_dies_between_commit_and_answer_doubles_nothing(street, phone, tmp_path):
    page = phone.open()
    phone.log_in(page, "wang")
    page.locator(".job").click()
    steps: list[tuple[Callable[[], None], str]] = [
        (lambda: page.get_by_role("button", name="Accept this task").click(), "The task is yours."),
        (lambda: camera(page, shot(1, tmp_path)), "The photo is stored."),
        (lambda: close_as(page, "Towed", "by truck"), "Closed: Towed"),
    ]
    for number, (press, answer) in enumerate(steps, 1):
        if number == 1:  # accepting is the same twice by itself
            press()
            expect(page.locator("#field-notice")).to_have_text(answer)
            continue
        street.wire.lose_answer_to("POST /field/submissions", street.server.kill)
        press()
        assert street.wire.sprung.wait(30)
        assert Submission.objects.count() == number, "it was committed"
        expect(page.locator("#field-queue")).to_contain_text("1 action waits for the network")
        street.server.start()
        expect(page.locator("#field-notice")).to_have_text(answer, timeout=30_000)
        expect(page.locator("#field-queue")).to_be_hidden()
    assert street.kinds() == ["accepted", "attachment", "outcome"]
    assert Submission.objects.count() == 3


@ON_SQLITE
def test_a_task_that_was_retracted_meanwhile_says_so_and_keeps_what_was_seen(street, phone, tmp_path):
    page = phone.open()
    phone.log_in(page, "wang")
    page.locator(".job").click()
    phone.ready_for_the_tunnel(page, street.address)
    # The answer arrives, and the network goes before the page has looked again.
    phone.context.route("**/officer/*/?seen=*", lambda route: route.abort())
    page.get_by_role("button", name="Accept this task").click()
    expect(page.get_by_text("The task is yours.")).to_be_visible()
    street.wire.cut()
    expect(page.get_by_role("button", name="Close this task")).to_be_visible()
    page.reload()
    expect(page.locator("#field-old")).to_contain_text("No network")
    expect(page.get_by_role("button", name="Accept this task")).to_be_hidden()
    bar = page.locator("#field-queue")
    camera(page, shot(1, tmp_path))
    close_as(page, "Ticketed", "stood at the gate")  # while the photo is still being made smaller
    expect(bar).to_contain_text("2 actions wait", timeout=20_000)
    intake.take_all(
        [(TOPICS.of("tasks"), retraction("c1", SystemClock().utc_ms()).model_dump_json().encode())]
    )
    phone.context.unroute("**/officer/*/?seen=*")
    street.wire.mend()
    expect(bar).to_contain_text("1 action was not taken", timeout=30_000)
    expect(page.get_by_text("The vehicle has left. Nobody needs to go.")).to_be_visible(timeout=30_000)
    bar.locator("summary span").click()
    expect(bar.locator("li")).to_contain_text(
        "The vehicle has left and the task was retracted: nobody needs to go."
    )
    expect(bar.locator("li")).to_contain_text("stood at the gate")
    assert street.kinds() == ["accepted", "attachment", "finding_refused"]
    assert WorkOrder.objects.get().state == WorkState.RETRACTED
    assert Letter.objects.count() == 0, "nobody is fined"
    page.reload()
    page.locator("#field-queue summary span").click()
    page.get_by_role("button", name="Understood").click()
    expect(page.locator("#field-queue")).to_be_hidden()


@ON_SQLITE
def test_an_expired_session_asks_to_log_in_and_then_sends(street, phone):
    page = phone.open()
    phone.log_in(page, "wang")
    phone.ready_for_the_tunnel(page, street.address)
    street.wire.cut()
    page.locator(".job").click()
    page.get_by_role("button", name="Accept this task").click()
    bar = page.locator("#field-queue")
    expect(bar).to_contain_text("1 action waits for the network")
    Session.objects.all().delete()
    street.wire.mend()
    expect(bar).to_contain_text("Log in again", timeout=30_000)
    bar.get_by_role("button", name="Log in").click()
    page.get_by_label("Name").fill("wang")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("section.login button").click()
    expect(page.get_by_role("button", name="Close this task")).to_be_visible(timeout=30_000)
    phone.wait_until(lambda: street.kinds() == ["accepted"], within=30)
    expect(page.locator("#field-queue")).to_be_hidden()


@ON_SQLITE
def test_after_a_log_out_another_officer_finds_nothing_and_the_first_ones_work_is_not_lost(street, phone):
    page = phone.open()
    phone.log_in(page, "wang")
    phone.ready_for_the_tunnel(page, "/officer/", street.address)
    page.locator(".job").click()
    # The centre answers, but takes nothing: what is done stays on the phone.
    phone.context.route("**/field/submissions", lambda route: route.fulfill(status=503))
    page.get_by_role("button", name="Accept this task").click()
    expect(page.locator("#field-queue")).to_contain_text("1 action waits")
    questions: list[str] = []
    page.once("dialog", lambda dialog: (questions.append(dialog.message), dialog.dismiss()))
    page.get_by_role("button", name="Log out").click()
    phone.wait_until(
        lambda: page.evaluate("1") and questions, within=20
    )  # asking the page lets its question come in
    expect(page.locator("#field-queue")).to_be_visible()
    assert "stays locked on this phone until you log in again" in questions[0]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    names = "async () => (await caches.keys()).filter((name) => !name.startsWith('patrol-shell'))"
    phone.wait_until(lambda: page.evaluate(names) == [])

    phone.log_in(page, "li")
    expect(page.locator("#field-notice")).to_contain_text("Something of a colleague waits on this phone")
    expect(page.locator("#field-queue")).to_be_hidden()
    assert "三里河路" not in page.locator("#field-queue").text_content()
    phone.context.unroute("**/field/submissions")
    phone.ready_for_the_tunnel(page, "/officer/")
    page.reload()
    expect(page.locator("#field-notice")).to_contain_text("Something of a colleague")
    assert WorkOrder.objects.get().state == WorkState.NEW, "nobody sends it in another's name"

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    street.wire.cut()
    page.goto(phone.url + street.address)
    expect(page.get_by_role("heading", name="No network")).to_be_visible()
    assert "三里河路" not in page.content()
    street.wire.mend()
    phone.log_in(page, "wang")
    phone.wait_until(lambda: WorkOrder.objects.filter(assignee__username="wang").exists(), within=30)
    expect(page.locator("#field-queue")).to_be_hidden(timeout=30_000)


@ON_SQLITE
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_pages_can_be_used_by_everybody(street, phone, language):
    """axe-core finds nothing on list and task, in both themes; what is pressed is large enough for a thumb."""
    phone.language = language
    page = phone.open()
    page.goto(phone.url + "/login/")
    browser = phone.context.new_cdp_session(page)
    manifest = browser.send("Page.getAppManifest")
    assert (manifest["errors"], manifest["url"].rpartition("/")[2][:8]) == ([], "manifest")
    faults = lambda: browser.send("Page.getInstallabilityErrors")["installabilityErrors"]  # noqa: E731
    phone.wait_until(lambda: faults() == [], within=20)
    page.locator("[name=username]").fill("li")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("section.login button").click()
    expect(page.locator(".job")).to_be_visible()
    axe = Axe()
    for address in ("/officer/", street.address):
        if address != "/officer/":
            page.locator(".job").click()
            button = page.locator(".act button").bounding_box()
            assert button["y"] + button["height"] <= PHONE["height"], (
                "in reach of the thumb without scrolling"
            )
            page.locator(".act button").click()
            expect(page.locator("[data-step=work]")).to_be_visible()
            expect(page.locator("#field-queue")).to_be_hidden()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
            assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        small = page.locator(
            "main button:visible, main a.button:visible, main summary:visible, main label.button:visible"
        )
        for each in small.all():
            assert each.bounding_box()["height"] >= 48, each.text_content()
