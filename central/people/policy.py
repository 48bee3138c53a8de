"""Who may read and who may change what: the table that docs/access.md prints and the pages ask.

`Role` says what kind of things a person deals with, the person's scope (`central.people.scopes`) which of them. A right
that is not in this table is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass

from central.people.models import Role

OFFICER, DISPATCHER, GRID_WORKER, ADMINISTRATOR, AUDITOR = (
    Role.OFFICER,
    Role.DISPATCHER,
    Role.GRID_WORKER,
    Role.ADMINISTRATOR,
    Role.AUDITOR,
)
ALL = frozenset(Role)
NOBODY: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing.

    Args:
        thing: its name in code.
        english: and in the printed table.
        chinese: the same.
        read: roles that see it, within their scope.
        write: roles that change it, within their scope.
        note: what the columns cannot say.
    """

    thing: str
    english: str
    chinese: str
    read: frozenset[Role]
    write: frozenset[Role]
    note: str = ""


RULES: tuple[Rule, ...] = (
    Rule(
        "cases",
        "Cases and their history",
        "案件与历史",
        ALL,
        frozenset({DISPATCHER}),
        "the centre itself opens them",
    ),
    Rule(
        "work_orders",
        "Work orders",
        "任务",
        ALL,
        frozenset({OFFICER, DISPATCHER, GRID_WORKER}),
        "only who accepted one closes it",
    ),
    Rule(
        "reassigning",
        "Giving a task to somebody",
        "改派任务",
        frozenset({DISPATCHER, ADMINISTRATOR}),
        frozenset({DISPATCHER, ADMINISTRATOR}),
        "a reason stands in the history",
    ),
    Rule(
        "notes",
        "Notes and photos of a case",
        "案件备注与照片",
        ALL,
        frozenset({OFFICER, DISPATCHER, GRID_WORKER}),
    ),
    Rule(
        "case_clocks",
        "Pauses of a case's clocks",
        "案件时限的暂停",
        ALL,
        frozenset({DISPATCHER, ADMINISTRATOR}),
        "a reason stands in the history",
    ),
    Rule(
        "whistles",
        "Whistles",
        "吹哨",
        ALL,
        frozenset({DISPATCHER, GRID_WORKER, ADMINISTRATOR}),
        "who is called answers for himself",
    ),
    Rule("objections", "Drivers' objections", "当事人异议", ALL, frozenset({DISPATCHER})),
    Rule(
        "plates",
        "Plates in full",
        "完整号牌",
        frozenset({OFFICER, DISPATCHER, GRID_WORKER, AUDITOR}),
        NOBODY,
        "masked until asked for; each look is logged; one's own task shows it",
    ),
    Rule("pictures", "Original pictures", "原始图片", ALL, NOBODY, "each look is logged"),
    Rule("notices", "Messages to owners", "车主短信", ALL, NOBODY, "numbers are masked everywhere"),
    Rule(
        "notice_texts",
        "Words of messages to owners",
        "车主短信文本",
        ALL,
        frozenset({ADMINISTRATOR}),
        "whole jurisdictions; each version is kept",
    ),
    Rule(
        "owners",
        "The owners' table",
        "车主库",
        NOBODY,
        NOBODY,
        "no page; the command line asks for a purpose and logs",
    ),
    Rule("bays", "Bays", "停车泊位", ALL, frozenset({ADMINISTRATOR})),
    Rule("fleet", "Agents and cameras", "边缘设备与摄像机", ALL, frozenset({ADMINISTRATOR})),
    Rule(
        "strangers",
        "Agents that are not enrolled",
        "未登记设备",
        frozenset({DISPATCHER, ADMINISTRATOR}),
        NOBODY,
    ),
    Rule("zones", "Zones", "区域", ALL, frozenset({ADMINISTRATOR})),
    Rule("grids", "Grids", "网格", ALL, frozenset({ADMINISTRATOR})),
    Rule("calendars", "Calendars and clocks", "日历与时限", ALL, frozenset({ADMINISTRATOR})),
    Rule(
        "services",
        "Kinds of cases and their rules",
        "案件类别与规则",
        ALL,
        frozenset({ADMINISTRATOR}),
        "whole jurisdictions; each version is kept; open cases keep theirs",
    ),
    Rule("rosters", "Duty rosters", "排班", ALL, frozenset({DISPATCHER, ADMINISTRATOR})),
    Rule("statistics", "Statistics", "统计", ALL, NOBODY),
    Rule("people", "People", "人员", frozenset({ADMINISTRATOR, AUDITOR}), frozenset({ADMINISTRATOR})),
    Rule("access_log", "Who saw what", "查阅日志", frozenset({AUDITOR}), NOBODY, "only ever grows"),
    Rule("own_account", "One's own account", "本人账户", ALL, ALL),
    Rule(
        "hotline",
        "Calls of the hotline",
        "热线通话",
        frozenset({DISPATCHER, ADMINISTRATOR, AUDITOR}),
        frozenset({DISPATCHER}),
        "without who rang",
    ),
    Rule(
        "hotline_contacts",
        "Who rang the hotline",
        "热线来电人",
        frozenset({DISPATCHER, AUDITOR}),
        NOBODY,
        "each look is logged; told in confidence only with a reason",
    ),
    Rule(
        "hotline_errands",
        "Call-backs, visits, supervision",
        "回拨、走访、督办、回访",
        ALL,
        frozenset({OFFICER, DISPATCHER, GRID_WORKER, ADMINISTRATOR}),
        "whoever handles a case does not supervise it",
    ),
    Rule(
        "hotline_city",
        "The city's 12345 platform",
        "市12345平台",
        frozenset({DISPATCHER, ADMINISTRATOR, AUDITOR}),
        frozenset({DISPATCHER}),
    ),
    Rule(
        "devices",
        "Devices that measure, and a day of what they measured",
        "物联设备",
        ALL,
        frozenset({ADMINISTRATOR}),
    ),
    Rule(
        "device_alarms",
        "Alarms of devices",
        "设备报警",
        ALL,
        frozenset({OFFICER, DISPATCHER, GRID_WORKER}),
        "acknowledge, end by hand; devices raise them",
    ),
    Rule(
        "systems",
        "Other systems: keys and webhooks",
        "外部系统：密钥与推送",
        frozenset({ADMINISTRATOR, AUDITOR}),
        frozenset({ADMINISTRATOR}),
        "secrets are shown at the command line alone, once",
    ),
    Rule(
        "voice",
        "What residents said",
        "居民说事",
        ALL,
        frozenset({DISPATCHER, GRID_WORKER, OFFICER}),
        "each step by the rules of the matter",
    ),
    Rule(
        "round_tables",
        "Round tables and what was promised there",
        "圆桌议事与承诺",
        ALL,
        frozenset({DISPATCHER, GRID_WORKER}),
    ),
    Rule("shown_photos", "Which photos everybody may see", "公开照片的审定", ALL, frozenset({DISPATCHER})),
    Rule(
        "shops",
        "Shops: inspections, what they found, papers",
        "商铺：检查、隐患、证照",
        ALL,
        frozenset({OFFICER, DISPATCHER, GRID_WORKER}),
        "owners' numbers are masked everywhere",
    ),
    Rule(
        "shop_decisions",
        "Shops: tip-offs, appeals, reminders",
        "商铺：举报、申诉、提醒",
        ALL,
        frozenset({DISPATCHER, GRID_WORKER}),
    ),
    Rule(
        "shop_register",
        "Shops: the register, codes and plates",
        "商铺：名册、码与门牌",
        ALL,
        frozenset({DISPATCHER, ADMINISTRATOR}),
    ),
)

