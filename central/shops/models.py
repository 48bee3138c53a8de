"""Shops, the codes on their doors, and all that a colour is computed from."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from central.people.scopes import Scoped


class Category(models.TextChoices):
    """What a shop is, as far as safety is concerned: each has a checklist of its own."""

    CATERING = "catering", _("Catering")
    RETAIL = "retail", _("Retail")
    WORKSHOP = "workshop", _("Small workshop")
    LODGING = "lodging", _("Lodging")


class Colour(models.TextChoices):
    """What the code on the door shows."""

    GREEN = "green", _("Green")
    YELLOW = "yellow", _("Yellow")
    RED = "red", _("Red")


class InspectionKind(models.TextChoices):
    """Who looked."""

    SELF = "self", _("Self-inspection")
    PATROL = "patrol", _("Patrol inspection")
    PROFESSIONAL = "professional", _("Professional inspection")


class Severity(models.TextChoices):
    """How much depends on an item."""

    MINOR = "minor", _("Minor hazard")
    MAJOR = "major", _("Major hazard")
    GRAVE = "grave", _("Grave hazard")


class CertificateKind(models.TextChoices):
    """What a shop has that runs out."""

    BUSINESS_LICENCE = "business_licence", _("Business licence")
    FOOD_LICENCE = "food_licence", _("Food licence")
    LODGING_LICENCE = "lodging_licence", _("Special trade licence")
    HEALTH = "health", _("Health certificate")
    EXTINGUISHER = "extinguisher", _("Fire extinguisher")
    GAS_HOSE = "gas_hose", _("Gas hose")
    GAS_ALARM = "gas_alarm", _("Gas alarm")
    SMOKE_ALARM = "smoke_alarm", _("Smoke alarm")
    ELECTRICITY = "electricity", _("Check of the wiring")
    INSURANCE = "insurance", _("Liability insurance")
    OTHER = "other", _("Other")


class TipOffState(models.TextChoices):
    """Where a tip-off stands."""

    NEW = "new", _("To be verified")
    VERIFIED = "verified", _("Verified")
    UNFOUNDED = "unfounded", _("Unfounded")


class AppealState(models.TextChoices):
    """Where an appeal stands."""

    OPEN = "open", _("To be decided")
    UPHELD = "upheld", _("Upheld")
    REJECTED = "rejected", _("Rejected")


class ScopedByShop(Scoped):
    """Rows that belong to a shop, seen by whoever sees the shop."""

    SCOPE = "shop__jurisdiction_id"
    GRID = "shop__grid_id"


class Shop(models.Model):
    """One shop. Its colour is what the rule said last (`central.shops.rules`), kept so that lists need not compute it."""

    jurisdiction_id = models.CharField(max_length=64)
    number = models.CharField(max_length=40, help_text="The register's own; unique in the jurisdiction.")
    name = models.CharField(max_length=120)
    category = models.CharField(max_length=12, choices=Category.choices)
    licence = models.CharField(max_length=40, blank=True)
    address = models.CharField(max_length=300, blank=True)
    longitude = models.FloatField(null=True)
    latitude = models.FloatField(null=True)
    grid = models.ForeignKey("grids.Grid", on_delete=models.PROTECT, null=True, related_name="shops")
    sealed = models.BinaryField(null=True, help_text="The owner's name and number.")
    phone_mark = models.CharField(max_length=64, blank=True)
    phone_masked = models.CharField(max_length=20, blank=True)
    language = models.CharField(max_length=10, default="zh-hans")
    active = models.BooleanField(default=True)
    registered_at_ms = models.BigIntegerField()
    colour = models.CharField(max_length=6, choices=Colour.choices, default=Colour.GREEN)
    reasons = models.JSONField(default=list)
    rule = models.CharField(max_length=40, blank=True)
    risk = models.IntegerField(default=0)
    colour_since_ms = models.BigIntegerField()
    self_inspected_at_ms = models.BigIntegerField(null=True)
    inspected_at_ms = models.BigIntegerField(null=True, help_text="By somebody other than the merchant.")

    objects = Scoped.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "number"], name="shop_number_once"),
        )
        indexes = (
            models.Index(fields=["jurisdiction_id", "active", "-risk", "id"], name="shop_by_risk"),
            models.Index(fields=["jurisdiction_id", "phone_mark"], name="shop_of_owner"),
        )

    def __str__(self) -> str:
        return self.name


class Code(models.Model):
    """What the picture on the door leads to. Opaque, and of no use once it was revoked."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="codes")
    token = models.CharField(max_length=32, unique=True)
    issued_at_ms = models.BigIntegerField()
    expires_at_ms = models.BigIntegerField(null=True)
    revoked_at_ms = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["shop"], condition=Q(revoked_at_ms__isnull=True), name="one_code_in_force"
            ),
        )


