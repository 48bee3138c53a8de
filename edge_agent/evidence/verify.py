"""Check evidence without the agent, the centre or a network: only the folder and, better, the agent's public key.

Nothing here raises for bad evidence: what is wrong is reported, picture by picture, in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.evidence.canonical import canonical, digest
from edge_agent.evidence.keys import PublicKey
from edge_agent.evidence.manifest import MANIFEST, Entry, Package, parse_package
from edge_agent.evidence.originals import FOLDER
from protocol.errors import PatrolError


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What was found of one picture; no problems means that it is as the agent sealed it."""

    name: str
    file: str
    sha256: str
    taken_at_ms: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseReport:
    """What was found of one case.

    Attributes:
        folder: where it lies.
        case_id: as its manifest says; empty if that cannot be read.
        fingerprint: of the key that signed; empty if that cannot be read.
        key_known: whether that key was compared with one given by the caller. If not, the report says only
            that the folder agrees with itself: whoever can write it could have signed it with a key of theirs.
        pictures: one report each, in order.
        problems: of the case as a whole.
        notes: worth knowing, proves nothing either way.
    """

    folder: Path
    case_id: str
    fingerprint: str
    key_known: bool
    pictures: tuple[PictureReport, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether everything is as it was sealed."""
        return not self.problems and not any(picture.problems for picture in self.pictures)

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "folder": str(self.folder),
            "case_id": self.case_id,
            "intact": self.intact,
            "key": self.fingerprint,
            "key_known": self.key_known,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "pictures": [
                {
                    "name": picture.name,
                    "file": picture.file,
                    "sha256": picture.sha256,
                    "taken_at_ms": picture.taken_at_ms,
                    "intact": not picture.problems,
                    "problems": list(picture.problems),
                }
                for picture in self.pictures
            ],
        }


def case_folders(path: Path) -> list[Path]:
    """The folders of cases that a path means: the folder itself if it is a case, else the cases in it.

    A folder that holds pictures but no manifest counts as a case, so that a removed manifest is seen.

    Raises:
        PatrolError: there is no such folder, or no case in it.
    """
    if not path.is_dir():
        raise PatrolError(
            "is no folder", file=path, mend="Name a case's folder, or the folder that holds the cases"
        )
    if _is_case(path):
        return [path]
    found = sorted(each for each in path.iterdir() if not each.name.startswith(".") and _is_case(each))
    if not found:
        raise PatrolError(
            "holds no evidence", file=path, mend="Name a case's folder, or the folder that holds the cases"
        )
    return found


def verify_case(folder: Path, public_key: PublicKey | None = None) -> CaseReport:
    """Check every hash, signature and link of a case.

    Args:
        folder: the case's folder.
        public_key: the agent's key as the caller knows it; None trusts the one in the folder.
    """
    try:
        package, raw = parse_package((folder / MANIFEST).read_bytes())
    except OSError as error:
        return _unreadable(folder, public_key, f"{MANIFEST} cannot be read: {error.strerror}")
    except ValueError as error:
        return _unreadable(folder, public_key, f"{MANIFEST} {error}")
    problems: list[str] = []
    try:
        signer = PublicKey.from_raw(bytes.fromhex(package.public_key))
    except ValueError:
        return _unreadable(folder, public_key, f"{MANIFEST} names a signing key that is none")
    if public_key is not None and signer != public_key:
        problems.append(f"signed with {signer.fingerprint}, not with the expected {public_key.fingerprint}")
        signer = public_key
    closing = bytes.fromhex(package.closing)
    if not signer.verifies(closing, package.closing_bytes()):
        problems.append("the closing signature is wrong: a picture was added, removed or reordered")
    pictures = tuple(
        _verify_entry(folder, package, number, raw["entries"][number]["manifest"], signer)
        for number in range(len(package.entries))
    )
    return CaseReport(
        folder=folder,
        case_id=package.case_id,
        fingerprint=PublicKey.from_raw(bytes.fromhex(package.public_key)).fingerprint,
        key_known=public_key is not None,
        pictures=pictures,
        problems=tuple(problems),
        notes=tuple(_notes(folder, package)),
    )


def _verify_entry(
    folder: Path, package: Package, number: int, raw: object, signer: PublicKey
) -> PictureReport:
    entry = package.entries[number]
    manifest = entry.manifest
    # Hash and signature are checked over what the file says, not over what this version made of it.
    data = canonical(raw)
    problems = []
    if digest(data) != entry.sha256:
        problems.append("its record was altered: the hash of the record differs")
    if not signer.verifies(bytes.fromhex(entry.signature), data):
        problems.append("its record's signature is wrong")
    if manifest.case_id != package.case_id:
        problems.append(f"its record belongs to case {manifest.case_id}")
    if manifest.seq != number or manifest.previous != _previous(package, number):
        problems.append("its record is out of order, or the one before it was removed or altered")
    problems += _verify_file(folder, entry)
    return PictureReport(
        name=manifest.name,
        file=manifest.picture.file,
        sha256=manifest.picture.sha256,
        taken_at_ms=manifest.meta.taken_at_ms,
        problems=tuple(problems),
    )


def _verify_file(folder: Path, entry: Entry) -> Iterator[str]:
    manifest = entry.manifest
    if manifest.picture.file != f"{manifest.seq + 1:02d}-{manifest.name}.jpg":
        yield "its record names a file that this format would not"
        return
    try:
        data = (folder / manifest.picture.file).read_bytes()
    except FileNotFoundError:
        yield "the picture is missing"
        return
    except OSError as error:
        yield f"the picture cannot be read: {error.strerror}"
        return
    if len(data) != manifest.picture.size or digest(data) != manifest.picture.sha256:
        yield "the picture was altered: its hash differs"


def _previous(package: Package, number: int) -> str | None:
    return package.entries[number - 1].sha256 if number else None


def _notes(folder: Path, package: Package) -> Iterator[str]:
    if folder.resolve().name != package.case_id:
        yield f"the folder is not named after its case {package.case_id}"
    named = {MANIFEST} | {entry.manifest.picture.file for entry in package.entries}
    originals = {entry.manifest.original.file for entry in package.entries if entry.manifest.original}
    for file in sorted(originals):
        if not (folder / file).is_file():
            yield f"{file} (encrypted original) is not here"
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and relative not in named | originals and not path.name.startswith("."):
            yield f"{relative} is not sealed: it proves nothing"


def _unreadable(folder: Path, public_key: PublicKey | None, problem: str) -> CaseReport:
    return CaseReport(folder, "", "", public_key is not None, (), (problem,), ())


def _is_case(path: Path) -> bool:
    return path.is_dir() and (
        (path / MANIFEST).exists() or (path / FOLDER).is_dir() or any(path.glob("*.jpg"))
    )
