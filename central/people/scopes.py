"""Rows seen through a person's scope. Every query of a view begins here."""

from __future__ import annotations

from typing import Any

from django.db import models

from central.people.models import User


class Scoped(models.QuerySet):  # type: ignore[type-arg]
    """Rows seen through a person's scope. Views begin with `visible_to`."""

    SCOPE = "jurisdiction_id"

    def visible_to(self, user: Any) -> Scoped:
        """Only what lies in the person's scope; nothing for anybody without one."""
        scope = getattr(user, "scope", "")
        if scope == User.EVERYWHERE:
            return self.all()
        return self.filter(**{self.SCOPE: scope}) if scope else self.none()


class ScopedByCase(Scoped):
    """The same for rows that belong to a case."""

    SCOPE = "case__jurisdiction_id"
