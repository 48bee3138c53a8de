"""What Open311 knows of a case beside the case itself."""

from __future__ import annotations

from django.db import models

from central.cases.models import ApiKey, Case, ScopedByCase


class Report(models.Model):
    """How a case came over Open311. What names a person is not here but sealed with the case's reporter."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="open311")
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="open311_reports")
    token = models.CharField(max_length=43, unique=True, help_text="Opens this request without a key.")
    answers = models.JSONField(default=dict, help_text="Answers to what the service asks, by field.")
    address_id = models.CharField(max_length=100, blank=True)
    account_id = models.CharField(max_length=100, blank=True)
    media_url = models.CharField(max_length=500, blank=True, help_text="A picture that lies elsewhere.")
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()
