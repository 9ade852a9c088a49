"""How copies are made: what cannot be copied is left out alone, what is there is taken over, what was begun is finished."""

import os
import time
from collections.abc import Iterable
from typing import Any

import psycopg
import pytest

from immich_pipeline.sharing import batches, files, session
from immich_pipeline.sharing.media_folder import LinkReport, MediaFolder
from immich_pipeline.sharing.model import SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump, table_names
from immich_pipeline_tests.sharing.dumps import files as files_of
from immich_pipeline_tests.sharing.full_library import fill
from immich_pipeline_tests.sharing.house import EXTERNAL, MEDIA, TARGET, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle, outlook, undone
from immich_pipeline_tests.sharing.versions import EVERY_VERSION


def skips(house: House) -> list[tuple[Any, ...]]:
    return house.rows(
        "SELECT source_id::text, reason, detail, tries FROM immich_pipeline_sharing.skip ORDER BY source_id"
    )


def poison(house: House, *paths: str) -> None:
    """From now on no copy at these paths can be inserted."""
    house.db.execute(
        f"""CREATE OR REPLACE FUNCTION poisoned() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW."originalPath" = ANY ('{{{",".join(paths)}}}') THEN RAISE EXCEPTION 'poisoned'; END IF; RETURN NEW; END $$;
        CREATE OR REPLACE TRIGGER poisoned BEFORE INSERT ON asset FOR EACH ROW EXECUTE FUNCTION poisoned()"""
    )


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 4)


@pytest.mark.usefixtures("small_batches")
def test_b06_poisoned_assets_are_left_out_alone_and_tried_again_later_and_later(house: House) -> None:
    photos = {name: house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in "abcdefghij"}
    poison(house, f"{TARGET}/c.jpg", f"{TARGET}/d.jpg", f"{TARGET}/j.jpg")
    report = cycle(house)
    assert report.copied == 7
    assert copied(house) == {photos[name] for name in "abefghi"}
    assert {(failure.source_id, failure.reason) for failure in report.failures} == {
        (photos[name], "poisoned") for name in "cdj"
    }
    assert report.counts["copy"]["files"] == 14
    assert broken(house, house.job()) == []
    tries = []
    for _ in range(4):
        tries.append({row[3] for row in skips(house)})
        house.db.execute("UPDATE immich_pipeline_sharing.skip SET retry_at = least(retry_at, now())")
        cycle(house)
    assert tries == [{1}, {2}, {3}, {4}]
    waits = house.rows(
        "SELECT DISTINCT extract(epoch FROM retry_at - noted_at)::int / 60 FROM immich_pipeline_sharing.skip"
    )
    assert waits == [(24 * 60,)]
    house.db.execute("DROP TRIGGER poisoned ON asset")
    assert cycle(house).copied == 0  # not before its time
    house.db.execute("UPDATE immich_pipeline_sharing.skip SET retry_at = now()")
    assert cycle(house).copied == 3
    assert skips(house) == []
    assert broken(house, house.job()) == []


