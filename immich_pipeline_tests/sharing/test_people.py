"""People of the source as people of the target: one each, whoever is merged, moved, renamed or deleted, by whom."""

import pytest

from immich_pipeline.sharing.model import Job, SharePolicy
from immich_pipeline_tests.sharing import changes
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET, House
from immich_pipeline_tests.sharing.invariants import broken, target_of
from immich_pipeline_tests.sharing.runs import cycle

BOTH = pytest.mark.parametrize("house", ["3.1.0", "3.2"], indirect=True)
GROUPS = pytest.mark.parametrize("house", ["3.2"], indirect=True)


def person_of(house: House, face: str) -> str | None:
    """Whose the copy of a face is."""
    found: str | None = house.value(
        f"""SELECT own."{house.person_column}"::text FROM immich_pipeline_sharing.face AS copied
            JOIN asset_face AS own ON own.id = copied.target_id WHERE copied.source_id = %s""",
        face,
    )
    return found


def people_of(house: House, owner: str) -> list[str]:
    """The names of a user's people."""
    return [name for (name,) in house.rows('SELECT name FROM person WHERE "ownerId" = %s ORDER BY name', owner)]


def merge(house: House, into: str, *others: str, owner: str) -> None:
    """Like `changes.merge_people`, of one user's faces alone."""
    for other in others:
        house.db.execute(
            f"""UPDATE asset_face SET "{house.person_column}" = %s FROM asset
                WHERE asset.id = "assetId" AND "ownerId" = %s AND "{house.person_column}" = %s""",
            [into, owner, other],
        )
        house.remove("person", ownerId=owner, **{"personGroupId" if house.groups else "id": other})


@BOTH
def test_b19_several_jobs_of_one_source_share_its_people(house: House) -> None:
    ann = house.add_person("Ann")
    first = house.add_face(house.add_photo(f"{EXTERNAL}/one/a.jpg"), ann)
    second = house.add_face(house.add_photo(f"{EXTERNAL}/two/b.jpg"), ann)
    for folder in ("one", "two"):
        cycle(
            house,
            house.job(name=folder, source_prefix=f"{EXTERNAL}/{folder}", target_prefix=f"{TARGET}/{folder}"),
        )
    assert person_of(house, first) == person_of(house, second)
    assert people_of(house, house.bob) == ["Ann"]


@BOTH
def test_b26_whom_the_target_merged_into_a_person_of_its_own_is_that_person_from_then_on(house: House) -> None:
    ann = house.add_person("")
    faces = [house.add_face(house.add_photo(f"{EXTERNAL}/{place}.jpg"), ann) for place in range(2)]
    cycle(house)
    own = house.add_person("Grandma", owner=house.bob)
    mirrored = person_of(house, faces[0])
    assert mirrored is not None
    merge(house, own, mirrored, owner=house.bob)
    late = house.add_face(house.add_photo(f"{EXTERNAL}/late.jpg"), ann)
    cycle(house)
    cycle(house)
    assert {person_of(house, face) for face in [*faces, late]} == {own}
    assert people_of(house, house.bob) == ["Grandma"]
    assert cycle(house, full=True).written == 0
    # and it is followed further: the source says it is somebody else
    changes.move_face(house, faces[0], house.add_person("Ben"))
    cycle(house)
    assert person_of(house, faces[0]) != own
    assert people_of(house, house.bob) == ["Ben", "Grandma"]


@BOTH
def test_b26_a_merge_at_the_source_keeps_the_name_that_the_target_gave(house: House) -> None:
    """The one who is left was never shared before."""
    old, survivor = house.add_person(""), house.add_person("Anna Maria")
    face = house.add_face(house.add_photo(f"{EXTERNAL}/a.jpg"), old)
    cycle(house)
    house.db.execute("UPDATE person SET name = 'Granny' WHERE \"ownerId\" = %s", [house.bob])
    changes.move_face(house, face, survivor)  # what a merge does first; from 3.2 on it is the cluster group's
    if house.groups:
        merge(house, survivor, old, owner=house.alice)
    else:
        house.remove("person", id=old)
    cycle(house)
    person = person_of(house, face)
    key = "personGroupId" if house.groups else "id"
    assert house.value(f'SELECT name FROM person WHERE "ownerId" = %s AND "{key}" = %s', house.bob, person) == "Granny"
    late = house.add_face(house.add_photo(f"{EXTERNAL}/b.jpg"), survivor)
    cycle(house)
    assert person_of(house, late) == person
    assert cycle(house, full=True).written == 0


