"""What time does to shops: things become due, run out, and ask for a case. Done again it does nothing."""

from __future__ import annotations

from central.grids.models import Grid
from central.project.clock import now_ms
from central.shops.colours import recolour
from central.shops.messages import warn_of_expiry
from central.shops.models import LoginCode, Session, Shop
from central.shops.register import leaf_of_place

EVERY_MS = 10 * 60_000


def sweep() -> None:
    """Grids, colours, cases, warnings, and what nobody needs any more."""
    follow_grids()
    recolour()
    warn_of_expiry()
    now = now_ms()
    Session.objects.filter(expires_at_ms__lt=now).delete()
    LoginCode.objects.filter(made_at_ms__lt=now - 86_400_000).delete()


def follow_grids() -> int:
    """Shops lie in the grids as the tree is now; returns how many moved."""
    numbers = {(grid.jurisdiction_id, grid.code): grid.pk for grid in Grid.objects.all()}
    moved = []
    fields = ("pk", "jurisdiction_id", "longitude", "latitude", "grid")
    for shop in Shop.objects.filter(active=True).only(*fields).iterator(chunk_size=1000):
        wanted = numbers.get((shop.jurisdiction_id, leaf_of_place(shop) or ""))
        if wanted != shop.grid_id:
            shop.grid_id = wanted
            moved.append(shop)
    Shop.objects.bulk_update(moved, ["grid"], batch_size=500)
    return len(moved)
