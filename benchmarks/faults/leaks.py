"""A week of stream time through the engine: whether the agent's memory and file handles stay flat."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.faults import street
from benchmarks.faults.box import Box
from benchmarks.faults.fate import Fate
from benchmarks.faults.net import Broker
from benchmarks.faults.script import Script, Stand
from benchmarks.faults.street import Everybody
from protocol.topics import AgentTopics, parse_agent_topic

WEEK_H = 168
_CYCLE_S, _BUSY_S, _LOOK_S = 900, 60, 60
"""Every quarter of an hour a vehicle comes to each place; for a minute it is looked every second (the clocks are
shortened to seconds), then once a minute: what is kept does not depend on how often it is looked."""

_WARM_SHARE = 0.25
"""Caches fill, tables grow to their bounds: growth counts from here on."""

RSS_SLACK_MB = 6.0
"""What an allocator's fragmentation may add over the week after warming up."""

BLOCKS_SLACK = 3000
"""Objects that may be added over the week after warming up: four for each vehicle would be more."""


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was measured.

    Attributes:
        hours, stays: of stream time; vehicles that came and went.
        rss_mb: resident memory after a collection, one figure an hour.
        blocks: objects that Python holds, likewise.
        handles: open file handles, one figure an hour.
        found: leaks in words; empty if none.
    """

    hours: int
    stays: int
    rss_mb: tuple[float, ...]
    blocks: tuple[int, ...]
    handles: tuple[int, ...]
    found: tuple[str, ...]


def find_growth(
    rss_mb: Sequence[float],
    blocks: Sequence[int],
    handles: Sequence[int],
    *,
    rss_slack_mb: float = RSS_SLACK_MB,
    handles_slack: float = 0.5,
) -> list[str]:
    """Leaks in words. The line through the figures after warming up must not rise by more than the slack.

    Args:
        rss_mb: resident memory, one figure for each sample.
        blocks: objects, likewise.
        handles: open files, likewise.
        rss_slack_mb, handles_slack: growth that is no leak.
    """
    found = []
    begin = round(len(rss_mb) * _WARM_SHARE)
    for what, values, slack, unit in (
        ("memory", list(rss_mb), rss_slack_mb, "MB"),
        ("objects", [float(b) for b in blocks], BLOCKS_SLACK, ""),
        ("file handles", [float(h) for h in handles], handles_slack, ""),
    ):
        late = values[begin:]
        if len(late) < 4:
            continue
        slope = float(np.polyfit(np.arange(len(late)), late, 1)[0])
        grown = slope * (len(late) - 1)
        if grown > slack:
            found.append(f"{what}: grew by {grown:.1f} {unit}".strip() + f" over {len(late)} samples")
    return found


def measure(folder: Path, hours: int, say: Callable[[int], None]) -> Leaks:
    """Live so many hours without any fault.

    Args:
        folder: for the agent's data.
        say: told how many hours are through.
    """
    _fill_string_cache()
    fate = Fate(1, 0)
    broker = Broker(fate, _accept)
    box = Box(folder, "leak-box", Script(1, (), ("day",)), fate, broker, directory=Everybody(), copies_s=3600)
    rss: list[float] = []
    blocks: list[int] = []
    handles: list[int] = []
    stays = number = 0
    try:
        for hour in range(hours):
            for _ in range(3600 // _CYCLE_S):
                box.script = _cycle(stays, number)
                stays += len(box.script.stands)
                for second in (*range(_BUSY_S), *range(_BUSY_S, _CYCLE_S, _LOOK_S)):
                    box.beat(number + second)
                    broker.pass_on()
                    if second == 45:
                        for case_id in list(box.witness.stay_of):
                            broker.outcome(case_id, box.clock.utc_ms())
                number += _CYCLE_S
                box.witness.forget()
            street.forget_pictures()
            gc.collect()
            _trim()
            rss.append(_rss_mb())
            blocks.append(sys.getallocatedblocks())
            handles.append(len(list(Path("/proc/self/fd").iterdir())))
            say(hour + 1)
    finally:
        box.close()
    found = find_growth(rss, blocks, handles)
    return Leaks(hours, stays, tuple(rss), tuple(blocks), tuple(handles), tuple(found))


def _fill_string_cache() -> None:
    """Pydantic keeps up to 16,384 short strings that it has read: full from the beginning, it does not grow."""
    read = TypeAdapter(list[str])
    for part in range(40):
        read.validate_json(json.dumps([f"filling {part} {number}" for number in range(5000)]))


def _cycle(index: int, at: int) -> Script:
    stands = tuple(
        Stand(f"v{index + spot}", spot, at + 3 + spot, at + 40, f"沪B{(index + spot) % 100_000:05d}", True)
        for spot in (0, 1)
    )
    return Script(index, stands, ("day",))


class _Accepted:
    def __init__(self, key: str) -> None:
        self.accepted, self.refused, self.reason = key, None, ""


def _accept(batch: list[tuple[str, bytes]]) -> list[_Accepted]:
    """A centre that accepts all and keeps nothing: its memory is not the agent's."""
    answers = []
    for topic, payload in batch:
        where = parse_agent_topic(topic)
        assert where is not None
        if where.channel == "evidence":
            key = AgentTopics(where.jurisdiction_id, where.agent_id).evidence_key(where.rest)
        else:
            key = json.loads(payload)["idempotency_key"]
        answers.append(_Accepted(key))
    return answers


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _trim() -> None:
    """Give freed memory back, so that only what is held counts (glibc)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        return
