"""Where phones send what officers did, and what a phone needs to work without a network."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases.models import WorkOrder
from central.field import services, words
from central.field.forms import ActionForm
from central.field.models import Verdict
from central.people import policy
from central.people.access import roles
from central.project.brake import Brake
from central.project.clock import now_ms

CALLS = Brake(burst=120, per_minute=120)
"""A phone that comes out of a long tunnel sends a shift's photos at once; a broken one does not stop others."""


@require_safe
@roles(*policy.FIELD)
def session(request: HttpRequest) -> HttpResponse:
    """Who is logged in, and a fresh token for forms: the one in a page from yesterday has expired."""
    return JsonResponse({"user": request.user.pk, "csrf": get_token(request), "now_ms": now_ms()})


@require_POST
@roles(*policy.FIELD)
def submit(request: HttpRequest) -> HttpResponse:
    """One action. 200 taken, 409 refused for good; a repetition of the key gets the same answer.

    Of all other answers 400, 404, 413 and 422 are final too, and 403, 429 and 5xx ask to try again later.
    """
    wait_s = CALLS.wait_s(str(request.user.pk))
    if wait_s:
        answer = _answer(429, "wait", _("Too many requests. The phone tries again by itself."))
        answer["Retry-After"] = str(wait_s)
        return answer
    # Made by one officer, sent in the session of another: it is not his.
    if request.POST.get("user", str(request.user.pk)) != str(request.user.pk):
        return _answer(403, "other_user", _("Somebody else is logged in on this phone."))
    photo = request.FILES.get("photo")
    if photo is not None and (photo.size or 0) > services.photo_bytes_max():
        facts = {"size": services.photo_bytes_max() // 2**20}
        return _answer(413, "photo_too_large", words.answer("photo_too_large", facts))
    form = ActionForm(request.POST, request.FILES)
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        return _answer(422, "invalid", str(problems[0]), field=field)
    try:
        done = services.submit(request.user, form.action())
    except WorkOrder.DoesNotExist:
        return _answer(404, "no_such_task", _("This task is not in your area any more."))
    except services.UsedKeyError:
        return _answer(422, "used_key", _("This was sent before with other contents."), field="key")
    refused = done.verdict == Verdict.REFUSED
    return _answer(
        409 if refused else 200,
        done.code,
        words.answer(done.code, done.facts),
        key=str(done.key),
        verdict=done.verdict,
        tapped_at_ms=done.tapped_at_ms,
        now_ms=now_ms(),
        state=WorkOrder.objects.visible_to(request.user)
        .values_list("state", flat=True)
        .get(pk=done.order_id),
    )


def _answer(status: int, code: str, message: str, **more: Any) -> JsonResponse:
    return JsonResponse({"code": code, "message": message, **more}, status=status)
