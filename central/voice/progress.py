"""What the page behind the link shows, and what may be done there. All from the case's history and its rules."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from central.cases import actions, history
from central.cases.attachments import path_of
from central.cases.definition import Transition
from central.cases.engine import RefusedError
from central.cases.guards import Actor
from central.cases.models import Attachment, Case, CommitmentState
from central.cases.pictures import write_once
from central.cases.process import REPORTER, Refusal
from central.cases.rules import definition_of
from central.cases.states import CaseState, Relation
from central.project.clock import now_ms
from central.voice import covering
from central.voice.models import MeetingState, Rating, Saying, ShownPhoto


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: when, what the case became, and what was answered."""

    at_ms: int
    title: str
    text: str = ""


def matter_of(saying: Saying) -> Case:
    """The case that the page speaks of: the one that this report was put into, or its own."""
    case: Case = saying.case
    if case.relation == Relation.DUPLICATE and case.parent_id is not None:
        return Case._base_manager.get(pk=case.parent_id)
    return case


def steps_of(case: Case, language: str) -> list[Step]:
    """The steps of a case with their dates, the oldest first. Reasons among officials are not shown, answers are."""
    definition = definition_of(case)
    found = [Step(case.opened_at_ms, definition.initial.titles.text(language))]
    for at_ms, body in case.history.order_by("number").values_list("at_ms", "body"):
        facts = json.loads(body)
        moved = facts.get("moved") or []
        given = facts.get("fields") or {}
        for number, (_transition, name) in enumerate(moved):
            state = definition.by_name.get(name)
            if state is None:
                continue
            last = number == len(moved) - 1
            text = given.get("reply", "") if last else ""
            if last and not text and state.ending == "refused":
                text = given.get("reason", "")
            found.append(Step(at_ms, state.titles.text(language), text))
    return found


def actor_for(saying: Saying) -> Actor:
    """Who somebody with the link is: the reporter of the case, by what he sent."""
    name = f"reporter:{saying.reporter_id}" if saying.reporter_id else f"reporter:link-{saying.pk}"
    return Actor(name, frozenset({REPORTER}))


def offered(case: Case, saying: Saying, language: str) -> dict[str, dict[str, Any]]:
    """What may be done now with this link: `rate`, `reopen`, `confirm` -> the step of the definition, where there is one."""
    definition = definition_of(case)
    found: dict[str, dict[str, Any]] = {}
    for choice in actions.choices(case, actor_for(saying), language):
        rule = definition.transition(choice["name"])
        kind = None if rule is None else _kind(case, rule)
        if kind is not None and not choice["blocked"]:
            found.setdefault(kind, choice)
    rated = saying.ratings.filter(round=case.round).exists()
    if rated:
        found.pop("rate", None)
    elif case.state == CaseState.CLOSED and "rate" not in found and _has_been_rated(case):
        found["rate"] = {"name": "", "required": ["rating"]}
    return found


def rate(saying: Saying, stars: int) -> Rating:
    """Keep what somebody thinks of the end; again in the same round changes nothing. The first one moves the case.

    Raises:
        RefusedError: the matter has not ended, or its rules know no rating.
    """
    with transaction.atomic():
        case = Case._base_manager.select_for_update().get(pk=matter_of(saying).pk)
        known = saying.ratings.filter(round=case.round).first()
        if known is not None:
            return known
        offer = offered(case, saying, "en").get("rate")
        if offer is None:
            raise RefusedError(Refusal("state", "the matter has not ended yet"))
        if not 1 <= stars <= 5:
            raise RefusedError(Refusal("field", "1 to 5", "rating"))
        actor = actor_for(saying)
        now = now_ms()
        if offer["name"]:
            actions.take(case.pk, actor, offer["name"], {"rating": stars})
        else:
            history.append(case, "rated", now, actor.name, rating=stars)
        return Rating.objects.create(saying=saying, case=case, round=case.round, stars=stars, at_ms=now)


def act(saying: Saying, kind: str, reason: str) -> Case:
    """Open the matter again, or confirm that it is solved, as its rules allow.

    Raises:
        RefusedError: they do not.
    """
    case = matter_of(saying)
    offer = offered(case, saying, "en").get(kind)
    if offer is None:
        raise RefusedError(Refusal("state", "this cannot be done now"))
    given = {"reason": reason} if "reason" in offer["required"] else {}
    return actions.take(case.pk, actor_for(saying), offer["name"], given)


def photos_of(case: Case, saying: Saying) -> dict[Attachment, str]:
    """Photos that this link shows, each with the hash of the small copy: those that were sent with it as they are, and those
    that a person made fit for anybody as he left them."""
    shown = dict(ShownPhoto._base_manager.filter(case=case).values_list("attachment_id", "sha256"))
    cases = {case.pk, saying.case_id}
    own = f"voice-{saying.key_sha256[:40]}-"
    every = Attachment._base_manager.filter(case__in=cases).order_by("received_at_ms", "pk")
    return {
        photo: photo.thumbnail_sha256
        if photo.key.startswith(own)
        else shown[photo.pk] or photo.thumbnail_sha256
        for photo in every
        if photo.pk in shown or photo.key.startswith(own)
    }


def show(case: Case, photo: Attachment, user: Any, squares: list[int], rows: int) -> None:
    """Let everybody with a link see a photo without what lies below these squares; again, with others.

    Raises:
        FileNotFoundError: its file is gone.
        OSError: the disk is full or may not be written.
    """
    sha256 = ""
    if squares:
        small = path_of(photo.thumbnail_sha256, thumbnail=True).read_bytes()
        copy = covering.cover(small, squares, rows)
        sha256 = hashlib.sha256(copy).hexdigest()
        write_once(path_of(sha256, thumbnail=True), copy)
    facts = {"covered": ",".join(map(str, squares)), "sha256": sha256, "by": user, "at_ms": now_ms()}
    ShownPhoto.objects.filter(case=case).update_or_create(attachment=photo, defaults=facts | {"case": case})


def promises_of(case: Case) -> list[dict[str, Any]]:
    """What was promised at the round table: what, until when, and whether it was kept. Nobody's name."""
    now = now_ms()
    return [
        {
            "what": one.what,
            "due_at_ms": one.due_at_ms,
            "state": one.state,
            "late": one.state == CommitmentState.OPEN and one.due_at_ms < now,
        }
        for one in case.commitments.exclude(state=CommitmentState.WITHDRAWN).order_by("due_at_ms", "pk")
    ]


def next_meeting(case: Case) -> int | None:
    """When the round table meets, UTC milliseconds, where that is set."""
    found = case.meetings.filter(state=MeetingState.PLANNED, meets_at_ms__isnull=False).first()
    return None if found is None else found.meets_at_ms


def _kind(case: Case, rule: Transition) -> str | None:
    if "rating" in rule.required:
        return "rate"
    target = definition_of(case).by_name[rule.to]
    if case.state == CaseState.CLOSED:
        return "reopen" if target.coarse != CaseState.CLOSED else None
    return "confirm" if target.coarse == CaseState.CLOSED else None


def _has_been_rated(case: Case) -> bool:
    return case.ratings.filter(round=case.round).exists()
