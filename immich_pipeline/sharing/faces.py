"""Faces of the source on its copies: with the people that they show, and their embeddings up to 3.1.

From 3.2 on there are none: a copied embedding is a twin at no distance at all, every face would vote twice for who it is, and Immich would
invent people. Such faces are `manual`, so that Immich neither looks for them again nor removes them.
"""

from collections.abc import Callable, Sequence

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.changes import is_quiet
from immich_pipeline.sharing.people import ensure_people, face_person
from immich_pipeline.sharing.work import Counts, Seen, Work

TRACKING = "immich_pipeline_sharing.face"
_BOX = ("imageWidth", "imageHeight", "boundingBoxX1", "boundingBoxY1", "boundingBoxX2", "boundingBoxY2")
_LEFT_OUT = {"id", "assetId", "personId", "personGroupId", "deletedAt", "updatedAt", "updateId"}

# Faces that were there before we knew of the copy: the same box on both is the same face, whoever it is said to be. Of several faces in
# one box, those of somebody are told from those of nobody.
_SAME_BOX = """
INSERT INTO immich_pipeline_sharing.face (target_id, source_id, target_asset, source_person, target_person)
SELECT own.id, face.id, own."assetId", face.{person}, own.{person}
FROM (
  SELECT face.*, pair.target_id AS target, row_number() OVER (PARTITION BY face."assetId", {box}
    ORDER BY face.{person} IS NULL, face.id) AS place
  FROM {pairs} AS pair JOIN asset_face AS face ON face."assetId" = pair.source_id
  WHERE face."deletedAt" IS NULL AND NOT EXISTS (
    SELECT FROM immich_pipeline_sharing.face AS known WHERE known.source_id = face.id AND known.target_asset = pair.target_id)
) AS face JOIN (
  SELECT own.*, row_number() OVER (PARTITION BY own."assetId", {own_box} ORDER BY own.{person} IS NULL, own.id) AS place
  FROM {pairs} AS pair JOIN asset_face AS own ON own."assetId" = pair.target_id
  WHERE NOT EXISTS (SELECT FROM immich_pipeline_sharing.face AS known WHERE known.target_id = own.id)
) AS own ON own."assetId" = face.target AND own.place = face.place AND ROW({own_box}) = ROW({box})
"""
# Faces that are to be made. Where the target deleted the copy of one, what is known of it stays, and it is not made again.
_NEW = """
SELECT gen_random_uuid() AS id, face.id AS source_id, pair.target_id AS asset, face.{person} AS source_person, {whose} AS target_person
FROM {pairs} AS pair JOIN asset_face AS face ON face."assetId" = pair.source_id
  LEFT JOIN immich_pipeline_sharing.person AS known ON known.source_id = face.{person} AND known.target_owner = %(target_owner)s
  LEFT JOIN {people} AS own ON own.id = known.target_id
WHERE face."deletedAt" IS NULL
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.face AS old WHERE old.source_id = face.id AND old.target_asset = pair.target_id)
"""
# Whose the copy of a face is. Up to 3.1 it is nobody's when the target deleted the person.
_WHOSE = "(SELECT person.id FROM person WHERE person.id = known.target_id)"
_WHOSE_OF_GROUPS = (
    'coalesce((SELECT person_group.id FROM person_group WHERE person_group.id = known.target_id), face."personGroupId")'
)
# Faces of copies, and what they are copies of.
_COPIED = """
(SELECT target_id FROM changed WHERE NOT fresh) AS pair
JOIN immich_pipeline_sharing.face AS copied ON copied.target_asset = pair.target_id
JOIN asset_face AS face ON face.id = copied.source_id AND face."deletedAt" IS NULL
LEFT JOIN immich_pipeline_sharing.person AS known ON known.source_id = face.{person} AND known.target_owner = %(target_owner)s
"""
_GONE = """
SELECT copied.target_id FROM changed AS pair JOIN immich_pipeline_sharing.face AS copied ON copied.target_asset = pair.target_id
WHERE NOT pair.fresh AND NOT EXISTS (SELECT FROM asset_face AS face WHERE face.id = copied.source_id AND face."deletedAt" IS NULL)
"""
_PAIRS = sql.SQL("(SELECT source_id, target_id FROM changed WHERE NOT fresh)")
_BATCH = sql.Identifier("batch")


def copy_faces(work: Work) -> Counts:
    """Copy the faces of a batch; its people are there already."""
    return _add_faces(work, _BATCH, _insert)


