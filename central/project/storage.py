"""Static files under names that hold their hash; modules of ours import one another by these names."""

from __future__ import annotations

from django.contrib.staticfiles.storage import HashedFilesMixin
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """A module of ours that imports ``./store.js`` gets exactly the one that it was released with.

    Only our own modules: Django's patterns read comments and strings as code, which other people's files may not stand, and
    the source maps that minified scripts name are not collected.
    """

    patterns = (
        *((wanted, rules) for wanted, rules in HashedFilesMixin.patterns if wanted != "*.js"),
        ("field/*.js", HashedFilesMixin._js_module_import_aggregation_patterns[1]),
    )
