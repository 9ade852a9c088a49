"""What must hold of copies after any cycle, however it ended up there: worked out from Immich's tables alone, row by row."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from immich_pipeline.sharing.model import Job
from immich_pipeline_tests.sharing.dumps import files, table_names
from immich_pipeline_tests.sharing.house import MEDIA, House

Row = dict[str, Any]
STAMPS = {"createdAt", "updatedAt", "updateId"}
# what of an asset is a copy's own: new, of the target, or chosen by its owner later on
OWN_OF_ASSET = {
    "id", "ownerId", "libraryId", "originalPath", "checksum", "checksumAlgorithm", "isExternal", "isFavorite", "visibility", "status",
    "deletedAt", "stackId", "duplicateId", "livePhotoVideoId", "deviceId",
}  # fmt: skip
PLAIN_TABLES = (
    "asset_audio",
    "asset_edit",
    "asset_exif",
    "asset_keyframe",
    "asset_ocr",
    "asset_video",
    "ocr_search",
    "smart_search",
)
PICTURES = ("thumbs/", "encoded-video/")


@dataclass(frozen=True)
class Copy:
    """A line of our mapping."""

    source: str
    target: str
    state: str


def broken(house: House, *jobs: Job, frozen: bool = False) -> list[str]:
    """Everything that is wrong, in words; empty when all is well.

    Args:
        house: after a cycle that nothing cut off.
        jobs: all that ran in it.
        frozen: copies are not followed (`follow` is off), so that they need not be as their sources are now.
    """
    found: list[str] = []
    for job in jobs:
        copies = copies_of(house, job)
        if not frozen:
            found += incomplete(house, job, copies)
            found += live_halves(house, copies)
            found += faces(house, job, copies)
        found += people(house, job)
    return [*found, *copies_of_copies(house), *strays(house), *stray_files(house), *stacks(house), *unsafe(house)]


def copies_of(house: House, job: Job, *states: str) -> list[Copy]:
    """A job's copies in these states: by default those whose rows are there."""
    rows = house.rows(
        "SELECT source_id::text, target_id::text, state FROM immich_pipeline_sharing.copy WHERE job = %s AND state = ANY(%s)",
        job.name, list(states) or ["live", "trashed", "kept", "declined"],
    )  # fmt: skip
    return [Copy(*row) for row in rows]


def by_asset(house: House, table: str, column: str = "assetId") -> dict[str, list[Row]]:
    """A table's rows, by the asset that they hang on."""
    found: dict[str, list[Row]] = defaultdict(list)
    for (row,) in house.db.execute(sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(sql.Identifier(table))):
        found[row[column]].append(row)
    return found


def without(row: Row, *columns: str) -> Row:
    return {name: value for name, value in row.items() if name not in STAMPS and name not in columns}


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def incomplete(house: House, job: Job, copies: list[Copy]) -> Iterator[str]:
    """Copies that are not, row for row and file for file, what their sources are."""
    living = [copy for copy in copies if copy.state == "live"]
    tables = {name: by_asset(house, name) for name in PLAIN_TABLES if name in table_names(house.db, "public")}
    assets = {row["id"]: row for rows in by_asset(house, "asset", "id").values() for row in rows}
    pictures, states = by_asset(house, "asset_file"), by_asset(house, "asset_job_status")
    for copy in living:
        if copy.source not in assets or copy.target not in assets:
            yield f"{copy}: {'source' if copy.target in assets else 'copy'} is gone"
            continue
        source, target = assets[copy.source], assets[copy.target]
        yield from _asset(job, source, target)
        for name, rows in tables.items():
            wanted, got = (
                _sorted([_own(job, name, row) for row in rows.get(one, [])]) for one in (copy.source, copy.target)
            )
            if wanted != got:
                yield f"{source['originalPath']!r}: {name}: {_difference(wanted, got)}"
        yield from _files(house, job, source, target, pictures)
        yield from _job_status(source, states.get(copy.source, []), states.get(copy.target, []))


def _own(job: Job, table: str, row: Row) -> Row:
    """A row without what is a copy's own."""
    row = without(row, "assetId", *(("id",) if table in ("asset_edit", "asset_ocr") else ()))
    if table == "asset_exif":
        row["lockedProperties"] = sorted(set(row["lockedProperties"] or ()) - {"tags"})
        if job.policy.tags == "off":
            row.pop("tags")
    return row


