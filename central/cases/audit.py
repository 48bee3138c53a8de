"""Proof that files and texts beside the history are those that it tells of. Streaming: memory does not grow with the cases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from central.cases import attachments, pictures
from central.cases.history import Fault
from central.cases.models import Attachment, Evidence, HistoryEntry, Note

CHUNK = 2000


def verify_files() -> Iterator[Fault]:
    """Every photo and picture: its row against the history, its file against its hash. Every note against its hash."""
    for entry, facts in _entries("attachment"):
        row = Attachment.objects.filter(pk=facts["attachment"], case_id=entry.case_id).first()
        told = (facts["original_sha256"], facts["sha256"], facts["thumbnail_sha256"])
        if row is None:
            yield Fault(entry.case_id, entry.number, "the photo that this entry tells of is not there")
            continue
        if told != (row.original_sha256, row.stored_sha256, row.thumbnail_sha256):
            yield Fault(entry.case_id, entry.number, "the photo's row was changed after it was written")
        for path in (
            attachments.path_of(facts["sha256"]),
            attachments.path_of(facts["thumbnail_sha256"], thumbnail=True),
        ):
            problem = _file(path)
            if problem:
                yield Fault(entry.case_id, entry.number, f"photo {path.name}: {problem}")
    for entry, facts in _entries("note"):
        text = (
            Note.objects.filter(pk=facts["note"], case_id=entry.case_id)
            .values_list("text", flat=True)
            .first()
        )
        # A note may be deleted by law; its hash stays.
        if text is not None and hashlib.sha256(text.encode()).hexdigest() != facts["sha256"]:
            yield Fault(entry.case_id, entry.number, "the note was changed after it was written")
    for entry, facts in _entries("opened"):
        told = facts.get("text_sha256")
        if told and hashlib.sha256(entry.case.text.encode()).hexdigest() != told:
            yield Fault(entry.case_id, entry.number, "the report's text was changed after it was written")
    arrived = Evidence.objects.filter(picture__isnull=False).order_by("pk").values_list("case_id", "sha256")
    for case_id, sha256 in arrived.iterator(CHUNK):
        problem = _file(pictures.path_of(sha256))
        if problem:
            yield Fault(case_id, 0, f"picture {sha256[:16]}…: {problem}")


def _entries(kind: str) -> Iterator[tuple[HistoryEntry, dict[str, str]]]:
    found = HistoryEntry.objects.filter(kind=kind).select_related("case").order_by("pk")
    for entry in found.iterator(chunk_size=CHUNK):
        yield entry, json.loads(entry.body)


def _file(path: Path) -> str:
    """What is wrong with a file that is named by its hash; empty where nothing is."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    return "" if digest == path.stem else "the file was changed"
