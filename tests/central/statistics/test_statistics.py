"""Random days of a street, told by messages as agents send them: every figure equals what the script knows."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction

from central.cases import services
from central.cases.models import Case, HistoryEntry, WorkOrder
from central.cases.rules import opening
from central.cases.states import Result
from central.clocks.models import Clock
from central.dispatch import services as dispatch
from central.driver.services import object_to, review
from central.ingest import intake
from central.parking.models import Stay
from central.statistics import figures
from central.statistics.endings import endings
from central.statistics.figures import Departure, OnTime, Source
from central.statistics.intervals import median
from central.statistics.period import read_period
from central.statistics.replay import PARTS, differences, replay
from tests.central.engines import ON_POSTGRESQL
from tests.central.street import MINUTE, NOON, TOPICS, key, record, retraction, task
from tests.commands import call

HOUR = 60 * MINUTE
DAY = 24 * HOUR
LIVES = 60


@dataclass
class Truth:
    """What the script did, in its own words."""

    cases: dict[str, int] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    warned: dict[str, int] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)


def tell(topic: str, message: Any) -> None:
    answers = intake.take_all([(TOPICS.of(topic), message.model_dump_json().encode())])
    assert [answer.refused for answer in answers] == [None]


def live(centre: Any, people: list[Any], seed: int) -> Truth:
    """Some days: vehicles come, are warned or not, leave or stay; officers accept, close, are late, or do nothing."""
    luck = random.Random(seed)
    truth = Truth()
    start = NOON - 5 * DAY
    moments = sorted(start + round(luck.uniform(0, 5 * DAY)) for _ in range(LIVES))
    for number, first in enumerate(moments):
        name = f"c{number}"
        zone = luck.choice(["P1", "P1", "P2", "P3", "P4"])
        place = {"zone_id": zone, "zone_name": f"Zone {zone}"}
        truth.cases[name], truth.zones[name] = first, zone
        centre.clock.set_utc(first)
        step = lambda state, at: tell(  # noqa: E731
            "cases",
            record(name, state, at, first_seen_ms=first, **place),  # noqa: B023
        )
        step("confirmed", first + MINUTE)
        warned = luck.random() < 0.8
        begun = first + 2 * MINUTE
        if warned:
            truth.warned[name] = begun
        step("notified" if warned else "unnotifiable", begun)
        ends = luck.choices(["self_corrected", "task", "unverified", "running"], [6, 4, 1, 1])[0]
        truth.ends[name] = ends
        decided = begun + 10 * MINUTE
        centre.clock.set_utc(decided)
        if ends in {"self_corrected", "unverified"}:
            step(ends, decided)
        if ends != "task":
            continue
        step("tasked", decided)
        tell(
            "tasks",
            task(
                name,
                issued_at_ms=decided,
                first_seen_ms=first,
                confirmed_at_ms=first + MINUTE,
                notified_at_ms=begun if warned else None,
                clock_started_ms=begun,
                clock_ends_ms=decided,
                zone_id=zone,
                zone_name=f"Zone {zone}",
                place=f"Zone {zone}",
            ),
        )
        order = WorkOrder.objects.get(key=key(name, "task"))
        facts = truth.tasks[name] = {"due": order.due_at_ms, "issued": decided, "end": "open"}
        what = luck.choices(["closed", "retracted", "accepted", "new"], [7, 2, 1, 1])[0]
        if what in {"closed", "accepted"} or luck.random() < 0.5:
            officer = luck.choice(people)
            facts |= {"officer": officer.username, "accepted": decided + MINUTE}
            centre.clock.set_utc(decided + MINUTE)
            services.accept(order.pk, officer)
        ended = decided + round(luck.uniform(2, 60)) * MINUTE
        centre.clock.set_utc(ended)
        if what == "closed":
            result = luck.choice(list(Result))
            services.close(order.pk, officer, services.Finding(result))
            facts |= {"end": "closed", "ended": ended, "result": result}
        elif what == "retracted":
            tell("tasks", retraction(name, ended))
            facts |= {"end": "retracted", "ended": ended}
    centre.clock.set_utc(NOON)
    return truth


def expected_departure(truth: Truth, inside: Any) -> Departure:
    mine = Counter(truth.ends[name] for name, at in truth.warned.items() if inside(at))
    return Departure(mine["self_corrected"], mine["task"], mine["unverified"], mine["running"])


def expected_on_time(truth: Truth, inside: Any) -> OnTime:
    due = [
        t for t in truth.tasks.values() if inside(t["due"]) and t["due"] <= NOON and t["end"] != "retracted"
    ]
    closed = [t for t in due if t["end"] == "closed"]
    good = sum(t["ended"] <= t["due"] for t in closed)
    return OnTime(good, len(closed) - good, len(due) - len(closed))


@pytest.fixture
def people(person: Any) -> list[Any]:
    return [person("li"), person("wang"), person("zhao")]


@pytest.mark.parametrize(
    "asked", [{"period": "7d"}, {"period": "today"}, {"from": "2025-12-29", "to": "2025-12-30"}]
)
def test_every_figure_equals_the_script(
    centre: Any, agent: Any, people: list[Any], asked: dict[str, str]
) -> None:
    truth = live(centre, people, seed=len(str(asked)))
    period = read_period(asked, NOON)
    inside = lambda at: period.from_ms <= at < period.to_ms  # noqa: E731
    source = Source(Case.objects.all(), WorkOrder.objects.all(), NOON)
    found = figures.all_figures(source, period)

    assert found.departure == expected_departure(truth, inside)
    assert found.on_time == expected_on_time(truth, inside)
    opened = [name for name, at in truth.cases.items() if inside(at)]
    assert found.cases == len(opened)
    ended = [t for t in truth.tasks.values() if t["end"] in {"closed", "retracted"} and inside(t["ended"])]
    results = Counter(t["result"] for t in ended if t["end"] == "closed")
    assert found.results == {result: results[result] for result in Result}
    assert found.retracted == sum(t["end"] == "retracted" for t in ended)

    per_zone = Counter(truth.zones[name] for name in opened)
    assert {p.zone_id: p.cases for p in found.places} == {z: n for z, n in per_zone.items() if n >= 3}
    for place in found.places:
        mine = [name for name in opened if truth.zones[name] == place.zone_id]
        warned = [name for name in mine if name in truth.warned]
        assert place.warned == len(warned)
        assert place.left == sum(truth.ends[name] == "self_corrected" for name in warned)
        assert place.tasked == sum(truth.ends[name] == "task" for name in warned)
        assert place.days == len({period.day_of(truth.cases[name]) for name in mine})

    for officer in people:
        mine = [t for t in truth.tasks.values() if t.get("officer") == officer.username]
        done = [t for t in mine if t["end"] == "closed" and inside(t["ended"])]
        shown = next((o for o in found.officers if o.user_id == officer.pk), None)
        if shown is None:
            assert not done
            continue
        assert shown.accepted == sum(inside(t["accepted"]) for t in mine)
        assert shown.closed == len(done)
        assert shown.on_time.hits == sum(t["ended"] <= t["due"] for t in done)
        assert shown.open_now == sum(t["end"] == "open" for t in mine)
        assert shown.minutes_to_close == median([(t["ended"] - t["accepted"]) / MINUTE for t in done])

    for day in found.days:
        that = lambda at: period.day_of(at) == day.day  # noqa: E731, B023
        assert day.cases == sum(that(at) for at in truth.cases.values())
        warned_then = [name for name, at in truth.warned.items() if that(at)]
        assert day.warned == len(warned_then)
        assert day.left == sum(truth.ends[name] == "self_corrected" for name in warned_then)
        assert day.tasks == sum(that(t["issued"]) for t in truth.tasks.values())

    told = [t["result"] for t in ended if t["end"] == "closed"]
    assert sum(z.confirmed for z in found.precision) == sum(
        result in {Result.TICKETED, Result.MOVED_ON, Result.TOWED} for result in told
    )
    assert sum(z.confirmed + z.false + z.gone + z.other for z in found.precision) == len(told)

    again = replay(Case.objects.all(), period, NOON)
    told = differences(found, endings(source, period), again)
    assert told == dict.fromkeys(PARTS, "same"), told
    assert again.untold == {}
    assert again.cases == LIVES
    assert again.entries == HistoryEntry.objects.count()


def test_messages_may_come_in_any_order(centre: Any, agent: Any) -> None:
    """The warning is counted by when it was sent, whichever message told of it first."""
    told = [
        ("cases", record("c1", "notified", NOON - 10 * MINUTE)),
        ("cases", record("c1", "tasked", NOON + 1000)),
        ("tasks", task("c1")),
    ]
    for number, (topic, message) in enumerate(reversed(told)):
        centre.clock.set_utc(NOON + 2000 + number)
        tell(topic, message)
    period = read_period({}, NOON)
    found = figures.departure(Source(Case.objects.all(), WorkOrder.objects.all(), NOON), period)
    assert found == Departure(0, 1, 0, 0) == replay(Case.objects.all(), period, NOON).figures.departure


def test_what_was_changed_behind_the_history_shows(centre: Any, agent: Any, people: list[Any]) -> None:
    live(centre, people, seed=3)
    period = read_period({}, NOON)
    source = Source(Case.objects.all(), WorkOrder.objects.all(), NOON)
    again = replay(Case.objects.all(), period, NOON)
    late = WorkOrder.objects.filter(state="closed").first()
    other = next(person for person in people if person.pk != late.assignee_id)
    moved = late.due_at_ms + (1 if late.ended_at_ms <= late.due_at_ms else -1)
    closed = Clock.objects.filter(kind="resolution", state="stopped", due_at_ms__lt=NOON).first()
    for rows, change, part in (
        (WorkOrder.objects.filter(pk=late.pk), {"ended_at_ms": moved}, "on_time"),
        (WorkOrder.objects.filter(pk=late.pk), {"assignee": other}, "officers"),
        (WorkOrder.objects.filter(pk=late.pk), {"result": "other", "kind": "manual_check"}, "precision"),
        (Stay.objects.filter(zone_id="P1"), {"zone_id": "P2"}, "places"),
        (Stay.objects.filter(agent_state="self_corrected"), {"agent_state": "closed"}, "departure"),
        (Case.objects.filter(state="closed"), {"closed_at_ms": NOON - 90 * DAY}, "endings"),
        (Clock.objects.filter(pk=closed.pk), {"stopped_at_ms": closed.due_at_ms + 1}, "endings"),
    ):
        with transaction.atomic():
            assert rows.update(**change), part
            found = differences(figures.all_figures(source, period), endings(source, period), again)
            transaction.set_rollback(True)
        assert found[part] == "differs", part


@ON_POSTGRESQL
def test_what_happens_on_the_way_is_counted_the_same(
    centre: Any, agent: Any, people: list[Any], person: Any
) -> None:
    """Objections, tasks that pass from hand to hand, tasks repeated with other facts, messages out of order."""
    desk, orders = person("desk", "dispatcher"), []
    for number in range(6):
        name = f"c{number}"
        zone = {"zone_id": "P1", "zone_name": "Zone P1"}
        tell("cases", record(name, "notified", NOON - 10 * MINUTE, **zone))
        tell("tasks", task(name, issued_at_ms=NOON, notified_at_ms=NOON - 10 * MINUTE, **zone))
        orders.append(WorkOrder.objects.latest("pk"))
    object_to(orders[0].case_id)
    review(orders[0].case_id, desk, upheld=False, note="the same car")
    object_to(orders[1].case_id)
    services.accept(orders[2].pk, people[0])
    centre.clock.advance(MINUTE)
    dispatch.reassign(orders[2].pk, desk, people[1], "nearer")
    dispatch.reassign(orders[3].pk, desk, people[1], "nearer")
    later = {"zone_id": "P7", "zone_name": "Zone P7", "zone_version": "v2", "place": "Elsewhere"}
    again = task("c4", issued_at_ms=NOON + 1, idempotency_key=f"{key('c4', 'task')}/2", **later)
    tell("tasks", again)
    object_to(orders[5].case_id)
    for order, result in ((2, Result.TICKETED), (3, Result.VEHICLE_GONE)):
        centre.clock.advance(MINUTE)
        services.close(orders[order].pk, people[1], services.Finding(result))
    services.accept(orders[4].pk, people[2])
    services.close(orders[4].pk, people[2], services.Finding(Result.WRONG_VEHICLE))
    now = NOON + HOUR
    period = read_period({}, now)
    source = Source(Case.objects.all(), WorkOrder.objects.all(), now)
    shown, ended = figures.all_figures(source, period), endings(source, period)
    told = differences(shown, ended, replay(source.cases, period, now))
    assert told == dict.fromkeys(PARTS, "same"), told
    assert shown.departure.tasked == 3, "what was objected to is a manual check"
    assert {place.zone_id: place.cases for place in shown.places} == {"P1": 5}
    assert [zone.zone_version for zone in shown.precision if zone.false] == ["v2"]


def test_the_page_shows_what_was_counted(
    centre: Any, agent: Any, people: list[Any], person: Any, browse: Any
) -> None:
    truth = live(centre, people, seed=5)
    chief = browse(person("chief", "dispatcher"))
    page = chief.get("/statistics/?period=30d")
    text = re.sub(r"[ \n]+", " ", page.content.decode())
    expected = expected_departure(truth, lambda at: at < NOON + DAY)
    assert f"{expected.left} of {expected.left + expected.tasked} of whom it was proven" in text
    assert f"{100 * expected.rate.share:.1f}\u00a0%" in text
    assert page.context["figures"].departure == expected
    assert "95 %" in text

    table = chief.get("/statistics/figures.csv?period=30d")
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    rows = {row["figure"]: row for row in csv.DictReader(io.StringIO(table.content.decode("utf-8-sig")))}
    assert int(rows["left_after_warning"]["count"]) == expected.left
    assert rows["warned"]["share"] == "", "what is empty stays empty"
    assert float(rows["left_after_warning"]["share"]) == round(expected.rate.share, 4)
    for name in ("places", "officers", "days", "precision"):
        assert len(chief.get(f"/statistics/{name}.csv?period=30d").content.splitlines()) > 1
    assert chief.get("/statistics/nothing.csv").status_code == 404


@pytest.mark.parametrize(
    "query", ["period=1y", "from=x", "from=2026-02-02&to=2026-01-01", "grid=none", "grid=%27%20OR%201%3D1--"]
)
def test_a_wrong_question_is_told(centre: Any, person: Any, browse: Any, query: str) -> None:
    chief = browse(person("chief", "dispatcher"))
    page = chief.get(f"/statistics/?{query}")
    assert page.status_code == 400
    assert 'role="alert"' in page.content.decode()
    assert chief.get(f"/statistics/days.csv?{query}").status_code == 400


def test_only_the_own_jurisdiction_is_counted(
    centre: Any, agent: Any, people: list[Any], person: Any, browse: Any
) -> None:
    live(centre, people, seed=6)
    stranger = browse(person("far", "dispatcher", scope="elsewhere"))
    found = stranger.get("/statistics/?period=30d").context["figures"]
    assert (found.cases, found.departure.warned, found.places, found.officers) == (0, 0, [], [])


def test_a_spreadsheet_calculates_nothing(centre: Any, agent: Any, person: Any, browse: Any) -> None:
    for number in range(3):
        tell("cases", record(f"x{number}", "confirmed", NOON, zone_name="=HYPERLINK(1)"))
    chief = browse(person("chief", "dispatcher"))
    rows = chief.get("/statistics/places.csv").content.decode("utf-8-sig").splitlines()
    assert rows[1].startswith("'=HYPERLINK(1)")


def test_a_page_without_anything_says_so(centre: Any, person: Any, browse: Any) -> None:
    text = browse(person("chief", "dispatcher")).get("/statistics/?period=today").content.decode()
    assert "No place has three cases or more." in text
    assert "Nobody had a task in this period." in text


def test_a_grid_counts_its_subtree(centre: Any, agent: Any, person: Any, browse: Any) -> None:
    from central.grids.models import Grid

    nodes: list[Grid] = []
    for level in (1, 2, 3, 4):
        parent = nodes[-1] if nodes else None
        nodes.append(
            Grid.objects.create(
                jurisdiction_id="sanlihe", code=f"g{level}", name="g", level=level, parent=parent
            )
        )
    other = Grid.objects.create(jurisdiction_id="sanlihe", code="h2", name="h", level=2, parent=nodes[0])
    for number, grid in enumerate((nodes[3], nodes[3], None)):
        tell("cases", record(f"g{number}", "confirmed", NOON))
        Case.objects.filter(source_key__endswith=f"/g{number}").update(grid=grid)
    chief = browse(person("chief", "dispatcher"))
    count = lambda code: chief.get(f"/statistics/?grid={code}").context["figures"].cases  # noqa: E731
    assert [count(node.code) for node in nodes[:3]] == [2, 2, 2]
    assert count(other.code) == 0
    assert count("") == 3


@ON_POSTGRESQL
def test_the_command_line_says_the_same(centre: Any, agent: Any, people: list[Any]) -> None:
    truth = live(centre, people, seed=9)

    def patrol(verb: str) -> dict[str, Any]:
        dates = ("--from", "2025-12-01", "--to", "2026-01-31")
        ran = call("central", "statistics", verb, "--json", *dates, env=centre.env())
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    expected = expected_departure(truth, lambda at: True)
    shown = patrol("show")
    assert shown["departure"]["left"] == expected.left
    assert shown["departure"]["rate"]["share"] == expected.rate.share
    proof = patrol("verify")
    assert proof["same"] is True
    assert set(proof["parts"].values()) == {"same"}
    assert proof["shown"] == proof["history"]
    assert proof["cases"] == LIVES


@ON_POSTGRESQL
def test_endings_are_counted_by_kind_and_promises_by_when_they_were_due(
    centre: Any, person: Any, browse: Any
) -> None:
    def closed(name: str, code: str, state: str, stopped_at: int | None, **more: Any) -> None:
        facts = {
            **opening(code),
            "process_state": state,
            "state": "closed",
            "closed_at_ms": NOON - HOUR,
            **more,
        }
        case = Case.objects.create(
            source_key=name, jurisdiction_id="sanlihe", opened_at_ms=NOON - DAY, **facts
        )
        Clock.objects.create(
            case=case, jurisdiction_id="sanlihe", kind="resolution", amount=1, unit="hours",
            started_at_ms=NOON - DAY, due_at_ms=NOON - 2 * HOUR, stopped_at_ms=stopped_at,
            state="running" if stopped_at is None else "stopped",
        )  # fmt: skip

    closed("a", "city_appearance", "fixed", NOON - 3 * HOUR)
    closed("b", "city_appearance", "fixed", NOON - HOUR, round=1)
    closed("c", "city_appearance", "refused", None)
    closed("d", "city_appearance", "not_fixed", NOON - 2 * HOUR, closed_at_ms=NOON - 40 * DAY)
    closed("e", "sidewalk_parking", "closed", NOON - 3 * HOUR)
    client = browse(person("chief", "dispatcher"))
    text = client.get("/statistics/endings.csv?period=7d").content.decode("utf-8-sig")
    city, parking = csv.DictReader(io.StringIO(text))
    assert city["service"] == "city_appearance"
    assert [city[name] for name in ("closed", "fixed", "not_fixed", "refused", "unsaid", "opened_again")] == [
        "3", "2", "0", "1", "0", "1",
    ]  # fmt: skip
    assert (city["resolved_on_time"], city["resolution_due"], city["share"]) == ("2", "4", "0.5")
    assert (parking["closed"], parking["unsaid"], parking["share"]) == ("1", "1", "1.0")
    assert "How cases ended" in client.get("/statistics/?period=7d").content.decode()
