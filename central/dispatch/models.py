"""Who is on duty, where they were last, and who was asked for which task."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.cases.models import WorkOrder
from central.people.scopes import Scoped, ScopedByCase


class TravelMode(models.TextChoices):
    """How an officer gets about during a shift."""

    FOOT = "foot", _("on foot")
    BICYCLE = "bicycle", _("by bicycle")
    SCOOTER = "scooter", _("by scooter")
    CAR = "car", _("by car")


class Shift(models.Model):
    """Somebody is on duty. Shifts of one person never overlap."""

    officer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="shifts")
    jurisdiction_id = models.CharField(max_length=64)
    grids = models.JSONField(
        default=list, help_text="Codes of grids, whole branches too; empty: everywhere in the jurisdiction."
    )
    mode = models.CharField(max_length=10, choices=TravelMode.choices, default=TravelMode.FOOT)
    from_ms = models.BigIntegerField()
    to_ms = models.BigIntegerField()

    objects = Scoped.as_manager()
    rows = models.Manager()
    """For workers and services: no person looks."""

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(to_ms__gt=models.F("from_ms")), name="shift_ends_later"),
            models.UniqueConstraint(fields=["officer", "from_ms"], name="shift_once"),
        )
        indexes = (models.Index(fields=["jurisdiction_id", "to_ms", "from_ms"], name="shift_now"),)
        ordering = ("from_ms", "officer")


class OfficerPosition(models.Model):
    """The last known place of somebody on duty. One row each, gone when the shift is over."""

    officer = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="last_position"
    )
    longitude = models.FloatField()
    latitude = models.FloatField()
    accuracy_m = models.FloatField()
    at_ms = models.BigIntegerField(help_text="When the device was there.")
    received_at_ms = models.BigIntegerField(db_index=True)


class AssignmentState(models.TextChoices):
    """How the search for somebody stands."""

    WAITING = "waiting", _("Being assigned")
    OFFERED = "offered", _("Offered to an officer")
    UNASSIGNED = "unassigned", _("Nobody found")
    TAKEN = "taken", _("Taken")
    OVER = "over", _("Over")


class Assignment(models.Model):
    """The search for somebody who does a work order. `due_at_ms` is when a worker has to look at it again."""

    order = models.OneToOneField(
        WorkOrder, on_delete=models.PROTECT, primary_key=True, related_name="assignment"
    )
    jurisdiction_id = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=AssignmentState.choices, default=AssignmentState.WAITING)
    due_at_ms = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=40, blank=True, help_text="Why nobody was found.")
    since_ms = models.BigIntegerField()

    objects = Scoped.as_manager()
    rows = models.Manager()
    """For workers and services: no person looks."""

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms"], name="assignment_due", condition=Q(due_at_ms__isnull=False)),
            models.Index(
                fields=["jurisdiction_id", "since_ms"],
                name="assignment_unassigned",
                condition=Q(state="unassigned"),
            ),
        )


class OfferState(models.TextChoices):
    """What became of asking somebody."""

    OFFERED = "offered", _("Offered")
    ACCEPTED = "accepted", _("Accepted")
    DECLINED = "declined", _("Declined")
    EXPIRED = "expired", _("Not answered")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class ScopedByOrder(Scoped):
    """Rows that belong to a work order."""

    SCOPE = "order__case__jurisdiction_id"


class Offer(models.Model):
    """Somebody was asked to do a work order, or was given it. The lease ends at `expires_at_ms`."""

    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, related_name="offers")
    officer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="offers")
    state = models.CharField(max_length=12, choices=OfferState.choices, default=OfferState.OFFERED)
    offered_at_ms = models.BigIntegerField()
    expires_at_ms = models.BigIntegerField(null=True, help_text="None: given, not offered.")
    ended_at_ms = models.BigIntegerField(null=True)
    round = models.PositiveSmallIntegerField(default=1)
    rank = models.PositiveSmallIntegerField(
        default=0, help_text="Place among those who could be asked; 0: given."
    )
    why = models.JSONField(default=dict, help_text="Facts that spoke for this person.")
    reason = models.CharField(
        max_length=500, blank=True, help_text="Why it was declined, withdrawn or given."
    )

    objects = ScopedByOrder.as_manager()
    rows = models.Manager()
    """For workers and services: no person looks."""

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["order"], condition=Q(state__in=["offered", "accepted"]), name="one_offer_per_order"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["offered", "accepted"], ended_at_ms__isnull=True)
                | Q(state__in=["declined", "expired", "withdrawn"], ended_at_ms__isnull=False),
                name="ended_offer_says_when",
            ),
        )
        indexes = (
            models.Index(fields=["officer"], name="offers_open", condition=Q(state="offered")),
            models.Index(fields=["order", "id"], name="offers_of_order"),
        )


class Push(models.Model):
    """A message for an officer's device, kept until the broker has it or it has lost its sense."""

    topic = models.CharField(max_length=200)
    payload = models.TextField()
    created_at_ms = models.BigIntegerField()
    next_at_ms = models.BigIntegerField(db_index=True)
    expires_at_ms = models.BigIntegerField()
    attempts = models.IntegerField(default=0)


class Rerouting(models.Model):
    """A grid has other people, or the tree other ground: open cases follow. Written with the change that asks for it."""

    jurisdiction_id = models.CharField(max_length=64)
    grid = models.ForeignKey(
        "grids.Grid",
        on_delete=models.PROTECT,
        null=True,
        help_text="None: the ground of the tree has changed.",
    )
    left = models.JSONField(default=list, help_text="Numbers of those who answered for it and no longer do.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)
    move_accepted = models.BooleanField(
        default=False, help_text="Give accepted tasks of those who left to the primary, without asking."
    )
    due_at_ms = models.BigIntegerField()
    listed_at_ms = models.BigIntegerField(null=True, help_text="When its cases were written down.")
    ended_at_ms = models.BigIntegerField(null=True)

    objects = Scoped.as_manager()
    rows = models.Manager()
    """For workers and services: no person looks."""

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms"], name="rerouting_due", condition=Q(ended_at_ms__isnull=True)),
        )


class RerouteState(models.TextChoices):
    """How far one case of a rerouting is."""

    WAITING = "todo", _("Waiting")
    DONE = "done", _("Done")
    ASKED = "asked", _("A dispatcher decides")
    KEPT = "kept", _("Stays with the officer")


class ReroutedCase(models.Model):
    """One case of a rerouting: done once, whatever dies in between."""

    rerouting = models.ForeignKey(Rerouting, on_delete=models.PROTECT, related_name="cases")
    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=RerouteState.choices, default=RerouteState.WAITING)
    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, null=True, related_name="+")
    officer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Who has it.",
    )

    objects = ScopedByCase.as_manager()
    rows = models.Manager()
    """For workers and services: no person looks."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=["rerouting", "case"], name="rerouted_once"),)
        indexes = (
            models.Index(fields=["rerouting"], name="reroute_todo", condition=Q(state="todo")),
            models.Index(fields=["order"], name="reroute_asked", condition=Q(state="asked")),
        )
