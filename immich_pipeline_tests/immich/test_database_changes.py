"""What changed in Immich's database since it was read: nothing is lost, and little is read again."""

import dataclasses

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from immich_pipeline.immich.database import Watermark
from immich_pipeline_tests.immich.expected import expected_records
from immich_pipeline_tests.immich.libraries import Library, read


def test_nothing_changed(library: Library) -> None:
    mark = library.reader.watermark()
    assert not library.reader.changed_since(mark)
    assert library.ids(since=mark) == set()
    assert library.reader.deleted_since(mark, library.owners) == []
    assert library.reader.extras(library.owners, mark).is_empty()
    assert library.ids(since=Watermark()) == library.ids()


def test_a_watermark_survives_as_text(library: Library) -> None:
    mark = library.reader.watermark()
    again = Watermark.from_json(mark.to_json())
    assert again == mark
    assert again.begin == mark.begin
    for broken in (
        '{"asset": "x"}',
        "[]",
        mark.to_json().replace(mark.asset, "yesterday"),
        mark.to_json().replace(f'"{mark.window}"', "1"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with it, the caller starts anew
            Watermark.from_json(broken)


def test_every_kind_of_change_is_seen_and_nothing_else(changing: Library) -> None:
    world, reader = changing.world, changing.reader
    alice = world.users[changing.owner("Alice")]
    mark = reader.watermark()
    new = world.add_asset(alice, "/data/library/alice/2026/new.jpg")
    favourite, trashed, archived = (changing.asset(end) for end in ("favourite.jpg", "trashed.jpg", "archived.jpg"))
    favourite.is_favorite = False
    world.restore(trashed)
    world.trash(archived)
    described = changing.asset("\U0001f4f7.jpg")
    assert described.exif is not None
    described.exif = dataclasses.replace(described.exif, rating=1, auto_stack_id="burst-2")
    moved = changing.asset("DSC_0000.NEF")
    moved.original_path = "/external/alice/2024/DSC_0000.NEF"
    changing.write()
    assert reader.changed_since(mark)
    assert changing.changed(mark) == {asset.id for asset in (new, favourite, trashed, archived, described, moved)}
    assert reader.deleted_since(mark, changing.owners) == []
    assert reader.extras(changing.owners, mark).rows() == [(described.id, "burst-2", "CID-1")]
    expected = expected_records(world, changing.owners).drop("updated_at")
    assert_frame_equal(read(reader, changing.owners).drop("updated_at"), expected)
    delta = read(reader, changing.owners, since=mark).drop("updated_at")
    assert_frame_equal(delta, expected.filter(pl.col("asset_id").is_in(changing.changed(mark))))


def test_exif_alone(changing: Library) -> None:
    mark = changing.reader.watermark()
    asset = changing.asset("favourite.jpg")
    changing.run("UPDATE asset_exif SET description = 'x' WHERE \"assetId\" = %s", asset.id)
    assert changing.reader.changed_since(mark)
    assert changing.changed(mark) == {asset.id}


def test_stacks_made_changed_and_dissolved(changing: Library) -> None:
    world, reader = changing.world, changing.reader
    (stack,) = world.stacks.values()
    members = {asset.id for asset in world.assets.values() if asset.stack_id == stack.id}
    mark = reader.watermark()
    stack.primary_asset_id = next(iter(members - {stack.primary_asset_id}))
    changing.write()
    assert reader.changed_since(mark)
    assert changing.changed(mark) == members
    assert set(read(reader, changing.owners, since=mark)["stack_primary_id"]) == {stack.primary_asset_id}

    mark = reader.watermark()
    live = [changing.asset("live.heic"), changing.asset("edited.jpg")]
    world.add_stack(live)
    changing.write()
    assert reader.changed_since(mark)
    assert changing.changed(mark) >= {asset.id for asset in live}

    mark = reader.watermark()
    del world.stacks[stack.id]
    for asset_id in members:
        world.assets[asset_id].stack_id = None
    changing.write()
    assert reader.changed_since(mark)
    dissolved = read(reader, changing.owners, since=mark).filter(pl.col("asset_id").is_in(members))
    assert dissolved["stack_id"].null_count() == len(members)


def test_equal_timestamps_lose_nothing(newest: Library) -> None:
    """Rows with one stamp that become visible before and after the watermark are all read."""
    first, second = newest.asset("favourite.jpg"), newest.asset("edited.jpg")
    stamp = "SELECT set_config('immich.stamp', immich_uuid_v7()::text, false)"
    with psycopg.connect(newest.url) as one, psycopg.connect(newest.url) as other:
        one.execute("SET session_replication_role = replica")  # so that the stamp can be chosen
        other.execute("SET session_replication_role = replica")
        row = one.execute(stamp).fetchone()
        assert row is not None
        same = 'UPDATE asset SET "updateId" = %s, "updatedAt" = now() WHERE id = %s'
        one.execute(same, [row[0], first.id])
        other.execute(same, [row[0], second.id])
        one.commit()
        mark = newest.reader.watermark()
        assert mark.asset == row[0]
        assert newest.changed(mark) == {first.id}
        other.commit()
    assert newest.reader.changed_since(mark)
    assert newest.changed(mark) == {first.id, second.id}


def test_a_transaction_that_commits_late_is_not_lost(changing: Library) -> None:
    late, early = changing.asset("favourite.jpg"), changing.asset("edited.jpg")
    with psycopg.connect(changing.url) as slow:
        slow.execute('UPDATE asset SET "isFavorite" = false WHERE id = %s', [late.id])
        changing.run('UPDATE asset SET "isFavorite" = true WHERE id = %s', early.id)
        mark = changing.reader.watermark()
        assert changing.changed(mark) == {early.id}
        slow.commit()
    assert changing.reader.watermark().asset == mark.asset  # the newest row is still the early one
    assert changing.reader.changed_since(mark)
    assert changing.changed(mark) == {late.id, early.id}


def test_a_row_stamped_with_a_time_to_come_hides_nothing(newest: Library) -> None:
    ahead = "UPDATE asset SET \"updateId\" = immich_uuid_v7(now() + interval '1 day') WHERE id = %s"
    with psycopg.connect(newest.url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(ahead, [newest.asset("edited.jpg").id])
    mark = newest.reader.watermark()
    assert not newest.reader.changed_since(mark)
    newest.run('UPDATE asset SET "isFavorite" = false WHERE id = %s', newest.asset("favourite.jpg").id)
    assert newest.reader.changed_since(mark)
    assert newest.asset("favourite.jpg").id in newest.changed(mark)


def test_what_is_gone_is_told(changing: Library) -> None:
    world, reader = changing.world, changing.reader
    mark = reader.watermark()
    deleted, locked, marked = (changing.asset(end) for end in ("favourite.jpg", "archived.jpg", "trashed.jpg"))
    theirs = changing.asset("PXL_0003.jpg")
    world.delete_for_good(deleted)
    world.delete_for_good(theirs)
    locked.visibility = "locked"
    marked.status = "deleted"
    changing.write()
    assert reader.changed_since(mark)
    alice, bob = changing.owner("Alice"), changing.owner("Bob")
    assert reader.deleted_since(mark, [alice]) == sorted([deleted.id, locked.id, marked.id])
    assert reader.deleted_since(mark, [bob]) == [theirs.id]
    assert not changing.changed(mark) & {deleted.id, locked.id, marked.id}


def test_what_enters_and_leaves_an_album_is_told_where_albums_are_chosen(changing: Library) -> None:
    world, reader = changing.world, changing.reader
    holiday = next(album for album in world.albums.values() if album.name == "Holiday")
    left, added = holiday.asset_ids[0], changing.asset("favourite.jpg").id
    mark = reader.watermark()
    holiday.asset_ids = [*holiday.asset_ids[1:], added]
    changing.write()
    assert reader.changed_since(mark)
    assert added in changing.ids(since=mark, album_ids=[holiday.id])
    assert left not in changing.ids(since=mark, album_ids=[holiday.id])
    assert left in reader.deleted_since(mark, changing.owners, album_ids=[holiday.id])
    assert changing.changed(mark) == set()
    assert reader.deleted_since(mark, changing.owners) == []


def test_sharing_an_album_is_a_change(changing: Library) -> None:
    mark = changing.reader.watermark()
    holiday = next(album for album in changing.world.albums.values() if album.name == "Holiday")
    holiday.shared_with.append(changing.owner("Bob"))
    changing.write()
    assert changing.reader.changed_since(mark)
