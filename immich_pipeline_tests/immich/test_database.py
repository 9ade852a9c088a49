"""Immich's database read for real, in the schemas of three versions: what is read, and which values."""

from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.schema import ALBUM_SCHEMA, EXTRA_SCHEMA, OWNER_SCHEMA, RECORD_SCHEMA
from immich_pipeline.immich.versions import ServerVersion
from immich_pipeline_tests.immich.expected import expected_albums, expected_records
from immich_pipeline_tests.immich.libraries import VERSIONS, Library, library_of, many_assets, read
from immich_pipeline_tests.immich_db.rows import embedding_of, has_face, person_of


def test_records_are_what_the_world_is(library: Library) -> None:
    records = read(library.reader, library.owners)
    assert_frame_equal(records, expected_records(library.world, library.owners))
    assert dict(records.schema) == RECORD_SCHEMA
    assert not records["original_path"].str.contains("locked").any()


def test_records_come_in_frames_of_at_most_so_many_rows(library: Library) -> None:
    frames = list(library.reader.records(library.owners, rows=5))
    assert [frame.height for frame in frames] == [5, 5, 5, 5, 2]


def test_records_of_some_owners(library: Library) -> None:
    bob = library.owner("Bob")
    assert_frame_equal(read(library.reader, [bob]), expected_records(library.world, [bob]))
    assert list(library.reader.records([])) == []


def test_the_database_is_recognised_by_its_tables(library: Library) -> None:
    check = library.reader.check()
    assert check.require().name == VERSIONS[library.world.version]
    assert check.missing == check.unknown == ()
    assert library.reader.server_version() == ServerVersion.parse(library.world.version)


def test_counts(library: Library) -> None:
    expected = expected_records(library.world, library.owners)
    alice, bob = library.owner("Alice"), library.owner("Bob")
    nobody = "00000000-0000-4000-8000-000000000000"
    counted = library.reader.count([alice.upper(), bob, nobody])
    assert counted == {
        alice.upper(): expected.filter(pl.col("owner_id") == alice).height,
        bob: expected.filter(pl.col("owner_id") == bob).height,
        nobody: 0,
    }
    assert library.reader.locked_count([alice]) == 1
    assert library.reader.locked_count([bob]) == 0


def test_owners_and_libraries(library: Library) -> None:
    owners = library.reader.owners()
    assert dict(owners.schema) == OWNER_SCHEMA
    users = library.world.users.values()
    assert set(owners.iter_rows()) == {(user.id, user.email, user.name, user.is_admin) for user in users}
    (nas,) = library.world.libraries.values()
    assert library.reader.libraries().rows() == [(nas.id, nas.owner_id, "NAS", ["/external/alice"])]


def test_the_clock(library: Library) -> None:
    assert abs(library.reader.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_albums_are_those_that_the_owner_sees(library: Library) -> None:
    albums = library.reader.albums(library.owners)
    assert dict(albums.schema) == ALBUM_SCHEMA
    assert_frame_equal(albums.sort("asset_id", "album_id"), expected_albums(library.world, library.owners))
    assert set(library.reader.albums([library.owner("Bob")])["album_name"]) == {"Bob's"}


def test_an_asset_in_somebody_elses_album_counts_once_it_is_shared(changing: Library) -> None:
    world = changing.world
    theirs = changing.asset("PXL_0003.jpg")
    holiday = next(album for album in world.albums.values() if album.name == "Holiday")
    holiday.asset_ids.append(theirs.id)
    changing.write()
    assert theirs.id not in set(changing.reader.albums(changing.owners)["asset_id"])
    holiday.shared_with.append(theirs.owner_id)
    changing.write()
    assert_frame_equal(
        changing.reader.albums(changing.owners).sort("asset_id", "album_id"), expected_albums(world, changing.owners)
    )
    assert theirs.id in set(changing.reader.albums(changing.owners)["asset_id"])
    changing.run('UPDATE album SET "deletedAt" = now()')
    assert changing.reader.albums(changing.owners).is_empty()


def test_extras(library: Library) -> None:
    extras = library.reader.extras(library.owners)
    assert dict(extras.schema) == EXTRA_SCHEMA
    assert extras.rows() == [(library.asset("\U0001f4f7.jpg").id, "burst-1", "CID-1")]


def test_embeddings_on_demand(library: Library) -> None:
    described, locked = library.asset("\U0001f4f7.jpg"), library.asset("locked.jpg")
    found = library.reader.embeddings([described.id, locked.id, library.asset("long.mp4").id])
    assert found["asset_id"].to_list() == [described.id]
    assert found.schema["embedding"] == pl.List(pl.Float32)
    assert found["embedding"][0].to_numpy() == pytest.approx(embedding_of(described), abs=1e-6)
    assert library.reader.embeddings([]).is_empty()


def test_faces_on_demand(library: Library) -> None:
    found = library.reader.faces(list(library.world.assets))
    with_face = {a.id: a for a in library.world.assets.values() if has_face(a) and a.visibility != "locked"}
    assert set(found["asset_id"]) == set(with_face)
    assert with_face
    for face in found.iter_rows(named=True):
        owner = with_face[face["asset_id"]].owner_id
        assert face["person_id"] == person_of(owner)
        assert face["person_name"] == f"Someone of {library.world.users[owner].name}"
        assert [face[name] for name in ("x1", "y1", "x2", "y2")] == pytest.approx(
            [1 / 8, 1 / 8, 1 / 4, 1 / 4], abs=1e-3
        )
        assert face["source"] == "machine-learning"
    assert library.reader.faces([]).columns == found.columns


def test_faces_of_nobody_and_of_pictures_without_a_size(changing: Library) -> None:
    person = "personGroupId" if changing.world.version == "3.2.2" else "personId"
    changing.run(f'UPDATE asset_face SET "{person}" = NULL, "imageWidth" = 0, "boundingBoxY1" = -5')
    found = changing.reader.faces(list(changing.world.assets))
    assert (
        found["person_id"].null_count() == found["person_name"].null_count() == found["x1"].null_count() == found.height
    )
    assert set(found["y1"]) == {0.0}
    changing.run('UPDATE asset_face SET "isVisible" = false')
    assert changing.reader.faces(list(changing.world.assets)).is_empty()


def test_times_are_cut_to_milliseconds_towards_the_past(newest: Library) -> None:
    asset = newest.asset("favourite.jpg")
    moment = "1969-12-31 23:59:59.9996+00"
    newest.run('UPDATE asset SET "fileCreatedAt" = %s, "localDateTime" = %s WHERE id = %s', moment, moment, asset.id)
    newest.run('UPDATE asset_exif SET "dateTimeOriginal" = %s WHERE "assetId" = %s', moment, asset.id)
    row = read(newest.reader, newest.owners).row(by_predicate=pl.col("asset_id") == asset.id, named=True)
    cut = datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    assert row["file_created_at"] == row["taken_at"] == cut
    assert row["local_date_time"] == cut.replace(tzinfo=None)


def test_places_that_are_no_numbers_are_none(newest: Library) -> None:
    newest.run("UPDATE asset_exif SET latitude = 'NaN', longitude = 'Infinity'")
    records = read(newest.reader, newest.owners)
    assert records["latitude"].null_count() == records["longitude"].null_count() == records.height


def test_durations_as_2_7_writes_them(server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    cases = {
        "00:00:02.966": 2966,
        "0:00:02.966000": 2966,
        "01:02:03": 3_723_000,
        "100:00:00.5": 360_000_500,
        "0:00:00.00000": None,
        "soon": None,
    }
    with library_of(server_url, "2.7.5") as library:
        movie = library.asset("long.mp4")
        for written, expected in cases.items():
            library.run("UPDATE asset SET duration = %s WHERE id = %s", written, movie.id)
            records = read(library.reader, library.owners)
            assert records.filter(asset_id=movie.id)["duration_ms"].to_list() == [expected], written
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'soon'" in warning
    assert movie.id in warning


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("type = 'HOLOGRAM'", "type is not known"),
        ("checksum = '\\x0102'", "checksum is not 20 bytes"),
        ("\"fileCreatedAt\" = 'infinity'", "file_created_at is not within the years"),
    ],
)
def test_an_unexpected_value_is_named_with_its_asset(newest: Library, statement: str, problem: str) -> None:
    asset = newest.asset("favourite.jpg")
    newest.run(f"UPDATE asset SET {statement} WHERE id = %s", asset.id)
    with pytest.raises(ImmichError, match=problem) as error:
        read(newest.reader, newest.owners)
    assert asset.id in str(error.value)


