"""What an agent told of a vehicle that stands where it may not."""

from __future__ import annotations

from django.db import models

from central.cases.models import Case, ScopedByCase
from central.fleet.models import Agent


class Stay(models.Model):
    """The facts of one parking case. Plates are absent rather than guessed."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, primary_key=True, related_name="stay")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="stays")
    camera_id = models.CharField(max_length=64)
    agent_case_id = models.CharField(max_length=64)
    agent_state = models.CharField(max_length=20, blank=True)
    agent_state_at_ms = models.BigIntegerField(null=True)
    zone_id = models.CharField(max_length=200, blank=True)
    zone_name = models.CharField(max_length=200, blank=True)
    zone_version = models.CharField(max_length=100, blank=True)
    vehicle_class = models.CharField(max_length=40, blank=True)
    plate = models.CharField(max_length=12, blank=True)
    plate_confidence = models.FloatField(null=True)
    box = models.JSONField(null=True, help_text="Left, top, right, bottom in the camera's frame, pixels.")
    first_seen_ms = models.BigIntegerField(null=True)
    confirmed_at_ms = models.BigIntegerField(null=True)
    notified_at_ms = models.BigIntegerField(null=True)
    unnotifiable_reason = models.CharField(max_length=300, blank=True)
    clock_started_ms = models.BigIntegerField(null=True)
    clock_ends_ms = models.BigIntegerField(null=True)
    rechecked_at_ms = models.BigIntegerField(null=True)
    why = models.TextField(blank=True)

    objects = ScopedByCase.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["agent_state"], name="stay_by_agent_state"),
            models.Index(fields=["agent", "camera_id", "-case"], name="stay_by_camera"),
            models.Index(fields=["plate"], name="stay_by_plate", opclasses=["varchar_pattern_ops"]),
            models.Index(
                fields=["clock_ends_ms", "-case"],
                name="stay_clock_runs",
                condition=models.Q(agent_state__in=["confirmed", "notified", "unnotifiable", "rechecking"]),
            ),
        )
