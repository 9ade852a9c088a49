"""The house is as Immich would have left it."""

from immich_pipeline_tests.sharing.dumps import dump, row_places
from immich_pipeline_tests.sharing.full_library import FullLibrary
from immich_pipeline_tests.sharing.house import House
from immich_pipeline_tests.sharing.versions import EVERY_VERSION

COPIED = (
    "asset", "asset_audio", "asset_edit", "asset_exif", "asset_face", "asset_file", "asset_job_status", "asset_keyframe", "asset_ocr",
    "asset_video", "face_search", "ocr_search", "person", "smart_search", "stack", "tag", "tag_asset", "tag_closure",
)  # fmt: skip


@EVERY_VERSION
def test_every_column_that_is_copied_is_filled_somewhere(house: House, full: FullLibrary) -> None:
    """So that a column that is not copied is seen to be missing."""
    columns = house.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ANY(%s)",
        list(COPIED),
    )
    assert [pair for pair in columns if not house.value('SELECT count("{1}") FROM "{0}"'.format(*pair))] == []


def test_a_dump_is_the_same_twice_and_shows_every_change(house: House, full: FullLibrary) -> None:
    before, places = dump(house), row_places(house)
    assert dump(house) == before
    assert row_places(house) == places
    house.update("asset", {"id": full.assets["plain"]}, isFavorite=True)
    house.write("/data/thumbs/stray.webp", b"")
    after = dump(house)
    assert [name for name in before.tables if before.tables[name] != after.tables[name]] == ["asset"]
    assert after.files.keys() - before.files.keys() == {"thumbs/stray.webp"}
    assert {name for name, rows in row_places(house).items() if rows != places[name]} == {"public.asset"}
