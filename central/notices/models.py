"""A warning from the moment it is asked for until the last receipt, and which plate was warned where."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from central.cases.models import Case, ScopedByCase
from central.fleet.models import Agent
from central.people.scopes import Scoped


class NoticeState(models.TextChoices):
    """Where a warning stands."""

    WAITING = "waiting", _("Waiting to be sent")
    HELD = "held", _("Waiting for its hour")
    SENDING = "sending", _("Being sent")
    ACCEPTED = "accepted", _("Accepted by the gateway")
    REFUSED = "refused", _("Not sent")
    UNKNOWN = "unknown", _("Outcome unknown")
    CANCELLED = "cancelled", _("Not needed any more")


OPEN = (NoticeState.WAITING, NoticeState.HELD, NoticeState.SENDING)


class Delivery(models.TextChoices):
    """What the gateway said of a message afterwards."""

    SENT = "sent", _("Handed to the carrier")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Not delivered")


class Notice(models.Model):
    """The one warning of a case."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="notice")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="notices")
    key = models.CharField(max_length=300, unique=True)
    reference = models.CharField(max_length=8, db_index=True)
    state = models.CharField(max_length=12, choices=NoticeState.choices, default=NoticeState.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    sealed = models.BinaryField(
        null=True, help_text="The request, and the number once it is known; forgotten later."
    )
    plate_mark = models.CharField(max_length=64)
    phone_mark = models.CharField(max_length=64, blank=True)
    phone_masked = models.CharField(max_length=20, blank=True)
    street = models.CharField(max_length=300)
    asked_at_ms = models.BigIntegerField()
    give_up_ms = models.BigIntegerField(help_text="By the agent's clock.")
    received_at_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField(null=True)
    renotice_ms = models.BigIntegerField(
        default=0, help_text="For how long this plate is not warned again in this street."
    )
    held_until_ms = models.BigIntegerField(null=True)
    attempts = models.IntegerField(default=0)
    looks = models.CharField(max_length=20, blank=True)
    sent_at_ms = models.BigIntegerField(null=True, help_text="When it was last handed to the gateway.")
    told_until_ms = models.BigIntegerField(null=True, help_text="The latest deadline that a text named.")
    settled_at_ms = models.BigIntegerField(null=True)
    language = models.CharField(max_length=20, blank=True)
    gateway = models.CharField(max_length=20, blank=True)
    provider_id = models.CharField(max_length=100, blank=True, db_index=True)
    segments = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=12, decimal_places=5, null=True)
    currency = models.CharField(max_length=3, blank=True)
    delivery = models.CharField(max_length=12, choices=Delivery.choices, blank=True)
    delivery_code = models.CharField(max_length=100, blank=True)
    delivery_at_ms = models.BigIntegerField(null=True)

    objects = ScopedByCase.as_manager()

    @property
    def agent_case_id(self) -> str:
        """The agent's own name of the case."""
        name: str = self.case.stay.agent_case_id
        return name

    class Meta:
        indexes = (
            models.Index(
                fields=["due_at_ms"], name="notice_due", condition=models.Q(due_at_ms__isnull=False)
            ),
            models.Index(fields=["phone_mark", "sent_at_ms"], name="notice_by_number"),
            models.Index(fields=["agent", "sent_at_ms"], name="notice_by_agent"),
            models.Index(fields=["sent_at_ms"], name="notice_sent"),
        )


class Warned(models.Model):
    """Which notice last warned a plate in a street. Its row is the lock under which that is decided."""

    jurisdiction_id = models.CharField(max_length=64)
    plate_mark = models.CharField(max_length=64)
    street = models.CharField(max_length=300)
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True)
    at_ms = models.BigIntegerField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["jurisdiction_id", "plate_mark", "street"], name="warned_once_per_street"
            ),
        )


class Receipt(models.Model):
    """A word of a gateway about a message, each once, kept also when it comes before the message is known to be taken."""

    gateway = models.CharField(max_length=20)
    provider_id = models.CharField(max_length=100)
    status = models.CharField(max_length=40)
    code = models.CharField(max_length=100, blank=True)
    at_ms = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["gateway", "provider_id", "status", "code"], name="receipt_once"),
        )


class NoticeText(models.Model):
    """The words in which a jurisdiction warns. Nothing is overwritten: the newest row of a language counts."""

    jurisdiction_id = models.CharField(max_length=64)
    language = models.CharField(max_length=10)
    text = models.CharField(
        max_length=400, blank=True, help_text="Empty: the words of the distribution, again."
    )
    reason = models.CharField(max_length=300)
    author = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()

    objects = Scoped.as_manager()

    class Meta:
        indexes = (models.Index(fields=["jurisdiction_id", "language", "-id"], name="notice_text_newest"),)
