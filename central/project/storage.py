"""Static files named by their content, ours and those that packages bring."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's, which does not look for the source maps that minified scripts name: they are not collected."""

    patterns = tuple(
        (wanted, rules) for wanted, rules in CompressedManifestStaticFilesStorage.patterns if wanted != "*.js"
    )
