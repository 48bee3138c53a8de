"""Looking behind the mask, and the list of who did."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render, resolve_url
from django.views.decorators.http import require_http_methods, require_safe

from central.cases.models import Case
from central.people import access_log, policy
from central.people.access import roles
from central.people.models import SensitiveRead, User
from central.project.asked import next_page, whole

PAGE = 100


class WhyForm(forms.Form):
    """Why somebody wants to see a plate."""

    why = forms.CharField(min_length=2, max_length=300)


@require_http_methods(["GET", "HEAD", "POST"])
@roles(*policy.readers("plates"))
def show_plate(request: HttpRequest, case_id: int) -> HttpResponse:
    """Ask why; then show a case's plate in full for a while, and write down who asked and why."""
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=case_id)
    target = next_page(request, resolve_url("pages:case", case_id))
    form = WhyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        access_log.show(request, case, form.cleaned_data["why"])
        return HttpResponseRedirect(target)
    context = {"case": case, "form": form, "next": target, "nav": "board"}
    status = 422 if request.method == "POST" else 200
    return render(request, "pages/show_plate.html", context, status=status)


# The auditor's own reading changes nothing but this log, so a POST that only shows is his as well.
show_plate.patrol_reads = True  # type: ignore[attr-defined]


@require_safe
@roles(*policy.readers("access_log"))
def access_log_page(request: HttpRequest) -> HttpResponse:
    """The newest looks first; by person, case and time."""
    who, case, before = (request.GET.get(name, "")[:150] for name in ("who", "case", "before"))
    context = {
        "reads": reads(request.user, who, case, before),
        "who": who,
        "case": case,
        "nav": "access-log",
    }
    context["older"] = f"{context['reads'][-1].pk}" if len(context["reads"]) == PAGE else ""
    return render(request, "pages/access_log.html", context)


def reads(user: User, who: str = "", case: str = "", before: str = "") -> list[SensitiveRead]:
    """Looks in a person's scope, newest first, at most `PAGE`.

    Args:
        user: who reads the log.
        who: log-in name of who looked; empty for all.
        case: a case's number; empty for all.
        before: number of a look: only older ones.
    """
    found = SensitiveRead.objects.order_by("-id")
    if user.jurisdictions is not None:
        found = found.filter(jurisdiction_id__in=user.jurisdictions)
    if user.by_grid:
        seen = Case.objects.visible_to(user)
        found = found.filter(subject="case", number__in=seen.values("pk"))
    if who:
        found = found.filter(name=who)
    if case:
        number = whole(case)
        found = found.none() if number is None else found.filter(subject="case", number=number)
    last = whole(before)
    if last is not None:
        found = found.filter(pk__lt=last)
    return list(found[:PAGE])
