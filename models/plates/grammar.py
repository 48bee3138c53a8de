"""What may stand on a number plate, per country: data in, an automaton out.

A grammar is a TOML file (see `grammars/cn.toml`): sets of characters, and forms made of slots. `compile_grammar`
turns it into a deterministic automaton over characters, so that the decoder in `models.plates.decoder` gives
probability to legal plates only and counts each of them once, whatever number of forms allow it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.plates.colour import Colour
from protocol.errors import PatrolError

MOST_FORMS = 64
"""A grammar with more forms than this is a mistake: each one costs time on every plate."""


OFF_COLOUR = 0.02
"""Weight of a form on a plate of a colour that it does not come in: colours are misjudged about this often."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Limit(_Strict):
    """At most `count` characters of one set in the slots from `first` to `last`, both included, counted from 0."""

    set: str = Field(title="Set", description="Name of the limited set of characters.")
    count: int = Field(ge=0, title="Count", description="How many of them are allowed.")
    first: int = Field(alias="from", ge=0, title="From", description="First slot the limit counts in.")
    last: int = Field(alias="to", ge=0, title="To", description="Last slot the limit counts in.")


class Form(_Strict):
    """One way to write a plate."""

    name: str = Field(min_length=1, title="Name", description="Unique within the grammar.")
    slots: tuple[str, ...] = Field(
        min_length=1,
        max_length=16,
        title="Slots",
        description="A set's name, or one character, per position.",
    )
    at_most: tuple[Limit, ...] = Field((), title="Limits", description="Limits on characters of a set.")
    share: float = Field(
        1.0,
        gt=0,
        le=1,
        title="Share",
        description="How common the form is, beside the others of its country.",
    )
    shares: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        {},
        title="Shares by colour",
        description="Colour of the plate -> how common the form is in that colour, where that differs from `share`.",
    )
    rows: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), title="Rows", description="Lengths of the upper row on plates of two rows; empty: always one row."
    )
    kinds: Mapping[str, str] = Field(
        title="Kinds", description="Colour of the plate -> kind of plate; `any` where the colour is not told."
    )

    @model_validator(mode="after")
    def _check(self) -> Form:
        if "any" not in self.kinds:
            raise ValueError("kinds has no `any`")
        unknown = set(self.kinds) - {"any", *(colour.value for colour in Colour)}
        if unknown:
            raise ValueError(f"kinds names the unknown colour {min(unknown)!r}")
        strange = set(self.shares) - set(self.kinds)
        if strange:
            raise ValueError(f"shares names {min(strange)!r}, a colour that kinds does not name")
        if any(limit.last >= len(self.slots) or limit.first > limit.last for limit in self.at_most):
            raise ValueError("at_most counts in slots that the form does not have")
        if any(row >= len(self.slots) for row in self.rows):
            raise ValueError("rows leaves nothing for the lower row")
        return self


class Grammar(_Strict):
    """All forms of one country."""

    country: str = Field(pattern=r"^[A-Z]{2}$", title="Country", description="ISO 3166 code, two letters.")
    sets: Mapping[str, str] = Field(title="Sets", description="Name -> the characters of the set.")
    look_alikes: Mapping[str, str] = Field(
        {},
        title="Look-alikes",
        description="Plate character -> characters a general reader may write for it.",
    )
    confusions: tuple[str, ...] = Field(
        (), title="Confusions", description="Groups of characters that readers take for one another."
    )
    forms: tuple[Form, ...] = Field(
        min_length=1, max_length=MOST_FORMS, title="Forms", description="All forms."
    )

    @model_validator(mode="after")
    def _check(self) -> Grammar:
        names = [form.name for form in self.forms]
        if len(set(names)) != len(names):
            raise ValueError("two forms have the same name")
        for form in self.forms:
            for slot in form.slots:
                if slot not in self.sets and len(slot) != 1:
                    raise ValueError(
                        f"form {form.name!r} has the slot {slot!r}, which is neither a set nor a character"
                    )
            for limit in form.at_most:
                if limit.set not in self.sets:
                    raise ValueError(f"form {form.name!r} limits the unknown set {limit.set!r}")
        legal = set(self.characters)
        for wanted, others in self.look_alikes.items():
            if wanted not in legal or legal & set(others):
                raise ValueError(
                    f"look_alikes of {wanted!r} must map characters off plates to a character on plates"
                )
        return self

    @property
    def characters(self) -> str:
        """Every character that some plate may hold, in a stable order."""
        return "".join(
            dict.fromkeys(char for form in self.forms for slot in form.slots for char in self.members(slot))
        )

    def members(self, slot: str) -> str:
        """The characters allowed in a slot."""
        return self.sets.get(slot, slot)


