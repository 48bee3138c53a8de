"""A warned driver: his case at the centre, his link, and a phone that keeps no cookies."""

from __future__ import annotations

from typing import Any

from django.test.client import Client

from central.driver.links import keys
from notifier.links import make_token
from protocol.messages import Position, RecheckAnswer
from tests.central.street import AGENT, CAMERA, JURISDICTION, MINUTE, NOON, key, record

PLACE = Position(longitude=116.3321, latitude=39.9145)
EXPIRES = NOON + 48 * 60 * MINUTE


def token(case_id: str = "c1", expires_ms: int = EXPIRES, **changes: Any) -> str:
    names = {"jurisdiction_id": JURISDICTION, "agent_id": AGENT, "case_id": case_id, **changes}
    return make_token(keys()[0], **names, expires_ms=expires_ms)


def warn(
    agent: Any, case_id: str = "c1", *, ends_ms: int = NOON + 10 * MINUTE, plate: str = "京A12345"
) -> Any:
    """The agent's case stands at `notified`; the centre knows its place."""
    from central.cases.models import Case
    from central.ingest import intake
    from tests.central.street import TOPICS

    told = record(case_id, "notified", NOON, plate=plate, clock_ends_ms=ends_ms)
    (answer,) = intake.take_all([(TOPICS.of("cases"), told.model_dump_json().encode())])
    assert answer.accepted is not None
    case = Case.objects.get(source_key=f"{JURISDICTION}/{AGENT}/{CAMERA}/{case_id}")
    case.place = "三里河路12号北门人行道"
    case.longitude, case.latitude = PLACE.longitude, PLACE.latitude
    case.save()
    return case


def tell(*messages: Any) -> None:
    """Messages of the agent, taken as the ingest worker takes them."""
    from central.ingest import intake
    from tests.central.street import TOPICS

    for message in messages:
        channel = "cases" if message.kind in {"case_record", "recheck_answer"} else "tasks"
        (answer,) = intake.take_all([(TOPICS.of(channel), message.model_dump_json().encode())])
        assert answer.accepted == message.idempotency_key, answer.reason


def answer(request_id: str, result: str, case_id: str = "c1", at_ms: int = NOON + MINUTE) -> RecheckAnswer:
    return RecheckAnswer(
        idempotency_key=key(case_id, f"recheck-{request_id}"),
        jurisdiction_id=JURISDICTION,
        agent_id=AGENT,
        camera_id=CAMERA,
        case_id=case_id,
        request_id=request_id,
        result=result,
        at_ms=at_ms,
    )


class Phone:
    """A browser that was given a link: no cookie, no script."""

    def __init__(self, path: str, language: str = "en") -> None:
        self.client = Client(headers={"accept-language": language}, enforce_csrf_checks=True)
        self.path = path

    def look(self, query: str = "") -> Any:
        self.page = self.client.get(self.path + query)
        assert not self.client.cookies, "nothing is kept on the phone"
        return self.page

    @property
    def text(self) -> str:
        return self.page.content.decode()

    def nonce(self) -> str:
        import re

        found = re.search(r'name="nonce" value="([^"]+)"', self.text)
        assert found is not None
        return found[1]

    def press(self, what: str, **fields: str) -> Any:
        """Press a button of the page that was last looked at, and follow it."""
        body = {"nonce": self.nonce(), "lang": "en", **fields}
        done = self.client.post(f"{self.path}/{what}", body)
        if done.status_code == 303:
            self.look(done["Location"].removeprefix(self.path))
        return done
