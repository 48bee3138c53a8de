"""Work orders of the city, over real HTTP with a platform that repeats, reorders, loses, delays and fails."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from contextlib import suppress

import pytest
from django.conf import settings
from django.test import override_settings

from benchmarks.hotline import keyboard
from benchmarks.hotline.city import NO_FAULTS, Faults, SimulatedCity
from central.cases import actions
from central.cases.engine import RefusedError
from central.cases.guards import Actor
from central.cases.history import Audit, verify
from central.cases.models import Case
from central.cases.rules import definition_of
from central.clocks.models import Clock, ClockState
from central.clocks.services import pause
from central.hotline import config
from central.hotline.city.compare import compare
from central.hotline.city.exchange import turn
from central.hotline.city.link import CityLink
from central.hotline.city.messages import signed
from central.hotline.models import CityFeed, CityOrder, CityReport
from central.people.models import Role
from central.project.clock import now_ms
from protocol.errors import PatrolError
from tests.central.engines import ON_SQLITE
from tests.central.street import JURISDICTION

SECRET = "s" * 40
FILE = """
[city]
jurisdiction = "{jurisdiction}"
url = "{url}"
key_file = "city.key"
poll_seconds = 5
compare_minutes = 5
page = 7

[city.categories]
"0101" = "noise"
"0102" = "lift"
"0203" = "rubbish"
"""


@pytest.fixture
def platform(centre, tmp_path):
    """`platform(seed, faults, more)`: (a running city, the configuration that names it)."""
    running = []
    (tmp_path / "city.key").write_text(SECRET)

    def make(seed=1, faults=NO_FAULTS, more=""):
        city = SimulatedCity(SECRET.encode(), seed, now_ms, faults)
        running.append(city)
        path = tmp_path / f"hotline-{seed}.toml"
        path.write_text(FILE.format(jurisdiction=JURISDICTION, url=city.start()) + more)
        override = override_settings(PATROL=dataclasses.replace(settings.PATROL, hotline_file=path))
        override.enable()
        running.append(override)
        return city, config.load()

    yield make
    for one in running:
        one.stop() if isinstance(one, SimulatedCity) else one.disable()


STAFF = (Actor("user:chen", frozenset({"dispatcher"})), Actor("user:liu", frozenset({"grid_worker"})))
GIVEN = {
    "reply": "已联系物业处理", "reason": "不属于本街道", "department": "property", "rating": 5,
}  # fmt: skip


def staff_do_something(dice):
    """A random step of a random case by whoever may take it."""
    numbers = list(Case.objects.values_list("pk", flat=True))
    if not numbers:
        return
    case = Case.objects.get(pk=dice.choice(numbers))
    definition = definition_of(case)
    able = [
        (actor, step)
        for actor in STAFF
        for step in definition.leaving(case.process_state)
        if actor.roles & set(step.roles) and not step.issues and "photo" not in step.required
    ]
    if able:
        actor, step = dice.choice(able)
        with suppress(RefusedError):  # e.g. the one who handled it may not judge it
            actions.take(case.pk, actor, step.name, {name: GIVEN[name] for name in step.required})


@pytest.mark.parametrize(("centre", "seed"), [("sqlite", 2), ("postgresql", 3)], indirect=["centre"])
def test_every_order_has_one_case_and_the_city_sees_each_result_once(centre, platform, browse, seed):
    city, conf = platform(seed, Faults(error_after=0.3), '"*" = "other"\n')
    link, dice, outside = CityLink(conf.city), random.Random(seed), browse()

    def post(path, body, headers):
        return outside.post(path, body, "application/json", headers=headers).status_code

    for _ in range(60):
        what = dice.random()
        if what < 0.25:
            city.ring()
        elif what < 0.35:
            city.change()
        elif what < 0.5:
            city.push(post, "/hotline/city/push/")
        elif what < 0.75:
            turn(link, conf)
        else:
            for _ in range(5):
                staff_do_something(dice)
        centre.clock.advance(dice.randrange(500, 20_000))
    # The storm is over: what is still missing comes with the comparison of both sides.
    city.faults = NO_FAULTS
    quiet = 0
    for _ in range(60):
        quiet = 0 if turn(link, conf) else quiet + 1
        centre.clock.advance(6 * 60_000)
        if quiet == 2:
            break
    assert quiet == 2, CityReport.objects.filter(sent_at_ms__isnull=True).values_list("key", "trouble")
    assert city.orders
    cases = Counter(Case.objects.values_list("source_key", flat=True))
    assert cases == {f"city/{JURISDICTION}/{number}": 1 for number in city.orders}
    assert CityOrder.objects.count() == len(city.orders)
    assert not CityReport.objects.filter(sent_at_ms__isnull=True).exists()
    for order in CityOrder.objects.all():
        told = city.of(order.number, "result")
        reopened = order.case.round
        assert len(told) <= 1 + reopened, order.number
        assert [one["sequence"] for one in told] == list(range(1, len(told) + 1))
        assert len(city.of(order.number, "accepted")) <= 1
        if order.state == "finished":
            assert len(told) == 1 + reopened
    assert compare(link).same
    assert any(report["kind"] == "result" for report in city.reports.values())
    assert city.attempts > len(city.reports), "reports were sent again, and the city has each once"
    assert list(verify(Audit())) == []


@ON_SQLITE
def test_deadlines_held_orders_and_what_the_city_takes_back(centre, platform, browse):
    city, conf = platform()
    link = CityLink(conf.city)
    while not {"0101", "0901"} <= {order["category"] for order in city.orders.values()}:
        city.ring()
    number = next(number for number, order in city.orders.items() if order["category"] == "0101")
    turn(link, conf)
    held = CityOrder.objects.filter(state="held")
    assert {row.category for row in held} == {"0901"}, "nobody said what these are: they wait and are shown"
    assert not held.exclude(case=None).exists()
    row = CityOrder.objects.get(number=number)
    outer = row.case.clocks.filter(kind__startswith="outer_")
    assert sorted(outer.values_list("kind", "due_at_ms")) == sorted(
        [("outer_resolution", row.due_by_ms), ("outer_response", row.accept_by_ms)]
    )
    with pytest.raises(PatrolError):
        pause(outer.get(kind="outer_response").pk, "somebody", "a reason")
    # A stricter time of the city is a new round of the clock; ours goes on beside it.
    strict = city.orders[number] | {"version": 2, "due_by": "2026-11-28T13:00:00+08:00"}
    city.orders[number] = strict
    city._happened(number)
    centre.clock.advance(6_000)
    turn(link, conf)
    rounds = list(
        row.case.clocks.filter(kind="outer_resolution").order_by("round").values_list("round", "state")
    )
    assert rounds == [(1, ClockState.STOPPED), (2, ClockState.RUNNING)]
    # An older message that comes late, a forged one, one that is too old, and one that makes no sense.
    outside = browse()

    def push(orders, secret=SECRET, at=None):
        body = json.dumps({"orders": orders}).encode()
        headers = signed(secret.encode(), "POST", "/hotline/city/push/", at or now_ms(), body)
        return outside.post("/hotline/city/push/", body, "application/json", headers=headers)

    assert push([strict | {"version": 1, "state": "withdrawn"}]).json() == {"taken": [number], "refused": []}
    row.refresh_from_db()
    assert (row.state, row.version) == ("waiting", 2)
    assert push([strict], secret="x" * 40).status_code == 401
    assert push([strict], at=now_ms() - 600_000).status_code == 401
    answer = push([strict | {"version": 3, "text": ""}, strict | {"version": 3, "state": "withdrawn"}]).json()
    assert (answer["taken"], answer["refused"][0]["number"]) == ([number], number)
    row.refresh_from_db()
    assert (row.state, row.case.state, row.case.process_state) == ("withdrawn", "closed", "withdrawn")
    assert not Clock.objects.filter(case=row.case).exclude(state=ClockState.STOPPED).exists()
    # The file is mended: what was held becomes a case at the next turn.
    conf = conf.model_copy(update={"city": conf.city.model_copy(update={"categories": {"*": "other"}})})
    turn(CityLink(conf.city), conf)
    assert not CityOrder.objects.filter(state="held").exists()
    assert CityFeed.objects.get().cursor


@ON_SQLITE
@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("colour = 1", "colour"),
        (
            '[city]\njurisdiction = "a"\nurl = "http://12345.example.cn/x"\nkey_file = "k"\ncategories = { a = "noise" }',
            "city",
        ),
        (
            '[city]\njurisdiction = "a"\nurl = "https://x.cn"\nkey_file = "k"\ncategories = { a = "nose" }',
            "city.categories.a",
        ),
        (
            '[[subjects]]\ncode = "a"\ntitles = { zh = "甲", en = "A" }\nservice = "sidewalk_parking"',
            "subjects.0.service",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_field(centre, tmp_path, text, field):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(PatrolError) as refused:
        config.check(path)
    assert refused.value.field == field


def test_roles_are_known():
    assert {role for actor in STAFF for role in actor.roles} <= set(Role.values)


def test_what_the_scripted_operator_types_is_known():
    subjects = {one.titles.zh: one for one in config.check(config.SHIPPED).subjects}
    for matter in keyboard.MATTERS:
        found = subjects[matter.subject]
        assert any(matter.letters in spelling for spelling in found.spellings), matter
        assert any(matter.place.startswith(one) for one in (*keyboard.PLACES, *keyboard.STREETS)), matter
