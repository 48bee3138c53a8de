"""How likely two reports of residents are one matter: words, what they are about, place and time. Pure and symmetric.

Words are compared as the engine does (Dice's coefficient over pairs of neighbouring characters). People say one thing in many
ways - 停运, 坏了, 不动了 -, so what a text is *about* is looked for as well, in a short list of things of the street and of what
can be wrong with them. The numbers of houses count as well: the lift of house 3 is not the lift of house 5.
"""

from __future__ import annotations

import re
import unicodedata

from central.cases.alike import Report, dice, metres, pairs

radius_m = 200.0
WINDOW_MS = 90 * 86_400_000
THRESHOLD = 0.4
"""Chosen on one half of the labelled pairs; docs/voice.md states what it gives on the other."""

WEIGHTS = {"text": 0.3, "about": 0.35, "place": 0.3, "time": 0.05}

THINGS: tuple[str, ...] = (
    r"电梯|升降梯|轿厢|\blift|elevator",
    r"路灯|照明|楼道灯|感应灯|灯泡|灯不亮|灯坏|黑灯|street ?lamp|street ?light",
    r"井盖|窨井|马葫芦|manhole",
    r"下水|污水|排水|排污|脏水|管道堵|返水|冒水|化粪|粪水|sewer|drain",
    r"停水|没水|断水|水压|自来水|water supply",
    r"漏水|渗水|滴水|跑水|爆管|水管裂|leak",
    r"停电|跳闸|没电|断电|power cut",
    r"暖气|供暖|供热|不热|heating",
    r"燃气|煤气|天然气|\bgas\b",
    r"垃圾|厨余|清运|garbage|rubbish|trash",
    r"堆物|杂物|堆放|堆满|纸箱|破家具|旧家具|占道堆|clutter",
    r"油烟|烧烤|餐馆排|饭馆|烤串|fumes",
    r"装修|电钻|砸墙|renovat",
    r"夜间施工|半夜打桩|打桩|凌晨.{0,4}(?:混凝土|施工)|吊车|piling",
    r"扬尘|尘土|灰尘|洒水|刮风.{0,4}土|土堆|dust",
    r"广场舞|音响|喇叭|唱歌|K歌|放音乐|music",
    r"狗|犬|遛狗|狗叫|\bdogs?\b",
    r"充电棚|充电桩|充电柜|车棚|charging (?:point|station)",
    r"飞线|拉电线|(?:楼道|屋里|家里|楼里|上楼).{0,8}充电|charging indoors",
    r"消防通道|生命通道|消防车|救护车|fire lane",
    r"灭火器|消火栓|消防栓|消防设施|烟感|fire extinguisher|hydrant",
    r"地锁|占.{0,3}(?:公共)?(?:停)?车位|霸占|parking lock",
    r"僵尸车|废弃.{0,3}车|破车|没人要的.{0,2}车|abandoned",
    r"共享单车|单车|小黄车|bike share|shared bikes?",
    r"树枝|大树|树木|修剪|枯树|倒伏|\btrees?\b|branch",
    r"绿地|草坪|绿化带|种菜|菜地|lawn|\bgreen\b",
    r"健身器材|健身|滑梯|秋千|儿童乐园|playground",
    r"路面|坑洼|坑|塌陷|地砖|砖松|破损路|pothole|pavement",
    r"台阶|坡道|无障碍|轮椅|ramp",
    r"栏杆|护栏|围挡|扶手|railing",
    r"墙皮|外墙|瓷砖脱|脱落|掉砖|facade|plaster",
    r"门禁|单元门|防盗门|对讲|大门|entrance door|\bgate\b",
    r"监控|摄像头|camera",
    r"快递|快递柜|驿站|parcel",
    r"蚊|蟑螂|老鼠|鼠患|消杀|\brats?\b|mosquito",
    r"物业费.{0,4}涨|收费|涨价|property fee",
    r"保洁|搞卫生|拖地|打扫|cleaning",
    r"(?:楼上|上面|邻居|隔壁).{0,10}(?:吵|噪|蹦|跳|拖椅|敲)|neighbou?rs? .{0,20}nois",
    r"高空抛物|扔烟头|抛物|throwing",
    r"群租|出租房|日租|隔断|tenants",
    r"公厕|厕所|卫生间|toilet",
    r"红绿灯|信号灯|绿灯|traffic light",
    r"斑马线|横道线|zebra|crossing",
    r"公交|站牌|bus stop",
    r"私搭|违建|加盖|彩钢|illegal building",
    r"积水|内涝|水坑|flooded",
    r"积雪|结冰|\bice\b|\bsnow\b",
)
"""What a matter is about, each line with the words that people use for one thing."""

