"""What grows around a case: rules, reporters, who did what, promises, notes, likenesses, keys. Imported by `models`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from central.people.scopes import Scoped, ScopedByCase


class ServiceDefinition(models.Model):
    """The rules of a service as they were when a case was opened under them. Never changed: named by their hash."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    service_code = models.CharField(max_length=40)
    body = models.TextField()
    kept_at_ms = models.BigIntegerField()


class ServiceVersion(models.Model):
    """What an administrator put in force for one jurisdiction. Nothing is overwritten: the newest row of a service counts."""

    jurisdiction_id = models.CharField(max_length=64)
    service_code = models.CharField(max_length=40)
    definition = models.ForeignKey(
        ServiceDefinition, on_delete=models.PROTECT, null=True, help_text="None: what the files say, again."
    )
    text = models.TextField(blank=True, help_text="As it was written, with its remarks.")
    reason = models.CharField(max_length=300)
    author = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()

    objects = Scoped.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["jurisdiction_id", "service_code", "-id"], name="service_version_newest"),
        )


class Reporter(models.Model):
    """Somebody who told of a case. Name and number are sealed; the mark finds the same person again."""

    jurisdiction_id = models.CharField(max_length=64)
    mark = models.CharField(max_length=64, blank=True)
    sealed = models.BinaryField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="reporters"
    )
    language = models.CharField(max_length=10, default="zh-hans")
    made_at_ms = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["jurisdiction_id", "mark"], condition=~models.Q(mark=""), name="reporter_once"
            ),
        )


class Participant(models.Model):
    """Who has done what in a case; whoever handled it never verifies it."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="participants")
    part = models.CharField(max_length=20)
    actor = models.CharField(max_length=160)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["case", "part", "actor"], name="participant_once_per_part"),
        )


class CommitmentState(models.TextChoices):
    """What became of a promise."""

    OPEN = "open", _("Open")
    DONE = "done", _("Kept")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Commitment(models.Model):
    """A promise in a case, with an owner and a date. The case cannot close while it is open."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="commitments")
    what = models.CharField(max_length=500)
    owner = models.CharField(max_length=160, help_text="Who promised it, as people call them.")
    owner_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="commitments"
    )
    due_at_ms = models.BigIntegerField()
    state = models.CharField(max_length=20, choices=CommitmentState.choices, default=CommitmentState.OPEN)
    made_at_ms = models.BigIntegerField()
    made_by = models.CharField(max_length=160)
    ended_at_ms = models.BigIntegerField(null=True)
    ended_by = models.CharField(max_length=160, blank=True)
    note = models.CharField(max_length=2000, blank=True)

    objects = ScopedByCase.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms"], name="commitment_due", condition=models.Q(state="open")),
        )


class Note(models.Model):
    """What somebody wrote down in a case. The history holds its hash, so that it can be deleted by law and not edited."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="notes")
    key = models.CharField(max_length=100)
    actor = models.CharField(max_length=160)
    text = models.TextField(max_length=4000)
    public = models.BooleanField(default=False, help_text="Whether reporters may read it.")
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "key"], name="note_once_per_key"),)
        ordering = ("at_ms", "id")


class Likeness(models.Model):
    """That two cases tell of the same thing: how alike they are and why, and whether they were put together."""

    class Kind(models.TextChoices):
        MERGED = "merged", _("Put together")
        RELATED = "related", _("Seen before")
        SUGGESTED = "suggested", _("Perhaps the same")
        UNDONE = "undone", _("Taken apart")

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="likenesses")
    other = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="likenesses_of")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    score = models.FloatField()
    parts = models.JSONField(help_text="What the score is made of: place, time, text, plate, each 0 to 1.")
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "other"], name="likeness_once"),)


class Follower(models.Model):
    """Somebody who said "me too" of a case: no report of his own, but told of each step as its reporters are."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="followers")
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, related_name="follows")
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "reporter"], name="follows_once"),)


class ClusterGate(models.Model):
    """One row to lock for each jurisdiction and service, so that two like cases at the same moment see one another."""

    jurisdiction_id = models.CharField(max_length=64)
    service_code = models.CharField(max_length=40)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "service_code"], name="one_cluster_gate"),
        )


class Told(models.Model):
    """That a reporter is to be told of a step: written once, sent by whoever carries notices (`sent_at_ms`)."""

    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, related_name="tellings")
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, related_name="tellings")
    step = models.CharField(max_length=20)
    round = models.SmallIntegerField()
    process_state = models.CharField(max_length=40)
    at_ms = models.BigIntegerField()
    sent_at_ms = models.BigIntegerField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["case", "reporter", "step", "round"], name="told_once_per_step"),
        )
        indexes = (
            models.Index(fields=["id"], name="told_waiting", condition=models.Q(sent_at_ms__isnull=True)),
        )


class ApiKey(models.Model):
    """Another system's key. Only its hash is stored."""

    name = models.CharField(max_length=64, unique=True)
    jurisdiction_id = models.CharField(max_length=64)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    rights = models.JSONField(default=list)
    role = models.CharField(
        max_length=20, blank=True, help_text="As what it takes steps of a case; none takes none."
    )
    per_minute = models.PositiveIntegerField(
        null=True,
        help_text="Reports over Open311 and calls of the API in a minute; the usual number where empty.",
    )
    made_at_ms = models.BigIntegerField()
    used_at_ms = models.BigIntegerField(null=True)
    revoked_at_ms = models.BigIntegerField(null=True)


class ApiCall(models.Model):
    """The answer to a call, kept by its Idempotency-Key: a repetition gets it again."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="calls")
    idempotency_key = models.CharField(max_length=100)
    request_sha256 = models.CharField(max_length=64)
    status = models.SmallIntegerField(default=0)
    answer = models.TextField(blank=True)
    at_ms = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["key", "idempotency_key"], name="call_once"),)