def _difference(wanted: list[Row], got: list[Row]) -> str:
    if len(wanted) != len(got):
        return f"{len(got)} rows instead of {len(wanted)}"
    pairs = zip(wanted, got, strict=True)
    return str(
        [{name: (a[name], b.get(name)) for name in a if a[name] != b.get(name)} for a, b in pairs if a != b]
    )  # fmt: skip


def _asset(job: Job, source: Row, target: Row) -> Iterator[str]:
    path = source["originalPath"]
    wanted, got = without(source, *OWN_OF_ASSET), without(target, *OWN_OF_ASSET)
    if wanted != got:
        yield f"{path!r}: asset: {_difference([wanted], [got])}"
    remapped = remapped_path(job, source, target, path)
    checksum = hashlib.sha1(f"path:{remapped}".encode(), usedforsecurity=False).hexdigest()
    own = {
        "ownerId": job.target_owner, "libraryId": job.target_library, "originalPath": remapped, "checksum": f"\\x{checksum}",
        "checksumAlgorithm": "sha1-path", "isExternal": True,
    }  # fmt: skip
    if (source["visibility"] == "hidden") != (target["visibility"] == "hidden"):
        yield f"{path!r}: is {source['visibility']} at its source and {target['visibility']} as a copy"
    if {name: target[name] for name in own} != own:
        yield f"{path!r}: asset: {_difference([own], [target])}"


def _files(house: House, job: Job, source: Row, target: Row, rows: dict[str, list[Row]]) -> Iterator[str]:
    """The same kinds of files, at the paths that are the copy's own, each the same file on disk."""

    def key(row: Row) -> Row:
        return without(row, "id", "assetId", "path")

    def remapped(path: str) -> str:
        return remapped_path(job, source, target, path)

    wanted = {remapped(row["path"]): key(row) for row in rows.get(source["id"], []) if _is_shareable(job, row)}
    got = {row["path"]: key(row) for row in rows.get(target["id"], [])}
    if wanted != got:
        yield f"{source['originalPath']!r}: asset_file: {wanted} and {got}"
    for row in rows.get(source["id"], []):
        if row["type"] != "sidecar" and remapped(row["path"]) in got:
            here, there = house.here(row["path"]), house.here(remapped(row["path"]))
            if not there.exists():
                yield f"{source['originalPath']!r}: {there} is missing"
            elif here.exists() and here.stat().st_ino != there.stat().st_ino:
                yield f"{source['originalPath']!r}: {there} is another file"


def remapped_path(job: Job, source: Row, target: Row, path: str) -> str:
    """Where a file is for the copy: of the originals' folder under its prefix, of Immich's own under its ids."""
    if path.startswith(f"{job.source_prefix}/"):
        return job.target_prefix + path.removeprefix(job.source_prefix)
    *folders, name = path.split("/")
    folders = [target["ownerId"] if part == source["ownerId"] else part for part in folders]
    if folders[-2:] == _folders_of(source["id"]):
        folders[-2:] = _folders_of(target["id"])
    return "/".join([*folders, name.replace(source["id"], target["id"])])


def _folders_of(asset: str) -> list[str]:
    """The two that Immich keeps an asset's pictures in."""
    return [asset[0:2], asset[2:4]]


def _is_shareable(job: Job, row: Row) -> bool:
    """A sidecar outside the prefix cannot be seen by the target's library."""
    return bool(row["type"] != "sidecar" or row["path"].startswith(f"{job.source_prefix}/"))


def _job_status(source: Row, wanted: list[Row], got: list[Row]) -> Iterator[str]:
    """Everything that was done for the source is done for the copy; and no duplicates are looked for, since the source itself is one."""
    for row in wanted:
        if not got or not got[0]["duplicatesDetectedAt"]:
            yield f"{source['originalPath']!r}: Immich would work on the copy: {got}"
        elif lacking := [name for name in row if row[name] is not None and got[0][name] is None]:
            yield f"{source['originalPath']!r}: asset_job_status: without {lacking}"


