"""The people of the source as people of the target.

Up to 3.1 a person belongs to one user: the target gets a person of its own for each of the source's. From 3.2 on a face belongs to a group
of which every user has a person: the copy's face keeps the group, and the target gets its person of that group if it has none.
`immich_pipeline_sharing.person` says which is whose, however many jobs share the same source.
"""

from psycopg import sql

from immich_pipeline.sharing import journal
from immich_pipeline.sharing.work import Counts, Layout, Seen, Work

TRACKING = "immich_pipeline_sharing.person"
# what of a person is not inherited as it is
_OWN_COLUMNS = {
    "id", "ownerId", "personGroupId", "name", "thumbnailPath", "faceAssetId", "createdAt", "updatedAt", "updateId",
}  # fmt: skip

_WANTED = """
SELECT DISTINCT face.{person} AS source_id FROM asset_face AS face JOIN {pairs} AS pair ON pair.source_id = face."assetId"
WHERE face.{person} IS NOT NULL AND face."deletedAt" IS NULL AND NOT EXISTS (
  SELECT FROM immich_pipeline_sharing.person AS known WHERE known.source_id = face.{person} AND known.target_owner = %(target_owner)s)
"""
# Who the copies of someone's faces belong to: as we wrote it, or since who we wrote is gone. Not who stands for someone else of the source.
_CARRIED = """
SELECT DISTINCT ON (source_id) source_id, target_id FROM (
  SELECT wanted.source_id, own.{person} AS target_id, count(*) AS faces
  FROM wanted JOIN asset_face AS face ON face.{person} = wanted.source_id
    JOIN immich_pipeline_sharing.face AS known ON known.source_id = face.id
    JOIN asset_face AS own ON own.id = known.target_id JOIN asset ON asset.id = own."assetId" AND asset."ownerId" = %(target_owner)s
  WHERE own.{person} IS NOT NULL
    AND (own.{person} = known.target_person OR NOT EXISTS (
      SELECT FROM person WHERE person.{id} = known.target_person AND person."ownerId" = %(target_owner)s))
    AND NOT EXISTS (
      SELECT FROM immich_pipeline_sharing.person AS other
        JOIN person AS alive ON alive.{id} = other.source_id AND alive."ownerId" <> %(target_owner)s
      WHERE other.target_id = own.{person} AND other.target_owner = %(target_owner)s)
  GROUP BY wanted.source_id, own.{person}
) AS counted ORDER BY source_id, faces DESC, target_id
"""
# Up to 3.1. Someone who was mirrored from the target is the one that they were mirrored from.
_MIRROR = """
WITH wanted AS MATERIALIZED ({wanted}),
origin AS (
  SELECT DISTINCT ON (wanted.source_id) wanted.source_id, back.source_id AS target_id
  FROM wanted JOIN immich_pipeline_sharing.person AS back
    ON back.target_id = wanted.source_id AND back.target_owner = %(source_owner)s
  JOIN person ON person.id = back.source_id AND person."ownerId" = %(target_owner)s ORDER BY wanted.source_id, back.source_id
),
carried AS ({carried}),
decided AS MATERIALIZED (
  SELECT wanted.source_id, coalesce(origin.target_id, carried.target_id, gen_random_uuid()) AS target_id,
    origin.target_id IS NULL AND carried.target_id IS NULL AS made,
    CASE WHEN origin.target_id IS NULL AND carried.target_id IS NOT NULL THEN (
      SELECT max(old.name) FROM immich_pipeline_sharing.person AS old
      WHERE old.target_id = carried.target_id AND old.target_owner = %(target_owner)s) END AS name
  FROM wanted LEFT JOIN origin ON origin.source_id = wanted.source_id LEFT JOIN carried ON carried.source_id = wanted.source_id
),
made AS (
  INSERT INTO person (id, "ownerId", name, {columns})
  SELECT decided.target_id, %(target_owner)s::uuid, {name}, {values}
  FROM decided JOIN person AS source ON source.id = decided.source_id WHERE decided.made RETURNING id, name
),
known AS (
  INSERT INTO immich_pipeline_sharing.person (source_id, target_owner, target_id, run, made, name)
  SELECT decided.source_id, %(target_owner)s, decided.target_id, %(run)s, decided.made, coalesce(made.name, decided.name)
  FROM decided LEFT JOIN made ON made.id = decided.target_id
)
SELECT count(*) FROM made
"""
# From 3.2 on. When the source merged a group into another, the target's person of the new group is what the one of the old group was.
_JOIN_GROUPS = """
WITH wanted AS MATERIALIZED ({wanted}),
carried AS ({carried}),
decided AS MATERIALIZED (
  SELECT wanted.source_id, before."personGroupId" AS carried,
    (SELECT max(old.name) FROM immich_pipeline_sharing.person AS old
     WHERE old.target_id = before."personGroupId" AND old.target_owner = %(target_owner)s) AS name
  FROM wanted LEFT JOIN carried ON carried.source_id = wanted.source_id
    LEFT JOIN person AS before ON before."personGroupId" = carried.target_id AND before."ownerId" = %(target_owner)s
),
made AS (
  INSERT INTO person ("ownerId", "personGroupId", name, {columns})
  SELECT %(target_owner)s::uuid, decided.source_id, CASE WHEN decided.carried IS NULL THEN {name} ELSE source.name END, {values}
  FROM decided JOIN person AS source ON source."personGroupId" = coalesce(decided.carried, decided.source_id)
    AND source."ownerId" = CASE WHEN decided.carried IS NULL THEN %(source_owner)s::uuid ELSE %(target_owner)s::uuid END
  ON CONFLICT DO NOTHING RETURNING "personGroupId" AS id, name
),
nameless AS (
  INSERT INTO person ("ownerId", "personGroupId")
  SELECT %(target_owner)s::uuid, source_id FROM decided WHERE carried IS NULL AND NOT EXISTS (
    SELECT FROM person WHERE "personGroupId" = decided.source_id AND "ownerId" = %(source_owner)s)
  ON CONFLICT DO NOTHING RETURNING "personGroupId" AS id, name
),
new AS (SELECT * FROM made UNION ALL SELECT * FROM nameless),
known AS (
  INSERT INTO immich_pipeline_sharing.person (source_id, target_owner, target_id, run, made, name)
  SELECT decided.source_id, %(target_owner)s, decided.source_id, %(run)s, new.id IS NOT NULL,
    CASE WHEN decided.carried IS NULL THEN new.name ELSE decided.name END
  FROM decided LEFT JOIN new ON new.id = decided.source_id
)
SELECT count(*) FROM new
"""


