"""What the test database holds after a filling, and how its triggers answer changes: as a real one's do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from psycopg import sql

from immich_pipeline_tests.immich_db.definition import SCHEMAS
from immich_pipeline_tests.immich_db.fill import fill, take_stamps, write_changes
from immich_pipeline_tests.immich_db.rows import embedding_of, face_of, has_face, person_of
from immich_pipeline_tests.immich_world import Asset, Tag, World, every_flag

Make = Callable[[str], str]


@pytest.fixture(params=SCHEMAS)
def filled(request: pytest.FixtureRequest, make_immich_database: Make) -> tuple[str, World]:
    """A database of each version and the world in it."""
    return _filled(make_immich_database, request.param)


def _filled(make: Make, version: str) -> tuple[str, World]:
    world = every_flag(version)
    url = make(version)
    fill(url, world)
    return url, world


def _read(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query, values).fetchall()


def _run(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement, values)


def _everything(url: str) -> dict[str, list[str]]:
    """Every row of every table, times and update ids included."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        tables = {name: sql.Identifier("public", name) for (name,) in names}
        query = sql.SQL("SELECT one::text FROM {} AS one ORDER BY 1")
        return {name: [row for (row,) in connection.execute(query.format(table))] for name, table in tables.items()}


def _named(world: World, name: str) -> Asset:
    return next(asset for asset in world.assets.values() if asset.original_name == name)


def _stamps(url: str) -> dict[str, tuple[datetime, UUID]]:
    rows = _read(url, 'SELECT id::text, "updatedAt", "updateId" FROM asset')
    return {asset_id: (updated, update_id) for asset_id, updated, update_id in rows}


def _written_since(url: str, before: dict[str, tuple[datetime, UUID]]) -> set[str]:
    return {asset_id for asset_id, stamp in _stamps(url).items() if before.get(asset_id) != stamp}


def test_assets_are_as_in_the_world(filled: tuple[str, World]) -> None:
    url, world = filled
    rows = _read(
        url,
        """
        SELECT id::text, "ownerId"::text, "libraryId"::text, type, "originalPath", "originalFileName", checksum,
          "checksumAlgorithm"::text, "fileCreatedAt", "fileModifiedAt", "localDateTime", "createdAt", "updatedAt", "deletedAt",
          status::text, visibility::text, "isFavorite", "isOffline", "isEdited", "isExternal", width, height, thumbhash,
          "livePhotoVideoId"::text, "stackId"::text, "duplicateId"::text
        FROM asset
        """,
    )
    assert {row[0]: row for row in rows} == {
        one.id: (
            one.id, one.owner_id, one.library_id, one.type, one.original_path, one.original_name, one.checksum, one.checksum_algorithm,
            one.file_created_at, one.file_modified_at, one.local_date_time, one.created_at, one.updated_at, one.deleted_at, one.status,
            one.visibility, one.is_favorite, one.is_offline, one.is_edited, one.is_external, one.width, one.height, one.thumbhash,
            one.live_video_id, one.stack_id, one.duplicate_id,
        )
        for one in world.assets.values()
    }  # fmt: skip


def test_an_update_id_tells_the_time_of_the_last_update(filled: tuple[str, World]) -> None:
    url, _ = filled
    for updated, update_id in _stamps(url).values():
        assert update_id.version == 7
        assert update_id.int >> 80 == int(updated.timestamp() * 1000)


@pytest.mark.parametrize(
    ("version", "lengths"),
    [
        ("2.7.5", {"long.mp4": "01:02:03.004", "live.mov": "00:00:02.966", "IMG_0000.jpg": "0:00:00.00000", "DSC_0000.NEF": None}),
        ("3.1.0", {"long.mp4": 3_723_004, "live.mov": 2966, "IMG_0000.jpg": None, "DSC_0000.NEF": None}),
    ],
)  # fmt: skip
def test_lengths_are_written_as_the_version_does(
    version: str, lengths: dict[str, object], make_immich_database: Make
) -> None:
    url, _ = _filled(make_immich_database, version)
    found = dict(_read(url, 'SELECT "originalFileName", duration FROM asset'))
    assert {name: found[name] for name in lengths} == lengths


