"""Named troubles: raised and cleared by one thread, read by any, logged once each time they change."""

from __future__ import annotations

import logging
import threading

_log = logging.getLogger(__name__)


class Troubles:
    """What a person should know, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}

    def name(self, trouble: str, text: str | None) -> None:
        """Raise a trouble with a text for a person, or clear it with None."""
        with self._lock:
            known = self._texts.get(trouble)
            if text is None:
                self._texts.pop(trouble, None)
            else:
                self._texts[trouble] = text
        if text is not None and text != known:
            _log.warning("%s: %s", trouble, text)

    def clear(self, prefix: str) -> None:
        """Clear all troubles whose name begins so."""
        with self._lock:
            for name in [name for name in self._texts if name.startswith(prefix)]:
                del self._texts[name]

    def as_dict(self) -> dict[str, str]:
        """All troubles of now."""
        with self._lock:
            return dict(self._texts)
