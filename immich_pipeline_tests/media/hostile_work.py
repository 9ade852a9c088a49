"""What the pool's tests have workers do instead of measuring: end, hang and eat memory, as a hostile file would make a decoder do.

The task's asset_id says what happens. Workers import this module by name.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions, failed_measurement, peak_rss_mb


def work(task: FileTask, options: MeasureOptions) -> FileMeasurement:
    """Do what the asset_id says; an ordinary file reports the worker's process id as its size."""
    deed = task.asset_id.split("-")[0]
    if deed == "hog":
        return _hog(task)
    if deed == "main":
        modules = {"dagster", "polars", "pytest"} & set(sys.modules)
        return FileMeasurement(task.asset_id, format=",".join(sorted(modules)))
    if deed == "picture" and not options.pictures:
        return FileMeasurement(task.asset_id, sha256=bytes(32))
    if deed == "missing" and not options.pictures:
        return failed_measurement(task, "missing", "the file is not there any more")
    if deed == "once":
        marker = Path(os.fsdecode(task.root)) / task.asset_id
        if not marker.exists():
            marker.touch()
            deed = "kill"
    _end(deed)
    return FileMeasurement(task.asset_id, size=os.getpid())


def _end(deed: str) -> None:
    if deed in ("kill", "picture", "missing"):
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if deed == "exit":
        os._exit(7)
    if deed == "raise":
        raise ArithmeticError("a defect of ours")
    while deed == "hang":
        pass
    if deed == "slow":
        time.sleep(0.3)


def _hog(task: FileTask) -> FileMeasurement:
    try:
        return FileMeasurement(task.asset_id, size=len(bytearray(400_000_000)))
    except MemoryError:
        return FileMeasurement(task.asset_id, error_kind="out_of_memory", peak_rss_mb=peak_rss_mb())
