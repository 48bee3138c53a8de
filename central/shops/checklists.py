"""Checklists: what is looked at in a shop of a kind. Each is a file with a version; old versions stay readable."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocol.errors import PatrolError

FOLDER = Path(__file__).with_name("lists")


class Item(BaseModel):
    """One question.

    `severity` is what a failure is, `mend_days` how long one has to mend it, `asked` who asks it: everybody, or only a
    patrol or a professional.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    zh: str = Field(min_length=1, max_length=120)
    en: str = Field(min_length=1, max_length=200)
    severity: Literal["minor", "major", "grave"]
    mend_days: int = Field(ge=0, le=90)
    asked: Literal["all", "official", "professional"] = "all"


class Checklist(BaseModel):
    """A version of the list of one category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    version: int = Field(ge=1)
    items: tuple[Item, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _once(self) -> Checklist:
        names = [item.id for item in self.items]
        if len(set(names)) != len(names):
            raise ValueError("an item is named twice")
        return self

    @property
    def name(self) -> str:
        """Category and version, as inspections keep it."""
        return f"{self.category}-{self.version}"

    def asked_in(self, kind: str) -> tuple[Item, ...]:
        """The items of an inspection of this kind: self, patrol or professional."""
        asked = {"self": {"all"}, "patrol": {"all", "official"}}.get(kind)
        return tuple(item for item in self.items if asked is None or item.asked in asked)


def current(category: str) -> Checklist:
    """The newest version for a category.

    Raises:
        PatrolError: there is none, or a file is wrong.
    """
    known = [each for each in _all().values() if each.category == category]
    if not known:
        raise PatrolError("there is no checklist for this category", field="category", value=category)
    return max(known, key=lambda each: each.version)


def named(name: str) -> Checklist:
    """A version by its name, such as ``catering-1``.

    Raises:
        PatrolError: nobody knows it.
    """
    try:
        return _all()[name]
    except KeyError:
        raise PatrolError("there is no such checklist", field="checklist", value=name) from None


@lru_cache(maxsize=1)
def _all() -> dict[str, Checklist]:
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        try:
            read = Checklist.model_validate(tomllib.loads(path.read_text("utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise PatrolError(f"the checklist cannot be read: {error}", file=path) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PatrolError(f"the checklist is wrong: {first['msg']}", file=path, field=where) from error
        if path.stem != read.name:
            raise PatrolError(
                "a checklist's file is named by category and version", file=path, mend=f"{read.name}.toml"
            )
        found[read.name] = read
    return found
