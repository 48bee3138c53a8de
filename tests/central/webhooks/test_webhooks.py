"""Events reach a receiver that fails, is slow, forgets to answer or is away: each at least once, in order, known by its id."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import ipaddress
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.test import override_settings

from central.cases import actions, reports
from central.cases.apikeys import add_key
from central.cases.guards import Actor
from central.cases.models import ApiKey, Case
from central.grids.models import Grid
from central.webhooks import courier, events, outward, services, signing
from central.webhooks.models import Delivery, DeliveryState, Subscription
from central.webhooks.worker import WebhookWorker
from protocol.errors import PatrolError
from tests.central.engines import ON_SQLITE
from tests.central.street import MINUTE, NOON

DISPATCHER = Actor("user:d", frozenset({"dispatcher"}))
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)


class Receiver:
    """A real HTTP server. `plan` holds what it does with the next messages: a status, 'late' or 'dumb'; then 204."""

    def __init__(self) -> None:
        self.plan: list[int | str] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.effects: dict[str, dict] = {}
        self.let_go = threading.Event()
        self.port = 0
        self.server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                does = receiver.plan.pop(0) if receiver.plan else 204
                if does in (204, "dumb"):
                    receiver.effects.setdefault(self.headers["webhook-id"], json.loads(body))
                if does == "dumb":  # it has taken the message and dies before it can say so
                    self.close_connection = True
                    return
                if does == "late":
                    receiver.let_go.wait(30)
                    return
                self.send_response(does)
                if does == 503:
                    self.send_header("Retry-After", "600")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@pytest.fixture
def receiver(centre):
    events.forget()
    made = Receiver()
    with override_settings(PATROL=dataclasses.replace(django_settings.PATROL, webhook_networks=LOCAL)):
        yield made
    made.stop()
    events.forget()


@pytest.fixture
def key(centre):
    add_key("city", "sanlihe", ("read", "webhook"))
    return ApiKey.objects.get(name="city")


def bring(name: str, jurisdiction: str = "sanlihe", code: str = "city_appearance") -> Case:
    new = reports.NewCase("person", name, code, jurisdiction, NOON, "api:x", text=f"{name} 垃圾", place=name)
    return reports.open_case(new)[0]


def carry_all() -> None:
    while courier.run_once():
        pass


def check(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it by the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body.decode()}".encode()
    mark = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mark}" in headers["webhook-signature"].split(" ")


def test_every_event_arrives_at_least_once_and_in_order_whatever_the_receiver_does(
    receiver, key, centre, monkeypatch
):
    monkeypatch.setattr(outward, "WHOLE_S", 0.3)
    _, secret = services.subscribe("hub", key, receiver.url)
    first, second = bring("one"), bring("two")
    bring("far", "elsewhere")
    with transaction.atomic():  # what did not happen is told to nobody
        bring("undone")
        transaction.set_rollback(True)
    actions.take(first.pk, DISPATCHER, "establish", {})
    actions.take(first.pk, DISPATCHER, "dispatch", {})
    actions.take(second.pk, DISPATCHER, "refuse", {"reason": "nothing there"})
    assert Delivery.objects.count() == 5
    receiver.plan = [500, "late", "dumb", 503]
    for _ in range(40):
        carry_all()
        if Delivery.objects.filter(state=DeliveryState.WAITING).count() == 0:
            break
        if len(receiver.got) == 4:
            receiver.stop()  # it goes away, and comes back
            carry_all()
            receiver.start()
        # One process took a message and died with it in hand: its lease runs out.
        courier.claim()
        centre.clock.advance(11 * MINUTE)
    done = Delivery.objects.filter(state=DeliveryState.DONE)
    assert done.count() == 5
    assert len(receiver.got) > len(receiver.effects) == 5
    told = [(e["data"]["case"]["id"], e["type"], e["data"]["after"]) for e in receiver.effects.values()]
    assert [one for one in told if one[0] == first.pk] == [
        (first.pk, "case.opened", "reported"),
        (first.pk, "case.moved", "established"),
        (first.pk, "case.moved", "dispatched"),
    ]
    assert [one[1] for one in told if one[0] == second.pk] == ["case.opened", "case.closed"]
    for headers, body in receiver.got:
        assert check(secret, headers, body)
        assert not check(signing.shown(b"x" * 32), headers, body)
        assert "垃圾" not in body.decode(), "what people wrote is told to nobody"
    by_id: dict[str, set[bytes]] = {}
    for headers, body in receiver.got:
        by_id.setdefault(headers["webhook-id"], set()).add(body)
    assert all(len(bodies) == 1 for bodies in by_id.values()), "a repetition is the same message"


def test_what_is_given_up_waits_for_a_person_and_is_sent_again(receiver, key, centre):
    hook, _ = services.subscribe("hub", key, receiver.url, wanted=["case.opened"])
    case = bring("one")
    actions.take(case.pk, DISPATCHER, "establish", {})
    receiver.plan = [500] * 12
    for _ in range(12):
        carry_all()
        centre.clock.advance(30 * 60 * MINUTE)  # longer than the longest wait
    dead = Delivery.objects.get()
    assert (dead.state, dead.attempts, dead.status) == (DeliveryState.DEAD, 12, 500)
    assert not courier.run_once()
    assert services.replay(hook) == 1
    carry_all()
    assert Delivery.objects.get().state == DeliveryState.DONE
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    receiver.plan = [410]
    bring("two")
    carry_all()
    hook.refresh_from_db()
    assert (hook.active, hook.reason) == (False, "the receiver wants no more")
    bring("three")
    assert Delivery.objects.count() == 2
    centre.clock.advance(31 * 24 * 60 * MINUTE)
    assert courier.sweep() == 1


@ON_SQLITE
def test_a_new_secret_signs_beside_the_old_one_for_a_day(receiver, key, centre):
    _, old = services.subscribe("hub", key, receiver.url)
    new = services.rotate("hub")
    assert new != old
    bring("one")
    carry_all()
    headers, body = receiver.got[-1]
    assert check(old, headers, body)
    assert check(new, headers, body)
    centre.clock.advance(25 * 60 * MINUTE)
    bring("two")
    carry_all()
    headers, body = receiver.got[-1]
    assert not check(old, headers, body)
    assert check(new, headers, body)


@ON_SQLITE
def test_filters_by_service_grid_and_event_and_a_running_worker(receiver, key):
    top = Grid.objects.create(jurisdiction_id="sanlihe", code="s", name="s", level=1)
    leaf = Grid.objects.create(jurisdiction_id="sanlihe", code="s-1", name="s-1", level=2, parent=top)
    services.subscribe("by-grid", key, receiver.url, grids=["s"], wanted=["case.opened"])
    services.subscribe("by-service", key, receiver.url, service_codes=["residents_voice"])
    inside, outside, voice = bring("in"), bring("out"), bring("voice", code="residents_voice")
    Case.objects.filter(pk=inside.pk).update(grid=leaf)
    worker = WebhookWorker(threads=2)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        while Delivery.objects.filter(state=DeliveryState.WAITING).exists():
            thread.join(0.05)
            assert thread.is_alive()
    finally:
        worker.stop()
        thread.join()
    assert {e["data"]["case"]["id"] for e in receiver.effects.values()} == {inside.pk, voice.pk}
    assert Delivery.objects.get(case=outside).state == DeliveryState.LEFT_OUT
    for change in (
        {"wanted": ["case.flown"]},
        {"service_codes": ["x"]},
        {"grids": ["x"]},
        {"name": "by-grid"},
    ):
        with pytest.raises(PatrolError):
            services.subscribe(change.pop("name", "new"), key, receiver.url, **change)
    ApiKey.objects.update(rights=["read"])
    with pytest.raises(PatrolError, match="webhook"):
        services.subscribe("new", ApiKey.objects.get(), receiver.url)
    assert Subscription.objects.count() == 2


def test_no_address_leads_inside():
    public = "93.184.215.14"
    inside = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "224.0.0.1",
    ]
    for text in inside:
        assert not outward.may_call(ipaddress.ip_address(text)), text
        with pytest.raises(outward.NotSentError):  # also beside a public one
            outward.post("https://a.example/", b"", {}, resolve=lambda *_, text=text: [public, text])
        literal = f"[{text}]" if ":" in text else text
        with pytest.raises(PatrolError):
            outward.check_url(f"https://{literal}/")
    assert outward.may_call(ipaddress.ip_address(public))
    for url in (
        "http://example.org/",
        "ftp://example.org/",
        "https://user:pw@example.org/",
        "https:///x",
        "https://example.org/\n",
        "http://localhost/",
        "https://example.org:0/",
    ):
        with pytest.raises(PatrolError):
            outward.check_url(url)
    outward.check_url("http://localhost:8000/", LOCAL)
    outward.check_url("https://example.org/x?y=1")


@ON_SQLITE
def test_a_name_is_looked_up_once_and_that_address_is_called(receiver):
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    url = f"http://localhost:{receiver.port}/x"
    with pytest.MonkeyPatch.context() as patch:
        # Nobody else may look a name up, or it could say something else the second time.
        real = socket.getaddrinfo
        patch.setattr(socket, "getaddrinfo", lambda host, *a, **k: asked.append(host) or real(host, *a, **k))
        answer = outward.post(url, b"{}", {"webhook-id": "m"}, allowed=LOCAL, resolve=rebinding)
    assert answer.status == 204
    assert set(asked) == {"localhost", "127.0.0.1"}
    assert asked.count("localhost") == 1
    assert receiver.got[-1][0]["host"] == f"localhost:{receiver.port}"
