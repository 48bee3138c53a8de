"""Devices, what is known of each now, a day of its measurements, its alarms, and what cases have yet to hear of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from central.people.scopes import Scoped


class ScopedByDevice(Scoped):
    """Rows that belong to a device are seen with it."""

    SCOPE = "device__jurisdiction_id"
    GRID = "device__grid_id"


class Device(models.Model):
    """One thing that measures. `name` is how it is called in topics; `secret_sha256` opens the HTTP way."""

    jurisdiction_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=32, help_text="Code of its type.")
    title = models.CharField(max_length=120, blank=True, help_text="What people call it.")
    place = models.CharField(max_length=200, blank=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    grid = models.ForeignKey("grids.Grid", on_delete=models.PROTECT, null=True, related_name="+")
    enabled = models.BooleanField(default=True)
    secret_sha256 = models.CharField(max_length=64, unique=True, null=True)
    made_at_ms = models.BigIntegerField()

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "name"], name="one_device_of_a_name"),
        )
        indexes = (models.Index(fields=["jurisdiction_id", "kind", "name"], name="device_by_kind"),)


class DeviceState(models.Model):
    """What is known of a device now. Written for each message; on PostgreSQL its pages keep room for that (HOT).

    No column that changes with every message is indexed. `due_at_ms` is no later than the moment at which something is to be
    done without a message; who finds nothing to do then puts it on.
    """

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="state")
    heard_at_ms = models.BigIntegerField(null=True)
    due_at_ms = models.BigIntegerField(null=True)
    silent = models.BooleanField(default=False)
    body = models.TextField(blank=True)

    objects = ScopedByDevice.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["due_at_ms"], name="device_due", condition=Q(due_at_ms__isnull=False)),
            models.Index(fields=["device"], name="device_silent", condition=Q(silent=True)),
            models.Index(fields=["device"], name="device_never", condition=Q(heard_at_ms__isnull=True)),
        )


class Point(models.Model):
    """A quarter of an hour of a device that is over; `slot` is its place in the ring of a day."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="points", db_index=False)
    slot = models.SmallIntegerField()
    start_ms = models.BigIntegerField()
    fields = models.TextField()

    objects = ScopedByDevice.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["device", "slot"], name="point_ring"),)


class Alarm(models.Model):
    """Active or cleared, acknowledged or not. At most one of a kind lasts at a device: the database says so."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="alarms")
    jurisdiction_id = models.CharField(max_length=64)
    grid = models.ForeignKey("grids.Grid", on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=32)
    severity = models.CharField(max_length=10)
    since_ms = models.BigIntegerField()
    raised_at_ms = models.BigIntegerField()
    seen_at_ms = models.BigIntegerField(help_text="When the centre learned of it.")
    value = models.CharField(max_length=40, blank=True)
    times = models.IntegerField(default=1)
    last_at_ms = models.BigIntegerField()
    flapping = models.BooleanField(default=False)
    cleared_at_ms = models.BigIntegerField(null=True)
    cleared_why = models.CharField(max_length=10, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    acknowledged_at_ms = models.BigIntegerField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True)
    case = models.ForeignKey("cases.Case", on_delete=models.PROTECT, null=True, related_name="alarms")
    case_at_ms = models.BigIntegerField(null=True, help_text="When the case knew of it.")

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["device", "kind"],
                condition=Q(cleared_at_ms__isnull=True),
                name="one_live_alarm_of_a_kind",
            ),
        )
        indexes = (
            models.Index(fields=["-raised_at_ms", "-id"], name="alarm_newest"),
            models.Index(
                fields=["severity", "-raised_at_ms", "-id"],
                name="alarm_lasting",
                condition=Q(cleared_at_ms__isnull=True),
            ),
            models.Index(
                fields=["-raised_at_ms", "-id"],
                name="alarm_unheard",
                condition=Q(acknowledged_at_ms__isnull=True),
            ),
        )


class Letter(models.Model):
    """What a case has yet to hear of an alarm; gone once it has. Written with the alarm, carried after the commit."""

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="letters")
    what = models.CharField(max_length=10)
    at_ms = models.BigIntegerField()
    tries = models.IntegerField(default=0)
    next_at_ms = models.BigIntegerField(default=0, db_index=True)


class DeadLetter(models.Model):
    """What could not be done although the database was well, with the reason: it waits here, so that it holds up nothing else,
    until somebody tries it again or puts it away."""

    MESSAGE, SILENCE = "message", "silence"
    """Beside these two, `what` is what a case could not be told: see `alarms`."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="dead_letters")
    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, null=True, related_name="dead_letters")
    what = models.CharField(max_length=10)
    payload = models.TextField(blank=True, help_text="Of a message, once it was read as its type says.")
    again = models.BooleanField(default=False, help_text="Whether the carrier brought the message again.")
    at_ms = models.BigIntegerField(help_text="When the message came, or what it is about happened.")
    reason = models.CharField(max_length=200)
    tries = models.IntegerField(default=1)
    died_at_ms = models.BigIntegerField(db_index=True)

    objects = ScopedByDevice.as_manager()


class Unreadable(models.Model):
    """Messages that were not taken, counted by where and why. What they held is not kept: it may be somebody's face."""

    jurisdiction_id = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    code = models.CharField(max_length=30)
    detail = models.CharField(max_length=80, blank=True)
    times = models.BigIntegerField(default=1)
    first_at_ms = models.BigIntegerField()
    last_at_ms = models.BigIntegerField(db_index=True)

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "name", "code"], name="unreadable_once"),
        )
