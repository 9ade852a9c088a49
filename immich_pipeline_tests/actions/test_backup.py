"""Copies are verified, or they are not there at all."""

import errno
import hashlib
import multiprocessing
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from immich_pipeline.actions import backup as backup_module
from immich_pipeline.actions import backup_files, safe_folders
from immich_pipeline.actions.backup import BackupStore
from immich_pipeline.actions.backup_place import check_place
from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.errors import Unreachable
from immich_pipeline.store.database import Database
from immich_pipeline.store.frames import close_idle
from immich_pipeline.store.library import SourceRow, activate_sources
from immich_pipeline_tests.actions.backup_ground import (
    ANNA,
    PICTURE,
    Pantry,
    external,
    immich_settings,
    metadata,
    settings_of,
    state_of,
)
from immich_pipeline_tests.actions.quarantine_ground import crash, ending_at
from immich_pipeline_tests.actions.shelf import Crash

SHA256 = hashlib.sha256(PICTURE).digest()


@pytest.fixture(scope="module")
def shelves(server_url: str) -> Iterator[Database]:
    """One database for all tests here, each of which has assets of its own."""
    name, admin_url = f"test_{secrets.token_hex(6)}", server_url.replace("/immich_pipeline?", "/postgres?")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE immich_pipeline")
        made = Database(server_url.replace("/immich_pipeline?", f"/{name}?"))
        yield made
        close_idle(made.url)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pantry(shelves: Database, tmp_path: Path) -> Pantry:
    return Pantry(shelves, tmp_path)


def test_a_download_is_kept_with_what_was_known_of_it(pantry: Pantry) -> None:
    asset_id = pantry.asset()
    backup = pantry.keep(asset_id, fetch=pantry.fetch())
    assert backup.path == pantry.store().folder / ANNA / asset_id[:2] / asset_id / "one.jpg"
    assert (backup.asset_id, backup.sha256, backup.bytes) == (asset_id, SHA256, len(PICTURE))
    assert backup.path.read_bytes() == PICTURE
    path = f"{ANNA}/{asset_id[:2]}/{asset_id}/one.jpg"
    assert pantry.rows() == [(asset_id, SHA256, ANNA, path, len(PICTURE), "plan-1")]
    told = metadata(backup)
    assert told["state"] == state_of()
    assert (told["sha256"], told["from"], told["plan_id"]) == (SHA256.hex(), "the server", "plan-1")
    assert pantry.files() == ["one.jpg", "one.jpg.json"]


def test_nobody_else_may_look_at_the_copies(pantry: Pantry) -> None:
    backup = pantry.keep(pantry.asset(), fetch=pantry.fetch())
    folders = [path for path in backup.path.parents if path.is_relative_to(pantry.store().folder)]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in backup.path.parent.iterdir()} == {0o600}


def test_a_copy_of_the_same_content_is_not_made_twice(pantry: Pantry) -> None:
    asset_id = pantry.asset()
    first = pantry.keep(asset_id, fetch=pantry.fetch())
    assert pantry.keep(asset_id, fetch=pantry.fetch()) == first
    assert pantry.downloads == 1
    assert pantry.store().verified(asset_id) == pantry.store().check(asset_id) == first
    assert pantry.store().restore_bytes(asset_id) == first.path


def test_another_content_of_the_asset_is_kept_beside_the_first(pantry: Pantry) -> None:
    asset_id = pantry.asset()
    first = pantry.keep(asset_id, fetch=pantry.fetch())
    second = pantry.keep(asset_id, state_of(b"new" * 999), pantry.fetch(b"new" * 999))
    assert (first.path.name, second.path.name) == ("one.jpg", "one~2.jpg")
    assert first.path.read_bytes() == PICTURE
    assert pantry.store().verified(asset_id) == second
    assert len(pantry.rows()) == 2


def test_an_upload_on_the_mount_becomes_a_second_name_of_the_file(pantry: Pantry) -> None:
    asset_id = pantry.asset("upload/one.jpg", mounted=True)
    backup = pantry.keep(asset_id)
    original = pantry.mount / "upload/one.jpg"
    assert backup.path.samefile(original)
    assert metadata(backup)["from"] == "the mount, a hard link"
    original.unlink()
    assert backup.path.read_bytes() == PICTURE
    assert pantry.store().check(asset_id) == backup


def test_a_file_of_an_external_library_is_copied(pantry: Pantry) -> None:
    asset_id = pantry.asset("one.jpg", mounted=True, sha256=SHA256)
    backup = pantry.keep(asset_id, external())
    assert not backup.path.samefile(pantry.mount / "one.jpg")
    assert backup.path.read_bytes() == PICTURE
    assert metadata(backup)["from"] == "the mount"
    assert pantry.keep(asset_id, external()) == backup


