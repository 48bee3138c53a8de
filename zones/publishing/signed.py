"""The published file: the author's own zone file under a head of comment lines that says who published it, and signs it.

```
# Published zones. Whoever changes a byte breaks the signature, and agents refuse the file.
#: {
#:   "format": 1,
#:   "camera": "cam1",
#:   "version": 3,
#:   …
#: }
schema = 1
…
```

Every tool that reads zone files reads it as it is, comments of the author included. What is signed is the head without
its signature, in canonical form (RFC 8785 for strings and whole numbers: keys sorted, no spaces, UTF-8), after a line
that names the purpose; the head holds the SHA-256 of all that follows it, and of the version before. Parsed values are
never signed, so a later version of this program, which knows more keys, still verifies the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from protocol.clock import Millis, from_iso, iso
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import Ident
from zones.files import parse_zone_file
from zones.model import ZoneFile
from zones.publishing.keys import PublisherKey, SigningKey

_TITLE = "# Published zones. Whoever changes a byte breaks the signature, and agents refuse the file.\n"
_MARK = "#: "
_PURPOSE = b"street-patrol zones v1\n"
"""Signed before the head, so that a signature made for another purpose never counts here."""

MAX_BYTES = 4 * 1024 * 1024 + 16 * 1024
"""The largest zone file and a head."""

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$"),
]


class Head(BaseModel):
    """What a published file says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(default=1, description="Version of this head.")
    camera: Ident = Field(description="The camera whose zones they are.")
    version: int = Field(description="Counts up from 1.", ge=1, le=10**9)
    at: str = Field(description="When it was published, UTC, ISO 8601.")
    author: _Line = Field(description="Who published it.")
    reason: _Line = Field(description="Why.")
    restores: int | None = Field(default=None, description="The version whose zones these are again.", ge=1)
    previous: _Hash | None = Field(
        default=None, description="SHA-256 of the whole file of the version before; none for the first."
    )
    zones_sha256: _Hash = Field(description="SHA-256 of the zone file below.")
    key: str = Field(description="The public half of the key that signed, ed25519:….")
    signature: str = Field(description="Base64.")

    @property
    def at_ms(self) -> Millis:
        """When it was published, UTC milliseconds."""
        return from_iso(self.at)

    @property
    def signer(self) -> PublisherKey:
        """The key that it says signed it. Whether it is trusted is another question."""
        return PublisherKey.from_line(self.key)

    def signed_bytes(self) -> bytes:
        """What the signature is made of."""
        facts = self.model_dump(exclude={"signature"}, exclude_none=True)
        return _PURPOSE + json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
            "utf-8"
        )


@dataclass(frozen=True, slots=True)
class SignedZones:
    """A published file whose signature holds.

    Attributes:
        head: who, when, why, and what came before.
        zones: what it says.
        text: the author's zone file.
        data: the whole file.
        sha256: its hash, by which it is known.
    """

    head: Head
    zones: ZoneFile
    text: str
    data: bytes
    sha256: str


def sign(
    text: str,
    key: SigningKey,
    *,
    camera: str,
    version: int,
    at_ms: Millis,
    author: str,
    reason: str,
    previous: str | None,
    restores: int | None = None,
) -> bytes:
    """The whole published file.

    Args:
        text: a valid zone file in TOML.
        key: signs.
        camera, version, at_ms, author, reason, previous, restores: see `Head`.

    Raises:
        PatrolError: the author, reason or camera cannot stand in a head.
    """
    body = text.encode("utf-8")
    facts = {
        "camera": camera,
        "version": version,
        "at": iso(at_ms),
        "author": author,
        "reason": reason,
        "restores": restores,
        "previous": previous,
        "zones_sha256": hashlib.sha256(body).hexdigest(),
        "key": key.public.line,
    }
    try:
        draft = Head.model_validate({**facts, "signature": ""})
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise PatrolError(
            f"cannot be published: {fault['msg']}",
            field=name,
            value=facts.get(name),
            mend="Write one line of text, 500 characters at most."
            if name in ("author", "reason")
            else "Give the camera's id as the agent's configuration has it.",
        ) from error
    head = draft.model_copy(update={"signature": base64.b64encode(key.sign(draft.signed_bytes())).decode()})
    return _written(head) + body


def _written(head: Head) -> bytes:
    lines = json.dumps(head.model_dump(exclude_none=True), indent=2, ensure_ascii=False).splitlines()
    return (_TITLE + "".join(f"{_MARK}{line}\n" for line in lines)).encode("utf-8")


