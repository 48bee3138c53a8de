"""Tables as offices save them."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a mark, or GB 18030, in which Excel in China writes.

    Raises:
        UnavailableError: the file cannot be read.
        PatrolError: it is neither.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise PatrolError("is neither UTF-8 nor GB 18030 text", file=path, mend="Save it as CSV in UTF-8.")
