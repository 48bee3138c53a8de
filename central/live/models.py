"""A short-lived log of what changed. Written in the same transaction as the change itself."""

from __future__ import annotations

from django.db import models


class Change(models.Model):
    """Something that an open page may show has changed. Rows are swept after an hour."""

    topic = models.CharField(max_length=80)
    at_ms = models.BigIntegerField(db_index=True)


class Heartbeat(models.Model):
    """A worker's own word on how it is. One that has been silent for long is shown as not running."""

    name = models.CharField(max_length=100, primary_key=True)
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=30)
    reason = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=40)
    started_at_ms = models.BigIntegerField()
    beat_at_ms = models.BigIntegerField()
    success_at_ms = models.BigIntegerField(null=True, help_text="When it last did its work without an error.")


class Tally(models.Model):
    """How often something happened, over all processes and restarts."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.BigIntegerField(default=0)
