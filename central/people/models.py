"""Users with a role and a scope, single-use log-in links, failed attempts, and who read what."""

from __future__ import annotations

from django.conf import settings
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
    """A person with a log-in. What the person sees is `scope`, narrowed to `grids` where `by_grid` says so."""

    EVERYWHERE = "*"

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.OFFICER)
    scope = models.CharField(
        max_length=1000,
        default="",
        blank=True,
        help_text="The jurisdictions whose cases this person sees, a space between two; '*' for each, empty for none.",
    )
    by_grid = models.BooleanField(
        default=False,
        help_text="Of these only what lies in the grids below; a person by grid who has none sees nothing.",
    )
    grids = models.ManyToManyField("grids.Grid", blank=True, related_name="seen_by")

    @property
    def shown_name(self) -> str:
        """The name that colleagues read."""
        return name_of(self.username, self.first_name, self.last_name)

    @property
    def jurisdictions(self) -> tuple[str, ...] | None:
        """The jurisdictions in scope; None for each."""
        return jurisdictions_of(self.scope)


def jurisdictions_of(scope: str) -> tuple[str, ...] | None:
    """The jurisdictions in scope, from a person's column; None for each."""
    return None if scope == User.EVERYWHERE else tuple(scope.split())


def share_any(mine: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> bool:
    """Whether two people's jurisdictions have any in common."""
    return mine is None or theirs is None or not set(mine).isdisjoint(theirs)


def name_of(username: str, first_name: str, last_name: str) -> str:
    """The name that colleagues read, from a person's columns."""
    return f"{first_name} {last_name}".strip() or username


class LoginLink(models.Model):
    """A link that logs one person in once. Only the hash of its secret is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="login_links")
    secret_sha256 = models.CharField(max_length=64, unique=True)
    expires_at_ms = models.BigIntegerField()
    used_at_ms = models.BigIntegerField(null=True)


class FailedLogin(models.Model):
    """One wrong password or code, kept for the length of the brake."""

    name_sha256 = models.CharField(max_length=64)
    address = models.CharField(max_length=64)
    at_ms = models.BigIntegerField(db_index=True)

    class Meta:
        indexes = (
            models.Index(fields=["name_sha256", "at_ms"], name="failed_login_name"),
            models.Index(fields=["address", "at_ms"], name="failed_login_address"),
        )


class UsedCode(models.Model):
    """A code of an authenticator app that was taken. The database refuses it a second time, in whatever process."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="used_codes")
    code_sha256 = models.CharField(max_length=64)
    at_ms = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "code_sha256"], name="code_used_once"),)


class AccessChain(models.Model):
    """How many lines a jurisdiction's access log has and the hash of the last one. Its row is the lock under which it grows."""

    jurisdiction_id = models.CharField(max_length=64, primary_key=True)
    length = models.BigIntegerField(default=0)
    head_sha256 = models.CharField(max_length=64, blank=True)


class SensitiveRead(models.Model):
    """Who saw what of whom, and why. Never changed, never deleted: the database itself refuses.

    The name and role are copied, as they were at that moment. Each line holds the hash of the one before it in its
    jurisdiction (`central.people.access_chain`).
    """

    at_ms = models.BigIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sensitive_reads"
    )
    name = models.CharField(max_length=150)
    role = models.CharField(max_length=20)
    subject = models.CharField(max_length=40, help_text="What kind of thing, e.g. case.")
    number = models.BigIntegerField(help_text="Its number.")
    jurisdiction_id = models.CharField(max_length=64, blank=True)
    fields = models.CharField(max_length=100, help_text="What was shown in full, a space between two.")
    purpose = models.CharField(max_length=300)
    address = models.CharField(max_length=64, blank=True)
    line = models.BigIntegerField(help_text="Its number in the log of its jurisdiction, from 1.")
    previous_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "line"], name="access_log_without_forks"),
        )
        indexes = (
            models.Index(fields=["-at_ms", "-id"], name="read_newest"),
            models.Index(fields=["user", "subject", "number", "-at_ms"], name="read_again"),
            models.Index(fields=["subject", "number", "-at_ms"], name="read_of_thing"),
        )
