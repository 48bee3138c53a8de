"""A short-lived log of what changed. Written in the same transaction as the change itself."""

from __future__ import annotations

from django.db import models


class Change(models.Model):
    """Something that an open page may show has changed. Rows are swept after an hour."""

    topic = models.CharField(max_length=80)
    at_ms = models.BigIntegerField(db_index=True)