def test_a_library_and_uploads(library: Library) -> None:
    (nas,) = library.world.libraries
    expected = expected_records(library.world, library.owners)
    of_library = set(expected.filter(library_id=nas)["asset_id"])
    uploads = set(expected.filter(pl.col("library_id").is_null())["asset_id"])
    assert len(of_library) == 3
    assert library.ids(library_ids=[nas]) == of_library
    assert library.ids(library_ids=["uploads"]) == uploads
    assert library.ids(library_ids=["uploads", nas]) == of_library | uploads
    assert library.reader.count([library.owner("Alice")], library_ids=[nas]) == {library.owner("Alice"): 3}


def test_albums_as_a_scope(library: Library) -> None:
    holiday, family, _ = library.world.albums.values()
    assert library.ids(album_ids=[holiday.id]) == set(holiday.asset_ids)
    assert library.ids(album_ids=[holiday.id, family.id]) == {*holiday.asset_ids, *family.asset_ids}
    counted = library.reader.count(library.owners, album_ids=[holiday.id])
    assert counted == {library.owner("Alice"): 2, library.owner("Bob"): 0}


def test_a_choice_of_nothing_and_an_id_that_is_none_are_mistakes(library: Library) -> None:
    with pytest.raises(ValueError, match="at least one"):
        library.reader.records(library.owners, library_ids=[])
    with pytest.raises(ValueError, match="at least one"):
        library.reader.records(library.owners, album_ids=[])
    with pytest.raises(ValueError, match="badly formed"):
        library.reader.records(["'); DROP TABLE asset; --"])


def test_assets_marked_as_deleted_are_not_read(changing: Library) -> None:
    changing.world.assets[changing.asset("trashed.jpg").id].status = "deleted"
    changing.write()
    assert_frame_equal(
        read(changing.reader, changing.owners).drop("updated_at"),
        expected_records(changing.world, changing.owners).drop("updated_at"),
    )


def test_many_assets_in_one_pass(server_url: str) -> None:
    """Enough for the driver to hand them over in several batches: every row once, whoever reads may stop early."""
    with many_assets(server_url) as (reader, owners, url):
        heights, ids = [], set()
        for frame in reader.records(owners, rows=7000):
            heights.append(frame.height)
            ids |= set(frame["asset_id"])
        assert max(heights) <= 7000
        assert sum(heights) == len(ids) == sum(reader.count(owners).values()) == 60_000 - reader.locked_count(owners)
        frames = reader.records(owners, rows=10)
        next(frames)
        frames.close()  # type: ignore[attr-defined]
        with psycopg.connect(url) as admin:
            left = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'immich-pipeline' AND state = 'idle in transaction'"
            ).fetchone()
        assert left == (0,)