# Who the faces of someone that the target merged away belong to now: most of them, nobody included (then the person was deleted).
_SURVIVORS = """
WITH lost AS MATERIALIZED (
  SELECT known.source_id, known.target_id FROM immich_pipeline_sharing.person AS known
  WHERE known.target_owner = %(target_owner)s
    AND NOT EXISTS (SELECT FROM person WHERE person.{id} = known.target_id AND person."ownerId" = %(target_owner)s)
)
SELECT source_id, lost, survivor FROM (
  SELECT DISTINCT ON (lost.source_id) lost.source_id::text, lost.target_id::text AS lost, own.{person}::text AS survivor
  FROM lost JOIN immich_pipeline_sharing.face AS copied ON copied.target_person = lost.target_id
    JOIN asset_face AS own ON own.id = copied.target_id JOIN asset ON asset.id = own."assetId" AND asset."ownerId" = %(target_owner)s
  GROUP BY lost.source_id, lost.target_id, own.{person}
  ORDER BY lost.source_id, count(*) DESC, own.{person} NULLS LAST
) AS ranked WHERE survivor IS NOT NULL
"""
# What a name was, is, and as it was last written. A name that came from the target itself is not given back to it.
_NAMES = """
WITH renamed AS MATERIALIZED (
  SELECT known.source_id, known.target_id, source.name FROM immich_pipeline_sharing.person AS known
    JOIN person AS source ON source.{id} = known.source_id AND source."ownerId" = %(source_owner)s
    JOIN person AS own ON own.{id} = known.target_id AND own."ownerId" = %(target_owner)s
  WHERE known.target_owner = %(target_owner)s AND source.name <> own.name AND known.name IS DISTINCT FROM source.name AND {rule}
    AND NOT EXISTS (
      SELECT FROM immich_pipeline_sharing.person AS back
      WHERE back.source_id = known.target_id AND back.target_id = known.source_id AND back.target_owner = %(source_owner)s
        AND back.name = source.name)
)
SELECT DISTINCT ON (renamed.target_id) renamed.source_id::text, renamed.target_id::text, renamed.name
FROM renamed JOIN immich_pipeline_sharing.face AS copied ON copied.source_person = renamed.source_id
  JOIN immich_pipeline_sharing.copy ON copy.target_id = copied.target_asset
WHERE copy.target_owner = %(target_owner)s AND copy.state = 'live' AND {among}
ORDER BY renamed.target_id, renamed.source_id
"""
_NAME_RULES = {
    "fill": "own.name = '' AND source.name <> ''",
    "mirror": "own.name = coalesce(known.name, '')",  # until the target's owner gives a name of their own
}
# Ours, without a name of the target's own, with no face that is anybody's: not even on an asset in the trash.
_ORPHANS = """
SELECT own.{id}::text, own."thumbnailPath" FROM person AS own
WHERE own."ownerId" = %(target_owner)s AND EXISTS (
    SELECT FROM immich_pipeline_sharing.person AS known
    WHERE known.target_id = own.{id} AND known.target_owner = %(target_owner)s AND known.made
      AND own.name IN ('', coalesce(known.name, '')))
  AND NOT EXISTS (
    SELECT FROM asset_face JOIN asset ON asset.id = "assetId"
    WHERE asset_face.{person} = own.{id} AND asset."ownerId" = %(target_owner)s)
  AND NOT EXISTS (
    SELECT FROM immich_pipeline_sharing.person AS known
      JOIN immich_pipeline_sharing.face AS copied ON copied.source_person = known.source_id
      JOIN immich_pipeline_sharing.copy ON copy.target_id = copied.target_asset AND copy.target_owner = %(target_owner)s
    WHERE known.target_id = own.{id} AND known.target_owner = %(target_owner)s)
"""
# A group that lost its last person would be deleted by Immich, and whoever has faces in it would lose them.
_GROUP_STAYS = """
  AND (EXISTS (SELECT FROM person AS other WHERE other."personGroupId" = own."personGroupId" AND other."ownerId" <> own."ownerId")
    OR NOT EXISTS (SELECT FROM asset_face WHERE asset_face."personGroupId" = own."personGroupId"))
"""
# Someone of the target who is gone, or of the source who is gone and was not made by us, and whom no copied face shows.
_STALE = """
WITH stale AS MATERIALIZED (
  SELECT known.source_id FROM immich_pipeline_sharing.person AS known WHERE known.target_owner = %(target_owner)s
    AND (NOT EXISTS (SELECT FROM person WHERE person.{id} = known.target_id AND person."ownerId" = %(target_owner)s)
      OR NOT known.made
        AND NOT EXISTS (SELECT FROM person WHERE person.{id} = known.source_id AND person."ownerId" <> %(target_owner)s))
)
SELECT source_id FROM stale WHERE NOT EXISTS (
  SELECT FROM immich_pipeline_sharing.face AS copied JOIN immich_pipeline_sharing.copy ON copy.target_id = copied.target_asset
  WHERE copied.source_person = stale.source_id AND copy.target_owner = %(target_owner)s)
"""


