"""Brokers that die, freeze or refuse, agents that die: nothing is lost, and the state says what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from notifier import outbox
from notifier.mqtt import EmbeddedBroker, MqttConfig
from protocol.messages import Outcome
from tests.notifier.conftest import TOPICS, Agent, Centre
from tests.servers.fake_broker import PUBLISH, FakeBroker, connack
from tests.servers.mosquitto import Mosquitto

MakeAgent = Callable[..., Agent]
MakeCentre = Callable[..., Centre]
Soon = Callable[..., None]


def test_kill_9_of_the_broker_while_publishing_loses_nothing(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url)
    agent = make_agent(broker.url, accept_timeout_s=1.0)
    keys = [f"k{number}" for number in range(500)]
    agent.put(*keys)
    for share in (100, 300):
        soon(lambda share=share: len(centre.seen) >= share)
        broker.kill()
        soon(lambda: agent.link.state.name == "offline")
        broker.start()
    soon(lambda: agent.waiting().total == 0, within=60)
    assert sorted(centre.seen) == sorted(keys)
    assert {agent.entry(key).state for key in keys} == {"done"}


def test_the_embedded_broker_forgets_and_still_nothing_is_lost(
    make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon, free_port: Callable[[], int]
) -> None:
    port = free_port()
    keys = [f"k{number}" for number in range(200)]
    with EmbeddedBroker(port) as broker:
        centre = make_centre(broker.url)
        agent = make_agent(broker.url, accept_timeout_s=1.0)
        agent.put(*keys)
        soon(lambda: len(centre.seen) >= 50)
    with EmbeddedBroker(port):
        soon(lambda: agent.waiting().total == 0, within=60)
    assert sorted(centre.seen) == sorted(keys)


PROGRAM = """
import sys, threading
from pathlib import Path
from notifier.mqtt import MqttConfig, MqttLink
from notifier.outbox import FileTransactions
from protocol.clock import SystemClock
from protocol.topics import AgentTopics
link = MqttLink(MqttConfig(url=sys.argv[2], accept_timeout_s=1.0, max_inflight=3), AgentTopics("j1", "a1"),
                FileTransactions(Path(sys.argv[1])), lambda conn, message: None, SystemClock())
