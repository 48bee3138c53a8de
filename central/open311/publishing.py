"""What Open311 tells of services and of cases, and to whom: strangers read no word that a person wrote unless the service says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.core import signing
from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse

from central.cases.definition import Definition, FieldRule
from central.cases.models import ApiKey, Case, HistoryEntry
from central.cases.rules import definition_of, services
from central.cases.states import CaseState, Relation
from central.clocks.models import Clock, ClockState, Kind
from central.open311.answers import w3
from notifier.masking import mask_text

DATATYPES = {"text": "string", "integer": "number", "choice": "singlevaluelist"}
SALT = "open311.media"
BROUGHT = "open311-"
"""How the names of pictures begin that came with a report."""

HISTORY = 50
"""Moves of a case that an extended answer lists."""


def reportable() -> dict[str, Definition]:
    """Services that anybody may report: they take what people bring, and need no name."""
    return {
        code: found
        for code, found in sorted(services().items())
        if "person" in found.sources and found.anonymous
    }


def asked(definition: Definition) -> list[FieldRule]:
    """What a service asks of whoever reports."""
    return [rule for rule in definition.fields if rule.asked != "no" and rule.kind in DATATYPES]


def service_out(definition: Definition, language: str) -> dict[str, Any]:
    """A service as the list shows it."""
    category = definition.category.titles.text(language)
    return {
        "service_code": definition.service_code,
        "service_name": definition.titles.text(language),
        "description": category,
        "metadata": bool(asked(definition)),
        "type": "realtime",
        "keywords": ", ".join((definition.titles.zh, definition.titles.en, definition.category.titles.en)),
        "group": category,
    }


def definition_out(definition: Definition, language: str) -> dict[str, Any]:
    """What a service asks, as its definition shows it."""
    return {
        "service_code": definition.service_code,
        "attributes": [
            {
                "variable": True,
                "code": rule.name,
                "datatype": DATATYPES[rule.kind],
                "required": rule.asked == "must",
                "datatype_description": _bounds(rule),
                "order": number,
                "description": rule.titles.text(language),
                "values": [
                    {"key": choice, "name": rule.choice_text(choice, language)} for choice in rule.choices
                ],
            }
            for number, rule in enumerate(asked(definition), 1)
        ],
    }


def published(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Those cases that strangers may know of."""
    shown = [code for code, found in reportable().items() if found.publish != "nothing"]
    return cases.filter(service_code__in=shown)


def with_times(cases: QuerySet[Case]) -> QuerySet[Case]:
    """With `moved_at_ms`, when something last happened, and `promised_at_ms`, when it should be put right."""
    last = HistoryEntry.objects.filter(case=OuterRef("pk"), number=OuterRef("history_length"))
    due = Clock._base_manager.filter(
        case=OuterRef("pk"), kind=Kind.RESOLUTION, state__in=(ClockState.RUNNING, ClockState.PAUSED)
    ).order_by("-round", "-pk")
    return cases.select_related("grid", "open311").annotate(
        moved_at_ms=Subquery(last.values("recorded_at_ms")[:1]),
        promised_at_ms=Subquery(due.values("due_at_ms")[:1]),
    )


def requests_out(
    cases: Sequence[Any],
    language: str,
    base: str,
    *,
    holder: ApiKey | None = None,
    by_token: bool = False,
    extended: bool = False,
) -> list[dict[str, Any]]:
    """Cases as requests.

    Args:
        cases: of `with_times`.
        language: of titles.
        base: scheme and host for addresses of pictures.
        holder: whose key came with the question; of what it brought it reads everything that it wrote.
        by_token: whether the token of this one case came.
        extended: with detailed status, steps and pictures.
    """
    media: dict[int, list[str]] = {}
    mine = [case.pk for case in cases if _is_mine(case, holder, by_token)]
    if mine:
        from central.cases.models import Attachment

        # What came with the report. Photos that officers took, at people's doors too, stay inside.
        brought = Attachment.objects.filter(case__in=mine, key__startswith=BROUGHT)
        rows = brought.values_list("case_id", "pk")
        for case_id, attachment in rows:
            media.setdefault(case_id, []).append(base + media_path(attachment))
    moves = _moves(cases, language) if extended else {}
    return [
        _request_out(case, language, media.get(case.pk, []), case.pk in mine, moves if extended else None)
        for case in cases
    ]


