"""Whatever becomes of a shared asset at its source becomes of its copy, and what the target's owner chose stays as it is."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import islice

import psycopg
import pytest

from immich_pipeline.sharing.model import SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.dumps import dump, row_places
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.invariants import broken, copied, target_of
from immich_pipeline_tests.sharing.runs import cycle

LATER = datetime(2024, 8, 1, 8, 0, 0, 7_000, tzinfo=UTC)


class Shared:
    """A photo of Ann and Ben, a live photo and a video, shared."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.photo = house.add_photo(f"{EXTERNAL}/a.jpg")
        self.other = house.add_photo(f"{EXTERNAL}/b.jpg")
        self.still, self.video = house.add_live_photo(f"{EXTERNAL}/live.heic")
        self.film = house.add_video(f"{EXTERNAL}/film.mp4")
        self.ann, self.ben = house.add_person("Ann"), house.add_person("Ben")
        self.face = house.add_face(self.photo, self.ann)
        self.second = house.add_face(self.photo, self.ben, box=(500, 500, 600, 600))
        house.add_face(self.other, self.ann)
        house.add_text(self.photo, "one", "two")
        house.update("asset_job_status", {"assetId": self.other}, ocrAt=None)
        house.add_edit(self.photo)
        cycle(house)
        assert broken(house, house.job()) == []

    @property
    def copy(self) -> str:
        return target_of(self.house, self.photo)


CHANGES: dict[str, Callable[[House, Shared], object]] = {
    "exif": lambda house, it: changes.set_exif(house, it.photo, description="a bridge", rating=4, latitude=48.0, longitude=2.0),
    "exif again": lambda house, it: changes.set_exif(house, it.photo, locked=False, description="another", rating=None, city="Paris"),
    "date": lambda house, it: redate(house, it.photo),
    "size": lambda house, it: changes.set_asset(house, it.photo, width=3000, height=4000),
    "name": lambda house, it: changes.set_asset(house, it.photo, originalFileName="renamed % _.jpg"),
    "moment of the file": lambda house, it: changes.set_asset(house, it.photo, fileModifiedAt=LATER),
    "pictures made anew": lambda house, it: changes.regenerate_pictures(house, it.photo, "2"),
    "a picture more": lambda house, it: house.add_file(it.photo, "fullsize"),
    "a picture less": lambda house, it: changes.drop_file(house, it.photo, "fullsize"),
    "a picture replaced by another file": lambda house, it: replace_file(house, it.photo),
    "edited": lambda house, it: house.add_edit(it.other, ("rotate", {"angle": 90})),
    "edited again": lambda house, it: house.add_edit(it.photo, ("crop", {"x": 1, "y": 1, "width": 10, "height": 10})),
    "edits undone": lambda house, it: changes.undo_edits(house, it.photo),
    "text": lambda house, it: changes.read_text_again(house, it.photo, "three", "four", "five"),
    "text gone": lambda house, it: changes.read_text_again(house, it.photo),
    "first text": lambda house, it: changes.read_text_again(house, it.other, "new"),
    "embedding": lambda house, it: changes.embed_again(house, it.photo),
    "a sidecar appears": lambda house, it: house.add_file(it.photo, "sidecar"),
    "a sidecar is gone": lambda house, it: house.remove("asset_file", assetId=it.photo, type="sidecar"),
    "length": lambda house, it: changes.set_asset(house, it.film, duration="0:00:13.000" if house.version == "2.7.5" else 13_000),
    "encoded again": lambda house, it: house.write(house.picture_path(it.film, "encoded_video"), b"smaller"),
    "codec and no sound": lambda house, it: encode(house, it.film),
    "live photo taken apart": lambda house, it: take_apart(house, it.still, it.video),
    "live photo again": lambda house, it: put_together(house, it.still, it.video),
    "a face more": lambda house, it: house.add_face(it.photo, it.ben, box=(700, 10, 800, 90)),
    "a face of someone new": lambda house, it: house.add_face(it.photo, house.add_person("Cleo"), box=(800, 10, 900, 90)),
    "a face of nobody": lambda house, it: house.add_face(it.photo, None, box=(900, 10, 990, 90)),
    "a face moved to another person": lambda house, it: changes.move_face(house, it.face, it.ben),
    "a face moved to nobody": lambda house, it: changes.move_face(house, it.face, None),
    "a face moved back": lambda house, it: changes.move_face(house, it.face, it.ann),
    "a box changed": lambda house, it: house.update("asset_face", {"id": it.face}, boundingBoxX1=90, boundingBoxY2=350),
    "a face taken away": lambda house, it: changes.delete_face(house, it.second),
    "a face put back": lambda house, it: house.update("asset_face", {"id": it.second}, deletedAt=None),
    "a face made invisible": lambda house, it: house.update("asset_face", {"id": it.second}, isVisible=False),
    "a face deleted": lambda house, it: changes.delete_face(house, it.second, soft=False),
    "people merged": lambda house, it: changes.merge_people(house, it.ann, it.ben),
}  # fmt: skip


