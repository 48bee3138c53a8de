"""Messages to people without a log-in: residents, reporters, shopkeepers. One row for each, from request to receipt."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class MessageState(models.TextChoices):
    """Where a message stands."""

    WAITING = "waiting", _("Waiting to be sent")
    HELD = "held", _("Waiting for its hour")
    SENDING = "sending", _("Being sent")
    ACCEPTED = "accepted", _("Accepted by the gateway")
    REFUSED = "refused", _("Not sent")
    UNKNOWN = "unknown", _("Outcome unknown")


class Message(models.Model):
    """One message to one number. Number and text are sealed, and forgotten once nobody needs them any more."""

    jurisdiction_id = models.CharField(max_length=64)
    key = models.CharField(max_length=300, unique=True)
    reference = models.CharField(max_length=8)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=MessageState.choices, default=MessageState.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    urgent = models.BooleanField(default=False, help_text="Somebody waits for it: no quiet hours.")
    sealed = models.BinaryField(null=True)
    phone_mark = models.CharField(max_length=64, blank=True)
    phone_masked = models.CharField(max_length=20, blank=True)
    language = models.CharField(max_length=10)
    made_at_ms = models.BigIntegerField()
    give_up_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField(null=True)
    attempts = models.IntegerField(default=0)
    looks = models.CharField(max_length=20, blank=True)
    sent_at_ms = models.BigIntegerField(null=True)
    settled_at_ms = models.BigIntegerField(null=True)
    gateway = models.CharField(max_length=20, blank=True)
    provider_id = models.CharField(max_length=100, blank=True)
    segments = models.IntegerField(default=0)
    delivery = models.CharField(max_length=12, blank=True, help_text="sent, delivered or failed.")
    delivery_at_ms = models.BigIntegerField(null=True)
    told = models.OneToOneField(
        "cases.Told",
        on_delete=models.PROTECT,
        null=True,
        related_name="message",
        help_text="The step it tells of.",
    )

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms"], name="message_due", condition=Q(due_at_ms__isnull=False)),
            models.Index(
                fields=["phone_mark", "sent_at_ms"], name="message_to_number", condition=~Q(phone_mark="")
            ),
            models.Index(
                fields=["gateway", "provider_id"], name="message_of_gateway", condition=~Q(provider_id="")
            ),
        )
