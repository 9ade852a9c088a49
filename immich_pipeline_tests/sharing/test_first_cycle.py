"""A library with every kind of row, shared once: everything is there, exactly; the second cycle writes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest

from immich_pipeline.sharing.cycle import CycleReport
from immich_pipeline.sharing.model import Job, SharePolicy
from immich_pipeline_tests.databases import drop_database
from immich_pipeline_tests.immich_db.create import create_immich_database
from immich_pipeline_tests.immich_db.definition import SCHEMAS
from immich_pipeline_tests.sharing.dumps import Dump, dump, row_places
from immich_pipeline_tests.sharing.full_library import ODD_NAMES, FullLibrary, fill
from immich_pipeline_tests.sharing.house import TARGET, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle


@dataclass
class Shared:
    """A house after two cycles; tests only read."""

    house: House
    library: FullLibrary
    job: Job
    before: Dump
    first: CycleReport
    after: Dump
    places: dict[str, list[str]]
    second: CycleReport

    @cached_property
    def assets(self) -> dict[str, str]:
        """Copies by the names of their sources."""
        return {name: target_of(self.house, self.library.assets[name]) for name in self.library.shared}

    def source(self, name: str) -> str:
        return self.library.assets[name]


@pytest.fixture(scope="module", params=SCHEMAS)
def shared(
    request: pytest.FixtureRequest, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    version = str(request.param)
    name = f"immich_first_cycle_{version.replace('.', '_')}"
    house = House(create_immich_database(server_url, name, version), version, tmp_path_factory.mktemp("media"))
    library = fill(house)
    job = house.job(album=library.albums["of bob"], policy=SharePolicy(tags="copy"))
    before = dump(house)
    first = cycle(house, job)
    after, places = dump(house), row_places(house)
    yield Shared(house, library, job, before, first, after, places, cycle(house, job))
    house.close()
    drop_database(server_url, name)


def test_the_first_cycle_copies_everything_that_is_shared_and_nothing_else(shared: Shared) -> None:
    assert shared.first.failures == ()
    assert copied(shared.house) == shared.library.shared_ids
    assert shared.first.copied == len(shared.library.shared)
    assert shared.first.removed == 0
    assert broken(shared.house, shared.job) == []


def test_nothing_that_was_there_is_changed(shared: Shared) -> None:
    """Rows only come in, bob's album apart, whose time of change moves; files only get second names."""
    assert shared.before.tables.keys() == shared.after.tables.keys(), "no table of ours is among Immich's"
    for table, rows in shared.before.tables.items():
        gone = set(rows) - set(shared.after.tables[table])
        assert len(gone) <= (1 if table == "album" else 0), (table, gone)
    for path, (inode, _, size, content) in shared.before.files.items():
        now = shared.after.files[path]
        assert (now[0], now[2], now[3]) == (inode, size, content), path


def test_b08_the_second_cycle_writes_nothing(shared: Shared) -> None:
    assert shared.second.written == 0
    assert shared.second.copied == shared.second.removed == 0
    assert shared.second.failures == ()
    now = row_places(shared.house)
    assert {name for name in now if now[name] != shared.places.get(name)} == set()
    assert dump(shared.house) == shared.after


def test_b08_the_report_counts_the_rows_that_came(shared: Shared) -> None:
    counts: dict[str, int] = {}
    for operation in shared.first.counts.values():
        for table, number in operation.items():
            counts[table] = counts.get(table, 0) + number
    came = {
        table: len(shared.after.tables[table]) - len(rows)
        for table, rows in shared.before.tables.items()
        if len(shared.after.tables[table]) != len(rows)
    }
    assert {table: counts.get(table, 0) for table in came if counts.get(table, 0) < came[table]} == {}
    assert counts["files"] == len(shared.after.files) - len(shared.before.files)


def test_b07_paths_of_any_name_are_remapped_exactly(shared: Shared) -> None:
    for name in ODD_NAMES:
        row = shared.house.row("asset", id=shared.assets[name])
        assert row["originalPath"] == f"{TARGET}/50% off_/{name}"
        assert row["originalFileName"] == name


def test_b09_the_assets_row_is_the_sources_with_the_few_columns_that_are_the_copys_own(shared: Shared) -> None:
    """`broken` compares all others."""
    copy = shared.house.row("asset", id=shared.assets["favourite"])
    assert copy["isFavorite"] is False
    assert copy["isExternal"] is True
    assert copy["checksumAlgorithm"] == "sha1-path"
    assert str(copy["libraryId"]) == shared.house.target_library
    assert str(copy["ownerId"]) == shared.house.bob
    assert shared.house.row("asset", id=shared.assets["duplicate"])["duplicateId"] is None
    visibility = {
        name: shared.house.row("asset", id=shared.assets[name])["visibility"]
        for name in ("plain", "archived", "live video")
    }
    assert visibility == {"plain": "timeline", "archived": "archive", "live video": "hidden"}


