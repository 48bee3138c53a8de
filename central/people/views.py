"""Logging in with a password or a link, logging out, choosing the language."""

from __future__ import annotations

from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from central.people import services
from central.people.access import open_to_all, own_account
from central.project.asked import next_page


@open_to_all
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: HttpRequest) -> HttpResponse:
    """The log-in page. After too many wrong passwords it asks to wait and looks at none."""
    target = next_page(request, resolve_url("pages:home"))
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    form = AuthenticationForm(request, data=request.POST or None)
    status = 200
    if request.method == "POST":
        name = request.POST.get("username", "")[:150]
        address = request.META.get("REMOTE_ADDR", "")
        if services.must_wait(name, address):
            form = AuthenticationForm(request)
            form.cleaned_data = {}
            form._errors = form.error_class()  # the fields are shown again, without looking at the password
            context = {"form": form, "next": target, "wait": True, "oidc": settings.PATROL_OIDC}
            return render(request, "people/login.html", context, status=429)
        if form.is_valid():
            services.forget_failures(name)
            return perform_login(request, form.get_user(), redirect_url=target)
        services.remember_failure(name, address)
        status = 403
    context = {"form": form, "next": target, "oidc": settings.PATROL_OIDC}
    return render(request, "people/login.html", context, status=status)


@open_to_all
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def log_in_by_link(request: HttpRequest, secret: str) -> HttpResponse:
    """A single-use link stands for the password: looking at it spends nothing (previews do that), the button does."""
    if request.method == "POST":
        user = services.use_login_link(secret)
        if user is not None:
            return perform_login(request, user, redirect_url=resolve_url("pages:home"))
    owner = services.link_owner(secret)
    status = 200 if owner else 410
    return render(request, "people/login_link.html", {"owner": owner}, status=status)


@require_POST
@own_account
def log_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("people:login")


@open_to_all
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Remember the language in a cookie and go back to where the person was."""
    return set_language(request)
