"""What a rehearsal says, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge_agent.rehearsal.reasons import CLASSES
from edge_agent.rests import Decided
from protocol.clock import Millis
from zones.diff import Difference, GroundChange, KeyChange, ZoneChange
from zones.diff_pictures import area_words


@dataclass(frozen=True, slots=True)
class Said:
    """The same in both languages."""

    en: str
    zh: str


_STATES: dict[str, tuple[str, str]] = {
    "confirmed": ("nobody warned yet", "尚未告知"),
    "notified": ("warned, the clock runs", "已告知，宽限期内"),
    "unnotifiable": ("nobody could be told, the clock runs", "无法告知，宽限期内"),
    "rechecking": ("being looked at again", "复核中"),
    "unverified": ("the camera could not tell", "无法核实"),
    "self_corrected": ("left in time", "自行驶离"),
    "exempt": ("exempt", "免予处理"),
    "closed": ("closed, nothing follows", "已结案，无后续"),
}

_KEYS = {
    "name": "名称", "kind": "类型", "classes": "适用车型", "enter_ratio": "进入比例", "leave_ratio": "离开比例",
    "min_height_px": "最小高度", "min_length_m": "最小车长", "priority": "优先级", "hours": "生效时段",
    "exempt": "豁免", "confirm_after_s": "确认时间（秒）", "grace_s": "宽限期（秒）",
    "recheck_window_s": "复核窗口（秒）", "renotice_after_s": "再次告知间隔（秒）", "unnotifiable": "无法告知时",
    "unverified": "无法核实时", "place": "地点", "position": "坐标", "camera": "摄像机", "street": "街道",
    "time_zone": "时区", "calendar": "日历", "calibration": "标定", "picture": "画面尺寸",
}  # fmt: skip

_CHANGES = {"added": ("added", "新增"), "removed": ("removed", "删除"), "changed": ("changed", "更改")}


def local(at_ms: Millis, time_zone: str) -> str:
    """`2026-03-11 07:32:10` on the wall of the place."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(ZoneInfo(time_zone))
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def clock(at_ms: Millis, time_zone: str) -> str:
    """`07:32:10`."""
    return local(at_ms, time_zone)[11:]


def label_said(label: str) -> Said:
    """A class of vehicle."""
    return Said(label, CLASSES.get(label, label))


def outcome_said(cases: Sequence[Decided], time_zone: str) -> Said:
    """What came of a rest, on one line."""
    if not cases:
        return Said("no case", "不立案")
    parts = [_case_said(decided, time_zone) for decided in cases]
    return Said("; ".join(part.en for part in parts), "；".join(part.zh for part in parts))


def _case_said(decided: Decided, time_zone: str) -> Said:
    at = clock(decided.confirmed_ms, time_zone)
    if decided.tasked_ms is not None:
        tasked = clock(decided.tasked_ms, time_zone)
        what = ("manual check", "人工核实") if decided.manual else ("task", "派发任务")
        return Said(
            f"case in {decided.zone_id} at {at}, {what[0]} at {tasked}",
            f"{at} 在 {decided.zone_id} 立案，{tasked} {what[1]}",
        )
    en, zh = _STATES.get(decided.state, (decided.state, decided.state))
    return Said(f"case in {decided.zone_id} at {at}, {en}", f"{at} 在 {decided.zone_id} 立案，{zh}")


# The zones' own difference


def difference_said(difference: Difference) -> list[tuple[str, Said, list[Said]]]:
    """What the zones change: (kind of change, heading, lines), the file's own keys first."""
    told: list[tuple[str, Said, list[Said]]] = []
    if difference.keys:
        told.append(("changed", Said("file", "文件"), [_key_said(key) for key in difference.keys]))
    for change in difference.zones:
        en, zh = _CHANGES[change.change]
        was = "" if change.was is None else f" (was {change.was})"
        was_zh = "" if change.was is None else f"（原 {change.was}）"
        lines = [_key_said(key) for key in change.keys]
        if change.ground is not None:
            lines.extend(_ground_lines(change, change.ground))
        told.append((change.change, Said(f"{change.id} {en}{was}", f"{change.id} {zh}{was_zh}"), lines))
    return told


def _key_said(key: KeyChange) -> Said:
    old, new = (value if value != "not given" else "未设定" for value in (key.old, key.new))
    return Said(f"{key.key}: {key.old} → {key.new}", f"{_KEYS.get(key.key, key.key)}：{old} → {new}")


def _ground_lines(change: ZoneChange, ground: GroundChange) -> list[Said]:
    if change.change == "changed" and ground.same:
        return [Said("the same ground", "范围不变")] if change.was is not None else []
    lines = []
    if ground.how:
        metres = "" if ground.moved_m is None else f" ({ground.moved_m:.2f} m)"
        lines.append(Said(f"outline: {ground.how}{metres}", f"边界：{_how_in_chinese(ground.how)}{metres}"))
    lines.append(ground_said(ground))
    return lines


def ground_said(ground: GroundChange) -> Said:
    """Areas gained, lost and kept."""
    pairs = [
        (en, zh, area_words(px, m2))
        for en, zh, px, m2 in (
            ("gained", "增加", ground.gained_px, ground.gained_m2),
            ("lost", "减少", ground.lost_px, ground.lost_m2),
            ("kept", "保留", ground.kept_px, ground.kept_m2),
        )
        if px or en == "kept"
    ]
    return Said(
        ", ".join(f"{en} {area}" for en, _, area in pairs), "，".join(f"{zh} {area}" for _, zh, area in pairs)
    )


_HOW: tuple[tuple[str, str], ...] = (
    (
        r"redrawn with (\d+) vertices instead of (\d+); its edge moved by at most ([\d.]+) px",
        r"由 \2 个顶点重绘为 \1 个；边缘最多移动 \3 px",
    ),
    (
        r"(?:vertex|vertices) ([\d, ]+) of (\d+) moved, by at most ([\d.]+) px",
        r"第 \1 号顶点（共 \2 个）移动，最多 \3 px",
    ),
)
_WAYS = {"to the right": "向右", "to the left": "向左", "down": "向下", "up": "向上"}


def _how_in_chinese(how: str) -> str:
    for pattern, words in _HOW:
        if re.fullmatch(pattern, how):
            return re.sub(pattern, words, how)
    if how.startswith("moved as a whole, "):
        ways = how.removeprefix("moved as a whole, ").split(" and ")
        told = []
        for way in ways:
            number, _, direction = way.partition(" px ")
            told.append(f"{_WAYS.get(direction, direction)} {number} px")
        return "整体移动，" + "、".join(told)
    return how