@dataclass(frozen=True, slots=True)
class Automaton:
    """A deterministic automaton over `characters`; state 0 is the start.

    Attributes:
        grammar: what it was made from.
        characters: its alphabet; a character's number is its index here.
        steps: per state, character number -> next state.
        accepted: per state, the forms that a text ending there is written in; empty: not a plate yet.
    """

    grammar: Grammar
    characters: str
    steps: tuple[Mapping[int, int], ...]
    accepted: tuple[tuple[Form, ...], ...]

    def forms(self, text: str) -> tuple[Form, ...]:
        """The forms that allow this text; empty where it is no legal plate."""
        state = 0
        for char in text:
            number = self.characters.find(char)
            following = self.steps[state].get(number)
            if number < 0 or following is None:
                return ()
            state = following
        return self.accepted[state]

    def accepts(self, text: str) -> bool:
        """Is this the whole text of a legal plate?"""
        return bool(self.forms(text))

    def weights(self, colour: Colour | None) -> dict[str, float]:
        """Form name -> prior weight, once the colour of the plate is known (or could not be told)."""
        if colour is None:
            return {form.name: form.share for form in self.grammar.forms}
        return {
            form.name: form.shares.get(colour.value, form.share)
            if colour.value in form.kinds
            else form.share * OFF_COLOUR
            for form in self.grammar.forms
        }

    def kind(self, text: str, colour: Colour | None = None) -> str | None:
        """The kind of plate that this text on this colour is; None where the text is not legal."""
        forms = self.forms(text)
        if not forms:
            return None
        for form in forms:
            if colour is not None and colour.value in form.kinds:
                return form.kinds[colour.value]
        return forms[0].kinds["any"]


def load_grammar(source: str | Path) -> Grammar:
    """A grammar by country code (`"CN"`: shipped) or from a TOML file of your own.

    Raises:
        PatrolError: no such grammar, no TOML, or a grammar that contradicts itself.
    """
    if isinstance(source, Path):
        name, mend = str(source), "Mend the file; models/plates/grammars/cn.toml is an example."
        try:
            text = source.read_text(encoding="utf-8")
        except OSError as error:
            raise PatrolError(
                f"the plate grammar cannot be read: {error.strerror}", file=source, mend="Check the path."
            ) from error
        except UnicodeDecodeError as error:
            raise PatrolError("the plate grammar is not UTF-8 text", file=source, mend=mend) from error
    else:
        folder = resources.files("models.plates") / "grammars"
        known = sorted(item.name[:-5].upper() for item in folder.iterdir() if item.name.endswith(".toml"))
        if source.upper() not in known:
            raise PatrolError(
                "there is no plate grammar for this country",
                field="country",
                value=source,
                mend=f"Use one of {', '.join(known)}, or give the path of a grammar file.",
            )
        name, mend = f"{source.lower()}.toml", "Install street-patrol again: a file of it was changed."
        text = (folder / name).read_text(encoding="utf-8")
    try:
        return Grammar.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise PatrolError(f"the plate grammar is not TOML: {error}", file=name, mend=mend) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise PatrolError(
            first["msg"].removeprefix("Value error, "), file=name, field=field, mend=mend
        ) from error


_Place = tuple[int, int, tuple[int, ...]]
"""Where one form's own automaton stands: form number, slots filled, characters counted per limit."""


def compile_grammar(grammar: Grammar) -> Automaton:
    """The grammar as one deterministic automaton (subset construction over its forms)."""
    characters = grammar.characters
    start = frozenset((number, 0, (0,) * len(form.at_most)) for number, form in enumerate(grammar.forms))
    numbers: dict[frozenset[_Place], int] = {start: 0}
    waiting = [start]
    steps: list[dict[int, int]] = []
    accepted: list[tuple[Form, ...]] = []
    while waiting:
        places = waiting.pop(0)
        following: dict[int, set[_Place]] = {}
        for place in places:
            for char, target in _moves(grammar, place):
                following.setdefault(characters.index(char), set()).add(target)
        row: dict[int, int] = {}
        for char_number in sorted(following):
            target_set = frozenset(following[char_number])
            if target_set not in numbers:
                numbers[target_set] = len(numbers)
                waiting.append(target_set)
            row[char_number] = numbers[target_set]
        steps.append(row)
        accepted.append(
            tuple(form for number, form in enumerate(grammar.forms) if _ended(grammar, number, places))
        )
    return Automaton(grammar, characters, tuple(steps), tuple(accepted))


def _moves(grammar: Grammar, place: _Place) -> list[tuple[str, _Place]]:
    number, filled, counts = place
    form = grammar.forms[number]
    if filled == len(form.slots):
        return []
    moves: list[tuple[str, _Place]] = []
    for char in grammar.members(form.slots[filled]):
        raised = tuple(
            count + (limit.first <= filled <= limit.last and char in grammar.sets[limit.set])
            for count, limit in zip(counts, form.at_most, strict=True)
        )
        if all(count <= limit.count for count, limit in zip(raised, form.at_most, strict=True)):
            moves.append((char, (number, filled + 1, raised)))
    return moves


def _ended(grammar: Grammar, number: int, places: frozenset[_Place]) -> bool:
    return any(place[0] == number and place[1] == len(grammar.forms[number].slots) for place in places)


@cache
def china() -> Automaton:
    """The automaton of Chinese plates, made once."""
    return compile_grammar(load_grammar("CN"))
