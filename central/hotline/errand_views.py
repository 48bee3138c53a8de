"""What is to be done: lists by kind, one form to say what came of it, and what belongs to a case."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from central.cases import parts
from central.cases.attachments import attach_upload
from central.cases.engine import RefusedError
from central.cases.models import Attachment, Case
from central.cases.photos import BadPhotoError
from central.hotline import errands
from central.hotline.common import refusal, show
from central.hotline.models import Call, Errand, ErrandKind, ErrandResult, ErrandState
from central.people import policy
from central.people.access import EVERYONE, roles
from central.people.models import User
from central.project.asked import form_key, moment, next_page, whole
from protocol.errors import PatrolError

LISTED = 100
PART = "hotline/_case.html"


@require_safe
@roles(*policy.readers("hotline_errands"))
def due(request: HttpRequest) -> HttpResponse:
    """What is open, by kind, the most urgent first; people in the field see what was given to them."""
    kind = request.GET.get("kind", "")
    seen = Errand.objects.visible_to(request.user).select_related(
        "case", "call", "assigned_to", "case__reporter"
    )
    if request.user.role in policy.FIELD:
        seen = seen.filter(assigned_to=request.user)
    done = request.GET.get("show") == "done"
    seen = seen.exclude(state=ErrandState.OPEN) if done else seen.filter(state=ErrandState.OPEN)
    if kind in ErrandKind.values:
        seen = seen.filter(kind=kind)
    order = ("-done_at_ms", "-pk") if done else ("due_at_ms", "pk")
    found = list(seen.order_by(*order)[:LISTED])
    context = {
        "rows": [row(errand, request.user) for errand in found],
        "kinds": [("", _("All")), *((each.value, each.label) for each in ErrandKind)],
        "kind": kind,
        "done": done,
        "here": request.get_full_path(),
    }
    return show(request, "due", "hotline/due.html", context)


def row(errand: Errand, user: User) -> dict[str, Any]:
    """An errand with its possible ends, for the pages."""
    return {
        "errand": errand,
        "later": errand.state == ErrandState.OPEN and errand.tries > 0,
        "urgency": parts.urgency(errand.due_at_ms) if errand.state == ErrandState.OPEN else "none",
        "results": [(each, ErrandResult(each).label) for each in errands.RESULTS[errand.kind]],
        "may": errands.may_finish(errand, user),
        "may_cancel": errand.state == ErrandState.OPEN
        and user.role in errands.MAKES.get(errand.kind, ())
        and (errand.kind != ErrandKind.SUPERVISION or errand.made_by == errands.actor_name(user)),
        "photo": errand.kind == ErrandKind.VISIT,
        "needs_note": errand.kind == ErrandKind.SUPERVISION,
        "tries_again": bool(errands.AGAIN & set(errands.RESULTS[errand.kind])),
        "may_reopen": errand.kind == ErrandKind.RETURN_VISIT,
        "form": f"errand-{errand.pk}",
        "key": uuid.uuid4(),
    }


@require_POST
@roles(*policy.writers("hotline_errands"))
def finish(request: HttpRequest, errand_id: int) -> HttpResponse:
    """Say what came of it."""
    errand: Errand = get_object_or_404(Errand.objects.visible_to(request.user), pk=errand_id)
    given = request.POST
    try:
        done = errands.finish(
            errand.pk,
            request.user,
            given.get("result", ""),
            given.get("note", ""),
            photo=_photo(request, errand),
            last="last" in given,
            reopens="reopens" in given,
            call_key=str(form_key(request)),
        )
    except RefusedError as error:
        messages.error(request, str(error.refusal.reason))
    except BadPhotoError:
        messages.error(request, _("This file is not a photo that can be read. Take it again."))
    except PatrolError as error:
        messages.error(request, refusal(error))
    else:
        again = done.state == ErrandState.OPEN
        messages.success(request, _("Stored. It is due again later.") if again else _("Stored."))
    return _back(request)


@require_POST
@roles(*policy.writers("hotline_errands"))
def cancel(request: HttpRequest, errand_id: int) -> HttpResponse:
    """It is not needed any more."""
    errand: Errand = get_object_or_404(Errand.objects.visible_to(request.user), pk=errand_id)
    try:
        errands.cancel(errand.pk, request.user, request.POST.get("note", ""))
    except PatrolError as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("It was taken back."))
    return _back(request)


@require_POST
@roles(*policy.writers("hotline"))
def call_back(request: HttpRequest, call_id: int) -> HttpResponse:
    """Promise a caller to ring back."""
    found: Call = get_object_or_404(Call.objects.visible_to(request.user).select_related("case"), pk=call_id)
    try:
        errands.make(
            ErrandKind.CALL_BACK,
            request.user,
            key=f"back/{form_key(request)}",
            due_at_ms=_when(request.POST.get("due", "")),
            what=request.POST.get("what", ""),
            case_id=found.case_id,
            call=found,
        )
    except PatrolError as error:
        messages.error(request, refusal(error))
    else:
        messages.success(request, _("The call-back stands on the list."))
    return HttpResponseRedirect(reverse("hotline:call", args=[found.pk]))


@require_safe
@roles(*EVERYONE)
def case_part(request: HttpRequest, case_id: int) -> HttpResponse:
    """Calls and errands of a case, and the forms for a visit and for supervision."""
    return _part(request, parts.find(request, case_id))


@require_POST
@roles(*policy.writers("hotline_errands"))
def ask(request: HttpRequest, case_id: int) -> HttpResponse:
    """Ask for a visit, or for an account."""
    case = parts.find(request, case_id)
    kind = request.POST.get("kind", "")
    form = f"ask-{kind}" if kind in ErrandKind.values else "ask"
    number = whole(request.POST.get("person", ""))
    person = next((each for each in _people(request, kind) if each.pk == number), None)
    try:
        errands.make(
            kind,
            request.user,
            key=f"ask/{form_key(request)}",
            due_at_ms=_when(request.POST.get("due", "")),
            what=request.POST.get("what", ""),
            case_id=case.pk,
            person=person,
        )
    except RefusedError as error:
        wrong = parts.Wrong(form, str(error.refusal.reason), status=403, given=request.POST)
        return _part(request, case, wrong)
    except PatrolError as error:
        wrong = parts.Wrong(form, refusal(error), error.field or "", given=request.POST)
        return _part(request, case, wrong)
    said = _("Asked for; whoever it concerns has an alert.")
    if not request.htmx:
        return parts.sent_on(request, "hotline:case", case, said)
    return _part(request, case, said=said)


def _part(request: HttpRequest, case: Case, wrong: parts.Wrong | None = None, said: str = "") -> HttpResponse:
    made = [
        kind
        for kind in (ErrandKind.VISIT, ErrandKind.SUPERVISION)
        if request.user.role in errands.MAKES[kind] and case.state != "closed"
    ]
    found = list(case.errands.select_related("assigned_to", "photo").order_by("-made_at_ms", "-pk")[:40])
    reads_calls = request.user.role in policy.readers("hotline")
    context = {
        "calls": list(case.calls.select_related("taken_by").order_by("-started_at_ms")[:20])
        if reads_calls
        else [],
        "rows": [row(errand, request.user) for errand in found],
        "forms": [
            {
                "kind": kind,
                "label": kind.label,
                "people": _people(request, kind),
                "form": f"ask-{kind}",
                "key": uuid.uuid4(),
            }
            for kind in made
        ],
        "here": reverse("hotline:case", args=[case.pk]),
    }
    return parts.show(request, case, PART, context, wrong=wrong, said=said, where="hotline")


def _people(request: HttpRequest, kind: str) -> list[User]:
    wanted = errands.DOES.get(kind, frozenset())
    found = parts.colleagues(request.user, wanted)
    return [each for each in found if kind != ErrandKind.SUPERVISION or each.pk != request.user.pk]


def _photo(request: HttpRequest, errand: Errand) -> Attachment | None:
    file = request.FILES.get("photo")
    if file is None or errand.case is None or errand.kind != ErrandKind.VISIT:
        return None
    if not errands.may_finish(errand, request.user):
        return None
    return attach_upload(errand.case, request.user, file, form_key(request))


def _when(text: str) -> int:
    """A date and time as the browser's field gives it, on the clocks here.

    Raises:
        PatrolError: it is none.
    """
    try:
        return moment(text)
    except ValueError:
        raise PatrolError("this is no date and time", field="due", value=text[:40]) from None


def _back(request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(next_page(request, reverse("hotline:due")))
