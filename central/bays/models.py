"""Bays as NGSI-LD describes them (smart-data-models, dataModel.Parking), and reservations of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.cases.models import Case, Scoped


class BayKind(models.TextChoices):
    """NGSI-LD entity types. A `ParkingSpot` is for one vehicle; the others are sites with a number of free places."""

    SPOT = "ParkingSpot", _("Parking bay")
    OFF_STREET = "OffStreetParking", _("Car park")
    ON_STREET = "OnStreetParking", _("Kerbside parking")


class BayStatus(models.TextChoices):
    """ParkingSpot.status; a site is `free` while places are available in it and `occupied` when full."""

    FREE = "free", _("free")
    OCCUPIED = "occupied", _("occupied")
    CLOSED = "closed", _("closed")
    UNKNOWN = "unknown", _("not known")


class Bay(models.Model):
    """A place where a vehicle may be parked, with what was last heard of it.

    `free` is how many vehicles it can take now: 0 or 1 for a spot, NGSI-LD's availableSpotNumber for a site. What was
    observed counts only while it is fresh; `central.bays.services` judges that.
    """

    jurisdiction_id = models.CharField(max_length=64)
    bay_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=BayKind.choices, default=BayKind.SPOT)
    name = models.CharField(max_length=120)
    longitude = models.FloatField()
    latitude = models.FloatField()
    outline = models.JSONField(null=True, help_text="GeoJSON Polygon coordinates, WGS-84.")
    site = models.CharField(max_length=200, blank=True, help_text="NGSI-LD refParkingSite.")
    allowed = models.JSONField(default=list, help_text="Vehicle classes that may stand here; empty: none.")
    public = models.BooleanField(default=True, help_text="Not for residents, permit holders, members alone.")
    hours = models.JSONField(null=True, help_text="When it is open (central.bays.hours); null: always.")
    total = models.IntegerField(default=1, help_text="NGSI-LD totalSpotNumber.")
    status = models.CharField(max_length=10, choices=BayStatus.choices, default=BayStatus.UNKNOWN)
    free = models.IntegerField(default=0)
    observed_at_ms = models.BigIntegerField(null=True)
    observed_by = models.CharField(max_length=160, blank=True)
    imported_at_ms = models.BigIntegerField()

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "bay_id"], name="bay_once"),
            models.CheckConstraint(
                condition=Q(longitude__gte=-180, longitude__lte=180, latitude__gte=-90, latitude__lte=90),
                name="bay_on_earth",
            ),
            models.CheckConstraint(condition=Q(total__gte=1, free__gte=0), name="bay_counts"),
        )
        ordering = ("jurisdiction_id", "bay_id")

    def __str__(self) -> str:
        return f"{self.jurisdiction_id}/{self.bay_id}"


class FeedKey(models.Model):
    """The key of another system that may report the bays of one jurisdiction. Only its hash is stored."""

    name = models.CharField(max_length=64, unique=True)
    jurisdiction_id = models.CharField(max_length=64)
    secret_sha256 = models.CharField(max_length=64, unique=True)
    made_at_ms = models.BigIntegerField()
    revoked_at_ms = models.BigIntegerField(null=True)
    used_at_ms = models.BigIntegerField(null=True)


class Layout(models.Model):
    """Which set of bays a jurisdiction has now. A new stamp makes processes load positions anew."""

    jurisdiction_id = models.CharField(max_length=64, primary_key=True)
    stamp = models.CharField(max_length=32)


class Reservation(models.Model):
    """A bay held for one case, softly: it binds this system's advice, nobody at the kerb.

    `slot` numbers the places of a site (always 0 for a spot). The database itself refuses two live reservations of
    one slot, and two of one case.
    """

    bay = models.ForeignKey(Bay, on_delete=models.CASCADE, related_name="reservations")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="bay_reservations")
    slot = models.IntegerField(default=0)
    made_at_ms = models.BigIntegerField()
    until_ms = models.BigIntegerField()
    released_at_ms = models.BigIntegerField(null=True)
    release_reason = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["bay", "slot"], condition=Q(released_at_ms__isnull=True), name="slot_held_once"
            ),
            models.UniqueConstraint(
                fields=["case"], condition=Q(released_at_ms__isnull=True), name="case_holds_one_bay"
            ),
        )
        indexes = (
            models.Index(
                fields=["until_ms"], name="reservation_due", condition=Q(released_at_ms__isnull=True)
            ),
        )
