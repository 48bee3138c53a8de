"""Users with a role and a scope, single-use log-in links, and failed attempts."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a person does here. Each view names the roles that may call it; none means nobody."""

    OFFICER = "officer", _("Officer")
    DISPATCHER = "dispatcher", _("Dispatcher")
    GRID_WORKER = "grid_worker", _("Grid worker")
    ADMINISTRATOR = "administrator", _("Administrator")
    AUDITOR = "auditor", _("Auditor")


class User(AbstractUser):
    """A person with a log-in."""

    EVERYWHERE = "*"

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.OFFICER)
    scope = models.CharField(
        max_length=64,
        default="",
        blank=True,
        help_text="The jurisdiction whose cases this person sees; '*' for each, empty for none.",
    )

    @property
    def shown_name(self) -> str:
        """The name that colleagues read."""
        return self.get_full_name() or self.get_username()


class LoginLink(models.Model):
    """A link that logs one person in once. Only the hash of its secret is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    secret_sha256 = models.CharField(max_length=64, unique=True)
    expires_at_ms = models.BigIntegerField()
    used_at_ms = models.BigIntegerField(null=True)


class FailedLogin(models.Model):
    """One wrong password, kept for the length of the brake."""

    name_sha256 = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    at_ms = models.BigIntegerField(db_index=True)

    class Meta:
        indexes = (
            models.Index(fields=["name_sha256", "at_ms"], name="failed_login_name"),
            models.Index(fields=["address", "at_ms"], name="failed_login_address"),
        )