def live_halves(house: House, copies: list[Copy]) -> Iterator[str]:
    """Every live photo of the source is one of the target, its own video hidden."""
    target_of = {copy.source: copy for copy in copies if copy.state == "live"}
    assets = {row["id"]: row for rows in by_asset(house, "asset", "id").values() for row in rows}
    for copy in target_of.values():
        if copy.source not in assets or copy.target not in assets:
            continue
        video, own = assets[copy.source]["livePhotoVideoId"], assets[copy.target]["livePhotoVideoId"]
        wanted = target_of[video].target if video in target_of else None
        if own != wanted:
            yield f"{assets[copy.source]['originalPath']!r}: live video {own} instead of {wanted}"
        elif own is not None and assets[own]["visibility"] != "hidden":
            yield f"{assets[copy.source]['originalPath']!r}: live video is {assets[own]['visibility']}"


def faces(house: House, job: Job, copies: list[Copy]) -> Iterator[str]:
    """Every face that can be seen on the source is on the copy, of the same person; embeddings by the rules of the version."""
    rows = by_asset(house, "asset_face")
    searches = {
        row["faceId"]: row["embedding"] for found in by_asset(house, "face_search", "faceId").values() for row in found
    }
    person_of = _person_of(house, job)

    def seen(asset: str, person: Callable[[str | None], str | None], *, copied: bool) -> list[Row]:
        result = []
        for row in rows.get(asset, []):
            if row["deletedAt"] is not None or not row["isVisible"]:
                continue
            face = without(row, "id", "assetId", "sourceType", house.person_column)
            face["person"] = person(row[house.person_column])
            face["embedding"] = None if house.groups and not copied else searches.get(row["id"])
            face["source"] = "manual" if house.groups and not copied else row["sourceType"]
            result.append(face)
        return _sorted(result)

    for copy in copies:
        if copy.state == "live":
            wanted = seen(copy.source, person_of, copied=False)
            got = seen(copy.target, lambda person: person, copied=True)
            if wanted != got:
                yield f"faces of {copy}: {_difference(wanted, got)}"


def _person_of(house: House, job: Job) -> Callable[[str | None], str | None]:
    if house.groups:
        return lambda person: person
    mapping = dict(
        house.rows(
            "SELECT source_id::text, target_id::text FROM immich_pipeline_sharing.person WHERE target_owner = %s",
            job.target_owner,
        )
    )
    return lambda person: None if person is None else mapping.get(person, "not mapped")


def people(house: House, job: Job) -> Iterator[str]:
    """The target sees only people who have a face on an asset of its own; a person's picture shows a face of the same owner's."""
    key = "personGroupId" if house.groups else "id"
    for name, person in house.rows(
        f"""SELECT name, "{key}"::text FROM person WHERE "ownerId" = %s AND NOT EXISTS (
              SELECT FROM asset_face JOIN asset ON asset.id = "assetId"
              WHERE asset."ownerId" = person."ownerId" AND asset_face."{house.person_column}" = person."{key}")""",
        job.target_owner,
    ):
        if (job.target_owner, person) not in house.own_people:
            yield f"person {name!r} {person} has no face that its owner could see"
    for name, person in house.rows(
        f"""SELECT name, person."{key}"::text
            FROM person JOIN asset_face ON asset_face.id = "faceAssetId" JOIN asset ON asset.id = "assetId"
            WHERE person."ownerId" = %s
              AND (asset."ownerId" <> person."ownerId" OR asset_face."{house.person_column}" IS DISTINCT FROM person."{key}")""",
        job.target_owner,
    ):
        yield f"person {name!r} {person} is shown by a face of another"


def copies_of_copies(house: House) -> list[str]:
    """The mapping has no chain."""
    query = """SELECT first.source_id FROM immich_pipeline_sharing.copy AS first JOIN immich_pipeline_sharing.copy AS second
               ON first.target_id = second.source_id"""
    return [f"{source} is copied on" for (source,) in house.rows(query)]


