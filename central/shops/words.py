"""Words in both languages for what is stored or sent, where the language of the reader is not known yet."""

from __future__ import annotations

from functools import lru_cache

from django.db import models
from django.utils.translation import override

from central.shops.models import CertificateKind, Colour


@lru_cache(typed=True)
def in_both(value: models.TextChoices) -> tuple[str, str]:
    """A value's name in Chinese and in English."""
    if value is CertificateKind.OTHER:  # alone it says too little
        return "其他证照或设备", "Other paper or equipment"
    with override("zh-hans"):
        zh = str(value.label)
    with override("en"):
        en = str(value.label)
    return zh, en.lower() if isinstance(value, Colour) else en


EQUIPMENT = frozenset(
    {
        CertificateKind.EXTINGUISHER,
        CertificateKind.GAS_HOSE,
        CertificateKind.GAS_ALARM,
        CertificateKind.SMOKE_ALARM,
        CertificateKind.ELECTRICITY,
    }
)
"""What burns or leaks when it is out of date; the others are papers."""
