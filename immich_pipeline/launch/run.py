"""`immich-pipeline run`: the database, the first pass over the library, and then Dagster until Ctrl-C."""

import errno
import fcntl
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any

import click

from immich_pipeline.config import Settings, as_environment, config_file
from immich_pipeline.errors import UserError
from immich_pipeline.launch.processes import MARK, Child, begun_file, end, revive, start_all, sweep
from immich_pipeline.launch.summary import as_table, summarise
from immich_pipeline.media.measure import peak_rss_mb
from immich_pipeline.sources.idle import nothing_to_do
from immich_pipeline.sources.library import open_library
from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources
from immich_pipeline.store.migrate import dagster_url, migrate

HOST = "127.0.0.1"
EXIT_USER_ERROR = 2
logger = logging.getLogger("immich_pipeline")


@dataclass(frozen=True)
class RunOptions:
    """What the command line says beside the settings."""

    once: bool
    summary: Path | None


def run(settings: Settings, options: RunOptions) -> None:
    """Do one pass over the library and print its summary; then, unless `once`, keep Dagster up until interrupted.

    Raises:
        UserError: something the user can put right stands in the way.
    """
    began = time.monotonic()
    if options.summary and not options.summary.absolute().parent.is_dir():
        raise UserError(f"the folder for the summary does not exist: {options.summary.absolute().parent}")
    with ExitStack() as stack:
        stack.enter_context(_signals_interrupt())
        stack.enter_context(_only_run(settings.home))
        swept = sweep(settings.home)
        if swept:
            logger.info("ended %d processes that an interrupted run had left", swept)
        library = open_library(settings)
        if not options.once:
            _check_port_free(settings.host, settings.port)
        stack.callback(sweep, settings.home)
        database = Database(settings.database_url or stack.enter_context(server.running(settings.home)))
        migrate(database)
        activate_sources(database, library.rows)
        environment = _environment(settings, database)
        children = [] if options.once else _dagster(settings, environment, stack)
        watch = partial(_look_after, settings, children)
        if options.once and nothing_to_do(database, library, settings):
            work: dict[str, Any] = {"hashed": 0, "rows_changed": 0, "peak_mb": peak_rss_mb()}
        else:
            work = _first_pass(settings, environment, children, watch)
        summary = summarise(
            database, work, report=settings.reports / "duplicates.html", seconds=time.monotonic() - began
        )
        if options.summary:
            options.summary.write_text(summary.as_json(), encoding="utf-8")
        click.echo(as_table(summary))
        if options.once and summary.not_done:
            raise UserError(f"{summary.not_done:,} files are not done, since a batch failed; run it again to go on")
        if not options.once:
            click.echo(
                f"\n  web UI  http://{settings.host}:{settings.port}\n  Ctrl-C ends it; new photos are taken up by themselves"
            )
            while True:
                watch()
                time.sleep(1.0)


def _environment(settings: Settings, database: Database) -> dict[str, str]:
    dagster_home = settings.home / "dagster"
    dagster_home.mkdir(mode=0o700, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text(resources.files(__package__).joinpath("dagster.yaml").read_text())
    return {
        **os.environ,
        **as_environment(settings),
        MARK: str(settings.home),
        **({"IMMICH_PIPELINE_CONFIG": str(path.absolute())} if (path := config_file(os.environ)) else {}),
        "PIPELINE_DATABASE_URL": database.url,
        "IMMICH_PIPELINE_DAGSTER_URL": dagster_url(database.url),
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore",
    }


@contextmanager
def _only_run(home: Path) -> Iterator[None]:
    """Hold the data folder's run lock; a killed run gives it up by itself."""
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        lock = (home / "run.lock").open("a+")
    except OSError as error:
        raise UserError(
            f"cannot write to the data folder {home} ({error.strerror}): set IMMICH_PIPELINE_HOME to another"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"immich-pipeline already runs over {home}: end it first, or set IMMICH_PIPELINE_HOME to another data folder"
            ) from None
        yield


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the run as tidily as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # what is ignored stays ignored: `nohup` means to outlive the terminal
    wanted = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_port_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
        raise UserError(
            f"port {port} on {host} {reason}: end the program that uses it, or choose another with --port"
        ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _dagster(settings: Settings, environment: Mapping[str, str], stack: ExitStack) -> list[Child]:
    """The code location, the webserver and the daemon, to be started; both of the latter share the one code location."""
    logs = settings.home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    code_port = _free_port()
    workspace = settings.home / "dagster" / "workspace.yaml"
    location = {"grpc_server": {"host": HOST, "port": code_port, "location_name": "immich_pipeline"}}
    workspace.write_text(json.dumps({"load_from": [location]}), encoding="utf-8")
    python = sys.executable
    code = [
        "-m",
        "dagster",
        "code-server",
        "start",
        "-h",
        HOST,
        "-p",
        str(code_port),
        "-m",
        "immich_pipeline.definitions",
    ]
    web = ["-m", "dagster_webserver", "-h", settings.host, "-p", str(settings.port), "-w", str(workspace)]
    commands = {
        "code location": [python, *code],
        "webserver": [python, *web],
        "daemon": [python, "-m", "dagster._daemon", "run", "-w", str(workspace)],
    }
    children = [
        Child(name, command, environment, logs / f"{name.replace(' ', '-')}.log") for name, command in commands.items()
    ]
    stack.callback(end, list(reversed(children)))
    click.echo(f"web UI starting at http://{settings.host}:{settings.port}", err=True)
    return children


def _first_pass(
    settings: Settings, environment: Mapping[str, str], children: list[Child], watch: Callable[[], None]
) -> dict[str, Any]:
    """Run every asset over the library once, in a process of its own; returns what it reports.

    Dagster's own processes are started when the pass holds its lock and has closed what an earlier run left open.
    """
    result = settings.home / "first-pass.json"
    begun = begun_file(result)
    for file in (result, begun):
        file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "immich_pipeline.defs.first_pass", str(result)]
    passing = Child("pass over the library", command, environment)
    passing.start()
    try:
        while not passing.has_died():
            if begun.exists():
                start_all(children)
                watch()
            time.sleep(0.2)
    finally:
        end([passing])
    if passing.process and passing.process.returncode == EXIT_USER_ERROR:
        sys.exit(EXIT_USER_ERROR)  # it has said what stands in the way
    if not result.exists():
        raise UserError("the pass over the library did not finish; what is done is kept, run it again to go on")
    return dict(json.loads(result.read_text()))


def _look_after(settings: Settings, children: list[Child]) -> None:
    """Start again what has died: our database server, and Dagster's processes."""
    if settings.database_url is None and server.restore(settings.home):
        logger.warning("the database server had ended; it was started again")
    revive(children)
