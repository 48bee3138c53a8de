"""What machines that watch are told: metrics, readiness, logs. And what they are not."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import subprocess
import sys
from contextlib import contextmanager
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from central.cases.models import Case
from central.ingest.intake import take_all
from central.live import beats
from central.live.models import Heartbeat, Tally
from central.operations import views
from central.project import environment, logs
from notifier.masking import MaskingFilter
from protocol.errors import PatrolError
from tests.central.street import JURISDICTION, TOPICS, task

ONCE = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
TOKEN = "a-token-of-thirty-characters-x"


@contextmanager
def scraped(token=None, allow=()):
    patrol = dataclasses.replace(
        settings.PATROL, metrics_token=token, metrics_allow=tuple(ip_network(a) for a in allow)
    )
    views._database.forget()
    with override_settings(PATROL=patrol):
        yield {"authorization": f"Bearer {token}"}


def samples(answer):
    return [
        sample
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    ]


def value(answer, name, **labels):
    (found,) = [s.value for s in samples(answer) if s.name == name and s.labels == labels]
    return found


def test_metrics_count_what_is_there_and_name_nobody(agent, person, browse, centre):
    take_all([(TOPICS.of("tasks"), task().model_dump_json().encode())])
    beats.count("ingest_messages", "accepted", 3)
    pulse = beats.Pulse(beats.INGEST, "ingest-one")
    pulse.worked()
    pulse.beat()
    beats.count("ingest_messages", "accepted", 2)
    beats.Pulse(beats.INGEST, "ingest-two").beat()
    centre.clock.advance(45 * 60_000)
    with scraped(TOKEN) as headers:
        answer = browse().get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert value(answer, "patrol_database_up") == 1
    assert value(answer, "patrol_work_orders_open", state="new") == 1
    assert value(answer, "patrol_work_orders_overdue") == 1
    assert value(answer, "patrol_dispatch_searches", state="waiting") == 1
    assert value(answer, "patrol_dispatch_lag_seconds") == 45 * 60
    assert value(answer, "patrol_ingest_messages_total", outcome="accepted") == 5, (
        "counted on over two workers"
    )
    assert value(answer, "patrol_workers_running", kind="ingest") == 0, "both are silent by now"
    assert value(answer, "patrol_worker_last_success_timestamp_seconds", kind="ingest") == (
        Heartbeat.objects.get(pk="ingest-one").success_at_ms / 1000
    )
    assert value(answer, "patrol_health", check="worker", subject="ingest") == 0
    case = Case.objects.get()
    text = answer.content.decode()
    for secret in (JURISDICTION, case.place, case.stay.plate, TOKEN):
        assert not secret or secret not in text
    words = re.compile(r"[a-z0-9_.:+<>/()-]*|\+Inf", re.I)
    for sample in samples(answer):
        assert set(sample.labels) <= {
            "service", "step", "state", "kind", "outcome", "part", "check", "subject", "view", "status", "le",
            "version", "database",
        }, sample  # fmt: skip
        assert all(words.fullmatch(label) for label in sample.labels.values()), sample


@ONCE
def test_services_and_views_never_become_labels_without_bound(agent, browse, centre):
    take_all([(TOPICS.of("tasks"), task().model_dump_json().encode())])
    one = Case.objects.get()
    for number in range(60):
        Case.objects.create(
            source_key=f"k{number}",
            service_code=f"s{number}",
            jurisdiction_id="x",
            state="open",
            opened_at_ms=1,
        )
    for number in range(20):
        browse().get(f"/n/{number}{'x' * 20}")
        browse().get(f"/nowhere/{number}")
    with scraped(TOKEN) as headers:
        answer = browse().get("/metrics", headers=headers)
    told = [s.labels["service"] for s in samples(answer) if s.name == "patrol_cases_open"]
    assert len(set(told)) <= 51
    assert sum(s.value for s in samples(answer) if s.name == "patrol_cases_open") == 60 + (
        one.state == "open"
    )
    names = {s.labels["view"] for s in samples(answer) if "view" in s.labels}
    assert not any("/" in name for name in names), names
    with pytest.raises(KeyError):
        beats.count("ingest_messages", "京A12345")


@ONCE
def test_metrics_are_closed_unless_somebody_says_who_may_read_them(browse, person, centre):
    nobody = browse()
    assert nobody.get("/metrics").status_code == 404
    with scraped(TOKEN):
        for wrong in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"):
            assert nobody.get("/metrics", headers={"authorization": wrong}).status_code == 401
        assert browse(person("li", "administrator")).get("/metrics").status_code == 401
    with scraped(allow=("127.0.0.1",)):
        assert nobody.get("/metrics").status_code == 200
        assert nobody.get("/metrics", REMOTE_ADDR="127.0.0.2").status_code == 401
        for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
            assert nobody.get("/metrics", headers={header: "127.0.0.1"}).status_code == 401, header


def test_a_token_that_can_be_guessed_or_an_address_that_is_none_is_refused(tmp_path):
    file = tmp_path / "token"
    file.write_text("short")
    with pytest.raises(PatrolError, match="fewer than 20"):
        environment.read({"PATROL_CENTRAL_METRICS_TOKEN_FILE": str(file)})
    with pytest.raises(PatrolError, match="neither an address"):
        environment.read({"PATROL_CENTRAL_METRICS_ALLOW": "everybody"})
    file.write_text(TOKEN + "\n")
    assert environment.read({"PATROL_CENTRAL_METRICS_TOKEN_FILE": str(file)}).metrics_token == TOKEN
    assert TOKEN not in repr(environment.read({"PATROL_CENTRAL_METRICS_TOKEN_FILE": str(file)}))


def test_ready_means_pages_and_whole_means_everything(browse, person, centre):
    nobody, keeper = browse(), browse(person("keeper", "administrator"))
    bare = nobody.get("/readyz")
    assert (bare.status_code, set(bare.json())) == (200, {"status"})
    assert nobody.get("/readyz?whole=1").json() == {"status": "degraded"}
    assert nobody.get("/readyz?whole=1").status_code == 503
    for kind in beats.KINDS:
        beats.Pulse(kind).beat()
    told = {(f["name"], f["subject"]): f for f in keeper.get("/readyz").json()["findings"]}
    assert {told["worker", kind]["word"] for kind in beats.KINDS} == {"working"}
    assert told["broker", ""]["word"] == "stopped"
    centre.clock.advance(beats.SILENT_MS + 1)
    told = {(f["name"], f["subject"]): f for f in keeper.get("/readyz").json()["findings"]}
    assert {told["worker", kind]["word"] for kind in beats.KINDS} == {"silent"}
    # Somebody who answers for no agents learns no more than a stranger.
    assert set(browse(person("wang")).get("/readyz").json()) == {"status"}


def test_what_was_counted_while_the_database_failed_is_written_later(centre):
    beats.write()
    before = Tally.objects.filter(pk="database_errors:sweep").values_list("value", flat=True).first() or 0
    beats.count("database_errors", "sweep", 4)

    def fail(*_):
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(fail), pytest.raises(OperationalError):
        beats.write()
    beats.count("database_errors", "sweep", 1)
    beats.write()
    beats.write()
    assert Tally.objects.get(pk="database_errors:sweep").value == before + 5


def test_processes_of_one_folder_are_added_up_and_the_dead_leave_no_gauge(tmp_path):
    program = """
