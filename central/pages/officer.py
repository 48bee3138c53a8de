"""The officer's pages, for a phone in one hand: what waits, what is mine, accept, close."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from central.cases import services
from central.cases.models import WorkOrder
from central.cases.states import NotPossibleError, ObjectedError, Result, WorkState
from central.pages import queries
from central.people import access_log
from central.people.access import EVERYONE, roles
from central.people.models import Role

SHOWN = 60


class FindingForm(forms.Form):
    """What the officer found."""

    result = forms.ChoiceField(
        choices=Result.choices, error_messages={"required": gettext_lazy("Choose what you found.")}
    )
    note = forms.CharField(required=False, max_length=services.NOTE_LENGTH)


@require_safe
@roles(Role.OFFICER)
def tasks(request: HttpRequest) -> HttpResponse:
    """My open tasks by deadline, then what waits for somebody."""
    orders = queries.work_orders(request.user)
    context = {
        "mine": orders.filter(assignee=request.user, state=WorkState.ACCEPTED).order_by("due_at_ms")[:SHOWN],
        "waiting": orders.filter(state=WorkState.NEW).order_by("due_at_ms")[:SHOWN],
        "ended": orders.filter(
            assignee=request.user, state__in=[WorkState.CLOSED, WorkState.RETRACTED]
        ).order_by("-ended_at_ms")[:5],
        "nav": "officer",
    }
    return render(request, "pages/_officer.html" if request.htmx else "pages/officer.html", context)


@require_safe
@roles(*EVERYONE)
def task(request: HttpRequest, order_id: int) -> HttpResponse:
    """One task: the picture, the place, one thing to press."""
    return _show(request, _find(request, order_id), FindingForm())


@require_POST
@roles(Role.OFFICER)
def accept(request: HttpRequest, order_id: int) -> HttpResponse:
    """Take the task. Of two who press, one gets it and the other is told who did."""
    try:
        services.accept(order_id, request.user)
        messages.success(request, _("The task is yours."))
    except WorkOrder.DoesNotExist:
        raise Http404 from None
    except NotPossibleError as error:
        order = _find(request, order_id)
        messages.warning(request, _refusal(order, error.state))
    return redirect("pages:task", order_id)


@require_POST
@roles(Role.OFFICER)
def close(request: HttpRequest, order_id: int) -> HttpResponse:
    """End the task with what was found. Pressing twice closes once."""
    form = FindingForm(request.POST)
    order = _find(request, order_id)
    if not form.is_valid():
        return _show(request, order, form, status=422)
    finding = services.Finding(Result(form.cleaned_data["result"]), form.cleaned_data["note"])
    try:
        order = services.close(order_id, request.user, finding)
        messages.success(request, _("Closed: %(result)s") % {"result": Result(order.result).label})
    except ObjectedError as error:
        messages.warning(request, _objected(error))
        return redirect("pages:task", order_id)
    except NotPossibleError as error:
        order = _find(request, order_id)
        messages.warning(request, _refusal(order, error.state))
        return redirect("pages:task", order_id)
    return redirect("pages:officer")


def _find(request: HttpRequest, order_id: int) -> WorkOrder:
    return get_object_or_404(queries.work_orders(request.user), pk=order_id)


def _show(request: HttpRequest, order: WorkOrder, form: FindingForm, status: int = 200) -> HttpResponse:
    pictures = queries.pictures(order)
    context = {
        "order": order,
        "stay": getattr(order.case, "stay", None),
        "pictures": sorted(pictures, key=lambda item: item.role != "recheck"),
        "mine": order.assignee_id == request.user.pk,
        "may_act": request.user.role == Role.OFFICER,
        "plate_shown": access_log.shows_task(request, order.case, order.assignee_id),
        "may_show_plate": access_log.may_show_plate(request.user),
        "form": form,
        "results": Result.choices,
        "nav": "officer",
    }
    template = "pages/_task_notice.html" if request.htmx else "pages/task.html"
    return render(request, template, context, status=status)


def _objected(error: ObjectedError) -> str:
    """Why nobody can be fined here."""
    if error.reviewed:
        return _("A review found that it is another vehicle. Nobody can be fined here.")
    return _(
        "The driver objected. A dispatcher has to review it before anybody is fined; close it otherwise, or wait."
    )


def _refusal(order: WorkOrder, state: WorkState) -> str:
    """Why it did not work, and who has it."""
    who = order.assignee.shown_name if order.assignee else ""
    if state == WorkState.RETRACTED:
        return _("The vehicle has left and the task was retracted: nobody needs to go.")
    if state == WorkState.ACCEPTED:
        return _("%(officer)s has already accepted this task.") % {"officer": who}
    if state == WorkState.CLOSED:
        return _("%(officer)s has already closed this task: %(result)s") % {
            "officer": who,
            "result": Result(order.result).label,
        }
    return _("Accept the task first.")
