"""What Immich itself does to assets and people later on, with the rows and files that it touches."""

from datetime import UTC, datetime
from typing import Any

from immich_pipeline_tests.sharing.house import FileType, House


def trash(house: House, *assets: str) -> None:
    """Into the trash, by its owner."""
    house.db.execute(
        """UPDATE asset SET "deletedAt" = now(), status = 'trashed' WHERE id = ANY(%s::uuid[])""", [list(assets)]
    )


def restore(house: House, *assets: str) -> None:
    """Out of the trash."""
    house.db.execute(
        """UPDATE asset SET "deletedAt" = NULL, status = 'active' WHERE id = ANY(%s::uuid[])""", [list(assets)]
    )


def take_offline(house: House, *assets: str) -> None:
    """A library scan did not find the file, or its path is excluded."""
    house.db.execute(
        'UPDATE asset SET "deletedAt" = now(), "isOffline" = true WHERE id = ANY(%s::uuid[])', [list(assets)]
    )


def bring_back_online(house: House, *assets: str) -> None:
    """A library scan found the file again."""
    house.db.execute(
        'UPDATE asset SET "deletedAt" = NULL, "isOffline" = false WHERE id = ANY(%s::uuid[])', [list(assets)]
    )


def delete_for_good(house: House, *assets: str) -> None:
    """The row with all that hangs on it, and its pictures; a stack that is left with one asset, or without its primary, is mended first."""
    for asset in assets:
        _leave_stack(house, asset)
        paths = house.rows("""SELECT path FROM asset_file WHERE "assetId" = %s AND type <> 'sidecar'""", asset)
        house.remove("asset", id=asset)
        for (path,) in paths:
            house.here(path).unlink(missing_ok=True)


def _leave_stack(house: House, asset: str) -> None:
    for stack, primary in house.rows(
        'SELECT stack.id::text, "primaryAssetId"::text FROM stack JOIN asset ON "stackId" = stack.id WHERE asset.id = %s', asset
    ):  # fmt: skip
        others = [
            row[0] for row in house.rows('SELECT id::text FROM asset WHERE "stackId" = %s AND id <> %s ORDER BY id', stack, asset)
        ]  # fmt: skip
        if len(others) < 2:
            house.remove("stack", id=stack)
        elif primary == asset:
            house.update("stack", {"id": stack}, primaryAssetId=others[0])


def unstack(house: House, stack: str) -> None:
    house.remove("stack", id=stack)


def set_exif(house: House, asset: str, *, locked: bool = True, **values: Any) -> None:
    """An edit of the metadata by a person: the columns are locked against the next extraction."""
    house.update("asset_exif", {"assetId": asset}, **values)
    if locked:
        house.db.execute(
            """UPDATE asset_exif SET "lockedProperties" =
                 ARRAY(SELECT DISTINCT unnest(coalesce("lockedProperties", '{}') || %s::varchar[]) ORDER BY 1) WHERE "assetId" = %s""",
            [list(values), asset],
        )


def set_asset(house: House, asset: str, **values: Any) -> None:
    house.update("asset", {"id": asset}, **values)


def regenerate_pictures(house: House, asset: str, mark: str) -> None:
    """The pictures are made anew, in place: same paths, same inodes; the asset gets another thumbhash."""
    for path, kind in house.rows(
        """SELECT path, type FROM asset_file WHERE "assetId" = %s AND type IN ('preview', 'thumbnail', 'fullsize')""", asset
    ):  # fmt: skip
        house.write(path, f"{kind} of {asset} made anew {mark}".encode())
    house.update("asset", {"id": asset}, thumbhash=mark.encode())


def drop_file(house: House, asset: str, kind: FileType, *, edited: bool = False) -> None:
    """A picture is no longer wanted: its row goes, and its file."""
    paths = house.rows(
        'DELETE FROM asset_file WHERE "assetId" = %s AND type = %s AND "isEdited" = %s RETURNING path', asset, kind, edited
    )  # fmt: skip
    for (path,) in paths:
        house.here(path).unlink()


def undo_edits(house: House, asset: str) -> None:
    """All edits of an asset are taken back."""
    house.remove("asset_edit", assetId=asset)
    for (kind,) in house.rows('SELECT type FROM asset_file WHERE "assetId" = %s AND "isEdited"', asset):
        drop_file(house, asset, kind, edited=True)


def read_text_again(house: House, asset: str, *lines: str) -> None:
    """The text recognition runs again: old lines go, new ones come."""
    house.remove("asset_ocr", assetId=asset)
    house.remove("ocr_search", assetId=asset)
    house.add_text(asset, *lines)
    house.update("asset_job_status", {"assetId": asset}, ocrAt=datetime.now(UTC))


def embed_again(house: House, asset: str) -> None:
    """Smart search runs again, with another model."""
    house.update("smart_search", {"assetId": asset}, embedding=house.embedding())


def move_face(house: House, face: str, person: str | None) -> None:
    """A face is someone else's, or nobody's."""
    house.update("asset_face", {"id": face}, **{house.person_column: person})


def delete_face(house: House, face: str, *, soft: bool = True) -> None:
    """A face is taken away by a person (the row stays), or by a new recognition (it goes)."""
    if soft:
        house.update("asset_face", {"id": face}, deletedAt=datetime.now(UTC))
    else:
        house.remove("asset_face", id=face)


def set_person(house: House, person: str, *, owner: str | None = None, **values: Any) -> None:
    """Rename someone, hide them, and so on, as one user sees them."""
    owner = owner or house.alice
    key = {"ownerId": owner, ("personGroupId" if house.groups else "id"): person}
    house.update("person", key, **values)


def merge_people(house: House, into: str, *others: str, owner: str | None = None) -> None:
    """Several people are one: all faces go to it, the others go with their pictures; it keeps a name or gets one."""
    owner = owner or house.alice
    key = "personGroupId" if house.groups else "id"
    for other in others:
        name, path = house.rows(
            f'SELECT name, "thumbnailPath" FROM person WHERE "ownerId" = %s AND "{key}" = %s', owner, other
        )[0]  # fmt: skip
        house.db.execute(
            f'UPDATE person SET name = %s WHERE "ownerId" = %s AND "{key}" = %s AND name = %s', [name, owner, into, ""]
        )
        house.update("asset_face", {house.person_column: other}, **{house.person_column: into})
        if house.groups:
            paths = house.rows('SELECT "thumbnailPath" FROM person WHERE "personGroupId" = %s', other)
            house.remove("person_group", id=other)
        else:
            paths = [(path,)]
            house.remove("person", id=other)
        for (gone,) in paths:
            if gone:
                house.here(gone).unlink(missing_ok=True)
