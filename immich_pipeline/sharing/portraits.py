"""How people of the target are shown: by a face on one of its own assets, and by the picture that the source has of them."""

from collections.abc import Sequence

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.media_folder import Link
from immich_pipeline.sharing.paths import copied_path
from immich_pipeline.sharing.people import face_person, person_id
from immich_pipeline.sharing.work import Counts, Seen, Work

# People without such a face, or with one that is someone else's since it was moved, and the face that is to show them: the copy of the one
# that does at the source; else the first copy in the order of their sources, or any other face. Looked up person by person: what the
# tables of a large copy hold is not known to the planner yet.
_FACES = """
WITH faceless AS MATERIALIZED (
  SELECT own.{id} AS id, own."faceAssetId" AS shown FROM person AS own WHERE own."ownerId" = %(target_owner)s AND (
    own."faceAssetId" IS NULL AND EXISTS (
      SELECT FROM immich_pipeline_sharing.person AS known
      WHERE known.target_id = own.{id} AND known.target_owner = %(target_owner)s AND known.made)
    OR EXISTS (
      SELECT FROM immich_pipeline_sharing.face AS copied JOIN asset_face AS shown ON shown.id = copied.target_id
      WHERE copied.target_id = own."faceAssetId" AND shown.{person} IS DISTINCT FROM own.{id}))
), best AS MATERIALIZED (
  SELECT faceless.id, faceless.shown, coalesce((
    SELECT face.id FROM immich_pipeline_sharing.person AS known
      JOIN person AS source ON source.{id} = known.source_id AND source."ownerId" = %(source_owner)s
      JOIN immich_pipeline_sharing.face AS copied ON copied.source_id = source."faceAssetId"
      JOIN asset_face AS face ON face.id = copied.target_id
    WHERE known.target_id = faceless.id AND known.target_owner = %(target_owner)s AND face.{person} = faceless.id
      AND face."deletedAt" IS NULL AND face."isVisible" AND {is_own} ORDER BY known.source_id LIMIT 1
  ), (
    SELECT face.id FROM asset_face AS face LEFT JOIN immich_pipeline_sharing.face AS copied ON copied.target_id = face.id
    WHERE face.{person} = faceless.id AND face."deletedAt" IS NULL AND {is_own}
    ORDER BY face."isVisible" DESC, copied.source_id NULLS LAST, face.id LIMIT 1
  )) AS face FROM faceless
)
SELECT id::text, face::text FROM best WHERE shown IS DISTINCT FROM face
"""
_IS_OWN = '(SELECT asset."ownerId" FROM asset WHERE asset.id = face."assetId") = %(target_owner)s'
_PORTRAITS = """
SELECT DISTINCT ON (own.{id}) own.{id} AS id, source."thumbnailPath" AS source, {path} AS target
FROM immich_pipeline_sharing.person AS known
  JOIN person AS source ON source.{id} = known.source_id AND source."ownerId" = %(source_owner)s
  JOIN person AS own ON own.{id} = known.target_id AND own."ownerId" = %(target_owner)s
WHERE known.target_owner = %(target_owner)s AND known.made AND own."thumbnailPath" = '' AND source."thumbnailPath" <> ''
ORDER BY own.{id}, known.source_id
"""


def choose_faces(work: Work) -> Counts:
    """Show people by a face of theirs on an asset of their owner's."""
    found = work.connection.execute(_faces(work), work.values).fetchall()
    if not found:
        return {}
    people, faces = (list(column) for column in zip(*found, strict=True))
    changed = journal.update(
        work,
        "person",
        sql.SQL('"faceAssetId" = found.face'),
        sql.SQL('row."ownerId" = %(target_owner)s AND row.{} = found.id').format(person_id(work.layout)),
        using=sql.SQL("unnest(%(people)s::uuid[], %(faces)s::uuid[]) AS found (id, face)"),
        values={"people": people, "faces": faces},
    )
    return {"person": changed}


def choose_faces_outlook(work: Work) -> Seen:
    """How many people would be shown by another face."""
    return Seen({"person": len(work.connection.execute(_faces(work), work.values).fetchall())})


def portraits(work: Work) -> list[Link]:
    """The pictures of people that we made and that have none yet: they get the source's, once."""
    return [Link(source, target) for _, source, target in _portraits(work)]


def give_portraits(work: Work, paths: Sequence[str]) -> Counts:
    """Write the pictures' paths, of those that are there now."""
    there = set(paths)
    found = [(person, target) for person, _, target in _portraits(work) if target in there]
    if not found:
        return {}
    people, targets = (list(column) for column in zip(*found, strict=True))
    changed = journal.update(
        work,
        "person",
        sql.SQL('"thumbnailPath" = found.path'),
        sql.SQL("""row."ownerId" = %(target_owner)s AND row.{} = found.id AND row."thumbnailPath" = ''""").format(
            person_id(work.layout)
        ),
        using=sql.SQL("unnest(%(people)s::uuid[], %(paths)s::text[]) AS found (id, path)"),
        values={"people": people, "paths": targets},
    )
    return {"person": changed}


def _faces(work: Work) -> sql.Composed:
    return sql.SQL(_FACES).format(id=person_id(work.layout), person=face_person(work.layout), is_own=sql.SQL(_IS_OWN))


def _portraits(work: Work) -> list[tuple[str, str, str]]:
    """The target's person, the path of the source's picture, and the one that it gets."""
    identity = person_id(work.layout)
    path = copied_path(
        sql.SQL('source."thumbnailPath"'),
        sql.SQL("%(source_owner)s::text"),
        sql.SQL("%(target_owner)s::text"),
        sql.SQL("source.{}::text").format(identity),
        sql.SQL("own.{}::text").format(identity),
    )
    rows = work.connection.execute(sql.SQL(_PORTRAITS).format(id=identity, path=path), work.values)
    return [(str(person), source, target) for person, source, target in rows if target is not None]
