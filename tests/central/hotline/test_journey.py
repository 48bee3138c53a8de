"""From the first ring to the return visit, through the pages, on both databases."""

from __future__ import annotations

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from central.cases import actions
from central.cases.engine import RefusedError, kept_from, participate
from central.cases.history import Audit, verify
from central.cases.models import Case
from central.clocks.models import Alert
from central.hotline import errands
from central.hotline.figures import count, figures, period_of
from central.hotline.initials import initials
from central.hotline.models import Call, Errand
from central.hotline.places import complete
from central.hotline.replay import replay
from central.people.models import Role, SensitiveRead
from central.project.clock import now_ms
from protocol.errors import PatrolError
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_SQLITE
from tests.central.street import JURISDICTION

HOUR = 3_600_000
NUMBER = "13800138000"


@pytest.fixture
def people(centre, person):
    made = {
        name: person(name, role, JURISDICTION)
        for name, role in (
            ("chen", Role.DISPATCHER),
            ("wu", Role.DISPATCHER),
            ("liu", Role.GRID_WORKER),
            ("root", Role.ADMINISTRATOR),
            ("shen", Role.AUDITOR),
        )
    }
    return made


def ring(client, **changes):
    """What the form sends; returns the newest call."""
    given = {"key": str(uuid.uuid4()), "began": "0", "j": JURISDICTION, "phone": NUMBER, "name": "王秀英"}
    given |= {"subject": "zyrm", "place": "德胜里3号楼", "text": "楼上半夜装修", "then": "case"} | changes
    answer = client.post("/hotline/new/", given)
    assert answer.status_code == 302, answer.content.decode()
    return Call.objects.order_by("-pk").first()


def test_a_call_its_case_and_who_may_see_who_rang(people, browse):
    chen, root = browse(people["chen"]), browse(people["root"])
    key = str(uuid.uuid4())
    first = ring(chen, key=key)
    assert ring(chen, key=key).pk == first.pk, "a form sent twice"
    case = Case.objects.get()
    assert (case.service_code, case.process_state) == ("hotline_matter", "received")
    assert NUMBER not in str(first.reporter.sealed) + case.history.get(kind="opened").body

    # The same number again: the open case stands there at once, and the call joins it.
    shown = chen.post(
        "/hotline/new/caller/", {"phone": "+86 138-0013-8000", "j": JURISDICTION}
    ).content.decode()
    assert f'value="{case.pk}"' in shown
    alike = chen.post(
        "/hotline/new/same/", {"subject": "zy", "place": "德胜里 3号楼", "j": JURISDICTION, "text": ""}
    )
    assert f'value="{case.pk}"' in alike.content.decode()
    second = ring(chen, subject="", text="还在响", join=str(case.pk))
    assert (second.case_id, Case.objects.count(), case.notes.get().text) == (case.pk, 1, "还在响")
    assert b"\xe5\xbe\xb7\xe8\x83\x9c" in chen.get("/hotline/new/places/?place=德胜").content

    # In confidence: nothing of it to whoever asks for the number; a look needs a reason and is kept.
    hidden = ring(chen, confidential="on", text="举报小区黑中介", subject="other")
    shown = chen.post("/hotline/new/caller/", {"phone": NUMBER, "j": JURISDICTION}).content.decode()
    assert "黑中介" not in shown
    assert f'value="{hidden.case_id}"' not in shown
    assert "in confidence" in shown
    page = f"/hotline/calls/{hidden.pk}/"
    for client in (chen, root):
        for address in ("/hotline/", page):
            assert "8000" not in client.get(address).content.decode().replace("****8000", "", 2)
    assert root.post(page, {"why": "curious"}).status_code == 403
    assert chen.post(page, {"why": ""}).status_code == 422
    assert not SensitiveRead.objects.filter(number=hidden.pk, subject="call").exists()
    assert "+8613800138000" in chen.post(page, {"why": "回电核实"}).content.decode()
    look = SensitiveRead.objects.get(number=hidden.pk, subject="call")
    assert (look.name, look.purpose, look.fields) == ("chen", "回电核实", "contact")
    assert "回电核实" in browse(people["shen"]).get("/access-log/").content.decode()


