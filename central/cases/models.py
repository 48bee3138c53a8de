"""Cases, work orders, pictures and the history. Facts of one trade (parking) live in that trade's app."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from central.cases.records import (
    ApiCall,
    ApiKey,
    ClusterGate,
    Commitment,
    CommitmentState,
    Follower,
    Likeness,
    Note,
    Participant,
    Reporter,
    ServiceDefinition,
    ServiceVersion,
    Told,
)
from central.cases.states import CaseState, ProcessStep, Relation, Result, WorkKind, WorkState
from central.fleet.models import Agent
from central.people.scopes import Scoped, ScopedByAgent, ScopedByCase

__all__ = [
    "ApiCall",
    "ApiKey",
    "Attachment",
    "Case",
    "ClusterGate",
    "Commitment",
    "CommitmentState",
    "Evidence",
    "Follower",
    "HistoryEntry",
    "Likeness",
    "Note",
    "Participant",
    "Picture",
    "Reporter",
    "Retraction",
    "Scoped",
    "ScopedByCase",
    "ServiceDefinition",
    "ServiceVersion",
    "Told",
    "WorkOrder",
]


class Case(models.Model):
    """Something that happened somewhere and is followed to its end."""

    source = models.CharField(max_length=20, default="camera")
    source_key = models.CharField(max_length=300, unique=True)
    service_code = models.CharField(max_length=40, default="sidewalk_parking")
    jurisdiction_id = models.CharField(max_length=64)
    place = models.CharField(max_length=300, blank=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    grid = models.ForeignKey("grids.Grid", on_delete=models.PROTECT, null=True, related_name="cases")
    state = models.CharField(max_length=20, choices=CaseState.choices, default=CaseState.WATCHED)
    definition = models.ForeignKey(
        ServiceDefinition, on_delete=models.PROTECT, null=True, related_name="cases", db_index=False
    )
    process_state = models.CharField(max_length=40, blank=True)
    step = models.CharField(max_length=20, choices=ProcessStep.choices, blank=True)
    priority = models.SmallIntegerField(default=3, help_text="1 urgent, 2 high, 3 normal, 4 low.")
    round = models.SmallIntegerField(default=0, help_text="How often it was opened again.")
    text = models.TextField(max_length=4000, blank=True, help_text="What the reporter wrote.")
    plate = models.CharField(max_length=12, blank=True, help_text="A plate that the reporter named.")
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, null=True, related_name="cases")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    relation = models.CharField(max_length=20, choices=Relation.choices, blank=True)
    opened_at_ms = models.BigIntegerField()
    closed_at_ms = models.BigIntegerField(null=True)
    history_length = models.IntegerField(default=0)
    history_head = models.CharField(max_length=64, default="")

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(parent__isnull=True, relation="")
                | (models.Q(parent__isnull=False) & ~models.Q(relation="")),
                name="a_child_says_how",
            ),
        )
        indexes = (
            models.Index(fields=["jurisdiction_id", "state", "-opened_at_ms"], name="case_list"),
            models.Index(fields=["service_code", "jurisdiction_id", "opened_at_ms"], name="case_likeness"),
            # Lists read in pages (central.pages.listing): each order of the list, and what narrows it.
            models.Index(fields=["-opened_at_ms", "-id"], name="case_newest"),
            models.Index(
                fields=["-opened_at_ms", "-id"],
                name="case_open_newest",
                condition=models.Q(state="open"),
            ),
            models.Index(
                fields=["-closed_at_ms", "-id"], name="case_ended", condition=models.Q(state="closed")
            ),
            models.Index(
                fields=["jurisdiction_id", "-closed_at_ms", "-id"],
                name="case_ended_in",
                condition=models.Q(state="closed"),
            ),
            models.Index(fields=["grid", "state", "-closed_at_ms"], name="case_by_grid"),
            models.Index(fields=["service_code", "state", "-closed_at_ms"], name="case_by_service"),
            models.Index(fields=["place"], name="case_open_place", condition=models.Q(state="open")),
            models.Index(fields=["place"], name="case_place", opclasses=["varchar_pattern_ops"]),
        )


class WorkOrder(models.Model):
    """One job for an officer: go there, look, act, say what you found."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="work_orders")
    key = models.CharField(max_length=300, unique=True)
    kind = models.CharField(max_length=20, choices=WorkKind.choices)
    state = models.CharField(max_length=20, choices=WorkState.choices, default=WorkState.NEW)
    issued_at_ms = models.BigIntegerField()
    received_at_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField()
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="work_orders"
    )
    accepted_at_ms = models.BigIntegerField(null=True)
    ended_at_ms = models.BigIntegerField(null=True)
    result = models.CharField(max_length=20, choices=Result.choices, blank=True)
    note = models.TextField(max_length=2000, blank=True)
    outcome_id = models.CharField(max_length=64, unique=True, null=True)
    retraction_reason = models.CharField(max_length=500, blank=True)

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["case"],
                condition=models.Q(state__in=["new", "accepted"]),
                name="one_open_work_order_per_case",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="closed")
                | (~models.Q(result="") & models.Q(outcome_id__isnull=False)),
                name="closed_names_its_outcome",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["accepted", "closed"]) | models.Q(assignee__isnull=False),
                name="accepted_by_somebody",
            ),
        )
        indexes = (
            models.Index(fields=["-issued_at_ms", "-id"], name="work_newest"),
            models.Index(fields=["state", "-issued_at_ms", "-id"], name="work_by_state"),
            models.Index(fields=["assignee", "state", "due_at_ms"], name="work_of_officer"),
            models.Index(
                fields=["due_at_ms", "-id"],
                name="work_by_due",
                condition=models.Q(state__in=["new", "accepted"]),
            ),
            models.Index(fields=["state", "-ended_at_ms", "-id"], name="work_ended"),
            # The figures above the list are counted from this index alone, an officer's last tasks from the next. Its
            # condition is turned round on purpose: SQLite takes it only for a query that spells it so, and would
            # otherwise take it for the lists, which then sort all that is open.
            models.Index(
                fields=["state", "case", "due_at_ms"],
                name="work_open",
                condition=models.Q(state__in=["accepted", "new"]),
            ),
            models.Index(
                fields=["assignee", "-ended_at_ms", "-id"],
                name="work_ended_by",
                condition=models.Q(ended_at_ms__isnull=False),
            ),
        )


