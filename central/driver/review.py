"""A dispatcher decides on a driver's objection."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from central.cases.models import Case
from central.driver import services
from central.driver.models import Objection
from central.people.access import roles
from central.people.models import Role


class ReviewForm(forms.Form):
    """What the comparison of plate and pictures showed."""

    finding = forms.ChoiceField(choices=[("upheld", ""), ("rejected", "")])
    note = forms.CharField(required=False, max_length=2000)


@require_POST
@roles(Role.DISPATCHER)
def review(request: HttpRequest, case_id: int) -> HttpResponse:
    """Uphold or reject; a second answer changes nothing."""
    get_object_or_404(Case.objects.visible_to(request.user), pk=case_id)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Choose what the comparison showed."))
        return redirect("pages:case", case_id)
    try:
        services.review(
            case_id,
            request.user,
            upheld=form.cleaned_data["finding"] == "upheld",
            note=form.cleaned_data["note"],
        )
    except Objection.DoesNotExist:
        raise Http404 from None
    messages.success(request, _("The objection is reviewed."))
    return redirect("pages:case", case_id)
