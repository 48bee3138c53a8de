"""Who is to be told of what happens to cases, and what is on its way to them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from central.cases.models import ApiKey, Case


class Subscription(models.Model):
    """Where events of one api client's jurisdiction go. Its secret is not stored: it is worked out from `salt`."""

    name = models.CharField(max_length=64, unique=True)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list, help_text="Kinds of events; empty means all.")
    services = models.JSONField(default=list, help_text="Service codes; empty means all.")
    grids = models.JSONField(
        default=list, help_text="Codes of grids and what lies below them; empty means all."
    )
    salt = models.CharField(max_length=64)
    generation = models.PositiveIntegerField(default=1, help_text="Counts the secrets.")
    old_until_ms = models.BigIntegerField(default=0, help_text="How long the secret before signs as well.")
    active = models.BooleanField(default=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is not active.")
    made_at_ms = models.BigIntegerField()
    success_at_ms = models.BigIntegerField(null=True)
    failure_at_ms = models.BigIntegerField(null=True)


class DeliveryState(models.TextChoices):
    """What became of an event."""

    WAITING = "waiting", _("On its way")
    DONE = "done", _("Received")
    LEFT_OUT = "left_out", _("Not asked for")
    DEAD = "dead", _("Given up")


class Delivery(models.Model):
    """One event for one subscription, written in the transaction in which it happened."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="deliveries")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="webhooks")
    message_id = models.CharField(max_length=40, unique=True)
    event = models.CharField(max_length=30)
    facts = models.JSONField(default=dict)
    body = models.TextField(blank=True, help_text="What is sent; fixed with the first attempt.")
    at_ms = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at_ms = models.BigIntegerField()
    status = models.SmallIntegerField(null=True, help_text="What the receiver answered last.")
    error = models.CharField(max_length=200, blank=True)
    ended_at_ms = models.BigIntegerField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms", "id"], name="webhook_due", condition=models.Q(state="waiting")),
            models.Index(
                fields=["subscription", "case", "id"],
                name="webhook_in_order",
                condition=models.Q(state="waiting"),
            ),
            models.Index(fields=["state", "-ended_at_ms"], name="webhook_ended"),
        )
