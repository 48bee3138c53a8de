"""What phones have sent. A key is taken once, so that a repetition finds the answer instead of acting again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from central.cases.models import WorkOrder
from central.people.scopes import Scoped


class Kind(models.TextChoices):
    """What the officer did."""

    ACCEPT = "accept", _("Accept")
    DECLINE = "decline", _("Decline")
    PHOTO = "photo", _("Photo")
    NOTE = "note", _("Note")
    OUTCOME = "outcome", _("Outcome")


class Verdict(models.TextChoices):
    """What became of it."""

    DONE = "done", _("Carried out")
    REFUSED = "refused", _("Refused")


class ScopedByOrder(Scoped):
    """Rows seen through the scope of their work order's case."""

    SCOPE = "order__case__jurisdiction_id"


class Submission(models.Model):
    """One action of one officer on one work order, with its answer. Written with its effect in one transaction."""

    key = models.UUIDField(unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="submissions")
    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, related_name="submissions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    body_sha256 = models.CharField(max_length=64)
    tapped_at_ms = models.BigIntegerField(help_text="When the officer pressed, by the centre's clock.")
    tapped_known = models.BooleanField(
        default=True,
        help_text="False where the phone's word could not be true and the nearest possible time stands.",
    )
    received_at_ms = models.BigIntegerField()
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.DONE)
    code = models.CharField(max_length=30)
    facts = models.JSONField(default=dict)

    objects = ScopedByOrder.as_manager()

    class Meta:
        indexes = (models.Index(fields=["order", "user", "kind"], name="submission_of_order"),)
