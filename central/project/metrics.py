"""What a web process measures of itself, added up over all web processes that share a data folder.

prometheus-client keeps each process's numbers in files of a folder (`central.project.metrics_folder`); whichever process is
asked adds them up. Without a folder, in tests and other processes, the numbers are this process's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from central.project.metrics_folder import VARIABLE

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_own = CollectorRegistry()

calls = Histogram(
    "patrol_http_call_seconds",
    "Time to answer a call, by the name of its view and the class of its status.",
    ("view", "status"),
    buckets=BUCKETS_S,
    registry=_own,
)

followers = Gauge(
    "patrol_push_connections",
    "Open pages that are told of changes (server-sent events).",
    registry=_own,
    multiprocess_mode="livesum",
)


def registry(*more: Collector) -> CollectorRegistry:
    """What is told when somebody asks: this machine's web processes, and `more`."""
    told = CollectorRegistry()
    folder = os.environ.get(VARIABLE)
    if folder:
        _forget_dead(Path(folder))
        MultiProcessCollector(told, folder)  # type: ignore[no-untyped-call]
    else:
        told.register(_Own())
    for collector in more:
        told.register(collector)
    return told


class _Own(Collector):
    """This process's own numbers, where it shares them with no other."""

    def collect(self) -> Iterable[Metric]:
        """As prometheus-client asks for them."""
        return _own.collect()


def _forget_dead(folder: Path) -> None:
    """Gauges of processes that are gone count no more; their histograms do."""
    for file in folder.glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except (ValueError, PermissionError):
            continue
