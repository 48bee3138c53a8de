"""Marks for tests that need no second run: of processes and of words, which are the same above either database."""

from __future__ import annotations

import pytest

ON_SQLITE = pytest.mark.parametrize("centre", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("centre", ["postgresql"], indirect=True)