def test_exif_is_as_in_the_world(filled: tuple[str, World]) -> None:
    url, world = filled
    rows = _read(
        url, 'SELECT "assetId"::text, city, description, rating, "autoStackId", "livePhotoCID" FROM asset_exif'
    )
    assert {row[0]: row[1:] for row in rows} == {
        asset.id: (exif.city, exif.description, exif.rating, exif.auto_stack_id, exif.live_photo_cid)
        for asset in world.assets.values()
        if (exif := asset.exif)
    }


def test_who_owns_and_who_sees_an_album(filled: tuple[str, World]) -> None:
    url, world = filled
    bob = next(user for user in world.users.values() if user.name == "Bob")
    family = next(album for album in world.albums.values() if album.name == "Family")
    roles = dict(_read(url, 'SELECT "userId"::text, role::text FROM album_user WHERE "albumId" = %s', family.id))
    if world.version == "2.7.5":
        assert _read(url, 'SELECT "ownerId"::text FROM album WHERE id = %s', family.id) == [(family.owner_id,)]
        assert roles == {bob.id: "editor"}
    else:
        assert roles == {family.owner_id: "owner", bob.id: "editor"}


def test_pictures_have_embeddings_and_some_have_faces(filled: tuple[str, World]) -> None:
    url, world = filled
    pictures = {asset.id: asset for asset in world.assets.values() if asset.type == "IMAGE" and asset.exif}
    stored = dict(_read(url, 'SELECT "assetId"::text, embedding::real[] FROM smart_search'))
    assert stored.keys() == pictures.keys()
    for asset_id, embedding in stored.items():
        np.testing.assert_allclose(embedding, embedding_of(pictures[asset_id]), rtol=1e-6)
    person = '"personGroupId"' if world.version == "3.2" else '"personId"'
    faces = _read(
        url, f'SELECT id::text, "assetId"::text, {person}::text FROM asset_face JOIN face_search ON id = "faceId"'
    )
    expected = {
        (face_of(asset.id), asset.id, person_of(asset.owner_id)) for asset in pictures.values() if has_face(asset)
    }
    assert set(faces) == expected
    assert 0 < len(expected) < len(pictures)


def test_tags_know_what_is_above_them(make_immich_database: Make) -> None:
    world = every_flag("3.1.0")
    asset = _named(world, "IMG_0000.jpg")
    trips = Tag("11111111-1111-4111-8111-111111111111", asset.owner_id, "trips")
    paris = Tag("22222222-2222-4222-8222-222222222222", asset.owner_id, "trips/paris", [asset.id])
    world.tags = {trips.id: trips, paris.id: paris}
    url = make_immich_database("3.1.0")
    fill(url, world)
    assert _read(url, 'SELECT value, "parentId"::text FROM tag ORDER BY value') == [
        ("trips", None),
        ("trips/paris", trips.id),
    ]
    closure = _read(url, "SELECT id_ancestor::text, id_descendant::text FROM tag_closure")
    assert set(closure) == {(trips.id, trips.id), (paris.id, paris.id), (trips.id, paris.id)}
    assert _read(url, 'SELECT "assetId"::text, "tagId"::text FROM tag_asset') == [(asset.id, paris.id)]


def test_a_database_is_filled_once_and_with_its_own_version(make_immich_database: Make) -> None:
    url, world = _filled(make_immich_database, "3.1.0")
    with pytest.raises(ValueError, match="not empty"):
        fill(url, world)
    world.version = "2.7.5"
    with pytest.raises(ValueError, match="does not fit"):
        write_changes(url, world)


def test_an_unchanged_world_writes_nothing(filled: tuple[str, World]) -> None:
    url, world = filled
    before = _everything(url)
    write_changes(url, world)
    assert _everything(url) == before