def copy_faces_outlook(work: Work) -> Seen:
    """How many faces a batch would get."""
    new = sql.SQL("({}) AS new").format(_new(work, _BATCH))
    counts = {"asset_face": _count(work, sql.SQL("SELECT FROM {}").format(new))}
    if not work.layout.person_groups:
        searched = sql.SQL('SELECT FROM {} JOIN face_search ON "faceId" = new.source_id').format(new)
        counts["face_search"] = _count(work, searched)
    return Seen(counts)


def follow_faces(work: Work) -> Counts:
    """Carry over what became of the source's faces: new ones, other people, other boxes, embeddings, and those that are gone.

    A face that the target gave to somebody else stays theirs until the source's own face changes hands.
    """
    if is_quiet(work):
        return {}
    _recognise(work)
    people = ensure_people(work, _PAIRS)
    new = _add_faces(work, _PAIRS, journal.insert)
    changed = _move(work) + _reshape(work)
    searches = 0 if work.layout.person_groups else _follow_searches(work)
    gone, gone_searches = _remove(work)
    return {
        **people,
        "asset_face": new["asset_face"] + changed + gone,
        "face_search": new["face_search"] + searches + gone_searches,
    }


def follow_faces_outlook(work: Work) -> Seen:
    """Which faces of copies would be made, changed or removed."""
    names = _names(work)
    differs = sql.SQL("face.{person} IS DISTINCT FROM copied.source_person OR {other}").format(
        other=_differs(_shape(work)), **names
    )
    changed = sql.SQL(
        'SELECT row."assetId" AS asset FROM {copied} JOIN asset_face AS row ON row.id = copied.target_id WHERE {differs}'
    ).format(copied=sql.SQL(_COPIED).format(**names), differs=differs)
    gone = sql.SQL('SELECT row."assetId" AS asset FROM asset_face AS row WHERE id IN ({})').format(sql.SQL(_GONE))
    new = sql.SQL("SELECT asset FROM ({}) AS new").format(_new(work, _PAIRS))
    found = [
        str(asset)
        for (asset,) in work.connection.execute(sql.SQL(" UNION ALL ").join([changed, gone, new]), work.values)
    ]
    return Seen({"asset_face": len(found)}, tuple(dict.fromkeys(found)))


def _recognise(work: Work) -> None:
    """Take note of faces that copies have already, by their boxes."""
    work.connection.execute(
        sql.SQL(_SAME_BOX).format(
            pairs=_PAIRS, box=_columns("face", _BOX), own_box=_columns("own", _BOX), person=face_person(work.layout)
        ),
        work.values,
    )


def _add_faces(work: Work, pairs: sql.Composable, insert: Callable[..., int]) -> Counts:
    """Make the faces that copies lack."""
    work.connection.execute("DROP TABLE IF EXISTS pg_temp.new_face")
    work.connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE new_face ON COMMIT DROP AS {}").format(_new(work, pairs)), work.values
    )
    work.connection.execute("ANALYZE new_face")
    person = "personGroupId" if work.layout.person_groups else "personId"
    copied = [column for column in work.layout.columns["asset_face"] if column not in _LEFT_OUT]
    values = [
        sql.SQL("'manual'") if column == "sourceType" and work.layout.person_groups else sql.Identifier("face", column)
        for column in copied
    ]
    faces = insert(
        work,
        "asset_face",
        ["id", "assetId", person, *copied],
        sql.SQL(
            "SELECT new_face.id, new_face.asset, new_face.target_person, {} FROM new_face JOIN asset_face AS face ON face.id = source_id"
        ).format(sql.SQL(", ").join(values)),
    )
    searches = 0
    if not work.layout.person_groups:
        searches = insert(
            work,
            "face_search",
            ["faceId", "embedding"],
            sql.SQL('SELECT new_face.id, embedding FROM new_face JOIN face_search ON "faceId" = source_id'),
        )
    insert(
        work,
        TRACKING,
        ["target_id", "source_id", "target_asset", "source_person", "target_person"],
        sql.SQL("SELECT id, source_id, asset, source_person, target_person FROM new_face"),
    )
    return {"asset_face": faces, "face_search": searches}


def _insert(work: Work, table: str, columns: Sequence[str], rows: sql.Composable) -> int:
    """Rows of copies that are made in this run: the mapping knows them, no journal is needed."""
    statement = sql.SQL("INSERT INTO {} ({}) {}").format(
        journal.table_name(table), sql.SQL(", ").join(map(sql.Identifier, columns)), rows
    )
    return work.connection.execute(statement, work.values).rowcount


