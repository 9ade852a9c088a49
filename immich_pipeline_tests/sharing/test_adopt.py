"""Who shared with immich-shared-library before goes on with its copies: nothing is copied twice, nothing of the sidecar's is touched."""

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.adopt import Adopted, adopt_copies, as_text
from immich_pipeline.sharing.role import role_sql
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.runs import cycle, media_of, outlook, session, undone

# The sidecar's own statements differ; these are the tables that they leave, version by version.
_MAP = """CREATE TABLE _face_sync_asset_map (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), source_asset_id uuid NOT NULL, target_asset_id uuid NOT NULL UNIQUE,
  source_user_id uuid NOT NULL, target_user_id uuid NOT NULL, synced_at timestamptz NOT NULL DEFAULT now(), UNIQUE ({unique}))"""
_PEOPLE = """CREATE TABLE _face_sync_person_map (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), source_person_id uuid NOT NULL, target_person_id uuid NOT NULL,
  source_user_id uuid NOT NULL, target_user_id uuid NOT NULL, UNIQUE (source_person_id, target_user_id))"""
_SKIPPED = """CREATE TABLE _face_sync_skipped (
  source_asset_id uuid NOT NULL, {target} reason text NOT NULL, skipped_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY ({key}))"""
_META = "CREATE TABLE _face_sync_meta (key text PRIMARY KEY, value text NOT NULL)"


def sidecar_tables(house: House, version: int) -> None:
    first = version == 1
    house.db.execute(_MAP.format(unique="source_asset_id" if first else "source_asset_id, target_user_id"))
    house.db.execute(
        _SKIPPED.format(
            target="" if first else "target_user_id uuid NOT NULL,",
            key="source_asset_id" if first else "source_asset_id, target_user_id",
        )
    )
    if version < 3:
        house.db.execute(_PEOPLE)
    if not first:
        house.db.execute(_META)
        house.insert("_face_sync_meta", key="schema_version", value=str(version))


def as_the_sidecar_left_it(house: House, version: int) -> dict[str, str]:
    """The copies of a first cycle, known to the sidecar's tables alone; ids of sources to those of copies."""
    sidecar_tables(house, version)
    house.db.execute(
        "INSERT INTO _face_sync_asset_map (source_asset_id, target_asset_id, source_user_id, target_user_id) "
        "SELECT source_id, target_id, source_owner, target_owner FROM immich_pipeline_sharing.copy"
    )
    if version < 3:
        house.db.execute(
            "INSERT INTO _face_sync_person_map (source_person_id, target_person_id, source_user_id, target_user_id) "
            "SELECT source_id, target_id, %s, target_owner FROM immich_pipeline_sharing.person",
            [house.alice],
        )
    copies = dict(house.rows("SELECT source_id::text, target_id::text FROM immich_pipeline_sharing.copy"))
    house.db.execute("DROP SCHEMA immich_pipeline_sharing CASCADE")
    house.db.execute(role_sql())
    return copies


def adopted(house: House, *, dry_run: bool = False, **changes: str) -> Adopted:
    with session(house) as connection:
        return adopt_copies(connection, house.job(**changes), media_of(house), dry_run=dry_run)


@pytest.mark.parametrize(
    ("house", "version"), [("2.7.5", 1), ("2.7.5", 2), ("3.1.0", 2), ("3.2", 3), ("3.2", 4)], indirect=["house"]
)
def test_b47_the_sidecars_copies_are_taken_over_and_the_next_cycle_writes_nothing(house: House, version: int) -> None:
    album = house.add_album(house.bob, "From Alice")
    ben = house.add_person("Ben")
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    faces = [house.add_face(photo, ben) for photo in photos]
    cycle(house, house.job(album=album))
    copies = as_the_sidecar_left_it(house, version)
    if version == 3:  # copied faces had twins of the embeddings then
        house.db.execute(
            'UPDATE asset_face SET "sourceType" = \'machine-learning\' WHERE "assetId" = ANY(%s::uuid[])',
            [[*copies.values()]],
        )
        house.db.execute(
            'INSERT INTO face_search SELECT own.id, search.embedding FROM face_search AS search '
            'CROSS JOIN asset_face AS own WHERE search."faceId" = %s AND own."assetId" = ANY(%s::uuid[])', [faces[0], [*copies.values()]],
        )  # fmt: skip
    owned = house.add_photo(f"{EXTERNAL}/owned.jpg")
    theirs = house.add_photo("/external/bob/own.jpg", owner=house.bob)
    for asset in (owned, theirs):
        house.update("asset", {"id": asset}, checksum=b"the same content....", checksumAlgorithm="sha1")
    if version > 1:
        house.insert("_face_sync_skipped", source_asset_id=owned, target_user_id=house.bob, reason="duplicate_checksum")
        house.insert(
            "_face_sync_skipped", source_asset_id=photos[0], target_user_id=house.carol, reason="duplicate_filename"
        )
    before = dump(house)

    dry = adopted(house, dry_run=True, album=album)
    assert dump(house) == before
    assert house.rows("SELECT FROM pg_tables WHERE schemaname = 'immich_pipeline_sharing'") == []
    done = adopted(house, album=album)
    assert done == dry
    assert (done.version, done.copies, done.album, done.left) == (version, 3, 3, 0)
    assert done.people == (1 if version < 3 else 0)
    assert done.skips == (1 if version > 1 else 0)
    assert done.faces == (3 if version == 3 else 0)
    assert "3 copies" in as_text([done])
    if version == 3:
        assert house.value('SELECT count(*) FROM face_search JOIN asset_face f ON f.id = "faceId" JOIN asset a ON a.id = f."assetId" '
                           'WHERE a."ownerId" = %s', house.bob) == 0  # fmt: skip
    else:
        assert dump(house) == before, "the sidecar's tables are there, and nothing of Immich's was changed"
    seen = outlook(house, house.job(album=album))
    assert not seen.planned["copy"].subjects
    assert seen.skips == {"owned_content": 1}
    cycle(house, house.job(album=album))
    assert cycle(house, house.job(album=album)).written == 0
    assert (
        house.value(
            'SELECT count(*) FROM asset_face f JOIN asset a ON a.id = f."assetId" WHERE a."ownerId" = %s', house.bob
        )
        == 3
    )
    assert adopted(house, album=album).copies == 0, "once is enough"


def test_what_does_not_fit_the_job_is_left(house: House) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    cycle(house)
    copies = as_the_sidecar_left_it(house, 2)
    house.update("asset", {"id": copies[photos[0]]}, originalPath="/external/bob/elsewhere/0.jpg")
    house.remove("asset", id=copies[photos[1]])
    house.insert(
        "_face_sync_asset_map",
        source_asset_id=copies[photos[2]],
        target_asset_id=photos[0],
        source_user_id=house.bob,
        target_user_id=house.alice,
    )
    done = adopted(house)
    assert (done.copies, done.left) == (1, 2)
    assert "2 mappings of these users are of another library" in as_text([done])
    assert house.rows("SELECT target_id::text FROM immich_pipeline_sharing.copy") == [(copies[photos[2]],)]


def test_taking_over_can_be_taken_back(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    cycle(house)
    as_the_sidecar_left_it(house, 2)
    before = dump(house)
    adopted(house)
    undone(house, 1)
    assert dump(house) == before
    assert house.rows("SELECT FROM immich_pipeline_sharing.copy") == []


def test_without_the_sidecar_there_is_nothing_to_take_over(house: House) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    with pytest.raises(UserError, match="no tables of immich-shared-library"):
        adopted(house)
