"""What makes the pages an application on a phone, offers with a lease, and the same work by plain forms."""

from __future__ import annotations

import io
import re
import uuid

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.templatetags.static import static
from PIL import Image

from central.cases.models import HistoryEntry, WorkOrder
from central.cases.states import WorkState
from central.dispatch.models import Offer, OfferState
from central.field import icons, phone
from central.field.models import Submission
from central.ingest import intake
from tests.central.street import MINUTE, NOON, TOPICS, picture, task

MARK = (settings.HOUSE / "pages/static/patrol/mark.svg").read_text()


@pytest.fixture
def order(agent):
    intake.take_all([(TOPICS.of("tasks"), task().model_dump_json().encode())])
    return WorkOrder.objects.get()


def offered(order, officer):
    return Offer.rows.create(
        order=order, officer=officer, offered_at_ms=NOON, expires_at_ms=NOON + 2 * MINUTE, rank=1
    )


@pytest.mark.parametrize(("language", "name"), [("en", "Street Patrol"), ("zh-hans", "街巡")])
def test_the_manifest_speaks_the_readers_language_and_its_icons_are_there(browse, language, name, centre):
    answer = browse().get(f"/manifest-{language}.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["name"], manifest["start_url"], manifest["scope"]) == (name, "/start/", "/")
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        with Image.open(io.BytesIO(browse().get(icon["src"]).content)) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]
    assert browse().get("/manifest-fr.webmanifest").status_code == 404


def test_the_service_worker_names_files_of_this_release_that_are_there(browse, centre):
    answer = browse().get("/service-worker.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Service-Worker-Allowed"] == "/"
    assert answer["Cache-Control"] == "no-cache"
    source = answer.content.decode()
    named = set(re.findall(r'"(/static/[^"]+)"', source))
    assert {static(name) for name in phone.SHELL} <= named
    assert all(re.search(r"\.[0-9a-f]{12}\.", name) for name in named), "named by their contents"
    assert '"./' not in source
    for name in named:
        assert browse().get(name).status_code == 200, name


def test_modules_import_one_another_by_the_hash_of_their_contents(browse, centre):
    for name in phone.MODULES:
        text = browse().get(static(f"field/{name}.js")).content.decode()
        imported = re.findall(r'from "(\./[^"]+)"', text)
        assert all(re.fullmatch(r"\./\w+\.[0-9a-f]{12}\.js", each) for each in imported), (name, imported)


def test_the_page_without_a_network_names_nobody(browse, person):
    text = browse(person("wang")).get("/officer/offline/").content.decode()
    assert "No network" in text
    assert "Wang" not in text
    assert "csrf" not in text


@pytest.mark.parametrize(("edge", "full"), [(192, False), (512, True)])
def test_icons_are_the_mark(edge, full):
    image = Image.open(io.BytesIO(icons.draw(MARK, edge, full=full))).convert("RGBA")
    assert image.size == (edge, edge)
    colours = {colour for _, colour in image.getcolors(edge * edge)}
    assert {(15, 118, 110, 255), (255, 255, 255, 255), (252, 211, 77, 255)} <= colours
    corner = image.getpixel((0, 0))
    assert corner == ((15, 118, 110, 255) if full else (0, 0, 0, 0)), "a phone cuts a maskable icon itself"


def test_a_mark_that_cannot_be_drawn_is_an_error():
    for part in ('<circle r="3"/>', '<path d="M1 1c1 1 2 2 3 3" stroke="#fff" stroke-width="1"/>'):
        with pytest.raises(ValueError, match="not drawn"):
            icons.draw(
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{part}</svg>', 64, full=False
            )


def test_an_offer_counts_down_for_its_officer_and_waits_on_no_other_list(order, browse, person, centre):
    wang, li = person("wang"), person("li")
    offered(order, wang)
    mine = browse(wang).get("/officer/").content.decode()
    assert f'data-ends="{NOON + 2 * MINUTE}"' in mine
    assert mine.index("Offered to you") < mine.index("My tasks <span")
    assert "data-job" not in browse(li).get("/officer/").content.decode()
    assert "Decline this task" in browse(wang).get(f"/officer/{order.pk}/").content.decode()
    assert "Decline this task" not in browse(li).get(f"/officer/{order.pk}/").content.decode()
    centre.clock.advance(3 * MINUTE)
    for user in (wang, li):
        text = browse(user).get("/officer/").content.decode()
        assert "data-ends" not in text
        assert f'data-job="{order.pk}"' in text, "it waits for anybody again"


def test_declining_needs_a_reason_and_an_offer(order, browse, person):
    wang, li = person("wang"), person("li")
    offered(order, wang)
    client = browse(wang)
    empty = client.post(f"/officer/{order.pk}/decline/", {}, follow=True)
    assert "Say why" in empty.content.decode()
    other = browse(li).post(f"/officer/{order.pk}/decline/", {"reason": "far"}, follow=True)
    assert "not offered to you" in other.content.decode()
    key = str(uuid.uuid4())
    for _ in range(2):
        done = client.post(f"/officer/{order.pk}/decline/", {"reason": "flat tyre", "key": key}, follow=True)
        assert "goes to somebody else" in done.content.decode()
    assert Offer.rows.get(officer=wang).state == OfferState.DECLINED
    assert HistoryEntry.objects.filter(kind="offer_declined").count() == 1
    assert WorkOrder.objects.get().state == WorkState.NEW


@pytest.mark.parametrize("role", ["officer", "grid_worker"])
def test_the_whole_visit_by_plain_forms(order, browse, person, role):
    client = browse(person("wang", role))
    assert client.get("/start/")["Location"] == "/officer/"
    assert "My tasks" in client.get("/officer/").content.decode()
    text = client.get(f"/officer/{order.pk}/").content.decode()
    keys = re.findall(r'name="key" value="([0-9a-f-]{36})"', text)
    assert len(set(keys)) == len(keys) >= 4
    client.post(f"/officer/{order.pk}/accept/", {"key": keys[0]})
    for _ in range(2):  # the button was pressed twice
        files = [SimpleUploadedFile(f"{number}.jpg", picture(number)) for number in (1, 2)]
        sent = client.post(f"/officer/{order.pk}/photos/", {"key": keys[1], "photo": files}, follow=True)
    assert sent.content.decode().count("attachments/") == 4, "two photos, each as thumbnail and whole"
    assert (
        "The photo is missing."
        in client.post(f"/officer/{order.pk}/photos/", {"key": keys[1]}, follow=True).content.decode()
    )
    client.post(f"/officer/{order.pk}/close/", {"key": keys[2], "result": "towed", "note": "by truck"})
    client.post(f"/officer/{order.pk}/note/", {"key": keys[3], "note": "the kerb is broken"})
    assert [each.kind for each in Submission.objects.order_by("pk")] == [
        "accept",
        "photo",
        "photo",
        "outcome",
        "note",
    ]
    done = WorkOrder.objects.get()
    assert (done.state, done.result, done.case.state) == (WorkState.CLOSED, "towed", "closed")
    assert "the kerb is broken" in client.get(f"/cases/{order.case_id}/").content.decode()


def test_pages_say_whose_they_are(order, browse, person):
    wang = person("wang")
    for address in ("/officer/", f"/officer/{order.pk}/"):
        answer = browse(wang).get(address)
        assert answer["X-Patrol-User"] == str(wang.pk)
        assert answer["Cache-Control"] == "no-store"
