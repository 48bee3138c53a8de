"""Hours and exemptions, from the picture to the officer: nobody is punished outside of a zone's hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent.frames import Frame
from edge_agent.stays import StayRules
from protocol.clock import from_iso
from tests.edge_agent.crashing import Box, Fate, box
from tests.edge_agent.scripted import (
    BEAT_MS,
    CONFIRM_S,
    GRACE_S,
    PLATES,
    T0,
    Beat,
    picture,
    zones_with,
)
from tests.edge_agent.test_engine_crashes import folder, outcome_of, stretch
from zones.hours import Hours
from zones.rules import Calendar, Window

# T0 is 08:00 on the wall in Shanghai, on New Year's Day.
MORNING = {"from": "07:00", "to": "08:01"}
LATER = {"from": "08:02", "to": "09:00"}

ROLL_S = StayRules().roll_ms // 1000
"""Standing begins so long after the first look."""


def seconds(at: int) -> int:
    return T0 + at * BEAT_MS


def told(one: Box) -> list[tuple[str, str]]:
    return [(e["state"], e["reason"]) for e in one.events() if e["case"] is not None]


def when(one: Box, state: str) -> list[int]:
    """Seconds after T0 at which cases entered a state."""
    return [
        (from_iso(e["time"]) - T0) // 1000
        for e in one.events()
        if e["case"] is not None and e["state"] == state
    ]


def kinds(one: Box, kind: str) -> list[dict[str, Any]]:
    return one.outside.messages(kind)


class Lists:
    """Permit lists in memory."""

    def __init__(self, **lists: Mapping[str, int | None]) -> None:
        self.content = lists

    def lists(self) -> frozenset[str]:
        return frozenset(self.content)

    def of(self, plate: str, at_ms: int, time_zone: str) -> Mapping[str, int | None]:
        found = {name: plates[plate] for name, plates in self.content.items() if plate in plates}
        return {name: until for name, until in found.items() if until is None or at_ms < until}

    def close(self) -> None:
        pass


# Hours


def test_who_stood_there_before_the_hours_gets_the_whole_confirm_time_from_their_beginning(
    tmp_path: Path,
) -> None:
    hours = [{"from": "08:01", "to": "09:00"}]
    with box(tmp_path, zones=zones_with(hours=hours)) as one:
        one.live([*stretch("empty", 2), *stretch("A", 80)])
        assert when(one, "confirmed") == [60 + CONFIRM_S]
        (task,) = kinds(one, "enforcement_task")
        assert task["first_seen_ms"] == seconds(2 + ROLL_S), "it is said since when it really stands there"
        assert task["rechecked_at_ms"] >= task["clock_ends_ms"] >= seconds(60 + CONFIRM_S + GRACE_S)
        began = [e for e in one.events() if e["case"] is None]
        assert [e["reason"].partition(";")[0] for e in began] == ["the zone's hours began"]


def test_when_the_hours_end_before_the_clock_nothing_follows(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(hours=[MORNING])) as one:
        one.live([*stretch("empty", 50), *stretch("A", 60)])
        assert [state for state, _ in told(one)] == ["confirmed", "notified", "closed"]
        assert told(one)[-1] == ("closed", "the zone's hours ended at 08:01; nothing follows")
        assert when(one, "closed") == [60]
        assert kinds(one, "enforcement_task") == []


def test_a_warning_that_has_not_gone_out_by_then_never_does(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(hours=[MORNING])) as one:
        one.live([*stretch("empty", 50), *stretch("A", 15, ("deliver",)), *stretch("A", 20)])
        assert [state for state, _ in told(one)] == ["confirmed", "closed"]
        assert one.sms_sent() == []


def test_a_task_of_the_hours_stands_and_is_taken_back_when_the_vehicle_leaves_after_them(
    tmp_path: Path,
) -> None:
    with box(tmp_path, zones=zones_with(hours=[MORNING])) as one:
        one.live([*stretch("A", 80), *stretch("empty", 12)])
        assert [state for state, _ in told(one)] == [
            "confirmed",
            "notified",
            "rechecking",
            "tasked",
            "closed",
        ]
        assert told(one)[-1][1] == "the vehicle left"
        (task,) = kinds(one, "enforcement_task")
        assert task["rechecked_at_ms"] < seconds(60)
        assert len(kinds(one, "task_retraction")) == 1


def test_the_next_hours_are_a_new_case_with_its_own_clock(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(hours=[MORNING, LATER], renotice_after_s=0)) as one:
        one.live([*stretch("empty", 50), *stretch("A", 95)])
        first, second = one.case_ids()
        assert second == f"{first}.2"
        by_case = {c: [e["state"] for e in one.events() if e["case"] == c] for c in one.case_ids()}
        assert by_case[first] == ["confirmed", "notified", "closed"]
        assert by_case[second] == ["confirmed", "notified", "rechecking", "tasked"]
        assert when(one, "confirmed")[1] == 120 + CONFIRM_S
        assert len(one.sms_sent()) == 2


def test_a_task_that_is_still_open_covers_the_next_hours_too(tmp_path: Path) -> None:
    """Nobody is warned and reported anew while an officer is on the way."""
    with box(tmp_path, zones=zones_with(hours=[MORNING, LATER], renotice_after_s=0)) as one:
        one.live([*stretch("A", 135), *stretch("A", 3, ("deliver", "outcome")), *stretch("A", 12)])
        assert len(one.case_ids()) == 1
        assert told(one)[-1] == ("closed", "officer: ticketed")
        assert len(kinds(one, "enforcement_task")) == 1


def test_hours_that_ended_while_the_box_was_off_ended_when_they_did(tmp_path: Path) -> None:
    zones = zones_with(hours=[MORNING, LATER], renotice_after_s=0)
    script = [*stretch("empty", 50), *stretch("A", 8), *stretch("gone", 64), *stretch("A", 30)]
    with box(tmp_path, zones=zones) as one:
        for number, beat in enumerate(script):
            if beat.scene == "gone":
                continue  # no tick either: the machine is off
            one.clock.set_utc(seconds(number))
            one._look(script, number)
            one.engine.tick(seconds(number))
            while one._worker.run_once():
                pass
            while one.engine.arrivals(seconds(number)):
                pass
        assert [state for state, _ in told(one)][:3] == ["confirmed", "notified", "closed"]
        assert when(one, "closed")[0] == 60
        assert len(one.case_ids()) == 2, "and the new hours are a new case"


def test_a_case_keeps_the_hours_that_it_was_opened_under(tmp_path: Path) -> None:
    """The zone file is replaced while the clock runs: the old hours hold for the old case, the new for new ones."""
    with box(tmp_path, zones=zones_with(hours=[{"from": "07:00", "to": "09:00"}])) as one:
        one.live(stretch("A", 8))
        assert told(one)[-1][0] == "notified"
        camera = one.engine.cameras["cam1"]
        never = type(one.eyes)(zones_with(hours=[{"from": "20:00", "to": "21:00"}]))
        never.scene = one.eyes.scene
        camera.eyes = never  # type: ignore[assignment]
        one.eyes = never
        one.live([Beat("A")] * 30)
        assert [state for state, _ in told(one)] == ["confirmed", "notified", "rechecking", "tasked"]


@pytest.mark.parametrize("kind", ["parking_bay", "ignore"])
@pytest.mark.parametrize(
    ("arrives", "states"),
    [
        (50, ["confirmed", "notified", "exempt"]),
        (30, ["confirmed", "notified", "rechecking", "tasked", "closed"]),
    ],
)
def test_a_bay_that_opens_while_the_clock_runs_ends_the_case(
    tmp_path: Path, kind: str, arrives: int, states: list[str]
) -> None:
    zones = zones_with()
    bay = {"id": "B1", "name": "Night bay", "kind": kind, "hours": [{"from": "08:01", "to": "09:00"}]}
    data = zones.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["zone"].append({**bay, "polygon": data["zone"][0]["polygon"]})
    with box(tmp_path, zones=type(zones).model_validate(data)) as one:
        one.live([*stretch("empty", arrives), *stretch("A", 100 - arrives), *stretch("empty", 12)])
        assert [state for state, _ in told(one)] == states
        assert told(one)[-1][1] in ("exempt: standing is allowed there at this hour", "the vehicle left")
        assert len(kinds(one, "task_retraction")) == states.count("tasked")


def test_hours_of_a_year_that_nobody_knows_fine_nobody(tmp_path: Path) -> None:
    hours = [{"days": ["workday", "restday", "holiday"]}]
    known = zones_with(hours=hours)
    assert known.time_zone == "Asia/Shanghai"
    far = from_iso("2126-01-05T08:00:00+08:00")
    with box(tmp_path, zones=known) as one:
        one.eyes.scene = "A"
        for second in range(40):
            at_ms = far + second * 1000
            one.engine.frame(Frame("cam1", at_ms, picture("A", second), second))
            one.engine.tick(at_ms)
        assert one.events() == []
        assert len(one.engine.cameras["cam1"].state.stays) == 1, "it is followed all the same"


# Exemptions

SERVICE = {"reason": "环卫作业", "plates": [PLATES["A"][:4] + "*"]}


def test_a_plate_that_is_exempt_is_neither_warned_nor_photographed(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(exempt=[SERVICE])) as one:
        one.live([*stretch("A", 40)])
        assert told(one) == [("exempt", "exempt: 环卫作业")]
        assert one.sms_sent() == []
        assert not list((tmp_path / "evidence").rglob("*.jpg"))
        (record,) = kinds(one, "case_record")
        assert record["plate"] is None, "whose vehicle it was is nobody's business"


def test_another_plate_is_not(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(exempt=[SERVICE])) as one:
        one.live([*stretch("B", 40)])
        assert [s for s, _ in told(one)] == ["confirmed", "unnotifiable", "rechecking", "tasked"]
        (task,) = kinds(one, "enforcement_task")
        assert not task["manual_check"]


@pytest.mark.parametrize("policy", ["task", "manual_check", "close"])
def test_where_plates_are_exempt_and_none_is_readable_only_a_person_may_decide(
    tmp_path: Path, policy: str
) -> None:
    zones = zones_with(exempt=[SERVICE], unnotifiable=policy)
    with box(tmp_path, zones=zones, plates_covered=True) as one:
        one.live([*stretch("A", 60)])
        reasons = dict(told(one))
        assert reasons["unnotifiable"] == "no plate in view; whether it is exempt could not be told"
        assert [t["manual_check"] for t in kinds(one, "enforcement_task")] == (
            [] if policy == "close" else [True]
        )


def test_an_exemption_by_class_is_recorded_once(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(exempt=[{"reason": "装卸", "classes": ["car"]}])) as one:
        one.live([*stretch("A", 60)])
        assert told(one) == [("exempt", "exempt: 装卸")]


def test_when_the_time_to_unload_is_over_the_violation_begins(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(exempt=[{"reason": "卸货", "up_to_s": 20}])) as one:
        one.live([*stretch("empty", 2), *stretch("A", 60)])
        assert when(one, "confirmed") == [2 + ROLL_S + 20 + CONFIRM_S]
        assert [s for s, _ in told(one)] == ["confirmed", "notified", "rechecking", "tasked"]


def test_who_leaves_within_it_is_never_a_case(tmp_path: Path) -> None:
    with box(tmp_path, zones=zones_with(exempt=[{"reason": "卸货", "up_to_s": 20}])) as one:
        one.live([*stretch("A", 19), *stretch("empty", 20)])
        assert told(one) == []


def test_an_exemption_whose_hours_begin_while_the_clock_runs_ends_the_case(tmp_path: Path) -> None:
    exempt = [{"reason": "午间开放", "hours": [{"from": "08:01", "to": "08:02"}]}]
    with box(tmp_path, zones=zones_with(exempt=exempt, renotice_after_s=0)) as one:
        one.live([*stretch("empty", 50), *stretch("A", 95)])
        first, second = one.case_ids()
        by_case = {c: [e["state"] for e in one.events() if e["case"] == c] for c in one.case_ids()}
        assert by_case[first] == ["confirmed", "notified", "exempt"]
        assert by_case[second] == ["confirmed", "notified", "rechecking", "tasked"]
        assert when(one, "confirmed")[1] == 120 + CONFIRM_S


def test_a_permit_exempts_for_as_long_as_it_is_valid(tmp_path: Path) -> None:
    zones = zones_with(exempt=[{"reason": "居民证", "permit": "residents"}])
    lists = Lists(residents={PLATES["A"]: seconds(30)})
    with box(tmp_path, zones=zones, permits=lists) as one:
        one.live([*stretch("A", 60)])
        assert [s for s, _ in told(one)] == ["exempt", "confirmed", "notified", "rechecking", "tasked"]
        assert when(one, "confirmed") == [30 + CONFIRM_S]


def test_a_permit_that_is_entered_while_the_clock_runs_counts_at_once(tmp_path: Path) -> None:
    zones = zones_with(exempt=[{"reason": "居民证", "permit": "residents"}])
    lists = Lists(residents={})
    with box(tmp_path, zones=zones, permits=lists) as one:
        one.live([*stretch("A", 8)])
        assert told(one)[-1][0] == "notified"
        lists.content["residents"] = {PLATES["A"]: None}
        one.live([*stretch("A", 30)])
        assert [s for s, _ in told(one)] == ["confirmed", "notified", "exempt"]


def test_a_permit_list_that_the_box_does_not_have_is_neither_yes_nor_no(tmp_path: Path) -> None:
    zones = zones_with(exempt=[{"reason": "居民证", "permit": "residents"}])
    with box(tmp_path, zones=zones) as one:
        one.live([*stretch("A", 40)])
        assert [s for s, _ in told(one)] == ["confirmed", "unnotifiable", "rechecking", "tasked"]
        assert dict(told(one))["unnotifiable"].startswith("the permit list residents is not on this box")
        assert one.sms_sent() == [], "a warning might be wrong"
        (task,) = kinds(one, "enforcement_task")
        assert task["manual_check"]


# What holds for every history

hours = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 3)).map(
        lambda span: {"from": f"08:0{span[0]}", "to": f"08:0{span[0] + span[1]}"}
    ),
    min_size=1,
    max_size=2,
)
exemptions = st.lists(
    st.one_of(
        st.integers(5, 100).map(lambda s: {"reason": "卸货", "up_to_s": s}),
        st.integers(0, 5).map(
            lambda m: {"reason": "开放", "hours": [{"from": f"08:0{m}", "to": f"08:0{m + 1}"}]}
        ),
        st.just(SERVICE),
        st.just({"reason": "居民证", "permit": "residents"}),
    ),
    max_size=2,
)
scripts = st.lists(
    st.tuples(
        st.sampled_from(["A", "A", "A", "B", "empty", "bus", "gone"]),
        st.integers(5, 70),
        st.sets(st.sampled_from(["sms", "deliver", "outcome"]), min_size=1).map(lambda d: tuple(sorted(d))),
    ),
    min_size=2,
    max_size=5,
).map(lambda parts: [beat for scene, beats, deeds in parts for beat in stretch(scene, beats, deeds)])


def live_and_check(
    script: Sequence[Beat], zones: Any, lists: Lists, gaps: Sequence[int] = (), *, covered: bool = False
) -> dict[str, Any]:
    with folder() as where, box(where, Fate(gaps), zones, lists, plates_covered=covered) as one:
        one.live(script)
        zone = zones.zone[0]
        within = Hours(zone.hours, zones.time_zone, zones.calendar)
        for task in kinds(one, "enforcement_task"):
            at_ms = task["issued_at_ms"]
            assert within.counts(at_ms), "no task outside of the hours"
            for moment in range(task["confirmed_at_ms"], at_ms, 1000):
                assert within.counts(moment), "nor over a pause in them"
            for exemption in zone.exempt:
                if exemption.hours:
                    assert not Hours(exemption.hours, zones.time_zone, zones.calendar).counts(at_ms)
                if exemption.up_to_s is not None:
                    assert at_ms >= task["first_seen_ms"] + exemption.up_to_s * 1000 + CONFIRM_S * 1000
                if exemption.plates and not task["manual_check"]:
                    assert task["vehicle"]["plate"] not in (None, PLATES["A"])
                if exemption.permit is not None and not task["manual_check"]:
                    assert "residents" in lists.content
                    assert task["vehicle"]["plate"] is not None
            start = max(task["first_seen_ms"], within.span(at_ms).since_ms or 0)
            assert task["confirmed_at_ms"] - start >= CONFIRM_S * 1000, "the whole confirm time in the hours"
            assert task["clock_ends_ms"] - task["clock_started_ms"] >= GRACE_S * 1000
        exempt = {e["case"] for e in one.events() if e["state"] == "exempt"}
        assert exempt.isdisjoint(task["case_id"] for task in kinds(one, "enforcement_task"))
        return outcome_of(one)


@given(scripts, hours, exemptions, st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
@example([*stretch("A", 160)], [{"from": "08:01", "to": "08:02"}], [], False, True)
@example([*stretch("A", 50), *stretch("bus", 60)], [{"from": "08:00", "to": "08:01"}], [], False, True)
@example(
    [*stretch("empty", 48), *stretch("A", 8), *stretch("gone", 60)],
    [{"from": "08:00", "to": "08:09"}],
    [{"reason": "开放", "hours": [{"from": "08:01", "to": "08:04"}]}],
    False,
    True,
)
@example(
    [*stretch("A", 160)], [{"from": "08:00", "to": "08:03"}], [{"reason": "卸货", "up_to_s": 70}], False, True
)
def test_no_history_makes_a_task_outside_of_the_hours_or_for_the_exempt(
    script: list[Beat],
    windows: list[dict[str, str]],
    exempt: list[dict[str, Any]],
    covered: bool,
    known: bool,
) -> None:
    lists = Lists(residents={PLATES["B"]: seconds(90)}) if known else Lists()
    zones = zones_with(hours=windows, exempt=exempt, renotice_after_s=60, unverified="manual_check")
    live_and_check(script, zones, lists, covered=covered)


@given(scripts, hours, exemptions, st.lists(st.integers(1, 400), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_crashes_change_nothing_of_it(
    script: list[Beat], windows: list[dict[str, str]], exempt: list[dict[str, Any]], gaps: list[int]
) -> None:
    lists = Lists(residents={PLATES["B"]: seconds(90)})
    zones = zones_with(hours=windows, exempt=exempt, renotice_after_s=60, unverified="manual_check")
    expected = live_and_check(script, zones, lists)
    assert live_and_check(script, zones, lists, gaps) == expected


def test_the_reference_hours_are_what_they_seem() -> None:
    within = Hours((Window.model_validate(MORNING),), "Asia/Shanghai", Calendar())
    assert within.counts(T0)
    assert within.next_change(T0) == seconds(60)