def test_b10_live_and_motion_photos_have_their_own_hidden_video(shared: Shared) -> None:
    for still, video in (("live", "live video"), ("motion", "motion video")):
        row = shared.house.row("asset", id=shared.assets[still])
        assert str(row["livePhotoVideoId"]) == shared.assets[video]
        assert shared.house.row("asset", id=shared.assets[video])["visibility"] == "hidden"


def test_b11_a_stack_that_is_shared_as_a_whole_is_a_stack_of_the_copies(shared: Shared) -> None:
    members = [shared.house.row("asset", id=shared.assets[f"whole {number}"]) for number in range(3)]
    (stack,) = {str(member["stackId"]) for member in members}
    assert stack != shared.library.stacks["whole"]
    row = shared.house.row("stack", id=stack)
    assert (str(row["primaryAssetId"]), str(row["ownerId"])) == (shared.assets["whole 0"], shared.house.bob)


def test_b11_of_a_stack_that_is_shared_in_part_the_copies_are_single(shared: Shared) -> None:
    assert shared.house.row("asset", id=shared.assets["part shared"])["stackId"] is None


def test_b12_every_column_of_exif_is_copied(shared: Shared) -> None:
    source = shared.house.row("asset_exif", assetId=shared.source("plain"))
    copy = shared.house.row("asset_exif", assetId=shared.assets["plain"])
    own = {"assetId", "updatedAt", "updateId", "tags", "lockedProperties"}
    assert {name: value for name, value in copy.items() if name not in own} == {
        name: value for name, value in source.items() if name not in own
    }
    assert set(copy["lockedProperties"]) == {"description", "rating", "tags"}


def test_b13_every_picture_is_a_second_name_of_the_sources_file(shared: Shared) -> None:
    """At the place where Immich itself would put it."""
    for name in ("edited", "video", "raw"):
        for kind, edited, path in shared.house.rows(
            """SELECT type, "isEdited", path FROM asset_file WHERE "assetId" = %s AND type <> 'sidecar'""", shared.assets[name]
        ):  # fmt: skip
            assert path == shared.house.picture_path(shared.assets[name], kind, edited=edited)
            twin = shared.house.picture_path(shared.source(name), kind, edited=edited)
            assert shared.house.here(path).samefile(shared.house.here(twin))
            assert shared.house.here(path).stat().st_nlink == 2


def test_b15_a_sidecars_path_is_remapped_and_the_file_left_alone(shared: Shared) -> None:
    row = shared.house.row("asset_file", assetId=shared.assets["raw"], type="sidecar")
    assert row["path"] == f"{TARGET}/2024/DSC_0001.NEF.xmp"


def test_b17_edits_are_rows_and_the_flag_follows_from_them(shared: Shared) -> None:
    edits = shared.house.rows(
        'SELECT sequence, action FROM asset_edit WHERE "assetId" = %s ORDER BY 1', shared.assets["edited"]
    )  # fmt: skip
    assert edits == [(0, "crop"), (1, "rotate"), (2, "mirror")]
    assert shared.house.row("asset", id=shared.assets["edited"])["isEdited"] is True
    assert shared.house.value('SELECT count(*) FROM asset WHERE "isEdited" AND "ownerId" = %s', shared.house.bob) == 1


def test_b17_text_can_be_searched(shared: Shared) -> None:
    assert "Soupe" in shared.house.row("ocr_search", assetId=shared.assets["text"])["text"]
    assert shared.house.value('SELECT count(*) FROM asset_ocr WHERE "assetId" = %s', shared.assets["text"]) == 3


def test_b18_immich_has_nothing_to_do_for_a_copy(shared: Shared) -> None:
    """By the conditions under which its queues take an asset; hidden videos are not asked for faces and the like."""
    waiting = shared.house.rows(
        """SELECT "originalPath" FROM asset LEFT JOIN asset_job_status AS job ON "assetId" = asset.id
           WHERE "ownerId" = %s AND "libraryId" IS NOT NULL AND (
             "metadataExtractedAt" IS NULL OR "facesRecognizedAt" IS NULL OR "duplicatesDetectedAt" IS NULL OR "ocrAt" IS NULL
             OR thumbhash IS NULL
             OR visibility <> 'hidden' AND NOT EXISTS (SELECT FROM smart_search WHERE smart_search."assetId" = asset.id)
             OR 2 > (SELECT count(*) FROM asset_file AS file
                     WHERE file."assetId" = asset.id AND type IN ('preview', 'thumbnail') AND NOT file."isEdited"))""",
        shared.house.bob,
    )
    assert waiting == []


