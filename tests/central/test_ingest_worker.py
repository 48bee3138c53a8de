"""The ingest process with a real broker: killed, refused, cut off - and nothing lost or counted twice."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from django.db import connection

from central.cases.history import Audit, verify
from central.cases.models import Case, HistoryEntry, Picture, WorkOrder
from central.cases.states import Result
from central.fleet.models import Agent, Letter, Stranger
from central.fleet.services import enrol
from central.ingest.models import Quarantined, Receipt, Worker
from notifier.mqtt.embedded import EmbeddedBroker
from protocol.messages import Outcome, Refuse
from protocol.topics import AgentTopics, ingest_filters
from tests.central.engines import ON_POSTGRESQL, ON_SQLITE
from tests.central.street import (
    NOON,
    TOPICS,
    Sender,
    health,
    picture,
    record,
    reference,
    retraction,
    sha256,
    task,
)
from tests.servers.mosquitto import Mosquitto


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder, free_port()) as running:
        yield running


@pytest.fixture
def ingest(centre) -> Iterator[Callable[..., subprocess.Popen]]:
    """`ingest(url)`: a real ingest process on this test's database."""
    running: list[subprocess.Popen] = []

    def start(url: str, **env: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "patrol", "central", "ingest", "--broker", url],
            env=centre.env(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def sender() -> Iterator[Callable[..., Sender]]:
    """`sender(port, ...)`: an agent that is stopped when the test ends."""
    running: list[Sender] = []

    def start(*arguments: object, **named: object) -> Sender:
        running.append(Sender(*arguments, **named))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def connected(wait_until) -> Callable[..., None]:
    """`connected(n)`: return once n workers receive; what is sent once before that, nobody is given."""
    return lambda count=1: wait_until(
        lambda: Worker.objects.filter(state="connected").count() == count, 30, "a connected worker"
    )


def worker_state() -> set[str]:
    return set(Worker.objects.values_list("state", flat=True))


def test_a_task_with_its_pictures_goes_in_and_the_outcome_comes_back(agent, person, broker, ingest, sender):
    from central.cases import services

    ingest(broker.url)
    box = sender(broker.port)
    first, second = picture(1), picture(2)
    box.send(task(pictures=(reference(first, "confirm"), reference(second))))
    box.send_picture(first)
    box.send_picture(second)
    box.wait_until_accepted()
    order = WorkOrder.objects.get()
    assert order.case.evidence.filter(picture__isnull=False).count() == 2
    officer = person("wang")
    services.accept(order.pk, officer)
    services.close(order.pk, officer, services.Finding(Result.NOT_A_VIOLATION, "loading"))
    outcome = box.wait_for(Outcome)
    assert (outcome.case_id, outcome.result, outcome.note) == ("c1", "not_a_violation", "loading")
    box.send(record("c1", "closed", NOON + 60_000, outcome_id=outcome.outcome_id))
    box.wait_until_accepted()
    assert Letter.objects.get().confirmed_at_ms is not None


@ON_POSTGRESQL
def test_an_outcome_is_repeated_until_the_agent_confirms_it(
    agent, person, broker, ingest, sender, wait_until
):
    from central.cases import services

    box = sender(broker.port)
    ingest(broker.url)
    box.send(task())
    box.wait_until_accepted()
    officer = person("wang")
    order = WorkOrder.objects.get()
    services.accept(order.pk, officer)
    services.close(order.pk, officer, services.Finding(Result.TOWED))
    box.wait_for(Outcome)
    wait_until(lambda: sum(isinstance(got, Outcome) for got in box.inbox) >= 2, 20, "a second sending")
    assert len({got.outcome_id for got in box.inbox if isinstance(got, Outcome)}) == 1


@ON_POSTGRESQL
def test_killing_workers_loses_nothing_and_counts_nothing_twice(
    agent, broker, ingest, sender, wait_until, connected
):
    workers = [ingest(broker.url), ingest(broker.url)]
    connected(2)
    box = sender(broker.port)
    expected = 0
    for number in range(40):
        data = picture(number)
        box.send(task(f"c{number}", pictures=(reference(data),)), record(f"c{number}", "tasked", NOON + 1000))
        box.send_picture(data)
        expected += 3
        if number % 5 == 0:
            box.send(retraction(f"c{number}"))
            expected += 1
        if number in {10, 20, 30}:
            at_least = Receipt.objects.count() + 1
            wait_until(lambda at_least=at_least: Receipt.objects.count() >= at_least, 20, "work in progress")
            victim = workers.pop(0)
            victim.kill()
            victim.wait()
            workers.append(ingest(broker.url))
    box.wait_until_accepted(60)
    assert Receipt.objects.count() == expected
    assert WorkOrder.objects.count() == Case.objects.count() == 40
    assert WorkOrder.objects.filter(state="retracted").count() == 8
    assert Picture.objects.count() == 40
    assert HistoryEntry.objects.filter(kind="agent_step").count() == 40
    assert HistoryEntry.objects.filter(kind="picture").count() == 40
    assert not Quarantined.objects.exists()
    assert not list(verify(Audit()))


@ON_POSTGRESQL
def test_killing_the_broker_loses_nothing(agent, broker, ingest, sender, wait_until):
    ingest(broker.url)
    box = sender(broker.port)
    for number in range(15):
        box.send(task(f"c{number}"))
    wait_until(Receipt.objects.exists, 20, "the first message")
    broker.kill()
    for number in range(15, 30):
        box.send(task(f"c{number}"))
    wait_until(lambda: worker_state() == {"unreachable"}, 20, "the named state")
    broker.start()
    box.wait_until_accepted(60)
    assert WorkOrder.objects.count() == 30
    assert not list(verify(Audit()))


@ON_SQLITE
def test_a_centre_that_starts_late_learns_who_is_online(agent, broker, ingest, sender, wait_until):
    box = sender(broker.port)
    wait_until(box.client.is_connected)
    box.send(task())
    ingest(broker.url)
    box.wait_until_accepted()
    wait_until(lambda: Agent.objects.get().online, 10, "the retained status")
    box.client.socket().shutdown(socket.SHUT_RDWR)
    box.client.loop_stop()
    wait_until(lambda: not Agent.objects.get().online, 10, "the last will")


@ON_SQLITE
def test_a_forged_and_a_broken_message_are_refused_and_the_rest_goes_on(
    agent, broker, ingest, sender, connected
):
    ingest(broker.url)
    connected()
    box = sender(broker.port)
    forged = task("c9", agent_id="somebody-else")
    box.publish(TOPICS.of("tasks"), forged.model_dump_json())
    assert box.wait_for(Refuse).key == forged.idempotency_key
    box.publish(TOPICS.of("tasks"), b"\x00\x01")
    box.publish(TOPICS.evidence("0" * 64), picture(1))
    box.publish(TOPICS.evidence(sha256(b"x" * 9_000_000)), b"x" * 9_000_000)
    box.send(task())
    box.wait_until_accepted()
    assert list(WorkOrder.objects.values_list("case__stay__agent_case_id", flat=True)) == ["c1"]


@ON_SQLITE
def test_a_stranger_waits_until_it_is_enrolled(centre, broker, ingest, sender, wait_until):
    ingest(broker.url)
    topics = AgentTopics("sanlihe", "box-7")
    box = sender(broker.port, topics)
    box.send(task(agent_id="box-7"))
    wait_until(lambda: Stranger.objects.filter(messages__gte=2).exists(), 20, "its knocking")
    assert box.waiting
    assert not box.inbox
    enrol("box-7", "sanlihe")
    box.wait_until_accepted()
    assert WorkOrder.objects.count() == 1


@ON_SQLITE
def test_a_refused_log_in_is_told_apart_from_an_absent_broker(
    centre, tmp_path, free_port, ingest, wait_until
):
    folder = tmp_path / "strict"
    folder.mkdir()
    passwords = folder / "passwords"
    password = folder / "password"
    password.write_text("right\n")
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "centre", "right"], check=True, capture_output=True
    )
    port = free_port()
    absent = ingest(f"mqtt://127.0.0.1:{port}")
    wait_until(lambda: "unreachable" in worker_state(), 20, "unreachable")
    absent.terminate()
    assert absent.wait(10) == 0
    strict = Mosquitto(folder, port, f"allow_anonymous false\npassword_file {passwords}\n")
    with strict:
        anonymous = ingest(strict.url)
        wait_until(lambda: "refused" in worker_state(), 20, "refused")
        assert "uthori" in Worker.objects.get(state="refused").reason
        anonymous.terminate()
        output, _ = anonymous.communicate(timeout=10)
        assert output.count("refused") == 1, "said once, not at each attempt"
        files = {"PATROL_CENTRAL_BROKER_USER": "centre", "PATROL_CENTRAL_BROKER_PASSWORD_FILE": str(password)}
        known = ingest(strict.url, **files)
        wait_until(lambda: "connected" in worker_state(), 20, "connected")
        known.terminate()
        output, _ = known.communicate(timeout=10)
        assert "right" not in output


