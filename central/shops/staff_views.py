"""The regulator's pages: the worklist by risk, a shop with its history, an inspection on the phone, import and plates."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from central.grids.models import Grid
from central.people import access_log
from central.people.access import roles
from central.people.policy import readers, writers
from central.people.scopes import unscoped
from central.project.clock import local_day, now_ms
from central.shops import comparing, imports, inspecting, shown
from central.shops import plates as printing
from central.shops.models import Category, Code, Colour, InspectionKind, Severity, Shop
from protocol.errors import PatrolError

PAGE = 40
"""Rows of a page: what a form of checkboxes can send in one go."""

MOST_PLATES = 200
"""On one click; more are printed by the command line."""

OFFICIAL = (InspectionKind.PATROL, InspectionKind.PROFESSIONAL)


@require_safe
@never_cache
@roles(*readers("shops"))
def worklist(request: HttpRequest) -> HttpResponse:
    """Shops in scope, those with the highest risk first."""
    asked = {
        name: request.GET.get(name, "").strip()[:60] for name in ("colour", "category", "grid", "q", "open")
    }
    wanted = filtered(request, asked)
    counts = wanted.aggregate(
        **{colour: Count("pk", filter=Q(colour=colour)) for colour in Colour.values}, every=Count("pk")
    )
    if asked["colour"] in Colour.values:
        wanted = wanted.filter(colour=asked["colour"])
    fields = ("id", "number", "name", "category", "address", "colour", "reasons", "risk", "colour_since_ms",
              "inspected_at_ms", "self_inspected_at_ms")  # fmt: skip
    pages = Paginator(wanted.order_by("-risk", "id").values(*fields), PAGE)
    pages.count = counts.get(asked["colour"] or "every", counts["every"])
    page = pages.get_page(request.GET.get("page"))
    names = dict(Category.choices)
    rows = [
        {**row, "category_name": names[row["category"]], "why": [shown.said(each) for each in row["reasons"][:2]],
         "more": max(0, len(row["reasons"]) - 2)}
        for row in page.object_list
    ]  # fmt: skip
    kept = {name: text for name, text in asked.items() if text}
    context = {
        "rows": rows,
        "page": page,
        "counts": counts,
        "asked": asked,
        "colours": [(value, label, counts[value]) for value, label in Colour.choices],
        "categories": Category.choices,
        "grids": Grid.objects.visible_to(request.user)
        .order_by("level", "code")
        .values_list("pk", "name")[:300],
        "query": urlencode(kept),
        "query_without_colour": urlencode({name: text for name, text in kept.items() if name != "colour"}),
        "may_inspect": request.user.role in writers("shops"),
        "may_remind": request.user.role in writers("shop_decisions"),
        "may_register": request.user.role in writers("shop_register"),
        "open_tip_offs": request.user.role in writers("shop_decisions"),
        "most_plates": MOST_PLATES,
        "nav": "services",
    }
    return render(request, "shops/list.html", context)


def filtered(request: HttpRequest, asked: dict[str, str]) -> Any:
    """Active shops in scope that fit what was asked for, whatever their colour."""
    wanted = Shop.objects.visible_to(request.user).filter(active=True)
    if asked.get("category") in Category.values:
        wanted = wanted.filter(category=asked["category"])
    if asked.get("grid", "").isdecimal() and len(asked["grid"]) < 12:
        wanted = wanted.filter(grid_id=int(asked["grid"]))
    if asked.get("open") == "tip_off":
        wanted = wanted.filter(tip_offs__state="new").distinct()
    elif asked.get("open") == "appeal":
        wanted = wanted.filter(appeals__state="open")
    for word in asked.get("q", "").split()[:4]:
        wanted = wanted.filter(
            Q(name__icontains=word) | Q(number__icontains=word) | Q(address__icontains=word)
        )
    return wanted


def find(request: HttpRequest, shop_id: int) -> Shop:
    """A shop in scope; 404 for one outside."""
    shop: Shop = get_object_or_404(Shop.objects.visible_to(request.user).select_related("grid"), pk=shop_id)
    return shop


@require_safe
@never_cache
@roles(*readers("shops"))
def detail(request: HttpRequest, shop_id: int) -> HttpResponse:
    """All that is known of a shop."""
    return show(request, find(request, shop_id))


def show(request: HttpRequest, shop: Shop, status: int = 200) -> HttpResponse:
    """The page of a shop."""
    now = now_ms()
    today = local_day(now)
    inspections = list(shop.inspections.order_by("-at_ms", "-pk")[:24])
    role = request.user.role
    code = shop.codes.filter(revoked_at_ms__isnull=True).first()
    context = {
        "shop": shop,
        "reasons": shown.reasons_of(shop),
        "course": comparing.course(inspections),
        "compared": comparing.compare(inspections),
        "inspections": inspections[:10],
        "findings": [
            {"row": each, "title": shown.said(each.titles), "late": each.mended_at_ms is None and each.due_at_ms < now}
            for each in shop.findings.filter(checked_at_ms__isnull=True).order_by("due_at_ms", "pk")[:40]
        ],
        "papers": [
            {"row": each, "days": (each.expires_on - today).days}
            for each in shop.certificates.filter(replaced_at_ms__isnull=True).order_by("expires_on")
        ],
        "tip_offs": shop.tip_offs.order_by("-at_ms")[:20],
        "appeals": [
            {"row": each, "reasons": [{**why, "said": shown.said(why)} for why in each.reasons]}
            for each in shop.appeals.order_by("-pk")[:10]
        ],
        "cases": shop.enforcements.order_by("-pk"),
        "log": [shown.line_of(entry) for entry in shop.log.order_by("-at_ms", "-id")[:30]],
        "code": code,
        "expired": code is not None and code.expires_at_ms is not None and code.expires_at_ms <= now,
        "severities": Severity.choices,
        "may_inspect": role in writers("shops"),
        "may_decide": role in writers("shop_decisions"),
        "may_register": role in writers("shop_register"),
        "public_url": settings.PATROL.public_url,
        "nav": "services",
    }  # fmt: skip
    return render(request, "shops/shop.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@roles(*writers("shops"))
def inspect(request: HttpRequest, shop_id: int) -> HttpResponse:
    """The checklist of a patrol or a professional inspection, made for a phone."""
    shop = find(request, shop_id)
    given = request.POST if request.method == "POST" else request.GET
    kind = given.get("kind", "")
    kind = kind if kind in OFFICIAL else InspectionKind.PATROL
    context: dict[str, Any] = {
        "shop": shop,
        "kind": kind,
        "kinds": [(each.value, each.label) for each in OFFICIAL],
        "key": shown.new_key(),
        "nav": "services",
    }
    if request.method != "POST":
        return render(request, "shops/inspect.html", context | {"questions": shown.questions(shop, kind)})
    try:
        inspecting.inspect(
            shop,
            shown.answers_in(request, shop, kind),
            f"user:{request.user.get_username()}",
            request.user,
        )
    except PatrolError as error:
        context |= {
            "questions": shown.questions(shop, kind, request.POST),
            "wrong": shown.wrong(error, shop),
            "field": error.field,
            "note": request.POST.get("note", ""),
            "signed_by": request.POST.get("signed_by", ""),
            "signature": request.POST.get("signature", "")[: inspecting.SIGNATURE_LENGTH],
            "key": request.POST.get("key", "")[:100] or shown.new_key(),
        }
        return render(request, "shops/inspect.html", context, status=422)
    messages.success(request, _("The inspection is stored."))
    return HttpResponseRedirect(reverse("shops:shop", args=[shop.pk]))


@require_safe
@roles(*readers("shops"))
def photo(request: HttpRequest, shop_id: int, number: int) -> HttpResponse:
    """A photo of a shop in scope. Whoever looks at it in full is written down; the small one shows no face."""
    shop = find(request, shop_id)
    found = get_object_or_404(shop.photos, pk=number)
    small = request.GET.get("small") == "1"
    if not small:
        access_log.note_read(
            request, shop, access_log.PICTURE, access_log.ATTACHMENT, subject=access_log.SHOP
        )
    return shown.answer_photo(found, small=small)


@require_safe
@roles(*writers("shop_register"))
def plate(request: HttpRequest, shop_id: int) -> HttpResponse:
    """The plate of one door as SVG."""
    shop = find(request, shop_id)
    code = get_object_or_404(shop.codes.select_related("shop"), revoked_at_ms__isnull=True)
    try:
        drawn = printing.svg(printing.plate_of(code, _base(request)))
    except PatrolError as error:
        messages.error(request, shown.wrong(error))
        return HttpResponseRedirect(reverse("shops:shop", args=[shop.pk]))
    response = HttpResponse(drawn, content_type="image/svg+xml")
    response["Content-Disposition"] = f'inline; filename="plate-{shop.pk}.svg"'
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


@require_safe
@never_cache
@roles(*writers("shop_register"))
def plates(request: HttpRequest) -> HttpResponse:
    """The plates of the shops that the list shows with the same filters, as one PDF."""
    asked = {
        name: request.GET.get(name, "").strip()[:60] for name in ("colour", "category", "grid", "q", "number")
    }
    wanted = filtered(request, asked)
    if asked["colour"] in Colour.values:
        wanted = wanted.filter(colour=asked["colour"])
    if asked["number"]:
        wanted = wanted.filter(number=asked["number"])
    codes = Code.objects.visible_to(request.user).filter(shop__in=wanted, revoked_at_ms__isnull=True)
    found = list(codes.select_related("shop").order_by("shop__number")[: MOST_PLATES + 1])
    try:
        if not found or len(found) > MOST_PLATES:
            raise PatrolError(
                _("Choose 1 to %(most)d shops here; all at once: patrol central shops plates.")
                % {"most": MOST_PLATES}
            )
        out = io.BytesIO()
        printing.pdf([printing.plate_of(code, _base(request)) for code in found], out)
    except PatrolError as error:
        messages.error(request, shown.wrong(error))
        return HttpResponseRedirect(reverse("shops:list"))
    response = HttpResponse(out.getvalue(), content_type="application/pdf")
    response["Content-Disposition"] = 'attachment; filename="plates.pdf"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@roles(*writers("shop_register"))
def import_(request: HttpRequest) -> HttpResponse:
    """A register from a file; each row is reported, and nothing is written while one is wrong."""
    mine = _jurisdictions(request)
    context: dict[str, Any] = {"mine": mine, "nav": "services", "columns": imports.COLUMNS}
    if request.method != "POST":
        return render(request, "shops/import.html", context)
    place = request.POST.get("j", "").strip()
    upload = request.FILES.get("file")
    if (mine is not None and place not in mine) or not place or upload is None or request.user.by_grid:
        context["wrong"] = _(
            "Choose a file and a jurisdiction of yours; the register is kept for the whole of it."
        )
        return render(request, "shops/import.html", context, status=422)
    if (upload.size or 0) > imports.FILE_BYTES:
        context["wrong"] = _("The file is too large.")
        return render(request, "shops/import.html", context, status=422)
    try:
        with unscoped("the jurisdiction was found to be one of the person's, who sees the whole of it"):
            report = imports.take(
                upload.read(),
                upload.name or "",
                place,
                f"user:{request.user.get_username()}",
                dry_run=request.POST.get("dry_run") == "1",
            )
    except PatrolError as error:
        what = imports.heading(error.field or "", english=shown.english())
        detail = ": ".join(str(part) for part in (what, shown.wrong(error), error.value) if part)
        return render(request, "shops/import.html", context | {"wrong": detail}, status=422)
    bad = [
        {"row": row.row, "number": row.number, "field": imports.heading(row.field, english=shown.english()),
         "said": shown.wrong(PatrolError(row.problem, field=row.field))}
        for row in report.bad[:200]
    ]  # fmt: skip
    context |= {"report": report, "bad": bad, "dry_run": request.POST.get("dry_run") == "1", "j": place}
    return render(request, "shops/import.html", context, status=422 if report.bad else 200)


def _jurisdictions(request: HttpRequest) -> list[str] | None:
    named = request.user.jurisdictions
    return None if named is None else sorted(named)


def _base(request: HttpRequest) -> str | None:
    """The public address; without one, where the page itself is, so that a trial on one machine prints at once."""
    return settings.PATROL.public_url or request.build_absolute_uri("/").rstrip("/")
