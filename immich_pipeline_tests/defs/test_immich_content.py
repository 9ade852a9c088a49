"""What is known of the pictures of an Immich server, while files, mounts, settings and the server change."""

from datetime import timedelta
from pathlib import Path

import pytest

from immich_pipeline_tests.defs.immich_home import Home, jpeg, write_config
from immich_pipeline_tests.immich_world import Asset, Exif, ExternalLibrary, User
from immich_pipeline_tests.photos import scene, small_library

pytestmark = pytest.mark.unmeasured
OTHER_THUMBHASH = b"0123456789abcdef"


def map_folder(family: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, *, immich: str, here: Path) -> None:
    more = f"  paths:\n    - {{immich: {immich}, here: {here}}}\n"
    write_config(folder, family.world, family.stub.url, monkeypatch, more)


def import_all(family: Home, owner: User, library: ExternalLibrary, photos: Path) -> list[Asset]:
    """Every photo of the folder becomes an asset of the external library."""
    return [
        family.world.add_asset(
            owner,
            f"{library.import_paths[0]}/{file.relative_to(photos)}",
            library=library,
            exif=Exif(file_size=file.stat().st_size),
        )
        for file in sorted(photos.rglob("*.jpg"))
    ]


def put_file(asset: Asset, path: Path) -> None:
    assert asset.content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(asset.content)


def live_by_owner(family: Home) -> list[tuple[str, int]]:
    return family.pipeline.query("SELECT owner, count(*) FROM library.live_asset GROUP BY 1 ORDER BY 1")


def test_an_overwritten_file_is_looked_at_again_when_its_new_preview_is_made(family: Home) -> None:
    world = family.world
    library = world.add_library(family.alice, "NAS", "/ext")
    overwritten = family.photo(family.alice, "/ext/a.jpg", 1, library=library)
    family.photo(family.alice, "/data/library/alice/77.jpg", 77)
    family.pipeline.read()
    # Immich reads the metadata again first ...
    overwritten.file_modified_at = world.tick()
    assert overwritten.exif
    overwritten.exif.file_size = 4711
    world.touch(overwritten)
    family.pipeline.read()
    # ... and makes the preview a moment later
    world.now += timedelta(minutes=1)
    overwritten.preview, overwritten.thumbhash = jpeg(scene(77), 80), OTHER_THUMBHASH
    world.touch(overwritten)
    family.pipeline.read()
    hashes = dict(
        family.pipeline.query("SELECT name, phash FROM content.perceptual_hash JOIN library.asset USING (asset_id)")
    )
    assert hashes["a.jpg"] == hashes["77.jpg"]


