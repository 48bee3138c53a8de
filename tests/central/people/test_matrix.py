"""Every address with every role, without a log-in, from outside, and without a CSRF token: compared with `matrix.txt`.

A new address fails here until a line says who may call it.
"""

from __future__ import annotations

import difflib
import logging
import re
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpResponse
from django.template import Template
from django.test.client import Client
from django.test.utils import _TestState
from django.urls import URLPattern, URLResolver, get_resolver

from central.cases.actions import take
from central.cases.attachments import attach
from central.cases.guards import Actor
from central.cases.models import WorkOrder
from central.cases.services import set_grid
from central.clocks.alerts import DISPATCHERS, tell
from central.clocks.models import Alert
from central.clocks.whistle import Call, blow
from central.dispatch import rosters
from central.dispatch import services as dispatch
from central.dispatch.models import ReroutedCase, RerouteState, Rerouting, Shift
from central.grids.models import Grid
from central.hotline import errands
from central.hotline import models as hotline
from central.ingest.intake import take_all
from central.iot.models import Alarm, DeadLetter, Device, DeviceState
from central.pages import errors
from central.people.models import Role
from central.people.services import set_scope
from central.project.brake import Brake
from central.project.clock import now_ms
from central.shops import appeals, inspecting, register, voices
from central.shops.checklists import current
from central.shops.models import Shop
from central.voice import intake, tables
from tests.central.cases.test_attachments import photo
from tests.central.people.conftest import end
from tests.central.street import AGENT, JURISDICTION, MINUTE, TOPICS, picture, reference, sha256, task

FILE = Path(__file__).with_name("matrix.txt")
PICTURE = picture(1)
COLUMNS = (
    "nobody",
    *(str(role.value) for role in Role),
    "elsewhere",
    "other grid",
    "forged",
)
HEAD = """# Who gets what from each address. `login`: sent to the log-in. Numbers: HTTP status.
# Columns: without a log-in; each role in whose scope the thing lies; all roles of another jurisdiction (where the address
# names a thing); all roles of another grid (there, and of all that is only read); and `forged`: a request of a logged-in
# person that brings no CSRF token.
# Addresses and methods that give everybody `login`, 403 or 405 are not listed: they are closed. PUT, PATCH and DELETE are
# asked too, and change nothing anywhere; machines that report bays bring a key.
"""
OPEN = (
    r"healthz|readyz|metrics|login/.*|language/",
    r"n/<str:token>.*",  # drivers: the link is signed
    r"s/<str:token>.*",  # the code on a shop's door: opaque and revocable; the merchant logs in behind it
    r"notices/.*",  # gateways: signed, or with a secret in the address
    r"ngsi-ld/.*",  # machines that report bays: a key each
    r"api/v1/.*",  # programs: a key each
    r"hotline/city/push/",  # the city platform: signed
    r"open311/.*",  # Open311 is public by its specification: what strangers may read, and reports with a key
    r"say/.*",  # residents: anybody may say something; what became of it opens with a secret link
    r"service-worker\.js|manifest-.*|officer/offline/",  # a browser asks on its own; they say nothing about anybody
)
"""What answers without a log-in. Think twice before you make this list longer."""
EXEMPT = (
    r"n/<str:token>.*",
    r"notices/.*",
    r"ngsi-ld/.*",
    r"api/v1/.*",
    r"hotline/city/push/",
    r"open311/.*",
)
"""What changes things without a CSRF token, because no cookie opens it."""
OWN = r"logout/|account/.*|login/.*|language/|appearance/"
NEVER = ("PUT", "PATCH", "DELETE")
READS = r"cases/<int:case_id>/plate/|hotline/calls/<int:call_id>/"
"""A POST that only shows."""
OBJECT = re.compile(
    r"<\w+:(commitment_id|case_id|order_id|alert_id|party_id|grid_id|user_id|shift_id|call_id|errand_id|report_id|device_id|alarm_id|dead_id|shop_id)>"
    r"|(devices|decide|sessions)/<int:number>"
)
OF_NO_GRID = re.compile(r"<int:shift_id>|devices/<int:number>")
"""Rosters and agents are the whole jurisdiction's: there is no other grid."""
MEANT_FOR_NOBODY_ELSE = re.compile(r"sessions/<int:number>|api/v1/")
"""One's own sessions, and programs: no role of ours gets anything."""


