"""The models that street-patrol knows: what they are, whose they are, and where their files lie.

`entries.toml` beside this module comes with the distribution. What a user fetches or imports is recorded in
``catalogue.toml`` of the models folder (``PATROL_MODELS_DIR``, else the user's data folder).
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from models.catalogue import _store
from models.catalogue._entry import Entry, Kind
from models.catalogue._store import add, checked, folder, sha256
from protocol.errors import PatrolError, UnavailableError

__all__ = [
    "DEFAULT",
    "Entry",
    "Kind",
    "add",
    "checked",
    "entries",
    "entry",
    "file_of",
    "find",
    "folder",
    "sha256",
]

DEFAULT = "nanodet-g"
"""The detector that needs no download."""

_BUILT_IN = Path(__file__).with_name("entries.toml")
_WEIGHTS = Path(__file__).parent.parent / "weights"


@lru_cache(maxsize=1)
def _built_in() -> dict[str, Entry]:
    return _store.parse(_BUILT_IN.read_bytes(), _BUILT_IN)


def entries() -> dict[str, Entry]:
    """All entries by name: the distribution's, then the user's.

    An entry of the models folder with a built-in name only adds the file and the hash that were pinned when
    it was fetched; the rest of a built-in entry cannot be changed from outside.
    """
    known = dict(_built_in())
    for name, local in _store.read().items():
        base = known.get(name)
        if base is None:
            known[name] = local
        elif base.kind is Kind.DOWNLOAD and base.sha256 in (None, local.sha256):
            known[name] = base.model_copy(update={"file": local.file, "sha256": local.sha256})
    return known


def entry(name: str) -> Entry:
    """The entry of this name.

    Raises:
        PatrolError: the catalogue has no such name; the message lists those it has.
    """
    known = entries()
    if name not in known:
        raise PatrolError(
            f"the catalogue has no such model; it has {', '.join(known)}",
            field="model",
            value=name,
            mend="Name one of those, a path to an ONNX file, or bring one in with `patrol models import`.",
        )
    return known[name]


def file_of(one: Entry) -> Path | None:
    """The file of an entry if it is on this machine. Nothing is downloaded and no package is imported."""
    path: Path | None = None
    if one.kind is Kind.BUNDLED:
        assert one.file is not None
        path = _WEIGHTS / one.file
    elif one.kind is Kind.PACKAGE:
        assert one.file is not None
        # The spec of the top-level package is found without running any of its code.
        top, _, member = one.file.partition("/")
        spec = importlib.util.find_spec(top)
        if spec is not None and spec.submodule_search_locations:
            path = Path(next(iter(spec.submodule_search_locations))) / member
    elif one.file is not None:
        path = folder() / one.file
    return path if path is not None and path.is_file() else None


def find(name: str) -> Path:
    """The file of a model by its catalogue name.

    Raises:
        PatrolError: the catalogue has no such name.
        UnavailableError: the file is not on this machine; the message says how to get it.
    """
    one = entry(name)
    path = file_of(one)
    if path is None:
        mend = {
            Kind.BUNDLED: "The installation is incomplete: install street-patrol again.",
            Kind.DOWNLOAD: f"Run: patrol models fetch {name}",
            Kind.PACKAGE: f"Run: pip install --no-deps {one.package}=={one.version}",
            Kind.IMPORTED: f"Run `patrol models import` again, or restore {folder() / (one.file or '')}.",
        }[one.kind]
        raise UnavailableError(
            "the model's file is not on this machine", field="model", value=name, mend=mend
        )
    return path