def test_files_are_read_once_their_folder_is_mapped(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = family.world.add_library(family.alice, "NAS", "/ext")
    photo = family.photo(family.alice, "/ext/a.jpg", 1, library=library)
    family.pipeline.read()
    rows = (
        "SELECT sha256 IS NOT NULL, computed_from FROM content.file_hash JOIN content.perceptual_hash USING (asset_id)"
    )
    assert family.pipeline.query(rows) == [(False, "preview of the server")]
    mount = tmp_path / "mount"
    put_file(photo, mount / "a.jpg")
    map_folder(family, tmp_path, monkeypatch, immich="/ext", here=mount)
    family.pipeline.read()
    assert family.pipeline.query(rows) == [(True, "picture")]


def test_files_are_read_once_their_folder_is_mounted(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = family.world.add_library(family.alice, "NAS", "/ext")
    photo = family.photo(family.alice, "/ext/a.jpg", 1, library=library)
    mount = tmp_path / "mount"
    mount.mkdir()
    map_folder(family, tmp_path, monkeypatch, immich="/ext", here=mount)
    family.pipeline.read()
    put_file(photo, mount / "a.jpg")
    family.pipeline.read()
    reconcile = family.pipeline.definitions.resolve_job_def("snapshot_library")
    reconcile.execute_in_process(
        instance=family.pipeline.instance,
        run_config={
            "ops": {
                "library_snapshot": {"config": {"full": True}},
                "ingest_batches": {"config": {"retry_failures": True}},
            }
        },
    )
    family.pipeline.read()
    assert family.pipeline.query("SELECT sha256 IS NOT NULL, error_kind FROM content.file_hash") == [(True, None)]


def test_originals_are_downloaded_once_that_is_allowed(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = family.world.add_library(family.alice, "NAS", "/ext")
    family.photo(family.alice, "/ext/a.jpg", 1, library=library)
    family.pipeline.read()
    assert family.pipeline.query("SELECT sha256 IS NOT NULL FROM content.file_hash") == [(False,)]
    write_config(tmp_path, family.world, family.stub.url, monkeypatch, "  originals: download\n")
    family.pipeline.read()
    assert family.pipeline.query("SELECT sha256 IS NOT NULL FROM content.file_hash") == [(True,)]


def test_a_date_and_a_place_that_are_changed_on_the_server_are_followed(family: Home) -> None:
    photo = family.photo(family.alice, "/data/library/alice/a.jpg", 1)
    family.pipeline.read()
    known = "SELECT taken_at_local, latitude, longitude FROM content.photo_metadata"
    ((before, *place),) = family.pipeline.query(known)
    assert place == [None, None]
    later = timedelta(days=400)
    assert photo.exif
    assert photo.exif.date_time_original
    photo.exif.date_time_original += later
    photo.exif.latitude, photo.exif.longitude = 48.0, 2.0
    photo.local_date_time += later
    photo.file_created_at += later
    family.world.touch(photo)
    family.pipeline.read()
    assert family.pipeline.query(known) == [(before + later, 48.0, 2.0)]


def test_a_preview_that_is_made_late_is_looked_at(family: Home) -> None:
    late = family.world.add_asset(family.alice, "/data/library/alice/a.jpg", thumbhash=None)
    for number in range(4):
        family.photo(family.alice, f"/data/library/alice/other {number}.jpg", 5 + number)
        family.pipeline.read()
    hashed = f"SELECT phash IS NOT NULL, error_kind FROM content.perceptual_hash WHERE asset_id = '{late.id}'"
    assert family.pipeline.query(hashed) != [(True, None)]
    late.preview, late.thumbhash = jpeg(scene(3), 80), OTHER_THUMBHASH
    family.world.touch(late)
    family.pipeline.read()
    assert family.pipeline.query(hashed) == [(True, None)]


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link to the folder"])
def test_a_file_of_the_folder_is_the_server_s_asset_by_a_link_too(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, linked: bool
) -> None:
    here = photos = small_library(tmp_path / "disk" / "photos")
    if linked:
        here = tmp_path / "photos"
        here.symlink_to(photos)
    library = family.world.add_library(family.alice, "NAS", "/external")
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(here))
    monkeypatch.setenv("IMMICH_PIPELINE_OWNER", "alice@example.org")
    map_folder(family, tmp_path, monkeypatch, immich="/external", here=here)
    assets = import_all(family, family.alice, library, photos)
    family.pipeline.read()
    assert live_by_owner(family) == [("alice@example.org", len(assets))]


def test_a_file_whose_asset_went_offline_is_the_folder_s_again(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photos = small_library(tmp_path / "photos")
    library = family.world.add_library(family.alice, "NAS", "/external")
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(photos))
    map_folder(family, tmp_path, monkeypatch, immich="/external", here=photos)
    assets = import_all(family, family.alice, library, photos)
    family.pipeline.read()
    assert live_by_owner(family) == [("alice@example.org", len(assets))]
    for asset in assets:
        family.world.take_offline(asset)
    family.pipeline.read()
    assert live_by_owner(family) == [("local", len(assets))]


def test_files_that_two_users_have_are_the_folder_s_again_when_the_server_leaves_the_settings(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photos = small_library(tmp_path / "photos")
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(photos))
    map_folder(family, tmp_path, monkeypatch, immich="/external", here=photos)
    for owner in (family.alice, family.bob):
        library = family.world.add_library(owner, "NAS", "/external")
        assets = import_all(family, owner, library, photos)
    family.pipeline.read()
    assert live_by_owner(family) == [("alice@example.org", len(assets)), ("bob@example.org", len(assets))]
    (tmp_path / "immich-pipeline.yaml").unlink()
    family.pipeline.read()
    assert live_by_owner(family) == [("local", len(assets))]


def test_one_file_in_two_libraries_of_an_owner_is_one_asset_and_no_duplicate(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("A", "B"):
        library = family.world.add_library(family.alice, name, "/ext")
        photo = family.photo(family.alice, "/ext/a.jpg", 1, library=library)
    put_file(photo, tmp_path / "mount" / "a.jpg")
    map_folder(family, tmp_path, monkeypatch, immich="/ext", here=tmp_path / "mount")
    family.pipeline.run()
    assert live_by_owner(family) == [("alice@example.org", 1)]
    assert family.pipeline.query("SELECT sha256 IS NOT NULL FROM content.file_hash") == [(True,)]
    assert family.groups() == set()


def test_a_name_that_holds_nul_does_not_keep_the_other_user_back(family: Home) -> None:
    family.photo(family.alice, "/data/library/alice/a.jpg", 1)
    family.photo(family.alice, "/data/library/alice/odd.jpg", 3, original_name="x\0.jpg")
    family.photo(family.bob, "/data/library/bob/b.jpg", 2)
    family.pipeline.read()
    assert live_by_owner(family) == [("bob@example.org", 1)]
