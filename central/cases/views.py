"""Photos of a case, for those who may see it."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from central.cases.attachments import path_of
from central.cases.models import Attachment
from central.people import access_log
from central.people.access import EVERYONE, roles


@require_safe
@roles(*EVERYONE)
def attachment(request: HttpRequest, case_id: int, attachment_id: int) -> HttpResponseBase:
    """A photo as it is kept."""
    found = _find(request, case_id, attachment_id)
    access_log.note_read(request, found.case, access_log.PICTURE, access_log.ATTACHMENT)
    return _serve(request, found, found.stored_sha256, thumbnail=False)


@require_safe
@roles(*EVERYONE)
def thumbnail(request: HttpRequest, case_id: int, attachment_id: int) -> HttpResponseBase:
    """Its small copy."""
    found = _find(request, case_id, attachment_id)
    return _serve(request, found, found.thumbnail_sha256, thumbnail=True)


def _find(request: HttpRequest, case_id: int, attachment_id: int) -> Attachment:
    visible = Attachment.objects.visible_to(request.user).select_related("case")
    found: Attachment = get_object_or_404(visible, case_id=case_id, pk=attachment_id)
    return found


def _serve(request: HttpRequest, found: Attachment, sha256: str, *, thumbnail: bool) -> HttpResponse:
    etag = f'"{sha256}"'
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
        response["X-Content-Type-Options"] = "nosniff"
        response["Last-Modified"] = http_date(found.received_at_ms / 1000)
    response["ETag"] = etag
    # Named by its own hash, so it never changes; private, so only this person's browser keeps it.
    response["Cache-Control"] = "private, max-age=604800, immutable"
    return response
