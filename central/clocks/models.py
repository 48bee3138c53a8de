"""Calendars, the clocks of cases with their pauses, whistles, and notices to people in the centre."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.cases.models import Case
from central.people.models import Role
from central.people.scopes import Scoped, ScopedByCase, subtree


class WorkCalendar(models.Model):
    """The working time of one jurisdiction. `stamp` changes with every change, so that clocks are reckoned anew."""

    jurisdiction_id = models.CharField(max_length=64, primary_key=True)
    time_zone = models.CharField(max_length=64)
    country = models.CharField(max_length=8, default="cn")
    week = models.JSONField(help_text="Monday to Sunday: [[from, to], …] in minutes of the wall clock.")
    stamp = models.CharField(max_length=32)

    objects = Scoped.as_manager()


class CalendarWeek(models.Model):
    """What somebody made of the weekly hours, time zone and list of holidays. Nothing is overwritten; the newest row counts."""

    calendar = models.ForeignKey(WorkCalendar, on_delete=models.PROTECT, related_name="weeks")
    time_zone = models.CharField(max_length=64)
    country = models.CharField(max_length=8)
    week = models.JSONField(help_text="As in the calendar.")
    reason = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()


class DayKind(models.TextChoices):
    """What a person can make of a date."""

    HOLIDAY = "holiday", _("Day off")
    MAKEUP = "makeup", _("Make-up day")
    SHORTENED = "shortened", _("Own hours")
    USUAL = "usual", _("As by the notices")


class CalendarDay(models.Model):
    """What somebody said of a date. Nothing is overwritten: the newest row of a date counts."""

    calendar = models.ForeignKey(WorkCalendar, on_delete=models.PROTECT, related_name="days")
    day = models.DateField()
    kind = models.CharField(max_length=10, choices=DayKind.choices)
    windows = models.JSONField(default=list, help_text="Hours of a day that has its own.")
    reason = models.CharField(max_length=300)
    author = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["calendar", "day"], name="calendar_day"),)


class CalendarYear(models.Model):
    """Somebody vouches that every day off and make-up day of a year is in the calendar."""

    calendar = models.ForeignKey(WorkCalendar, on_delete=models.PROTECT, related_name="years")
    year = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=300)
    author = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["calendar", "year"], name="calendar_year_once"),)


class Kind(models.TextChoices):
    """What is promised."""

    RESPONSE = "response", _("Response")
    REPLY = "reply", _("Reply")
    RESOLUTION = "resolution", _("Resolution")
    ACKNOWLEDGEMENT = "acknowledgement", _("Acknowledgement")
    OUTER_RESPONSE = "outer_response", _("Response, set by a higher authority")
    OUTER_RESOLUTION = "outer_resolution", _("Resolution, set by a higher authority")


OUTSIDE = frozenset({Kind.OUTER_RESPONSE, Kind.OUTER_RESOLUTION})
"""Deadlines that nobody here pauses or extends; see `central.clocks.outside`."""


class ClockState(models.TextChoices):
    """Whether a clock runs."""

    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    STOPPED = "stopped", _("Stopped")


class Clock(models.Model):
    """One promise of one case. It keeps the rule it was started under; due dates only ever move later."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="clocks")
    jurisdiction_id = models.CharField(max_length=64, help_text="The case's.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    round = models.PositiveSmallIntegerField(
        default=1, help_text="Counts up when a case is opened once more."
    )
    party = models.OneToOneField(
        "clocks.WhistleParty", on_delete=models.PROTECT, null=True, related_name="clock"
    )
    amount = models.FloatField()
    extra = models.FloatField(default=0, help_text="Granted by a person, in the same unit.")
    unit = models.CharField(max_length=16)
    days = models.CharField(max_length=10, default="close")
    warn_after = models.FloatField(null=True)
    escalate = models.BooleanField(default=True)
    escalate_every = models.FloatField(null=True)
    stops_in = models.JSONField(default=list)
    pauses_in = models.JSONField(default=list)

    state = models.CharField(max_length=8, choices=ClockState.choices, default=ClockState.RUNNING)
    started_at_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField()
    provisional = models.BooleanField(default=False)
    calendar_stamp = models.CharField(
        max_length=60, blank=True, help_text="Of the calendar that `due_at_ms` follows; empty in plain time."
    )
    warn_at_ms = models.BigIntegerField(null=True)
    warned_at_ms = models.BigIntegerField(null=True)
    breached_at_ms = models.BigIntegerField(
        null=True, help_text="When the promise was broken, not when it was found."
    )
    level = models.PositiveSmallIntegerField(
        default=0, help_text="How many grids up the matter has been taken."
    )
    stopped_at_ms = models.BigIntegerField(null=True)
    next_at_ms = models.BigIntegerField(
        null=True, help_text="When a sweeper must look at it; none: never by itself."
    )

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["case", "kind", "round"], condition=Q(party__isnull=True), name="clock_once"
            ),
            models.UniqueConstraint(
                fields=["case", "kind"],
                condition=Q(party__isnull=True) & ~Q(state="stopped"),
                name="one_clock_of_a_kind_runs",
            ),
            models.CheckConstraint(
                condition=Q(due_at_ms__gt=models.F("started_at_ms")), name="clock_due_after_start"
            ),
            models.CheckConstraint(
                condition=(~Q(state="stopped")) | Q(stopped_at_ms__isnull=False, next_at_ms__isnull=True),
                name="clock_stopped_rests",
            ),
        )
        indexes = (
            models.Index(fields=["next_at_ms"], name="clock_next", condition=Q(next_at_ms__isnull=False)),
            models.Index(
                fields=["jurisdiction_id", "calendar_stamp"],
                name="clock_by_stamp",
                condition=Q(state="running", breached_at_ms__isnull=True),
            ),
            models.Index(
                fields=["jurisdiction_id", "due_at_ms"],
                name="clock_provisional",
                condition=Q(provisional=True, stopped_at_ms__isnull=True),
            ),
            models.Index(fields=["kind", "started_at_ms"], name="clock_figures"),
        )

    @property
    def on_time(self) -> bool | None:
        """Whether the promise was kept; None while nobody can say."""
        if self.stopped_at_ms is not None:
            return self.stopped_at_ms <= self.due_at_ms
        return False if self.breached_at_ms is not None else None


