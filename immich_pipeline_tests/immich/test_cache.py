import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.immich.cache import EVICT_DOWN_TO, CacheError, PictureCache, picture_key
from immich_pipeline_tests.thorough import times

KB = 1000


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def content(number: int, size: int = KB) -> bytes:
    return (key(number).encode() * (size // 64 + 1))[:size]


def kept(folder: Path) -> dict[str, int]:
    """Every picture on disk and its size."""
    return {file.name: file.stat().st_size for file in folder.glob("??/*")}


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "cache", 10 * KB)


# ------------------------------------------------------------------------------------------------ one process


def test_what_was_put_is_got(cache: PictureCache) -> None:
    assert cache.get(key(1)) is None
    path = cache.put(key(1), b"one")
    assert path == cache.get(key(1)) == cache.folder / key(1)[:2] / key(1)
    assert path.read_bytes() == b"one"
    assert cache.total_bytes() == 3
    assert PictureCache(cache.folder, 10 * KB).get(key(1)) == path


def test_nobody_else_may_read_it(cache: PictureCache) -> None:
    path = cache.put(key(1), b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_key_put_again_has_the_new_content(cache: PictureCache) -> None:
    cache.put(key(1), b"a longer one")
    cache.put(key(1), b"short")
    found = cache.get(key(1))
    assert found is not None
    assert found.read_bytes() == b"short"
    assert cache.total_bytes() == 5


@pytest.mark.parametrize(
    "wrong", ["", "../../../etc/passwd", "ab/" + "c" * 40, "A" * 64, "0" * 31, "g" * 64, "0" * 64 + "\n"]
)
def test_only_digests_are_keys(cache: PictureCache, wrong: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        cache.put(wrong, b"x")
    with pytest.raises(ValueError, match="not a digest"):
        cache.get(wrong)


def test_the_least_recently_used_go_first(cache: PictureCache) -> None:
    for number in range(10):
        cache.put(key(number), content(number))
    for number in (0, 2):
        assert cache.get(key(number))
    assert len(kept(cache.folder)) == 10
    cache.put(key(10), content(10))
    assert set(kept(cache.folder)) == {key(number) for number in (0, 2, 4, 5, 6, 7, 8, 9, 10)}
    assert cache.total_bytes() == 9 * KB == 10 * KB * EVICT_DOWN_TO


def test_never_more_than_the_limit(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 50 * KB)
    seed = random.Random(1)
    for number in range(400):
        path = cache.put(key(seed.randrange(200)), content(number, seed.randrange(1, 9 * KB)))
        assert path.exists()
        sizes = kept(tmp_path)
        assert sum(sizes.values()) == cache.total_bytes() <= 50 * KB


def test_one_that_fills_the_cache_alone_is_kept(cache: PictureCache) -> None:
    cache.put(key(1), content(1))
    cache.put(key(2), content(2, 10 * KB))
    assert set(kept(cache.folder)) == {key(2)}


def test_one_larger_than_the_cache_is_refused(cache: PictureCache) -> None:
    cache.put(key(1), content(1))
    with pytest.raises(CacheError, match=r"10\.0 kB does not fit .* \(10\.0 kB\): raise cache_mb"):
        cache.put(key(2), content(2, 10 * KB + 1))
    assert set(kept(cache.folder)) == {key(1)}


def test_a_smaller_limit_holds_from_the_next_put(cache: PictureCache) -> None:
    for number in range(10):
        cache.put(key(number), content(number))
    PictureCache(cache.folder, 3 * KB).put(key(10), content(10))
    assert set(kept(cache.folder)) == {key(9), key(10)}


@pytest.mark.parametrize("total", [None, b"", b"12", b"nonsense nonsense !!", b"9" * 20, b"0" * 21])
def test_the_total_is_counted_when_it_cannot_be_believed(cache: PictureCache, total: bytes | None) -> None:
    for number in range(10):
        cache.put(key(number), content(number))
    if total is None:
        (cache.folder / "total").unlink()
    else:
        (cache.folder / "total").write_bytes(total)
    cache.put(key(11), content(11))
    assert cache.total_bytes() == sum(kept(cache.folder).values()) == 9 * KB


def test_a_total_that_is_too_large_is_put_right(cache: PictureCache) -> None:
    for number in range(10):
        cache.put(key(number), content(number))
    for file in list(cache.folder.glob("??/*"))[:5]:
        file.unlink()
    cache.put(key(11), content(11))
    assert cache.total_bytes() == sum(kept(cache.folder).values()) == 6 * KB


def test_the_folder_may_be_emptied_by_hand(cache: PictureCache) -> None:
    cache.put(key(1), content(1))
    shutil.rmtree(cache.folder)
    assert cache.get(key(1)) is None
    cache.put(key(2), content(2))
    assert kept(cache.folder) == {key(2): KB}


def test_leftovers_go_after_an_hour(cache: PictureCache) -> None:
    old, young = (cache.folder / "incoming" / name for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half a pict")
    os.utime(old, (time.time() - 3601,) * 2)
    PictureCache(cache.folder, 10 * KB)
    assert not old.exists()
    assert young.exists()
    os.utime(young, (time.time() - 3601,) * 2)
    for number in range(11):
        cache.put(key(number), content(number))
    assert not young.exists()
    assert not list((cache.folder / "incoming").iterdir())


class _Listings:
    """Counts the folders that are listed, by the interpreter's own audit events."""

    def __init__(self) -> None:
        self.count, self.on = 0, False
        sys.addaudithook(self)

    def __call__(self, event: str, _: Any) -> None:
        self.count += self.on and event in ("os.scandir", "os.listdir")

    def during(self, work: Any) -> int:
        self.count, self.on = 0, True
        work()
        self.on = False
        return self.count


def test_the_folder_is_listed_only_to_make_room(tmp_path: Path) -> None:
    cache, listings = PictureCache(tmp_path, 1000 * KB), _Listings()
    cache.put(key(0), content(0))

    def fill() -> None:
        for number in range(1, 999):
            cache.put(key(number), content(number))
            cache.get(key(number))

    assert listings.during(fill) == 0
    assert listings.during(lambda: cache.put(key(999), content(999))) == 0
    assert listings.during(lambda: cache.put(key(1000), content(1000))) <= 2 * 256 + 1
    assert listings.during(lambda: [cache.put(key(number), content(number)) for number in range(1001, 1100)]) == 0
    assert len(kept(tmp_path)) == 999


def test_making_room_among_many_is_quick(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 20_000)
    for number in range(20_000):
        path = tmp_path / key(number)[:2] / key(number)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.truncate(path, 1)
    began = time.process_time()
    cache.put(key(-1), b"x")
    assert time.process_time() - began < 20  # 1,000,000 files: about 10 s, once in 100,000 new ones
    assert len(kept(tmp_path)) == 18_000


# ------------------------------------------------------------------------------------------------ many at once


def test_threads_share_one_cache(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, 50 * KB)

    def work(worker: int) -> None:
        seed = random.Random(worker)
        for _ in range(100):
            number = seed.randrange(100)
            path = cache.get(key(number)) or cache.put(key(number), content(number))
            try:
                assert path.read_bytes() == content(number)
            except FileNotFoundError:  # another one made room
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sum(kept(tmp_path).values()) == cache.total_bytes() <= 50 * KB


_WORKER = textwrap.dedent(
    """
    import random, sys
    from pathlib import Path
    from immich_pipeline.immich.cache import PictureCache
    from immich_pipeline_tests.immich.test_cache import content, key
    folder, worker, rounds, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    cache, seed = PictureCache(folder, limit), random.Random(worker)
    print("ready", flush=True)
    for _ in range(rounds):
        number = seed.randrange(200)
        cache.get(key(number)) or cache.put(key(number), content(number, 20_000 + number))
    """
)


def _worker(folder: Path, worker: int, rounds: int, limit: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _WORKER, str(folder), str(worker), str(rounds), str(limit)]
    started = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def _whole(folder: Path) -> bool:
    numbers = {key(number): number for number in range(200)}
    return all(
        file.read_bytes() == content(numbers[file.name], 20_000 + numbers[file.name]) for file in folder.glob("??/*")
    )


def test_processes_share_one_folder(tmp_path: Path) -> None:
    workers = [_worker(tmp_path, number, 150, 1000 * KB) for number in range(3)]
    for worker in workers:
        with worker:
            assert worker.wait(60) == 0
    assert _whole(tmp_path)
    assert sum(kept(tmp_path).values()) == PictureCache(tmp_path, 1000 * KB).total_bytes() <= 1000 * KB


def test_a_killed_process_leaves_whole_files(tmp_path: Path) -> None:
    seed = random.Random(3)
    for number in range(times(4, 8)):
        with _worker(tmp_path, number, 1_000_000, 1000 * KB) as worker:
            time.sleep(seed.uniform(0.02, 0.2))
            worker.send_signal(signal.SIGKILL)
        assert _whole(tmp_path)
        assert sum(kept(tmp_path).values()) <= PictureCache(tmp_path, 1000 * KB).total_bytes()
    cache = PictureCache(tmp_path, 1000 * KB)
    for number in range(200):
        cache.put(key(number), content(number, 20_000 + number))
    assert sum(kept(tmp_path).values()) == cache.total_bytes() <= 1000 * KB
    leftovers = list((tmp_path / "incoming").iterdir())
    for leftover in leftovers:
        os.utime(leftover, (0, 0))
    PictureCache(tmp_path, 1000 * KB)
    assert not list((tmp_path / "incoming").iterdir())


def test_a_reader_keeps_what_it_has_open(cache: PictureCache) -> None:
    with cache.put(key(0), content(0)).open("rb") as fh:
        for number in range(1, 12):
            cache.put(key(number), content(number))
        assert cache.get(key(0)) is None
        assert fh.read() == content(0)


# ------------------------------------------------------------------------------------------------ a disk that fails

_FILL = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from immich_pipeline.immich.cache import CacheError, PictureCache
    from immich_pipeline_tests.immich.test_cache import content, kept, key
    cache = PictureCache(Path(sys.argv[1]), 10**9)
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        for number in range(100):
            cache.put(key(number), content(number, 30_000 + number * 1000))
    except CacheError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    sizes = kept(cache.folder)
    assert sizes and sizes == {key(number): 30_000 + number * 1000 for number in range(len(sizes))}, sizes
    assert not list((cache.folder / "incoming").iterdir())
    assert cache.total_bytes() == sum(sizes.values())
    """
)


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path) -> None:
    script = f"mount -t tmpfs -o size=1m none {tmp_path} && exec {sys.executable} -c '{_FILL}' {tmp_path}"
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs a user namespace to mount a small disk in")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == (
        f"the disk of the cache of pictures, {tmp_path}, is full: free some space there, or set a smaller cache_mb"
    )


def test_a_file_size_limit_counts_as_full(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path), "50000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "is full: free some space" in done.stdout


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CacheError, match=r"file/cache, cannot be used \(not a directory\): give this user the right"):
        PictureCache(tmp_path / "file/cache", KB)
    cache = PictureCache(tmp_path / "cache", KB)
    (cache.folder / key(1)[:2]).write_bytes(b"in the way")
    assert cache.get(key(1)) is None
    with pytest.raises(CacheError, match="cannot be used") as caught:
        cache.put(key(1), b"x")
    assert isinstance(caught.value, UserError)
    assert not list((cache.folder / "incoming").iterdir())


# ------------------------------------------------------------------------------------------------ keys

UPLOAD: dict[str, Any] = {
    "checksum": b"\x01" * 20,
    "algorithm": "sha1",
    "size": 1000,
    "file_modified_at": datetime(2024, 5, 1, tzinfo=UTC),
    "thumbhash": b"\x07" * 20,
    "is_edited": False,
    "updated_at": datetime(2024, 6, 1, tzinfo=UTC),
}
EXTERNAL = UPLOAD | {"algorithm": "sha1-path"}
LATER = datetime(2025, 1, 1, tzinfo=UTC)


def test_a_key_is_a_key() -> None:
    assert len(picture_key(**UPLOAD)) == 64
    assert picture_key(**UPLOAD) == picture_key(**UPLOAD)


@pytest.mark.parametrize("record", [UPLOAD, EXTERNAL])
@pytest.mark.parametrize(
    "change",
    [
        {"checksum": b"\x02" * 20},
        {"thumbhash": b"\x08" * 20},
        {"thumbhash": None},
        {"is_edited": True},
        {"picture": "thumbnail"},
    ],
)
def test_another_picture_has_another_key(record: dict[str, Any], change: dict[str, Any]) -> None:
    assert picture_key(**record) != picture_key(**(record | change))


@pytest.mark.parametrize(
    "change", [{"size": 1001}, {"file_modified_at": LATER}, {"size": None}, {"file_modified_at": None}]
)
def test_where_the_checksum_is_of_the_path_the_files_facts_count(change: dict[str, Any]) -> None:
    assert picture_key(**EXTERNAL) != picture_key(**(EXTERNAL | change))
    assert picture_key(**UPLOAD) == picture_key(**(UPLOAD | change))


def test_a_new_edit_is_a_new_picture_and_a_new_star_is_none() -> None:
    assert picture_key(**UPLOAD) == picture_key(**(UPLOAD | {"updated_at": LATER}))
    edited = UPLOAD | {"is_edited": True}
    assert picture_key(**edited) != picture_key(**(edited | {"updated_at": LATER}))


def test_keys_of_random_records_differ() -> None:
    def records() -> Iterator[dict[str, Any]]:
        seed = random.Random(1)
        for _ in range(2000):
            yield UPLOAD | {"checksum": seed.randbytes(20), "algorithm": seed.choice(["sha1", "sha1-path"])}

    assert len({picture_key(**record) for record in records()}) == 2000
