"""Looking behind the mask leaves a line that nobody can change."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import DatabaseError, connection, transaction
from typer.testing import CliRunner

from central.cases import services as cases
from central.cases.attachments import attach
from central.cases.models import WorkOrder
from central.ingest.intake import take_all
from central.people import access_chain, access_log, services
from central.people.models import Role, SensitiveRead
from tests.central.cases.test_attachments import photo
from tests.central.street import JURISDICTION, MINUTE, NOON, TOPICS, picture, reference, sha256, task

PICTURE, CROP = picture(1), picture(2)
PLATE, MASKED = "京A12345", "京A•••45"


@pytest.fixture
def order(agent):
    issued = task(pictures=(reference(PICTURE, "confirm"), reference(CROP, "plate")))
    take_all([(TOPICS.of("tasks"), issued.model_dump_json().encode())])
    take_all([(TOPICS.evidence(sha256(data)), data) for data in (PICTURE, CROP)])
    return WorkOrder.objects.get()


def lines():
    return list(SensitiveRead.objects.order_by("id").values_list("name", "fields", "purpose"))


def test_an_officers_own_task_shows_the_plate_and_that_is_written_once_a_view(order, browse, person, centre):
    wang, li = person("wang"), person("li")
    address = f"/officer/{order.pk}/"
    assert MASKED in browse(wang).get(address).content.decode(), "it is nobody's yet"
    assert lines() == []
    cases.accept(order.pk, wang)
    client = browse(wang)
    for _ in range(3):
        assert PLATE in client.get(address).content.decode()
        centre.clock.advance(MINUTE)
    assert PLATE not in browse(li).get(address).content.decode(), "a colleague's task"
    assert lines() == [("wang", "plate", "own task")]
    centre.clock.advance(access_log.AGAIN_MS)
    client.get(address)
    assert len(lines()) == 2
    assert PLATE not in client.get("/officer/").content.decode()


def test_who_asks_says_why_and_sees_it_for_a_while(order, browse, person, centre):
    client = browse(person("chen", Role.DISPATCHER))
    case, ask = f"/cases/{order.case_id}/", f"/cases/{order.case_id}/plate/"
    assert f'href="{ask}?next={case}"' in client.get(case).content.decode()
    assert client.post(ask, {"why": ""}).status_code == 422
    assert lines() == []
    answer = client.post(ask, {"why": "the driver calls", "next": case}, REMOTE_ADDR="203.0.113.9")
    assert answer["Location"] == case
    assert PLATE in client.get(case).content.decode()
    read = SensitiveRead.objects.get()
    assert (read.name, read.role, read.subject, read.number) == ("chen", "dispatcher", "case", order.case_id)
    assert (read.fields, read.purpose, read.address) == ("plate", "the driver calls", "203.0.113.9")
    assert (read.jurisdiction_id, read.at_ms) == (JURISDICTION, NOON)
    assert PLATE not in browse(person("zhou", Role.DISPATCHER)).get(case).content.decode(), (
        "each asks himself"
    )
    centre.clock.advance(access_log.SHOWN_MS)
    assert PLATE not in client.get(case).content.decode()
    assert client.post(ask, {"why": "again", "next": "https://evil.example/"})["Location"] == case
    admin = browse(person("root", Role.ADMINISTRATOR))
    assert admin.post(ask, {"why": "curious"}).status_code == 403
    assert "plate/?next" not in admin.get(case).content.decode()


def test_neither_sheet_nor_crop_says_what_the_mask_hides(order, browse, person, centre):
    case = f"/cases/{order.case_id}/"
    pages = (case, f"{case}sheet/")
    crops = [f"{case}{kind}/{sha256(CROP)}.jpg" for kind in ("pictures", "thumbnails")]
    clients = {role: browse(person(f"some-{role}", role)) for role in Role}

    def hidden(client):
        for page in pages:
            text = client.get(page).content.decode()
            assert MASKED in text
            assert PLATE not in text
            assert not any(crop in text for crop in crops)
        return all(client.get(crop).status_code == 403 for crop in crops)

    for role, client in clients.items():
        assert hidden(client), role
        assert client.post(f"{case}plate/", {"why": "a call"}).status_code == (
            403 if role == Role.ADMINISTRATOR else 302
        )
    assert hidden(clients[Role.ADMINISTRATOR])
    client = clients[Role.DISPATCHER]
    for page in pages:
        text = client.get(page).content.decode()
        assert PLATE in text
        assert crops[0] in text
    answer = client.get(crops[0])
    assert (answer.content, answer["Cache-Control"]) == (CROP, "no-store")
    mine = [line[1:] for line in lines() if line[0] == f"some-{Role.DISPATCHER}"]
    assert mine == [("plate", "a call"), ("picture", "evidence")]
    centre.clock.advance(access_log.SHOWN_MS)
    assert hidden(client)


def test_original_pictures_are_logged_and_thumbnails_are_not(order, browse, person):
    chen = person("chen", Role.DISPATCHER)
    client, case = browse(chen), f"/cases/{order.case_id}"
    made = attach(order.case, chen, photo(), "a.jpg", "k1")
    for small in (f"thumbnails/{sha256(PICTURE)}.jpg", f"attachments/{made.pk}/thumbnail.jpg"):
        assert client.get(f"{case}/{small}").status_code == 200
    assert lines() == []
    for whole in (f"pictures/{sha256(PICTURE)}.jpg", f"attachments/{made.pk}.jpg"):
        assert client.get(f"{case}/{whole}").status_code == 200
    assert lines() == [("chen", "picture", "evidence"), ("chen", "picture", "attachment")]


def test_nobody_changes_a_line_not_even_with_sql(order, person):
    access_log.note(person("chen", Role.DISPATCHER), order.case, "plate", "test")
    for change in (
        lambda: SensitiveRead.objects.update(name="somebody"),
        lambda: SensitiveRead.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert lines() == [("chen", "plate", "test")]


def test_a_line_that_somebody_with_the_means_changed_or_removed_is_found(order, person):
    people = [person(name, Role.DISPATCHER) for name in ("chen", "zhou", "sun", "wu")]

    def look(user):
        try:
            for number in range(5):
                access_log.note(user, order.case, "plate", f"call {number}")
        finally:
            connection.close()

    threads = [threading.Thread(target=look, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    order.case.jurisdiction_id = "elsewhere"
    access_log.note(people[0], order.case, "plate", "its own chain")
    audit = access_chain.LogAudit()
    assert list(access_chain.verify(audit)) == []
    assert audit.lines == 21, "writers at once leave neither gap nor fork"
    table, place = "people_sensitiveread", f"jurisdiction_id = '{JURISDICTION}'"
    for change, where, problem in (
        (
            f"UPDATE {table} SET name = 'somebody' WHERE {place} AND line = 7",
            (JURISDICTION, 7),
            "was changed",
        ),
        (
            f"UPDATE {table} SET purpose = 'x' WHERE jurisdiction_id = 'elsewhere'",
            ("elsewhere", 1),
            "was changed",
        ),
        (f"DELETE FROM {table} WHERE {place} AND line = 7", (JURISDICTION, 7), "is missing"),
        (f"DELETE FROM {table} WHERE {place} AND line = 20", (JURISDICTION, 19), "knows of 20 lines"),
        (f"DELETE FROM {table} WHERE {place}", (JURISDICTION, 0), "knows of 20 lines"),
        ("DELETE FROM people_accesschain WHERE jurisdiction_id = 'elsewhere'", ("elsewhere", 0), "no chain"),
    ):
        with transaction.atomic():
            with connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    cursor.execute(f"DROP TRIGGER {table}_no_update")
                    cursor.execute(f"DROP TRIGGER {table}_no_delete")
                else:
                    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
                cursor.execute(change)
            found = access_chain.LogAudit()
            faults = list(access_chain.verify(found))
            transaction.set_rollback(True)
        assert any((f.jurisdiction_id, f.line) == where and problem in f.problem for f in faults), change
    again = access_chain.LogAudit()
    assert list(access_chain.verify(again)) == []
    assert again.digest == audit.digest


def test_the_auditor_reads_the_log_in_his_scope_and_finds_in_it(order, browse, person):
    chen, evil = person("chen", Role.DISPATCHER), "<b>x</b>' OR 1=1 --"
    access_log.note(chen, order.case, "plate", evil)
    auditor = browse(person("an", Role.AUDITOR, JURISDICTION))
    text = auditor.get("/access-log/").content.decode()
    assert "chen" in text
    assert "&lt;b&gt;x" in text
    for query, hits in (
        ("who=chen", True),
        (f"case={order.case_id}", True),
        ("who=nobody", False),
        ("case=999999", False),
        ("case=1%27%20OR%201=1", False),
        ("who=%27%20OR%201=1%20--", False),
        (f"case={'9' * 400}", False),
        ("before=1", False),
    ):
        answer = auditor.get(f"/access-log/?{query}")
        assert answer.status_code == 200, query
        assert ("&lt;b&gt;x" in answer.content.decode()) == hits, query
    elsewhere = browse(person("far", Role.AUDITOR, "elsewhere"))
    assert "chen" not in elsewhere.get("/access-log/").content.decode()


def test_the_command_line_lists_people_and_looks(order, person, centre):
    from central.cli import app

    run = CliRunner()

    def ask(*words):
        answer = run.invoke(app, [*words, "--json"])
        assert answer.exit_code == 0, answer.output + repr(answer.exception)
        return json.loads(answer.stdout)

    added = ask(
        "users", "add", "li.wei", "--role", "officer", "--jurisdiction", JURISDICTION, "--url", "http://x"
    )
    assert added["scope"] == JURISDICTION
    assert added["login_url"].startswith("http://x/login/")
    assert ask("users", "set-role", "li.wei", "--role", "dispatcher")["role"] == "dispatcher"
    assert ask("users", "set-scope", "li.wei", "--jurisdiction", "a", "--jurisdiction", "b")["scope"] == "a b"
    assert ask("users", "disable", "li.wei")["active"] is False
    assert ask("users", "enable", "li.wei")["active"] is True
    assert ask("users", "reset-second-factor", "li.wei")["second_factor"] is False
    assert [row["name"] for row in ask("users", "list")] == ["li.wei"]
    assert ask("users", "show", "li.wei")["identities"] == []
    assert "/login/" in ask("users", "link", "li.wei")["login_url"]
    access_log.note(services.find_user("li.wei"), order.case, "plate", "test")
    [line] = ask("access-log", "list", "--case", str(order.case_id))
    assert (line["name"], line["fields"], line["purpose"]) == ("li.wei", "plate", "test")
    assert ask("access-log", "list", "--who", "nobody") == []
    answer = run.invoke(app, ["users", "connect", "li.wei", "--subject", "s"])
    assert answer.exit_code != 0
    assert getattr(answer.exception, "field", "") == "PATROL_CENTRAL_OIDC_FILE"
