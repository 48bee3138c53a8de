"""What is written beside the pictures of a case: who, where, when, with what, and the signatures.

One folder per case. Its `manifest.json` holds one entry per picture; each entry names the hash of the one
before it, and the file is closed by a signature over their number and the last hash. So a changed byte, a
swapped order, a removed picture and a foreign key are all seen. The file is replaced as a whole: a picture is
sealed from the moment at which the new file is in place, and not before.

What this cannot show by itself is that the whole folder was set back to an earlier state: the centre, which
was sent the hashes, can.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from edge_agent.evidence.canonical import canonical, digest
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import EvidenceRef, Ident, Position, Sha256

MANIFEST = "manifest.json"
FORMAT = "street-patrol/evidence/1"

Role = Literal["confirm", "recheck", "plate"]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Hex64 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
PictureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sealer(_Part):
    """Who seals: one agent on one device."""

    jurisdiction_id: Ident
    agent_id: Ident
    device: str = Field(
        min_length=1, max_length=120, description="The device as its keeper knows it: type and serial number."
    )
    app_version: str = Field(min_length=1, max_length=60)


class ClockInfo(_Part):
    """How far the time of a picture can be trusted."""

    source: Literal["camera_ntp", "box", "file"] = Field(
        description="Where the stream time came from: the camera's sender reports, this box, or a file's start."
    )
    offset_ms: int | None = Field(
        default=None, description="What was added to the source's clock to reach UTC; none if not measured."
    )
    uncertainty_ms: int | None = Field(
        default=None, ge=0, description="The true time is this near to the stated one; none if not known."
    )


class EvidenceMeta(_Part):
    """What the agent knows of a picture when it seals it."""

    camera_id: Ident
    taken_at_ms: int = Field(description="Stream time of the frame, UTC milliseconds.")
    clock: ClockInfo
    utc_offset_minutes: int = Field(
        default=480,
        ge=-720,
        le=840,
        description="Offset of local time from UTC at that moment, minutes east.",
    )
    zone_id: str
    zone_name: str
    zone_version: str = Field(description="Hash of the rules the case was opened under.")
    place: str = Field(description="Where, in words for a person.")
    position: Position | None = None
    model_name: str
    model_sha256: Sha256
    box: Box = Field(description="The vehicle in the frame: left, top, right, bottom, pixels of the frame.")
    vehicle_class: str = ""
    plate: str | None = Field(default=None, max_length=12)

    @model_validator(mode="after")
    def _box_is_a_box(self) -> Self:
        left, top, right, bottom = self.box
        if left >= right or top >= bottom:
            raise ValueError("box must be left, top, right, bottom with left < right and top < bottom")
        return self


class Picture(_Part):
    """The sealed file."""

    file: str
    sha256: Sha256
    media_type: Literal["image/jpeg"] = "image/jpeg"
    size: int = Field(gt=0, description="Bytes.")
    width: int = Field(gt=0)
    height: int = Field(gt=0, description="Pixels, the caption below the scene included.")
    scene_height: int = Field(gt=0, description="Pixels of the scene alone.")
    source_width: int = Field(gt=0, description="Pixels of the camera's frame.")
    source_height: int = Field(gt=0)
    box: Box = Field(description="The vehicle, in pixels of this picture.")
    masked: tuple[tuple[int, int, int, int], ...] = Field(
        default=(), description="What was made unrecognisable, in pixels of the camera's frame."
    )


class Original(_Part):
    """The unmasked picture that stays on the box, encrypted."""

    file: str
    sha256: Sha256 = Field(description="Hash of the picture before encryption.")
    size: int = Field(gt=0, description="Bytes before encryption.")
    key_id: str


class Manifest(_Part):
    """One picture's record."""

    case_id: Ident
    seq: int = Field(ge=0, description="Place in the case's chain, from 0.")
    name: PictureName
    role: Role
    previous: Sha256 | None = Field(description="Hash of the manifest before this one; none for the first.")
    sealer: Sealer
    meta: EvidenceMeta
    picture: Picture
    original: Original | None = None

    def ref(self) -> EvidenceRef:
        """How messages name this picture."""
        return EvidenceRef(
            sha256=self.picture.sha256,
            role=self.role,
            taken_at_ms=self.meta.taken_at_ms,
            width=self.picture.width,
            height=self.picture.height,
            size=self.picture.size,
            box=self.picture.box,
        )


class Entry(_Part):
    """A manifest with its hash and signature, both over its canonical bytes."""

    manifest: Manifest
    sha256: Sha256
    signature: Hex64


class Package(_Part):
    """The content of `manifest.json`."""

    format: Literal["street-patrol/evidence/1"] = "street-patrol/evidence/1"
    case_id: Ident
    public_key: Hex32 = Field(description="The signing key's public half, raw.")
    entries: tuple[Entry, ...] = Field(min_length=1)
    closing: Hex64 = Field(description="Signature over the case, the number of entries and the last hash.")

    def closing_bytes(self) -> bytes:
        """What `closing` signs."""
        return closing_bytes(self.case_id, len(self.entries), self.entries[-1].sha256)


def manifest_bytes(manifest: Manifest) -> bytes:
    """What an entry's hash and signature are made of."""
    return canonical(manifest.model_dump(mode="json"))


def closing_bytes(case_id: str, count: int, head: str) -> bytes:
    """What the closing signature is made of; its own words keep it from passing for an entry's."""
    return canonical({"closes": FORMAT, "case_id": case_id, "count": count, "head": head})


def append(
    package: Package | None, manifest: Manifest, public: bytes, sign: Callable[[bytes], bytes]
) -> Package:
    """The package with one more manifest, which must name the last one as its previous, signed and closed.

    Args:
        package: what there was, None for the first picture of a case.
        manifest: the next record.
        public: the signing key's public half, 32 bytes.
        sign: makes a signature of 64 bytes.
    """
    data = manifest_bytes(manifest)
    entry = Entry(manifest=manifest, sha256=digest(data), signature=sign(data).hex())
    entries = (*(package.entries if package else ()), entry)
    return Package(
        case_id=manifest.case_id,
        public_key=public.hex(),
        entries=entries,
        closing=sign(closing_bytes(manifest.case_id, len(entries), entry.sha256)).hex(),
    )


def package_bytes(package: Package) -> bytes:
    """The bytes of `manifest.json`."""
    return canonical(package.model_dump(mode="json"))


def parse_package(data: bytes) -> tuple[Package, dict[str, Any]]:
    """A package and the JSON it was read from.

    Raises:
        ValueError: the bytes are not exactly what this format writes, with the reason in words.
    """
    try:
        raw = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError("is not JSON in UTF-8") from error
    try:
        is_canonical = canonical(raw) == data
        package = Package.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    except (ValueError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(f"holds a value that this format cannot: {error}") from error
    if not is_canonical:
        raise ValueError("is not written as this format writes it (spaces, order of keys, or a repeated key)")
    return package, raw


def read_package(folder: Path) -> Package | None:
    """The package of a case's folder, None if nothing was sealed there.

    Raises:
        PatrolError: the file is damaged.
        UnavailableError: it cannot be read.
    """
    path = folder / MANIFEST
    try:
        return parse_package(path.read_bytes())[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the disk and the file's permissions"
        ) from error
    except ValueError as error:
        raise PatrolError(
            str(error),
            file=path,
            mend="Keep the folder as it is for an inquiry, move it elsewhere, and check the disk",
        ) from error
