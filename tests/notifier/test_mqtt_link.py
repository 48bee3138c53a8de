"""The link with real brokers: what is put arrives once by key, in order, and is kept until accepted."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from notifier import outbox
from notifier.items import evidence_item
from notifier.mqtt import EmbeddedBroker, MqttConfig
from protocol.clock import SystemClock
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import AgentHealth, Outcome, Refuse
from tests.notifier.conftest import TOPICS, Agent, Centre
from tests.servers.mosquitto import Mosquitto

MakeAgent = Callable[..., Agent]
MakeCentre = Callable[..., Centre]
Soon = Callable[..., None]

OUTCOME = Outcome(outcome_id="o1", case_id="case1", result="moved_on", at_ms=1)


@pytest.fixture(params=["mosquitto", "embedded"])
def any_broker(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[Mosquitto | EmbeddedBroker]:
    """The broker of a district and the one of the demonstration."""
    if request.param == "mosquitto":
        folder = tmp_path / "broker"
        folder.mkdir()
        with Mosquitto(folder, free_port()) as broker:
            yield broker
    else:
        with EmbeddedBroker(free_port()) as embedded:
            yield embedded


def test_what_is_put_arrives_is_accepted_and_forgotten(
    any_broker: Any, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(any_broker.url)
    agent = make_agent(any_broker.url)
    keys = [f"task{number}" for number in range(50)]
    agent.put(*keys)
    soon(lambda: agent.waiting().total == 0)
    assert centre.order == keys, "the order of creation"
    assert set(centre.seen.values()) == {1}
    assert agent.entry("task0").state == "done"
    assert agent.link.problems == ()


def test_pictures_of_a_megabyte_and_more_arrive_whole(
    any_broker: Any, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(any_broker.url)
    agent = make_agent(any_broker.url)
    sizes = {}
    with agent.transact() as conn:
        for number, size in enumerate((10, 700_000, 1 << 20, 3_000_000)):
            picture = bytes([number]) * size
            name = hashlib.sha256(picture).hexdigest()
            item = evidence_item(name, picture, TOPICS, SystemClock().utc_ms())
            assert outbox.put(conn, item)
            sizes[TOPICS.evidence_key(name)] = size
    agent.link.wake()
    soon(lambda: agent.waiting().total == 0)
    assert centre.sizes == sizes


def test_status_is_retained_and_health_is_not_kept(
    any_broker: Any, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    agent = make_agent(any_broker.url)
    health = AgentHealth(jurisdiction_id="j1", agent_id="a1", at_ms=5, version="1.0")
    soon(agent.is_online)
    centre = make_centre(any_broker.url)
    soon(lambda: centre.statuses)
    assert centre.statuses[-1]["online"]
    assert agent.link.publish_health(health)
    soon(lambda: centre.health)
    assert centre.health[0]["at_ms"] == 5
    agent.stop()
    soon(lambda: not centre.statuses[-1]["online"])
    assert not agent.link.publish_health(health)
    assert agent.link.state.name == "offline"


def test_an_outcome_reaches_an_agent_that_was_away(
    any_broker: Any, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    first = make_agent(any_broker.url)
    soon(first.is_online)
    first.stop()
    make_centre(any_broker.url).tell(OUTCOME)
    second = make_agent(any_broker.url)
    assert second.inbox.get(timeout=20) == OUTCOME


def test_shared_subscriptions_with_a_group_for_each_filter_lose_nothing(
    any_broker: Any, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    """One group name for several filters would do with most brokers; the embedded one needs a name for each."""
    leaves = {"tasks": "tasks", "cases": "cases", "evidence": "evidence/+"}
    filters = tuple(f"$share/ingest-{name}/patrol/v1/+/agents/+/{leaf}" for name, leaf in leaves.items())
    centre = make_centre(any_broker.url, filters)
    agent = make_agent(any_broker.url)
    for number in range(30):
        agent.put(f"task{number}", channel="tasks")
        agent.put(f"case{number}", channel="cases")
    with agent.transact() as conn:
        for number in range(10):
            outbox.put(conn, evidence_item(f"{number:064x}", b"picture", TOPICS, SystemClock().utc_ms()))
    soon(lambda: agent.waiting().total == 0)
    assert len(centre.seen) == 70


def test_messages_that_need_no_accept_are_done_with_the_acknowledgement(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url, accepts=False)
    agent = make_agent(broker.url)
    agent.put("note", needs_accept=False)
    soon(lambda: agent.entry("note").state == "done")
    soon(lambda: centre.seen["note"] == 1)


def test_a_retraction_waits_until_its_task_is_accepted(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url, accepts=False)
    agent = make_agent(broker.url, accept_timeout_s=0.3)
    agent.put("task", "retraction", case="case1")
    soon(lambda: centre.seen["task"] >= 2)
    assert centre.seen["retraction"] == 0
    centre.accepts = True
    soon(lambda: agent.waiting().total == 0)
    assert centre.order == ["task", "retraction"]


def test_what_the_centre_does_not_accept_is_sent_again_under_the_same_key(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url, accepts=False)
    agent = make_agent(broker.url, accept_timeout_s=0.3)
    agent.put("task")
    soon(lambda: centre.seen["task"] >= 3)
    assert agent.entry("task").state in ("sending", "sent")
    centre.accepts = True
    soon(lambda: agent.entry("task").state == "done")


def test_a_centre_that_is_away_does_not_fill_the_broker(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url, accepts=False)
    agent = make_agent(broker.url, max_unaccepted=10, max_inflight=5, accept_timeout_s=600)
    agent.put(*(f"k{number}" for number in range(60)))
    soon(lambda: agent.waiting().sent >= 10)
    agent.put("one more")  # another look at the outbox
    assert agent.waiting().sent < 15
    assert sum(centre.seen.values()) < 20
    centre.accepts = True
    for key in list(centre.seen):
        centre.tell(Refuse(key=key, reason="never mind"))  # anything that closes them lets the others go
    soon(lambda: agent.waiting().total == 0)


def test_a_broker_without_listeners_is_named(broker: Mosquitto, make_agent: MakeAgent, soon: Soon) -> None:
    agent = make_agent(broker.url)
    agent.put("task")
    soon(lambda: any("centre_not_listening" in problem for problem in agent.link.problems))
    assert agent.entry("task").state == "sent"


def test_a_refusal_by_the_centre_is_final_and_loud(
    broker: Mosquitto,
    make_agent: MakeAgent,
    make_centre: MakeCentre,
    soon: Soon,
    caplog: pytest.LogCaptureFixture,
) -> None:
    centre = make_centre(broker.url, accepts=False)
    agent = make_agent(broker.url, accept_timeout_s=0.3)
    agent.put("task", "next", case="case1")
    soon(lambda: centre.seen["task"])
    centre.tell(Refuse(key="task", reason="zone_id: unknown"))
    soon(lambda: agent.entry("task").state == "dead")
    assert agent.entry("task").reason == "refused by the centre: zone_id: unknown"
    assert agent.entry("task").item.payload, "what a person has to look at is kept"
    assert any(problem.startswith("messages_dead: 1 ") for problem in agent.link.problems)
    assert "refused task for good" in caplog.text
    soon(lambda: centre.seen["next"])


def test_a_malformed_inbox_message_is_counted_and_gone(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    agent = make_agent(broker.url)
    soon(agent.is_online)
    centre = make_centre(broker.url)
    for nonsense in (b"", b"\xff\xfe", b"[1]", b'{"kind": "bribe"}', b'{"kind": "accept", "keys": []}'):
        centre.tell(nonsense)
    centre.tell(OUTCOME)
    assert agent.inbox.get(timeout=20) == OUTCOME
    assert agent.link.malformed == 5
    agent.stop()
    again = make_agent(broker.url)
    soon(again.is_online)
    centre.tell(OUTCOME)
    assert again.inbox.get(timeout=20) == OUTCOME
    assert again.link.malformed == 0, "they were acknowledged and do not come back"


def test_an_inbox_message_is_acknowledged_only_once_it_is_stored(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    first = make_agent(broker.url)

    def full_disk(conn: sqlite3.Connection, message: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    first.storing = full_disk
    soon(first.is_online)
    make_centre(broker.url).tell(OUTCOME)
    soon(lambda: any("disk is full" in problem for problem in first.link.problems))
    first.stop()
    second = make_agent(broker.url)
    assert second.inbox.get(timeout=20) == OUTCOME


def test_a_full_disk_passes_and_nothing_is_lost(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    agent = make_agent(broker.url)
    failures = iter([UnavailableError("disk full"), sqlite3.OperationalError("disk full")])

    def fails_twice(conn: sqlite3.Connection, message: object) -> None:
        error = next(failures, None)
        if error is not None:
            raise error

    agent.storing = fails_twice
    soon(agent.is_online)
    make_centre(broker.url).tell(OUTCOME)
    assert agent.inbox.get(timeout=20) == OUTCOME
    soon(lambda: agent.link.problems == ())


def test_a_message_that_our_own_code_cannot_take_blocks_no_other(
    broker: Mosquitto, make_agent: MakeAgent, make_centre: MakeCentre, soon: Soon
) -> None:
    agent = make_agent(broker.url)
    other = Outcome(outcome_id="o2", case_id="case2", result="towed", at_ms=2)

    def takes_only_other(conn: sqlite3.Connection, message: object) -> None:
        conn.execute("CREATE TABLE IF NOT EXISTS half (x)")
        if message != other:
            raise KeyError("a bug")

    agent.storing = takes_only_other
    soon(agent.is_online)
    centre = make_centre(broker.url)
    centre.tell(OUTCOME)
    centre.tell(other)
    assert agent.inbox.get(timeout=20) == other
    assert agent.link.malformed == 1


def test_stored_content_may_be_sealed(
    broker: Mosquitto, tmp_path: Path, make_centre: MakeCentre, soon: Soon
) -> None:
    centre = make_centre(broker.url)

    def unseal(item: outbox.OutboxItem) -> outbox.OutboxItem:
        if item.key == "strange":
            raise ValueError("sealed with another key")
        return replace(item, payload=item.payload[::-1])

    agent = Agent(tmp_path / "a.db", MqttConfig(url=broker.url), unseal=unseal)
    with agent.transact() as conn:
        payload = b'{"idempotency_key": "k"}'[::-1]
        for key in ("strange", "k"):
            outbox.put(conn, outbox.OutboxItem(key, "mqtt", payload, {"topic": TOPICS.of("tasks")}, 0))
    agent.start()
    try:
        soon(lambda: agent.waiting().total == 1)
        assert centre.seen == {"k": 1}
        assert agent.entry("strange").state == "pending"
        assert any(problem.startswith("outbox_unreadable") for problem in agent.link.problems)
    finally:
        agent.stop()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"url": "http://broker"}, "mqtt://"),
        ({"url": "mqtt://user:secret@broker"}, "user name"),
        ({"url": "mqtt://broker:99999"}, "ort"),
        ({"url": "mqtt://:1883"}, "host"),
        ({"url": "mqtt://broker/topic"}, "end after the port"),
        ({"client_cert": "a.crt"}, "need one another"),
        ({"ca_file": "ca.pem"}, "mqtts"),
        ({"password_env": "X"}, "needs a username"),
        ({"username": "u", "password_env": "X", "password_file": "f"}, "not both"),
        ({"max_inflight": 0}, "max_inflight"),
        ({"keep_alive": 3}, "keep_alive"),
    ],
)
def test_a_contradictory_configuration_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError, match=where) as error:
        MqttConfig.model_validate({"url": "mqtt://broker"} | change)
    assert where in str(error.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker", "broker", 1883, False),
        ("mqtts://broker", "broker", 8883, True),
        ("mqtt://[::1]:2000", "::1", 2000, False),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, tls: bool) -> None:
    config = MqttConfig(url=url)
    assert (config.host, config.port, config.tls) == (host, port, tls)


def test_every_field_of_the_configuration_explains_itself() -> None:
    for name, field in MqttConfig.model_fields.items():
        assert field.title, name
        assert field.description, name


def test_the_embedded_broker_says_when_its_port_is_taken(broker: Mosquitto) -> None:
    embedded = EmbeddedBroker(broker.port)
    with pytest.raises(UnavailableError, match="did not start") as error:
        embedded.start()
    assert error.value.value == broker.port
    embedded.stop()


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o640)
    config = MqttConfig(url="mqtt://broker", username="u", password_file=file)
    with pytest.raises(PatrolError, match="others may read"):
        config.password()
    file.chmod(0o600)
    assert config.password() == "secret"