link.run(threading.Event(), 0.1)
"""


def test_kill_9_of_the_agent_while_publishing_loses_nothing_and_its_will_is_seen(
    broker: Mosquitto, tmp_path: Path, root: Path, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url)
    keys = [f"k{number}" for number in range(400)]
    agent = Agent(tmp_path / "a.db", MqttConfig(url=broker.url))  # never started: it only fills the outbox
    agent.put(*keys)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.db"), broker.url]
    try:
        for share in (50, 200):
            process = subprocess.Popen(command, cwd=root)
            try:
                soon(lambda share=share: len(centre.seen) >= share)
            finally:
                os.kill(process.pid, signal.SIGKILL)
                process.wait(10)
            soon(lambda: centre.statuses and not centre.statuses[-1]["online"])
        assert centre.statuses[-1]["at_ms"] is None, "the will, not a goodbye"
        last = subprocess.Popen(command, cwd=root)
        try:
            soon(lambda: agent.waiting().total == 0, within=60)
        finally:
            last.kill()
            last.wait(10)
        assert sorted(centre.seen) == sorted(keys)
    finally:
        agent.link.close()
        agent.stop()


def test_a_broker_that_freezes_is_noticed_on_an_idle_link(
    broker: Mosquitto, make_agent: MakeAgent, soon: Soon
) -> None:
    agent = make_agent(broker.url, keepalive_s=2)
    soon(agent.is_online)
    broker.freeze()
    soon(lambda: agent.link.state.name != "online", within=8)
    broker.thaw()
    soon(agent.is_online)


def test_a_broker_that_freezes_with_messages_on_their_way_is_noticed(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url)
    agent = make_agent(broker.url, keepalive_s=600, ack_timeout_s=1.0)
    soon(agent.is_online)
    broker.freeze()
    agent.put("task")
    soon(lambda: agent.link.state.reason == "the broker does not acknowledge", within=8)
    broker.thaw()
    soon(lambda: agent.waiting().total == 0)
    assert set(centre.seen) == {"task"}


def test_a_broker_that_takes_connections_and_says_nothing_is_noticed(
    make_agent: MakeAgent, soon: Soon
) -> None:
    with FakeBroker(b"") as broker:
        agent = make_agent(broker.url, connect_timeout_s=0.5)
        soon(lambda: agent.link.state.reason == "the broker does not answer")
        assert agent.link.state.name == "offline"
        agent.stop()


def test_nobody_there_is_a_loss_and_not_a_refusal(
    make_agent: MakeAgent, soon: Soon, free_port: Callable[[], int]
) -> None:
    agent = make_agent(f"mqtt://127.0.0.1:{free_port()}")
    soon(lambda: agent.link.state.reason == "Connection refused")
    assert agent.link.state.name == "offline"
    assert agent.link.problems == ("mqtt_offline: Connection refused",)


def test_a_password_that_cannot_be_read_while_running_is_a_refusal(
    make_agent: MakeAgent, soon: Soon, tmp_path: Path, broker: Mosquitto
) -> None:
    agent = make_agent(broker.url, username="box", password_file=tmp_path / "gone")
    soon(lambda: agent.link.state.name == "refused")
    assert "gone: mqtt.password_file: cannot be read" in agent.link.state.reason


def test_closing_twice_and_from_another_thread_is_harmless(
    broker: Mosquitto, make_agent: MakeAgent, soon: Soon
) -> None:
    agent = make_agent(broker.url)
    soon(agent.is_online)
    agent.link.close()
    agent.link.close()
    agent.link.wake()
    assert agent.link.pump(0.1) == 0
    agent.stop()


def test_a_name_that_does_not_resolve_is_a_loss(make_agent: MakeAgent, soon: Soon) -> None:
    agent = make_agent("mqtt://no-such-host.invalid")
    soon(lambda: agent.link.state.name == "offline" and agent.link.state.reason != "not started")


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (connack(0x84), "refused", "the broker does not speak MQTT 5"),
        (bytes([0x20, 2, 0, 1]), "refused", "the broker does not speak MQTT 5"),  # a broker of version 3
        (connack(0x86), "refused", "wrong user name or password"),
        (connack(0x87), "refused", "not authorised"),
        (connack(0x85), "refused", "the broker does not accept this client name"),
        (connack(0x8A), "refused", "the broker has banned this client"),
        (connack(0) + bytes([0xE0, 2, 0x8E, 0]), "refused", "another client connects under the same name"),
        (
            connack(0) + bytes([0xE0, 2, 0x8B, 0]),
            "offline",
            "the broker closed the connection: Server shutting down",
        ),
        (connack(0x88), "offline", "the broker answered: Server unavailable"),
        (connack(0x89), "offline", "the broker answered: Server busy"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "offline", None),  # no broker at all
    ],
)
def test_each_answer_to_a_connection_has_its_state(
    make_agent: MakeAgent, soon: Soon, answer: bytes, state: str, reason: str | None
) -> None:
    with FakeBroker(answer) as broker:
        agent = make_agent(broker.url, connect_timeout_s=1.0)
        soon(lambda: agent.link.state.name == state and agent.link.state.reason != "not started")
        if reason is not None:
            assert agent.link.state.reason == reason
        agent.stop()


def test_the_brokers_receive_maximum_bounds_what_is_on_its_way(make_agent: MakeAgent, soon: Soon) -> None:
    receive_maximum_of_3 = bytes([0x21, 0, 3])
    with FakeBroker(connack(0, receive_maximum_of_3)) as broker:
        agent = make_agent(broker.url, max_inflight=20)
        agent.put(*(f"k{number}" for number in range(10)))
        soon(lambda: broker.count(PUBLISH) == 3)  # the status and two items; nothing is acknowledged
        agent.put("one more")
        assert agent.waiting().sending == 2
        agent.stop()
        assert broker.count(PUBLISH) == 4, "the goodbye"


def test_wrong_password_and_missing_rights_are_told_apart(
    tmp_path: Path,
    free_port: Callable[[], int],
    make_agent: MakeAgent,
    soon: Soon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "guarded"
    folder.mkdir()
    passwords = folder / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", str(passwords), "box", "right"], check=True, capture_output=True
    )
    rights = folder / "rights"
    rights.write_text(
        "user box\n"
        f"topic readwrite {TOPICS.of('tasks')}\n"
        f"topic readwrite {TOPICS.of('status')}\n"
        f"topic read {TOPICS.of('inbox')}\n"
    )
    guarded = Mosquitto(
        folder, free_port(), f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"
    )
    monkeypatch.setenv("RIGHT", "right")
    monkeypatch.setenv("WRONG", "wrong")
    with guarded:
        stranger = make_agent(guarded.url, "stranger", client_id="stranger")
        soon(lambda: stranger.link.state.name == "refused")
        assert stranger.link.state.reason == "not authorised"

        wrong = make_agent(guarded.url, "wrong", client_id="wrong", username="box", password_env="WRONG")
        soon(lambda: wrong.link.state.name == "refused")
        assert wrong.link.problems == ("mqtt_refused: not authorised",)

        agent = make_agent(guarded.url, username="box", password_env="RIGHT")
        agent.put("forbidden", channel="cases")
        agent.put("allowed", channel="tasks", needs_accept=False)
        soon(lambda: agent.entry("allowed").state == "done")
        soon(lambda: agent.entry("forbidden").reason == "the broker refused it: not authorised")
        assert agent.entry("forbidden").state == "pending"
        assert agent.link.problems == (f"mqtt_publish_refused_cases: {TOPICS.of('cases')}: not authorised",)
        assert agent.is_online(), "one forbidden topic does not stop the others"


def test_a_message_larger_than_the_broker_takes_is_named_and_blocks_no_other(
    tmp_path: Path, free_port: Callable[[], int], make_agent: MakeAgent, soon: Soon
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with Mosquitto(folder, free_port(), "allow_anonymous true\nmax_packet_size 5000\n") as small:
        agent = make_agent(small.url)
        with agent.transact() as conn:
            topic = {"topic": TOPICS.evidence("0" * 64), "needs_accept": False}
            outbox.put(conn, outbox.OutboxItem("large", "mqtt", bytes(6000), topic, 0))
        agent.put("small", needs_accept=False)
        soon(lambda: agent.entry("small").state == "done")
        assert agent.entry("large").state == "pending"
        assert agent.entry("large").reason == "larger than the broker takes"
        assert not agent.entry("large").may_have_left
        assert any(problem.startswith("mqtt_too_large") for problem in agent.link.problems)
        assert agent.is_online()


def test_two_boxes_under_the_same_name_are_noticed(
    broker: Mosquitto, make_agent: MakeAgent, soon: Soon
) -> None:
    """Mosquitto closes the older connection without a word, so only the pattern tells."""
    boxes = [make_agent(broker.url, "first"), make_agent(broker.url, "second")]
    soon(lambda: any("mqtt_unstable" in problem for box in boxes for problem in box.link.problems), within=40)


def test_the_session_is_kept_while_a_broker_restarts(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    first = make_agent(broker.url)
    soon(first.is_online)
    first.stop()
    centre = make_centre(broker.url)
    outcome = Outcome(outcome_id="o1", case_id="case1", result="towed", at_ms=1)
    centre.tell(outcome)
    stored = paho.Client(CallbackAPIVersion.VERSION2, client_id="probe", protocol=paho.MQTTv5)
    acknowledged: list[int] = []
    stored.on_publish = lambda client, data, mid, *_: acknowledged.append(mid)
    stored.connect("127.0.0.1", broker.port)
    stored.loop_start()
    stored.publish("probe", b"", qos=1)
    soon(lambda: acknowledged)
    stored.disconnect()
    stored.loop_stop()
    broker.stop()
    broker.start()
    second = make_agent(broker.url)
    assert second.inbox.get(timeout=20) == outcome


def test_the_database_may_be_locked_for_a_while(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    make_centre(broker.url)
    agent = make_agent(broker.url)
    soon(agent.is_online)
    agent.link._transact = outbox.FileTransactions(agent.transact.path, busy_s=0.05)
    with agent.transact():
        agent.link.wake()
        soon(lambda: any("mqtt_storage" in problem for problem in agent.link.problems))
        assert agent.is_online()
    agent.put("task")
    soon(lambda: agent.waiting().total == 0)
