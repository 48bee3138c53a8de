"""What can be asked for with a transition: fields that every service knows, and those that a definition adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from central.cases.definition import Definition, FieldRule, Titles

TEXT = 2000

COMMON: dict[str, FieldRule] = {
    rule.name: rule
    for rule in (
        FieldRule(name="reason", titles=Titles(zh="理由", en="Reason"), kind="text"),
        FieldRule(name="reply", titles=Titles(zh="答复", en="Reply"), kind="text"),
        FieldRule(name="photo", titles=Titles(zh="照片", en="Photo"), kind="photo"),
        FieldRule(name="rating", titles=Titles(zh="评分", en="Rating"), kind="integer", least=1, most=5),
    )
}


class BadFieldError(ValueError):
    """A field that is missing or makes no sense: its name and why, in words."""

    def __init__(self, name: str, reason: Any) -> None:
        super().__init__(name)
        self.name = name
        self.reason = reason


def rules_of(definition: Definition) -> dict[str, FieldRule]:
    """Every field that a transition of this service may carry."""
    return {**COMMON, **{rule.name: rule for rule in definition.fields}}


def check(
    definition: Definition, required: tuple[str, ...], given: Mapping[str, Any], photos: frozenset[int]
) -> dict[str, Any]:
    """The fields as they are kept.

    Raises:
        BadFieldError: one is missing, unknown or makes no sense.
    """
    rules = rules_of(definition)
    for name in given:
        if name not in rules:
            raise BadFieldError(str(name)[:40], _("this field is not known"))
    clean: dict[str, Any] = {}
    for name, rule in rules.items():
        value = given.get(name)
        if value is None or value == "":
            if name in required:
                raise BadFieldError(name, _("this field is missing"))
            continue
        clean[name] = _value(rule, value, photos)
    return clean


def _value(rule: FieldRule, value: Any, photos: frozenset[int]) -> Any:
    match rule.kind:
        case "text":
            if not isinstance(value, str) or not value.strip() or "\x00" in value:
                raise BadFieldError(rule.name, _("this must be a text"))
            if len(value.strip()) > TEXT:
                raise BadFieldError(rule.name, _("this text is too long"))
            return value.strip()
        case "choice":
            if value not in rule.choices:
                raise BadFieldError(rule.name, _("this choice does not exist"))
            return value
        case "photo":
            if not _whole(value) or value not in photos:
                raise BadFieldError(rule.name, _("this must be a photo of this case"))
            return value
    if not _whole(value):
        raise BadFieldError(rule.name, _("this must be a whole number"))
    if not (rule.least is None or value >= rule.least) or not (rule.most is None or value <= rule.most):
        raise BadFieldError(rule.name, _("this number is out of range"))
    return value


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