def media_path(attachment_id: int) -> str:
    """The address of a picture, which nobody can guess."""
    return reverse("open311:media", args=[signing.Signer(salt=SALT).sign(attachment_id).replace(":", ".")])


def attachment_of(token: str) -> int | None:
    """The picture of an address, if we made it."""
    try:
        return int(signing.Signer(salt=SALT).unsign(token.replace(".", ":", 1)))
    except (signing.BadSignature, ValueError):
        return None


def _is_mine(case: Any, holder: ApiKey | None, by_token: bool) -> bool:
    report = getattr(case, "open311", None)
    return report is not None and (by_token or (holder is not None and report.key_id == holder.pk))


def _request_out(
    case: Any, language: str, media: list[str], mine: bool, moves: dict[int, list[dict[str, Any]]] | None
) -> dict[str, Any]:
    definition = definition_of(case)
    state = definition.by_name[case.process_state]
    report = getattr(case, "open311", None)
    words = case.text if mine else mask_text(case.text) if definition.publish == "words" else None
    told = state.titles.text(language)
    if case.relation == Relation.DUPLICATE:
        told = f"{told}: {case.parent_id}"
    content = {
        "service_request_id": str(case.pk),
        "status": "closed" if case.state == CaseState.CLOSED else "open",
        "status_notes": told,
        "service_name": definition.titles.text(language),
        "service_code": case.service_code,
        "description": words,
        "agency_responsible": None if case.grid is None else case.grid.name,
        "service_notice": None,
        "requested_datetime": w3(case.opened_at_ms),
        "updated_datetime": w3(case.moved_at_ms or case.opened_at_ms),
        "expected_datetime": w3(case.promised_at_ms),
        "address": case.place if mine or definition.publish != "nothing" else None,
        "address_id": report.address_id or None if mine and report is not None else None,
        "zipcode": None,
        "lat": case.latitude,
        "long": case.longitude,
        "media_url": media[0] if media else None,
    }
    if moves is not None:
        content["extended_attributes"] = {
            "detailed_status": case.process_state,
            "step": str(case.step),
            "ending": state.ending,
            "reopened": case.round,
            "duplicate_of": str(case.parent_id) if case.relation == Relation.DUPLICATE else None,
            "media_urls": media,
        }
        content["notes"] = moves.get(case.pk, [])
    return content


def _moves(cases: Iterable[Case], language: str) -> dict[int, list[dict[str, Any]]]:
    """Where each case went and when: states' titles alone, never what was written with a step."""
    import json

    by_id = {case.pk: definition_of(case) for case in cases}
    found: dict[int, list[dict[str, Any]]] = {}
    entries = HistoryEntry.objects.filter(case__in=list(by_id), body__contains='"moved":')
    for case_id, at_ms, body in entries.order_by("case_id", "number").values_list("case_id", "at_ms", "body"):
        for _, target in json.loads(body)["moved"]:
            state = by_id[case_id].by_name.get(target)
            if state is not None:
                note = {"datetime": w3(at_ms), "type": target, "description": state.titles.text(language)}
                found.setdefault(case_id, []).append(note)
    return {case_id: notes[-HISTORY:] for case_id, notes in found.items()}


def _bounds(rule: FieldRule) -> str | None:
    if rule.kind != "integer" or (rule.least is None and rule.most is None):
        return None
    return f"{'' if rule.least is None else rule.least}–{'' if rule.most is None else rule.most}"
