"""Chinese plates: what is legal, what is not, and what kind a plate is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.plates.colour import Colour
from models.plates.grammar import OFF_COLOUR, Grammar, china, compile_grammar, load_grammar
from protocol.errors import PatrolError
from tests.models.plates import drawn


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("皖A12345", "civil"),  # digits only
        ("京PL3N67", "civil"),  # two letters apart
        ("粤BZZ123", "civil"),  # two letters at the front
        ("沪A1234Z", "civil"),  # a letter at the end
        ("苏ED51712", "energy_small"),  # the class letter first
        ("粤BF12345", "energy_small"),  # F, then digits only
        ("京AAD1234", "energy_small"),  # A of the later class letters, second serial character a letter
        ("粤B12345D", "energy_large"),  # the class letter last
        ("京A0123警", "police"),
        ("京AA123警", "police"),
        ("鲁B1234学", "driving_school"),
        ("冀BR12F挂", "trailer"),
        ("沪A0023领", "consulate"),
        ("224578使", "embassy"),
        ("使014578", "embassy_before_2017"),
        ("粤ZK12A港", "border"),
        ("粤Z1234澳", "border"),
        ("京A0001试", "automated_test"),
        ("川A1234超", "oversize"),
    ],
)
def test_legal_plates_are_accepted_in_one_form(text: str, form: str) -> None:
    assert [found.name for found in china().forms(text)] == [form]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "皖A1234",  # one short
        "皖A123456",  # eight characters without a class letter
        "A皖12345",  # letter and region exchanged
        "皖112345",  # a digit where the office letter belongs
        "皖I12345",  # no office has I
        "皖O12345",  # nor O
        "皖A1234O",  # O is nowhere in a serial
        "皖AABC12",  # three letters
        "皖AABCDE",
        "港A12345",  # not a region of the mainland
        "苏EX51712",  # X is no class letter
        "苏ED5171A",  # the last four of a small one are digits
        "粤B1234AD",  # the first five of a large one are digits
        "粤A1234港",  # only 粤Z crosses the border
        "京A警1234",  # 警 stands last
        "使01457",  # one short
        "皖A12345 ",
        "皖a12345",
    ],
)
def test_what_no_plate_holds_is_refused(text: str) -> None:
    assert not china().accepts(text)
    assert china().kind(text) is None


@given(
    kind=st.sampled_from(sorted(drawn.KINDS)),
    region=st.sampled_from(drawn.REGIONS),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_region_and_kind_that_is_drawn_is_legal_and_of_its_kind(
    kind: str, region: str, seed: int
) -> None:
    import numpy as np

    text = drawn.random_text(np.random.default_rng(seed), kind, region)
    assert china().kind(text, drawn.KINDS[kind].colour) == kind.removesuffix("_two_rows")


def test_the_colour_tells_kinds_of_one_form_apart() -> None:
    assert china().kind("皖A12345", Colour.BLUE) == "civil_blue"
    assert china().kind("皖A12345", Colour.YELLOW) == "civil_yellow"
    assert china().kind("皖A12345") == "civil_blue"


def test_a_colour_lowers_the_weight_of_forms_that_do_not_come_in_it() -> None:
    green = china().weights(Colour.GREEN)
    unknown = china().weights(None)
    assert green["energy_small"] == unknown["energy_small"]
    assert green["civil"] == unknown["civil"] * OFF_COLOUR


def test_how_common_a_form_is_depends_on_the_colour() -> None:
    # Black plates of the civil form are nearly extinct: a consulate's or a border plate is nearly as likely there.
    black, blue, unknown = (china().weights(colour) for colour in (Colour.BLACK, Colour.BLUE, None))
    assert black["civil"] / black["consulate"] == pytest.approx(3)
    assert blue["civil"] == unknown["civil"] == 1
    assert blue["consulate"] == unknown["consulate"] * OFF_COLOUR


def test_no_two_forms_of_china_allow_one_text() -> None:
    assert all(len(forms) <= 1 for forms in china().accepted)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("GL123B", "side_code_9"),
        ("12XKNP", "side_code_6"),
        ("1ZKB00", "side_code_8"),
        ("H123BB", "side_code_10"),
    ],
)
def test_the_netherlands_are_shipped_too(text: str, kind: str) -> None:
    automaton = compile_grammar(load_grammar("NL"))
    assert automaton.kind(text, Colour.YELLOW) == kind
    assert automaton.kind(text, Colour.BLUE) == "taxi"


@pytest.mark.parametrize("text", ["AL123B", "GL123", "GC123B", "皖A12345", "GLBBBB"])
def test_what_is_no_plate_of_the_netherlands_is_refused(text: str) -> None:
    assert not compile_grammar(load_grammar("NL")).accepts(text)


def test_another_country_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "xx.toml"
    file.write_text(
        'country = "XX"\n[sets]\nd = "0123456789"\nl = "ABC"\n'
        '[[forms]]\nname = "plain"\nslots = ["l", "l", "-", "d", "d"]\nkinds = { any = "plain" }\n'
        'at_most = [{ set = "l", count = 1, from = 1, to = 1 }]\n',
        encoding="utf-8",
    )
    automaton = compile_grammar(load_grammar(file))
    assert automaton.accepts("AB-12")
    assert not automaton.accepts("AB12")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("country = ", None),  # no TOML
        ('country = "CN"\nsets = {}\nforms = []\n', "forms"),  # no form
        (
            'country = "CN"\nsets = {}\ncolour = 1\n[[forms]]\nname = "f"\nslots = ["A"]\nkinds = { any = "k" }\n',
            "colour",  # an unknown key
        ),
    ],
)
def test_a_bad_grammar_file_is_one_clear_error(tmp_path: Path, text: str, field: str | None) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PatrolError) as caught:
        load_grammar(file)
    assert caught.value.file == str(file)
    if field is not None:
        errors = caught.value.field or ""
        assert field in errors


@pytest.mark.parametrize(
    "change",
    [
        {"slots": ("nowhere", "digit")},  # neither a set nor one character
        {"at_most": ({"set": "digit", "count": 1, "from": 0, "to": 9},)},  # counts beyond the form
        {"at_most": ({"set": "absent", "count": 1, "from": 0, "to": 1},)},  # limits an unknown set
        {"kinds": {"blue": "x"}},  # no `any`
        {"kinds": {"any": "x", "pink": "y"}},  # a colour that plates do not have
        {"shares": {"blue": 0.5}},  # how common in a colour that it does not come in
        {"shares": {"any": 0.0}},  # never
        {"rows": (2,)},  # nothing left for the lower row
    ],
)
def test_a_form_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    form = {"name": "f", "slots": ("digit", "digit"), "kinds": {"any": "x"}}
    Grammar.model_validate({"country": "XX", "sets": {"digit": "01"}, "forms": [form]})
    with pytest.raises(ValidationError):
        Grammar.model_validate({"country": "XX", "sets": {"digit": "01"}, "forms": [{**form, **change}]})


def test_an_unknown_country_names_the_known_ones() -> None:
    with pytest.raises(PatrolError, match="CN"):
        load_grammar("ZZ")
