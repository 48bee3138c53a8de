"""Which directory of owners a box uses."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from notifier.owners._key import OwnersKey, key_from_environment, key_from_file
from notifier.owners._port import NoDirectory, OwnerDirectory
from protocol.clock import Clock
from protocol.errors import PatrolError


class OwnersConfig(BaseModel):
    """Directory of owners. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Literal["centre", "local", "none"] | None = Field(
        default=None,
        title="Directory",
        description="centre: the centre finds and warns the owner, and no phone number reaches this box; the default "
        "with a broker. local: an encrypted table on this box, which sends by itself. none: nobody is warned; the "
        "default without a broker.",
    )
    file: Path | None = Field(default=None, title="Table", description="SQLite file of the local table.")
    key_file: Path | None = Field(
        default=None, title="Key file", description="File with the table's key; readable by its owner only."
    )
    key_env: str | None = Field(
        default=None, title="Key variable", description="Environment variable with the table's key."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.directory == "local":
            if self.file is None:
                raise ValueError("directory local needs file")
            if (self.key_file is None) == (self.key_env is None):
                raise ValueError("directory local needs one of key_file and key_env")
        return self

    def key(self) -> OwnersKey:
        """Read the key of the local table.

        Raises:
            PatrolError: it is missing, or others may read it.
        """
        if self.key_env is not None:
            return key_from_environment(self.key_env)
        if self.key_file is None:
            raise PatrolError("no key is named", field="owners.key_file")
        return key_from_file(self.key_file)


def make_directory(config: OwnersConfig, clock: Clock) -> OwnerDirectory:
    """The configured directory.

    Raises:
        PatrolError: the key or the table cannot be used.
        UnavailableError: the table cannot be opened.
    """
    if config.directory != "local" or config.file is None:
        return NoDirectory()
    from notifier.owners.local import LocalDirectory
    from notifier.owners.rotation import finish_rotation

    if config.key_file is not None:
        finish_rotation(config.file, config.key_file)
    return LocalDirectory(config.file, config.key(), clock)
