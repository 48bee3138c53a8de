"""`patrol bench bays` runs, in a small town, and tells what it says it tells. Its figures are not judged here."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_small_town_is_measured() -> None:
    small = ["--bays", "60", "--drivers", "6", "--rate", "10", "--seconds", "2", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "patrol", "bench", "bays", *small, "--json", "-"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    # 1: a goal is missed, as on a machine that is busy with other tests.
    assert done.returncode in (0, 1), done.stderr
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["calls that were not answered with 200"]["value"] == 0
    assert rows["bays found in a search, mean"]["value"] > 0
    assert rows["page at 10 calls/s: p95"]["goal"] == 50
