"""Definitions that an administrator puts in force for a jurisdiction, over those of the files.

Each is checked whole, kept with its text, its author and the reason, and counts from its commit in every process; cases keep
the rules under which they were opened. Nothing is overwritten: the way back is one more version.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from central.cases import catalogue
from central.cases.clustering import gate
from central.cases.definition import Definition
from central.cases.models import ServiceVersion
from central.cases.rules import keep, service
from central.project.clock import now_ms
from protocol.errors import PatrolError

REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class InForce:
    """What new cases of a service follow in a jurisdiction.

    Attributes:
        definition: the rules.
        text: their TOML, as somebody wrote it.
        version: who put it up, when and why; None where it is what the files say.
    """

    definition: Definition
    text: str
    version: ServiceVersion | None


def in_force(code: str, jurisdiction_id: str) -> InForce:
    """The rules of now, with their text.

    Raises:
        PatrolError: there is no such service.
    """
    definition = service(code, jurisdiction_id)
    newest = versions(code, jurisdiction_id).first()
    if newest is None or newest.definition_id is None:
        return InForce(definition, catalogue.text_of(code, settings.PATROL.services_folder), None)
    return InForce(definition, newest.text, newest)


def versions(code: str, jurisdiction_id: str) -> QuerySet[ServiceVersion]:
    """All that was ever put up, newest first."""
    every: QuerySet[ServiceVersion] = ServiceVersion.objects.unscoped(
        "of the jurisdiction that the caller has checked"
    )
    return every.filter(service_code=code, jurisdiction_id=jurisdiction_id).order_by("-pk")


def put(
    text: str, jurisdiction_id: str, *, reason: str, author: str, seen: str | None = None
) -> ServiceVersion:
    """Put a definition in force for new cases of a jurisdiction.

    Args:
        text: TOML, as in a file.
        jurisdiction_id: whose cases.
        reason: why; kept with the author.
        author: ``user:…`` or ``cli:…``.
        seen: hash of the rules that the author looked at; others in force meanwhile are not overwritten unseen.

    Raises:
        PatrolError: the text cannot be followed, the service is none of this centre's, nothing changes, no reason is given,
            or others are in force than were seen; nothing is stored.
    """
    definition, found = catalogue.examine(text.encode())
    if definition is None:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PatrolError(found[0].problem + more, field=found[0].field or "text")
    return _store(definition.service_code, definition, text, jurisdiction_id, reason, author, seen)


def take_back(
    code: str, jurisdiction_id: str, *, reason: str, author: str, seen: str | None = None
) -> ServiceVersion:
    """From now on new cases follow what the files say.

    Raises:
        PatrolError: they do so already, or as above.
    """
    return _store(code, None, "", jurisdiction_id, reason, author, seen)


def _store(
    code: str,
    definition: Definition | None,
    text: str,
    jurisdiction_id: str,
    reason: str,
    author: str,
    seen: str | None,
) -> ServiceVersion:
    if not jurisdiction_id:
        raise PatrolError("whose cases? A jurisdiction is needed", field="jurisdiction")
    reason = reason.replace("\x00", "").strip()
    if not reason:
        raise PatrolError("changed rules need a reason", field="reason")
    with transaction.atomic():
        gate(jurisdiction_id, code)
        current = service(code, jurisdiction_id)
        if seen is not None and seen != current.sha256:
            raise PatrolError(
                "somebody else has changed these rules meanwhile",
                field="seen",
                value=seen[:12],
                mend="Look at what is in force now and change that.",
            )
        if definition is None:
            newest = versions(code, jurisdiction_id).first()
            same = newest is None or newest.definition_id is None
        else:
            same = definition.sha256 == current.sha256
        if same:
            raise PatrolError("these rules are in force already", field="text")
        if definition is not None:
            keep(definition)
        return ServiceVersion.objects.create(
            jurisdiction_id=jurisdiction_id,
            service_code=code,
            definition_id=None if definition is None else definition.sha256,
            text=text,
            reason=reason[:REASON_LENGTH],
            author=author[:160],
            at_ms=now_ms(),
        )
