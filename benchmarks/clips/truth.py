"""What a person sees in each clip: `truth.toml` beside the zone files that were drawn for the clips."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.errors import PatrolError
from protocol.messages import Ident
from zones import Box

FOLDER = Path(__file__).parent


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Standing(_Strict):
    """A vehicle that stands in a forbidden zone for the whole clip.

    Attributes:
        what: words for people.
        box: left, top, right, bottom by eye, pixels of the clip.
    """

    what: str
    box: Box


class Clip(_Strict):
    """One recording with its zones and its truth.

    Attributes:
        name: also the name of its zone file.
        file: path in the folder of real inputs.
        period_s: seconds between looks.
        seen: what happens, in words.
        standing: what must become a case, and nothing else may.
    """

    name: Ident
    file: str
    period_s: float = Field(gt=0, le=60)
    seen: str
    standing: tuple[Standing, ...] = ()

    @property
    def zones(self) -> Path:
        """The zone file."""
        return FOLDER / f"{self.name}.toml"


class _Truth(_Strict):
    clip: tuple[Clip, ...] = Field(min_length=1)


def load_clips(path: Path = FOLDER / "truth.toml") -> tuple[Clip, ...]:
    """All clips, in the file's order.

    Raises:
        PatrolError: the file is missing or wrong.
    """
    try:
        return _Truth.model_validate(tomllib.loads(path.read_text("utf-8"))).clip
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PatrolError(f"cannot be read: {error}", file=path) from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise PatrolError(str(fault["msg"]), file=path, field=".".join(map(str, fault["loc"]))) from error
