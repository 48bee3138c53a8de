"""What becomes of a case when somebody does something or something happens. Pure: definition, facts -> decision.

The decision is data. `central.cases.engine` applies it to the locked case, in one transaction with its history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from central.cases import fields
from central.cases.definition import Definition, Part, Transition
from central.cases.guards import CLOSING, Actor, Facts, Reason, holds
from central.cases.states import CaseState, ProcessStep

AT_ONCE = "at_once"
"""The event of a transition that is taken by itself as soon as its guards hold."""

MERGED = "merged"
UNMERGED = "unmerged"
WITHDRAWN = "withdrawn"
"""Whoever brought the matter takes it back."""
REPORTER = "reporter"
"""The role of the one who reported the case."""

DAY_MS = 86_400_000
CENTRE = Actor("centre")

APART: dict[Part, frozenset[Part]] = {
    "handler": frozenset({"collector", "verifier", "supervisor"}),
    "collector": frozenset({"handler"}),
    "verifier": frozenset({"handler"}),
    "supervisor": frozenset({"handler"}),
    "nobody": frozenset(),
}
"""What nobody may do who has done the other: whoever handles a case neither finds nor judges it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One move, as data."""

    transition: str
    before: str
    after: str
    coarse: CaseState
    step: ProcessStep
    part: Part
    actor: str
    fields: Mapping[str, Any]
    reopens: bool
    tells: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: a word for programs, the field where it is one, and words for people."""

    code: str
    reason: Reason
    field: str = ""


def step(
    definition: Definition,
    facts: Facts,
    transition: str,
    actor: Actor,
    given: Mapping[str, Any] | None = None,
) -> Decision | Refusal:
    """Decide on a transition that somebody takes by hand.

    Args:
        definition: the rules under which the case was opened.
        facts: what is known of it now.
        transition: its name.
        actor: who takes it.
        given: fields that come with it.
    """
    found = definition.transition(transition)
    if found is None or not found.roles:
        return Refusal("unknown", _("there is no such step"))
    if facts.state not in found.sources:
        return Refusal("state", _("the case is not where this step begins"))
    if not actor.roles & set(found.roles):
        return Refusal("role", _("this role may not do this"))
    refusal = _reopening(definition, facts, found, actor)
    if refusal is not None:
        return refusal
    refusal = _apart(definition, facts, found, actor)
    if refusal is not None:
        return refusal
    try:
        clean = fields.check(definition, found.required, given or {}, facts.photos)
    except fields.BadFieldError as error:
        return Refusal("field", error.reason, error.name)
    return _guarded(definition, replace(facts, fields=clean), found, actor)


def react(
    definition: Definition, facts: Facts, event: str, actor: Actor = CENTRE
) -> Decision | Refusal | None:
    """What an event does to the case; None where the definition says nothing of it in this state.

    Args:
        definition: the rules under which the case was opened.
        facts: what is known of it now.
        event: what happened.
        actor: whoever brought it about, where it was a person.
    """
    found = definition.on_event(facts.state, event)
    if found is None:
        return None
    return _apart(definition, facts, found, actor) or _guarded(definition, facts, found, actor)


def settle(definition: Definition, facts: Facts) -> tuple[Decision, ...]:
    """The moves that a case takes by itself from where it stands, in order."""
    moves: list[Decision] = []
    while len(moves) <= len(definition.states):
        move = react(definition, facts, AT_ONCE)
        if not isinstance(move, Decision):
            break
        moves.append(move)
        facts = replace(facts, state=move.after)
    return tuple(moves)


def possible(definition: Definition, facts: Facts, actor: Actor) -> list[tuple[Transition, Refusal | None]]:
    """The transitions that this actor could take by hand from here, each with what is in its way, fields apart."""
    offered: list[tuple[Transition, Refusal | None]] = []
    for found in definition.leaving(facts.state):
        if not actor.roles & set(found.roles):
            continue
        verdict = step(definition, facts, found.name, actor)
        blocked = verdict if isinstance(verdict, Refusal) and verdict.code != "field" else None
        offered.append((found, blocked))
    return offered


def needs_counts(definition: Definition, state: str, event: str) -> bool:
    """Whether the promises, children and work orders of a case must be counted to decide on this event."""
    found = definition.on_event(state, event)
    while found is not None:
        if found.guards or definition.by_name[found.to].coarse == CaseState.CLOSED:
            return True
        found = definition.on_event(found.to, AT_ONCE)
    return False


def _guarded(definition: Definition, facts: Facts, found: Transition, actor: Actor) -> Decision | Refusal:
    before, after = definition.by_name[facts.state], definition.by_name[found.to]
    closes = after.coarse == CaseState.CLOSED and before.coarse != CaseState.CLOSED
    always = CLOSING if closes else ()
    for name in dict.fromkeys((*always, *found.guards)):
        reason = holds(name, facts, actor)
        if reason is not None:
            return Refusal(f"guard:{name}", reason)
    return Decision(
        transition=found.name,
        before=before.name,
        after=after.name,
        coarse=after.coarse,
        step=after.step,
        part="nobody" if actor is CENTRE else definition.part(found, facts.state),
        actor=actor.name,
        fields=facts.fields,
        reopens=before.coarse == CaseState.CLOSED and after.coarse != CaseState.CLOSED,
        tells=after.tell,
    )


def apart(parts: Mapping[str, frozenset[str]], part: Part, actor: str) -> Refusal | None:
    """Whether what somebody has done in a case keeps him from doing this in it.

    Args:
        parts: collector, handler, verifier -> the actors who have done that.
        part: what he would do.
        actor: his name in the history.
    """
    if any(actor in parts.get(other, frozenset()) for other in APART[part]):
        return Refusal("part", _("whoever handles a case neither collects, verifies nor supervises it"))
    return None


def _apart(definition: Definition, facts: Facts, found: Transition, actor: Actor) -> Refusal | None:
    return None if actor is CENTRE else apart(facts.parts, definition.part(found, facts.state), actor.name)


def _reopening(definition: Definition, facts: Facts, found: Transition, actor: Actor) -> Refusal | None:
    before, after = definition.by_name[facts.state], definition.by_name[found.to]
    if before.coarse != CaseState.CLOSED or after.coarse == CaseState.CLOSED:
        return None
    if facts.merged:
        return Refusal("merged", _("the case was put together with another one; take that back first"))
    rule = definition.reopen
    if rule is None or not actor.roles & set(rule.by):
        return Refusal("reopen", _("this role may not open the case again"))
    if facts.closed_at_ms is None or facts.now_ms - facts.closed_at_ms > rule.within_days * DAY_MS:
        return Refusal("reopen", _("the time for opening the case again is over"))
    return None
