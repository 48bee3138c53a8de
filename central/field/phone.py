"""What makes the officer's pages an application on a phone: service worker, manifest, the page without a network.

These are open, because a browser asks for them without saying who is there, and they say nothing about anybody.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from central.people.access import open_to_all

LANGUAGES = {"zh-hans": "zh-Hans", "en": "en"}
"""Language of a manifest's address -> its language tag."""

THEME = "#10403b"
GROUND = "#f3f5f4"

MODULES = (
    "app",
    "install",
    "core",
    "store",
    "outbox",
    "sender",
    "photo",
    "exif",
    "queue",
    "task",
    "list",
    "viewer",
)

SHELL = (
    "patrol/tokens.css",
    "patrol/patrol.css",
    "patrol/officer.css",
    "patrol/patrol.js",
    "patrol/mark.svg",
    "django_htmx/htmx-2.min.js",
    "django_htmx/ext/hx-sse-2.min.js",
    *(f"field/{name}.js" for name in MODULES),
    "field/icon-192.png",
)
"""Static files without which a page shows nothing."""


@open_to_all
@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The worker's script with the names of this release's files; another release is another script."""
    response = HttpResponse(_worker(), content_type="text/javascript; charset=utf-8")
    # Its own address lies at the top, so it may serve the whole site. Browsers compare it anew at each visit.
    response["Service-Worker-Allowed"] = "/"
    response["Cache-Control"] = "no-cache"
    return response


@functools.cache
def _worker() -> str:
    source = (Path(__file__).parent / "static" / "field" / "worker.js").read_text("utf-8")
    shell = [static(name) for name in SHELL]
    version = hashlib.sha256("\n".join((source, *shell)).encode()).hexdigest()[:16]
    release = json.dumps({"version": version, "shell": shell, "offline": reverse("field:offline")})
    for name in MODULES:
        source = source.replace(f'"./{name}.js"', f'"{static(f"field/{name}.js")}"')
    return f"const RELEASE = {release};\n{source}"


@open_to_all
@require_safe
def manifest(request: HttpRequest, language: str) -> HttpResponse:  # noqa: ARG001
    """What a phone needs to put the pages on its home screen, in one language."""
    if language not in LANGUAGES:
        raise Http404
    icons = [
        {"src": static("field/icon-192.png"), "sizes": "192x192", "type": "image/png", "purpose": "any"},
        {"src": static("field/icon-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "any"},
        {
            "src": static("field/icon-maskable-512.png"),
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "maskable",
        },
    ]
    with translation.override(language):
        content = {
            "id": "/",
            "lang": LANGUAGES[language],
            "dir": "ltr",
            "name": _("Street Patrol"),
            "short_name": _("Patrol"),
            "description": _("Tasks for officers on the street, with or without a network."),
            # The page behind it sends each role to its own first page.
            "start_url": reverse("pages:home"),
            "scope": "/",
            "display": "standalone",
            "theme_color": THEME,
            "background_color": GROUND,
            "icons": icons,
            "shortcuts": [{"name": _("My tasks"), "url": reverse("pages:officer"), "icons": icons[:1]}],
        }
    response = JsonResponse(
        content, content_type="application/manifest+json", json_dumps_params={"ensure_ascii": False}
    )
    response["Cache-Control"] = "public, max-age=3600"
    return response


@open_to_all
@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What a phone shows where it has neither a network nor the page. It names nobody."""
    return render(request, "field/offline.html")
