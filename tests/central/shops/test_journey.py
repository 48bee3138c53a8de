"""A shop from the register to its case: passers-by, the merchant and the regulator, by their pages, on both databases."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from datetime import timedelta

import cv2
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from central.cases.apikeys import add_key
from central.cases.models import Case
from central.contact.models import Message
from central.contact.sealing import unseal
from central.owners.keys import the_key
from central.people.models import SensitiveRead
from central.project.clock import local_day, now_ms
from central.shops import (
    imports,
    inspecting,
    plates,
    register,
    sweeping,
    voices,
)
from central.shops.checklists import current
from central.shops.colours import recolour
from central.shops.models import Code, Enforcement, Entry, Note, Session, Shop
from central.shops.rules import DAY_MS
from central.shops.sealing import Owner
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.street import JURISDICTION

PHONE = "+8613800138000"
SIGNED = "M10 10L20.5 30L40 12"


def a_shop(number: str = "S-1", category: str = "retail") -> Shop:
    new = register.NewShop(number, "福顺便利店", category, address="文化路8号", owner=Owner("王五", PHONE))
    register.register(JURISDICTION, [new], "test")
    return Shop.objects.get(number=number)


def upload(name: str = "p.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, photo(), content_type="image/jpeg")


def form(shop: Shop, kind: str, key: str, fails: tuple[str, ...] = ()) -> dict[str, object]:
    items = current(shop.category).asked_in(kind)
    answers = {f"a-{item.id}": "fail" if item.id in fails else "ok" for item in items}
    return {**answers, **{f"p-{item}": upload() for item in fails}, "key": key, "kind": kind}


def test_from_the_door_to_the_case(centre, person, browse):
    shop = a_shop()
    token = Code.objects.get(shop=shop).token
    door = reverse("shops:page", args=[token])
    passer, merchant = browse(), browse()

    # Anybody: stars once a day from a device, and a tip-off that counts only when somebody has looked.
    assert passer.post(door + "/rate", {"stars": "9"}).status_code == 422
    for stars in "42":
        assert passer.post(door + "/rate", {"stars": stars}).status_code == 303
    assert list(shop.ratings.values_list("stars", flat=True)) == [2]
    tip = {"text": "后门被货物堵住了", "key": "tip-0001", "photo": upload()}
    assert passer.post(door + "/tip-off", tip).status_code == 303
    assert passer.post(door + "/tip-off", {**tip, "photo": upload()}).status_code == 303
    assert shop.tip_offs.count() == 1
    assert b"Green" in passer.get(door).content

    # The merchant: a code by SMS, wrong digits first; another number gets the same answer and no message.
    owner = reverse("shops:owner", args=[token])
    assert merchant.post(owner + "code", {"phone": "13900139000"})["Location"] == owner + "?sent=1"
    assert not Message.objects.exists()
    assert merchant.post(owner + "code", {"phone": PHONE}).status_code == 429
    centre.clock.advance(61_000)
    merchant.post(owner + "code", {"phone": PHONE})
    digits = re.search(r"\d{6}", unseal(the_key(), Message.objects.get()).text)[0]
    assert merchant.post(owner + "enter", {"digits": f"{(int(digits) + 1) % 10**6:06d}"}).status_code == 422
    assert b"Go through" not in merchant.get(owner).content
    assert merchant.post(owner + "enter", {"digits": digits}).status_code == 303
    assert b"Go through the list" in merchant.get(owner).content
    assert merchant.post(owner + "enter", {"digits": digits}).status_code == 422, "a code works once"

    # The checklist: a failure without a photo is refused, with one it is a finding, and the code is red.
    told = form(shop, "self", "inspection-1", ("exit_clear",))
    refused = merchant.post(owner + "inspection", {k: v for k, v in told.items() if not k.startswith("p-")})
    assert refused.status_code == 422
    assert b"needs a photo" in refused.content
    assert merchant.post(owner + "inspection", told).status_code == 303
    shop.refresh_from_db()
    assert shop.colour == "red"
    assert shop.reasons[0]["code"] == "open_finding_grave"
    page = passer.get(door, headers={"accept-language": "zh-hans"}).content.decode()
    assert "重大隐患未消除" in page
    assert "王五" not in page
    assert "138" not in page
    finding = shop.findings.get()
    assert merchant.get(owner + f"photo/{finding.photo_id}").status_code == 200
    assert merchant.get(owner + f"photo/{shop.tip_offs.get().photo_id}").status_code == 404
    assert passer.get(owner + f"photo/{finding.photo_id}").status_code == 303

    # Red for a week: one case, however often it is looked at.
    centre.clock.advance(8 * DAY_MS)
    assert sweeping.sweep() == 1
    assert sweeping.sweep() == 0, "the round is done"
    centre.clock.advance(sweeping.ROUND_MS)
    assert sweeping.sweep() == 1
    assert Message.objects.filter(kind="shop_red").count() == 1
    case = Case.objects.get(service_code="shop_safety")
    assert Enforcement.objects.get().case_id == case.pk
    assert "重大隐患" in case.text

    # An appeal after a new log-in, decided by the regulator; the facts that it takes away count no more.
    assert "sent=1" in merchant.post(owner + "code", {"phone": PHONE})["Location"]
    sent = Message.objects.filter(kind="login_code").latest("pk")
    merchant.post(owner + "enter", {"digits": re.search(r"\d{6}", unseal(the_key(), sent).text)[0]})
    assert merchant.post(owner + "appeal", {"text": "照片不是本店的后门"}).status_code == 303
    chief = browse(person("chief", "dispatcher", JURISDICTION))
    other = browse(person("away", "dispatcher", "elsewhere"))
    here = reverse("shops:shop", args=[shop.pk])
    assert other.get(here).status_code == 404
    assert "福顺便利店" not in other.get("/shops/").content.decode()
    assert "福顺便利店" in chief.get("/shops/?colour=red&q=福顺").content.decode()
    appeal = shop.appeals.get()
    decided = chief.post(
        f"{here}appeals/{appeal.pk}/", {"reason": ["0", "1", "2"], "note": "现场核实不是该店"}
    )
    assert decided.status_code == 302
    shop.refresh_from_db()
    assert shop.colour == "green"
    assert Note.objects.filter(kind="appeal").exists()

    # A program with a key of its jurisdiction reads the same, without people.
    key = add_key("map", JURISDICTION, ("read",))
    program = browse()
    asked = {"authorization": f"Bearer {key}"}
    listed = program.get("/api/v1/shops?colour=green&limit=1", headers=asked).json()
    assert [row["number"] for row in listed["shops"]] == ["S-1"]
    assert listed["next"] is None
    assert program.get(f"/api/v1/shops/{shop.pk}", headers=asked).json()["reasons"] == []
    gone_through = program.get(f"/api/v1/shops/{shop.pk}/inspections", headers=asked).json()
    assert [row["answers"]["exit_clear"] for row in gone_through] == ["fail"]
    key = add_key("other", "elsewhere", ("read",))
    elsewhere = {"authorization": f"Bearer {key}"}
    assert program.get(f"/api/v1/shops/{shop.pk}", headers=elsewhere).status_code == 404
    assert program.get("/api/v1/shops", headers=elsewhere).json()["shops"] == []

    # A verified tip-off makes it yellow; a patrol with signature; the mend is shown and agreed to.
    chief.post(
        f"{here}tip-offs/{shop.tip_offs.get().pk}/", {"severity": "major", "note": "属实"}
    )  # fmt: skip
    worker = browse(person("worker", "grid_worker", JURISDICTION))
    patrol = {**form(shop, "patrol", "inspection-2", ("wiring",)), "signed_by": "王五", "signature": SIGNED}
    bad = worker.post(f"{here}inspect/", {**patrol, "signature": 'M1 1" onload="x', "p-wiring": upload()})
    assert bad.status_code == 422
    assert worker.post(f"{here}inspect/", {**patrol, "p-wiring": upload()}).status_code == 302
    found = shop.findings.get(item="wiring")
    assert merchant.post(owner + f"mend/{found.pk}", {"photo": upload()}).status_code == 303
    assert worker.post(f"{here}findings/{found.pk}/", {"good": "1"}).status_code == 302
    found.refresh_from_db()
    assert found.checked_by == "user:worker"
    shop.refresh_from_db()
    assert shop.colour == "yellow"
    page = chief.get(here).content.decode()
    assert SIGNED in page
    assert "Compared with" not in page

    # A round: one day and one signature for many; what has hazards is led to its own checklist, what is elsewhere is not there.
    next_door = a_shop("S-2")
    register.register("elsewhere", [register.NewShop("S-3", "远方店", "retail")], "test")
    far = Shop.objects.get(number="S-3")
    chosen = worker.post("/shops/round/", {"shop": [shop.pk, next_door.pk, far.pk]}).content.decode()
    assert f"r-{next_door.pk}" in chosen
    assert f"r-{far.pk}" not in chosen
    yesterday = local_day(centre.clock.utc_ms() - DAY_MS)
    told = {
        "key": "round-0001",
        "kind": "patrol",
        "day": yesterday.isoformat(),
        "signed_by": "王五",
        "signature": SIGNED,
    }
    told |= {f"r-{shop.pk}": "passed", f"r-{next_door.pk}": "hazards"}
    assert worker.post("/shops/round/", {**told, "day": "2001-01-01"}).status_code == 422
    assert worker.post("/shops/round/", {**told, f"r-{shop.pk}": ""}).status_code == 422
    for _ in range(2):
        left = worker.post("/shops/round/", told).content.decode()
        assert reverse("shops:inspect", args=[next_door.pk]) in left
    kept = shop.inspections.get(key=f"round-0001/{shop.pk}")
    assert (kept.failed, kept.signature, local_day(kept.at_ms)) == (0, SIGNED, yesterday)
    assert "New: No improvised wiring" in chief.get(here).content.decode(), "today compared with yesterday"
    assert not next_door.inspections.exists()

    # Who looks at a photo in full is written down, once in a while.
    for _ in range(2):
        chief.get(f"{here}pictures/{found.photo_id}/").close()
    assert list(SensitiveRead.objects.values_list("name", "subject", "number")) == [
        ("chief", "shop", shop.pk)
    ]

    # Reminded once a day; the log cannot be rewritten; a new code ends the old one and the merchant's session.
    for _ in range(2):
        chief.post("/shops/remind/", {"shop": [shop.pk]})
    assert Entry.objects.filter(kind="reminded").count() == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.all().update(actor="nobody")
    chief.post(f"{here}code/", {"reason": "stolen", "until": "2001-01-01"})
    assert passer.get(door).status_code == 200, "that day is over: nothing is done"
    chief.post(f"{here}code/", {"reason": "stolen", "until": local_day(centre.clock.utc_ms()).isoformat()})
    gone = passer.get(door)
    assert gone.status_code == 410
    assert b"no longer in force" in gone.content
    assert passer.get("/s/never-was-one").status_code == 404
    assert not Session.objects.exists()
    new = reverse("shops:page", args=[Code.objects.get(shop=shop, revoked_at_ms=None).token])
    assert passer.get(new).status_code == 200
    centre.clock.advance(DAY_MS)
    over = passer.get(new)
    assert (over.status_code, b"has expired" in over.content) == (410, True)


@ON_POSTGRESQL
def test_many_sweepers_open_one_case_for_each_red_and_do_each_batch_once(centre, monkeypatch):
    monkeypatch.setattr(sweeping, "BATCH", 2)
    shops = [a_shop(f"S-{number}") for number in range(3)]
    for shop in shops:
        items = current(shop.category).asked_in("self")
        answers = {item.id: "fail" if item.id == "exit_clear" else "ok" for item in items}
        told = inspecting.Answers("self", "inspection-1", answers, {"exit_clear": photo()})
        inspecting.inspect(shop, told, "owner")
        day = local_day(now_ms()) + timedelta(days=30)
        inspecting.set_certificate(shop, "extinguisher", day, "owner")
    centre.clock.advance(8 * DAY_MS)
    looked: list[int] = []
    failures: list[Exception] = []

    def work(what: Callable[[], object]) -> None:
        try:
            for _ in range(3):
                done = what()
                if isinstance(done, int):
                    looked.append(done)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(what,)) for what in [sweeping.sweep] * 3 + [recolour] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert sorted(filter(None, looked)) == [1, 2], "each batch of the round by one of them"
    assert Case.objects.filter(service_code="shop_safety").count() == Enforcement.objects.count() == 3
    assert Message.objects.filter(kind="shop_red").count() == 3
    assert Message.objects.filter(kind="shop_expiry").count() == 3


@ON_SQLITE
def test_an_import_is_whole_or_nothing_and_plates_lead_to_their_shops(centre):
    good = "编号,名称,类别,地址,手机\nS-1,张记面馆,餐饮,文化路1号,13800138000\nS-2,李记五金,零售,文化路2号,\n"
    bad = good + "S-2,重复,零售,,\nS-3,没有类别,咖啡,,123\n"
    report = imports.take(bad.encode("gb18030"), "a.csv", JURISDICTION, "test")
    assert [(row.row, row.field) for row in report.bad] == [(4, "number"), (5, "category")]
    assert not Shop.objects.exists()
    from openpyxl import Workbook

    book = Workbook()
    for line in good.splitlines():
        book.active.append(line.split(","))
    data = io.BytesIO()
    book.save(data)
    assert imports.take(data.getvalue(), "a.xlsx", JURISDICTION, "test", dry_run=True).counts is None
    assert imports.take(data.getvalue(), "a.xlsx", JURISDICTION, "test").counts.added == 2
    again = imports.take(good.encode(), "a.csv", JURISDICTION, "test").counts
    assert (again.added, again.unchanged) == (0, 2)

    for length in (1, 18, 19, 52, 120):
        lines = plates.name_lines("福" * length)
        assert all(len(line) * size <= 92.1 and size >= 3.5 for line, size, _y in lines)
        assert ("".join(line for line, *_ in lines) == "福" * length) == (length <= 52)

    import pypdfium2

    out = io.BytesIO()
    codes = list(Code.objects.select_related("shop").order_by("shop__number"))
    plates.pdf([plates.plate_of(code, "https://patrol.example.gov.cn") for code in codes], out)
    document = pypdfium2.PdfDocument(out.getvalue())
    for code, page in zip(codes, document, strict=True):
        assert code.shop.name in page.get_textpage().get_text_range()
        picture = np.ascontiguousarray(page.render(scale=2).to_numpy())
        assert cv2.QRCodeDetector().detectAndDecode(picture)[0].endswith(f"/s/{code.token}")
    document.close()


@ON_SQLITE
def test_one_network_cannot_flood_a_shop(centre):
    shop = a_shop()
    network = voices.network_of("192.0.2.1")
    for number in range(voices.RATINGS_OF_NETWORK):
        voices.rate(shop, 1, device=f"d{number}", network=network)
    with pytest.raises(voices.TooManyError):
        voices.rate(shop, 1, device="one more", network=network)
    voices.rate(shop, 2, device="d0", network=network)  # a change of mind is no new voice
    assert recolour().colours["yellow"] == 1
    centre.clock.advance(DAY_MS)
    assert voices.network_of("192.0.2.1") != network
