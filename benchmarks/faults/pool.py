"""Accelerated runs on several processes, each with a centre of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults import centre
from benchmarks.faults.accelerated import Run, run

_FAST = Path("/dev/shm")  # noqa: S108
_folder = Path()


@contextmanager
def fast_folder() -> Iterator[Path]:
    """A temporary folder, in memory where there is such a place: what is tested is order, not the disk's speed."""
    where = _FAST if _FAST.is_dir() and os.access(_FAST, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="patrol-faults-", dir=where) as name:
        yield Path(name)


def runs(folder: Path, seeds: range, mean: float, workers: int) -> Iterator[Run]:
    """The results, in any order.

    Args:
        folder: an empty folder.
        mean: steps between two strikes at the process.
    """
    context = multiprocessing.get_context("spawn")
    template = folder / "template"
    maker = context.Process(target=_prepare, args=(template,))
    maker.start()
    maker.join()
    with context.Pool(workers, _begin, (template, folder)) as pool:
        yield from pool.imap_unordered(_one, [(seed, mean) for seed in seeds], chunksize=1)


def _prepare(template: Path) -> None:
    logging.disable(logging.CRITICAL)
    centre.prepare(template)


def _begin(template: Path, folder: Path) -> None:
    global _folder
    logging.disable(logging.CRITICAL)
    _folder = folder / f"worker-{os.getpid()}"
    _folder.mkdir()
    centre.take_over(template, _folder / "centre")


def _one(what: tuple[int, float]) -> Run:
    seed, mean = what
    return run(seed, _folder / f"run-{seed}", mean=mean)
