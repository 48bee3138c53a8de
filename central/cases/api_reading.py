"""What other systems read over HTTP: lists, histories, photos, and cases as CSV or GeoJSON. Always in pages, always by number."""

from __future__ import annotations

import json
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import NinjaAPI, Query, Schema
from pydantic import ConfigDict, Field

from central.cases.api_calls import ProblemError, key_with
from central.cases.api_schemas import AttachmentOut, CaseOut, Millis, Problem, attachment_out, case_out
from central.cases.attachments import path_of
from central.cases.definition import Name
from central.cases.models import ApiKey, Attachment, Case, HistoryEntry
from central.cases.states import CaseState
from central.project.answers import csv_file

PROBLEMS = frozenset({400, 401, 403, 404, 422, 429, 503})
PAGE = 200
EXPORTED = 5000
COLUMNS = (
    "id",
    "source",
    "service_code",
    "state",
    "process_state",
    "step",
    "ending",
    "priority",
    "place",
    "longitude",
    "latitude",
    "grid",
    "opened_at_ms",
    "closed_at_ms",
    "reopened",
    "parent",
    "relation",
)
"""What a table of cases holds: nothing that a reporter wrote, and no plate."""


class Wanted(Schema):
    """Which cases."""

    model_config = ConfigDict(extra="forbid")

    service_code: Name | None = None
    state: CaseState | None = Field(default=None, description="watched, open or closed")
    grid: Annotated[str, Field(max_length=40)] | None = Field(
        default=None, description="Code of a leaf grid."
    )
    opened_from_ms: Millis | None = Field(default=None, description="Opened at this instant or later, UTC.")
    opened_before_ms: Millis | None = Field(default=None, description="Opened before this instant, UTC.")
    after: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=0, description="Cases with greater numbers alone: the `next` of the page before."
    )


class Listed(Wanted):
    """Which cases, and how many at once."""

    limit: Annotated[int, Field(ge=1, le=PAGE)] = 100


class Exported(Wanted):
    """Which cases, and how many at once."""

    limit: Annotated[int, Field(ge=1, le=EXPORTED)] = EXPORTED


class CasesOut(Schema):
    """A page of cases in the order of their numbers."""

    cases: list[CaseOut]
    next: int | None = Field(description="`after` of the next page; null where this was the last.")


class EntryOut(Schema):
    """An entry of a case's history. What was said with it stays in the centre."""

    number: int
    kind: str
    at_ms: int
    recorded_at_ms: int
    by: str = Field(description="What kind of actor it was: user, api, agent, reporter or the centre itself.")
    moved: list[tuple[str, str]] = Field(description="Transitions that it took, and the states they led to.")
    sha256: str
    previous_sha256: str


