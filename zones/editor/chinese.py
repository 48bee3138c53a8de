"""What the checks say in English, in Chinese. Words that are not known here are shown as they are."""

from __future__ import annotations

import re
from functools import lru_cache

_N = r"-?[\d.,]+(?:e[+-]?\d+)?"
_Z = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"

_SAYINGS: tuple[tuple[str, str], ...] = (
    # Where a vehicle stands.
    (r"its footprint touches no forbidden zone", "占地范围未触及任何禁停区域"),
    (
        rf"(?P<a>{_N}%) of its footprint is in zone (?P<z>{_Z}), needs (?P<b>{_N}%)(?P<rest>.*)",
        "占地范围的 {a} 在区域 {z} 内，需达到 {b}{rest}",
    ),
    (rf" \((?P<a>{_N}) m² of (?P<b>{_N}) m²\)(?P<rest>.*)", "（{b} m² 中的 {a} m²）{rest}"),
    (r", but (?P<a>.+) is in an ignored place", "，但 {a} 在忽略区域内"),
    (rf", but (?P<a>{_N}%) is in (?P<z>{_Z}), where standing is allowed", "，但 {a} 在允许停放的 {z} 内"),
    # What pydantic says of a value.
    (r"Field required", "必须填写"),
    (r"Input should be a valid number.*", "应为数字"),
    (r"Input should be a valid integer.*", "应为整数"),
    (r"Input should be a finite number", "应为有限的数字"),
    (r"Input should be a valid string", "应为文字"),
    (r"Input should be a valid tuple", "应为列表"),
    (r"Input should be a valid date.*", "应为日期，例如 2026-10-01"),
    (rf"Input should be greater than or equal to (?P<n>{_N})", "不应小于 {n}"),
    (rf"Input should be greater than (?P<n>{_N})", "应大于 {n}"),
    (rf"Input should be less than or equal to (?P<n>{_N})", "不应大于 {n}"),
    (rf"Input should be less than (?P<n>{_N})", "应小于 {n}"),
    (r"Input should be (?P<a>'.+)", "应为以下之一：{a}"),
    (rf"String should have at least (?P<n>{_N}) characters?", "至少 {n} 个字符"),
    (rf"String should have at most (?P<n>{_N}) characters?", "至多 {n} 个字符"),
    (r"String should match pattern '\^\(\[01\].*", "应为时间，例如 08:30；24:00 表示当天结束"),
    (
        r"String should match pattern '\^\[A-Za-z0-9\].*",
        "以字母或数字开头，只含字母、数字、“_”“.”“-”，至多 64 个字符",
    ),
    (r"String should match pattern (?P<a>.+)", "格式应为 {a}"),
    (
        rf"Tuple should have at least (?P<n>{_N}) items? after validation, not (?P<m>{_N})",
        "至少 {n} 项，现有 {m} 项",
    ),
    (rf"Tuple should have at most (?P<n>{_N}) items? after validation, not.*", "至多 {n} 项"),
    (r"this key is not known", "未知的键"),
    (r"Check its spelling; see docs/zones\.md for the keys\.", "请检查拼写；所有键见 docs/zones.md。"),
    (
        r"Mend the value; docs/zones\.md says what each key takes\.",
        "请改正此值；各键的取值见 docs/zones.md。",
    ),
    (r"Add it; see docs/zones\.md\.", "请补上；说明见 docs/zones.md。"),
    # What the model says of a zone.
    (
        r"the polygon crosses itself: edge (?P<a>\d+)-(?P<b>\d+) meets edge (?P<c>\d+)-(?P<d>\d+)",
        "多边形自相交：边 {a}-{b} 与边 {c}-{d} 相交",
    ),
    (r"the polygon is not simple: (?P<a>.+)", "多边形不合法：{a}"),
    (
        rf"the polygon covers only (?P<n>{_N}) square pixels; no vehicle fits",
        "多边形只有 {n} 平方像素，容不下车辆",
    ),
    (
        rf"leave_ratio (?P<a>{_N}) is above enter_ratio (?P<b>{_N}); a vehicle would flap in and out",
        "离开占比 {a} 高于进入占比 {b}，判定会来回跳动",
    ),
    (r"vertex (?P<n>\d+) is (?P<a>.+): not a finite position", "顶点 {n} 的坐标 {a} 无效"),
    (rf"zone (?P<z>{_Z}): the id is used twice", "区域 {z}：编号重复"),
    (
        rf"zone (?P<z>{_Z}): vertex (?P<n>\d+) (?P<p>\(.+\)) lies off the picture of (?P<s>\S+)",
        "区域 {z}：顶点 {n} {p} 在 {s} 的画面之外",
    ),
    (rf"zone (?P<z>{_Z}): lies off the picture", "区域 {z}：在画面之外"),
    (
        r"time_zone (?P<a>.+) is not known; write e\.g\. Asia/Shanghai",
        "未知的时区 {a}，例如可写 Asia/Shanghai",
    ),
    (r"a window cannot begin at 24:00; write 00:00", "时段不能从 24:00 开始，请写 00:00"),
    (
        r"the window is empty: it begins and ends at (?P<a>\S+); all day is 00:00 to 24:00",
        "时段为空：起止都是 {a}；全天请写 00:00 至 24:00",
    ),
    (
        r"an exemption without any condition would exempt everybody; give one, or remove the zone",
        "没有任何条件的豁免会豁免所有车辆，请至少给出一个条件",
    ),
    (r"the plate pattern (?P<a>.+) would exempt every plate", "号牌模式 {a} 会豁免所有号牌"),
    (r"(?P<a>\S+) is given as holiday and as workday", "{a} 既是节假日又是工作日"),
    (r"give either `ground` \(metres\) or `at` \(WGS-84\)", "请给出地面坐标（米）或 WGS-84 坐标之一"),
    (r"give either points or a rectangle", "请给出标定点或矩形之一"),
    (r"(?P<n>\d+) points are too few; a calibration needs four or more", "只有 {n} 个标定点，至少需要 4 个"),
    (r"points given by `at` need an `origin`", "用 WGS-84 给出的标定点需要原点"),
    # What lint says.
    (r"the last vertex repeats the first", "最后一个顶点与第一个重复"),
    (r"vertex (?P<a>\d+) repeats vertex (?P<b>\d+)", "顶点 {a} 与顶点 {b} 重复"),
    (r"Leave it out; the ring closes by itself\.", "删去即可，多边形会自动闭合。"),
    (
        rf"leave_ratio equals enter_ratio \((?P<a>{_N})\); a vehicle at the edge would flap in and out",
        "离开占比等于进入占比（{a}），边缘车辆的判定会来回跳动",
    ),
    (r"Lower leave_ratio by 0\.1 or more\.", "把离开占比降低 0.1 以上。"),
    (
        rf"covers (?P<a>{_N}) square pixels; even the smallest vehicle that is looked at \((?P<b>{_N}) px high\) could not have "
        rf"(?P<c>{_N}%) of its footprint in it",
        "只有 {a} 平方像素；即使最小的车辆（高 {b} 像素）也不可能有 {c} 的占地范围在内",
    ),
    (r"Draw it larger, or lower min_height_px\.", "画大一些，或降低最小高度。"),
    (
        rf"is only (?P<a>{_N}) px wide; a trembling box falls in and out of it",
        "宽度只有 {a} 像素，检测框稍有抖动就会进出",
    ),
    (
        rf"boxes of (?P<a>{_N}) px count, whose share moves by (?P<b>{_N}) if they tremble by 3 px; the gap between "
        rf"enter_ratio and leave_ratio is (?P<c>{_N})",
        "高 {a} 像素的检测框也计入，抖动 3 像素时其占比变化 {b}；进入占比与离开占比只相差 {c}",
    ),
    (
        rf"Raise min_height_px to (?P<a>{_N}), or lower leave_ratio to (?P<b>{_N})\.",
        "把最小高度提高到 {a}，或把离开占比降到 {b}。",
    ),
    (rf"Raise min_height_px to (?P<a>{_N})\.", "把最小高度提高到 {a}。"),
    (r"Draw it wider, or join it to its neighbour\.", "画宽一些，或并入相邻区域。"),
    (rf"covers the same place as zone (?P<z>{_Z})", "与区域 {z} 覆盖同一处"),
    (r"Remove one of them\.", "删去其中一个。"),
    (r"Decide what the place is, and remove the other\.", "确定此处的用途，删去另一个。"),
    (
        rf"overlaps zone (?P<z>{_Z}) by (?P<a>{_N}%) of the smaller; there (?P<b>{_Z}) counts and standing is allowed",
        "与区域 {z} 重叠（占较小者的 {a}）；重叠处按 {b} 计，允许停放",
    ),
    (r"If that is not meant, draw them side by side\.", "若非本意，请把它们并排画开。"),
    (
        r"no zone of the file forbids standing, so there will never be a case",
        "没有任何禁停区域，因此不会产生案件",
    ),
    (r"Give one zone the kind no_parking or fire_lane\.", "把其中一个区域的类型设为禁停或消防通道。"),
    (
        r"the edges at vertex (?P<a>\d+) meet at (?P<b>[\d.]+) degrees; the spike covers no ground",
        "顶点 {a} 处两边夹角仅 {b} 度，尖刺不覆盖地面",
    ),
    (r"Move the vertex, or leave it out\.", "移动此顶点，或删去。"),
    (
        r"has (?P<a>\d+) vertices where (?P<b>\d+) say the same to (?P<c>[\d.]+) px",
        "有 {a} 个顶点，而 {b} 个就能表达到 {c} 像素的精度",
    ),
    (r"Draw it again with fewer; nobody can check so many\.", "请用较少的顶点重画；太多了无人能核对。"),
    (
        r"vert(?:ex|ices) (?P<a>[\d, …]+) lies? on the line between (?:its|their) neighbours",
        "顶点 {a} 在相邻顶点的连线上",
    ),
    (r"Leave (?:it|them) out\.", "删去即可。"),
    (
        rf"covers (?P<a>{_N}) m² of ground; even the smallest vehicle of its classes needs (?P<b>{_N}) m² to have "
        rf"(?P<c>{_N}%) of its footprint in it",
        "只有 {a} m² 地面；即使最小的此类车辆也需要 {b} m² 才有 {c} 的占地范围在内",
    ),
    (r"Draw it larger, or check the calibration\.", "画大一些，或检查标定。"),
    (
        rf"is only (?P<a>{_N}) m wide; no vehicle has (?P<b>{_N}%) of its footprint in it",
        "宽度只有 {a} 米；没有车辆会有 {b} 的占地范围在内",
    ),
    (
        rf"If that is meant, give (?P<z>{_Z}) a higher priority; else draw them side by side\.",
        "若确为本意，请提高 {z} 的优先级；否则并排画开。",
    ),
    (
        rf"overlaps zone (?P<z>{_Z}) by (?P<a>{_N}%) of the smaller; there it is not said whose rules count",
        "与区域 {z} 重叠（占较小者的 {a}）；重叠处未说明按谁的规则",
    ),
    (r"Draw them side by side, or give one a higher priority\.", "请并排画开，或提高其中一个的优先级。"),
    (
        rf"a strip (?P<a>[\d.]+ (?:m|px)) wide and (?P<b>\d+ (?:m|px)) long between it and zone (?P<z>{_Z}) belongs to neither",
        "与区域 {z} 之间有一条宽 {a}、长 {b} 的空隙，不属于任何一方",
    ),
    (r"Let the two share their edge, or join them\.", "让两者共用一条边，或合并。"),
    (
        r"(?P<a>\d+) square pixels around (?P<b>\(\d+, \d+\)) are enclosed by (?P<c>.+) but belong to no zone",
        "{b} 附近 {a} 平方像素被 {c} 围住，却不属于任何区域",
    ),
    (
        r"Close the hole; if standing is allowed there, draw a parking_bay, loading or ignore zone\.",
        "请补上空洞；若允许停放，请画成停车泊位、装卸或忽略区域。",
    ),
    (
        r"min_length_m is in metres, but the camera is not calibrated: it would not be heeded",
        "最小长度以米计，而摄像机未标定，因此不会生效",
    ),
    (
        r"Calibrate the camera with `patrol zones calibrate`, or use min_height_px\.",
        "请先标定摄像机，或改用最小高度（像素）。",
    ),
    (
        r"never counts: its hours are on public holidays only, and the calendar has none",
        "永远不会生效：时段只在节假日，而日历没有节假日",
    ),
    (
        r"window (?P<n>\d+) of its hours never comes: the calendar has no public holidays",
        "时段 {n} 永远不会出现：日历没有节假日",
    ),
    (
        r"Give the calendar a country or holidays, or (?:give the (?:zone|exemption) other days|remove the window)\.",
        "请为日历设定国家或节假日，或改用其他日子。",
    ),
    (r"window (?P<a>\d+) of its hours lies within window (?P<b>\d+)", "时段 {a} 包含在时段 {b} 之内"),
    (r"Remove it, or mend its days or times\.", "请移除，或改正其日子或时间。"),
    (r"Remove it, or mend its classes\.", "请移除，或改正其车型。"),
    (
        r"exemption (?P<n>\d+) \((?P<a>.*)\) does nothing: a zone of the kind \w+ forbids nothing",
        "豁免 {n}（{a}）不起作用：此类区域并不禁停",
    ),
    (r"Move it to the zone that forbids standing there\.", "请移到禁止在此停放的区域。"),
    (
        r"exemption (?P<n>\d+) \((?P<a>.*)\) is for .+, which the zone is not about",
        "豁免 {n}（{a}）所指的车型与此区域无关",
    ),
    (
        r"exemption (?P<n>\d+) \((?P<a>.*)\) never applies: the calendar has no public holidays",
        "豁免 {n}（{a}）永远不适用：日历没有节假日",
    ),
    (
        r"exemption (?P<n>\d+) \((?P<a>.*)\) exempts every vehicle at all times, so there will never be a case",
        "豁免 {n}（{a}）始终豁免所有车辆，因此不会产生案件",
    ),
    (
        r"its hours need the holidays of (?P<y>\d+), which are not known yet; it does not count on such days in \d+",
        "时段需要 {y} 年的节假日安排，目前尚不知道；{y} 年的此类日子不会生效",
    ),
    (
        r"its hours need the holidays of (?P<y>\d+), which are not known yet; it counts, or exempts, as if the hours held in \d+",
        "时段需要 {y} 年的节假日安排，目前尚不知道；{y} 年将视为时段成立",
    ),
    (
        r"Bring the package chinesecalendar up to date, or list all holidays and workdays of (?P<y>\d+) under \[calendar\] .+",
        "请更新 chinesecalendar 软件包，或在日历中列出 {y} 年的全部节假日和工作日并写明该年份。",
    ),
    (r"Give it a condition, or remove the zone\.", "请给出条件，或移除此区域。"),
    # What saving says.
    (r"the file was changed by somebody else since it was opened", "打开之后，文件已被他人修改"),
    (r"exists already", "已存在"),
    (r"must be a plain file name", "应为不带文件夹的文件名"),
    (r"is no zone file by its name", "文件名应以 .toml 或 .json 结尾"),
    (r"cannot be written: (?P<a>.+)", "无法写入：{a}"),
    # What a calibration says.
    (
        r"the points fit no view of a ground: (?P<a>.+) would lie on or above the horizon",
        "这些点不构成任何地面视角：{a} 会落在地平线上或其上方",
    ),
    (
        r"Two points are probably exchanged; check the order in which they were given\.",
        "可能有两个点对调了，请检查给出的顺序。",
    ),
    (
        r"the ground is mirrored: seen from above its axes are left-handed",
        "地面是镜像的：从上方看坐标轴为左手系",
    ),
    (
        rf"zone (?P<z>{_Z}): lies on or above the horizon of the calibration, where no ground is",
        "区域 {z}：位于标定的地平线上或其上方，那里没有地面",
    ),
    (
        r"Draw the zone on the ground, or check the calibration's points\.",
        "请把区域画在地面上，或检查标定点。",
    ),
)

_CALIBRATION = re.compile(
    r"calibration: (?:(?P<where>(?:point|corner) \d+): )?(?P<problem>.+?)(?:\. (?P<mend>[A-Z].+))?", re.DOTALL
)

_COMPILED = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in _SAYINGS)


@lru_cache(maxsize=2048)
def chinese(text: str) -> str:
    """The sentence in Chinese, or as it is where it is not known."""
    for pattern, words in _COMPILED:
        if found := pattern.fullmatch(text):
            named = found.groupdict()
            if named.get("rest"):
                named["rest"] = chinese(named["rest"])
            return words.format(**named)
    if found := _CALIBRATION.fullmatch(text):
        where = found["where"] or ""
        for english, words in (("point", "点"), ("corner", "角点")):
            where = where.replace(english, words)
        sentences = [chinese(found["problem"]), *([chinese(found["mend"])] if found["mend"] else [])]
        return f"标定：{where + '：' if where else ''}{'。'.join(sentences)}"
    return text


def said(text: str | None) -> dict[str, str] | None:
    """A sentence in both languages of the page."""
    return None if not text else {"en": text, "zh": chinese(text)}