class Retraction(models.Model):
    """Nobody needs to go. Kept even when it comes before the task it takes back."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="retractions")
    key = models.CharField(max_length=300, unique=True)
    at_ms = models.BigIntegerField()
    reason = models.CharField(max_length=500)

    objects = ScopedByCase.as_manager()


class Picture(models.Model):
    """A picture that arrived and was proven to be what its name says. The file is named by its hash."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="pictures")
    sha256 = models.CharField(max_length=64)
    size = models.IntegerField()
    width = models.IntegerField()
    height = models.IntegerField()
    received_at_ms = models.BigIntegerField()

    objects = ScopedByAgent.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["agent", "sha256"], name="picture_once_per_agent"),)
        indexes = (models.Index(fields=["sha256"], name="picture_by_hash"),)


class Evidence(models.Model):
    """A picture that a case names, whether it has arrived or is still on its way."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="evidence")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    sha256 = models.CharField(max_length=64)
    role = models.CharField(max_length=20)
    taken_at_ms = models.BigIntegerField()
    width = models.IntegerField()
    height = models.IntegerField()
    box = models.JSONField(
        null=True, help_text="The vehicle: left, top, right, bottom in pixels of this picture."
    )
    picture = models.ForeignKey(Picture, on_delete=models.PROTECT, null=True, related_name="evidence")

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["case", "sha256", "role"], name="evidence_once_per_role"),
        )
        indexes = (
            models.Index(
                fields=["agent", "sha256"], name="evidence_awaited", condition=models.Q(picture__isnull=True)
            ),
        )
        ordering = (
            "taken_at_ms",
            "id",
        )


class Attachment(models.Model):
    """A photo that a person added, as it is kept: decoded, turned upright and written anew without metadata."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="attachments")
    key = models.CharField(max_length=100)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="attachments"
    )
    actor = models.CharField(max_length=160)
    filename = models.CharField(max_length=200, blank=True)
    original_sha256 = models.CharField(max_length=64)
    stored_sha256 = models.CharField(max_length=64)
    thumbnail_sha256 = models.CharField(max_length=64)
    size = models.IntegerField()
    width = models.IntegerField()
    height = models.IntegerField()
    taken_at_ms = models.BigIntegerField(null=True, help_text="By the camera's own clock.")
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    received_at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "key"], name="attachment_once_per_key"),)
        ordering = ("received_at_ms", "id")


class HistoryEntry(models.Model):
    """One link of a case's history. Never changed, never deleted: the database itself refuses."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="history")
    number = models.IntegerField()
    kind = models.CharField(max_length=40)
    at_ms = models.BigIntegerField()
    recorded_at_ms = models.BigIntegerField()
    actor = models.CharField(max_length=160)
    body = models.TextField()
    previous_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "number"], name="history_without_forks"),)
        ordering = (
            "case",
            "number",
        )
