"""Grids of four levels (GB/T 30428.1: the grid is the unit of management), and their ground over time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from central.people.scopes import ScopedGrids


class Grid(models.Model):
    """One node of the tree. Level 1 is the whole jurisdiction, level 4 a grid worker's ground.

    A grid is never deleted, because closed cases name it; one that no longer has any ground is history.
    """

    jurisdiction_id = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    level = models.PositiveSmallIntegerField()
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="children")
    primary = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="grids_as_primary"
    )
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="grids_as_deputy"
    )

    objects = ScopedGrids.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["jurisdiction_id", "code"], name="grid_once"),
            models.CheckConstraint(condition=Q(level__gte=1, level__lte=4), name="grid_has_four_levels"),
            models.CheckConstraint(
                condition=Q(level=1, parent__isnull=True) | Q(level__gt=1, parent__isnull=False),
                name="grid_has_its_parent",
            ),
        )
        ordering = ("jurisdiction_id", "code")

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def path(self) -> list[Grid]:
        """From the top down to this grid."""
        nodes: list[Grid] = [self]
        while nodes[0].parent is not None:
            nodes.insert(0, nodes[0].parent)
        return nodes


class GridArea(models.Model):
    """A leaf's ground from an instant on, until another takes its place. GeoJSON MultiPolygon coordinates, WGS-84."""

    grid = models.ForeignKey(Grid, on_delete=models.PROTECT, related_name="areas")
    coordinates = models.JSONField()
    valid_from_ms = models.BigIntegerField()
    valid_to_ms = models.BigIntegerField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["grid"], condition=Q(valid_to_ms__isnull=True), name="one_ground_now"
            ),
            models.CheckConstraint(
                condition=Q(valid_to_ms__isnull=True) | Q(valid_to_ms__gt=models.F("valid_from_ms")),
                name="ground_ends_after_it_begins",
            ),
        )


class GridStamp(models.Model):
    """Changes with every import, so that processes load their index anew."""

    jurisdiction_id = models.CharField(max_length=64, primary_key=True)
    stamp = models.CharField(max_length=32)