@ON_SQLITE
def test_what_is_wrong_is_said_and_nothing_is_stored(people, browse):
    chen = browse(people["chen"])
    given = {"key": str(uuid.uuid4()), "j": JURISDICTION, "then": "case", "phone": NUMBER, "text": "x"}
    for changes, words in (
        ({"subject": "t"}, "This may mean"),
        ({"subject": ""}, "Say what it is about"),
        ({"subject": "zyrm", "phone": "12x"}, "not a telephone number"),
        ({"subject": "zyrm", "text": " "}, "Say what the matter is"),
    ):
        answer = chen.post("/hotline/new/", {**given, **changes})
        assert answer.status_code == 422, changes
        assert words in answer.content.decode(), changes
    assert chen.post("/hotline/new/", {**given, "j": "elsewhere", "subject": "zyrm"}).status_code == 422
    assert not Call.objects.exists()
    assert not Case.objects.exists()
    assert ring(chen, then="call", subject="", text="问路").case is None


@pytest.mark.parametrize(
    ("words", "letters"),
    [("噪音扰民", "zyrm"), ("电梯故障", "dtgz"), ("12345热线", "12345rx"), ("安全，啊", "aqa"), ("ü龘", "")],
)
def test_initials(words, letters):
    assert initials(words) == letters


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dsl3", ["德胜里3号楼", "德胜里3"]),
        ("xjkndj8hy", ["新街口南大街8号院"]),
        ("XJKNDJ12", ["新街口南大街120号", "新街口南大街12"]),
        ("bzfxj4hl501", ["白纸坊西街4号楼501"]),
        ("gamndjj3h", ["广安门内大街甲3号"]),
        ("无名路8hy2dy", ["无名路8号院2单元"]),
        ("gamndj3qq", []),
        ("德胜里3号楼", []),
        ("12", []),
    ],
)
def test_places_by_initials(typed, meant):
    known = ["德胜里3号楼", "新街口南大街120号"]
    assert complete(typed, known, ["白纸坊西街", "广安门内大街"]) == meant


def when(client_clock_ms: int) -> str:
    """As the browser's field gives it, where the test's people are."""
    return datetime.fromtimestamp(client_clock_ms / 1000, ZoneInfo("Asia/Shanghai")).strftime(
        "%Y-%m-%dT%H:%M"
    )


