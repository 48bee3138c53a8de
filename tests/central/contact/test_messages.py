"""A message goes out once, at an hour at which people are written to, whatever dies in between; reporters hear of steps."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.utils import translation

from central.cases import reporters
from central.cases.models import Told
from central.clocks.models import Alert
from central.clocks.wording import alert_text
from central.contact import services
from central.contact.carrier import HELD_MOST_MS, Carrier
from central.contact.models import Message, MessageState
from central.contact.reporters import catch_up
from central.contact.sealing import reseal, unseal
from central.owners import services as owners
from central.owners.keys import the_key
from notifier.owners import key_of, new_secret
from notifier.policy import DAY_MS, NoticePolicy
from notifier.sms import Retry, Unknown
from protocol.errors import PatrolError, UnavailableError
from tests.central.cases.test_engine import press, report
from tests.central.engines import ON_SQLITE
from tests.central.notices.world import PHONE, POLICY, Crash, Gateway
from tests.central.street import JURISDICTION

NIGHT = NoticePolicy.model_validate({"quiet": [{"from": "11:00", "to": "13:00"}], "per_number_per_day": 2})
TEXT = {"zh": "您的登录验证码为 482913，十分钟内有效", "en": "Your code is 482913"}


def ask(key: str = "k1", **more: object) -> Message:
    return services.send(jurisdiction_id=JURISDICTION, phone=PHONE, key=key, text=TEXT, **more)  # type: ignore[arg-type]


@pytest.fixture
def gateway(centre) -> Gateway:
    return Gateway(centre.clock)


@pytest.fixture
def work(centre, gateway) -> Callable[..., None]:
    """`work(for_ms, policy)`: time passes with a worker at work."""

    def live(for_ms: int = 1_000, policy: NoticePolicy | None = None) -> None:
        carrier = Carrier(
            gateway, "twilio", lambda _: policy or NoticePolicy(), policy=POLICY, dice=random.Random(1)
        )
        end = centre.clock.utc_ms() + for_ms
        while centre.clock.utc_ms() < end:
            while carrier.run_once():
                pass
            centre.clock.advance(1_000)

    return live


def test_one_key_is_one_message_in_the_readers_language_and_is_forgotten(work, gateway):
    assert ask().pk == ask().pk
    ask("k2", language="en")
    work()
    assert [(sent.text[:8], sent.language) for sent in gateway.phones] == [
        ("您的登录验证码为", "zh-Hans"),
        ("Your cod", "en"),
    ]
    assert services.reference("k1") in gateway.phones[0].text, "by it the gateway can be asked"
    done = Message.objects.get(key="k1")
    assert (done.state, done.phone_masked, done.sealed) == (MessageState.ACCEPTED, "+86138****8000", None)
    assert PHONE not in repr(Message.objects.values_list())


def test_nobody_is_written_to_at_night_nor_too_often_except_who_waits_for_it(work, gateway, centre):
    for number in range(4):
        ask(f"news {number}")
    ask("code", urgent=True)
    work(policy=NIGHT)
    assert [sent.key for sent in gateway.phones] == ["code"]
    centre.clock.advance(3_600_000)
    work(policy=NIGHT)
    assert [sent.key for sent in gateway.phones] == ["code", "news 0", "news 1"]
    held = Message.objects.filter(state=MessageState.HELD)
    assert {each.key for each in held} == {"news 2", "news 3"}, "held, not lost"
    assert set(held.values_list("due_at_ms", flat=True)) == {centre.clock.utc_ms() - 1000 + DAY_MS}
    ask("code 1", urgent=True)
    work(policy=NIGHT)
    assert gateway.phones[-1].key == "code 1", "who waits for it is not held"
    centre.clock.advance(DAY_MS)
    work(policy=NIGHT)
    assert [sent.key for sent in gateway.phones][-2:] == ["news 2", "news 3"]
    ask("news 4")
    work(policy=NIGHT)
    late = Message.objects.get(key="news 4")
    assert late.state == MessageState.HELD
    late.made_at_ms -= HELD_MOST_MS
    late.due_at_ms = centre.clock.utc_ms()
    late.save()
    work(policy=NIGHT)
    late.refresh_from_db()
    assert (late.state, late.reason) == (
        MessageState.REFUSED,
        "this number has had its messages of the day",
    ), "a week of too many: refused where it is seen"
    owners.opt_out(PHONE, source="test")
    ask("more")
    ask("code 2", urgent=True)
    work()
    assert gateway.phones[-1].key == "code 2"
    assert Message.objects.get(key="more").reason == "the number wants no messages"


@pytest.mark.parametrize("takes", [True, False])
def test_an_unknown_outcome_is_looked_up_and_never_just_sent_again(work, gateway, takes):
    gateway.script = [(takes, Unknown("no answer in time"))]
    ask()
    work(120_000)
    assert len(gateway.phones) == 1
    assert Message.objects.get().state == MessageState.ACCEPTED


def test_a_worker_that_dies_in_the_call_sends_nothing_twice(work, gateway):
    send = gateway.send

    def die(request):
        send(request)
        raise Crash

    gateway.send = die
    ask()
    with pytest.raises(Crash):
        work()
    gateway.send = send
    work(120_000)
    assert len(gateway.phones) == 1
    assert Message.objects.get().state == MessageState.ACCEPTED


@ON_SQLITE
def test_a_code_nobody_waits_for_any_more_is_given_up(work, gateway):
    gateway.script = [(False, Retry("busy"))] * 400
    ask(urgent=True)
    work(700_000)
    assert Message.objects.get().state == MessageState.REFUSED
    assert Message.objects.get().reason.startswith("gave up")


@ON_SQLITE
def test_a_receipt_settles_what_nobody_heard_of(work, gateway):
    gateway.script = [(True, Unknown("no answer in time"))]
    ask()
    work()
    marker = services.reference("k1")
    assert not services.delivered("twilio", "SM1", marker, "delivered", "+8613900139000"), "another number"
    assert services.delivered("twilio", "SM1", marker, "delivered", PHONE)
    services.delivered("twilio", "SM1", marker, "sent")
    found = Message.objects.get()
    assert (found.state, found.delivery, gateway.calls) == (MessageState.ACCEPTED, "delivered", 1)


@ON_SQLITE
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"phone": "12"}, "phone"),
        ({"text": {"zh": " "}}, "text.zh"),
        ({"text": {"zh": "长" * 501}}, "text.zh"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(centre, change, field):
    plain = {"jurisdiction_id": JURISDICTION, "phone": PHONE, "key": "k", "text": TEXT}
    with pytest.raises(PatrolError) as caught:
        services.send(**{**plain, **change})
    assert caught.value.field == field
    assert not Message.objects.exists()


@ON_SQLITE
def test_messages_open_with_the_new_key_after_a_change(centre):
    ask()
    new = key_of(new_secret(), where=None, field="key")
    reseal(the_key(), new)
    assert unseal(new, Message.objects.get()).phone == PHONE


def test_whoever_told_of_a_matter_is_written_to_at_each_step_once(work, gateway, person, monkeypatch):
    """By number in her language, by log-in in the pages; who gave no number is counted, and the case goes on."""
    duty = person("duty", "dispatcher")
    neighbour = reporters.find_or_make(JURISDICTION, reporters.Contact("Ann", PHONE, "en"))
    shy = reporters.find_or_make(JURISDICTION, reporters.Contact("某居民"))
    worker = reporters.reporter_of_user(person("wang", "grid_worker"), JURISDICTION)
    cases = [report(number, reporter=who) for number, who in enumerate((neighbour, shy, worker))]
    work()
    assert gateway.phones[0].text.startswith(
        f"Your report “Street cleanliness and order” (case {cases[0].pk}): Reported."
    )
    assert len(gateway.phones) == 1
    assert Message.objects.get(state=MessageState.REFUSED).reason == "the reporter gave no number"
    with translation.override("zh-hans"):
        assert alert_text(Alert.objects.get()).startswith("您反映的“市容环境问题”")

    def closed() -> None:
        raise UnavailableError("the key cannot be read")

    with monkeypatch.context() as broken:
        broken.setattr("central.contact.services.the_key", closed)
        broken.setattr("central.cases.reporters.the_key", closed)
        press(cases[0], duty, "establish")
        assert catch_up() == 1
        work()
        assert len(gateway.phones) == 1
    assert (catch_up(), catch_up()) == (1, 0)
    work()
    assert gateway.phones[1].text.endswith(f"Established. (ref. {services.reference(gateway.phones[1].key)})")
    assert Told.objects.filter(sent_at_ms=None).count() == 1, "only who cannot be reached"
