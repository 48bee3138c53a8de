"""No plate, phone number or credential reaches a log in full."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from notifier.masking import install, mask_phone, mask_plate, mask_text


@pytest.mark.parametrize(
    ("plate", "masked"),
    [
        ("京A12345", "京A***45"),
        ("京AD12345", "京A****45"),  # new energy
        ("粤Z1234港", "粤Z***4港"),
        ("1234", "1***"),  # too short to keep both ends
        ("", ""),
    ],
)
def test_a_plate_keeps_place_and_end(plate: str, masked: str) -> None:
    assert mask_plate(plate) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+8613800138000", "+86138****8000"),
        ("13800138000", "138****8000"),
        ("+85291234567", "+85*******67"),
        ("12345", "*****"),
    ],
)
def test_a_phone_number_keeps_country_and_end(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("line", "secrets"),
    [
        ("warned 京A12345 at 10:00", ["京A12345"]),
        ("plates 京AD12345,沪B·99999 and 粤Z1234港", ["京AD12345", "99999", "1234港"]),
        ("police 京A1234警 left", ["京A1234警"]),
        ("call 13800138000 now", ["13800138000"]),
        ("call +86 138 0013 8000 now", ["138 0013 8000"]),
        ("to=+8613800138000.", ["13800138000"]),
        ("to +14155552671", ["+14155552671"]),
        ("open rtsp://admin:hunter2@10.0.0.1/1", ["hunter2", "admin"]),
        ('{"password": "hunter2"}', ["hunter2"]),
        ("auth_token=abc123 sent", ["abc123"]),
        ("Authorization: Basic YWJjOmRlZg==", ["YWJjOmRlZg=="]),
    ],
)
def test_secrets_in_a_line_are_masked(line: str, secrets: list[str]) -> None:
    masked = mask_text(line)
    for secret in secrets:
        assert secret not in masked


@pytest.mark.parametrize(
    "line",
    [
        "at 1767225600000 ms",  # an instant is no phone number
        "case 20260101-000123 in zone P3",
        "sha256 13800138000a1b2c3d4e5f6",  # digits inside a hash
        "127.0.0.1:18830 connected",
        "frame 1280x720, 62% of its footprint",
    ],
)
def test_other_numbers_stay(line: str) -> None:
    assert mask_text(line) == line


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    logger = logging.Logger("masked")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    install(logger)
    install(logger)  # harmless twice
    yield logger, stream
    handler.close()


def test_arguments_and_exceptions_of_log_records_are_masked(
    logger: tuple[logging.Logger, io.StringIO],
) -> None:
    log, stream = logger
    try:
        raise ValueError("bad plate 京A12345")
    except ValueError:
        log.exception("could not warn %s", "+8613800138000")
    written = stream.getvalue()
    assert "+86138****8000" in written
    assert "京A***45" in written
    assert "京A12345" not in written
    assert "13800138000" not in written


def test_a_record_with_wrong_arguments_is_masked_too(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    log.warning("plate 京A12345 %s %s", "one")
    assert "京A12345" not in stream.getvalue()
    assert "plate" in stream.getvalue()
