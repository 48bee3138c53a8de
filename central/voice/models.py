"""What people said through the public page, the codes on walls, photos that may be shown, ratings, meetings, the index of words."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.cases.models import Attachment, Case, Commitment, Reporter
from central.grids.models import Grid
from central.people.scopes import Scoped, ScopedByCase


class PlaceCode(models.Model):
    """A code that hangs in a stairwell: it names the place, so that nobody has to. Its token is on the wall, no secret."""

    token = models.CharField(max_length=32, unique=True)
    jurisdiction_id = models.CharField(max_length=64)
    grid = models.ForeignKey(Grid, on_delete=models.PROTECT, null=True, related_name="place_codes")
    place = models.CharField(max_length=300)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    made_at_ms = models.BigIntegerField()
    retired_at_ms = models.BigIntegerField(null=True)

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["jurisdiction_id", "place"],
                condition=Q(retired_at_ms__isnull=True),
                name="one_code_for_a_place",
            ),
        )


class Saying(models.Model):
    """One thing that somebody sent: a report of his own, or "me too" to another one's. Its link opens the progress page.

    The key of the form and the link are stored as hashes alone: who reads the database opens no link.
    """

    class Kind(models.TextChoices):
        REPORT = "report", _("Report")
        ME_TOO = "me_too", _("Me too")

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="sayings")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    category = models.CharField(max_length=40)
    reporter = models.ForeignKey(Reporter, on_delete=models.PROTECT, null=True, related_name="sayings")
    key_sha256 = models.CharField(max_length=64, unique=True)
    content_sha256 = models.CharField(max_length=64)
    token_sha256 = models.CharField(max_length=64, unique=True)
    code = models.ForeignKey(PlaceCode, on_delete=models.PROTECT, null=True, related_name="sayings")
    language = models.CharField(max_length=10, default="zh-hans")
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()


class Rating(models.Model):
    """What somebody who brought the matter thinks of its end; once for each round of the case."""

    saying = models.ForeignKey(Saying, on_delete=models.PROTECT, related_name="ratings")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="ratings")
    round = models.SmallIntegerField()
    stars = models.SmallIntegerField()
    at_ms = models.BigIntegerField()

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["saying", "round"], name="rated_once_a_round"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="cases_rated_one_to_five"),
        )


class ShownPhoto(models.Model):
    """A photo that a person looked at and made fit for the public: no face, no plate, nobody's home is left to be seen."""

    attachment = models.OneToOneField(Attachment, on_delete=models.PROTECT, related_name="shown")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="shown_photos")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at_ms = models.BigIntegerField()
    covered = models.CharField(max_length=1000, blank=True, help_text="Numbers of the squares painted over.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="The small copy so painted, if any is.")

    objects = ScopedByCase.as_manager()


class MeetingState(models.TextChoices):
    """Where a meeting stands."""

    PLANNED = "planned", _("Planned")
    HELD = "held", _("Held")


class Meeting(models.Model):
    """A round table about one case: who sits there, what is talked about, what was said."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="meetings")
    number = models.SmallIntegerField(help_text="Counts the meetings of the case.")
    why = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=MeetingState.choices, default=MeetingState.PLANNED)
    agenda = models.TextField(max_length=4000, blank=True)
    place = models.CharField(max_length=300, blank=True)
    meets_at_ms = models.BigIntegerField(null=True)
    minutes = models.TextField(max_length=8000, blank=True)
    called_at_ms = models.BigIntegerField()
    held_at_ms = models.BigIntegerField(null=True)
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    objects = ScopedByCase.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["case", "number"], name="meeting_once"),
            models.UniqueConstraint(
                fields=["case"], condition=Q(state="planned"), name="one_meeting_is_planned"
            ),
        )
        ordering = ("case", "number")


class Guest(models.Model):
    """Somebody who sits at a round table: a person of the centre, a department, residents' own speaker."""

    meeting = models.ForeignKey(Meeting, on_delete=models.PROTECT, related_name="guests")
    name = models.CharField(max_length=120)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    came = models.BooleanField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["meeting", "name"], name="guest_once"),)
        ordering = ("id",)


class Agreed(models.Model):
    """A commitment of the case that was made at this meeting."""

    meeting = models.ForeignKey(Meeting, on_delete=models.PROTECT, related_name="agreed")
    commitment = models.OneToOneField(Commitment, on_delete=models.PROTECT, related_name="agreed")


class Heard(models.Model):
    """A matter as suggestions look for it: where, when, which words. Written when its case is opened."""

    case = models.OneToOneField(Case, on_delete=models.CASCADE, related_name="heard", primary_key=True)
    jurisdiction_id = models.CharField(max_length=64)
    at_ms = models.BigIntegerField()
    cell = models.BigIntegerField(null=True, help_text="The square of some 150 m in which it lies.")
    text = models.CharField(max_length=600)

    objects = Scoped.as_manager()

    class Meta:
        indexes = (models.Index(fields=["jurisdiction_id", "cell", "-at_ms"], name="heard_near"),)


class HeardWord(models.Model):
    """Which matters have a pair of characters: an index that both databases read in the same way."""

    jurisdiction_id = models.CharField(max_length=64)
    word = models.BigIntegerField(help_text="Hash of the pair.")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="+", db_index=False)
    at_ms = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["jurisdiction_id", "word", "-at_ms", "case"], name="heard_word"),)
