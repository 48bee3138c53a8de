"""What a box tells, and what a page says."""

from __future__ import annotations

import re
from typing import Any

from central.ingest import intake
from tests.central.street import TOPICS


def take(topic: str, message: Any) -> None:
    intake.take_all([(TOPICS.of(topic), message.model_dump_json().encode())])


def said(client: Any, answer: Any) -> str:
    """What the page says after a change, in words without tags."""
    page = client.get(answer["Location"]).content.decode()
    return " ".join(
        re.sub(r"<[^>]+>", " ", " ".join(re.findall(r'<p class="note.*?</p>', page, re.S))).split()
    )