def test_supervision_visit_and_return_visit(centre, people, browse):
    chen, wu, liu = (browse(people[name]) for name in ("chen", "wu", "liu"))
    call = ring(chen)
    case, back = call.case, f"/hotline/calls/{call.pk}/call-back/"
    key = str(uuid.uuid4())
    for _ in range(2):
        chen.post(back, {"key": key, "due": when(now_ms() + HOUR), "what": "告知进展"})
    errand = Errand.objects.get()
    assert (errand.kind, errand.case_id) == ("call_back", case.pk)
    # Nobody answers: it is tried again; then it is late, and the dispatchers hear of it once.
    finish = f"/hotline/due/{errand.pk}/finish/"
    chen.post(finish, {"result": "unreachable", "key": str(uuid.uuid4())})
    errand.refresh_from_db()
    assert (errand.state, errand.tries) == ("open", 1)
    centre.clock.advance(HOUR + 300_000)
    assert (errands.remind(), errands.remind()) == (1, 0)
    assert Alert.objects.filter(kind="errand_call_back_late").count() == 1
    assert "A call-back is late" in chen.get("/alerts/").content.decode()
    chen.post(finish, {"result": "reached", "note": "已告知", "key": str(uuid.uuid4())})
    assert errand.calls.filter(direction="out").count() == 2

    # A visit with a photo, by the grid worker, who then handles the matter.
    ask = f"/cases/{case.pk}/hotline/ask/"
    wanted = {"due": when(now_ms() + HOUR), "what": "上门看看", "person": str(people["liu"].pk)}
    chen.post(ask, {"kind": "visit", **wanted})
    visit = Errand.objects.get(kind="visit")
    file = SimpleUploadedFile("a.jpg", photo(), "image/jpeg")
    liu.post(f"/hotline/due/{visit.pk}/finish/", {"result": "found", "note": "属实", "photo": file})
    visit.refresh_from_db()
    assert (visit.state, visit.photo is not None) == ("done", True)
    for client, step, given in (
        (people["chen"], "accept", {}),
        (people["chen"], "assign", {"department": "property"}),
        (people["liu"], "begin", {}),
    ):
        actions.take(case.pk, client, step, given)

    # Whoever handles it does not supervise it, nobody supervises himself; the account is given before the case closes.
    with pytest.raises(PatrolError):
        errands.make(
            "supervision", people["liu"], key="x", due_at_ms=now_ms() + HOUR, what="为何", case_id=case.pk
        )
    participate(case, "handler", "user:wu")
    assert wu.post(ask, {"kind": "supervision", **wanted}).status_code == 403
    assert (
        chen.post(ask, {"kind": "supervision", **wanted, "person": str(people["chen"].pk)}).status_code == 422
    )
    assert chen.post(ask, {"kind": "supervision", **wanted, "what": "为何未办"}).status_code == 302
    question = Errand.objects.get(kind="supervision")
    assert kept_from(case, "handler", ["user:chen"]), "who asked for an account may not handle it any more"
    actions.take(case.pk, people["liu"], "report", {"reply": "已劝停"})
    with pytest.raises(RefusedError):
        actions.take(case.pk, people["chen"], "confirm")
    account = f"/hotline/due/{question.pk}/finish/"
    chen.post(account, {"result": "answered", "note": "自问自答"})
    liu.post(account, {"result": "answered", "note": ""})
    assert Errand.objects.get(pk=question.pk).state == "open"
    liu.post(account, {"result": "answered", "note": "住户周末才在家"})
    actions.take(case.pk, people["chen"], "confirm")

    # The return visit: not by whoever handled it; dissatisfaction opens the case again by its own rules.
    asked = Errand.objects.get(kind="return_visit")
    answer = {"result": "unsatisfied", "note": "又响了", "reopens": "on", "key": str(uuid.uuid4())}
    wu.post(f"/hotline/due/{asked.pk}/finish/", answer)
    assert Errand.objects.get(pk=asked.pk).state == "open"
    chen.post(f"/hotline/due/{asked.pk}/finish/", answer)
    case = Case.objects.get(pk=case.pk)
    assert (case.state, case.round, case.process_state) == ("open", 1, "accepted")
    counted = figures(people["chen"], period_of("7"))
    wanted = {
        "opened": 1,
        "closed": 0,
        "fixed": 0,
        "satisfied": 0,
        "unsatisfied": 1,
        "reached": 1,
        "reopened": 1,
    }
    wanted |= {
        "calls_in": 1,
        "calls_out": 3,
        "supervisions_answered": 1,
        "visits_done": 1,
        "call_backs_done": 1,
    }
    assert {name: counted[name] for name in wanted} == wanted
    # The histories alone say the same; a row that was changed behind them does not.
    cases, of_cases = Case.objects.all(), Errand.objects.filter(case__isnull=False)
    again = replay(cases, period_of("7")).figures
    shown = count(cases, of_cases, period_of("7"))
    assert shown == {name: again[name] for name in shown}
    assert (shown["reopened"], shown["unsatisfied"], shown["visits_done"]) == (1, 1, 1)
    Errand.objects.filter(pk=asked.pk).update(result="satisfied")
    assert count(cases, of_cases, period_of("7"))["satisfied"] == 1 > again["satisfied"]
    Errand.objects.filter(pk=asked.pk).update(result="unsatisfied")
    table = chen.get("/hotline/figures.csv?days=7").content.decode()
    assert "unsatisfied,1" in table
    for client in (chen, liu, browse(people["shen"])):
        for page in (
            f"/cases/{case.pk}/hotline/",
            f"/cases/{case.pk}/",
            "/hotline/due/",
            "/hotline/due/?show=done",
        ):
            assert client.get(page).status_code == 200
    for page in ("/hotline/", "/hotline/figures/", "/hotline/city/", f"/hotline/calls/{call.pk}/"):
        assert chen.get(page).status_code == 200
    assert list(verify(Audit())) == []
