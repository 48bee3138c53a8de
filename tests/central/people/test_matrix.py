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
from django.db import transaction
from django.test.client import Client
from django.urls import URLPattern, URLResolver, get_resolver

from central.cases.models import WorkOrder
from central.grids.models import Grid
from central.ingest.intake import take_all
from central.people.models import Role
from central.people.services import set_scope
from central.project.brake import Brake
from tests.central.street import AGENT, JURISDICTION, TOPICS, picture, reference, sha256, task

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
# Columns: without a log-in; each role in whose scope the case lies; all roles of another jurisdiction; all roles of
# another grid (both where the address names a case or task); and `forged`: a request of a logged-in person that brings
# no CSRF token.
# Addresses and methods that give everybody `login`, 403 or 405 are not listed: they are closed.
"""
OPEN = (
    r"healthz|readyz|metrics|login/.*|language/",
    r"n/<str:token>.*",  # drivers: the link is signed
    r"notices/.*",  # gateways: signed, or with a secret in the address
    r"ngsi-ld/.*",  # machines that report bays: a key each
    r"api/v1/.*",  # programs: a key each
    r"service-worker\.js|manifest-.*|officer/offline/",  # a browser asks on its own; they say nothing about anybody
)
"""What answers without a log-in. Think twice before you make this list longer."""
EXEMPT = (r"n/<str:token>.*", r"notices/.*", r"ngsi-ld/.*", r"api/v1/.*")
"""What changes things without a CSRF token, because no cookie opens it."""
OWN = r"logout/|account/.*|login/.*|language/|appearance/"
READS = r"cases/<int:case_id>/plate/"
"""A POST that only shows."""
OBJECT = re.compile(r"<\w+:(case_id|order_id)>")


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
        kind, name = found[1] or "str", found[2]
        return str(values.get(name, 1 if kind == "int" else "none"))

    return "/" + re.sub(r"<(?:(\w+):)?(\w+)>", value, route)


@pytest.fixture
def world(agent, person, browse, monkeypatch):
    """(values for routes, clients by column); nobody is braked, or lines would depend on those above them."""
    monkeypatch.setattr(Brake, "wait_s", lambda self, caller: 0)
    issued = task(pictures=(reference(PICTURE, "confirm"),))
    take_all([(TOPICS.of("tasks"), issued.model_dump_json().encode())])
    take_all([(TOPICS.evidence(sha256(PICTURE)), PICTURE)])
    order = WorkOrder.objects.get()
    grids = [
        Grid.objects.create(jurisdiction_id=JURISDICTION, code=code, name=code, level=level)
        for code, level in (("here", 1), ("there", 1))
    ]
    order.case.grid = grids[0]
    order.case.save()
    clients: dict[str, list[Client]] = {"nobody": [browse()], "elsewhere": [], "other grid": []}
    for role in Role:
        clients[role.value] = [browse(person(f"in-{role}", role, JURISDICTION))]
        clients["elsewhere"].append(browse(person(f"out-{role}", role, "elsewhere")))
        away = person(f"grid-{role}", role, JURISDICTION)
        set_scope(away, JURISDICTION, ["there"])
        clients["other grid"].append(browse(away))
    clients["forged"] = [browse(person("forged", Role.DISPATCHER, JURISDICTION), csrf=True)]
    values = {"case_id": order.case_id, "order_id": order.pk, "sha256": sha256(PICTURE), "agent_id": AGENT}
    logging.getLogger("django.security.csrf").setLevel(logging.ERROR)
    yield values, clients
    logging.getLogger("django.security.csrf").setLevel(logging.NOTSET)


def ask(client, method, address):
    """What comes back; whatever it did is undone."""
    cookies = client.cookies
    client.cookies = SimpleCookie({name: morsel.value for name, morsel in cookies.items()})
    try:
        with transaction.atomic():
            answer = client.post(address) if method == "POST" else client.get(address)
            answer.close()
            transaction.set_rollback(True)
    finally:
        client.cookies = cookies
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
                far = column in {"elsewhere", "other grid"}
                if (column == "forged" and method == "GET") or (far and not OBJECT.search(route)):
                    row[column] = "-"
                    continue
                row[column] = "/".join(sorted({ask(client, method, address) for client in clients[column]}))
            told = {status for column in COLUMNS[:-1] for status in row[column].split("/")}
            if not told <= {"login", "403", "405", "-"}:
                yield method, route, row


def written(rows):
    widths = [max(len(name), 5) for name in COLUMNS]
    longest = max(len(route) for _, route, _ in rows)
    lines = [f"{'':5}{'':{longest}}  " + "  ".join(f"{n:{w}}" for n, w in zip(COLUMNS, widths, strict=True))]
    for method, route, row in rows:
        cells = "  ".join(f"{row[n]:{w}}" for n, w in zip(COLUMNS, widths, strict=True))
        lines.append(f"{method:5}{route:{longest}}  {cells}")
    return HEAD + "\n".join(line.rstrip() for line in lines) + "\n"


@pytest.mark.parametrize(
    "centre", ["sqlite"], indirect=True
)  # it asks the views; `test_scopes` asks both databases
def test_every_address_with_every_role(world, request):
    rows = list(walk(world))
    # What holds whatever the file says.
    for method, route, row in rows:
        where = f"{method} {route}"
        if not any(re.fullmatch(each, route) for each in OPEN):
            assert row["nobody"] in {"login", "405"}, f"{where} answers without a log-in"
        if method == "POST" and not re.fullmatch(f"{OWN}|{READS}", route):
            assert row["auditor"] in {"403", "405"} or row["nobody"] != "login", f"{where}: an auditor writes"
        if OBJECT.search(route):
            for column in ("elsewhere", "other grid"):
                assert set(row[column].split("/")) <= {"401", "403", "404", "405"}, (
                    f"{where} opens to {column}"
                )
        if method == "POST" and not any(re.fullmatch(each, route) for each in EXEMPT):
            assert row["forged"] in {"csrf", "405"}, f"{where} takes a forged request"
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


def test_the_walk_reaches_every_app():
    found = set(routes())
    assert len(found) > 35
    assert {"", "healthz", "account/", "cases/<int:case_id>/", "login/code/"} <= found
