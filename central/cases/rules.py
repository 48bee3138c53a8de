"""The rules that cases follow: what is in force for a new case, and what an older one was opened under."""

from __future__ import annotations

import hashlib
import threading

from django.conf import settings
from django.db import connection, transaction

from central.cases import catalogue
from central.cases.definition import PRIORITIES, Definition
from central.cases.models import Case, ServiceDefinition
from central.project.clock import now_ms
from protocol.errors import PatrolError

_lock = threading.Lock()
_current: dict[object, dict[str, Definition]] = {}
_known: dict[str, Definition] = {}
_kept: set[tuple[str, str]] = set()
"""(database, hash) of definitions whose row is known to be committed."""


def services() -> dict[str, Definition]:
    """The services in force, by their code. Read once for each process: a changed file counts from its next start.

    Raises:
        PatrolError: a file is wrong.
    """
    folder = settings.PATROL.services_folder
    with _lock:
        if folder not in _current:
            _current[folder] = catalogue.load(folder)
        return _current[folder]


def service(code: str) -> Definition:
    """The service of this code as it is in force.

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
    return found


def opening(code: str) -> dict[str, object]:
    """The fields with which a case of this service begins. Its rules are kept, in the caller's transaction."""
    definition = service(code)
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
