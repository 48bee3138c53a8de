"""One case: what happened, both pictures, why, and the history that cannot be rewritten."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from central.cases.models import Case, Evidence, WorkOrder
from central.cases.parts import urgency
from central.cases.pictures import path_of
from central.cases.states import OPEN_STATES
from central.pages import geometry, queries, rows, words
from central.people import access_log, policy
from central.people.access import EVERYONE, roles
from central.project.clock import now_ms


@require_safe
@roles(*EVERYONE)
def detail(request: HttpRequest, case_id: int) -> HttpResponse:
    """The whole page; its living part or the command centre's panel where htmx asks for one."""
    case = _find(request, case_id)
    template = "pages/case.html"
    if request.htmx and not request.htmx.history_restore_request:
        template = "pages/_panel.html" if request.htmx.target == "panel" else "pages/_case_changed.html"
        if request.htmx.target == "panel-case":
            template = "pages/_panel_changed.html"
    return render(request, template, context_of(request, case))


@require_safe
@roles(*EVERYONE)
def sheet(request: HttpRequest, case_id: int) -> HttpResponse:
    """The evidence sheet: everything that is known, for paper."""
    case = _find(request, case_id)
    context = context_of(request, case)
    context["history"] = context["history"][::-1]
    return render(request, "pages/sheet.html", {**context, "printed_at_ms": now_ms()})


def with_all(cases: Any) -> Any:
    """Cases with everything that a page about one shows."""
    orders = Prefetch(
        "work_orders", WorkOrder.objects.select_related("assignee").order_by("-issued_at_ms", "-pk")
    )
    return cases.select_related("stay__agent", "notice", "grid").prefetch_related("evidence__picture", orders)


def context_of(request: HttpRequest, case: Case) -> dict[str, Any]:
    """What the templates about one case need."""
    orders = list(case.work_orders.all())
    order = next((each for each in orders if each.state in OPEN_STATES), orders[0] if orders else None)
    stay = getattr(case, "stay", None)
    due = rows.due_of(case, order, stay)
    pictures = queries.pictures(case)
    shown = access_log.is_shown(request, case)
    return {
        "case": case,
        "stay": stay,
        "notice": getattr(case, "notice", None),
        "orders": orders,
        "order": order,
        "due_at_ms": due,
        "urgency": urgency(due),
        "pictures": pictures,
        "pair": _pair(pictures),
        # A crop says what the mask hides.
        "plates": [item for item in case.evidence.all() if item.role == "plate" and shown],
        "history": [words.history_line(entry) for entry in case.history.order_by("-number")],
        "plate_shown": shown,
        "may_handle": request.user.role in policy.FIELD,
        "may_show_plate": access_log.may_show_plate(request.user),
        "outline": _outline(request, case),
        "scale": geometry.SCALE,
        "now_ms": now_ms(),
        "nav": "board",
    }


def _pair(pictures: list[Evidence]) -> tuple[Evidence, Evidence] | None:
    """Before and after, where both have arrived and have one shape, so that one can lie on the other."""
    shown = [item for item in pictures if item.picture is not None]
    before = next((item for item in shown if item.role == "confirm"), None)
    after = next((item for item in reversed(shown) if item.role == "recheck"), None)
    if (
        len(pictures) != 2
        or before is None
        or after is None
        or before.width * after.height != after.width * before.height
    ):
        return None
    return before, after


def _outline(request: HttpRequest, case: Case) -> str:
    """The case's grid for the map, as JSON for an attribute."""
    found = geometry.outline_of(request.user, case.grid)
    return "" if found is None else json.dumps(found.rings, separators=(",", ":"))


def _find(request: HttpRequest, case_id: int) -> Case:
    return get_object_or_404(with_all(Case.objects.visible_to(request.user)), pk=case_id)


@require_safe
@roles(*EVERYONE)
def picture(request: HttpRequest, case_id: int, sha256: str) -> HttpResponseBase:
    """An evidence picture exactly as it was sealed."""
    return _serve(request, case_id, sha256, thumbnail=False)


@require_safe
@roles(*EVERYONE)
def thumbnail(request: HttpRequest, case_id: int, sha256: str) -> HttpResponseBase:
    """Its small copy, made by the centre, without metadata."""
    return _serve(request, case_id, sha256, thumbnail=True)


def _serve(request: HttpRequest, case_id: int, sha256: str, *, thumbnail: bool) -> HttpResponse:
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=case_id)
    found = case.evidence.filter(sha256=sha256, picture__isnull=False).select_related("picture").first()
    if found is None or found.picture is None:
        raise Http404
    crop = found.role == "plate"
    if crop and not access_log.is_shown(request, case):
        raise PermissionDenied
    if not thumbnail:
        access_log.note_read(request, case, access_log.PICTURE, access_log.EVIDENCE)
    etag = f'"{sha256}{"-t" if thumbnail else ""}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        try:
            data = path_of(sha256, thumbnail=thumbnail).read_bytes()
        except FileNotFoundError:
            raise Http404 from None
        response = HttpResponse(data, content_type="image/jpeg")
        response["Content-Disposition"] = f'inline; filename="{sha256[:16]}.jpg"'
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["Last-Modified"] = http_date(found.picture.received_at_ms / 1000)
    response["ETag"] = etag
    # Named by its own hash, so it never changes; private, so only this person's browser keeps it.
    # A crop of the plate is shown for ten minutes, so nobody's browser keeps it.
    response["Cache-Control"] = "no-store" if crop else "private, max-age=604800, immutable"
    return response