_BY_THING = {rule.thing: rule for rule in RULES}

SECOND_FACTOR = frozenset({ADMINISTRATOR, DISPATCHER, AUDITOR})
"""Roles whose password alone opens nothing where the second factor is required."""

READS_ONLY = frozenset({AUDITOR})
"""Roles that change nothing but their own account, whatever a view allows."""

FIELD = (OFFICER, GRID_WORKER)
"""Roles that are sent to a place: they have tasks of their own, and a phone that works without a network."""

LONG_SESSION = frozenset(FIELD)
"""Roles whose phone may lie in a pocket for a shift: their sessions end after the shift, not when idle."""


def readers(thing: str) -> frozenset[Role]:
    """Roles that see a kind of thing.

    Raises:
        KeyError: the table does not know it.
    """
    return _BY_THING[thing].read


def writers(thing: str) -> frozenset[Role]:
    """Roles that change a kind of thing.

    Raises:
        KeyError: the table does not know it.
    """
    return _BY_THING[thing].write


def table() -> str:
    """The rules as a Markdown table: r reads, w changes, - neither."""
    roles = list(Role)
    head = "| | " + " | ".join(str(role.value).replace("_", " ") for role in roles) + " | |"
    lines = [head, "|---|" + "---|" * len(roles) + "---|"]
    for rule in RULES:
        cells = [
            ("r" if role in rule.read else "") + ("w" if role in rule.write else "") or "-" for role in roles
        ]
        lines.append(f"| {rule.english} · {rule.chinese} | " + " | ".join(cells) + f" | {rule.note} |")
    return "\n".join(lines)