def routes(patterns=None, before=""):
    """The route of every address there is."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def fill(route, values):
    """An address of this route that means our case wherever it can mean one."""

    def value(found):
        before, kind, name = found[1] or "", found[2] or "str", found[3]
        plain = values.get(name, 1 if kind == "int" else "none")
        return f"{before}{values.get(f'{before}{name}', plain)}"

    return "/" + re.sub(r"((?<![^/])\w+/)?<(?:(\w+):)?(\w+)>", value, route)


@pytest.fixture
def world(agent, person, browse, monkeypatch):
    """(values for routes, clients by column); nobody is braked, or lines would depend on those above them."""
    monkeypatch.setattr(Brake, "wait_s", lambda self, caller, per_minute=None: 0)
    # A thousand refusals say the same: each is written once. And nobody asks for the contexts of templates.
    said = {}

    def refused(request, status, title, text):
        if title not in said:
            said[title] = real(request, status, title, text).content
        return HttpResponse(said[title], status=status)

    real = errors._page
    monkeypatch.setattr(errors, "_page", refused)
    monkeypatch.setattr(Template, "_render", _TestState.saved_data.template_render)
    issued = task(pictures=(reference(PICTURE, "confirm"),))
    take_all([(TOPICS.of("tasks"), issued.model_dump_json().encode())])
    take_all([(TOPICS.evidence(sha256(PICTURE)), PICTURE)])
    order = WorkOrder.objects.get()
    take_all([(TOPICS.of("tasks"), task("c2").model_dump_json().encode())])
    other = WorkOrder.objects.exclude(pk=order.pk).get()
    grids = [
        Grid.objects.create(jurisdiction_id=JURISDICTION, code=code, name=code, level=level)
        for code, level in (("here", 1), ("there", 1))
    ]
    for each in (order, other):
        each.case.grid = grids[0]
        each.case.save()
    clients: dict[str, list[Client]] = {"nobody": [browse()], "elsewhere": [], "other grid": []}
    for role in Role:
        clients[role.value] = [browse(person(f"in-{role}", role, JURISDICTION))]
        clients["elsewhere"].append(browse(person(f"out-{role}", role, "elsewhere")))
        away = person(f"grid-{role}", role, JURISDICTION)
        set_scope(away, JURISDICTION, ["there"])
        clients["other grid"].append(browse(away))
    clients["forged"] = [browse(person("forged", Role.DISPATCHER, JURISDICTION), csrf=True)]
    values = {"case_id": order.case_id, "order_id": order.pk, "sha256": sha256(PICTURE), "agent_id": AGENT}
    values |= {"steps/name": "end", "services/code": "sidewalk_parking", "form": "json"}
    values |= things(order, other, grids[0], person) | {"devices/number": agent.pk}
    logging.getLogger("django.security.csrf").setLevel(logging.ERROR)
    yield values, clients
    logging.getLogger("django.security.csrf").setLevel(logging.NOTSET)


def things(order, other, grid, person):
    """One of each kind beside the case and its task, all in the grid `here` as far as they lie in one."""
    worker = person("worker", Role.GRID_WORKER, JURISDICTION)
    set_scope(worker, JURISDICTION, ["here"])
    at = now_ms()
    with transaction.atomic():
        tell(JURISDICTION, [DISPATCHERS], key="k", kind="case_new", at_ms=at, case=order.case)
    chief = person("chief", Role.DISPATCHER, JURISDICTION)
    whistle = blow(order.case_id, chief, [Call("Water company", lead=True)], reason="a burst main")
    rosters.store(JURISDICTION, [rosters.Wanted("worker", at + MINUTE, at + 2 * MINUTE)])
    dispatch.accept(other.pk, worker)
    other.refresh_from_db()
    run = Rerouting.rows.create(jurisdiction_id=JURISDICTION, grid=grid, due_at_ms=at)
    question = ReroutedCase.rows.create(
        rerouting=run, case=other.case, order=other, officer=worker, state=RerouteState.ASKED
    )
    call = hotline.Call.objects.create(
        key="k",
        jurisdiction_id=JURISDICTION,
        started_at_ms=at,
        ended_at_ms=at,
        taken_by=chief,
        case=order.case,
    )
    wanted = {"due_at_ms": at + MINUTE, "what": "look", "case_id": order.case_id, "person": worker}
    row = hotline.CityOrder.objects.create(
        jurisdiction_id=JURISDICTION, number="n", version=1, category="c", content=b"", state="waiting",
        case=order.case, received_at_ms=at, changed_at_ms=at,
    )  # fmt: skip
    detector = Device.objects.create(
        jurisdiction_id=JURISDICTION, name="smoke-1", kind="smoke", grid=grid, made_at_ms=at
    )
    DeviceState.objects.create(device=detector)
    alarm = Alarm.objects.create(
        device=detector,
        jurisdiction_id=JURISDICTION,
        grid=grid,
        kind="smoke",
        severity="critical",
        **dict.fromkeys(("since_ms", "raised_at_ms", "seen_at_ms", "last_at_ms"), at),
    )
    dead = DeadLetter.objects.create(device=detector, what="message", at_ms=at, reason="why", died_at_ms=at)
    return {
        "call_id": call.pk,
        "errand_id": errands.make("visit", chief, key="k", **wanted).pk,
        "report_id": row.reports.create(key="k", kind="progress", body="{}", made_at_ms=at, due_at_ms=at).pk,
        "device_id": detector.pk,
        "alarm_id": alarm.pk,
        "dead_id": dead.pk,
        "attachment_id": attach(order.case, chief, photo(), "a.jpg", "k").pk,
        "alert_id": Alert.objects.get(key="k:dispatcher").pk,
        "party_id": whistle.parties.get().pk,
        "shift_id": Shift.rows.get().pk,
        "grid_id": grid.pk,
        "user_id": worker.pk,
        "sessions/number": UserSession.objects.create(user=worker, ip="192.0.2.1", session_key="s").pk,
        "decide/number": question.pk,
        **matter(grid, worker),
        **a_shop(grid),
    }


def a_shop(grid):
    """A shop with a finding and its photo, a tip-off (its number is 1, as there is no other) and an appeal."""
    register.register(JURISDICTION, [register.NewShop("S-1", "福顺便利店", "retail")], "test")
    shop = Shop.objects.get()
    shop.grid = grid
    shop.save()
    items = [item.id for item in current("retail").asked_in("self")]
    answers = {item: "fail" if item == "exit_clear" else "ok" for item in items}
    inspecting.inspect(shop, inspecting.Answers("self", "k" * 8, answers, {"exit_clear": photo()}), "owner")
    voices.tip_off(shop, "后门被货物堵住了", key="k" * 8, network="n")
    return {
        "shop_id": shop.pk,
        "s/token": shop.codes.get().token,
        "findings/number": shop.findings.get().pk,
        "pictures/number": shop.photos.get().pk,
        "appeals/number": appeals.appeal(shop, "照片不是本店的", "owner").pk,
    }


def matter(grid, worker):
    """What a resident said, at the round table, with a promise and a photo."""
    form = intake.Form(
        key="k" * 24,
        category="noise",
        text="楼上装修太吵",
        place="here",
        jurisdiction_id=JURISDICTION,
        photos=[(photo(), "a.jpg")],
    )
    said = intake.submit(form)
    case = said.saying.case
    case.refresh_from_db()  # its photo came last
    with transaction.atomic():
        set_grid(case, grid)
    boss = Actor("user:boss", frozenset({"dispatcher"}))
    take(case.pk, boss, "screen")
    take(case.pk, boss, "escalate", {"reason": "nobody alone can solve it"})
    meeting = case.meetings.get()
    made = tables.promise(meeting, worker, what="quiet", owner="all", due_at_ms=now_ms() + MINUTE)
    return {
        "voice/case_id": case.pk,
        "photos/attachment_id": case.attachments.get().pk,
        "photos/number": case.attachments.get().pk,
        "tables/meeting_id": meeting.pk,
        "commitments/commitment_id": made.pk,
        "reply/name": "agree",
        "p/token": said.token,
    }


def ask(client, method, address, form=None):
    """What comes back; whatever it did is undone."""
    cookies = client.cookies
    client.cookies = SimpleCookie({name: morsel.value for name, morsel in cookies.items()})
    try:
        with transaction.atomic():
            answer = (
                client.generic(method, address)
                if method in NEVER
                else getattr(client, method.lower())(address, form)
            )
            transaction.set_rollback(True)
    finally:
        client.cookies = cookies
    end(answer)
    if answer.status_code == 302 and answer["Location"].startswith("/login/?next="):
        return "login"
    if answer.status_code == 403 and b"This form has expired" in answer.content:
        return "csrf"
    return str(answer.status_code)


def walk(world):
    values, clients = world
    for route in sorted(set(routes())):
        for method in ("GET", "POST"):
            address = fill(route, values)
            row = {}
            for column in COLUMNS:
                asked = {"forged": method == "POST", "elsewhere": OBJECT.search(route)}
                asked["other grid"] = method == "GET" or OBJECT.search(route)
                if not asked.get(column, True):
                    row[column] = "-"
                    continue
                row[column] = "/".join(sorted({ask(client, method, address) for client in clients[column]}))
            told = {status for column in COLUMNS[:-1] for status in row[column].split("/")}
            if not told <= {"login", "403", "405", "-"}:
                yield method, route, row


def changed(world, rows):
    """(method, route, what came) for methods that no address has, asked by somebody whom the address knows."""
    values, clients = world
    knows = {}
    for _, route, row in rows:
        knows.setdefault(route, next((r for r in Role if row[r.value] not in {"403", "405", "404"}), None))
    for route in sorted(set(routes())):
        for method, column in zip(NEVER, ("nobody", knows.get(route), Role.DISPATCHER), strict=True):
            if column is not None:
                yield method, route, ask(clients[str(column)][0], method, fill(route, values))


def refused_with_nul(world, rows):
    """Every form is sent with a NUL in a field that it may not even know; where it is refused for that."""
    values, clients = world
    found = []
    for method, route, row in rows:
        if method != "POST":
            continue
        who = next((r for r in ("nobody", *Role) if row[str(r)] not in {"login", "403", "405", "404"}), None)
        if who is None:
            continue
        status = ask(clients[str(who)][0], method, fill(route, values), {"reason": "a\0b", "x": "y"})
        assert status[0] != "5", f"{route} as {who}: {status}"
        if status == "400":
            found.append(route)
    return found


def written(rows):
    widths = [max(len(name), 5) for name in COLUMNS]
    longest = max(len(route) for _, route, _ in rows)
    lines = [f"{'':5}{'':{longest}}  " + "  ".join(f"{n:{w}}" for n, w in zip(COLUMNS, widths, strict=True))]
    for method, route, row in rows:
        cells = "  ".join(f"{row[n]:{w}}" for n, w in zip(COLUMNS, widths, strict=True))
        lines.append(f"{method:5}{route:{longest}}  {cells}")
    return HEAD + "\n".join(line.rstrip() for line in lines) + "\n"


# Thousands of requests: on a slow and busy machine they take minutes.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "centre", ["sqlite"], indirect=True
)  # it asks the views; `test_scopes` asks both databases
def test_every_address_with_every_role(world, request):
    rows = list(walk(world))
    # What holds whatever the file says.
    assert {route for route in routes() if OBJECT.search(route)} <= {route for _, route, _ in rows}
    for method, route, row in rows:
        where = f"{method} {route}"
        if not any(re.fullmatch(each, route) for each in OPEN):
            assert row["nobody"] in {"login", "405"}, f"{where} answers without a log-in"
        if method == "POST" and not re.fullmatch(f"{OWN}|{READS}", route):
            assert row["auditor"] in {"403", "405"} or row["nobody"] != "login", f"{where}: an auditor writes"
        if OBJECT.search(route):
            known = {row[role.value] for role in Role}
            if method == "GET" or row["dispatcher"] != "405":
                nobodys = MEANT_FOR_NOBODY_ELSE.search(route)
                assert nobodys or known - {"403", "404", "405"}, f"{where}: nobody gets what is there"
            for column in ("elsewhere", "other grid")[: 1 if OF_NO_GRID.search(route) else 2]:
                assert set(row[column].split("/")) <= {"401", "403", "404", "405"}, (
                    f"{where} opens to {column}"
                )
        if method == "POST" and not any(re.fullmatch(each, route) for each in EXEMPT):
            assert row["forged"] in {"csrf", "405"}, f"{where} takes a forged request"
    values, clients = world
    for column in ("elsewhere", "other grid"):
        for client in clients[column]:
            assert client.get(f"/live/?case={values['case_id']}").status_code == 404, column
    allowed = {"login", "401", "403", "404", "405", "csrf"}
    wrong = [each for each in changed(world, rows) if each[2] not in allowed]
    assert not wrong, "a method that no address has is answered"
    actual, expected = written(rows), FILE.read_text() if FILE.exists() else ""
    if actual != expected:
        found = request.config.cache.mkdir("matrix") / "matrix.txt"
        found.write_text(actual)
        difference = "\n".join(
            difflib.unified_diff(
                expected.splitlines(), actual.splitlines(), "expected", "is", lineterm="", n=0
            )
        )
        pytest.fail(f"{difference}\n\nIs each line as it should be? Then: cp {found} {FILE}", pytrace=False)
    assert len(refused_with_nul(world, rows)) > 60, "most forms read what they are sent"


def test_the_walk_reaches_every_app():
    found = set(routes())
    assert len(found) > 35
    assert {"", "healthz", "account/", "cases/<int:case_id>/", "login/code/"} <= found
