"""Every text of the pages has its Chinese, compiled, with the same places for names."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "central"
FOLDER = HOUSE / "locale" / "zh_Hans" / "LC_MESSAGES"
PLACE = re.compile(r"%\(\w+\)[sd]")


def texts_in_templates():
    for path in HOUSE.rglob("templates/**/*.html"):
        text = path.read_text()
        yield from re.findall(r'{% translate ["\'](.+?)["\'] %}', text)
        for block in re.findall(r"{% blocktranslate.*?%}(.*?){% endblocktranslate %}", text, re.S):
            singular = block.partition("{% plural %}")[0].strip()
            yield re.sub(r"{{ *(\w+) *}}", r"%(\1)s", singular)


def texts_in_python():
    names = {"_", "gettext", "gettext_lazy"}
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield from (part.value for part in node.args if isinstance(part, ast.Constant))


@pytest.fixture(scope="module")
def catalogue():
    with (FOLDER / "django.mo").open("rb") as file:
        return {
            key[0] if isinstance(key, tuple) else key: text
            for key, text in gettext.GNUTranslations(file)._catalog.items()
            if key
        }


def test_every_text_is_translated(catalogue):
    wanted = {*texts_in_templates(), *texts_in_python()}
    assert len(wanted) > 150
    assert sorted(wanted - set(catalogue)) == []


def test_no_translation_is_left_over(catalogue):
    assert sorted(set(catalogue) - {*texts_in_templates(), *texts_in_python()}) == []


def test_the_compiled_file_is_the_one_that_people_edit(catalogue):
    source = (FOLDER / "django.po").read_text()
    pairs = re.findall(r'^msgid "(.+)"\n(?:msgid_plural ".+"\n)?msgstr(?:\[0\])? "(.*)"$', source, re.M)
    assert dict(pairs) == catalogue


def test_translations_keep_the_places_for_names(catalogue):
    for text, translated in catalogue.items():
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(translated)), text
