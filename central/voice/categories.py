"""What people can say something about, read from `categories.toml` once for each process."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from central.cases.definition import Name, Titles
from central.cases.rules import services
from protocol.errors import PatrolError

FILE = Path(__file__).with_name("categories.toml")


class VoiceCategory(BaseModel):
    """A kind of matter on the public form, and the service that it becomes a case of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Name
    titles: Titles
    service: Name
    anonymous: bool


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: tuple[VoiceCategory, ...]


@lru_cache(maxsize=1)
def categories() -> dict[str, VoiceCategory]:
    """Every category by its code, in the order of the form."""
    found = _File.model_validate(tomllib.loads(FILE.read_text("utf-8"))).categories
    return {one.code: one for one in found}


def category(code: str) -> VoiceCategory:
    """The category of this code.

    Raises:
        PatrolError: there is none.
    """
    found = categories().get(code)
    if found is None:
        raise PatrolError(
            "there is no such category",
            field="category",
            value=code[:40],
            mend=f"Known: {', '.join(categories())}",
        )
    return found


def may_be_anonymous(found: VoiceCategory) -> bool:
    """Whether such a matter may be brought without a name: both the category and the service must allow it."""
    return found.anonymous and services()[found.service].anonymous


def codes_of_services() -> frozenset[str]:
    """The services whose cases are matters of residents."""
    return frozenset(one.service for one in categories().values())
