"""The same centre as for warnings."""

from tests.central.notices.conftest import world

__all__ = ["world"]
