"""What a resident says, from the public page to the end and back: through the real pages, on both databases."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import Client
from PIL import Image

from central.cases.apikeys import add_key
from central.cases.attachments import path_of
from central.cases.history import Audit, verify
from central.cases.models import Case, Follower, Told
from central.clocks.models import Clock
from central.clocks.sweeper import ClockSweeper
from central.grids.models import Grid
from central.project.brake import Brake
from central.statistics.endings import ending_of
from central.voice import codes, covering, public
from central.voice.figures import figures
from central.voice.models import Meeting, Saying
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_SQLITE
from tests.central.street import JURISDICTION, NOON

DAY = 86_400_000
LIFT = {
    "category": "repairs",
    "text": "3号楼电梯坏了三天，老人上不了楼",
    "place": "三里河一区3号楼",
    "longitude": "116.3321",
    "latitude": "39.9145",
}


@pytest.fixture
def area(centre):
    return Grid.objects.create(jurisdiction_id=JURISDICTION, code="3", name="三里河街道", level=1)


def say(client: Client, key: str, **changes: object):
    return client.post("/say/", {**LIFT, "key": key.ljust(20, "k"), **changes})


def link(answer) -> str:
    assert answer.status_code == 303, answer.content.decode()[-1500:]
    return answer["Location"].partition("?")[0]


def test_from_the_report_to_the_end_and_back(centre, area, person, browse):
    chief, hand = person("boss", "dispatcher"), person("worker", "grid_worker")
    boss = browse(chief)
    public_page = browse()
    assert "I have something to say" in public_page.get("/say/").content.decode()
    first = link(
        say(
            public_page,
            "first",
            phone="13800138000",
            photos=SimpleUploadedFile("a.jpg", photo(), "image/jpeg"),
        )
    )
    again = link(
        say(
            public_page,
            "first",
            phone="13800138000",
            photos=SimpleUploadedFile("a.jpg", photo(), "image/jpeg"),
        )
    )
    assert first == again
    case = Case.objects.get()
    assert (case.attachments.count(), case.sayings.count()) == (1, 1), "sent twice it is one report"
    assert say(public_page, "first", text="另外一件事情").status_code == 409
    assert "13800138000" not in first + public_page.get(first).content.decode()

    # Somebody else types the same: it is suggested without a word of the first one's, and he joins it.
    typed = {"text": "三号楼的电梯坏了好几天没人修", "longitude": "116.3322", "latitude": "39.9145"}
    shown = public_page.post("/say/suggestions/", typed).content.decode()
    (invitation,) = re.findall(r'name="me_too" value="([^"]+)"', shown)
    assert "老人" not in shown
    other = link(say(public_page, "second", me_too=invitation, text="我家也是", phone="13900139000"))
    nameless = link(say(public_page, "third", me_too=invitation, text=""))
    for guess in (str(case.pk), invitation[:-1], invitation.replace(str(case.pk), str(case.pk + 1), 1)):
        assert say(public_page, "guess", me_too=guess).status_code == 422, (
            "whoever was not shown it cannot join"
        )
    assert (Case.objects.count(), Follower.objects.count()) == (1, 1)
    assert "3 people said so" in public_page.get(nameless).content.decode()

    # Whoever sent a photo sees it; others do when a dispatcher has covered what is nobody's business, and the copy alone.
    picture = case.attachments.get()
    cover = f"/voice/{case.pk}/photos/{picture.pk}/"
    mine, others = (f"{each}/photos/{picture.pk}.jpg" for each in (first, other))
    assert browse(hand).get(cover).status_code == 403
    assert 'value="191"' in boss.get(cover).content.decode()
    boss.post(cover, {"cover": ["0", "192"]})
    assert public_page.get(others).status_code == 404, "there is no such square: nothing is shown"
    boss.post(cover, {"cover": ["0", "14"]})
    assert public_page.get(mine).content == path_of(picture.thumbnail_sha256, thumbnail=True).read_bytes()
    assert public_page.get(others).content == path_of(picture.shown.sha256, thumbnail=True).read_bytes()
    assert picture.shown.sha256 != picture.thumbnail_sha256
    boss.post(cover, {"hide": "1"})
    assert public_page.get(others).status_code == 404

    # Nobody answers: warned on the third working day, broken on the fifth, and the matter goes to the table by itself.
    sweeper = ClockSweeper("test")
    assert boss.get("/voice/").content.decode().count("matters") >= 1
    clock = Clock.objects.get(case=case, kind="reply")
    centre.clock.advance(clock.warn_at_ms - NOON + 1)
    sweeper.sweep()
    clock.refresh_from_db()
    assert (clock.warned_at_ms is not None, clock.breached_at_ms) == (True, None)
    centre.clock.advance(clock.due_at_ms - clock.warn_at_ms)
    sweeper.sweep()
    case.refresh_from_db()
    assert case.process_state == "round_table"
    # 2026-01-01 is a day off and so is the second; the fourth is a Sunday that is worked.
    assert datetime.fromtimestamp(clock.due_at_ms / 1000, UTC).date().isoformat() == "2026-01-08"

    boss, worker = browse(chief), browse(hand)  # a week later
    # The table meets; what is agreed can be told once the minutes are written.
    meeting = Meeting.objects.get()
    page = f"/voice/{case.pk}/tables/{meeting.pk}/"
    refused = boss.post(f"/voice/{case.pk}/reply/agree/", {"reply": "本周五前修好"})
    assert refused.status_code == 409
    assert "has not met yet" in refused.content.decode()
    plan = {"meets_at": "2026-01-12T14:00", "place": "居委会", "guests": "物业\n居民代表", "agenda": "修电梯"}
    assert boss.post(page + "plan/", plan).status_code == 303
    assert (
        boss.post(
            page + "promise/", {"what": "换曳引机", "owner": "物业", "due": "2025-01-01T10:00"}
        ).status_code
        == 422
    )
    assert (
        boss.post(
            page + "promise/", {"what": "换曳引机", "owner": "物业", "due": "2026-01-16T18:00"}
        ).status_code
        == 303
    )
    assert boss.post(page + "minutes/", {"minutes": "物业答应更换曳引机。"}).status_code == 303
    assert "换曳引机" in public_page.get(first).content.decode()
    assert boss.post(f"/voice/{case.pk}/reply/agree/", {"reply": "本周五前修好"}).status_code == 303
    clock.refresh_from_db()
    assert clock.stopped_at_ms is not None, "the answer stops the clock"
    assert "本周五前修好" in public_page.get(other).content.decode()

    # The work is reported by one and confirmed by another, but not while a promise is open.
    assert worker.post(f"/voice/{case.pk}/reply/report/", {"reply": "电梯已恢复运行"}).status_code == 303
    assert boss.post(f"/voice/{case.pk}/reply/confirm/", {}).status_code == 409
    promise = case.commitments.get()
    assert boss.post(f"/voice/commitments/{promise.pk}/end/", {"note": "已更换"}).status_code == 303
    assert boss.post(f"/voice/{case.pk}/reply/confirm/", {}).status_code == 303
    assert public_page.get("/say/done/").content.decode().count("三里河一区3号楼") == 1

    # Rated by one and by another, each once; then it breaks again.
    assert public_page.post(f"{first}/rate", {"stars": "9"}).status_code == 422
    assert public_page.post(f"{first}/rate", {"stars": "5"}).status_code == 303
    assert public_page.post(f"{other}/rate", {"stars": "2"}).status_code == 303
    assert public_page.post(f"{other}/rate", {"stars": "5"}).status_code in {303, 409}
    assert list(case.ratings.order_by("pk").values_list("stars", flat=True)) == [5, 2]
    case.refresh_from_db()
    assert ending_of(case.definition_id, case.process_state) == "fixed", "a rating does not take the end away"
    totals = figures(Case.objects.all())
    assert (totals.matters, totals.replied, totals.escalated, totals.closed, totals.fixed) == (1, 1, 1, 1, 1)
    assert (totals.replied_late, totals.me_too, totals.ratings, totals.stars) == (1, 2, 2, 7)
    assert public_page.post(f"{first}/reopen", {"reason": ""}).status_code == 422
    assert public_page.post(f"{first}/reopen", {"reason": "又坏了"}).status_code == 303
    case.refresh_from_db()
    assert (case.process_state, case.round) == ("screened", 1)
    totals = figures(Case.objects.all())
    assert (totals.closed, totals.reopened) == (0, 1)
    assert b"replied" in boss.get("/voice/figures.csv").content
    assert boss.get("/voice/figures/").status_code == 200
    # The two with a number were told once of each step; and the history holds no text of theirs.
    told = Told.objects.filter(case=case).values_list("reporter", "step", "round")
    assert len(told) == len(set(told))
    assert len({row[0] for row in told}) == 2
    bodies = " ".join(case.history.values_list("body", flat=True))
    assert "老人" not in bodies
    assert "13800138000" not in bodies
    assert list(verify(Audit())) == []


def test_nothing_can_be_made_out_below_a_covered_square():
    noise = np.random.default_rng(1).integers(0, 256, (360, 480, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=95)
    copy = np.asarray(
        Image.open(io.BytesIO(covering.cover(out.getvalue(), [0, 13], covering.rows_of(480, 360))))
    )
    # Within its seams, where a JPEG's blocks reach over, a square has one colour.
    within = copy.reshape(9, 40, 12, 40, 3)[:, 16:24, :, 16:24].std(axis=(1, 3)).max(axis=2).ravel()
    assert (within[[0, 13]] < 2).all()
    assert (np.delete(within, [0, 13]) > 20).all()


def test_ten_reports_of_one_matter_are_one_and_each_is_told_once(centre, area, browse):
    page = browse()
    words = ("井盖松动，车过响声大", "这里井盖松动响声大", "井盖松动，汽车一过响声很大")
    for number in range(10):
        centre.clock.advance(20 * 60_000)
        answer = say(
            page,
            f"cover-{number}-",
            category="repairs",
            text=words[number % 3],
            place="月坛南街",
            longitude=str(116.34 + number * 0.00001),
            latitude="39.91",
            phone=f"1380013800{number}",
        )
        link(answer)
    parents = Case.objects.filter(parent__isnull=True)
    assert parents.count() == 1, list(Case.objects.values_list("pk", "parent", "text"))
    parent = parents.get()
    assert parent.children.count() == 9
    told = Told.objects.filter(step="collect").values_list("reporter", flat=True)
    assert len(told) == 10 == len(set(told))
    from central.cases.actions import take
    from central.cases.guards import Actor

    take(parent.pk, Actor("user:boss", frozenset({"dispatcher"})), "screen")
    told = Told.objects.filter(case=parent, step="establish").values_list("reporter", flat=True)
    assert sorted(told) == sorted(Saying.objects.values_list("reporter", flat=True))
    totals = figures(Case.objects.all())
    assert (totals.received, totals.merged, totals.matters) == (10, 9, 1)


@ON_SQLITE
def test_the_code_of_a_stairwell_and_the_program_of_a_city(centre, area, browse, tmp_path):
    table = tmp_path / "stairwells.csv"
    table.write_text("place,grid,longitude,latitude\n三里河一区3号楼1单元,3,116.3321,39.9145\n", "utf-8")
    made = codes.make(JURISDICTION, codes.read_places(table))
    assert codes.make(JURISDICTION, codes.read_places(table)) == made, "what hangs on a wall goes on working"
    page, here = browse(), f"/say/{made[0].token}"
    assert "三里河一区3号楼1单元" in page.get(here).content.decode()
    link(page.post(here, {"key": "c" * 24, "category": "repairs", "text": LIFT["text"]}))
    case = Case.objects.get()
    assert (case.place, case.longitude, case.grid) == (made[0].place, 116.3321, area)
    codes.retire(made[0].token)
    gone = page.get(here)
    assert (gone.status_code, "not in use any more" in gone.content.decode()) == (404, True)

    # A program says it for somebody: once for a key, with a photo; another's program knows nothing of it.
    mine, others = (
        {"authorization": f"Bearer {add_key(name, where, ('open', 'read', 'photo'))}"}
        for name, where in (("app", JURISDICTION), ("other", "elsewhere"))
    )

    def send(text, name):
        body = {**LIFT, "text": text, "longitude": 116.35, "latitude": 39.93}
        return page.post(
            "/api/v1/voice/reports", body, "application/json", headers={**mine, "idempotency-key": name}
        )

    first, again = send("路灯整夜不亮", "one"), send("路灯整夜不亮", "one")
    assert (first.status_code, again.status_code, send("另一件事", "one").status_code) == (201, 200, 409)
    assert first.json() | {"again": True} == again.json()
    where = f"/api/v1/voice/progress/{first.json()['token']}"
    kept = page.post(
        f"{where}/photos", photo(), "image/jpeg", headers={**mine, "idempotency-key": "a"}
    )  # fmt: skip
    assert kept.status_code == 201
    assert "photos/" in page.get(first.json()["progress"]).content.decode()
    found = page.get("/api/v1/voice/suggestions", {"text": "路灯不亮", "place": LIFT["place"]}, headers=mine)
    assert found.json()[0]["case"] == first.json()["case"]
    assert [page.get(where, headers=each).status_code for each in (mine, others)] == [200, 404]


@ON_SQLITE
def test_what_cannot_be_taken_says_why(centre, area, browse, monkeypatch):
    page = browse()
    for changes, field, status in (
        ({"text": "  "}, "text", 422),
        ({"category": "nonsense"}, "category", 422),
        ({"category": "dispute"}, "phone", 422),
        ({"phone": "12"}, "phone", 422),
        ({"place": "", "longitude": "", "latitude": ""}, "place", 422),
        ({"longitude": "nan", "latitude": "1"}, "place", 422),
        ({"key": "short"}, "key", 422),
        ({"photos": SimpleUploadedFile("a.jpg", b"GIF89a<script>", "image/jpeg")}, "photos", 422),
        (
            {"photos": [SimpleUploadedFile(f"{n}.jpg", photo(), "image/jpeg") for n in range(5)]},
            "photos",
            422,
        ),
        ({"me_too": "999"}, "me_too", 422),
        ({"me_too": "²", "text": " "}, "me_too", 422),
    ):
        answer = page.post(
            "/say/", {**LIFT, "key": "a" * 24, **changes}, headers={"accept": "application/json"}
        )
        assert (answer.status_code, json.loads(answer.content)["field"]) == (status, field), changes
    assert Case.objects.count() == 0
    public.SENDING.reset()
    # One number has a limit by the day; an address one by the minute. Both say when to come back.
    for number in range(10):
        link(
            say(
                page,
                f"many-{number}",
                phone="13800138000",
                text=f"第{number}件完全不同的事情" + chr(0x4E00 + number * 97) * 6,
            )
        )
        public.SENDING.reset()
    over = say(page, "many-10", phone="13800138000")
    assert (over.status_code, int(over["Retry-After"]) > 3600) == (429, True)
    monkeypatch.setattr(public, "SENDING", Brake(burst=1, per_minute=1))
    link(say(page, "slow-1"))
    assert int(say(page, "slow-2")["Retry-After"]) <= 60
    for longitude in ("nan", "1e30", "inf", "181"):
        typed = {"text": "三号楼的电梯坏了", "longitude": longitude, "latitude": "39.9", "code": "?"}
        assert page.post("/say/suggestions/", typed).status_code == 200, longitude
    assert page.post("/say/suggestions/", {"text": "电梯坏了", "jurisdiction_id": "?"}).status_code == 200
    assert page.get("/say/done/", {"before": "²"}).status_code == 200
    assert page.get("/say/p/unknown").status_code == 404
    assert page.get("/say/nocode").status_code == 404
    assert re.search(r"S\d{6}", page.get(link_of_any(page)).content.decode())


def link_of_any(page: Client) -> str:
    public.SENDING = Brake(burst=9, per_minute=9)
    return link(say(page, "last"))