def batched(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    rest = iter(names)
    while part := tuple(islice(rest, size)):
        yield part


def redate(house: House, asset: str) -> None:
    changes.set_exif(house, asset, dateTimeOriginal=LATER)
    changes.set_asset(house, asset, fileCreatedAt=LATER, localDateTime=LATER)


def take_apart(house: House, still: str, video: str) -> None:
    changes.set_asset(house, still, livePhotoVideoId=None)
    changes.set_asset(house, video, visibility="timeline")
    house.insert("smart_search", assetId=video, embedding=house.embedding())


def put_together(house: House, still: str, video: str) -> None:
    changes.set_asset(house, video, visibility="hidden")
    changes.set_asset(house, still, livePhotoVideoId=video)


def encode(house: House, video: str) -> None:
    if house.version != "2.7.5":
        house.update("asset_video", {"assetId": video}, codecName="av1")
        house.remove("asset_audio", assetId=video)


def replace_file(house: House, asset: str) -> None:
    """What a tool does that writes beside and renames: the path has another inode."""
    path = house.here(house.picture_path(asset, "thumbnail"))
    path.unlink()
    path.write_bytes(b"another file")
    house.update("asset", {"id": asset}, thumbhash=b"another file")


def carried_over(house: House, *names: str, quiet: bool) -> None:
    """The cycle made the copies what the sources are now; where that is asked, the next one has nothing to do."""
    cycle(house)
    assert broken(house, house.job()) == [], names
    if quiet:
        before = row_places(house)
        assert cycle(house).written == 0, names
        assert row_places(house) == before, names


def test_b17_b25_every_later_change_of_a_source_is_carried_over(house: House) -> None:
    """Each by a cycle of its own."""
    shared = Shared(house)
    for number, (name, change) in enumerate(CHANGES.items()):
        change(house, shared)
        carried_over(house, name, quiet=number % 3 == 0)


@pytest.mark.parametrize("house", ["2.7.5", "3.2"], indirect=True)
def test_b17_b25_changes_are_carried_over_in_other_versions(house: House) -> None:
    """Some at a time."""
    shared = Shared(house)
    for names in batched(CHANGES, 6):
        for name in names:
            CHANGES[name](house, shared)
        carried_over(house, *names, quiet=True)


def test_changes_that_come_all_at_once_are_carried_over_in_one_cycle(house: House) -> None:
    shared = Shared(house)
    for change in CHANGES.values():
        change(house, shared)
    cycle(house)
    assert broken(house, house.job()) == []
    assert cycle(house).written == 0


def test_a_job_that_does_not_follow_leaves_copies_as_they_were_made(house: House) -> None:
    shared = Shared(house)
    job = house.job(policy=SharePolicy(follow=False))
    before = dump(house)
    for what in ("exif", "text", "a face moved to another person", "embedding", "edited"):
        CHANGES[what](house, shared)
    new = house.add_photo(f"{EXTERNAL}/new.jpg")
    report = cycle(house, job)
    assert sum(report.counts.get("follow", {}).values()) == 0
    assert copied(house) >= {new}
    kept = [row for row in before.tables["asset_exif"] if shared.copy in row]
    assert kept == [row for row in dump(house).tables["asset_exif"] if shared.copy in row]


def test_b16_an_embedding_of_any_size_is_copied_bit_by_bit_and_followed(house: House) -> None:
    """With another model Immich empties the table, gives it another size, and embeds everything again."""
    photos = [house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(2)]
    cycle(house)
    house.db.execute("DROP INDEX clip_index")
    for size in (1152, 3):
        house.db.execute("TRUNCATE smart_search")
        house.db.execute(f"ALTER TABLE smart_search ALTER COLUMN embedding TYPE vector({size})")
        cycle(house)
        vectors = [str([place + 1 / (3 + number) for number in range(size)]) for place in range(len(photos))]
        for photo, vector in zip(photos, vectors, strict=True):
            house.insert("smart_search", assetId=photo, embedding=vector)
        cycle(house)
        query = 'SELECT vector_dims(embedding), embedding::text FROM smart_search WHERE "assetId" = %s'
        for photo in photos:
            assert house.rows(query, target_of(house, photo)) == house.rows(query, photo)
            assert house.rows(query, photo)[0][0] == size
        assert cycle(house).written == 0
    new = house.add_photo(f"{EXTERNAL}/new.jpg", processed=False)
    house.process(new, {}, clip=False)
    house.insert("smart_search", assetId=new, embedding="[0.1, 0.2, 0.3]")
    cycle(house)
    assert house.rows(query, target_of(house, new)) == [(3, "[0.1,0.2,0.3]")]


def test_b35_a_change_that_is_committed_late_is_not_missed(house: House) -> None:
    """Begun before a cycle looked, committed after it: its stamp is older than the watermark."""
    shared = Shared(house)
    with psycopg.connect(house.url) as late:
        late.execute("UPDATE asset_exif SET description = 'late' WHERE \"assetId\" = %s", [shared.photo])
        changes.set_exif(house, shared.other, description="in time")
        cycle(house)
        late.commit()
    cycle(house)
    assert house.row("asset_exif", assetId=shared.copy)["description"] == "late"
    assert broken(house, house.job()) == []


REFUSED: dict[str, tuple[str, ...]] = {
    "asset": ("size", "live photo taken apart"),
    "asset_exif": ("exif",),
    "asset_file": ("a picture more",),
    "asset_edit": ("edited again",),
    "asset_ocr": ("text",),
    "smart_search": ("embedding",),
    "asset_face": ("a face moved to another person", "a box changed"),
    "person": ("a face of someone new",),
}
"""By table: changes that write to it at the copy."""


def test_b35_b36_what_could_not_be_carried_over_is_by_the_next_cycle(house: House) -> None:
    """Watermarks stay where they were."""
    shared = Shared(house)
    house.db.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$")
    for table, names in REFUSED.items():
        for name in names:
            CHANGES[name](house, shared)
        house.db.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        assert any("not now" in failure.reason for failure in cycle(house).failures), table
        house.db.execute(f"DROP TRIGGER refuse ON {table}")
        carried_over(house, *names, quiet=True)


def test_b35_a_restored_dump_is_compared_as_a_whole(house: House) -> None:
    """Snapshots of another cluster say nothing of this one."""
    shared = Shared(house)
    house.db.execute("UPDATE immich_pipeline_sharing.watermark SET cluster = 'another', seen = pg_current_snapshot()")
    changes.set_exif(house, shared.photo, description="before the dump")
    house.db.execute("UPDATE immich_pipeline_sharing.watermark SET seen = pg_current_snapshot()")
    cycle(house)
    assert broken(house, house.job()) == []


def test_a_full_comparison_finds_what_no_watermark_tells(house: House) -> None:
    """Somebody wrote to a copy behind our back."""
    shared = Shared(house)
    house.update("asset_exif", {"assetId": shared.copy}, description="by accident")
    house.update("smart_search", {"assetId": shared.copy}, embedding=house.embedding())
    house.remove("asset_ocr", assetId=shared.copy)
    cycle(house, full=True)
    assert broken(house, house.job()) == []
    assert cycle(house, full=True).written == 0


OWN_CHOICES: dict[str, Callable[[House, str], None]] = {
    "favourite": lambda house, copy: changes.set_asset(house, copy, isFavorite=True),
    "archived": lambda house, copy: changes.set_asset(house, copy, visibility="archive"),
    "locked": lambda house, copy: changes.set_asset(house, copy, visibility="locked"),
    "duplicate": lambda house, copy: changes.set_asset(house, copy, duplicateId="5b0c8e6e-7a0b-4a53-9d6c-111111111111"),
}


def test_b09_b51_what_the_target_chose_is_never_overwritten(house: House) -> None:
    shared = Shared(house)
    for what, choose in OWN_CHOICES.items():
        choose(house, shared.copy)
        before = house.row("asset", id=shared.copy)
        changes.set_exif(house, shared.photo, description=what)
        changes.set_asset(house, shared.photo, isFavorite=True, visibility="archive", width=4000 + len(what))
        cycle(house)
        cycle(house, full=True)
        after = house.row("asset", id=shared.copy)
        for column in ("isFavorite", "visibility", "duplicateId"):
            assert after[column] == before[column], (what, column)
        assert after["width"] == 4000 + len(what)
        assert broken(house, house.job()) == [], what


def test_b51_exif_that_the_target_edited_stays_and_the_rest_follows(house: House) -> None:
    shared = Shared(house)
    changes.set_exif(house, shared.copy, description="as Bob says")
    changes.set_exif(house, shared.photo, description="as Alice says", rating=3)
    for full in (False, True):
        cycle(house, full=full)
        exif = house.row("asset_exif", assetId=shared.copy)
        assert (exif["description"], exif["rating"]) == ("as Bob says", 3)
        assert "description" in exif["lockedProperties"]
    assert cycle(house).written == 0


def test_b51_a_face_that_the_target_moved_stays_until_the_source_moves_it(house: House) -> None:
    shared = Shared(house)
    copy = house.value(
        "SELECT target_id::text FROM immich_pipeline_sharing.face WHERE source_id = %s AND target_asset = %s", shared.face, shared.copy
    )  # fmt: skip
    someone = house.add_person("Someone else", owner=house.bob)
    changes.move_face(house, copy, someone)
    changes.set_exif(house, shared.photo, description="changed")
    house.update("asset_face", {"id": shared.face}, boundingBoxX1=101)
    for full in (False, True):
        cycle(house, full=full)
        row = house.row("asset_face", id=copy)
        assert str(row[house.person_column]) == someone
        assert row["boundingBoxX1"] == 101
    changes.move_face(house, shared.face, shared.ben)
    cycle(house)
    assert str(house.row("asset_face", id=copy)[house.person_column]) != someone
    assert broken(house, house.job()) == []


@pytest.mark.parametrize("house", ["3.1.0", "3.2"], indirect=True)
@pytest.mark.parametrize("names", ["off", "fill", "mirror"])
def test_b23_names_are_left_to_the_target_filled_once_or_mirrored(house: House, names: str) -> None:
    policy = SharePolicy(names=names)  # type: ignore[arg-type]
    job = house.job(policy=policy)
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    known, later, own = house.add_person("Ann"), house.add_person(""), house.add_person("Cleo")
    for place, person in enumerate((known, later, own)):
        house.add_face(photo, person, box=(place * 100, 0, place * 100 + 50, 50))

    key = "personGroupId" if house.groups else "id"
    query = f"""SELECT person.name FROM person JOIN asset_face AS face ON face."{house.person_column}" = person."{key}"
                JOIN asset ON asset.id = "assetId" AND asset."ownerId" = person."ownerId"
                WHERE person."ownerId" = %s ORDER BY "boundingBoxX1" """

    def seen() -> list[str]:
        return [name for (name,) in house.rows(query, house.bob)]

    cycle(house, job)
    assert seen() == {"off": ["", "", ""], "fill": ["Ann", "", "Cleo"], "mirror": ["Ann", "", "Cleo"]}[names]
    house.db.execute(
        'UPDATE person SET name = %s WHERE "ownerId" = %s AND name = %s', ["Auntie", house.bob, seen()[2] or "-"]
    )
    changes.set_person(house, known, name="Anna")
    changes.set_person(house, later, name="Ben", birthDate=date(2001, 1, 1))
    changes.set_person(house, own, name="Cleopatra")
    cycle(house, job)
    expected = {"off": ["", "", ""], "fill": ["Ann", "Ben", "Auntie"], "mirror": ["Anna", "Ben", "Auntie"]}
    assert seen() == expected[names]
    assert cycle(house, job).written == 0
    assert cycle(house, job, full=True).written == 0


@pytest.mark.parametrize("house", ["2.7.5", "3.2"], indirect=True)
def test_b26_people_whom_the_target_merged_stay_merged_and_no_face_is_lost(house: House) -> None:
    """Later faces of either go to the survivor; up to 3.1 each user merges their own people, from 3.2 on the groups of all."""
    shared = Shared(house)
    ann, ben = (mirrored(house, person) for person in (shared.ann, shared.ben))
    before = house.value(
        'SELECT count(*) FROM asset_face JOIN asset ON asset.id = "assetId" WHERE "ownerId" = %s', house.bob
    )
    changes.merge_people(house, ann, ben, owner=house.bob)
    ben_now = shared.ann if house.groups else shared.ben
    new = house.add_photo(f"{EXTERNAL}/new.jpg")
    house.add_face(new, ben_now)
    for full in (False, True):
        cycle(house, full=full)
        owners = f'SELECT DISTINCT "{house.person_column}"::text FROM asset_face JOIN asset ON asset.id = "assetId" WHERE "ownerId" = %s'
        assert house.rows(owners, house.bob) == [(ann,)]
    after = house.value(
        'SELECT count(*) FROM asset_face JOIN asset ON asset.id = "assetId" WHERE "ownerId" = %s', house.bob
    )
    assert after == before + 1
    assert house.rows('SELECT name FROM person WHERE "ownerId" = %s', house.bob) == [("Ann",)]
    assert broken(house, house.job()) == []
    assert cycle(house).written == 0


def mirrored(house: House, person: str) -> str:
    """Whom bob knows someone of alice's as."""
    if house.groups:
        return person
    return str(house.value("SELECT target_id FROM immich_pipeline_sharing.person WHERE source_id = %s", person))
