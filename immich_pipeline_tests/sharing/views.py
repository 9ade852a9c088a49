"""What a user sees of the copies of someone's assets, in terms of the sources: two users with the same choices see the same."""

from dataclasses import dataclass, field

from immich_pipeline.sharing.model import Job
from immich_pipeline_tests.sharing.house import House


@dataclass
class View:
    """One copy.

    Attributes:
        stack: sources of the assets that it is stacked with, the primary first.
        tags: values of its tags.
        live: source of its live video.
        faces: box and name of whose face it is.
        columns: of asset and asset_exif, what is to be seen.
    """

    stack: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    live: str | None = None
    faces: tuple[tuple[int, str | None], ...] = ()
    columns: dict[str, object] = field(default_factory=dict)


_COPIES = """
SELECT copy.source_id::text, live.source_id::text, asset."originalFileName", asset.thumbhash, asset."fileCreatedAt", description, rating,
  exif.tags, (SELECT embedding FROM smart_search WHERE smart_search."assetId" = asset.id),
  (SELECT text FROM ocr_search WHERE ocr_search."assetId" = asset.id),
  (SELECT count(*) FROM asset_edit WHERE asset_edit."assetId" = asset.id),
  (SELECT array_agg(type || "isEdited" ORDER BY type, "isEdited") FROM asset_file WHERE asset_file."assetId" = asset.id)
FROM immich_pipeline_sharing.copy JOIN asset ON asset.id = copy.target_id LEFT JOIN asset_exif AS exif ON exif."assetId" = asset.id
LEFT JOIN immich_pipeline_sharing.copy AS live ON live.target_id = asset."livePhotoVideoId"
WHERE copy.job = %s AND copy.state = 'live'
"""
_STACKS = """
SELECT array_agg(copy.source_id::text ORDER BY copy.target_id <> stack."primaryAssetId", copy.source_id)
FROM stack JOIN asset ON asset."stackId" = stack.id LEFT JOIN immich_pipeline_sharing.copy ON copy.target_id = asset.id
WHERE stack."ownerId" = %s AND asset."libraryId" = %s GROUP BY stack.id
"""
_TAGS = """
SELECT copy.source_id::text, value FROM tag JOIN tag_asset ON "tagId" = tag.id
JOIN immich_pipeline_sharing.copy ON copy.target_id = "assetId" WHERE copy.job = %s AND copy.state = 'live' ORDER BY 2
"""
_FACES = """
SELECT copy.source_id::text, "boundingBoxX1", person.name FROM asset_face AS face
JOIN immich_pipeline_sharing.copy ON copy.target_id = face."assetId"
LEFT JOIN person ON person."{key}" = face."{column}" AND person."ownerId" = copy.target_owner
WHERE copy.job = %s AND copy.state = 'live' AND face."deletedAt" IS NULL AND face."isVisible" ORDER BY 2, 3
"""


def views(house: House, job: Job) -> dict[str, View]:
    """By source: every copy of a job that is not in the trash."""
    found: dict[str, View] = {}
    for source, live, *columns in house.rows(_COPIES, job.name):
        found[source] = View(live=live, columns=dict(zip(_NAMES, columns, strict=True)))
    for (members,) in house.rows(_STACKS, job.target_owner, job.target_library):
        for member in members:
            if member in found:
                found[member].stack = tuple(members)
    for source, value in house.rows(_TAGS, job.name):
        found[source].tags += (value,)
    faces = _FACES.format(key="personGroupId" if house.groups else "id", column=house.person_column)
    for source, left, name in house.rows(faces, job.name):
        found[source].faces += ((left, name),)
    return found


_NAMES = ("name", "thumbhash", "taken", "description", "rating", "tags", "embedding", "text", "edits", "files")