_STRAYS = {
    "asset of a target library that no mapping knows": """
        SELECT "originalPath" FROM asset WHERE "libraryId" = ANY(%(libraries)s::uuid[])
          AND id NOT IN (SELECT target_id FROM immich_pipeline_sharing.copy WHERE state IN ('live', 'trashed', 'kept', 'declined'))""",
    "mapping without its asset": """
        SELECT target_id FROM immich_pipeline_sharing.copy
        WHERE state IN ('live', 'trashed', 'kept', 'declined') AND target_id NOT IN (SELECT id FROM asset)""",
    "unfinished mapping": "SELECT target_id FROM immich_pipeline_sharing.copy WHERE state = 'removing'",
    "mapping of a face of a copy that is not there": """
        SELECT target_id FROM immich_pipeline_sharing.face WHERE target_asset NOT IN (SELECT id FROM asset)""",
    "face of a copy that no mapping knows": """
        SELECT id FROM asset_face WHERE "assetId" IN (SELECT target_id FROM immich_pipeline_sharing.copy)
          AND id NOT IN (SELECT target_id FROM immich_pipeline_sharing.face)""",
    "mapping of a stack that is nowhere": """
        SELECT target_id FROM immich_pipeline_sharing.stack
        WHERE target_id NOT IN (SELECT id FROM stack) AND source_id NOT IN (SELECT id FROM stack)""",
    "mapping of a tag that is not there": """
        SELECT target_id FROM immich_pipeline_sharing.tag WHERE target_id NOT IN (SELECT id FROM tag)""",
    "tag of a copy that is not there": """
        SELECT tag_id, asset_id FROM immich_pipeline_sharing.tagging WHERE asset_id NOT IN (SELECT id FROM asset)""",
    "entry of an album of an asset that is not there": """
        SELECT asset_id FROM immich_pipeline_sharing.album_entry WHERE asset_id NOT IN (SELECT id FROM asset)""",
    "mapping of somebody who is not there and has no face": """
        SELECT target_id FROM immich_pipeline_sharing.person AS known
        WHERE target_id NOT IN (SELECT {person} FROM person WHERE person."ownerId" = target_owner)
          AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.face JOIN immich_pipeline_sharing.copy ON copy.target_id = target_asset
            WHERE face.source_person = known.source_id AND copy.target_owner = known.target_owner)""",
}


def strays(house: House) -> list[str]:
    """Rows that belong to nothing, in Immich's tables or in ours."""
    libraries = [
        house.target_library,
        *(row[0] for row in house.rows("SELECT id::text FROM library WHERE name LIKE 'from %'")),
    ]
    person = sql.Identifier("personGroupId" if house.groups else "id")
    found = []
    for what, query in _STRAYS.items():
        statement = sql.SQL(query).format(person=person)
        found += [
            f"{what}: {row}" for row in house.db.execute(statement, {"libraries": libraries} if "%" in query else None)
        ]  # fmt: skip
    return found


def stray_files(house: House) -> list[str]:
    """Pictures on disk that no row names, and rows whose picture is not there."""
    paths = {
        path.removeprefix(f"{MEDIA}/")
        for (path,) in house.rows(
            """SELECT path FROM asset_file WHERE type <> 'sidecar'
               UNION SELECT "thumbnailPath" FROM person WHERE "thumbnailPath" <> ''
               UNION SELECT "originalPath" FROM asset WHERE "originalPath" LIKE '/data/encoded-video/%'"""
        )
    }
    there = {path for path in files(house) if path.startswith(PICTURES)}
    return [f"nobody's file {path}" for path in sorted(there - paths)] + [
        f"no file {path}" for path in sorted(paths - there)
    ]


def stacks(house: House) -> list[str]:
    """Every stack has its primary among at least two assets, all of one owner."""
    query = """
      SELECT stack.id::text FROM stack JOIN asset AS first ON first.id = "primaryAssetId"
      WHERE first."stackId" IS DISTINCT FROM stack.id OR (SELECT count(*) FROM asset WHERE "stackId" = stack.id) < 2
        OR EXISTS (SELECT FROM asset WHERE "stackId" = stack.id AND asset."ownerId" <> stack."ownerId")"""
    return [f"stack {stack} has no primary of its own" for (stack,) in house.rows(query)]


def unsafe(house: House) -> list[str]:
    """Copies in the trash whose original, which is the source's, Immich would delete from the disk with them."""
    query = """SELECT "originalPath" FROM asset JOIN immich_pipeline_sharing.copy ON copy.target_id = asset.id
               WHERE asset.status <> 'active' OR asset."deletedAt" IS NOT NULL AND NOT "isOffline" """
    return [f"the original of {path!r} goes with its copy" for (path,) in house.rows(query)]


def target_of(house: House, source: str, job: Job | None = None) -> str:
    """The copy of an asset."""
    owner = (job or house.job()).target_owner
    query = "SELECT target_id::text FROM immich_pipeline_sharing.copy WHERE source_id = %s AND target_owner = %s"
    target = house.value(query, source, owner)
    assert isinstance(target, str)
    return target


def copied(house: House, job: Job | None = None) -> set[str]:
    """The sources of the copies that are there, whatever state they are in."""
    return {copy.source for copy in copies_of(house, job or house.job())}