def test_b26_a_merge_of_two_who_are_both_known_moves_the_faces_and_leaves_nobody_behind(house: House) -> None:
    ann, ben = house.add_person("Ann"), house.add_person("Ben")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    faces = [house.add_face(photo, ann), house.add_face(photo, ben, box=(1, 1, 9, 9))]
    cycle(house)
    changes.merge_people(house, ann, ben)
    cycle(house)
    assert len({person_of(house, face) for face in faces}) == 1
    assert people_of(house, house.bob) == ["Ann"]
    assert broken(house, house.job()) == []
    assert cycle(house).written == 0


def test_b04_whoever_came_from_the_target_goes_back_as_the_one_they_are(house: House) -> None:
    """Immich finds alice's own face of someone whom bob shared with her: in bob's library that is his person, not a mirror of a mirror."""
    back = Job(
        name="bob to alice",
        source_owner=house.bob,
        target_owner=house.alice,
        target_library=house.add_library(house.alice, "from Bob", "/external/alice-bob"),
        source_prefix="/data/library/bob",
        target_prefix="/external/alice-bob/bob",
        policy=SharePolicy(names="mirror"),
    )
    job = house.job(policy=SharePolicy(names="mirror"))
    cleo = house.add_person("Cleo", owner=house.bob)
    house.add_face(house.add_photo("/data/library/bob/a.jpg", owner=house.bob), cleo)
    cycle(house, back)
    mirrored = house.value('SELECT id::text FROM person WHERE "ownerId" = %s', house.alice)
    face = house.add_face(house.add_photo(f"{EXTERNAL}/c.jpg"), mirrored)
    cycle(house, job)
    assert person_of(house, face) == cleo
    changes.set_person(house, cleo, owner=house.bob, name="Cleopatra")
    for _ in range(2):
        cycle(house, back)
        cycle(house, job)
    assert (people_of(house, house.alice), people_of(house, house.bob)) == (["Cleopatra"], ["Cleopatra"])
    for one in (back, job):
        assert cycle(house, one, full=True).written == 0


def test_a_person_whom_the_target_deleted_is_not_made_again(house: House) -> None:
    ann = house.add_person("Ann")
    face = house.add_face(house.add_photo(f"{EXTERNAL}/a.jpg"), ann)
    cycle(house)
    house.remove("person", ownerId=house.bob)
    late = house.add_face(house.add_photo(f"{EXTERNAL}/b.jpg"), ann)
    cycle(house)
    assert (person_of(house, face), person_of(house, late), people_of(house, house.bob)) == (None, None, [])
    assert cycle(house, full=True).written == 0


@GROUPS
def test_b20_copies_have_no_vote_when_immich_looks_for_people(house: House) -> None:
    """It makes somebody of enough faces that look alike, of all users of the cluster group, with a twin of each of twice as many."""
    photos = [house.add_photo(f"{EXTERNAL}/{place}.jpg") for place in range(2)]
    faces = [house.add_face(photo) for photo in photos]
    house.db.execute("UPDATE face_search SET embedding = (SELECT embedding FROM face_search LIMIT 1)")

    def votes() -> set[int]:
        """How many faces, itself included, vote for each face that is looked at; by Immich's own query."""
        alike = """SELECT count(*) FROM asset_face AS face JOIN face_search AS search ON search."faceId" = face.id
                   JOIN asset ON asset.id = face."assetId" JOIN "user" ON "user".id = asset."ownerId"
                   WHERE "user"."clusterGroupId" = %s AND asset."deletedAt" IS NULL AND search.embedding <=> (
                     SELECT embedding FROM face_search WHERE "faceId" = %s) <= 0.5"""
        queued = """SELECT id::text FROM asset_face WHERE "personGroupId" IS NULL AND "deletedAt" IS NULL
                    AND "sourceType" = 'machine-learning' ORDER BY 1"""
        assert [face for (face,) in house.rows(queued)] == sorted(faces)
        return {house.value(alike, house.cluster_group, face) for face in faces}

    assert votes() == {2}
    cycle(house)
    assert house.value('SELECT count(*) FROM asset_face WHERE "assetId" = %s', target_of(house, photos[0])) == 1
    assert votes() == {2}
    # they are whoever the source's are once those are somebody
    ann = house.add_person("Ann")
    for face in faces:
        changes.move_face(house, face, ann)
    cycle(house)
    assert {person_of(house, face) for face in faces} == {ann}
    assert people_of(house, house.bob) == ["Ann"]


@GROUPS
def test_b20_a_person_whom_the_target_has_is_not_touched_and_not_removed(house: House) -> None:
    """From 3.2 on users of a cluster group know the same people."""
    ann = house.add_person("Ann")
    house.add_person("Auntie", owner=house.bob, group=ann, isHidden=True)
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    face = house.add_face(photo, ann)
    before = house.row("person", ownerId=house.bob, personGroupId=ann)
    cycle(house)
    assert person_of(house, face) == ann
    changes.delete_for_good(house, photo)
    cycle(house, house.job(policy=SharePolicy(on_source_delete="delete")))
    assert house.row("person", ownerId=house.bob, personGroupId=ann) == before