def face_person(layout: Layout) -> sql.Identifier:
    """The column of asset_face that says whose it is."""
    return sql.Identifier("personGroupId" if layout.person_groups else "personId")


def person_id(layout: Layout) -> sql.Identifier:
    """What a person is known by, beside its owner."""
    return sql.Identifier("personGroupId" if layout.person_groups else "id")


def ensure_people(work: Work, pairs: sql.Composable = sql.Identifier("batch")) -> Counts:  # noqa: B008 - a constant
    """See that there is someone of the target for everyone who has a face on assets that are copied.

    `pairs` is what has the columns source_id and target_id: only people who can be seen on these are looked at.
    """
    inherited = [column for column in work.layout.columns["person"] if column not in _OWN_COLUMNS]
    names = _names(work.layout)
    statement = sql.SQL(_JOIN_GROUPS if work.layout.person_groups else _MIRROR).format(
        wanted=sql.SQL(_WANTED).format(pairs=pairs, **names),
        carried=sql.SQL(_CARRIED).format(**names),
        columns=sql.SQL(", ").join(map(sql.Identifier, inherited)),
        values=sql.SQL(", ").join(sql.SQL("source.{}").format(sql.Identifier(column)) for column in inherited),
        name=sql.SQL("''" if work.job.policy.names == "off" else "source.name"),
    )
    return {"person": _number(work, statement)}


def ensure_people_outlook(work: Work, pairs: sql.Composable = sql.Identifier("batch")) -> Seen:  # noqa: B008 - a constant
    """How many people of the target `ensure_people` would make at most."""
    known = sql.SQL(
        ' AND NOT EXISTS (SELECT FROM person WHERE "personGroupId" = face."personGroupId" AND "ownerId" = %(target_owner)s)'
    )
    wanted = sql.SQL(_WANTED).format(pairs=pairs, **_names(work.layout))
    if work.layout.person_groups:
        wanted += known
    return Seen({"person": _number(work, sql.SQL("SELECT count(*) FROM ({}) AS wanted").format(wanted))})


def _names(layout: Layout) -> dict[str, sql.Composable]:
    return {"person": face_person(layout), "id": person_id(layout)}


def _number(work: Work, statement: sql.Composed) -> int:
    row = work.connection.execute(statement, work.values).fetchone()
    return int(row[0]) if row else 0