class Photo(models.Model):
    """A photo as it is kept: decoded, upright, without metadata. The file is named by its hash."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="photos")
    sha256 = models.CharField(max_length=64)
    thumbnail_sha256 = models.CharField(max_length=64)
    original_sha256 = models.CharField(max_length=64)
    actor = models.CharField(max_length=160)
    received_at_ms = models.BigIntegerField()

    objects = ScopedByShop.as_manager()


class Inspection(models.Model):
    """Somebody went through a checklist."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="inspections")
    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=InspectionKind.choices)
    checklist = models.CharField(max_length=40, help_text="Category and version.")
    answers = models.JSONField(help_text="By item: ok, fail or none.")
    failed = models.IntegerField()
    note = models.CharField(max_length=2000, blank=True)
    signed_by = models.CharField(max_length=80, blank=True)
    signature = models.TextField(blank=True, help_text="A path of SVG, in a box of 600 x 200.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="shop_inspections"
    )
    actor = models.CharField(max_length=160)
    at_ms = models.BigIntegerField()

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["shop", "key"], name="one_inspection_a_key"),)
        indexes = (models.Index(fields=["shop", "-at_ms"], name="inspection_of_shop"),)


class Finding(models.Model):
    """An item that was not in order, until it is mended."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="findings")
    inspection = models.ForeignKey(Inspection, on_delete=models.CASCADE, related_name="findings")
    item = models.CharField(max_length=40)
    severity = models.CharField(max_length=6, choices=Severity.choices)
    titles = models.JSONField(help_text="As the checklist said it then: zh and en.")
    found_at_ms = models.BigIntegerField()
    due_at_ms = models.BigIntegerField()
    photo = models.ForeignKey(Photo, on_delete=models.PROTECT, null=True, related_name="+")
    mended_at_ms = models.BigIntegerField(null=True)
    mend_photo = models.ForeignKey(Photo, on_delete=models.PROTECT, null=True, related_name="+")
    mend_note = models.CharField(max_length=500, blank=True)
    checked_at_ms = models.BigIntegerField(null=True, help_text="When an inspector agreed that it is mended.")
    checked_by = models.CharField(max_length=160, blank=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["shop"], name="finding_open", condition=Q(mended_at_ms__isnull=True)),
            models.Index(fields=["shop", "-found_at_ms"], name="finding_of_shop"),
        )


class Certificate(models.Model):
    """A paper or a piece of equipment that runs out. A new one replaces the old one, which stays in the history."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="certificates")
    kind = models.CharField(max_length=20, choices=CertificateKind.choices)
    label = models.CharField(max_length=80, blank=True, help_text="Which one, where a shop has several.")
    expires_on = models.DateField(help_text="The last day on which it is good.")
    photo = models.ForeignKey(Photo, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=160)
    added_at_ms = models.BigIntegerField()
    replaced_at_ms = models.BigIntegerField(null=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["shop", "kind", "label"],
                condition=Q(replaced_at_ms__isnull=True),
                name="one_certificate_in_force",
            ),
        )
        indexes = (
            models.Index(
                fields=["expires_on"], name="certificate_expiry", condition=Q(replaced_at_ms__isnull=True)
            ),
        )


