"""A warning as a phone shows it: one page that loads nothing, for whoever decides about its words."""

from __future__ import annotations

from html import escape

from notifier.notice import Notice

_WORDS = {
    "zh-Hans": ("短信预览", "短信", "发送于", "{encoding} 编码，{units} 个单位，按 {segments} 条计费"),
    "en": (
        "Preview of a message",
        "Text message",
        "Sent at",
        "{encoding}, {units} units, billed as {segments}",
    ),
}

_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<style>
*{{box-sizing:border-box;margin:0}}
body{{background:#dfe3e2;color:#0b0b0b;font:17px/1.45 "Noto Sans","PingFang SC","Noto Sans CJK SC",sans-serif}}
main{{max-width:430px;min-height:100vh;margin:auto;background:#fff}}
header{{background:#f1f4f3;border-bottom:1px solid #c6cbc9;padding:22px 16px 14px;text-align:center}}
h1{{font-size:17px}}
header p,time,footer{{font-size:13px;color:#4a504e}}
time{{display:block;text-align:center;padding:20px 0 12px}}
article{{background:#e6e9e8;border-radius:20px 20px 20px 5px;margin:0 40px 0 14px;padding:11px 15px;white-space:pre-wrap;
overflow-wrap:anywhere}}
footer{{padding:8px 18px}}
</style>
<main><header><h1>{kind}</h1><p>{sender}</p></header><time>{sent}</time><article>{text}</article><footer>{facts}</footer></main>
</html>
"""


def message_page(notice: Notice, languages: str, *, sender: str, sent: str) -> str:
    """The text in a bubble, and below it what a network counts.

    Args:
        notice: as it would be sent.
        languages: its language, or several joined by +; the page speaks the first.
        sender: who warns; may be empty.
        sent: the time of the day that the phone shows.
    """
    language = languages.partition("+")[0]
    title, kind, at, facts = _WORDS[language]
    size = notice.size
    return _PAGE.format(
        language=language,
        title=title,
        kind=kind,
        sender=escape(sender),
        sent=f"{at} {escape(sent)}",
        text=escape(notice.text),
        facts=facts.format(encoding=size.encoding, units=size.units, segments=size.segments),
    )