def test_a_changed_asset_is_stamped_and_no_other(filled: tuple[str, World]) -> None:
    url, world = filled
    before, start = _stamps(url), datetime.now(UTC)
    asset = _named(world, "archived.jpg")
    asset.is_favorite = True
    write_changes(url, world)
    assert _written_since(url, before) == {asset.id}
    updated, update_id = _stamps(url)[asset.id]
    assert start <= updated
    assert update_id > max(stamp[1] for stamp in before.values())


def test_a_change_of_exif_stamps_the_exif_row_alone(filled: tuple[str, World]) -> None:
    url, world = filled
    before = _stamps(url)
    asset = _named(world, "archived.jpg")
    assert asset.exif is not None
    asset.exif.description = "seen \N{CAMERA}"
    write_changes(url, world)
    assert _written_since(url, before) == set()
    rows = _read(url, 'SELECT "assetId"::text FROM asset_exif WHERE "updatedAt" > %s', world.now + timedelta(seconds=1))
    assert rows == [(asset.id,)]


def test_new_rows_get_the_databases_own_times(filled: tuple[str, World]) -> None:
    url, world = filled
    start = datetime.now(UTC) - timedelta(milliseconds=1)
    alice = next(iter(world.users.values()))
    added = world.add_asset(alice, "/data/library/alice/2026/new.jpg")
    write_changes(url, world)
    rows = _read(url, 'SELECT "createdAt", "updatedAt", "updateId" FROM asset WHERE id = %s', added.id)
    assert all(moment >= start for moment in rows[0][:2])
    take_stamps(url, world)
    assert (added.created_at, added.updated_at) == rows[0][:2]
    assert world.now >= added.updated_at
    assert _read(url, 'SELECT count(*) FROM asset_exif WHERE "assetId" = %s', added.id) == [(1,)]


def test_a_deleted_asset_is_audited_but_not_what_cascades(filled: tuple[str, World]) -> None:
    url, world = filled
    edited = _named(world, "edited.jpg")
    album = next(album for album in world.albums.values() if album.name == "Family")
    album.asset_ids.append(edited.id)
    write_changes(url, world)
    world.delete_for_good(edited)
    write_changes(url, world)
    assert _read(url, 'SELECT "assetId"::text, "ownerId"::text FROM asset_audit') == [(edited.id, edited.owner_id)]
    assert _read(url, "SELECT FROM asset_edit_audit") == []
    assert _read(url, "SELECT FROM asset_face_audit") == []
    members = _read(url, 'SELECT "albumId"::text, "assetId"::text FROM album_asset_audit')
    assert members == [(album.id, edited.id)]


def test_a_moved_upload_is_a_new_row_with_the_old_checksum(filled: tuple[str, World]) -> None:
    url, world = filled
    old = _named(world, "favourite.jpg")
    alice = world.users[old.owner_id]
    world.delete_for_good(old)
    new = world.add_asset(alice, "/data/library/alice/2025/favourite.jpg", checksum=old.checksum)
    write_changes(url, world)
    rows = _read(url, "SELECT id::text FROM asset WHERE checksum = %s", old.checksum)
    assert rows == [(new.id,)]


def test_the_primary_asset_of_a_stack_cannot_be_deleted(filled: tuple[str, World]) -> None:
    url, world = filled
    stack = next(iter(world.stacks.values()))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        _run(url, "DELETE FROM asset WHERE id = %s", stack.primary_asset_id)


def test_a_stack_that_loses_its_primary_asset_gets_another(filled: tuple[str, World]) -> None:
    url, world = filled
    stack = next(iter(world.stacks.values()))
    gone = world.assets[stack.primary_asset_id]
    world.delete_for_good(gone)
    stack.primary_asset_id = next(asset.id for asset in world.assets.values() if asset.stack_id == stack.id)
    write_changes(url, world)
    assert _read(url, 'SELECT "primaryAssetId"::text FROM stack') == [(stack.primary_asset_id,)]
    assert _read(url, "SELECT id FROM asset WHERE id = %s", gone.id) == []


