"""A gateway that writes to a file instead of a phone, for demonstrations and trial runs."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

from notifier.masking import mask_phone
from notifier.notice import segments
from notifier.sms._port import Accepted, Retry, SmsRequest, SmsResult, reference
from protocol.clock import Clock, Millis, iso
from protocol.errors import PatrolError, UnavailableError

_log = logging.getLogger(__name__)


class LogGateway:
    """Accepts every message at once and keeps it in a file that only its owner may read.

    The file has one JSON object a line: key, provider_id, at, to, text, segments. The log shows the number
    masked. A key is written once, however often it is sent.

    Args:
        path: the file; made if missing, its folder too.
        clock: stamps the records.

    Raises:
        PatrolError: the file exists and others may read it.
        UnavailableError: it cannot be written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                mode = os.fstat(descriptor).st_mode
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UnavailableError(f"cannot be written: {error}", file=path, field="sms.file") from error
        if mode & 0o077:
            raise PatrolError(
                "will hold phone numbers but others may read it",
                file=path,
                field="sms.file",
                mend=f"Run: chmod 600 {path}",
            )
        self._known = _read(path)

    def send(self, request: SmsRequest) -> SmsResult:
        """Write the message down, durably, unless its key is there already."""
        with self._lock:
            known = self._known.get(request.key)
            if known is not None:
                return known
            result = Accepted(f"log-{reference(request.key)}", segments(request.text).segments, "0")
            record = {
                "key": request.key,
                "provider_id": result.provider_id,
                "at": iso(self._clock.utc_ms()),
                "to": request.to,
                "text": request.text,
                "segments": result.segments,
            }
            try:
                _append(self.path, json.dumps(record, ensure_ascii=False))
            except OSError as error:
                return Retry(f"{self.path.name} cannot be written: {error.strerror}")
            self._known[request.key] = result
        _log.info("SMS %s to %s: %s segment(s)", result.provider_id, mask_phone(request.to), result.segments)
        return result

    def lookup(self, request: SmsRequest, since_ms: Millis) -> SmsResult | None:  # noqa: ARG002
        """The message as it was written down, or None."""
        with self._lock:
            return self._known.get(request.key)


def _append(path: Path, line: str) -> None:
    with path.open("a+b") as file:
        # A line torn by a crash is ended, so that it spoils nothing but itself.
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Accepted]:
    known = {}
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
                known[str(record["key"])] = Accepted(str(record["provider_id"]), int(record["segments"]), "0")
            except (ValueError, KeyError, TypeError):
                continue  # torn by a crash; its message was never reported as accepted
    return known