import sys
from pathlib import Path
from central.project import metrics_folder
metrics_folder.share(Path(sys.argv[1]))
from central.project import metrics
metrics.calls.labels("start", "2xx").observe(0.1)
metrics.followers.inc()
print("ready", flush=True)
sys.stdin.readline()
from prometheus_client import generate_latest
print(generate_latest(metrics.registry()).decode(), flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "metrics")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    first, second = (subprocess.Popen(command, **pipes) for _ in range(2))
    try:
        assert [each.stdout.readline() for each in (first, second)] == ["ready\n", "ready\n"]
        first.kill()
        first.wait(10)
        text, _ = second.communicate("\n", timeout=20)
    finally:
        for each in (first, second):
            each.kill()
            each.communicate()
    assert 'patrol_http_call_seconds_count{status="2xx",view="start"} 2.0' in text
    assert "patrol_push_connections 1.0" in text
    third = subprocess.run(command, input="\n", stdout=subprocess.PIPE, text=True, timeout=30, check=True)
    assert 'view="start"} 1.0' in third.stdout, "nobody was there: it begins anew"


SECRETS = ("京A12345", "沪AD12345", "13800138000", "+8613912345678", "hunter2secret")


@pytest.mark.parametrize("form", [logs.TEXT, logs.JSON])
def test_no_plate_number_or_password_reaches_a_line(form):
    lines = []

    class Kept(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler = Kept()
    handler.setFormatter(logs.JsonLines() if form == logs.JSON else logs.TextLines())
    handler.addFilter(MaskingFilter())
    logger = logging.Logger("central.test")
    logger.addHandler(handler)
    with logs.about(request="abcd1234", case=7, agent="京A12345"):
        logger.warning("plate 京A12345 of %s, call %s", "沪AD12345", "13800138000")
        logger.error("facts %(plate)s %(phone)s", {"plate": "京A12345", "phone": "+8613912345678"})
        logger.info("too few %s %s", "京A12345")
        logger.info({"plate": "京A12345", "password": "hunter2secret"})
        try:
            raise ValueError("京A12345 called 13800138000, password=hunter2secret")
        except ValueError:
            logger.exception("failed for\n%s", "沪AD12345", stack_info=True)
    assert len(lines) == 5
    for line in lines:
        assert not any(secret in line for secret in SECRETS), line
        if form == logs.JSON:
            told = json.loads(line)
            assert "\n" not in line
            assert (told["request"], told["case"], told["logger"]) == ("abcd1234", "7", "central.test")
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    if form == logs.JSON:
        assert "ValueError" in json.loads(lines[-1])["exception"]
    else:
        assert "[request=abcd1234 case=7" in lines[0]


@ONCE
def test_each_call_has_a_name_and_a_strangers_name_is_not_taken(browse, centre):
    given = "a-name-of-the-proxy"
    ours = browse().get("/healthz", headers={"x-request-id": given})["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{16}", ours)
    with override_settings(PATROL=dataclasses.replace(settings.PATROL, https=True)):
        assert browse().get("/healthz", headers={"x-request-id": given})["X-Request-ID"] == given
        bad = browse().get("/healthz", headers={"x-request-id": "two words\x07 and more"})
        assert re.fullmatch(r"[0-9a-f]{16}", bad["X-Request-ID"])
