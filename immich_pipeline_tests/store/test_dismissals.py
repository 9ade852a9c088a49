from immich_pipeline.store.contents import contents_of
from immich_pipeline.store.database import Database
from immich_pipeline.store.dismissals import PAIR_SCHEMA, dismiss, dismissed, take_back
from immich_pipeline_tests.store.hashed import gone, hashed
from immich_pipeline_tests.store.rows import asset_id

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
SHA1_A, SHA1_B = b"\x09" * 20, b"\x00" * 20


def pairs(database: Database) -> list[tuple[bytes, bytes]]:
    with database.frames() as frames:
        found = dismissed(frames)
    assert dict(found.schema) == PAIR_SCHEMA
    return found.rows()


def revision(database: Database) -> int:
    with database.frames() as frames:
        return frames.scalar("SELECT number FROM pipeline.revision WHERE topic = 'choices'") or 0


def test_pairs_are_remembered_in_any_order_and_once(database: Database) -> None:
    assert pairs(database) == []
    assert dismiss(database, [(B, A), (A, B), (A, A), (C, B)], "anna") == 2
    assert pairs(database) == [(A, B), (B, C)]
    with database.frames() as frames:
        assert frames.read("SELECT DISTINCT made_by FROM duplicates.dismissed").rows() == [("anna",)]


def test_only_what_changes_something_is_a_change(database: Database) -> None:
    dismiss(database, [(A, B)], "anna")
    before = revision(database)
    assert before
    assert dismiss(database, [(B, A)], "bob") == 0
    assert dismiss(database, [(A, A)], "bob") == 0
    assert take_back(database, []) == 0
    assert take_back(database, [(A, C)]) == 0
    assert revision(database) == before
    assert dismiss(database, [(A, B), (A, C)], "bob") == 1
    assert revision(database) == before + 1


def test_what_is_taken_back_holds_no_longer_and_may_be_said_again(database: Database) -> None:
    dismiss(database, [(A, B), (A, C)], "anna")
    before = revision(database)
    assert take_back(database, [(B, A)]) == 1
    assert pairs(database) == [(A, C)]
    assert take_back(database, [(B, A)]) == 0
    assert revision(database) == before + 1
    assert dismiss(database, [(A, B)], "bob") == 1
    assert pairs(database) == [(A, B), (A, C)]


def test_a_content_known_by_its_sha1_stays_dismissed_once_its_bytes_are_read(database: Database) -> None:
    dismiss(database, [(SHA1_A, B)], "anna")
    assert pairs(database) == [(B, SHA1_A)]
    hashed(database, ("a.jpg", A, SHA1_A), ("b.jpg", B, SHA1_B))
    assert set(pairs(database)) == {(A, B), (B, SHA1_A), (SHA1_B, SHA1_A), (SHA1_B, A)}
    assert take_back(database, [(A, B)]) == 1, "by whatever name"
    assert pairs(database) == []


def test_no_content_is_dismissed_against_itself(database: Database) -> None:
    dismiss(database, [(SHA1_A, A)], "anna")
    hashed(database, ("a.jpg", A, SHA1_A))
    assert pairs(database) == [(A, SHA1_A)], "two names of one content, and no two files have both"


def test_the_content_of_assets(database: Database) -> None:
    hashed(database, ("a.jpg", A, None), ("b.jpg", None, SHA1_B), ("c.jpg", B, SHA1_B), ("d.jpg", None, None))
    ids = {path: asset_id(path) for path in ("a.jpg", "b.jpg", "d.jpg", "gone.jpg")}
    with database.frames() as frames:
        found = contents_of(frames, [*ids.values(), ids["a.jpg"]])
        assert contents_of(frames, []).is_empty()
    assert dict(found.rows()) == {ids["a.jpg"]: A, ids["b.jpg"]: B}, "c tells what b is"
    assert found["asset_id"].is_sorted()


def test_a_content_that_comes_back_under_another_id_is_still_dismissed(database: Database) -> None:
    hashed(database, ("a.jpg", A, None), ("b.jpg", B, None))
    with database.frames() as frames:
        contents = contents_of(frames, [asset_id("a.jpg"), asset_id("b.jpg")])["content"].to_list()
    dismiss(database, [(contents[0], contents[1])], "anna")
    gone(database, "a.jpg")
    hashed(database, ("elsewhere.jpg", A, None))
    with database.frames() as frames:
        assert contents_of(frames, [asset_id("a.jpg")]).is_empty()
        again = contents_of(frames, [asset_id("elsewhere.jpg")])["content"].to_list()
    assert (again[0], B) in pairs(database)