def adopt_survivors(work: Work) -> None:
    """Where the target merged someone of ours into another person, that one stands for the source's from now on."""
    names = _names(work.layout)
    rows = work.connection.execute(sql.SQL(_SURVIVORS).format(**names), work.values).fetchall()
    if not rows:
        return
    sources, lost, survivors = (list(column) for column in zip(*rows, strict=True))
    values = {"sources": sources, "lost": lost, "survivors": survivors}
    found = sql.SQL(
        "unnest(%(sources)s::uuid[], %(lost)s::uuid[], %(survivors)s::uuid[]) AS found (source_id, lost, survivor)"
    )
    journal.update(
        work,
        "immich_pipeline_sharing.face",
        sql.SQL("target_person = own.{person}").format(**names),
        sql.SQL("row.target_person = found.lost AND own.id = row.target_id AND own.{person} = found.survivor").format(
            **names
        ),
        using=sql.SQL("(SELECT DISTINCT lost, survivor FROM {}) AS found, asset_face AS own").format(found),
        values=values,
    )
    journal.update(
        work,
        TRACKING,
        sql.SQL("target_id = found.survivor, made = FALSE, name = NULL"),
        sql.SQL("row.source_id = found.source_id AND row.target_owner = %(target_owner)s"),
        using=found,
        values=values,
    )


def follow_names(work: Work) -> Counts:
    """Give people of the target the source's names, as the policy says."""
    found = _names_to_give(work)
    if not found:
        return {}
    sources, targets, names = (list(column) for column in zip(*found, strict=True))
    values = {"sources": sources, "targets": targets, "names": names}
    using = sql.SQL(
        "unnest(%(sources)s::uuid[], %(targets)s::uuid[], %(names)s::text[]) AS found (source_id, target_id, name)"
    )
    given = journal.update(
        work,
        "person",
        sql.SQL("name = found.name"),
        sql.SQL('row."ownerId" = %(target_owner)s AND row.{} = found.target_id').format(person_id(work.layout)),
        using=using,
        values=values,
    )
    journal.update(
        work,
        TRACKING,
        sql.SQL("name = found.name"),
        sql.SQL("row.source_id = found.source_id AND row.target_owner = %(target_owner)s"),
        using=using,
        values=values,
    )
    return {"person": given}


def follow_names_outlook(work: Work) -> Seen:
    """How many people would get another name."""
    return Seen({"person": len(_names_to_give(work))})


def _names_to_give(work: Work) -> list[tuple[str, str, str]]:
    """The source's person, the target's, and the name."""
    rule = _NAME_RULES.get(work.job.policy.names)
    if rule is None:
        return []
    statement = sql.SQL(_NAMES).format(
        rule=sql.SQL(rule),
        among=work.among(sql.SQL("copy.source_id"), sql.SQL("copy.target_id")),
        **_names(work.layout),
    )
    return work.connection.execute(statement, work.values).fetchall()


def remove_orphans(work: Work) -> Counts:
    """Remove people that we made, that nobody named, and that have no face left; and what is known of people who are gone.

    Their portraits are left in `immich_pipeline_sharing.file`, to be removed when the transaction is through.
    """
    names = _names(work.layout)
    orphans = work.connection.execute(_orphans(work), work.values).fetchall()
    removed = 0
    if orphans:
        values = {"gone": [person for person, _ in orphans], "paths": [path for _, path in orphans if path]}
        removed = journal.delete(
            work,
            "person",
            sql.SQL('row."ownerId" = %(target_owner)s AND row.{id} = ANY(%(gone)s::uuid[])').format(**names),
            values=values,
        )
        leave_files(work, values["paths"])
        mapped = sql.SQL("row.target_owner = %(target_owner)s AND row.target_id = ANY(%(gone)s::uuid[])")
        journal.delete(work, TRACKING, mapped, values=values)
    stale = [person for (person,) in work.connection.execute(sql.SQL(_STALE).format(**names), work.values)]
    if stale:
        mapped = sql.SQL("row.target_owner = %(target_owner)s AND row.source_id = ANY (%(stale)s)")
        journal.delete(work, TRACKING, mapped, values={"stale": stale})
    return {"person": removed}


def remove_orphans_outlook(work: Work) -> Seen:
    """How many people would be removed."""
    return Seen({"person": len(work.connection.execute(_orphans(work), work.values).fetchall())})


def _orphans(work: Work) -> sql.Composed:
    rule = sql.SQL(_ORPHANS + (_GROUP_STAYS if work.layout.person_groups else ""))
    return rule.format(**_names(work.layout))


def leave_files(work: Work, paths: list[str]) -> None:
    """Note files that no row names any more once the transaction is through; they are removed after it."""
    work.connection.execute(
        "INSERT INTO immich_pipeline_sharing.file (path, run) SELECT DISTINCT path, %s::bigint FROM unnest(%s::text[]) AS path "
        "ON CONFLICT DO NOTHING",
        [work.run, paths],
    )
