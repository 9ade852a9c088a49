"""The embedded server and every way we know in which starting it went wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.store import server


def postmaster(home: Path) -> psutil.Process:
    cluster = server.locate(home)
    return psutil.Process(int((cluster.data / "postmaster.pid").read_text().splitlines()[0]))


def works(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_it_starts_serves_and_is_gone(home: Path) -> None:
    with server.running(home) as url:
        assert works(url)
        process = postmaster(home)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_data_folder_may_have_spaces_quotes_and_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / 'it\'s "my" data, all of it' / ("long" * 30)
    with server.running(home) as url:
        assert works(url)


def test_permissions_of_parent_folders_are_left_alone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with server.running(private / "home") as url:
        assert works(url)
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_server_left_by_a_killed_client_is_used_and_then_stopped(home: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom immich_pipeline.store import server\n"
        "with server.running(Path(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(home)], check=False).returncode == -9
    left = postmaster(home)
    assert left.is_running()
    with server.running(home) as url:
        assert works(url)
        assert postmaster(home).pid == left.pid
    gone, alive = psutil.wait_procs([left], timeout=60)
    assert gone
    assert not alive


def test_a_killed_server_recovers(home: Path) -> None:
    with server.running(home) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n int)")
        process = postmaster(home)
        process.send_signal(signal.SIGKILL)
        psutil.wait_procs([process], timeout=60)
    time.sleep(0.3)
    with server.running(home) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_pid_file_that_names_another_program_does_not_stop_the_start(home: Path) -> None:
    with server.running(home):
        pass
    cluster = server.locate(home)
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    with server.running(home) as url:
        assert works(url)


def test_an_interrupted_initialisation_is_begun_anew(home: Path) -> None:
    home.mkdir(parents=True)
    cluster = server.locate(home)
    unfinished = cluster.data.with_name("postgres.new")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")
    with server.running(home) as url:
        assert works(url)


def test_two_users_share_one_server_and_the_last_stops_it(home: Path) -> None:
    with server.running(home):
        process = postmaster(home)
        with server.running(home) as url:
            assert works(url)
        assert process.is_running()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_many_processes_starting_at_once_get_one_server(home: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom immich_pipeline.store import server\n"
        "with server.running(Path(sys.argv[1])) as url:\n"
        "    print((server.locate(Path(sys.argv[1])).data / 'postmaster.pid').read_text().splitlines()[0], flush=True)\n"
        "    sys.stdin.read()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    pids = {process.stdout.readline().strip() for process in started if process.stdout}
    for process in started:
        process.communicate()
    assert len(pids) == 1
    assert not psutil.pid_exists(int(pids.pop()))


def test_a_server_that_cannot_start_says_where_to_look(home: Path) -> None:
    with server.running(home):
        pass
    cluster = server.locate(home)
    (cluster.data / "postgresql.conf").write_text("nonsense = yes\n")
    with pytest.raises(UserError, match=r"did not start.*postgres\.log"), server.running(home):
        pass


def test_keep_running_lasts_as_long_as_the_process(home: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom immich_pipeline.store import server\n"
        "print(server.keep_running(Path(sys.argv[1])))\n"
        "print((server.locate(Path(sys.argv[1])).data / 'postmaster.pid').read_text().splitlines()[0])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, str(home)], check=True, capture_output=True, text=True
    ).stdout.split()
    assert printed[0].startswith("postgresql://")
    assert not psutil.pid_exists(int(printed[1]))
