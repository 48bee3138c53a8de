"""Sealing: a frame goes in, a signed picture that cannot be changed unseen comes out."""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from edge_agent.evidence._picture import caption_lines, captioned, encode, prepare
from edge_agent.evidence.canonical import canonical, digest
from edge_agent.evidence.keys import AgentKey
from edge_agent.evidence.manifest import (
    MANIFEST,
    Box,
    EvidenceMeta,
    Manifest,
    Package,
    Picture,
    Role,
    Sealer,
    append,
    package_bytes,
    read_package,
)
from edge_agent.evidence.masking import Region, hidden_regions, hide
from edge_agent.evidence.originals import FOLDER, Vault
from edge_agent.files import make_folder, storage_errors, sweep, sync_folder, write_atomically
from edge_agent.frames import Image
from protocol.errors import PatrolError, UnavailableError
from protocol.messages import EvidenceRef

PURGING = ".purging-"
"""Prefix of a case's folder that is being deleted."""

SEALING = ".sealing-"
"""Prefix of an empty file that says in which case a picture is being sealed. It spares the next start to look
into every case of the last half year for what a crash may have left."""

_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


class EvidenceStore:
    """The evidence of one agent on its disk: one folder per case under `root`.

    One store writes to a root at a time; readers need no lock. Opening a store removes what a crash left
    half done; what was sealed is never touched.

    Args:
        root: made if it does not exist.
        key: signs every manifest.
        sealer: jurisdiction, agent, device and application version.
        originals: keeps the unmasked picture encrypted whenever something in it was hidden; None keeps none.

    Raises:
        UnavailableError: the root cannot be made or written.
    """

    def __init__(self, root: Path, key: AgentKey, sealer: Sealer, *, originals: Vault | None = None) -> None:
        self.root = root
        self._key = key
        self._sealer = sealer
        self._originals = originals
        self._lock = threading.Lock()
        make_folder(root)
        self._clear_leftovers()

    def seal(
        self,
        case_id: str,
        role: Role,
        image: Image,
        meta: EvidenceMeta,
        *,
        name: str | None = None,
        people: Sequence[Box] = (),
        other_vehicles: Sequence[Box] = (),
    ) -> EvidenceRef:
        """Mask, caption, encode, store and sign one picture of a case.

        Case and name are the key: sealing the same key again changes nothing and returns the first
        reference, whatever frame is given, so that a retry after a crash is harmless. The picture counts as
        sealed once this returns; before that, a crash leaves no trace of it.

        Args:
            case_id: safe as a folder's name (`protocol.messages.Ident`).
            role: which step of the case it proves.
            image: the frame, height x width x 3, uint8, BGR; not altered.
            meta: what is known of the frame; `box` in its pixels.
            name: tells pictures of one role apart; the role itself if not given.
            people: boxes of persons in the frame, whose heads are hidden; pixels of the frame.
            other_vehicles: boxes of the vehicles the case is not about, whose plates are hidden.

        Raises:
            PatrolError: wrong case, name or picture, another agent's key, or a damaged folder of this case.
            UnavailableError: the disk is full or refuses; nothing was stored.
        """
        name = name or role
        folder = self._folder(case_id)
        if not _NAME.fullmatch(name):
            raise PatrolError("is no name for a picture", field="name", value=name, mend="Use a-z, 0-9 and -")
        with self._lock:
            package = self._package(folder, case_id)
            for manifest in _manifests(package):
                if manifest.name == name:
                    return manifest.ref()
            regions = hidden_regions(image.shape, people, other_vehicles, keep=meta.box)
            return self._store(folder, package, case_id, role, name, image, meta, regions)

    def manifests(self, case_id: str) -> tuple[Manifest, ...]:
        """What is sealed for a case, oldest first; empty if nothing is.

        Raises:
            PatrolError: the folder is damaged.
        """
        return _manifests(self._package(self._folder(case_id), case_id))

    def refs(self, case_id: str) -> tuple[EvidenceRef, ...]:
        """How messages name the pictures of a case, oldest first.

        Raises:
            PatrolError: the folder is damaged.
        """
        return tuple(manifest.ref() for manifest in self.manifests(case_id))

    def read(self, case_id: str, sha256: str) -> bytes:
        """The JPEG bytes of a sealed picture, checked against their hash.

        Raises:
            PatrolError: no such picture, or its bytes were changed.
            UnavailableError: it cannot be read.
        """
        for manifest in self.manifests(case_id):
            if manifest.picture.sha256 == sha256:
                path = self._folder(case_id) / manifest.picture.file
                try:
                    data = path.read_bytes()
                except OSError as error:
                    raise UnavailableError(f"cannot be read: {error.strerror}", file=path) from error
                if digest(data) != sha256:
                    raise PatrolError("is not the picture that was sealed", file=path)
                return data
        raise PatrolError("no such picture is sealed", file=self._folder(case_id), value=sha256)

    def _folder(self, case_id: str) -> Path:
        if not _CASE.fullmatch(case_id):
            raise PatrolError("is no name for a case", field="case_id", value=case_id)
        return self.root / case_id

    def _package(self, folder: Path, case_id: str) -> Package | None:
        package = read_package(folder)
        if package is None:
            return None
        mend = "Keep the folder for an inquiry and move it elsewhere"
        if package.case_id != case_id:
            raise PatrolError(
                "belongs to another case",
                file=folder / MANIFEST,
                field="case_id",
                value=package.case_id,
                mend=mend,
            )
        if package.public_key != self._key.public.raw.hex():
            raise PatrolError(
                "was signed with another key than this agent's",
                file=folder / MANIFEST,
                field="public_key",
                mend=mend,
            )
        return package

    def _store(
        self,
        folder: Path,
        package: Package | None,
        case_id: str,
        role: Role,
        name: str,
        image: Image,
        meta: EvidenceMeta,
        regions: tuple[Region, ...],
    ) -> EvidenceRef:
        seq = len(package.entries) if package else 0
        stem = f"{seq + 1:02d}-{name}"
        lines = caption_lines(case_id, name, self._sealer, meta)
        try:
            prepared = prepare(hide(image, regions) if regions else image)
            picture = captioned(prepared.scene, lines)
            data = encode(picture)
            # The original is captioned as well, or it could be passed off as one of another time or place.
            unmasked = encode(captioned(prepare(image).scene, lines)) if regions and self._originals else None
        except ValueError as error:
            raise PatrolError(str(error), field="image") from error
        scale = prepared.scale
        left, top, right, bottom = (_rounded(edge * scale) for edge in meta.box)
        sealed = Picture(
            file=f"{stem}.jpg",
            sha256=digest(data),
            size=len(data),
            width=picture.shape[1],
            height=picture.shape[0],
            scene_height=prepared.scene.shape[0],
            source_width=image.shape[1],
            source_height=image.shape[0],
            box=(left, top, right, bottom),
            masked=regions,
        )
        marker = self.root / f"{SEALING}{case_id}"
        write_atomically(marker, b"")
        original = None
        try:
            make_folder(folder)
            if unmasked is not None and self._originals is not None:
                original = self._originals.close(folder, case_id, name, stem, unmasked)
            manifest = Manifest(
                case_id=case_id,
                seq=seq,
                name=name,
                role=role,
                previous=package.entries[-1].sha256 if package else None,
                sealer=self._sealer,
                meta=meta,
                picture=sealed,
                original=original,
            )
            grown = append(package, manifest, self._key.public.raw, self._key.sign)
            write_atomically(folder / sealed.file, data)
            # From here on the picture is sealed, and not before.
            write_atomically(folder / MANIFEST, package_bytes(grown))
        except UnavailableError:
            # If this is refused as well, the marker stays and the next start tries again.
            with contextlib.suppress(UnavailableError):
                self._drop_unsealed(folder)
                marker.unlink(missing_ok=True)
            raise
        marker.unlink(missing_ok=True)
        return manifest.ref()

    def _clear_leftovers(self) -> None:
        """What a crash left: files being written, pictures that were never sealed, folders being deleted."""
        sweep(self.root)
        for folder in self.root.glob(f"{PURGING}*"):
            with storage_errors(folder):
                shutil.rmtree(folder)
        for marker in self.root.glob(f"{SEALING}*"):
            folder = self.root / marker.name.removeprefix(SEALING)
            for part in (folder, folder / FOLDER):
                if part.is_dir():
                    sweep(part)
            self._drop_unsealed(folder)
            with storage_errors(marker):
                marker.unlink()

    def _drop_unsealed(self, folder: Path) -> None:
        """Remove the picture and original that came after the last sealed one, if a write was cut off there."""
        try:
            package = read_package(folder)
        except PatrolError:
            return  # Damaged: nothing may be removed that an inquiry could need.
        following = len(package.entries) + 1 if package else 1
        with storage_errors(folder):
            for path in (
                *folder.glob(f"{following:02d}-*.jpg"),
                *folder.glob(f"{FOLDER}/{following:02d}-*.enc"),
            ):
                path.unlink(missing_ok=True)
            if package is None:
                for empty in (folder / FOLDER, folder):
                    if empty.is_dir() and not any(empty.iterdir()):
                        empty.rmdir()
                        sync_folder(empty.parent)


def _manifests(package: Package | None) -> tuple[Manifest, ...]:
    return tuple(entry.manifest for entry in package.entries) if package else ()


def _rounded(value: float) -> float:
    """As the canonical form keeps it, so that a manifest read back is equal to the one written."""
    return float(canonical(float(value)))
