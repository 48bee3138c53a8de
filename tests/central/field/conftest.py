"""What the tests of officers' phones share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings


@pytest.fixture
def settings_with(centre: Any) -> Callable[..., Any]:
    """`settings_with(picture_bytes=1000)`: a centre whose operator set that."""

    @contextmanager
    def changed(**changes: Any) -> Iterator[None]:
        with override_settings(PATROL=dataclasses.replace(settings.PATROL, **changes)):
            yield

    return changed
