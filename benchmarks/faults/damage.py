"""What a failing disk does to a database file while nobody has it open."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Damage:
    """What was done.

    Attributes:
        kind: in words.
        certain: no start can read the file as if nothing were, so that with a sound copy it must be restored and told.
            Spoilt sectors may lie in free pages, and pages may still be whole in the write-ahead log.
    """

    kind: str
    certain: bool


def damage(folder: Path, dice: random.Random) -> Damage | None:
    """Spoil the agent's database, or its write-ahead log; None where there is none."""
    path = folder / "agent.db"
    wal = path.with_name("agent.db-wal")
    if not path.exists():
        return None
    kinds = ["sectors", "header", "cut", "empty", "gone"]
    logged = wal.exists() and wal.stat().st_size > 0
    if logged:
        kinds += ["wal gone", "wal cut", "wal sectors"]
    kind = dice.choice(kinds)
    certain = kind in ("gone", "empty") or (kind == "header" and not logged)
    victim = wal if kind.startswith("wal") else path
    data = bytearray(victim.read_bytes())
    match kind.removeprefix("wal "):
        case "gone":
            victim.unlink()
            return Damage(kind, certain)
        case "empty":
            data = bytearray()
        case "cut":
            data = data[: dice.randrange(len(data)) if data else 0]
        case "header":
            data[:_SECTOR] = dice.randbytes(min(_SECTOR, len(data)))
        case "sectors":
            for _ in range(dice.randint(1, 12)):
                at = dice.randrange(max(1, len(data) // _SECTOR)) * _SECTOR
                bad = dice.randbytes(_SECTOR) if dice.random() < 0.5 else bytes(_SECTOR)
                data[at : at + _SECTOR] = bad[: len(data) - at]
    victim.write_bytes(bytes(data))
    return Damage(kind, certain)
