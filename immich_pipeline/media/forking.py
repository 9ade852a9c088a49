"""How worker processes are started: forked from a small server with our modules loaded, never from the program.

A fork of the program would inherit its memory, its database connections and its threads' locks.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType

from immich_pipeline.media.worker import ONE_THREAD

_PRELOADED = [
    "immich_pipeline.media.worker",
    "immich_pipeline.media.thumbnail",
    "immich_pipeline.media.warm",
    "pillow_heif",
]
_main_module_lock = threading.Lock()


class WorkerProcess(ForkServerProcess):
    """A process that does not run the program's main module again.

    Multiprocessing has every child import the main module of its parent, in case something of it is needed. Nothing
    is, and a command line that imports Dagster would cost each worker a second and more than 100 MB.
    """

    def start(self) -> None:
        """Start the process."""
        with _main_module_lock, _main_module_hidden():
            super().start()


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # no file, no spec: nothing to import
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class WorkerContext(ForkServerContext):
    """The multiprocessing context that starts WorkerProcess."""

    Process = WorkerProcess


def worker_context() -> WorkerContext:
    """A context for a pool; the server is running when this returns."""
    context = WorkerContext()
    context.set_forkserver_preload(_PRELOADED)
    with _environment(ONE_THREAD):  # numpy's libraries read it when they are loaded, in the server
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
