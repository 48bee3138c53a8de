"""What a failing disk does to a database file while nobody has it open."""

from __future__ import annotations

import random
from pathlib import Path

_SECTOR = 512


def damage(folder: Path, dice: random.Random) -> str:
    """Spoil the agent's database, or its write-ahead log; says how."""
    path = folder / "agent.db"
    wal = path.with_name("agent.db-wal")
    kinds = ["sectors", "header", "cut", "empty", "gone"]
    if wal.exists() and wal.stat().st_size:
        kinds += ["wal gone", "wal cut", "wal sectors"]
    kind = dice.choice(kinds)
    victim = wal if kind.startswith("wal") else path
    if not victim.exists():
        return "nothing there"
    data = bytearray(victim.read_bytes())
    match kind.removeprefix("wal "):
        case "gone":
            victim.unlink()
            return kind
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
    return kind