def test_b06_a_batch_of_which_nothing_goes_in_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else is wrong than single assets: they are not written off one by one."""
    monkeypatch.setattr(batches, "_HOPELESS", 3)
    names = "abcdefgh"
    for name in names:
        house.add_photo(f"{EXTERNAL}/{name}.jpg")
    before = files_of(house)
    poison(house, *(f"{TARGET}/{name}.jpg" for name in names))
    report = cycle(house)
    assert [failure.source_id for failure in report.failures].count(None) == 1
    assert len(skips(house)) == 3
    assert files_of(house) == before
    house.db.execute("DROP TRIGGER poisoned ON asset")
    assert cycle(house).copied == 8


def test_an_asset_whose_pictures_cannot_be_linked_is_left_out(house: House) -> None:
    """One is missing on disk, one is not called after its asset: two assets would own it."""
    whole, missing, foreign = (house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in ("whole", "missing", "foreign"))
    house.here(house.picture_path(missing, "preview")).unlink()
    house.write(f"{MEDIA}/thumbs/common.jpeg", b"of several")
    house.update("asset_file", {"assetId": foreign, "type": "preview"}, path=f"{MEDIA}/thumbs/common.jpeg")
    before = files_of(house)
    report = cycle(house)
    assert copied(house) == {whole}
    reasons = {failure.source_id: failure.reason for failure in report.failures}
    assert reasons.keys() == {missing, foreign}
    assert "No such file" in reasons[missing]
    assert "not named after its asset" in reasons[foreign]
    made = {path: entry for path, entry in files_of(house).items() if path not in before}
    assert len(made) == 2 == report.counts["copy"]["files"]
    assert house.rows("SELECT FROM immich_pipeline_sharing.file") == []
    house.write(house.picture_path(missing, "preview"), b"made anew")
    assert cycle(house).copied == 1


def test_b06_a_slow_disk_leaves_no_file_of_what_the_database_has_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are inserted while files are made: an asset is given up for its row before its files are there, another for a file."""
    photos = {name: house.add_photo(f"{EXTERNAL}/{name}.jpg") for name in "abcd"}
    house.here(house.picture_path(photos["c"], "preview")).unlink()
    poison(house, f"{TARGET}/a.jpg")
    before, link_all = files_of(house), MediaFolder.link_all

    def slow(*given: Any) -> LinkReport:
        time.sleep(0.3)
        return link_all(*given)

    monkeypatch.setattr(MediaFolder, "link_all", slow)
    report = cycle(house)
    assert copied(house) == {photos["b"], photos["d"]}
    assert {failure.source_id for failure in report.failures} == {photos["a"], photos["c"]}
    assert len(files_of(house)) - len(before) == 4 == report.counts["copy"]["files"]
    assert house.rows("SELECT FROM immich_pipeline_sharing.file") == []
    house.write(house.picture_path(photos["c"], "preview"), b"made anew")
    assert broken(house, house.job()) == []


def test_a_transaction_is_not_kept_open_for_a_disk_that_takes_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a session that is idle in a transaction: the rows are inserted again when the files are there."""
    for name in "ab":
        house.add_photo(f"{EXTERNAL}/{name}.jpg")
    link_all = MediaFolder.link_all

    def slow(*given: Any) -> LinkReport:
        time.sleep(2)
        return link_all(*given)

    with monkeypatch.context() as patched:
        patched.setitem(session._SETTINGS, "idle_in_transaction_session_timeout", "1s")
        patched.setattr(batches, "_PATIENCE", 0.1)
        patched.setattr(MediaFolder, "link_all", slow)
        report = cycle(house)
    assert (report.copied, report.failures) == (2, ())
    assert broken(house, house.job()) == []


def test_two_sources_of_one_path_are_one_copy(house: House) -> None:
    """Two libraries of alice's that have the same folder: the target can have the place once."""
    first = house.add_photo(f"{EXTERNAL}/a.jpg")
    second = house.add_photo(f"{EXTERNAL}/a.jpg", libraryId=house.add_library(house.alice, "twin", EXTERNAL))
    for _ in range(2):
        cycle(house)
        assert copied(house) == {first}
        ((source, reason, detail, _),) = skips(house)
        assert (source, reason, detail) == (second, "same_path", f"{TARGET}/a.jpg")
    changes.delete_for_good(house, first)
    cycle(house, house.job(policy=SharePolicy(on_source_delete="delete")))
    cycle(house)
    assert copied(house) == {second}
    assert skips(house) == []


@EVERY_VERSION
def test_b08_copies_whose_mapping_was_lost_are_taken_for_what_they_are(house: House) -> None:
    library = fill(house)
    job = house.job(album=library.albums["of bob"])
    cycle(house, job)
    copies = {name: target_of(house, library.assets[name]) for name in library.shared}
    for name in table_names(house.db, "immich_pipeline_sharing"):
        house.db.execute(f"TRUNCATE immich_pipeline_sharing.{name} CASCADE")
    changes.set_exif(house, library.assets["plain"], description="changed meanwhile")
    before = dump(house)
    assert set(outlook(house, job).planned["copy"].subjects) == library.shared_ids
    report = cycle(house, job)
    assert report.copied == 0
    assert {name: target_of(house, library.assets[name]) for name in library.shared} == copies
    assert len(before.tables["asset"]) == len(dump(house).tables["asset"])
    assert house.row("asset_exif", assetId=copies["plain"])["description"] == "changed meanwhile"
    assert cycle(house, job).written == 0
    assert broken(house, job) == []
    # they were there before: an undo forgets them, and nothing is deleted
    assert undone(house, job.name).refused == ()
    assert [row for row in dump(house).tables["asset"] if house.bob in row] != []
    assert dump(house).files == before.files