def add_reading(api: NinjaAPI) -> None:
    """Add these calls to the API."""
    answers: dict[Any, Any] = {PROBLEMS: Problem}
    tags = ["cases"]

    @api.get(
        "/cases",
        response={200: CasesOut, **answers},
        operation_id="list_cases",
        summary="List cases",
        tags=tags,
    )
    def list_cases(request: HttpRequest, wanted: Query[Listed]) -> dict[str, Any]:
        """Cases of the key's jurisdiction in the order of their numbers. Ask again with `after` until `next` is null."""
        rows, following = _page(key_with(request, "read"), wanted, wanted.limit)
        return {"cases": [case_out(case, new=False) for case in rows], "next": following}

    @api.get(
        "/cases/{int:case_id}/history",
        response={200: list[EntryOut], **answers},
        operation_id="get_history",
        summary="Read the history of a case",
        tags=tags,
    )
    def get_history(request: HttpRequest, case_id: int) -> list[dict[str, Any]]:
        """What happened and when, with the chain of hashes; no name, number, reason or text."""
        case = _find(key_with(request, "read"), case_id)
        return [_entry_out(entry) for entry in HistoryEntry.objects.filter(case=case).order_by("number")]

    @api.get(
        "/cases/{int:case_id}/attachments",
        response={200: list[AttachmentOut], **answers},
        operation_id="list_photos",
        summary="List the photos of a case",
        tags=["photos"],
    )
    def list_photos(request: HttpRequest, case_id: int) -> list[dict[str, Any]]:
        """The photos that people and programs added, oldest first."""
        case = _find(key_with(request, "read"), case_id)
        return [attachment_out(made) for made in case.attachments.all()]

    @api.get(
        "/cases/{int:case_id}/attachments/{int:photo_id}",
        response={200: bytes, **answers},
        operation_id="get_photo",
        summary="Read a photo, small",
        tags=["photos"],
        openapi_extra=_binary("image/jpeg"),
    )
    def get_photo(request: HttpRequest, case_id: int, photo_id: int) -> HttpResponse:
        """A JPEG of at most 640 pixels. The photo in full is for people, whose looks are logged."""
        case = _find(key_with(request, "read"), case_id)
        found = Attachment.objects.filter(case=case, pk=photo_id).first() if photo_id < 2**63 else None
        path = None if found is None else path_of(found.thumbnail_sha256, thumbnail=True)
        if path is None or not path.is_file():
            raise Http404
        response = HttpResponse(path.read_bytes(), content_type="image/jpeg")
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response

    @api.get(
        "/export/cases.csv",
        response={200: bytes, **answers},
        operation_id="export_csv",
        summary="Take cases out as CSV",
        tags=["export"],
        openapi_extra=_binary("text/csv"),
    )
    def export_csv(request: HttpRequest, wanted: Query[Exported]) -> HttpResponse:
        """Up to 5000 cases as CSV (UTF-8 with its mark, so that spreadsheets read it). The header `Link` with
        `rel="next"` leads to the rest."""
        rows, following = _page(key_with(request, "export"), wanted, wanted.limit)
        table = ([case_out(case)[name] for name in COLUMNS] for case in rows)
        response = csv_file("cases.csv", [COLUMNS, *table])
        return _linked(request, response, following)

    @api.get(
        "/export/cases.geojson",
        response={200: bytes, **answers},
        operation_id="export_geojson",
        summary="Take cases out as GeoJSON",
        tags=["export"],
        openapi_extra=_binary("application/geo+json"),
    )
    def export_geojson(request: HttpRequest, wanted: Query[Exported]) -> HttpResponse:
        """Up to 5000 cases as a FeatureCollection (RFC 7946, WGS-84); a case without a place has no geometry."""
        rows, following = _page(key_with(request, "export"), wanted, wanted.limit)
        features = []
        for case in rows:
            content = case_out(case)
            point = None
            if case.longitude is not None:
                point = {"type": "Point", "coordinates": [case.longitude, case.latitude]}
            kept = {name: content[name] for name in COLUMNS if name not in {"longitude", "latitude"}}
            features.append({"type": "Feature", "id": case.pk, "geometry": point, "properties": kept})
        body = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
        return _linked(request, HttpResponse(body, content_type="application/geo+json"), following)


def _page(key: ApiKey, wanted: Wanted, limit: int) -> tuple[list[Case], int | None]:
    rows: QuerySet[Case] = Case.objects.filter(jurisdiction_id=key.jurisdiction_id, pk__gt=wanted.after)
    if wanted.service_code is not None:
        rows = rows.filter(service_code=wanted.service_code)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    if wanted.grid is not None:
        if "\x00" in wanted.grid:
            raise ProblemError(422, "field", "A grid's code has no NUL", field="grid")
        rows = rows.filter(grid__code=wanted.grid)
    if wanted.opened_from_ms is not None:
        rows = rows.filter(opened_at_ms__gte=wanted.opened_from_ms)
    if wanted.opened_before_ms is not None:
        rows = rows.filter(opened_at_ms__lt=wanted.opened_before_ms)
    found = list(rows.select_related("grid").order_by("pk")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return found, found[-1].pk if more else None


def _find(key: ApiKey, case_id: int) -> Case:
    if case_id >= 2**63:
        raise Http404
    case: Case = get_object_or_404(Case.objects.filter(jurisdiction_id=key.jurisdiction_id), pk=case_id)
    return case


def _entry_out(entry: HistoryEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "kind": entry.kind,
        "at_ms": entry.at_ms,
        "recorded_at_ms": entry.recorded_at_ms,
        "by": entry.actor.partition(":")[0],
        "moved": json.loads(entry.body).get("moved", []),
        "sha256": entry.sha256,
        "previous_sha256": entry.previous_sha256,
    }


def _linked(request: HttpRequest, response: HttpResponse, following: int | None) -> HttpResponse:
    if following is not None:
        asked = request.GET.copy()
        asked["after"] = str(following)
        response["Link"] = f'<{request.path}?{asked.urlencode()}>; rel="next"'
    return response


def _binary(kind: str) -> dict[str, Any]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}}}
    return {"responses": {200: {"description": "The file", "content": content}}}
