"""The design system keeps its promises: contrast in both themes, no colour beside the tokens, no inline style."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "central" / "pages"
SHEETS = {path.name: path.read_text() for path in (PAGES / "static" / "patrol").glob("*.css")}
CSS = "\n".join(SHEETS.values())
TOKENS = SHEETS["tokens.css"]
DRIVER = PAGES.parent / "driver"
EVERY_CSS = "\n".join(path.read_text() for path in PAGES.parent.rglob("static/**/*.css"))
DRIVER_CSS = (DRIVER / "static" / "driver" / "driver.css").read_text()

IN_THE_SUN = [
    *(("ink", ground) for ground in ("ground", "paper", "warn-bg", "good-bg")),
    ("soft", "ground"),
    ("soft", "paper"),
    ("warn", "ground"),
    ("brand", "ground"),
    ("on-brand", "brand"),
    ("ground", "ink"),
]
"""Text and ground of the driver's page, which is read on a small phone outdoors."""

TEXT_ON = [
    ("ink", "ground"),
    ("ink", "surface"),
    ("soft", "ground"),
    ("soft", "surface"),
    ("soft", "sunken"),
    ("brand", "ground"),
    ("brand", "surface"),
    ("brand-strong", "surface"),
    ("brand-strong", "green-bg"),
    ("on-brand", "brand"),
    ("on-brand", "brand-strong"),
    ("on-bar", "bar"),
    ("red", "surface"),
    ("late", "surface"),
    ("soon", "surface"),
    ("late", "press"),
    ("soon", "press"),
    ("soft", "press"),
    ("soft", "mapland"),
    ("soft", "mapfill"),
    ("on-plate", "plate"),
    *(("on-dot", tone) for tone in ("late", "soon", "calm", "watch")),
    *((tone, f"{tone}-bg") for tone in ("amber", "blue", "green", "red", "violet", "grey")),
]


def block(selector: str, text: str = TOKENS) -> dict[str, str]:
    """The colours that a selector sets, wherever it stands first in the file."""
    found = re.search(re.escape(selector) + r" \{(.*?)\}", text, re.S)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", found.group(1)))


def themes() -> dict[str, dict[str, str]]:
    light = block(":root")
    dark = {**light, **block(':root[data-theme="dark"]')}
    return {
        "light": light,
        "dark": dark,
        "light, high contrast": {**light, **block(':root[data-contrast="more"]')},
        "dark, high contrast": {**dark, **block(':root[data-theme="dark"][data-contrast="more"]')},
    }


def test_what_a_reader_chooses_looks_like_what_his_system_chooses():
    """The same tokens stand once for the system's wish and once for the switch."""
    by_system = re.findall(r"@media \((prefers-[^{]*)\{\n(.*?)\n\}\n", TOKENS, re.S)
    auto = ":root:not([data-theme])"
    said = {wish.strip(): text for wish, text in reversed(by_system)}
    assert block(auto, said["prefers-color-scheme: dark)"]) == block(':root[data-theme="dark"]')
    assert block(":root", said["prefers-contrast: more)"]) == block(':root[data-contrast="more"]')
    both = said["prefers-color-scheme: dark) and (prefers-contrast: more)"]
    assert block(auto, both) == block(':root[data-theme="dark"][data-contrast="more"]')


def test_only_the_tokens_and_a_few_marks_name_colours():
    """Signal dots, the mark and the box in a picture have the same colour on every ground."""
    named = re.findall(
        r"#[0-9a-fA-F]{3,8}\b", "".join(text for name, text in SHEETS.items() if name != "tokens.css")
    )
    assert len(set(named)) <= 16, sorted(set(named))


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_each_style_sheet_can_be_read_at_once(name):
    assert len(SHEETS[name].splitlines()) < 400


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", list(themes()))
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_stands_out_from_its_ground(theme, text, ground):
    colours = themes()[theme]
    lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize(("text", "ground"), IN_THE_SUN)
def test_the_drivers_page_can_be_read_in_the_sun(text, ground):
    """WCAG AAA: seven to one."""
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", DRIVER_CSS))
    lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 7


def test_the_drivers_letters_and_buttons_are_large():
    sizes = [int(size) for size in re.findall(r"font(?:-size)?:[^;]*?(\d+)px", DRIVER_CSS)]
    assert min(size for size in sizes) >= 14, "14 px only within the map"
    assert re.search(r"body {[^}]*font: \d+ 18px", DRIVER_CSS)
    heights = dict(re.findall(r"\.(button|main-button) {[^}]*?min-height: (\d+)px", DRIVER_CSS))
    assert all(int(height) >= 48 for height in heights.values())


def test_no_template_carries_style_script_or_an_address_of_the_network():
    for path in (*PAGES.parent.rglob("templates/**/*.html"), *PAGES.parent.rglob("jinja2/**/*.html")):
        text = path.read_text()
        assert not re.search(r" style=| on\w+=|<style|<script(?![^>]* src=)", text), path.name
        assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text), path.name
    assert "http" not in EVERY_CSS


def test_every_class_of_the_templates_that_the_style_sheet_names_exists_there():
    used = set()
    for path in (*PAGES.parent.rglob("templates/**/*.html"), *PAGES.parent.rglob("jinja2/**/*.html")):
        for names in re.findall(r'class="([^"]*)"', path.read_text()):
            used |= set(re.findall(r"[a-z][\w-]*", re.sub(r"{[{%].*?[%}]}", " ", names)))
    styled = set(re.findall(r"\.([a-z][\w-]*)", EVERY_CSS))
    # Marks without a look of their own.
    plain = {
        "state",
        "person",
        "task",
        "idle",
        "opened",
        "pair",
        "u",
        "none",
        "if",
        "wall",
        "slot",
        "alerts",
        "day",
        "d-",
        "z-",
        "at",
        "hour",
        "val",
        "hl-fields",
        "sev-",
    }
    unknown = used - styled - plain
    assert sorted(name for name in unknown if not name.startswith(("state-", "u-"))) == []
