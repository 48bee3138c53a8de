"""Words in both languages for what is stored or sent, where the language of the reader is not known yet."""

from __future__ import annotations

from central.shops.models import CertificateKind, Colour

COLOURS = {
    Colour.GREEN: ("绿码", "green"),
    Colour.YELLOW: ("黄码", "yellow"),
    Colour.RED: ("红码", "red"),
}

CERTIFICATES = {
    CertificateKind.BUSINESS_LICENCE: ("营业执照", "Business licence"),
    CertificateKind.FOOD_LICENCE: ("食品经营许可证", "Food licence"),
    CertificateKind.LODGING_LICENCE: ("特种行业许可证", "Special trade licence"),
    CertificateKind.HEALTH: ("健康证", "Health certificate"),
    CertificateKind.EXTINGUISHER: ("灭火器", "Fire extinguisher"),
    CertificateKind.GAS_HOSE: ("燃气软管", "Gas hose"),
    CertificateKind.GAS_ALARM: ("可燃气体报警器", "Gas alarm"),
    CertificateKind.SMOKE_ALARM: ("烟感报警器", "Smoke alarm"),
    CertificateKind.ELECTRICITY: ("电气检测", "Check of the wiring"),
    CertificateKind.INSURANCE: ("安全生产责任险", "Liability insurance"),
    CertificateKind.OTHER: ("其他证照或设备", "Other paper or equipment"),
}

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
