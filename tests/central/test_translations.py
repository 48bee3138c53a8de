"""Every text of the pages has its Chinese, compiled, with the same places for names."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "central"
FOLDERS = sorted(HOUSE.rglob("locale/zh_Hans/LC_MESSAGES"))
"""The common one, and one of each app that keeps its own."""
PLACE = re.compile(r"%\(\w+\)[sd]")


def texts_in_templates():
    for path in HOUSE.rglob("templates/**/*.html"):
        text = path.read_text()
        yield from re.findall(r'{% translate ["\'](.+?)["\'] %}', text)
        for block in re.findall(r"{% blocktranslate.*?%}(.*?){% endblocktranslate %}", text, re.S):
            singular = block.partition("{% plural %}")[0].strip()
            yield re.sub(r"{{ *(\w+) *}}", r"%(\1)s", singular)
    for path in HOUSE.rglob("jinja2/**/*.html"):
        text = path.read_text()
        yield from re.findall(r'_\("(.+?)"\)', text)
        for block in re.findall(r"{% trans .*?%}(.*?){% endtrans %}", text, re.S):
            yield re.sub(r"{{ *(\w+) *}}", r"%(\1)s", block.partition("{% pluralize %}")[0])


def texts_in_python():
    names = {"_", "gettext", "gettext_lazy"}
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield from (part.value for part in node.args if isinstance(part, ast.Constant))


def compiled(folder):
    with (folder / "django.mo").open("rb") as file:
        return {
            key[0] if isinstance(key, tuple) else key: text
            for key, text in gettext.GNUTranslations(file)._catalog.items()
            if key
        }


@pytest.fixture(scope="module")
def catalogue():
    together = {}
    for folder in FOLDERS:
        together |= compiled(folder)
    return together


def test_every_text_is_translated(catalogue):
    wanted = {*texts_in_templates(), *texts_in_python()}
    assert len(wanted) > 150
    assert sorted(wanted - set(catalogue)) == []


def test_no_translation_is_left_over(catalogue):
    assert sorted(set(catalogue) - {*texts_in_templates(), *texts_in_python()}) == []


def test_a_text_has_one_translation():
    seen = {}
    for folder in FOLDERS:
        for text, translated in compiled(folder).items():
            assert seen.setdefault(text, translated) == translated, f"{text!r} in {folder}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parents[2].name)
def test_the_compiled_file_is_the_one_that_people_edit(folder):
    source = (folder / "django.po").read_text()
    pairs = re.findall(r'^msgid "(.+)"\n(?:msgid_plural ".+"\n)?msgstr(?:\[0\])? "(.*)"$', source, re.M)
    assert dict(pairs) == compiled(folder)


def test_translations_keep_the_places_for_names(catalogue):
    for text, translated in catalogue.items():
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(translated)), text
