"""The pure decision, over definitions that nobody wrote: no state outside of them, nobody judges his own work."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from central.cases import catalogue
from central.cases.definition import Definition
from central.cases.guards import Actor, Facts
from central.cases.process import (
    APART,
    AT_ONCE,
    Decision,
    Refusal,
    needs_counts,
    possible,
    react,
    settle,
    step,
)
from central.cases.states import CaseState, ProcessStep

STEPS = [str(one) for one in ProcessStep]
WORDS = {"zh": "字", "en": "Word"}
PEOPLE = ("user:wang", "user:li", "user:zhao")
ROLES = ("officer", "dispatcher", "grid_worker")
EVENTS = ("task_retracted", "accepted", "outcome", AT_ONCE)


@st.composite
def definitions(draw) -> Definition:
    """A chain from the first state to the last, with side roads wherever the rules of definitions allow them."""
    middle = draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5))
    states = [{"name": "s0", "titles": WORDS, "step": "collect", "coarse": "open", "initial": True}]
    states += [
        {"name": f"s{number}", "titles": WORDS, "step": one, "coarse": "open"}
        for number, one in enumerate(middle, 1)
    ]
    ends = draw(st.lists(st.sampled_from(["fixed", "refused"]), min_size=1, max_size=2))
    states += [
        {"name": f"e{number}", "titles": WORDS, "step": "verify_close", "coarse": "closed", "ending": ending}
        for number, ending in enumerate(ends)
    ]
    names = [state["name"] for state in states]
    roads = list(pairwise(names))
    roads += draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=8))
    by_name = {state["name"]: state for state in states}
    transitions = []
    taken: set[tuple[str, str]] = set()
    for number, (source, target) in enumerate(roads):
        before, after = by_name[source], by_name[target]
        part = draw(st.sampled_from([None, "collector", "handler", "verifier", "nobody"]))
        if before["coarse"] == "open" and after["coarse"] == "closed" and after["ending"] == "fixed":
            part = "verifier"
        elif before["step"] == "handle" and after["step"] in {"feedback", "verify_close", "evaluate"}:
            part = "handler"
        event = draw(st.none() | st.sampled_from(EVENTS))
        if event is not None and (source, event) in taken:
            event = None
        if event is not None:
            taken.add((source, event))
        road = {
            "name": f"t{number}",
            "titles": WORDS,
            "from": [source],
            "to": target,
            "roles": draw(st.lists(st.sampled_from(ROLES), min_size=1, max_size=2, unique=True)),
            "required": [] if event else draw(st.sampled_from([[], ["reason"], ["rating"]])),
            "guards": draw(st.sampled_from([[], ["four_eyes"], ["has_photo"]])),
        }
        transitions.append(
            {**road, **({"acts_as": part} if part else {}), **({"on": event} if event else {})}
        )
    definition = Definition.model_validate(
        {
            "service_code": "made_up",
            "titles": WORDS,
            "category": {"code": "9999", "titles": WORDS},
            "states": states,
            "transitions": transitions,
            "reopen": {"by": ["dispatcher"], "within_days": 7},
        }
    )
    assume(not list(catalogue.faults(definition)))
    return definition


facts = st.fixed_dictionaries(
    {
        "open_commitments": st.integers(0, 1),
        "open_children": st.integers(0, 1),
        "open_work_orders": st.integers(0, 1),
        "photos": st.sampled_from([frozenset(), frozenset({7})]),
        "merged": st.booleans(),
    }
)
acts = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.sampled_from(ROLES),
        st.integers(0, 30),
        st.sampled_from([{}, {"reason": "why", "rating": 3}, {"rating": 9}, {"gold": 1}]),
        st.none() | st.sampled_from(EVENTS),
        facts,
        st.integers(0, 9 * 86_400_000),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(definitions(), acts)
def test_whoever_does_whatever_the_rules_hold(definition, acts):
    state, closed_at, now = definition.initial.name, None, 0
    parts: dict[str, set[str]] = {}
    for person, role, number, fields, event, known, pause in acts:
        now += pause
        told = {part: frozenset(names) for part, names in parts.items()}
        here = Facts(state=state, now_ms=now, closed_at_ms=closed_at, parts=told, **known)
        actor = Actor(person, frozenset({role}))
        if event is None:
            verdict = step(definition, here, f"t{number}", actor, fields)
        else:
            verdict = react(definition, here, event, actor)
        if isinstance(verdict, Refusal):
            assert str(verdict.reason)
        if not isinstance(verdict, Decision):
            assert verdict is None or isinstance(verdict, Refusal)
            continue
        road = definition.transition(verdict.transition)
        assert state in road.sources
        assert verdict.after == road.to
        assert (verdict.coarse, verdict.step) == (
            definition.by_name[road.to].coarse,
            definition.by_name[road.to].step,
        )
        before = definition.by_name[state].coarse
        if verdict.coarse == CaseState.CLOSED and before != CaseState.CLOSED:
            assert (here.open_commitments, here.open_children, here.open_work_orders) == (0, 0, 0)
            if event is not None:
                assert needs_counts(definition, state, event)
        if verdict.reopens and event is None:
            assert role == "dispatcher"
            assert now - closed_at <= 7 * 86_400_000
            assert not here.merged
        if event is None:
            assert role in road.roles
            assert set(road.required) <= set(verdict.fields)
        if verdict.part != "nobody":
            parts.setdefault(verdict.part, set()).add(person)
        for one, others in APART.items():
            for other in others:
                assert not parts.get(one, set()) & parts.get(other, set())
        state = verdict.after
        closed_at = now if verdict.coarse == CaseState.CLOSED else None
        moves = settle(definition, Facts(state=state, now_ms=now, **known))
        for move in moves:
            assert (move.before, move.part) == (state, "nobody")
            state = move.after
            closed_at = now if move.coarse == CaseState.CLOSED else None


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(definitions(), st.sampled_from(ROLES), st.integers(0, 9))
def test_what_is_offered_can_be_taken(definition, role, number):
    state = definition.states[number % len(definition.states)].name
    here = Facts(state=state, now_ms=5, closed_at_ms=4, photos=frozenset({7}))
    actor = Actor("user:wang", frozenset({role}))
    for road, blocked in possible(definition, here, actor):
        verdict = step(definition, here, road.name, actor, {"reason": "why", "rating": 3})
        assert isinstance(verdict, Decision) == (blocked is None)


def test_the_shipped_parking_takes_its_whole_way():
    parking = catalogue.load()["sidewalk_parking"]
    state, way = parking.initial.name, []
    for event in ("task_issued", "accepted", "outcome"):
        verdict = react(parking, Facts(state=state, now_ms=1), event)
        assert isinstance(verdict, Decision)
        moves = (verdict, *settle(parking, Facts(state=verdict.after, now_ms=1)))
        way += [(move.after, str(move.step), str(move.coarse)) for move in moves]
        state = way[-1][0]
    assert way == [
        ("dispatched", "dispatch", "open"),
        ("handling", "handle", "open"),
        ("feedback", "feedback", "open"),
        ("closed", "verify_close", "closed"),
    ]
    late = react(parking, Facts(state="closed", now_ms=1), "task_issued")
    assert isinstance(late, Decision)
    assert late.reopens
    blocked = Facts(state="watched", now_ms=1, open_commitments=1)
    assert react(parking, blocked, "camera_ended").code == "guard:no_open_commitments"
    assert react(parking, Facts(state="dispatched", now_ms=1), "camera_ended") is None