class Rating(models.Model):
    """What a passer-by thinks, once a day from each device."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="ratings")
    device = models.CharField(max_length=64, help_text="Keyed hash; nobody is found by it.")
    network = models.CharField(max_length=64, help_text="Keyed hash of the address and the day.")
    day = models.DateField()
    stars = models.SmallIntegerField()
    at_ms = models.BigIntegerField()

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["shop", "device", "day"], name="one_rating_a_day"),
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="one_to_five_stars"),
        )
        indexes = (models.Index(fields=["network", "day"], name="rating_of_network"),)


class TipOff(models.Model):
    """What somebody saw in or before a shop. Counts once an inspector found it true."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="tip_offs")
    key = models.CharField(max_length=100)
    text = models.CharField(max_length=1000)
    photo = models.ForeignKey(Photo, on_delete=models.PROTECT, null=True, related_name="+")
    network = models.CharField(max_length=64)
    day = models.DateField()
    at_ms = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=TipOffState.choices, default=TipOffState.NEW)
    severity = models.CharField(max_length=6, choices=Severity.choices, blank=True)
    decided_by = models.CharField(max_length=160, blank=True)
    decided_at_ms = models.BigIntegerField(null=True)
    note = models.CharField(max_length=500, blank=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["shop", "key"], name="one_tip_off_a_key"),)
        indexes = (
            models.Index(fields=["network", "day"], name="tip_off_of_network"),
            models.Index(fields=["shop", "state", "-at_ms"], name="tip_off_of_shop"),
        )


class Appeal(models.Model):
    """A merchant says that the colour is wrong. What an inspector takes away counts no more, by the key of the fact."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="appeals")
    colour = models.CharField(max_length=6, choices=Colour.choices)
    reasons = models.JSONField()
    text = models.CharField(max_length=1000)
    at_ms = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=AppealState.choices, default=AppealState.OPEN)
    set_aside = models.JSONField(default=list, help_text="Keys of facts that count no more.")
    decided_by = models.CharField(max_length=160, blank=True)
    decided_at_ms = models.BigIntegerField(null=True)
    note = models.CharField(max_length=1000, blank=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["shop"], condition=Q(state="open"), name="one_open_appeal"),
        )


class Enforcement(models.Model):
    """The case that a long red became: one for each red."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="enforcements")
    case = models.OneToOneField("cases.Case", on_delete=models.PROTECT, related_name="shop_enforcement")
    red_since_ms = models.BigIntegerField()

    objects = ScopedByShop.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["shop", "red_since_ms"], name="one_case_for_each_red"),
        )


class Note(models.Model):
    """What the merchant reads on the page of the shop; some also go out as an SMS."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="notes")
    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=20)
    zh = models.CharField(max_length=500)
    en = models.CharField(max_length=500)
    at_ms = models.BigIntegerField()
    read_at_ms = models.BigIntegerField(null=True)

    objects = ScopedByShop.as_manager()

    class Meta:
        indexes = (models.Index(fields=["shop", "-at_ms"], name="note_of_shop"),)


class Entry(models.Model):
    """One line of a shop's log. Only ever grows: the database refuses to change or delete one."""

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="log")
    kind = models.CharField(max_length=30)
    at_ms = models.BigIntegerField()
    actor = models.CharField(max_length=160)
    body = models.JSONField()

    objects = ScopedByShop.as_manager()

    class Meta:
        indexes = (models.Index(fields=["shop", "-at_ms", "-id"], name="log_of_shop"),)


class Round(models.Model):
    """Where the sweepers are in the shops of a jurisdiction: one of them does the next batch when it is due."""

    jurisdiction_id = models.CharField(max_length=64, unique=True)
    due_at_ms = models.BigIntegerField(db_index=True)
    after = models.BigIntegerField(default=0, help_text="The last shop that was done.")


class LoginCode(models.Model):
    """Six digits that were sent to an owner, as a keyed hash."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    made_at_ms = models.BigIntegerField()
    attempts = models.SmallIntegerField(default=0)
    used_at_ms = models.BigIntegerField(null=True)

    class Meta:
        indexes = (models.Index(fields=["shop", "-made_at_ms"], name="login_code_of_shop"),)


class Session(models.Model):
    """A merchant who has logged in to one shop. Nothing to do with the log-in of the staff."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    made_at_ms = models.BigIntegerField()
    expires_at_ms = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["expires_at_ms"], name="session_expiry"),)
