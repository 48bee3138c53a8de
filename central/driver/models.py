"""Which link belongs to which case, and what a driver said on the page."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from central.cases.models import Case, ScopedByCase


class CaseLink(models.Model):
    """The mark by which a link names its case (`notifier.links.case_mark`), in hex."""

    case = models.OneToOneField(Case, on_delete=models.CASCADE, primary_key=True, related_name="link")
    mark = models.CharField(max_length=18, db_index=True)


class RecheckResult(models.TextChoices):
    """What the camera saw: the protocol's RecheckAnswer, in words for people."""

    GONE = "gone", _("The vehicle has left")
    STILL_THERE = "still_there", _("The vehicle is still there")
    COULD_NOT_TELL = "could_not_tell", _("The camera could not tell")
    CASE_OVER = "case_over", _("The case is over")


class Recheck(models.Model):
    """A driver said that he has left, and what the camera answered. It moves no clock."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="rechecks")
    request_id = models.CharField(max_length=64, unique=True)
    asked_at_ms = models.BigIntegerField()
    answered_at_ms = models.BigIntegerField(null=True)
    result = models.CharField(max_length=20, choices=RecheckResult.choices, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["case"], condition=models.Q(answered_at_ms__isnull=True), name="one_recheck_at_a_time"
            ),
        )


class ObjectionState(models.TextChoices):
    """Where an objection stands."""

    OPEN = "open", _("To be reviewed")
    UPHELD = "upheld", _("It is another vehicle")
    REJECTED = "rejected", _("Plate and vehicle are right")


class Objection(models.Model):
    """A driver said that this is not his vehicle. Until somebody has looked, nobody is fined for it."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="objection")
    state = models.CharField(max_length=10, choices=ObjectionState.choices, default=ObjectionState.OPEN)
    made_at_ms = models.BigIntegerField()
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="reviews"
    )
    reviewed_at_ms = models.BigIntegerField(null=True)
    note = models.TextField(max_length=2000, blank=True)

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state="open") | models.Q(reviewer__isnull=False),
                name="reviewed_by_somebody",
            ),
        )
