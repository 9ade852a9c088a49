"""What the target threw away is given back by a person's word, though Immich's trash cannot."""

import pytest

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.restore import Restored, restore_copies
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import EXTERNAL, House
from immich_pipeline_tests.sharing.runs import cycle, media_of, session, undone
from immich_pipeline_tests.sharing.test_undo_scenarios import differences


def restored(house: House, *ids: str, dry_run: bool = False) -> Restored:
    with session(house) as connection:
        return restore_copies(connection, house.job(), media_of(house), ids or None, dry_run=dry_run)


def thrown_away(house: House) -> dict[str, str]:
    """Three photos of which the target has put two copies into the trash, and deleted the third; by the source's id."""
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    cycle(house)
    copies = dict(house.rows("SELECT source_id::text, target_id::text FROM immich_pipeline_sharing.copy"))
    for photo in photos[:2]:
        house.update("asset", {"id": copies[photo]}, status="trashed", deletedAt="2026-11-01")
    house.remove("asset", id=copies[photos[2]])
    cycle(house)
    assert (
        house.value('SELECT count(*) FROM asset WHERE "isOffline" AND "deletedAt" IS NOT NULL AND status = \'active\'')
        == 2
    )
    return {photo: copies[photo] for photo in photos}


def test_all_of_it_comes_back_and_the_next_cycle_writes_nothing(house: House) -> None:
    thrown_away(house)
    before = dump(house)
    dry = restored(house, dry_run=True)
    assert (dry.shown, dry.forgotten) == (2, 1)
    assert dump(house) == before
    done = restored(house)
    assert (done.shown, done.forgotten) == (2, 1)
    assert house.value('SELECT count(*) FROM asset WHERE "ownerId" = %s AND "deletedAt" IS NULL', house.bob) == 2
    undone(house, done.run)
    assert differences(before, dump(house)) == []
    restored(house)
    assert cycle(house).copied == 1
    assert house.value('SELECT count(*) FROM asset WHERE "ownerId" = %s AND "deletedAt" IS NULL', house.bob) == 3
    assert cycle(house).written == 0
    assert restored(house, dry_run=True).shown == 0


def test_single_ones_by_the_id_of_source_or_copy(house: House) -> None:
    (one, copy), (_, other_copy), (third, _) = thrown_away(house).items()
    assert restored(house, one).shown == 1
    assert house.row("asset", id=copy)["deletedAt"] is None
    assert restored(house, other_copy).shown == 1
    done = restored(house, third)
    assert (done.shown, done.forgotten) == (0, 1)
    with pytest.raises(UserError, match="'nonsense' is not the id of anything"):
        restored(house, "nonsense")