def _move(work: Work) -> int:
    """Faces that are someone else's at the source since they were carried over."""
    names = _names(work)
    copied = sql.SQL(_COPIED).format(**names)
    moved = sql.SQL("row.{key} = copied.target_id AND face.{person} IS DISTINCT FROM copied.source_person")
    changed = journal.update(
        work,
        "asset_face",
        sql.SQL("{person} = {whose}").format(**names),
        moved.format(key=sql.Identifier("id"), **names)
        + sql.SQL(" AND row.{person} IS DISTINCT FROM {whose}").format(**names),
        using=copied,
    )
    journal.update(
        work,
        TRACKING,
        sql.SQL("source_person = face.{person}, target_person = {whose}").format(**names),
        moved.format(key=sql.Identifier("target_id"), **names),
        using=copied,
    )
    return changed


def _reshape(work: Work) -> int:
    """Boxes and whatever else a face has."""
    shape = _shape(work)
    return journal.update(
        work,
        "asset_face",
        sql.SQL(", ").join(sql.SQL("{0} = face.{0}").format(sql.Identifier(column)) for column in shape),
        sql.SQL("row.id = copied.target_id AND ({})").format(_differs(shape)),
        using=sql.SQL(_COPIED).format(**_names(work)),
    )


def _follow_searches(work: Work) -> int:
    """Embeddings that changed, and those that came later."""
    copied = sql.SQL(_COPIED).format(**_names(work))
    changed = journal.update(
        work,
        "face_search",
        sql.SQL("embedding = source.embedding"),
        sql.SQL(
            'row."faceId" = copied.target_id AND source."faceId" = copied.source_id AND row.embedding <> source.embedding'
        ),
        using=copied + sql.SQL(", face_search AS source"),
    )
    return changed + journal.insert(
        work,
        "face_search",
        ["faceId", "embedding"],
        sql.SQL(
            "SELECT copied.target_id, source.embedding FROM {} "
            'JOIN face_search AS source ON source."faceId" = copied.source_id JOIN asset_face AS own ON own.id = copied.target_id '
            'WHERE NOT EXISTS (SELECT FROM face_search AS old WHERE old."faceId" = copied.target_id)'
        ).format(copied),
    )


def _remove(work: Work) -> tuple[int, int]:
    """Faces that the source no longer has, and their embeddings."""
    if not _count(work, sql.SQL(_GONE)):
        return 0, 0
    gone = sql.SQL("({})").format(sql.SQL(_GONE))
    searches = journal.delete(work, "face_search", sql.SQL('row."faceId" IN {}').format(gone))
    journal.update(
        work, "person", sql.SQL('"faceAssetId" = NULL'), sql.SQL('row."faceAssetId" IN {}').format(gone)
    )  # portraits.py finds another
    faces = journal.delete(work, "asset_face", sql.SQL("row.id IN {}").format(gone))
    journal.delete(work, TRACKING, sql.SQL("row.target_id IN {}").format(gone))
    return faces, searches


def _new(work: Work, pairs: sql.Composable) -> sql.Composed:
    groups = work.layout.person_groups
    return sql.SQL(_NEW).format(
        pairs=pairs,
        person=face_person(work.layout),
        people=sql.Identifier("person_group" if groups else "person"),
        whose=sql.SQL('coalesce(own.id, face."personGroupId")' if groups else "own.id"),
    )


def _names(work: Work) -> dict[str, sql.Composable]:
    person = face_person(work.layout)
    whose = sql.SQL(_WHOSE_OF_GROUPS if work.layout.person_groups else _WHOSE)
    return {"person": person, "whose": whose}


def _shape(work: Work) -> list[str]:
    """The columns that a face of a copy has as its source has them."""
    left_out = {*_LEFT_OUT, *(["sourceType"] if work.layout.person_groups else [])}
    return [column for column in work.layout.columns["asset_face"] if column not in left_out]


def _differs(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("ROW({}) IS DISTINCT FROM ROW({})").format(_columns("row", columns), _columns("face", columns))


def _columns(row: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(row, column) for column in columns)


def _count(work: Work, query: sql.Composable) -> int:
    row = work.connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS found").format(query), work.values).fetchone()
    return int(row[0]) if row else 0
