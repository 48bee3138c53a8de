"""Calls, what is to be done after them, and the city platform's work orders with the outbox of answers to it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.cases.models import Attachment, Case, Commitment, Reporter
from central.people.scopes import Scoped


class ScopedThroughCase(Scoped):
    """Rows of a jurisdiction that may belong to a case: somebody by grid sees those of his cases alone."""

    GRID = "case__grid_id"


class Direction(models.TextChoices):
    """Who rang."""

    IN = "in", _("Incoming")
    OUT = "out", _("Outgoing")


class Call(models.Model):
    """A telephone call that somebody of ours took or made. The number is the reporter's, sealed; so is the name."""

    key = models.CharField(max_length=64, unique=True, help_text="Of the form: sent twice it is one call.")
    jurisdiction_id = models.CharField(max_length=64)
    direction = models.CharField(max_length=3, choices=Direction.choices, default=Direction.IN)
    started_at_ms = models.BigIntegerField()
    ended_at_ms = models.BigIntegerField()
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="hotline_calls"
    )
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, null=True, related_name="calls")
    sealed_name = models.BinaryField(null=True, help_text="What the caller said the name is.")
    confidential = models.BooleanField(default=False)
    subject = models.CharField(max_length=40, blank=True)
    summary = models.TextField(max_length=4000, blank=True)
    recording = models.CharField(max_length=200, blank=True, help_text="Where the exchange keeps the sound.")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="calls")
    errand = models.ForeignKey("hotline.Errand", on_delete=models.PROTECT, null=True, related_name="calls")

    objects = ScopedThroughCase.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(ended_at_ms__gte=models.F("started_at_ms")), name="call_ends_after_it_began"
            ),
        )
        indexes = (
            models.Index(fields=["jurisdiction_id", "-started_at_ms", "-id"], name="call_newest"),
            models.Index(fields=["reporter", "-started_at_ms"], name="call_of_number"),
        )


class ErrandKind(models.TextChoices):
    """What is to be done after a call or for a case."""

    CALL_BACK = "call_back", _("Call-back")
    VISIT = "visit", _("Visit")
    SUPERVISION = "supervision", _("Supervision")
    RETURN_VISIT = "return_visit", _("Return visit")


class ErrandState(models.TextChoices):
    """Whether it still has to be done."""

    OPEN = "open", _("Open")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class ErrandResult(models.TextChoices):
    """How it ended."""

    REACHED = "reached", _("Reached")
    UNREACHABLE = "unreachable", _("Not reached")
    FOUND = "found", _("As told")
    NOT_FOUND = "not_found", _("Not as told")
    NOBODY_THERE = "nobody_there", _("Nobody there")
    ANSWERED = "answered", _("Answered")
    SATISFIED = "satisfied", _("Satisfied")
    BASICALLY = "basically", _("Basically satisfied")
    UNSATISFIED = "unsatisfied", _("Unsatisfied")


class Errand(models.Model):
    """A call-back, a visit, a question of supervision or a return visit, each with the time by which it is due."""

    key = models.CharField(max_length=100, unique=True)
    jurisdiction_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=ErrandKind.choices)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="errands")
    call = models.ForeignKey(Call, on_delete=models.PROTECT, null=True, related_name="errands")
    round = models.SmallIntegerField(default=0, help_text="Of the case, for a return visit.")
    what = models.CharField(max_length=500, blank=True)
    due_at_ms = models.BigIntegerField()
    next_at_ms = models.BigIntegerField(help_text="When to try; later than at first after nobody answered.")
    tries = models.PositiveSmallIntegerField(default=0)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="errands"
    )
    made_by = models.CharField(max_length=160)
    made_at_ms = models.BigIntegerField()
    reminded_at_ms = models.BigIntegerField(null=True)
    state = models.CharField(max_length=10, choices=ErrandState.choices, default=ErrandState.OPEN)
    result = models.CharField(max_length=16, choices=ErrandResult.choices, blank=True)
    note = models.CharField(max_length=2000, blank=True)
    done_by = models.CharField(max_length=160, blank=True)
    done_at_ms = models.BigIntegerField(null=True)
    photo = models.ForeignKey(Attachment, on_delete=models.PROTECT, null=True, related_name="errands")
    commitment = models.OneToOneField(
        Commitment, on_delete=models.PROTECT, null=True, related_name="errand",
        help_text="Of a supervision: while it is open the case cannot close.",
    )  # fmt: skip

    objects = ScopedThroughCase.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(kind="call_back", call__isnull=False) | Q(case__isnull=False),
                name="errand_is_about_something",
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | (~Q(result="") & Q(done_at_ms__isnull=False)),
                name="errand_done_says_how",
            ),
            models.UniqueConstraint(
                fields=["case", "round"], condition=Q(kind="return_visit"), name="one_return_visit_a_round"
            ),
        )
        indexes = (
            models.Index(
                fields=["jurisdiction_id", "kind", "next_at_ms"],
                name="errand_due",
                condition=Q(state="open"),
            ),
            models.Index(fields=["jurisdiction_id", "kind", "-done_at_ms"], name="errand_done"),
        )


