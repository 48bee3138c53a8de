"""The rules that cases follow: what is in force for a new case, and what an older one was opened under."""

from __future__ import annotations

import hashlib
import threading

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from central.cases import catalogue
from central.cases.definition import PRIORITIES, Definition
from central.cases.models import Case, ServiceDefinition, ServiceVersion
from central.project.clock import now_ms
from central.project.unit import current
from protocol.errors import PatrolError

_lock = threading.Lock()
_current: dict[object, dict[str, Definition]] = {}
_known: dict[str, Definition] = {}
_kept: set[tuple[str, str]] = set()
"""(database, hash) of definitions whose row is known to be committed."""


def services(jurisdiction_id: str = "") -> dict[str, Definition]:
    """The services in force, by their code: those of files, and over them what administrators put up for a jurisdiction.

    Files are read once for each process: a changed one counts from its next start. What an administrator puts up counts from
    its commit, in every process.

    Args:
        jurisdiction_id: whose; empty for what the files say.

    Raises:
        PatrolError: a file is wrong.
    """
    folder = settings.PATROL.services_folder
    with _lock:
        if folder not in _current:
            _current[folder] = catalogue.load(folder)
        found = _current[folder]
    if not jurisdiction_id:
        return found
    newest = (
        _versions(jurisdiction_id)
        .order_by("service_code", "-pk")
        .values_list("service_code", "definition_id")
    )
    put: dict[str, str | None] = {}
    for code, sha256 in newest:
        put.setdefault(code, sha256)
    return {code: _by_hash(put.get(code)) or definition for code, definition in found.items()}


def service(code: str, jurisdiction_id: str = "") -> Definition:
    """The service of this code as it is in force; one query where a jurisdiction is named, one in all for a unit.

    Raises:
        PatrolError: there is none.
    """
    found = services().get(code)
    if found is None:
        raise PatrolError(
            "there is no such service",
            field="service_code",
            value=code,
            mend=f"Known: {', '.join(sorted(services()))}",
        )
    if not jurisdiction_id:
        return found
    unit, name = current(), f"service {code} {jurisdiction_id}"
    if unit is not None and name in unit.held:
        return unit.held[name]  # type: ignore[no-any-return]
    rows = _versions(jurisdiction_id).filter(service_code=code).order_by("-pk")
    definition = _by_hash(rows.values_list("definition_id", flat=True).first()) or found
    if unit is not None:
        unit.held[name] = definition
    return definition


def title_of(code: str, language: str) -> str:
    """What a kind of case is called in lists, by the files; one whose file is gone keeps its code."""
    found = services().get(code)
    return code if found is None else found.titles.text(language)


def state_of(case: Case, language: str) -> str:
    """Where a case stands by its own rules, in their words; nothing for one without rules."""
    found = definition_of(case).by_name.get(case.process_state) if case.definition_id else None
    return found.titles.text(language) if found else ""


def _versions(jurisdiction_id: str) -> QuerySet[ServiceVersion]:
    every: QuerySet[ServiceVersion] = ServiceVersion.objects.unscoped(
        "rules of a jurisdiction bind whoever has a case in it"
    )
    return every.filter(jurisdiction_id=jurisdiction_id)


def _by_hash(sha256: str | None) -> Definition | None:
    return None if sha256 is None else by_hash(sha256)


def opening(code: str, jurisdiction_id: str = "") -> dict[str, object]:
    """The fields with which a case of this service begins. Its rules are kept, in the caller's transaction."""
    definition = service(code, jurisdiction_id)
    keep(definition)
    first = definition.initial
    return {
        "service_code": code,
        "definition_id": definition.sha256,
        "process_state": first.name,
        "step": first.step,
        "state": first.coarse,
        "priority": PRIORITIES[definition.priority],
    }


def keep(definition: Definition) -> None:
    """Store a definition under its hash. Once it is committed, this costs nothing more in this process."""
    name = connection.settings_dict
    where = (f"{name.get('HOST')}/{name.get('PORT')}/{name['NAME']}", definition.sha256)
    if where in _kept:
        return
    ServiceDefinition.objects.bulk_create(
        [
            ServiceDefinition(
                sha256=definition.sha256,
                service_code=definition.service_code,
                body=definition.canonical,
                kept_at_ms=now_ms(),
            )
        ],
        ignore_conflicts=True,
    )
    transaction.on_commit(lambda: _kept.add(where))


def definition_of(case: Case) -> Definition:
    """The rules that a case follows.

    Raises:
        PatrolError: it has none, which only happens where rows were changed by hand.
    """
    if case.definition_id is None:
        raise PatrolError(
            "this case has no rules", value=f"case {case.pk}", mend="Run: patrol central migrate"
        )
    return by_hash(case.definition_id)


def by_hash(sha256: str) -> Definition:
    """A definition by its hash. They never change, so each process reads one once.

    The stored text is what the hash names; a newer version of the schema may read more out of it than it said.

    Raises:
        PatrolError: the row was changed.
    """
    found = _known.get(sha256)
    if found is None:
        found = next((known for known in services().values() if known.sha256 == sha256), None)
        if found is None:
            body = ServiceDefinition.objects.values_list("body", flat=True).get(pk=sha256)
            found = Definition.model_validate_json(body)
            if hashlib.sha256(body.encode()).hexdigest() != sha256:
                raise PatrolError("the rules of this hash were changed after they were kept", value=sha256)
        _known[sha256] = found
    return found
