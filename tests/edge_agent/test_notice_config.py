"""Who warns: the centre where there is a broker, unless the box is told to work alone; contradictions are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import AgentConfig, load_config
from edge_agent.notices import answer_of, refused_request
from protocol.errors import PatrolError
from protocol.messages import NoticeResult, Refuse

HEAD = '[agent]\nid = "a"\njurisdiction = "j"\ndata_dir = "data"\n'
CAMERA = '[[camera]]\nid = "c"\nurl = "rtsp://127.0.0.1/1"\nzones = "z.toml"\n'
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1"\n'
LOCAL = '[owners]\ndirectory = "local"\nfile = "o.db"\nkey_file = "o.key"\n'
SMS = '[sms]\ngateway = "log"\nlog_file = "sms.jsonl"\n'


def load(folder: Path, *parts: str) -> AgentConfig:
    file = folder / "agent.toml"
    file.write_text(HEAD + "".join(parts) + CAMERA, "utf-8")
    return load_config(file)


@pytest.mark.parametrize(
    ("parts", "centre"),
    [
        ((MQTT,), True),
        ((MQTT, '[owners]\ndirectory = "centre"\n'), True),
        ((), False),
        ((MQTT, LOCAL, SMS), False),
        ((MQTT, '[owners]\ndirectory = "none"\n'), False),
        ((LOCAL, SMS), False),
    ],
)
def test_the_centre_warns_where_there_is_a_broker_unless_told_otherwise(
    tmp_path: Path, parts: tuple[str, ...], centre: bool
) -> None:
    assert load(tmp_path, *parts).centre_warns is centre


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (('[owners]\ndirectory = "centre"\n',), "needs the section mqtt"),
        ((MQTT, SMS), "the centre warns the owners"),
        ((LOCAL, '[notices]\nquiet = [{ from = "22:00", to = "22:00" }]\n'), "empty"),
        ((LOCAL, "[notices]\nsurprise = 1\n"), "not known"),
    ],
)
def test_contradictions_are_errors(tmp_path: Path, parts: tuple[str, ...], words: str) -> None:
    with pytest.raises(PatrolError, match=words):
        load(tmp_path, *parts)


def result(state: str, **more: object) -> NoticeResult:
    return NoticeResult.model_validate(
        {"result_id": "n-1", "key": "j/a/c/C-1/notice", "case_id": "C-1", "state": state, "at_ms": 1, **more}
    )


@pytest.mark.parametrize(
    ("message", "arrival"),
    [
        (
            result("accepted", told_until_ms=5),
            ("notice_accepted", {"told_until_ms": 5, "result_id": "n-1"}),
        ),
        (
            result("refused", reason="not_found"),
            ("notice_refused", {"reason": "not_found", "result_id": "n-1"}),
        ),
        (result("refused"), ("notice_refused", {"reason": "refused", "result_id": "n-1"})),
        (
            result("unknown", reason="no answer in time"),
            (
                "notice_refused",
                {
                    "reason": "nobody knows whether the warning went out: no answer in time",
                    "result_id": "n-1",
                },
            ),
        ),
        (
            result("held", until_ms=9, reason="the message waits until 07:00"),
            (
                "notice_held",
                {"until_ms": 9, "reason": "the message waits until 07:00", "result_id": "n-1"},
            ),
        ),
    ],
)
def test_every_answer_of_the_centre_reaches_the_case(
    message: NoticeResult, arrival: tuple[str, dict[str, object]]
) -> None:
    assert answer_of(message) == arrival


def test_a_request_that_the_centre_will_never_take_is_a_refusal_of_its_case() -> None:
    case_id, body = refused_request(Refuse(key="j/a/c/C-cam1-1/notice", reason="malformed"))
    assert case_id == "C-cam1-1"
    assert body == {"reason": "the centre does not take the request"}
