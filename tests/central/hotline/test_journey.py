"""From the first ring to the return visit, through the pages, on both databases."""

from __future__ import annotations

import uuid

import pytest

from central.cases.models import Case
from central.hotline.initials import initials
from central.hotline.models import Call
from central.people.models import Role, SensitiveRead
from tests.central.street import JURISDICTION

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
    assert "黑中介" not in shown and f'value="{hidden.case_id}"' not in shown and "in confidence" in shown
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
        assert answer.status_code == 422 and words in answer.content.decode(), changes
    assert chen.post("/hotline/new/", {**given, "j": "elsewhere", "subject": "zyrm"}).status_code == 422
    assert not Call.objects.exists() and not Case.objects.exists()
    assert ring(chen, then="call", subject="", text="问路").case is None


@pytest.mark.parametrize(
    ("words", "letters"),
    [("噪音扰民", "zyrm"), ("电梯故障", "dtgz"), ("12345热线", "12345rx"), ("安全，啊", "aqa"), ("ü龘", "")],
)
def test_initials(words, letters):
    assert initials(words) == letters