def test_where_links_cannot_be_made_the_file_is_copied(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **options: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    backup = pantry.keep(pantry.asset(mounted=True))
    assert metadata(backup)["from"] == "the mount"


def test_a_file_that_is_swapped_while_it_is_linked_is_copied(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def swapping(*args: Any, **options: Any) -> None:
        (pantry.mount / "fresh").write_bytes(b"fresh")
        (pantry.mount / "fresh").replace(pantry.mount / "one.jpg")
        link(*args, **options)

    monkeypatch.setattr(os, "link", swapping)
    backup = pantry.keep(pantry.asset(mounted=True))
    assert backup.path.read_bytes() == PICTURE
    assert metadata(backup)["from"] == "the mount"


@pytest.mark.parametrize("trouble", ["gone", "other", "a link out", "never", "a folder"])
def test_what_the_mount_does_not_have_is_downloaded(pantry: Pantry, trouble: str) -> None:
    asset_id = pantry.asset(mounted=True)
    original, more = pantry.mount / "one.jpg", {}
    if trouble == "gone":
        original.unlink()
    elif trouble == "other":
        original.write_bytes(PICTURE[::-1])
    elif trouble == "a link out":
        original.unlink()
        (pantry.place / "outside.jpg").write_bytes(PICTURE)
        original.symlink_to(pantry.place / "outside.jpg")
    elif trouble == "never":
        more["originals"] = "never"
    else:
        original.unlink()
        original.mkdir()
    with pytest.raises(UserError, match="cannot be read here"):
        pantry.keep(asset_id, **more)
    backup = pantry.keep(asset_id, fetch=pantry.fetch(), **more)
    assert metadata(backup)["from"] == "the server"
    assert backup.path.read_bytes() == PICTURE


def test_a_link_within_the_mount_is_followed_as_the_server_does(pantry: Pantry) -> None:
    asset_id = pantry.asset(mounted=True)
    (pantry.mount / "one.jpg").rename(pantry.mount / "real.jpg")
    (pantry.mount / "one.jpg").symlink_to("real.jpg")
    backup = pantry.keep(asset_id)
    assert backup.path.samefile(pantry.mount / "real.jpg")
    assert not backup.path.is_symlink()


def test_without_a_server_the_folder_of_photos_is_copied_from(pantry: Pantry) -> None:
    asset_id = pantry.asset(mounted=True)
    with pantry.database.connect() as connection:
        connection.execute(
            "UPDATE library.source SET kind = 'folder', root = %s WHERE source_id = %s",
            (os.fsencode(pantry.mount), pantry.source_id),
        )
        connection.execute(
            "INSERT INTO library.sidecar VALUES (%s, 'one.thm', 'one.thm', 'thm', 5, 1, %s, 'same_name')",
            (pantry.source_id, asset_id),
        )
    (pantry.mount / "one.thm").write_bytes(b"thumb")
    backup = pantry.keep(asset_id, external(), None)
    assert backup.path.with_name("one.jpg.thm").read_bytes() == b"thumb"


@pytest.mark.parametrize("name", ["one.jpg.xmp", "one.xmp"])
def test_the_sidecar_on_the_mount_lies_beside_the_copy(pantry: Pantry, name: str) -> None:
    asset_id = pantry.asset(mounted=True)
    (pantry.mount / name).write_bytes(b"<xmp>")
    backup = pantry.keep(asset_id)
    beside = backup.path.with_name("one.jpg.xmp")
    assert beside.read_bytes() == b"<xmp>"
    assert metadata(backup)["sidecars"] == [{"name": beside.name, "sha256": hashlib.sha256(b"<xmp>").hexdigest()}]


@pytest.mark.parametrize(
    ("state", "sent", "reason"),
    [
        (state_of(), PICTURE[::-1], "checksum is not the one that Immich has"),
        (state_of(size=5), PICTURE, None),
        (external(), PICTURE + b"x", "bytes, and should have"),
        (external(size=None), PICTURE, "neither the size nor the checksum"),
        (external(), PICTURE, None),
        (state_of(library=None, checksum=external()["checksum"]), PICTURE + b"x", "bytes, and should have"),
    ],
)
def test_only_the_right_bytes_are_kept(pantry: Pantry, state: dict[str, Any], sent: bytes, reason: str | None) -> None:
    asset_id = pantry.asset()
    if reason is None:
        assert pantry.keep(asset_id, state, pantry.fetch(sent)).path.read_bytes() == sent
        return
    with pytest.raises(UserError, match=reason):
        pantry.keep(asset_id, state, pantry.fetch(sent))
    assert pantry.rows() == []
    assert pantry.files() == []


def test_what_was_measured_before_counts(pantry: Pantry) -> None:
    asset_id = pantry.asset(sha256=b"x" * 32)
    with pytest.raises(UserError, match="SHA-256 is not the one that was measured"):
        pantry.keep(asset_id, external(), pantry.fetch())
    assert pantry.files() == []


def test_a_download_that_breaks_off_leaves_nothing(pantry: Pantry) -> None:
    with pytest.raises(Unreachable):
        pantry.keep(pantry.asset(), fetch=pantry.fetch(error=Unreachable("broke off")))
    assert pantry.rows() == []
    assert pantry.files() == []


def test_a_disk_that_reads_something_else_is_noticed(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    read = backup_files.read_content

    def wrongly(folder: int, name: bytes) -> backup_files.Content:
        return read(folder, name)._replace(sha256=b"0" * 32)

    monkeypatch.setattr(backup_module, "read_content", wrongly)
    with pytest.raises(UserError, match="reads differently the second time"):
        pantry.keep(pantry.asset(), fetch=pantry.fetch())
    assert pantry.rows() == []
    assert pantry.files() == []


def test_too_little_space_is_said_before_anything_is_asked_for(shelves: Database, tmp_path: Path) -> None:
    pantry = Pantry(shelves, tmp_path, keep_free_mb=10**9)
    with pytest.raises(UserError, match=r"10\.2 kB are needed and 1000\.0 TB are to stay free, and .* are free"):
        pantry.keep(pantry.asset(), fetch=pantry.fetch())
    assert pantry.downloads == 0
    with pytest.raises(UserError, match="not enough space"):
        pantry.keep(pantry.asset("two.jpg", mounted=True, sha256=SHA256), external())
    pantry.keep(pantry.asset("three.jpg", mounted=True))  # a link needs none


def test_a_download_without_an_end_stops_when_space_gets_short(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def short(room: Any, folder: int, needed: int) -> None:
        seen.append(needed)
        if len(seen) == 4:
            raise UserError("not enough space")

    monkeypatch.setattr(backup_files, "_SPACE_EVERY", 500)
    monkeypatch.setattr(backup_files.Room, "check", short)
    with pytest.raises(UserError, match="not enough space"):
        pantry.keep(pantry.asset(), fetch=pantry.fetch(PICTURE, pieces=500))
    assert seen == [len(PICTURE), 0, 0, 0]
    assert pantry.files() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_errors_of_the_disk_are_told(pantry: Pantry, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(UserError, match="could not be backed up"):
        pantry.keep(pantry.asset(), fetch=pantry.fetch())
    assert pantry.rows() == []


def test_what_is_gone_or_changed_counts_as_no_copy(pantry: Pantry) -> None:
    asset_id = pantry.asset()
    store = pantry.store()
    assert store.verified(asset_id) is store.check(asset_id) is None
    backup = pantry.keep(asset_id, fetch=pantry.fetch())
    backup.path.write_bytes(PICTURE[::-1])
    assert store.verified(asset_id) == backup
    assert store.check(asset_id) is None
    with pytest.raises(UserError, match="no copy of the asset"):
        store.restore_bytes(asset_id)
    backup.path.write_bytes(b"short")
    assert store.verified(asset_id) is None
    backup.path.unlink()
    backup.path.symlink_to(__file__)
    assert store.verified(asset_id) is None
    again = pantry.keep(asset_id, fetch=pantry.fetch())
    assert again.path.name == "one~2.jpg"
    assert store.restore_bytes(asset_id) == again.path


def test_a_copy_that_cannot_be_read_counts_as_none(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    asset_id = pantry.asset()
    pantry.keep(asset_id, fetch=pantry.fetch())

    def failing(*args: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(backup_module, "read_content", failing)
    assert pantry.store().check(asset_id) is None


def test_links_in_the_backup_folder_lead_nowhere(pantry: Pantry, tmp_path: Path) -> None:
    asset_id, outside = pantry.asset(), tmp_path / "outside"
    outside.mkdir()
    folder = pantry.store().folder
    folder.mkdir(parents=True)
    (folder / ANNA).symlink_to(outside)
    with pytest.raises(UserError, match="could not be backed up"):
        pantry.keep(asset_id, fetch=pantry.fetch())
    assert list(outside.iterdir()) == []
    (folder / ANNA).unlink()
    backup = pantry.keep(asset_id, fetch=pantry.fetch())
    (folder / ANNA).rename(outside / ANNA)
    (folder / ANNA).symlink_to(outside / ANNA)
    assert backup.path.exists()
    assert pantry.store().verified(asset_id) is None


@pytest.mark.parametrize("name", ["../../x.jpg", "a/b.jpg", "..", "", "a\0b.jpg", "x" * 300 + ".jpg", "\udcff.jpg"])
def test_hostile_names_stay_in_their_folder(pantry: Pantry, name: str) -> None:
    asset_id = pantry.asset()
    backup = pantry.keep(asset_id, state_of(name=name), pantry.fetch())
    folder = pantry.store().folder / ANNA / asset_id[:2] / asset_id
    assert backup.path.parent == folder
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("asset_id", ["../x", "", "1"])
def test_what_is_no_id_is_refused(pantry: Pantry, asset_id: str) -> None:
    with pytest.raises(UserError, match="is no id"):
        pantry.keep(asset_id, fetch=pantry.fetch())


def test_an_asset_that_the_database_does_not_know_is_downloaded(pantry: Pantry) -> None:
    backup = pantry.keep(ANNA, fetch=pantry.fetch())
    assert pantry.store().check(ANNA) == backup


PLACES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "the mount": (lambda place: place / "mount", "Immich's media"),
    "below the mount": (lambda place: place / "mount/a/b", "Immich's media"),
    "below the folder": (lambda place: place / "photos/copies", "the library"),
    "by a link": (lambda place: place / "link/copies", "the library"),
}


@pytest.mark.parametrize("where", PLACES)
def test_copies_never_lie_among_the_photos(tmp_path: Path, where: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to("photos")
    place, what = PLACES[where]
    settings = Settings(home=tmp_path, immich=immich_settings(tmp_path / "mount"))
    folder = Path(os.path.realpath(place(tmp_path)))
    with pytest.raises(UserError, match=f"the backup folder lies inside {what}"):
        check_place(folder, settings, [os.fsencode(tmp_path / "photos")])


def test_the_folders_that_the_database_knows_are_asked(database: Database, tmp_path: Path) -> None:
    activate_sources(database, [SourceRow(ANNA, "folder", "f", "anna", os.fsencode(tmp_path / "photos"))])
    pantry = Pantry(database, tmp_path, folder=tmp_path / "photos" / "copies")
    with pytest.raises(UserError, match="the backup folder lies inside the library"):
        pantry.store()


def test_a_folder_beside_the_photos_will_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, photos=tmp_path / "photos")
    check_place(tmp_path / "photos-copies", settings, [])
    with pytest.raises(UserError, match="the library"):
        check_place(tmp_path / "photos" / "copies", settings, [])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a file that nobody closed
def test_a_copy_broken_off_at_any_line_is_made_by_the_next_call(
    pantry: Pantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    line = 3
    while True:
        asset_id, store = pantry.asset(f"{line}.jpg", mounted=True), pantry.store()
        (pantry.mount / f"{line}.xmp").write_bytes(b"<xmp>")
        try:
            with ending_at(line, crash, "backup"):
                store.keep(asset_id, ANNA, external(name=f"{line}.jpg"), None, "plan")
        except Crash:
            found = store.verified(asset_id)
            assert found is None or found.path.read_bytes() == PICTURE
        else:
            break
        backup = store.keep(asset_id, ANNA, external(name=f"{line}.jpg"), None, "plan")
        assert backup.path.read_bytes() == PICTURE
        assert sorted(path.name for path in backup.path.parent.iterdir()) == [
            f"{line}.jpg",
            f"{line}.jpg.json",
            f"{line}.jpg.xmp",
        ]
        line += 23
    assert line > 150


def killed(url: str, place: Path, asset_id: str, line: int) -> None:
    with ending_at(line, lambda: os.kill(os.getpid(), signal.SIGKILL), "backup"):
        BackupStore(Database(url), settings_of(place)).keep(asset_id, ANNA, external(), None, "plan-1")


def test_a_killed_copy_is_made_by_the_next_call(pantry: Pantry) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    asset_id = pantry.asset(mounted=True)
    for line in (150, 260):
        child = context.Process(target=killed, args=(pantry.database.url, pantry.place, asset_id, line))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        child.close()
        assert pantry.rows() == []
    backup = pantry.keep(asset_id, external())
    assert backup.path.read_bytes() == PICTURE
    assert pantry.files() == ["one.jpg", "one.jpg.json"]


def test_nothing_is_created_by_opening_a_store(pantry: Pantry) -> None:
    assert not pantry.store().folder.exists()
    assert isinstance(pantry.store(), BackupStore)
    with safe_folders.open_folder(os.fsencode(pantry.place), ()) as folder:
        assert safe_folders.status_of(folder, b"home") is None