def is_signed(data: bytes) -> bool:
    """Whether a file claims to be a published one (not whether that is true)."""
    return re.search(rb"^#: \{", data[:4096], re.MULTILINE) is not None


def without_head(text: str) -> str:
    """The author's zone file in a published one, for who edits a copy of it; other files as they are."""
    if not is_signed(text.encode("utf-8", "replace")):
        return text
    lines = text.splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{_MARK}{{"))
    end = next((n for n in range(begin, len(lines)) if not lines[n].startswith(_MARK)), len(lines))
    before = [line for line in lines[:begin] if line != _TITLE]
    return "".join([*before, *lines[end:]])


def read_signed(path: Path, trusted: Collection[PublisherKey] | None = None) -> SignedZones:
    """Read a published file and verify it; see `open_signed`."""
    return open_signed(read_bytes(path), name=path, trusted=trusted)


def open_signed(
    data: bytes, *, name: object = "zones.toml", trusted: Collection[PublisherKey] | None = None
) -> SignedZones:
    """Verify a published file: signature, key, hash of the zones, and the zones themselves.

    Args:
        data: the whole file.
        name: how errors call it.
        trusted: the keys that may publish; None trusts whichever key signed.

    Raises:
        PatrolError: it is not published, was changed, is cut off, is signed by a key that is not trusted, or its zones
            are not valid.
    """
    head, body = open_head(data, name=name, trusted=trusted)
    text = body.decode("utf-8")
    zones = parse_zone_file(text, name=str(name))
    if zones.camera is not None and zones.camera != head.camera:
        raise PatrolError(
            f"was published for camera {head.camera}, but its zones say camera {zones.camera}", file=name
        )
    return SignedZones(head, zones, text, data, hashlib.sha256(data).hexdigest())


def open_head(
    data: bytes, *, name: object = "zones.toml", trusted: Collection[PublisherKey] | None = None
) -> tuple[Head, bytes]:
    """Verify all of a published file except that its zones are valid; see `open_signed`.

    Returns:
        The head, and the bytes of the zone file.
    """
    head, body = _split(data, name)
    try:
        key = head.signer
        signature = base64.b64decode(head.signature, validate=True)
        head.at_ms  # noqa: B018 - an instant that cannot be read is a broken head
    except (ValueError, binascii.Error) as error:
        raise PatrolError(f"its head is broken: {error}", file=name, mend=_AGAIN) from error
    if not key.verifies(signature, head.signed_bytes()):
        raise PatrolError("its signature is wrong: the head was changed", file=name, mend=_AGAIN)
    if hashlib.sha256(body).hexdigest() != head.zones_sha256:
        raise PatrolError(
            "its signature is wrong: the zones were changed or cut off after publishing",
            file=name,
            mend=_AGAIN,
        )
    if trusted is not None and key not in trusted:
        raise PatrolError(
            f"is signed by {key.fingerprint} ({head.author}), which is not trusted here",
            file=name,
            mend="Publish with a trusted key, or add this one to `trusted_keys`.",
        )
    return head, body


_AGAIN = "Copy the published file again, whole and in binary, or publish again."


def _split(data: bytes, name: object) -> tuple[Head, bytes]:
    if not is_signed(data):
        raise PatrolError("is not signed", file=name, mend="Publish it with `patrol zones publish`.")
    lines: list[bytes] = []
    mark = _MARK.encode()
    rest = data.removeprefix(_TITLE.encode())
    while rest.startswith(mark):
        line, _, rest = rest.partition(b"\n")
        lines.append(line.removeprefix(mark))
        if lines[-1] == b"}":
            break
    try:
        head = Head.model_validate(json.loads(b"\n".join(lines).decode("utf-8")))
        whole = _written(head) + rest == data
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise PatrolError(f"its head is broken: {where}: {fault['msg']}", file=name, mend=_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise PatrolError(f"its head is broken: {error}", file=name, mend=_AGAIN) from error
    if not whole:
        # A key given twice, or a comment between: what a person reads would not be what was signed.
        raise PatrolError("its head is broken: it is not written as it was signed", file=name, mend=_AGAIN)
    return head, rest


def read_bytes(path: Path) -> bytes:
    """The bytes of a zone file, published or not.

    Raises:
        PatrolError: it does not exist or is too large.
        UnavailableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise PatrolError("the zone file does not exist", file=path, mend="Check the path.") from error
    except OSError as error:
        raise UnavailableError(
            f"cannot be read: {error.strerror}", file=path, mend="Check the path and its rights."
        ) from error
    if len(data) > MAX_BYTES:
        raise PatrolError("is larger than 4 MiB; this is no zone file", file=path, mend="Check the path.")
    return data
