"""One case: what happened, both pictures, why, and the history that cannot be rewritten."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from central.cases.models import Case
from central.cases.pictures import path_of
from central.pages import queries, words
from central.people import access_log
from central.people.access import EVERYONE, roles


@require_safe
@roles(*EVERYONE)
def detail(request: HttpRequest, case_id: int) -> HttpResponse:
    """The whole page, or its living part where htmx asks for it."""
    visible = Case.objects.visible_to(request.user).select_related("stay__agent", "notice")
    case = get_object_or_404(
        visible.prefetch_related("evidence__picture", "work_orders__assignee"), pk=case_id
    )
    evidence = list(case.evidence.all())
    context = {
        "case": case,
        "stay": getattr(case, "stay", None),
        "notice": getattr(case, "notice", None),
        "orders": sorted(case.work_orders.all(), key=lambda order: -order.issued_at_ms),
        "pictures": queries.pictures(case),
        "plates": [item for item in evidence if item.role == "plate"],
        "history": [words.history_line(entry) for entry in case.history.order_by("-number")],
        "plate_shown": access_log.is_shown(request, case),
        "may_show_plate": access_log.may_show_plate(request.user),
        "nav": "board",
    }
    return render(request, "pages/_case.html" if request.htmx else "pages/case.html", context)


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
    if not thumbnail:
        access_log.note_read(request, case, access_log.PICTURE, "evidence")
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
    response["Cache-Control"] = "private, max-age=604800, immutable"
    return response