class ClockPause(models.Model):
    """When and why a clock stood still, and who said so."""

    clock = models.ForeignKey(Clock, on_delete=models.PROTECT, related_name="pauses")
    from_ms = models.BigIntegerField()
    to_ms = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=300)
    actor = models.CharField(max_length=160)
    by_state = models.BooleanField(
        default=False, help_text="The case's state paused it, and its next one resumes it."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["clock"], condition=Q(to_ms__isnull=True), name="one_open_pause"),
            models.CheckConstraint(
                condition=Q(to_ms__isnull=True) | Q(to_ms__gte=models.F("from_ms")), name="pause_runs_forward"
            ),
        )
        ordering = ("from_ms", "id")


class Whistle(models.Model):
    """Somebody calls departments and people to a case (街乡吹哨、部门报到)."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="whistles")
    reason = models.CharField(max_length=500)
    blown_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="whistles")
    blown_at_ms = models.BigIntegerField()
    ended_at_ms = models.BigIntegerField(null=True)

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["case"], condition=Q(ended_at_ms__isnull=True), name="one_whistle_sounds"
            ),
        )


class WhistleParty(models.Model):
    """One who was called. A department without a log-in here is answered for by a dispatcher."""

    whistle = models.ForeignKey(Whistle, on_delete=models.PROTECT, related_name="parties")
    name = models.CharField(max_length=120)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="called_to"
    )
    lead = models.BooleanField(default=False)
    acknowledged_at_ms = models.BigIntegerField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    excused_at_ms = models.BigIntegerField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["whistle", "name"], name="called_once"),
            models.UniqueConstraint(fields=["whistle"], condition=Q(lead=True), name="one_lead"),
        )
        ordering = ("-lead", "id")


class Alerts(models.QuerySet):  # type: ignore[type-arg]
    """Alerts seen by the one they are for."""

    def visible_to(self, user: Any) -> Alerts:
        """To this person, or to everybody of this role who answers for the jurisdiction; by grid, for the case's grid."""
        if not getattr(user, "is_active", False):
            return self.none()
        to_role = Q(user__isnull=True, role=user.role)
        if user.jurisdictions is not None:
            to_role &= Q(jurisdiction_id__in=user.jurisdictions)
        if user.by_grid:
            to_role &= Q(case__isnull=True) | Q(case__grid__in=subtree(user).grids)
        return self.filter(Q(user=user.pk) | to_role)


class Alert(models.Model):
    """Something that one person, or one of those with a role, must know. `key` makes it exist once."""

    key = models.CharField(max_length=200, unique=True)
    jurisdiction_id = models.CharField(max_length=64)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="alerts"
    )
    role = models.CharField(max_length=20, choices=Role.choices, blank=True)
    kind = models.CharField(max_length=30)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="alerts")
    args = models.JSONField(default=dict)
    at_ms = models.BigIntegerField(help_text="When it was so, not when it was found.")
    raised_at_ms = models.BigIntegerField()
    read_at_ms = models.BigIntegerField(null=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    objects = Alerts.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(user__isnull=False, role="") | (Q(user__isnull=True) & ~Q(role="")),
                name="alert_is_for_somebody",
            ),
        )
        indexes = (
            models.Index(
                fields=["user", "-at_ms"], name="alert_of_user", condition=Q(read_at_ms__isnull=True)
            ),
            models.Index(
                fields=["role", "jurisdiction_id", "-at_ms"],
                name="alert_of_role",
                condition=Q(read_at_ms__isnull=True, user__isnull=True),
            ),
        )


class Sweeper(models.Model):
    """A sweeping process that lives, as it said itself."""

    name = models.CharField(max_length=100, unique=True)
    seen_at_ms = models.BigIntegerField()
