"""What tests of the driver's page share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext


@pytest.fixture
def django_assert_no_writes() -> Callable[[], AbstractContextManager[None]]:
    """`with django_assert_no_writes():` fails if anything inside writes to the database."""

    @contextmanager
    def watch() -> Iterator[None]:
        with CaptureQueriesContext(connection) as seen:
            yield
        writes = [q["sql"] for q in seen if q["sql"].split()[0].upper() in {"INSERT", "UPDATE", "DELETE"}]
        assert writes == []
        assert len(seen) > 3

    return watch