@pytest.mark.parametrize("suffix", ["-MP.mp4", ".mp4"])
def test_b10_the_video_that_immich_cut_out_of_a_motion_photo_gets_a_second_name(house: House, suffix: str) -> None:
    """It lies in Immich's own folder, under the still's owner and its own id, outside the shared folder."""
    made = house.add_video(f"{MEDIA}/upload/film.mp4", visibility="hidden", clip=False)
    path = f"{MEDIA}/encoded-video/{house.alice}/{made[:2]}/{made[2:4]}/{made}{suffix}"
    house.write(path, b"the film")
    house.update("asset", {"id": made}, originalPath=path)
    still = house.add_photo(f"{EXTERNAL}/PXL_1.jpg", livePhotoVideoId=made)
    report = cycle(house)
    assert report.failures == ()
    copy, film = target_of(house, still), target_of(house, made)
    row = house.row("asset", id=film)
    assert row["originalPath"] == f"{MEDIA}/encoded-video/{house.bob}/{film[:2]}/{film[2:4]}/{film}{suffix}"
    assert house.here(row["originalPath"]).samefile(house.here(path))
    assert str(house.row("asset", id=copy)["livePhotoVideoId"]) == film
    assert cycle(house).written == 0
    undone(house, "alice to bob")
    assert not house.here(row["originalPath"]).exists()
    assert house.here(path).read_bytes() == b"the film"


def test_nothing_is_copied_when_files_cannot_be_made_at_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    before = dump(house)

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        report = cycle(house)
    assert (report.copied, report.written) == (0, 0)
    assert [failure.phase for failure in report.failures] == ["copy"]
    assert dump(house) == before
    assert skips(house) == []
    assert cycle(house).copied == 1


def test_b14_files_are_gone_when_their_rows_did_not_come(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not about one asset ends the copying; the rest of the cycle goes on."""
    house.add_photo(f"{EXTERNAL}/a.jpg")
    before = files_of(house)

    def locked(*_given: Any) -> None:
        raise psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")

    with monkeypatch.context() as patched:
        patched.setattr(batches, "copy_batch", locked)
        report = cycle(house)
    assert [(failure.phase, failure.source_id) for failure in report.failures] == [("copy", None)]
    assert files_of(house) == before
    assert cycle(house).copied == 1


def test_a_file_that_cannot_be_removed_now_is_removed_by_the_next_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add_photo(f"{EXTERNAL}/a.jpg")
    before = files_of(house)

    def stubborn(media: MediaFolder, paths: Iterable[str]) -> int:
        if list(paths):
            raise OSError(5, "Input/output error")
        return 0

    def refuse(*_given: Any) -> None:
        raise psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")

    with monkeypatch.context() as patched:
        patched.setattr(batches, "copy_batch", refuse)
        patched.setattr(MediaFolder, "remove_all", stubborn)
        report = cycle(house)
    assert {failure.phase for failure in report.failures} == {"copy", "files"}
    assert files_of(house) != before
    assert cycle(house, operations=("follow",)).copied == 0
    assert files_of(house) == before


def test_a_file_that_a_row_names_is_kept(house: House) -> None:
    """A noted file may be one that was there and was made anew."""
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    cycle(house)
    preview = house.picture_path(target_of(house, photo), "preview")
    house.db.execute(
        "INSERT INTO immich_pipeline_sharing.file (path, run) SELECT path, 1 FROM unnest(%s::text[]) AS path",
        [[preview, "/etc/passwd", f"{MEDIA}/thumbs/nobody.jpeg"]],
    )
    house.write(f"{MEDIA}/thumbs/nobody.jpeg", b"left over")
    cycle(house)
    assert house.here(preview).exists()
    assert not house.here(f"{MEDIA}/thumbs/nobody.jpeg").exists()
    assert house.rows("SELECT FROM immich_pipeline_sharing.file") == []


def test_nothing_is_asked_of_the_disk_when_no_file_is_wanted() -> None:
    assert files.make(None, []).made == []  # type: ignore[arg-type]
