"""Checking that the models on this machine are what the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass, field

from models import catalogue
from models._bring import check
from models._session import open_session
from models.catalogue import Entry
from protocol.errors import PatrolError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for one model.

    Attributes:
        name: catalogue name.
        state: "good", "bad" or "absent".
        path: its file, if it is on this machine.
        problem: what is wrong, if it is bad.
        outputs: name and shape of each output of a detector for one picture.
    """

    name: str
    state: str
    path: str | None = None
    problem: str | None = None
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)


def verify(entry: Entry) -> Verdict:
    """Compare the hash of a model's file, load it, and run a detector once to see its outputs."""
    path = catalogue.file_of(entry)
    if path is None:
        return Verdict(entry.name, "absent")
    try:
        found = catalogue.sha256(path)
        if found != entry.sha256:
            problem = f"expected SHA-256 {entry.sha256 or '(none pinned)'}, found {found}"
            return Verdict(entry.name, "bad", str(path), problem)
        outputs = {}
        if entry.family is not None:
            outputs = dict(check(path, entry).outputs)
        elif path.suffix == ".onnx":
            open_session(path, ("CPUExecutionProvider",), 1)
    except PatrolError as error:
        return Verdict(entry.name, "bad", str(path), error.problem)
    except OSError as error:
        return Verdict(entry.name, "bad", str(path), f"cannot be read: {error.strerror}")
    return Verdict(entry.name, "good", str(path), outputs=outputs)