def test_a_stack_that_is_dissolved_is_audited_and_its_assets_stamped(filled: tuple[str, World]) -> None:
    url, world = filled
    before = _stamps(url)
    stack = world.stacks.pop(next(iter(world.stacks)))
    members = [asset for asset in world.assets.values() if asset.stack_id == stack.id]
    for asset in members:
        asset.stack_id = None
    write_changes(url, world)
    assert _read(url, 'SELECT "stackId"::text, "userId"::text FROM stack_audit') == [(stack.id, stack.owner_id)]
    assert _written_since(url, before) == {asset.id for asset in members}


def test_new_assets_in_a_new_stack(filled: tuple[str, World]) -> None:
    url, world = filled
    alice = next(iter(world.users.values()))
    added = [world.add_asset(alice, f"/data/library/alice/2026/new_{number}.jpg") for number in range(2)]
    stack = world.add_stack([*added, _named(world, "IMG_0005.jpg")])
    write_changes(url, world)
    assert _read(url, 'SELECT count(*) FROM asset WHERE "stackId" = %s', stack.id) == [(3,)]


def test_the_edited_flag_follows_the_edits(filled: tuple[str, World]) -> None:
    url, world = filled
    asset = _named(world, "favourite.jpg")
    asset.is_edited = True
    write_changes(url, world)
    query = 'SELECT "isEdited" FROM asset WHERE id = %s'
    assert _read(url, query, asset.id) == [(True,)]
    paths = _read(url, 'SELECT path FROM asset_file WHERE "assetId" = %s AND "isEdited" ORDER BY path', asset.id)
    folder = f"/data/thumbs/{asset.owner_id}/{asset.id[:2]}/{asset.id[2:4]}/{asset.id}"
    assert paths == [(f"{folder}_preview_edited.jpeg",), (f"{folder}_thumbnail_edited.webp",)]
    asset.is_edited = False
    write_changes(url, world)
    assert _read(url, query, asset.id) == [(False,)]
    assert _read(url, 'SELECT "assetId"::text FROM asset_edit_audit') == [(asset.id,)]


def test_someone_taken_off_an_album(filled: tuple[str, World]) -> None:
    url, world = filled
    family = next(album for album in world.albums.values() if album.name == "Family")
    gone = family.shared_with.pop()
    write_changes(url, world)
    expected = [(family.id, gone)]
    assert _read(url, 'SELECT "albumId"::text, "userId"::text FROM album_audit') == expected
    assert _read(url, 'SELECT "albumId"::text, "userId"::text FROM album_user_audit') == expected


def test_a_deleted_album_is_gone_for_everyone_who_had_it(filled: tuple[str, World]) -> None:
    url, world = filled
    family = next(album for album in world.albums.values() if album.name == "Family")
    del world.albums[family.id]
    write_changes(url, world)
    told = _read(url, 'SELECT "albumId"::text, "userId"::text FROM album_audit')
    assert sorted(told) == sorted((family.id, user_id) for user_id in (family.owner_id, *family.shared_with))
    roles = _read(url, 'SELECT "userId"::text FROM album_user_audit')  # a foreign key's cascade is told like a DELETE
    assert {user_id for (user_id,) in roles} >= set(family.shared_with)
    assert _read(url, "SELECT FROM album_asset_audit") == []  # with the album, its members' audit goes too


@pytest.mark.parametrize(("version", "left"), [("3.1.0", 1), ("3.2", 0)])
def test_an_album_without_its_owner(version: str, left: int, make_immich_database: Make) -> None:
    url, world = _filled(make_immich_database, version)
    family = next(album for album in world.albums.values() if album.name == "Family")
    _run(url, 'DELETE FROM album_user WHERE "albumId" = %s AND role = %s', family.id, "owner")
    assert _read(url, "SELECT count(*) FROM album WHERE id = %s", family.id) == [(left,)]


