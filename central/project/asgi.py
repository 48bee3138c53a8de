"""The ASGI application. `central.project.bootstrap.start` has set Django up before this is imported."""

from __future__ import annotations

import os

from central.project.handler import PooledHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "central.project.settings")
application = PooledHandler()
