"""What is kept of owners. Nothing here names a person or a vehicle without the key (see `central.owners.keys`)."""

from __future__ import annotations

from django.db import models


class Owner(models.Model):
    """One person for one plate. Both are found by keyed hashes; plate, number and language are sealed."""

    plate_mark = models.CharField(max_length=64)
    owner_mark = models.CharField(max_length=64)
    sealed = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["plate_mark", "owner_mark"], name="owner_once_per_plate"),
        )


class OwnersKeyName(models.Model):
    """Which key everything here is sealed with; one row."""

    name = models.CharField(max_length=16)


class OptOut(models.Model):
    """A number that said it wants no messages, or said later that it does."""

    phone_mark = models.CharField(max_length=64, unique=True)
    sealed = models.BinaryField()
    phone_masked = models.CharField(max_length=20)
    opted_out = models.BooleanField(default=True)
    source = models.CharField(max_length=40)
    at_ms = models.BigIntegerField()


class Lookup(models.Model):
    """One line of the audit: who asked for whom, why, and what was answered. Written before the answer is given."""

    at_ms = models.BigIntegerField(db_index=True)
    who = models.CharField(max_length=100)
    purpose = models.CharField(max_length=300)
    plate_masked = models.CharField(max_length=12)
    plate_mark = models.CharField(max_length=64)
    answer = models.CharField(max_length=20)
