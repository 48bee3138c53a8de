"""The pages of officers and grid workers, for a phone in one hand: what waits, what is mine, accept, photograph, close.

Every button is a plain form. A phone's script sends the same actions through its outbox (`central.field`) instead.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from central.cases import services
from central.cases.models import WorkOrder
from central.cases.states import Result, WorkState
from central.field import offers, words
from central.field.models import Kind, Submission, Verdict
from central.field.services import LATE_MS, Action, UsedKeyError, photo_bytes_max, submit
from central.pages import cards, listing, queries
from central.people import access_log, policy
from central.people.access import EVERYONE, roles
from central.project.asked import form_key
from central.project.clock import now_ms

SHOWN = 60
WAITING = 40
"""Tasks that wait for anybody: the next ones. The list is fresh again at every look."""
ENDED = 5

USER_HEADER = "X-Patrol-User"
"""Whose page it is. The phone's service worker keeps only pages of the officer who is there."""


class FindingForm(forms.Form):
    """What the officer found."""

    result = forms.ChoiceField(
        choices=Result.choices, error_messages={"required": gettext_lazy("Choose what you found.")}
    )
    note = forms.CharField(required=False, max_length=services.NOTE_LENGTH)


class WordsForm(forms.Form):
    """A note, or why a task is declined."""

    note = forms.CharField(required=False, max_length=services.NOTE_LENGTH)
    reason = forms.CharField(required=False, max_length=500)


@require_safe
@roles(*policy.FIELD)
def tasks(request: HttpRequest) -> HttpResponse:
    """What is offered to me and what is mine, by deadline; then what waits for somebody."""
    orders = queries.cards(request.user)
    leases = offers.leases_of(request.user)
    others = offers.offered_to_others(request.user)
    offered = _with_leases(orders.filter(pk__in=leases, state=WorkState.NEW).order_by("due_at_ms"), leases)
    # Numbers first: to fetch whole rows and sort those takes longer the more there are.
    waiting = listing.waiting(request.user, Q(pk__in=list(leases)) | Q(pk__in=others), WAITING)
    ended = orders.filter(assignee=request.user, ended_at_ms__isnull=False).order_by("-ended_at_ms", "-pk")
    ended = ended.select_related(None).prefetch_related(None)
    groups = {
        "offers": offered,
        "mine": list(
            orders.filter(assignee=request.user, state=WorkState.ACCEPTED).order_by("due_at_ms")[:SHOWN]
        ),
        "waiting": _in_order(orders, waiting),
    }
    context = {
        **groups,
        **{f"{name}_cards": cards.render(group, large=name != "waiting") for name, group in groups.items()},
        "ended": _in_order(orders, list(ended.values_list("pk", flat=True)[:ENDED])),
        "nav": "officer",
    }
    response = render(request, "pages/_officer.html" if request.htmx else "pages/officer.html", context)
    response[USER_HEADER] = str(request.user.pk)
    return response


def _in_order(orders: QuerySet[WorkOrder], numbers: list[int]) -> list[WorkOrder]:
    found = orders.in_bulk(numbers)
    return [found[number] for number in numbers if number in found]


@require_safe
@roles(*EVERYONE)
def task(request: HttpRequest, order_id: int) -> HttpResponse:
    """One task: the pictures, the place, one thing to press."""
    return _show(request, _find(request, order_id), FindingForm())


@require_POST
@roles(*policy.FIELD)
def accept(request: HttpRequest, order_id: int) -> HttpResponse:
    """Take the task. Of two who press, one gets it and the other is told who did."""
    _act(request, Action(form_key(request), order_id, Kind.ACCEPT))
    return redirect("pages:task", order_id)


@require_POST
@roles(*policy.FIELD)
def decline(request: HttpRequest, order_id: int) -> HttpResponse:
    """Give an offered task back, with the reason."""
    form = WordsForm(request.POST)
    reason = form.cleaned_data["reason"] if form.is_valid() else ""
    if not reason:
        _find(request, order_id)
        messages.warning(request, _("Say why, so that the next officer knows."))
        return redirect("pages:task", order_id)
    done = _act(request, Action(form_key(request), order_id, Kind.DECLINE, reason=reason))
    return redirect("pages:officer") if done else redirect("pages:task", order_id)


