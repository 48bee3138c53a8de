"""What the hotline is told from outside: one TOML file, named in PATROL_CENTRAL_HOTLINE_FILE. Unknown keys are errors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from central.cases.definition import Name, Titles
from central.hotline.initials import initials
from notifier.config_file import read_config
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import Ident

SHIPPED = Path(__file__).parent / "subjects.toml"
KEYS = "docs/hotline.md"
SECRET_LENGTH = 32
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(_Part):
    """What a caller speaks of."""

    code: Name
    titles: Titles
    service: Name = Field(description="The service whose rules such a case follows.")
    initials: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{0,20}$")] = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """What may be typed for it, beside the titles themselves."""
        return tuple(each for each in (initials(self.titles.zh), self.initials, self.code) if each)


class City(_Part):
    """The city's 12345 platform."""

    jurisdiction: Ident = Field(description="Whose work orders these are.")
    url: str = Field(description="Where the platform answers, e.g. https://12345.example.gov.cn/open/v1")
    key_file: Path = Field(description="The secret that both sides sign with, in a file of its own.")
    categories: dict[str, Name] = Field(
        min_length=1, description="Category of the city -> code of a subject; `*` for all that are not named."
    )
    poll_seconds: int = Field(default=30, ge=1, le=3600)
    compare_minutes: int = Field(default=60, ge=1, le=24 * 60)
    page: int = Field(default=100, ge=1, le=500)
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    accept_minutes: int = Field(
        default=120,
        ge=1,
        le=7 * 1440,
        description="Where an order does not say by when it is to be accepted.",
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url: write https://host/path, without a question mark")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("url: callers' numbers go over it, so it has to be https")
        return self

    @property
    def secret(self) -> bytes:
        """What both sides sign with.

        Raises:
            UnavailableError: the file cannot be read.
            PatrolError: it is too short.
        """
        try:
            text = self.key_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError("the city's key cannot be read", file=self.key_file) from error
        if len(text) < SECRET_LENGTH:
            raise PatrolError(
                f"the city's key has fewer than {SECRET_LENGTH} characters", file=self.key_file,
                mend="Make one, and give it to the platform: openssl rand -hex 32",
            )  # fmt: skip
        return text.encode()


class HotlineFile(_Part):
    """The whole file."""

    subjects: tuple[Subject, ...] = ()
    return_visit_hours: int = Field(default=48, ge=1, le=30 * 24, description="After a case has closed.")
    retry_minutes: int = Field(
        default=60, ge=1, le=7 * 1440, description="When to ring again after no answer."
    )
    streets: tuple[Annotated[str, StringConstraints(min_length=2, max_length=60)], ...] = Field(
        default=(), max_length=5000, description="Streets of the ground, so that they are found by initials."
    )
    city: City | None = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        codes = [subject.code for subject in self.subjects]
        for code in codes:
            if codes.count(code) > 1:
                raise ValueError(f"subjects: {code!r} is there twice")
        return self

    def subject(self, code: str) -> Subject | None:
        """The subject of this code."""
        return next((subject for subject in self.subjects if subject.code == code), None)


def load() -> HotlineFile:
    """The configuration; read again when the file changes.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: something in it is wrong, or does not fit the services in force.
    """
    path: Path | None = settings.PATROL.hotline_file
    if path is None:
        return _shipped()
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _read(path, stamp)


@lru_cache(maxsize=1)
def _shipped() -> HotlineFile:
    return read_config(SHIPPED, HotlineFile, keys=KEYS)


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: int) -> HotlineFile:
    return check(path)


def check(path: Path) -> HotlineFile:
    """Read a file and compare it with the services in force.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: something in it is wrong.
    """
    found = read_config(path, HotlineFile, keys=KEYS)
    if not found.subjects:
        found = found.model_copy(update={"subjects": _shipped().subjects})
    from central.cases.rules import services

    known = services()
    for number, subject in enumerate(found.subjects):
        service = known.get(subject.service)
        if service is None or "hotline" not in service.sources:
            raise PatrolError(
                "there is no such service, or it takes nothing from the hotline", file=path,
                field=f"subjects.{number}.service", value=subject.service,
                mend="See: patrol central services list",
            )  # fmt: skip
    for category, code in found.city.categories.items() if found.city else ():
        if found.subject(code) is None:
            raise PatrolError(
                "there is no such subject", file=path, field=f"city.categories.{category}", value=code,
                mend=f"Known: {', '.join(subject.code for subject in found.subjects)}",
            )  # fmt: skip
    return found