@BOTH
def test_b27_a_person_of_the_targets_own_stays_without_a_name_and_without_a_face(house: House) -> None:
    """Also when copies were merged into them."""
    ann = house.add_person("")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    face = house.add_face(photo, ann)
    cycle(house)
    own, mirrored = house.add_person("", owner=house.bob), person_of(house, face)
    assert mirrored is not None
    merge(house, own, mirrored, owner=house.bob)
    cycle(house)
    assert person_of(house, face) == own
    changes.trash(house, photo)
    job = house.job(policy=SharePolicy(on_source_delete="delete"))
    assert cycle(house, job).removed == 1
    assert people_of(house, house.bob) == [""]
    assert cycle(house, job).written == 0


@BOTH
def test_b27_someone_whose_face_the_target_gave_to_another_is_there_for_the_next_one(house: House) -> None:
    ann = house.add_person("")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    face = house.add_face(photo, ann)
    cycle(house)
    mirrored = person_of(house, face)
    copy = house.value("SELECT target_id::text FROM immich_pipeline_sharing.face WHERE source_id = %s", face)
    other = house.add_person("Grandma", owner=house.bob)
    changes.move_face(house, copy, other)
    cycle(house)
    assert people_of(house, house.bob) == ["", "Grandma"]
    late = house.add_face(house.add_photo(f"{EXTERNAL}/b.jpg"), ann)
    cycle(house)
    assert (person_of(house, face), person_of(house, late)) == (other, mirrored)
    assert cycle(house, full=True).written == 0


@GROUPS
def test_b27_the_last_person_of_a_group_that_has_faces_stays(house: House) -> None:
    """Immich deletes a group without persons, and its faces would be nobody's."""
    ann = house.add_person("")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, ann)
    job = house.job(policy=SharePolicy(on_source_delete="delete"))
    cycle(house, job)
    house.remove("person", ownerId=house.alice, personGroupId=ann)
    changes.trash(house, photo)
    assert cycle(house, job).removed == 1
    assert people_of(house, house.bob) == [""]
    changes.delete_for_good(house, photo)
    cycle(house, job)
    assert people_of(house, house.bob) == []


@BOTH
def test_b24_what_somebody_looks_like_is_inherited_once(house: House) -> None:
    ann = house.add_person("Ann", isHidden=True, isFavorite=True, color="#aabbcc")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    house.add_face(photo, ann)
    cycle(house)
    row = house.row("person", ownerId=house.bob)
    assert (row["isHidden"], row["isFavorite"], row["color"]) == (True, True, "#aabbcc")
    house.update("person", {"ownerId": house.bob}, isHidden=False, isFavorite=False, color=None)
    changes.set_person(house, ann, isHidden=True, color="#000000")
    house.add_face(photo, ann, box=(1, 1, 9, 9))
    cycle(house, full=True)
    row = house.row("person", ownerId=house.bob)
    assert (row["isHidden"], row["isFavorite"], row["color"]) == (False, False, None)


@BOTH
def test_b25_the_face_that_shows_somebody_is_theirs_after_it_was_moved(house: House) -> None:
    ann, ben = house.add_person("Ann"), house.add_person("Ben")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    shown = house.add_face(photo, ann)
    other = house.add_face(photo, ann, box=(1, 1, 9, 9))
    house.add_face(photo, ben, box=(20, 20, 30, 30))
    cycle(house)
    changes.move_face(house, shown, ben)
    changes.delete_face(house, other, soft=False)
    cycle(house)
    assert broken(house, house.job()) == []
    assert people_of(house, house.bob) == ["Ben"]
    assert cycle(house, full=True).written == 0


@BOTH
def test_faces_that_the_target_took_away_stay_away(house: House) -> None:
    ann = house.add_person("Ann")
    photo = house.add_photo(f"{EXTERNAL}/a.jpg")
    soft, hard = house.add_face(photo, ann), house.add_face(photo, ann, box=(1, 1, 9, 9))
    house.add_face(photo, ann, box=(20, 20, 30, 30))
    cycle(house)
    copies = dict(house.rows("SELECT source_id::text, target_id::text FROM immich_pipeline_sharing.face"))
    changes.delete_face(house, copies[soft])
    changes.delete_face(house, copies[hard], soft=False)
    house.update("asset_face", {"id": soft}, boundingBoxX1=101)
    cycle(house)
    assert cycle(house, full=True).written == 0
    there = house.rows('SELECT "deletedAt" IS NULL FROM asset_face WHERE "assetId" = %s', target_of(house, photo))
    assert sorted(there) == [(False,), (True,)]
