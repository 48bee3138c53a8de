"""Cases over HTTP: taken once, in scope, by right; every refusal is a problem that a program can read."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import connection
from django.test.client import Client

from central.cases import history, services
from central.cases.apikeys import RIGHTS, add_key, revoke_key
from central.cases.audit import verify_files
from central.cases.models import ApiCall, Attachment, Case, HistoryEntry, Note, Reporter, Told, WorkOrder
from central.cases.reporters import contact_of
from central.cases.states import Result
from central.grids.models import Grid
from central.shops import register
from central.shops.models import Shop
from protocol.errors import PatrolError
from tests.central.cases.test_attachments import photo
from tests.central.street import NOON

BODY = {
    "source": "hotline",
    "service_code": "residents_voice",
    "external_id": "12345-2026-000017",
    "text": "3号楼电梯坏了三天，老人下不了楼",
    "place": "三里河南区3号楼",
    "position": {"longitude": 116.3321, "latitude": 39.9145},
    "reporter": {"name": "王秀英", "phone": "138 0013 8000"},
}


class Caller:
    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(headers={"authorization": f"Bearer {secret}"}, enforce_csrf_checks=True)

    def get(self, path: str):
        return self.client.get(f"/api/v1{path}")

    def post(self, path: str, body, key: str | None = "k1", kind: str = "application/json"):
        headers = {} if key is None else {"idempotency-key": key}
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.client.post(f"/api/v1{path}", data=data, content_type=kind, headers=headers)


@pytest.fixture
def hotline(centre):
    rights = ("open", "read", "note", "photo", "move", "reporter")
    return Caller(add_key("hotline", "sanlihe", rights, "dispatcher"))


def problem(answer, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    return body


def test_a_case_is_brought_once_followed_and_told_without_its_reporter(hotline, centre):
    first = hotline.post("/cases", BODY)
    assert first.status_code == 201
    told = first.json()
    assert (told["state"], told["process_state"], told["step"]) == ("open", "received", "collect")
    again = hotline.post("/cases", BODY)
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    problem(hotline.post("/cases", {**BODY, "text": "另一件事"}), 422, "idempotency_key")
    known = hotline.post("/cases", {**BODY, "text": "催办"}, "k2")
    assert (known.status_code, known.json()["id"], known.json()["new"]) == (200, told["id"], False)
    case = Case.objects.get()
    assert contact_of(case.reporter).phone == "+8613800138000"
    stored = json.dumps(list(HistoryEntry.objects.values_list("body", flat=True))) + again.content.decode()
    assert "王秀英" not in stored
    assert "13800138000" not in stored
    assert BODY["text"] not in stored, "the history keeps the hash of what people wrote"
    assert Told.objects.get().step == "collect"
    assert hotline.get(f"/cases/{case.pk}").json()["id"] == case.pk

    moved = hotline.post(f"/cases/{case.pk}/transitions", {"transition": "screen"}, "k3")
    assert moved.json()["process_state"] == "screened"
    assert (
        hotline.post(f"/cases/{case.pk}/transitions", {"transition": "screen"}, "k3").content == moved.content
    )
    problem(hotline.post(f"/cases/{case.pk}/transitions", {"transition": "screen"}, "k4"), 409, "state")
    problem(hotline.post(f"/cases/{case.pk}/transitions", {"transition": "fly"}, "k4"), 404, "unknown")
    missing = problem(
        hotline.post(f"/cases/{case.pk}/transitions", {"transition": "assign"}, "k4"), 422, "field"
    )
    assert missing["field"] == "department"
    assign = {"transition": "assign", "fields": {"department": "property"}}
    assert hotline.post(f"/cases/{case.pk}/transitions", assign, "k4").status_code == 200
    problem(hotline.post(f"/cases/{case.pk}/transitions", {"transition": "reply"}, "k5"), 403, "role")
    rate = {"transition": "rate", "fields": {"rating": 5}, "as_reporter": True}
    problem(hotline.post(f"/cases/{case.pk}/transitions", rate, "k5"), 409, "state")
    assert ApiCall.objects.filter(status=0).count() == 0, "what failed leaves nothing"
    assert not list(history.verify(history.Audit()))


def test_notes_and_photos_are_taken_once(hotline):
    number = hotline.post("/cases", BODY).json()["id"]
    for _ in range(2):
        assert hotline.post(f"/cases/{number}/notes", {"text": "已电话回访"}, "n1").status_code == 201
        made = hotline.post(f"/cases/{number}/attachments", photo(), "p1", "image/jpeg")
        assert made.status_code == 201
    assert (Note.objects.count(), Attachment.objects.count()) == (1, 1)
    problem(hotline.post(f"/cases/{number}/notes", {"text": "别的"}, "n1"), 422, "idempotency_key")
    problem(
        hotline.post(f"/cases/{number}/attachments", photo(orientation=1), "p1", "image/jpeg"), 409, "content"
    )
    problem(hotline.post(f"/cases/{number}/attachments", b"<svg/>", "p2", "image/svg+xml"), 422, "content")
    problem(hotline.post(f"/cases/{number}/attachments", b"x", "p2", "text/html"), 415, "type")
    problem(
        hotline.post(f"/cases/{number}/attachments", bytes(9 * 2**20), "p2", "image/jpeg"), 413, "too_large"
    )
    assert not list(verify_files())
    Note.objects.update(text="nie gesagt")
    assert ["note was changed" in fault.problem for fault in verify_files()] == [True]


def test_what_makes_no_sense_is_refused_with_its_field(hotline):
    for change, field in (
        ({"colour": "red"}, "colour"),
        ({"service_code": "alchemy"}, "service_code"),
        ({"service_code": "sidewalk_parking"}, "source"),
        ({"source": "camera"}, "source"),
        ({"source": "moon"}, "source"),
        ({"text": ""}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "长" * 4001}, "text"),
        ({"position": {"longitude": 999, "latitude": 0}}, "position.longitude"),
        ({"position": {"longitude": 1}}, "position.latitude"),
        ({"reporter": {"phone": "call me"}}, "reporter.phone"),
        ({"reporter": {}}, "reporter"),
        ({"seen_at_ms": NOON * 2}, "seen_at_ms"),
        ({"seen_at_ms": "soon"}, "seen_at_ms"),
        ({"external_id": "../../x y"}, "external_id"),
    ):
        refused = hotline.post("/cases", {**BODY, **change}).json()
        assert (refused["status"], refused.get("field")) == (422, field), change
    assert not Case.objects.exists()
    assert not Reporter.objects.exists()
    assert not ApiCall.objects.exists()


def test_odd_bodies_and_strangers_get_problems(hotline, centre):
    problem(hotline.post("/cases", b"{", "k1"), 400, "request")
    problem(hotline.post("/cases", b"[1]", "k1"), 422, "field")
    problem(hotline.post("/cases", BODY, None), 422, "field")
    problem(hotline.post("/cases", BODY, "x" * 101), 422, "field")
    problem(hotline.post("/cases", {**BODY, "place": "x" * 70_000}, "k1"), 422, "field")
    problem(hotline.get("/cases/999"), 404, "missing")
    number = hotline.post("/cases", BODY).json()["id"]
    elsewhere = Caller(
        add_key("elsewhere", "yuetan", ("open", "read", "note", "photo", "move"), "dispatcher")
    )
    problem(elsewhere.get(f"/cases/{number}"), 404, "missing")
    for part, body in (("notes", {"text": "x"}), ("transitions", {"transition": "screen"})):
        problem(elsewhere.post(f"/cases/{number}/{part}", body), 404, "missing")
    problem(elsewhere.post(f"/cases/{number}/attachments", photo(), "k1", "image/jpeg"), 404, "missing")
    reader = Caller(add_key("reader", "sanlihe", ("read",)))
    assert reader.get(f"/cases/{number}").status_code == 200
    problem(reader.post("/cases", BODY), 403, "right")
    problem(reader.post(f"/cases/{number}/notes", {"text": "x"}), 403, "right")
    revoke_key("reader")
    problem(reader.get(f"/cases/{number}"), 401, "key")
    nobody = Client()
    assert nobody.get("/api/v1/openapi.json").json()["paths"]["/api/v1/cases"]["post"]
    codes = {nobody.get(f"/api/v1/cases/{number}").status_code for _ in range(30)}
    assert codes == {401, 429}, "strangers are slowed down"


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)  # it asks who may, whatever the database
def test_every_call_of_the_description_asks_for_its_right_and_its_jurisdiction(hotline):
    number = hotline.post("/cases", BODY).json()["id"]
    picture = hotline.post(f"/cases/{number}/attachments", photo(), "p", "image/jpeg").json()["id"]
    for place in ("sanlihe", "yuetan"):
        Grid.objects.create(jurisdiction_id=place, code="1", name=place, level=1)
    words = {"category": "noise", "text": "半夜施工太吵", "place": "三里河北街"}
    token = hotline.post("/voice/reports", words).json()["token"]
    register.register("sanlihe", [register.NewShop("S-1", "福顺便利店", "retail")], "test")
    shop = Shop.objects.unscoped("made here").get().pk
    calls = {  # operation: (right, body)
        "open_case": ("open", {**BODY, "external_id": "table"}),
        "get_case": ("read", None),
        "take_transition": ("move", {"transition": "screen"}),
        "write_note": ("note", {"text": "x"}),
        "add_photo": ("photo", photo()),
        "list_cases": ("read", None),
        "get_history": ("read", None),
        "list_photos": ("read", None),
        "get_photo": ("read", None),
        "export_csv": ("export", None),
        "export_geojson": ("export", None),
        "voice_categories": ("read", None),
        "voice_suggestions": ("read", None),
        "say": ("open", words),
        "voice_progress": ("read", None),
        "voice_photo": ("photo", photo()),
        "list_shops": ("read", None),
        "get_shop": ("read", None),
        "list_inspections": ("read", None),
    }
    # What they open or list lies in their own jurisdiction.
    of_all = {"open_case", "list_cases", "export_csv", "export_geojson"}
    own = of_all | {"say", "voice_categories", "voice_suggestions", "list_shops"}
    described = {
        call["operationId"]: (method, path.removeprefix("/api/v1"))
        for path, methods in Client().get("/api/v1/openapi.json").json()["paths"].items()
        for method, call in methods.items()
        if call["operationId"] != "send_telemetry"  # a device's own key, asked in tests/central/iot
    }
    assert set(described) == set(calls), "a new call needs a line"
    keys = {
        right: Caller(add_key(f"only-{right}", "sanlihe", (right,), "dispatcher" if right == "move" else ""))
        for right in RIGHTS
    }
    every = Caller(add_key("elsewhere", "yuetan", RIGHTS, "dispatcher"))

    def ask(caller, operation):
        (method, path), (_, body) = described[operation], calls[operation]
        path = path.replace("{case_id}", str(number)).replace("{photo_id}", str(picture))
        path = path.replace("{token}", token).replace("{shop_id}", str(shop))
        path += "?text=%E5%8D%8A%E5%A4%9C%E6%96%BD%E5%B7%A5" if operation == "voice_suggestions" else ""
        kind = "image/jpeg" if isinstance(body, bytes) else "application/json"
        return caller.get(path) if method == "get" else caller.post(path, body, f"t-{operation}", kind)

    for operation, (wanted, _) in calls.items():
        assert ask(Caller("no-key-of-ours-at-all"), operation).status_code == 401, operation
        for right, caller in keys.items():
            answer = ask(caller, operation)
            if right == wanted:
                assert answer.status_code in {200, 201}, (operation, answer.content)
            else:
                problem(answer, 403, "right")
        if operation not in own:
            problem(ask(every, operation), 404, "missing")
    for operation in of_all - {"open_case"}:
        assert str(BODY["place"]) not in ask(every, operation).content.decode()
        assert BODY["text"] not in ask(keys[calls[operation][0]], operation).content.decode()
    assert ask(every, "list_shops").json()["shops"] == []
    assert ask(every, "open_case").status_code == 201
    pages = keys["export"].client.get("/api/v1/export/cases.csv?limit=1")
    assert "after=" in pages["Link"]
    assert len(keys["export"].get("/export/cases.geojson").json()["features"]) == 4
    assert ask(every, "say").json()["token"] != token
    assert len(ask(keys["read"], "voice_suggestions").json()) >= 1
    assert ask(every, "voice_suggestions").json()[0]["case"] != number
    assert Case.objects.filter(jurisdiction_id="yuetan").count() == 2
    rate = {"transition": "rate", "as_reporter": True}
    problem(keys["move"].post(f"/cases/{number}/transitions", rate), 403, "right")


@pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
def test_whoever_handles_a_case_neither_collects_nor_verifies_it_over_http(hotline, person):
    worker = Caller(add_key("worker", "sanlihe", ("open", "move"), "grid_worker"))

    def move(caller, number, transition, **given):
        body = {"transition": transition, "fields": given}
        return caller.post(f"/cases/{number}/transitions", body, f"{number}-{transition}")

    found = {**BODY, "source": "patrol", "service_code": "city_appearance"}
    number = worker.post("/cases", found).json()["id"]
    for transition in ("establish", "dispatch"):
        assert move(hotline, number, transition).status_code == 200
    wang = person("wang")
    order = WorkOrder.objects.get(case=number)
    services.accept(order.pk, wang)
    problem(move(worker, number, "suspend", reason="rain"), 403, "part")  # who found it does not handle it
    other = Caller(add_key("other", "sanlihe", ("move",), "grid_worker"))
    assert move(other, number, "suspend", reason="rain").status_code == 200
    assert move(other, number, "resume").status_code == 200
    services.close(order.pk, wang, services.Finding(Result.TICKETED))
    problem(
        move(other, number, "send_back", reason="not done"), 403, "part"
    )  # who handled it does not judge it
    assert move(worker, number, "send_back", reason="not done").status_code == 200


def test_a_key_has_a_role_only_with_the_right_to_use_it(centre):
    for rights, role in ((("move",), ""), (("read",), "officer"), (("fly",), ""), (("move",), "king")):
        with pytest.raises(PatrolError):
            add_key("k", "sanlihe", rights, role)
    add_key("k", "sanlihe")
    with pytest.raises(PatrolError):
        add_key("k", "sanlihe")


def test_the_same_call_from_two_threads_makes_one_case_and_one_answer(hotline):
    barrier = threading.Barrier(2)
    answers: list[tuple[int, bytes]] = []
    callers = [Caller(hotline.secret) for _ in range(2)]

    def call(caller: Caller) -> None:
        barrier.wait()
        try:
            answer = caller.post("/cases", BODY, "same")
            answers.append((answer.status_code, answer.content))
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(answers)) == 1
    assert len(answers) == 2
    assert answers[0][0] == 201
    assert Case.objects.count() == 1
    assert not list(history.verify(history.Audit()))


def test_reporters_are_sealed_anew_when_the_key_changes(hotline):
    from central.cases.reporters import Contact, find_or_make, reseal
    from central.owners.keys import the_key
    from notifier.owners import key_of, new_secret

    made = find_or_make("sanlihe", Contact("王秀英", "13800138000"))
    nameless = find_or_make("sanlihe", Contact("老李"))
    assert find_or_make("sanlihe", Contact("another name", "+86 138-0013-8000")).pk == made.pk
    assert find_or_make("yuetan", Contact("", "13800138000")).pk != made.pk
    before = made.mark
    reseal(the_key(), key_of(new_secret(), where=None, field=None))
    for reporter in (made, nameless):
        reporter.refresh_from_db()
        with pytest.raises(PatrolError):
            contact_of(reporter)
    assert made.mark not in {before, ""}
    assert nameless.mark == ""
