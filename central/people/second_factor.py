"""The second factor: a code of an authenticator app (RFC 6238) or a recovery code, each taken once, guessing braked."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from central.people import policy, services
from central.people.models import UsedCode, User
from central.project.clock import now_ms

APP = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
CODE_LIFE_MS = 10 * 60_000
"""Longer than any code is good for, whatever the clocks say."""


def has_second_factor(user: User) -> bool:
    """Whether the person set one up."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=APP).exists()


def lacks_second_factor(user: User) -> bool:
    """Whether the person must set one up before anything else."""
    return settings.PATROL.second_factor and user.role in policy.SECOND_FACTOR and not has_second_factor(user)


def reset(user: User) -> int:
    """Forget the person's second factor and recovery codes; how many there were."""
    return Authenticator.objects.filter(user_id=user.pk).delete()[0]


def seal(text: str) -> str:
    """What an authenticator app and we share, unreadable without the centre's secret key."""
    return _fernet().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The counterpart."""
    return _fernet().decrypt(sealed.encode()).decode()


class _Braked:
    """Guessing is braked as for passwords, and a code that was taken is not taken again."""

    user: User
    cleaned_data: dict[str, Any]
    authenticator: Authenticator

    def clean_code(self) -> str:
        guessed = f"second factor of {self.user.pk}"
        address = context.request.META.get("REMOTE_ADDR", "")
        if services.must_wait(guessed, address):
            raise forms.ValidationError(
                _("Too many wrong codes. Wait a quarter of an hour."), code="too_many_attempts"
            )
        try:
            code: str = super().clean_code()  # type: ignore[misc]
            if self.authenticator.type == Authenticator.Type.TOTP:
                self._spend(code)
        except forms.ValidationError:
            services.remember_failure(guessed, address)
            raise
        services.forget_failures(guessed)
        return code

    def _spend(self, code: str) -> None:
        now = now_ms()
        UsedCode.objects.filter(at_ms__lt=now - CODE_LIFE_MS).delete()
        digits = "".join(each for each in code if each.isalnum())
        try:
            with transaction.atomic():
                UsedCode.objects.create(
                    user=self.user, code_sha256=hashlib.sha256(digits.encode()).hexdigest(), at_ms=now
                )
        except IntegrityError:
            raise get_adapter().validation_error("incorrect_code") from None


class EnterCodeForm(_Braked, AuthenticateForm):
    """At the door, after the password."""


class ConfirmByCodeForm(_Braked, ReauthenticateForm):
    """Inside, before something grave."""


def _fernet() -> Fernet:
    key = HKDF(SHA256(), 32, None, b"street-patrol second factor").derive(settings.SECRET_KEY.encode())
    return Fernet(base64.urlsafe_b64encode(key))