class OrderState(models.TextChoices):
    """Where a work order of the city stands with us; `central.hotline.city` says what leads where."""

    HELD = "held", _("Held: its category is not mapped")
    WAITING = "waiting", _("To be accepted or returned")
    ACCEPTED = "accepted", _("Accepted")
    RETURNED = "returned", _("Returned")
    FINISHED = "finished", _("Finished")
    WITHDRAWN = "withdrawn", _("Withdrawn by the city")


class CityOrder(models.Model):
    """A work order of the city platform: one row and one case for each external number, however often it comes."""

    jurisdiction_id = models.CharField(max_length=64)
    number = models.CharField(max_length=64)
    version = models.IntegerField()
    category = models.CharField(max_length=64)
    content = models.BinaryField(help_text="The newest message, sealed: it names the caller.")
    state = models.CharField(max_length=10, choices=OrderState.choices)
    case = models.OneToOneField(Case, on_delete=models.PROTECT, null=True, related_name="city_order")
    confidential = models.BooleanField(default=False, help_text="Whether the caller told it in confidence.")
    accept_by_ms = models.BigIntegerField(null=True)
    due_by_ms = models.BigIntegerField(null=True)
    received_at_ms = models.BigIntegerField()
    changed_at_ms = models.BigIntegerField()

    objects = ScopedThroughCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "number"], name="city_order_once"),
            models.CheckConstraint(
                condition=Q(state__in=["held", "withdrawn"]) | Q(case__isnull=False),
                name="city_order_has_its_case",
            ),
        )
        indexes = (
            models.Index(fields=["jurisdiction_id", "state", "-received_at_ms"], name="city_order_list"),
        )


class ReportKind(models.TextChoices):
    """What the city is told."""

    ACCEPTED = "accepted", _("Accepted")
    RETURNED = "returned", _("Returned")
    PROGRESS = "progress", _("Progress")
    RESULT = "result", _("Result")


class CityReport(models.Model):
    """A word to the city platform, written with what it tells of and sent until the city has it. Never sent out of order."""

    order = models.ForeignKey(CityOrder, on_delete=models.PROTECT, related_name="reports")
    key = models.CharField(max_length=120, unique=True, help_text="The Idempotency-Key of every attempt.")
    kind = models.CharField(max_length=10, choices=ReportKind.choices)
    body = models.TextField()
    made_at_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField()
    tries = models.PositiveIntegerField(default=0)
    sent_at_ms = models.BigIntegerField(null=True)
    refused_at_ms = models.BigIntegerField(
        null=True, help_text="The city will not have it; people must see to it."
    )
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = (
            models.Index(
                fields=["due_at_ms", "id"],
                name="city_report_waiting",
                condition=Q(sent_at_ms__isnull=True, refused_at_ms__isnull=True),
            ),
        )


class CityFeed(models.Model):
    """How far the city's list was read, and how the last contacts went."""

    jurisdiction_id = models.CharField(max_length=64, primary_key=True)
    cursor = models.CharField(max_length=200, blank=True)
    polled_at_ms = models.BigIntegerField(null=True, help_text="The last poll that went well.")
    next_poll_ms = models.BigIntegerField(default=0)
    pushed_at_ms = models.BigIntegerField(null=True)
    compared_at_ms = models.BigIntegerField(null=True)
    next_compare_ms = models.BigIntegerField(default=0)
    differences = models.JSONField(default=list)
    trouble = models.CharField(max_length=300, blank=True)

    objects = Scoped.as_manager()


__all__ = [
    "Call",
    "CityFeed",
    "CityOrder",
    "CityReport",
    "Direction",
    "Errand",
    "ErrandKind",
    "ErrandResult",
    "ErrandState",
    "OrderState",
    "ReportKind",
]