WIDE: tuple[str, ...] = (
    r"停车|车位|乱停|parking|parked",
    r"施工|工地|construction",
    r"噪音|噪声|吵|noise",
    r"充电|电动车|电瓶车|电动自行车|e-?bikes?|charging",
    r"异味|臭|难闻|smell|stink",
    r"物业|property manager",
)
"""Words that say little: they count where nothing of `THINGS` is named."""

_WIDE = tuple(re.compile(words, re.IGNORECASE) for words in WIDE)
_THINGS = tuple(re.compile(words, re.IGNORECASE) for words in THINGS)
_HOUSE = re.compile(
    r"([0-9一二三四五六七八九十]{1,4})\s*(?:号楼|号院|栋|幢|单元|门(?!禁))|(?:building|block)\s*([0-9]+)",
    re.IGNORECASE,
)
_DIGITS = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


def likeness(one: Report, other: Report) -> float | None:
    """How likely the two are one matter, 0 to 1; None where they are too far or too long apart.

    A place that one of them does not tell is left out, and the other parts weigh more.
    """
    apart_ms = abs(one.at_ms - other.at_ms)
    if apart_ms > WINDOW_MS:
        return None
    parts = {"time": 1 - apart_ms / WINDOW_MS}
    far = metres(one, other)
    if far is not None:
        if far > radius_m:
            return None
        parts["place"] = 1 - far / radius_m
    elif one.place and other.place:
        parts["place"] = dice(pairs(one.place), pairs(other.place))
    parts["text"] = dice(pairs(one.text), pairs(other.text))
    mine, theirs = about(one.text), about(other.text)
    # Where one names nothing that is known, words have to carry the weight: nearness alone makes nothing the same.
    parts["about"] = 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine and theirs else parts["text"]
    weight = sum(WEIGHTS[name] for name in parts)
    total = sum(WEIGHTS[name] * part for name, part in parts.items()) / weight
    if mine and theirs and not mine & theirs:
        total *= OTHER_THING
    here, there = houses(f"{one.place} {one.text}"), houses(f"{other.place} {other.text}")
    if here and there and not here & there:
        total *= OTHER_HOUSE
    return round(total, 4)


OTHER_THING = 0.5
"""What is left of a likeness where both say what it is about and it is not the same."""

OTHER_HOUSE = 0.55
"""What is left of a likeness where both name houses and none is the same."""


def about(text: str) -> frozenset[int]:
    """The things that a text speaks of, by their place in `THINGS`; below zero those of `WIDE`."""
    plain = unicodedata.normalize("NFKC", text)
    found = frozenset(number for number, words in enumerate(_THINGS) if words.search(plain))
    return found or frozenset(-1 - number for number, words in enumerate(_WIDE) if words.search(plain))


def houses(text: str) -> frozenset[str]:
    """The numbers of houses and entrances that a text names."""
    plain = unicodedata.normalize("NFKC", text)
    return frozenset(_number(found[1] or found[2]) for found in _HOUSE.finditer(plain))


def _number(text: str) -> str:
    if text.isdigit():
        return str(int(text))
    tens, mark, ones = text.rpartition("十")
    if not mark:
        return "".join(str(_DIGITS.get(each, 0)) for each in text)
    return str(_DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0))
