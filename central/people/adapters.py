"""How django-allauth behaves here: nobody signs up, guessing is braked by us, seeds are sealed, roles come from us."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from central.people import second_factor, services, sessions
from central.people.models import Role
from central.project.oidc_config import RoleMap

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        return reverse("pages:home")

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **more: Any
    ) -> None:
        """Coming and going is plain to see and needs no note."""
        if message_template and message_template.startswith("account/messages/logged_"):
            return
        super().add_message(request, level, message_template, *args, **more)

    def reauthenticate(self, user: Any, password: str) -> bool:
        """The password once more; guessed as slowly as at the door."""
        name, address = user.get_username(), context.request.META.get("REMOTE_ADDR", "")
        if services.must_wait(name, address):
            raise forms.ValidationError(_("Too many wrong passwords. Wait a quarter of an hour."))
        if user.check_password(password):
            services.forget_failures(name)
            return True
        services.remember_failure(name, address)
        return False

    def is_reauthentication_required(self, *, app: str, **_more: Any) -> bool:  # noqa: ARG002
        return not sessions.entered_recently(context.request)

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:  # noqa: ARG002
        return refusal(request, _("This account is closed."))


class MFAAdapter(DefaultMFAAdapter):
    """Second factors."""

    def encrypt(self, text: str) -> str:
        return second_factor.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return second_factor.unseal(encrypted_text)

    def get_totp_label(self, user: Any) -> str:
        return str(user.get_username())

    def build_totp_svg(self, url: str) -> str:
        """A picture that needs no style: dark squares on white in either theme, or no camera reads it."""
        import io

        import qrcode
        from qrcode.image.svg import SvgPathImage

        out = io.BytesIO()
        qrcode.make(url, image_factory=SvgPathImage, border=2).save(out)
        return out.getvalue().decode().partition("?>")[2].strip() or out.getvalue().decode()


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """The identity provider says who somebody is; we say whether he may come in and as what."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Only who is tied to a person here comes in. Ties are made by an administrator, never by the one who asks."""
        if sociallogin.state.get("process") != "login" or request.user.is_authenticated:
            raise ImmediateHttpResponse(refusal(request, _("Log out first.")))
        if not sociallogin.is_existing:
            log.warning("somebody unknown came from %s", sociallogin.account.provider)
            raise ImmediateHttpResponse(
                refusal(request, _("Nobody here is tied to this identity. Ask your administrator."))
            )
        mapped = settings.PATROL_OIDC.roles if settings.PATROL_OIDC else None
        if mapped is not None:
            self._take_role(request, sociallogin, mapped)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: Any = None,  # noqa: ARG002
    ) -> None:
        """What went wrong is for the log; whoever asks learns that it did."""
        log.warning(
            "a log-in through %s failed: %s %s",
            provider,
            error,
            type(exception).__name__ if exception else "",
        )
        raise ImmediateHttpResponse(
            refusal(request, _("The log-in did not work. Begin again, or log in with your password."), 401)
        )

    def _take_role(self, request: HttpRequest, sociallogin: Any, mapped: RoleMap) -> None:
        told = sociallogin.account.extra_data.get("id_token", {}).get(mapped.claim)
        values = told if isinstance(told, list) else [told]
        wanted = [mapped.values[each] for each in values if isinstance(each, str) and each in mapped.values]
        if len(set(wanted)) != 1:
            log.warning("%s comes with %d roles", sociallogin.user.get_username(), len(set(wanted)))
            raise ImmediateHttpResponse(
                refusal(request, _("Your identity names no role here. Ask your administrator."))
            )
        if sociallogin.user.role != wanted[0]:
            services.set_role(sociallogin.user, Role(wanted[0]))


def refusal(request: HttpRequest, text: str, status: int = 403) -> HttpResponse:
    """A page at the door that says why it stays shut."""
    return render(request, "people/refused.html", {"text": text}, status=status)
