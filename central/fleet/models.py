"""Agents that were enrolled, their cameras, strangers that knocked, and letters waiting for agents."""

from __future__ import annotations

from django.db import models

from central.people.scopes import Scoped, ScopedByAgent


class Agent(models.Model):
    """A box at the street that an administrator enrolled. Only these are listened to."""

    jurisdiction_id = models.CharField(max_length=64)
    agent_id = models.CharField(max_length=64)
    enabled = models.BooleanField(default=True)
    enrolled_at_ms = models.BigIntegerField()
    online = models.BooleanField(default=False)
    online_since_ms = models.BigIntegerField(null=True)
    version = models.CharField(max_length=64, blank=True)
    health_at_ms = models.BigIntegerField(null=True)
    heard_at_ms = models.BigIntegerField(null=True)
    outbox_waiting = models.IntegerField(default=0)
    open_cases = models.IntegerField(default=0)
    problems = models.JSONField(default=list)

    objects = Scoped.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["jurisdiction_id", "agent_id"], name="agent_once"),)
        ordering = (
            "jurisdiction_id",
            "agent_id",
        )

    def __str__(self) -> str:
        return f"{self.jurisdiction_id}/{self.agent_id}"


class Camera(models.Model):
    """A camera as its agent last described it."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="cameras")
    camera_id = models.CharField(max_length=64)
    state = models.CharField(max_length=20)
    reason = models.CharField(max_length=300, blank=True)
    since_ms = models.BigIntegerField()
    frame_at_ms = models.BigIntegerField(null=True)
    frames = models.BigIntegerField(default=0)
    reconnects = models.IntegerField(default=0)
    reported_at_ms = models.BigIntegerField()

    objects = ScopedByAgent.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["agent", "camera_id"], name="camera_once"),)
        ordering = ("camera_id",)


class CameraZones(models.Model):
    """The zones of a camera as its agent last told them; outlines are GeoJSON, WGS-84."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="zone_plans")
    camera_id = models.CharField(max_length=64)
    version = models.BigIntegerField(null=True, help_text="Of a published file.")
    sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=120, blank=True)
    told_at_ms = models.BigIntegerField()
    received_at_ms = models.BigIntegerField()
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    zones = models.JSONField(help_text="zone_id, name, kind, version, outline or null.")

    objects = ScopedByAgent.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["agent", "camera_id"], name="camera_zones_once"),)
        ordering = ("agent", "camera_id")


class Stranger(models.Model):
    """An agent that sends but was never enrolled. Its messages stay with it until it is."""

    jurisdiction_id = models.CharField(max_length=64)
    agent_id = models.CharField(max_length=64)
    first_at_ms = models.BigIntegerField()
    last_at_ms = models.BigIntegerField()
    messages = models.BigIntegerField(default=0)

    objects = Scoped.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["jurisdiction_id", "agent_id"], name="stranger_once"),)
        ordering = ("-last_at_ms",)


class Letter(models.Model):
    """A message for an agent, sent again and again until the agent shows that it has acted on it."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="letters")
    letter_id = models.CharField(max_length=64, unique=True)
    payload = models.TextField()
    created_at_ms = models.BigIntegerField()
    attempts = models.IntegerField(default=0)
    next_at_ms = models.BigIntegerField(null=True)
    confirmed_at_ms = models.BigIntegerField(null=True)

    class Meta:
        indexes = (
            models.Index(
                fields=["next_at_ms"], name="letter_due", condition=models.Q(confirmed_at_ms__isnull=True)
            ),
        )
