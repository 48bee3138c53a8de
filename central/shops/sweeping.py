"""What time does to shops: things become due, run out, and ask for a case.

The shops of a jurisdiction are gone through batch by batch. One sweeper takes the next batch when it is due and the others leave it
alone; if it dies, the same batch is taken again after a while. Done again it does nothing.
"""

from __future__ import annotations

from django.db.models import QuerySet

from central.grids.models import Grid
from central.project.clock import now_ms
from central.project.leases import take_due
from central.shops.colours import recolour
from central.shops.messages import warn_of_expiry, warn_of_red
from central.shops.models import LoginCode, Round, Session, Shop
from central.shops.register import leaf_of_place

ROUND_MS = 10 * 60_000
"""From the end of a round to the next."""

BATCH = 100
"""Shops of a batch: if all of them turned red together a week ago, their cases and messages are a second or two of work."""

EVERY_MS = 2_000
"""How often a sweeper asks: it does a batch at most, so that deadlines of cases do not wait for shops."""

LEASE_MS = 2 * 60_000


def sweep() -> int:
    """The next batch of shops, if one is due: grids, colours, cases, warnings; returns how many shops were looked at."""
    turn = take_due(Round.objects.order_by("due_at_ms", "pk"), LEASE_MS)
    if turn is None:
        return 0
    leased = turn.due_at_ms
    mine = Shop.objects.filter(jurisdiction_id=turn.jurisdiction_id, active=True, pk__gt=turn.after)
    numbers = list(mine.order_by("pk").values_list("pk", flat=True)[:BATCH])
    batch = Shop.objects.filter(pk__in=numbers)
    follow_grids(batch)
    recolour(batch)
    warn_of_red(batch)
    warn_of_expiry(batch)
    now = now_ms()
    if len(numbers) == BATCH:
        after, due = numbers[-1], now
    else:
        after, due = 0, now + ROUND_MS
        Session.objects.filter(expires_at_ms__lt=now).delete()
        LoginCode.objects.filter(made_at_ms__lt=now - 86_400_000).delete()
    # Whoever was so slow that another one took the batch leaves the turn to that one.
    Round.objects.filter(pk=turn.pk, due_at_ms=leased).update(after=after, due_at_ms=due)
    return len(numbers)


def follow_grids(shops: QuerySet[Shop]) -> int:
    """These shops lie in the grids as the tree is now; returns how many moved."""
    numbers = {(grid.jurisdiction_id, grid.code): grid.pk for grid in Grid.objects.all()}
    moved = []
    fields = ("pk", "jurisdiction_id", "longitude", "latitude", "grid")
    for shop in shops.filter(active=True).only(*fields):
        wanted = numbers.get((shop.jurisdiction_id, leaf_of_place(shop) or ""))
        if wanted != shop.grid_id:
            shop.grid_id = wanted
            moved.append(shop)
    Shop.objects.bulk_update(moved, ["grid"], batch_size=500)
    return len(moved)