def test_b19_b22_faces_and_people_come_along_and_nobody_else(shared: Shared) -> None:
    """Who is on no shared asset stays unknown to bob."""
    known = {name for (name,) in shared.house.rows('SELECT name FROM person WHERE "ownerId" = %s', shared.house.bob)}
    assert known == {"Ann", "", "Stranger", "No picture", "Ann of Bob"}
    assert shared.house.value('SELECT count(*) FROM person WHERE "ownerId" = %s', shared.house.bob) == 5


def test_b19_faces_keep_their_embedding_until_3_1_and_are_manual_without_one_from_3_2_on(shared: Shared) -> None:
    searches, sources = shared.house.rows(
        """SELECT count("faceId"), array_agg(DISTINCT "sourceType"::text) FROM asset_face
           JOIN asset ON asset.id = "assetId" LEFT JOIN face_search ON "faceId" = asset_face.id
           WHERE "ownerId" = %s AND "libraryId" IS NOT NULL""",
        shared.house.bob,
    )[0]
    if shared.house.groups:
        assert (searches, sources) == (0, ["manual"])
    else:
        assert searches == shared.house.value(
            'SELECT count(*) FROM face_search JOIN asset_face ON id = "faceId" WHERE "assetId" = ANY(%s::uuid[])'
            ' AND "deletedAt" IS NULL',
            [shared.source(name) for name in shared.library.shared],
        )


def test_b24_people_look_as_the_source_sees_them(shared: Shared) -> None:
    """Hidden stays hidden, a portrait is a second name of the source's."""
    rows = {
        name: (hidden, path)
        for name, hidden, path in shared.house.rows(
            """SELECT name, "isHidden", "thumbnailPath" FROM person WHERE "ownerId" = %s""", shared.house.bob
        )
    }
    assert rows["Stranger"][0] is True
    assert rows["Ann"][0] is False
    portrait = shared.house.here(rows["Ann"][1])
    assert portrait.read_bytes().startswith(b"face of Ann")
    assert f"/{shared.house.bob}/" in rows["Ann"][1]


def test_b28_copies_are_in_the_jobs_album_but_hidden_videos(shared: Shared) -> None:
    inside = {
        asset for (asset,) in shared.house.rows(
            'SELECT "assetId"::text FROM album_asset WHERE "albumId" = %s', shared.library.albums["of bob"]
        )
    }  # fmt: skip
    assert inside == {asset for name, asset in shared.assets.items() if name not in ("live video", "motion video")}


def test_tags_are_made_with_all_above_them_and_hold_at_the_next_extraction(shared: Shared) -> None:
    """Immich replaces an asset's tags by those of its EXIF, unless these are locked."""
    values = {
        value for (value,) in shared.house.rows(
            'SELECT value FROM tag JOIN tag_asset ON "tagId" = tag.id WHERE "assetId" = %s', shared.assets["plain"]
        )
    }  # fmt: skip
    assert values == {"Family/Children/Zoë"}
    own = {value for (value,) in shared.house.rows('SELECT value FROM tag WHERE "userId" = %s', shared.house.bob)}
    assert own == {"Family", "Family/Children", "Family/Children/Zoë"}
    above = shared.house.value(
        """SELECT count(*) FROM tag_closure JOIN tag ON tag.id = id_descendant WHERE "userId" = %s AND value = 'Family/Children/Zoë'""",
        shared.house.bob,
    )
    assert above == 3
    exif = shared.house.row("asset_exif", assetId=shared.assets["plain"])
    assert "Family/Children/Zoë" in exif["tags"]
    assert "tags" in exif["lockedProperties"]


def test_b31_what_bob_has_by_name_time_and_camera_is_left_out_with_the_reason(shared: Shared) -> None:
    """And what only seems to lie below the prefix."""
    skips = shared.house.rows("SELECT source_id::text, reason, blocking_asset::text FROM immich_pipeline_sharing.skip")
    assert set(skips) == {
        (shared.source("owned"), "owned_name", shared.source("of bob")),
        (shared.source("climbing"), "outside", None),
    }
