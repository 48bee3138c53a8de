"""Two addresses for a supervisor: is the process alive, and can it do its work."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from central.ingest.state import ingest_state
from central.people.access import open_to_all
from central.project import bootstrap
from protocol.errors import PatrolError


@open_to_all
def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """200 while the process answers."""
    return JsonResponse({"status": "ok"})


@open_to_all
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001
    """200 when the database answers and has this version's tables; `ingest` tells of the other process."""
    try:
        connection.ensure_connection()
        bootstrap.check_schema()
        ingest = ingest_state().state
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "unreachable"}, status=503)
    except PatrolError:
        return JsonResponse({"status": "unavailable", "database": "other version"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok", "ingest": ingest})
