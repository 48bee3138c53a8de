"""TLS with a throw-away authority: what is trusted connects, what is not is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from notifier.mqtt import MqttConfig, MqttLink
from notifier.outbox import FileTransactions
from protocol.clock import SystemClock
from protocol.errors import PatrolError
from tests.notifier.conftest import TOPICS, Agent
from tests.servers.authority import Authority
from tests.servers.mosquitto import Mosquitto

MakeAgent = Callable[..., Agent]
Soon = Callable[..., None]


@dataclass
class Guarded:
    """A broker with TLS that asks for client certificates."""

    broker: Mosquitto
    authority: Authority
    url: str


@pytest.fixture
def guarded(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Guarded]:
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = Authority(folder)
    certificate, key = authority.issue("server", hosts=("127.0.0.1",))
    extra = (
        f"allow_anonymous true\ncafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\n"
    )
    with Mosquitto(folder, free_port(), extra) as broker:
        yield Guarded(broker, authority, f"mqtts://127.0.0.1:{broker.port}")


def test_a_trusted_client_certificate_connects_and_delivers(
    guarded: Guarded, make_agent: MakeAgent, soon: Soon
) -> None:
    certificate, key = guarded.authority.issue("box")
    agent = make_agent(guarded.url, ca_file=guarded.authority.file, client_cert=certificate, client_key=key)
    agent.put(*(f"k{number}" for number in range(30)), needs_accept=False)
    soon(lambda: agent.waiting().total == 0)
    assert agent.link.problems == ()


def test_a_missing_client_certificate_is_a_refusal(
    guarded: Guarded, make_agent: MakeAgent, soon: Soon
) -> None:
    agent = make_agent(guarded.url, ca_file=guarded.authority.file)
    soon(lambda: agent.link.state.name == "refused")
    assert agent.link.state.reason == "the broker wants a client certificate"


def test_a_client_certificate_of_a_stranger_is_a_refusal(
    guarded: Guarded, make_agent: MakeAgent, soon: Soon, tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path, "stranger").issue("box")
    agent = make_agent(guarded.url, ca_file=guarded.authority.file, client_cert=certificate, client_key=key)
    soon(lambda: agent.link.state.name == "refused")
    assert agent.link.state.reason == "the broker does not trust our client certificate"


def test_a_broker_of_a_strange_authority_is_refused(
    guarded: Guarded, make_agent: MakeAgent, soon: Soon, tmp_path: Path
) -> None:
    agent = make_agent(guarded.url, ca_file=Authority(tmp_path, "other").file)
    soon(lambda: agent.link.state.name == "refused")
    assert agent.link.state.reason.startswith("the broker's certificate is not trusted")


@pytest.mark.parametrize(
    ("hosts", "days", "said"),
    [
        (("broker.example.org",), 1, "not valid for"),  # another host's certificate
        (("127.0.0.1",), -1, "expired"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(
    tmp_path: Path,
    free_port: Callable[[], int],
    make_agent: MakeAgent,
    soon: Soon,
    hosts: tuple[str, ...],
    days: int,
    said: str,
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = Authority(folder)
    certificate, key = authority.issue("server", hosts=hosts, days=days)
    extra = f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}\n"
    with Mosquitto(folder, free_port(), extra) as broker:
        agent = make_agent(f"mqtts://127.0.0.1:{broker.port}", ca_file=authority.file)
        soon(lambda: agent.link.state.name == "refused")
        assert said in agent.link.state.reason
        agent.stop()


def test_a_port_without_tls_does_not_connect_and_the_reason_names_tls(
    broker: Mosquitto, make_agent: MakeAgent, soon: Soon
) -> None:
    agent = make_agent(f"mqtts://127.0.0.1:{broker.port}")
    soon(lambda: "TLS" in agent.link.state.reason)
    assert agent.link.state.name in ("refused", "offline")


@pytest.mark.parametrize("broken", ["ca_file", "client_cert", "client_key"])
def test_a_file_that_cannot_be_used_is_named_at_start(tmp_path: Path, broken: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("box")
    files = {"ca_file": authority.file, "client_cert": certificate, "client_key": key}
    (tmp_path / "nonsense").write_text("nonsense")

    def check(path: Path) -> PatrolError:
        config = MqttConfig.model_validate({"url": "mqtts://broker"} | files | {broken: path})
        link = MqttLink(config, TOPICS, FileTransactions(tmp_path / "a.db"), lambda *_: None, SystemClock())
        with pytest.raises(PatrolError) as error:
            link.check()
        link.close()
        return error.value

    assert check(tmp_path / "missing").field == f"mqtt.{broken}"
    assert str(check(tmp_path / "nonsense").field).startswith("mqtt.")