@ON_SQLITE
def test_stopping_finishes_the_batch_and_leaves_in_good_order(agent, broker, ingest, sender, wait_until):
    worker = ingest(broker.url)
    wait_until(lambda: "connected" in worker_state(), 20, "connected")
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=10)
    assert worker.returncode == 0, output
    assert "Traceback" not in output
    assert worker_state() == {"stopped"}
    box = sender(broker.port, again_s=3600)
    box.send(task())
    ingest(broker.url)
    box.wait_until_accepted(30)  # sent once while nobody ran: the session at the broker kept it


def test_a_database_that_goes_away_for_a_while_delays_and_loses_nothing(
    agent, centre, broker, ingest, sender, connected
):
    worker = ingest(broker.url)
    connected()
    box = sender(broker.port, again_s=3600)
    box.send(task("c1"))
    box.wait_until_accepted()
    if centre.engine == "sqlite":
        blocker = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],isolation_level=None);"
                "c.execute('BEGIN IMMEDIATE'); print('held',flush=True); sys.stdin.read()",
                str(centre.data / "central.sqlite3"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert blocker.stdout.readline() == "held\n"
        box.send(task("c2"))
        blocker.stdin.close()
        blocker.wait(10)
        blocker.stdout.close()
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        box.send(task("c2"))
    box.wait_until_accepted(40)
    assert WorkOrder.objects.count() == 2
    assert worker.poll() is None


@ON_SQLITE
def test_the_broker_that_comes_with_the_demo_will_do(agent, ingest, sender, connected, free_port, wait_until):
    with EmbeddedBroker(free_port()) as embedded:
        ingest(embedded.url)
        connected()
        box = sender(embedded.port, again_s=3600)
        data = picture(1)
        box.send(task(pictures=(reference(data),)), record("c1", "tasked", NOON))
        box.send_picture(data)
        box.publish(TOPICS.of("health"), health().model_dump_json())
        box.wait_until_accepted(30)
        wait_until(lambda: agent.cameras.exists() and Agent.objects.get().online, 20, "health and status")


def test_the_filters_cover_each_channel_of_an_agent_once():
    plain = [name.split("/", 2)[2] if name.startswith("$share/") else name for name in ingest_filters()]
    groups = [name.split("/")[1] for name in ingest_filters() if name.startswith("$share/")]
    assert len(set(groups)) == len(groups) == 7
    channels = [
        TOPICS.of(leaf) for leaf in ("tasks", "cases", "notices", "health", "bays", "zones", "status")
    ]
    for topic in (*channels, TOPICS.evidence("0" * 64)):
        assert sum(mqtt.topic_matches_sub(name, topic) for name in plain) == 1
    assert not any(mqtt.topic_matches_sub(name, TOPICS.of("inbox")) for name in plain)
