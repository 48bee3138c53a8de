"""What makes a message count once, what could not be taken, and how the workers are."""

from __future__ import annotations

from django.db import models


class Receipt(models.Model):
    """A key that was accepted. Written with the message's effect, so that both are there or neither."""

    key = models.CharField(max_length=300, primary_key=True)
    kind = models.CharField(max_length=30)
    content_sha256 = models.CharField(max_length=64)
    received_at_ms = models.BigIntegerField()


class Quarantined(models.Model):
    """A message that was not taken, for a person to look at. Its text is kept up to a limit."""

    topic = models.CharField(max_length=300)
    key = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=500)
    size = models.IntegerField()
    sha256 = models.CharField(max_length=64)
    head = models.TextField(blank=True)
    times = models.IntegerField(default=1)
    first_at_ms = models.BigIntegerField()
    last_at_ms = models.BigIntegerField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["topic", "sha256"], name="quarantined_once"),)


class Worker(models.Model):
    """An ingest worker's own word on how it is; silent ones are shown as not running."""

    name = models.CharField(max_length=100, primary_key=True)
    state = models.CharField(max_length=30)
    reason = models.CharField(max_length=300, blank=True)
    since_ms = models.BigIntegerField()
    beat_at_ms = models.BigIntegerField()
    taken = models.BigIntegerField(default=0)