@require_POST
@roles(*policy.FIELD)
def close(request: HttpRequest, order_id: int) -> HttpResponse:
    """End the task with what was found. Pressing twice closes once."""
    form = FindingForm(request.POST)
    order = _find(request, order_id)
    if not form.is_valid():
        return _show(request, order, form, status=422)
    given = form.cleaned_data
    done = _act(
        request, Action(form_key(request), order_id, Kind.OUTCOME, result=given["result"], note=given["note"])
    )
    return redirect("pages:officer") if done else redirect("pages:task", order_id)


@require_POST
@roles(*policy.FIELD)
def note(request: HttpRequest, order_id: int) -> HttpResponse:
    """Add what was seen, also after the task has ended."""
    form = WordsForm(request.POST)
    if form.is_valid() and form.cleaned_data["note"]:
        _act(request, Action(form_key(request), order_id, Kind.NOTE, note=form.cleaned_data["note"]))
    else:
        _find(request, order_id)
        messages.warning(request, _("The note is empty."))
    return redirect("pages:task", order_id)


@require_POST
@roles(*policy.FIELD)
def photos(request: HttpRequest, order_id: int) -> HttpResponse:
    """Add photos by a plain form. Each has a key made from the form's, so that sending twice keeps each once."""
    _find(request, order_id)
    files = request.FILES.getlist("photo")
    if not files:
        messages.warning(request, _("The photo is missing."))
    key = form_key(request)
    for number, file in enumerate(files):
        if (file.size or 0) > photo_bytes_max():
            text = words.answer("photo_too_large", {"size": photo_bytes_max() // 2**20})
            messages.warning(request, text)
            continue
        name = str(file.name or "")[:200]
        photo_key = uuid.uuid5(key, str(number))
        _act(request, Action(photo_key, order_id, Kind.PHOTO, photo=file.read(), photo_name=name))
    return redirect("pages:task", order_id)


def _act(request: HttpRequest, action: Action) -> bool:
    """Do it and say what became of it."""
    try:
        done = submit(request.user, action)
    except WorkOrder.DoesNotExist:
        raise Http404 from None
    except UsedKeyError:
        messages.warning(request, _("This was sent before with other contents."))
        return False
    taken = done.verdict == Verdict.DONE
    say = messages.success if taken else messages.warning
    say(request, words.answer(done.code, done.facts))
    return taken


def _find(request: HttpRequest, order_id: int) -> WorkOrder:
    """The order with `read_at_ms`: what the page says was true then, and may be older than an answer that came later."""
    read_at = now_ms()
    order = get_object_or_404(queries.work_orders(request.user), pk=order_id)
    order.read_at_ms = read_at  # type: ignore[attr-defined]
    return order


def _with_leases(orders: Iterable[WorkOrder], leases: dict[int, int]) -> list[WorkOrder]:
    """The orders with `lease_ends_at_ms`, until when each is offered to this officer."""
    found = list(orders)
    for order in found:
        order.lease_ends_at_ms = leases.get(order.pk)  # type: ignore[attr-defined]
    return found


def _show(request: HttpRequest, order: WorkOrder, form: FindingForm, status: int = 200) -> HttpResponse:
    pictures = queries.pictures(order)
    mine = order.assignee_id == request.user.pk
    if order.state == WorkState.NEW:
        step = "offer"
        _with_leases([order], offers.leases_of(request.user))
    else:
        step = "work" if mine and order.state == WorkState.ACCEPTED else "over"
    sent = Submission.objects.visible_to(request.user).filter(order=order, verdict=Verdict.DONE)
    context = {
        "order": order,
        "stay": getattr(order.case, "stay", None),
        "pictures": sorted(pictures, key=lambda item: (item.picture_id is None, item.role != "recheck")),
        "photos": order.case.attachments.all(),
        "late": [item for item in sent.order_by("pk") if item.received_at_ms - item.tapped_at_ms >= LATE_MS],
        "mine": mine,
        "step": step,
        "may_act": request.user.role in policy.FIELD,
        "plate_shown": access_log.shows_task(request, order.case, order.assignee_id),
        "may_show_plate": access_log.may_show_plate(request.user),
        "form": form,
        "results": Result.choices,
        "nav": "officer",
    }
    template = "pages/_task_live.html" if request.htmx else "pages/task.html"
    response = render(request, template, context, status=status)
    response[USER_HEADER] = str(request.user.pk)
    return response