def test_an_album_has_one_owner(make_immich_database: Make) -> None:
    url, world = _filled(make_immich_database, "3.1.0")
    family = next(album for album in world.albums.values() if album.name == "Family")
    with pytest.raises(psycopg.errors.UniqueViolation, match="album_user_unique_owner"):
        _run(url, """UPDATE album_user SET role = 'owner' WHERE "albumId" = %s""", family.id)


def test_the_same_bytes_cannot_be_uploaded_twice_but_may_be_in_a_library(filled: tuple[str, World]) -> None:
    url, world = filled
    upload, external = _named(world, "IMG_0000.jpg"), _named(world, "DSC_0000.NEF")
    _run(url, "UPDATE asset SET checksum = %s WHERE id = %s", upload.checksum, external.id)
    twin = _named(world, "IMG_0001.jpg")
    with pytest.raises(psycopg.errors.UniqueViolation, match="UQ_assets_owner_checksum"):
        _run(url, "UPDATE asset SET checksum = %s WHERE id = %s", upload.checksum, twin.id)
    other = _named(world, "DSC_0001.NEF")
    with pytest.raises(psycopg.errors.UniqueViolation, match="asset_ownerId_libraryId_checksum_idx"):
        _run(url, "UPDATE asset SET checksum = %s WHERE id = %s", upload.checksum, other.id)


def test_a_person_that_goes_with_its_group_is_audited_in_3_2(make_immich_database: Make) -> None:
    url, world = _filled(make_immich_database, "3.2")
    owner = next(asset.owner_id for asset in world.assets.values() if has_face(asset))
    _run(url, "DELETE FROM person_group WHERE id = %s", person_of(owner))
    expected = [(person_of(owner),)]
    assert _read(url, 'SELECT "personGroupId"::text FROM person_group_audit') == expected
    assert _read(url, 'SELECT "personGroupId"::text FROM person_audit') == expected
    assert _read(url, 'SELECT FROM asset_face WHERE "personGroupId" = %s', person_of(owner)) == []


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0"])
def test_a_person_that_goes_with_its_owner_is_not_audited_before(version: str, make_immich_database: Make) -> None:
    url, world = _filled(make_immich_database, version)
    owner = next(asset.owner_id for asset in world.assets.values() if has_face(asset))
    _run(url, 'DELETE FROM "user" WHERE id = %s', owner)
    assert _read(url, 'SELECT "userId"::text FROM user_audit') == [(owner,)]
    assert _read(url, "SELECT FROM person_audit") == []
    assert _read(url, "SELECT FROM asset_audit") == []


def test_a_user_and_a_library_that_go_have_their_assets_audited(filled: tuple[str, World]) -> None:
    url, world = filled
    bob = next(user for user in world.users.values() if user.name == "Bob")
    library = next(iter(world.libraries.values()))
    gone = {one.id for one in world.assets.values() if bob.id == one.owner_id or one.library_id == library.id}
    for asset_id in gone:
        world.delete_for_good(world.assets[asset_id])
    world.libraries.clear()
    world.partners.clear()
    world.albums = {key: album for key, album in world.albums.items() if album.owner_id != bob.id}
    for album in world.albums.values():
        album.shared_with = []
    del world.users[bob.id]
    world.keys = {secret: key for secret, key in world.keys.items() if key.user_id != bob.id}
    write_changes(url, world)
    assert {asset_id for (asset_id,) in _read(url, 'SELECT "assetId"::text FROM asset_audit')} == gone
    assert _read(url, 'SELECT "userId"::text FROM user_audit') == [(bob.id,)]


def test_update_ids_follow_the_clock(make_immich_database: Make) -> None:
    url = make_immich_database("3.1.0")
    rows = _read(
        url,
        "SELECT immich_uuid_v7(timestamptz '2026-01-01Z' + n * interval '1 millisecond') FROM generate_series(1, 500) AS n",
    )
    ids = [update_id for (update_id,) in rows]
    assert ids == sorted(ids)
    assert all(one.version == 7 for one in ids)
    assert ids[0].int >> 80 == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000) + 1
