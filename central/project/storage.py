"""Static files under names that hold their hash; modules import one another by these names."""

from __future__ import annotations

from django.contrib.staticfiles.storage import HashedFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """A module of ours that imports ``./store.js`` gets exactly the one that it was released with.

    Only our own modules: Django's patterns read comments and strings as code, which other people's files may not stand.
    """

    patterns = (
        *HashedFilesMixin.patterns,
        ("field/*.js", HashedFilesMixin._js_module_import_aggregation_patterns[1]),
    )
