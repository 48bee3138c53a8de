"""What was sent to whom: the facts that a policy is judged by, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Count, Q, Sum

from central.notices.models import Notice, NoticeState, Warned
from central.notices.sealing import Content
from central.owners.services import has_opted_out
from notifier.policy import DAY_MS, HOUR_MS, NoticePolicy, Standing, Verdict, judge
from protocol.clock import Millis

_LEFT = Q(sent_at_ms__isnull=False) & Q(
    state__in=(NoticeState.SENDING, NoticeState.ACCEPTED, NoticeState.UNKNOWN)
)
"""Messages that reached a gateway, or may have."""


def verdict(
    notice: Notice, content: Content, phone: str, phone_mark: str, policy: NoticePolicy, now_ms: Millis
) -> Verdict:
    """Judge a message in the transaction in which it will be marked as leaving. Takes the locks of whatever is counted,
    and of its plate and street: of two that ask at once the second counts the first, and of two cameras one warns."""
    _count_alone(notice, phone_mark, policy)
    others = Notice.objects.exclude(pk=notice.pk).filter(_LEFT)
    recent = others.filter(sent_at_ms__gt=now_ms - DAY_MS)
    standing = Standing(
        now_ms=now_ms,
        phone=phone,
        opted_out=has_opted_out(phone_mark),
        to_number=recent.filter(phone_mark=phone_mark).count(),
        by_agent=others.filter(agent=notice.agent_id, sent_at_ms__gt=now_ms - HOUR_MS).count(),
        segments_today=recent.aggregate(sum=Sum("segments"))["sum"] or 0 if policy.segments_per_day else 0,
        warned_before=_warned_before(notice, now_ms),
    )
    return judge(policy, standing, ZoneInfo(content.letter.time_zone))


def _count_alone(notice: Notice, phone_mark: str, policy: NoticePolicy) -> None:
    """Let nobody else count towards the same limits until this transaction ends. Always in the same order, after the
    case and the notice and before `_row`, so that nobody waits in a circle. On SQLite one writes at a time anyway."""
    if connection.vendor != "postgresql":
        return
    counted = {
        "day": policy.segments_per_day,
        f"agent {notice.agent_id}": policy.per_agent_per_hour,
        f"number {phone_mark}": policy.per_number_per_day,
    }
    with connection.cursor() as cursor:
        for name, limit in counted.items():
            if limit:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"notices {name}"])


def _warned_before(notice: Notice, now_ms: Millis) -> bool:
    warned = _row(notice)
    if warned.notice_id in (None, notice.pk) or warned.at_ms is None:
        return False
    return now_ms - warned.at_ms < notice.renotice_ms


def note(notice: Notice, now_ms: Millis) -> None:
    """This notice warns its plate in its street, in the transaction in which it is marked as leaving."""
    warned = _row(notice)
    warned.notice, warned.at_ms = notice, now_ms
    warned.save(update_fields=["notice", "at_ms"])


def release(notice: Notice) -> None:
    """It never warned anybody after all."""
    Warned.objects.filter(notice=notice).update(notice=None, at_ms=None)


def _row(notice: Notice) -> Warned:
    jurisdiction_id = notice.case.jurisdiction_id
    name = {"jurisdiction_id": jurisdiction_id, "plate_mark": notice.plate_mark, "street": notice.street}
    Warned.objects.get_or_create(**name)
    return Warned.objects.select_for_update().get(**name)


@dataclass(frozen=True, slots=True)
class Cost:
    """What messages of one jurisdiction cost in a span of time."""

    jurisdiction_id: str
    gateway: str
    currency: str
    messages: int
    segments: int
    cost: Decimal


def costs(
    policy_of: dict[str, NoticePolicy], default: NoticePolicy, since_ms: Millis, until_ms: Millis
) -> list[Cost]:
    """Messages that reached a gateway, or may have, by jurisdiction and gateway: what the gateway said that they cost,
    and for the rest the policy's price of a segment."""
    sent = Notice.objects.filter(_LEFT, sent_at_ms__gte=since_ms, sent_at_ms__lt=until_ms)
    rows = (
        sent.values("case__jurisdiction_id", "gateway", "currency")
        .annotate(
            messages=Count("pk"),
            segments_sum=Sum("segments"),
            said=Sum("price"),
            unpriced=Sum("segments", filter=Q(price__isnull=True)),
        )
        .order_by("case__jurisdiction_id", "gateway", "currency")
    )
    found: dict[tuple[str, str, str], Cost] = {}
    for row in rows:
        jurisdiction = row["case__jurisdiction_id"]
        policy = policy_of.get(jurisdiction, default)
        currency = row["currency"] or policy.currency
        cost = (row["said"] or Decimal(0)) + (row["unpriced"] or 0) * Decimal(str(policy.price_per_segment))
        name = (jurisdiction, row["gateway"], currency)
        before = found.get(name, Cost(*name, 0, 0, Decimal(0)))
        found[name] = Cost(
            *name,
            before.messages + row["messages"],
            before.segments + (row["segments_sum"] or 0),
            before.cost + cost,
        )
    return list(found.values())
