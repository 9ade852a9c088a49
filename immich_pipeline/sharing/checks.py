"""What may be wrong with the copies of a job, as Immich's database and the media folder show it. Nothing is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from psycopg import sql

from immich_pipeline.sharing.work import Work

_SAMPLES = 10


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the check.
        passed: whether all is well.
        numbers: what was counted.
        samples: some of what is not well.
        remedy: what a person can do about it.
    """

    name: str
    passed: bool
    numbers: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()
    remedy: str = ""


# What Immich's queues would take of copies (their conditions, of its nightly jobs and of "missing" in the job list).
_QUEUED = {
    "metadata": """NOT EXISTS (
        SELECT FROM asset_job_status AS job WHERE job."assetId" = own.id AND job."metadataExtractedAt" IS NOT NULL)""",
    "thumbnails": """(own.thumbhash IS NULL OR NOT EXISTS (
        SELECT FROM asset_file AS file WHERE file."assetId" = own.id AND file.type = 'preview')
      OR NOT EXISTS (SELECT FROM asset_file AS file WHERE file."assetId" = own.id AND file.type = 'thumbnail'))""",
    "faces": """own.visibility <> 'hidden' AND NOT EXISTS (
        SELECT FROM asset_job_status AS job WHERE job."assetId" = own.id AND job."facesRecognizedAt" IS NOT NULL)""",
    "smart search": """own.visibility <> 'hidden' AND NOT EXISTS (
        SELECT FROM smart_search AS search WHERE search."assetId" = own.id)""",
    "duplicates": """own.visibility <> 'hidden' AND NOT EXISTS (
        SELECT FROM asset_job_status AS job WHERE job."assetId" = own.id AND job."duplicatesDetectedAt" IS NOT NULL)""",
}
_COPIES = """
FROM immich_pipeline_sharing.copy JOIN asset AS own ON own.id = copy.target_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND own."deletedAt" IS NULL
"""
_OFFLINE = """
SELECT own."originalPath" FROM immich_pipeline_sharing.copy JOIN asset AS own ON own.id = copy.target_id
JOIN asset AS source ON source.id = copy.source_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND own."isOffline" AND NOT source."isOffline" ORDER BY 1
"""
_IN_DANGER = """
SELECT own."originalPath" FROM immich_pipeline_sharing.copy JOIN asset AS own ON own.id = copy.target_id
WHERE copy.job = %(job)s AND (own.status <> 'active' OR own."deletedAt" IS NOT NULL AND NOT own."isOffline") ORDER BY 1
"""
_HALVES = """
SELECT source."originalPath" FROM immich_pipeline_sharing.copy JOIN asset AS source ON source.id = copy.source_id
JOIN asset AS own ON own.id = copy.target_id
WHERE copy.job = %(job)s AND copy.state = 'live' AND own."deletedAt" IS NULL AND source."livePhotoVideoId" IS NOT NULL
  AND own."livePhotoVideoId" IS NULL
ORDER BY 1
"""
_CHAINS = """
SELECT first.target_id::text FROM immich_pipeline_sharing.copy AS first
JOIN immich_pipeline_sharing.copy AS second ON second.source_id = first.target_id
WHERE %(job)s IN (first.job, second.job) ORDER BY 1
"""
# A scan of the target's library marks every copy offline: its pattern hides all files from it, and that is what it is for.
_LIBRARY = """
SELECT '**/*' = ANY (library."exclusionPatterns"), coalesce(library."refreshedAt" > (
  SELECT min(made_at) FROM immich_pipeline_sharing.copy WHERE copy.job = %(job)s AND copy.state = 'live'), FALSE)
FROM library WHERE library.id = %(target_library)s
"""
# People without a name that Immich made for the target of faces on copies: a sign of embeddings that count twice.
_INVENTED = """
SELECT count(*) FROM person AS own WHERE own."ownerId" = %(target_owner)s AND own.name = ''
  AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.person AS known
                  WHERE known.target_owner = own."ownerId" AND known.target_id = own.{id})
  AND EXISTS (
    SELECT FROM asset_face AS face JOIN immich_pipeline_sharing.copy ON copy.target_id = face."assetId"
    WHERE face.{person} = own.{id} AND copy.job = %(job)s)
  AND NOT EXISTS (
    SELECT FROM asset_face AS face JOIN asset ON asset.id = face."assetId"
    WHERE face.{person} = own.{id} AND asset."ownerId" = own."ownerId"
      AND NOT EXISTS (SELECT FROM immich_pipeline_sharing.copy WHERE copy.target_id = asset.id))
"""
_PICTURES = """
SELECT file.path FROM immich_pipeline_sharing.copy JOIN asset_file AS file ON file."assetId" = copy.target_id
WHERE copy.job = %(job)s AND copy.state IN ('live', 'trashed', 'kept', 'declined') AND file.type <> 'sidecar'
"""


def jobs_for_copies(work: Work) -> Finding:
    """Whether Immich would work on copies again: everything that it makes of an asset was copied."""
    numbers = {
        queue: _count(work, sql.SQL("SELECT {} AND {}").format(sql.SQL(_COPIES), sql.SQL(condition)))
        for queue, condition in _QUEUED.items()
    }
    return Finding(
        "jobs_for_copies",
        passed=not any(numbers.values()),
        numbers=numbers,
        remedy="let the source be processed to the end (jobs page of Immich), then run the job with everything compared; never run "
        "Immich's jobs for all assets, which works on copies as well",
    )


def copies_offline(work: Work) -> Finding:
    """Whether a scan took copies offline that are there at the source; the next cycle brings them back."""
    return _listed(
        work,
        "copies_offline",
        _OFFLINE,
        "switch off scans of the target's library: a scan takes every copy offline; the next cycle brings them back",
    )


def originals_in_danger(work: Work) -> Finding:
    """Whether copies lie in the target's trash in such a way that Immich would delete their originals."""
    return _listed(
        work,
        "originals_in_danger",
        _IN_DANGER,
        "run the job with guard_originals, or mount the source's folder read-only where the target sees it",
    )


def scan_pending(work: Work) -> Finding:
    """Whether the target's library is scanned, or would be filled by a scan."""
    row = work.connection.execute(_LIBRARY, work.values).fetchone()
    excluded, scanned = (bool(row[0]), bool(row[1])) if row else (False, False)
    return Finding(
        "scan_pending",
        passed=excluded and not scanned,
        numbers={"hidden_from_scans": int(excluded), "scanned_since": int(scanned)},
        remedy="give the target's library the exclusion pattern **/* and switch off its periodic scan: a scan takes copies offline, "
        "without the pattern it imports everything a second time",
    )


def live_halves(work: Work) -> Finding:
    """Whether every live photo of the source's is one at the target."""
    return _listed(
        work,
        "live_halves",
        _HALVES,
        "let Immich finish with the videos at the source; the next cycle copies and links them",
    )


def chain_length(work: Work) -> Finding:
    """Whether a copy was copied on."""
    return _listed(work, "chain_length", _CHAINS, "undo the job that copied copies")


def people_invented(work: Work) -> Finding:
    """Whether Immich has made nameless people of nothing but copies' faces."""
    group = work.layout.person_groups
    query = sql.SQL(_INVENTED).format(
        id=sql.Identifier("personGroupId" if group else "id"),
        person=sql.Identifier("personGroupId" if group else "personId"),
    )
    row = work.connection.execute(query, work.values).fetchone()
    number = int(row[0]) if row else 0
    return Finding(
        "people_invented",
        passed=number == 0,
        numbers={"people": number},
        remedy="merge them into the people that they are, or leave them nameless: Immich removes whoever has no face left",
    )


def leaked_files(work: Work) -> Finding:
    """Whether files were left without rows, or rows without files; the next cycle removes what is noted as left."""
    pictures = [path for (path,) in work.connection.execute(_PICTURES, work.values)]
    missing = [path for path in pictures if work.media.covers(path) and not work.media.exists(path)]
    left = _count(work, sql.SQL("SELECT FROM immich_pipeline_sharing.file"))
    return Finding(
        "leaked_files",
        passed=not missing and not left,
        numbers={"pictures": len(pictures), "missing": len(missing), "without_row": left},
        samples=tuple(missing[:_SAMPLES]),
        remedy="run the job with everything compared: pictures that are missing are linked again, files without rows are removed",
    )


CHECKS: tuple[Callable[[Work], Finding], ...] = (
    jobs_for_copies,
    copies_offline,
    originals_in_danger,
    scan_pending,
    live_halves,
    chain_length,
    people_invented,
    leaked_files,
)
"""All that can be looked at; the last reads the media folder, once per picture."""


def findings(work: Work) -> tuple[Finding, ...]:
    """What all checks say."""
    return tuple(check(work) for check in CHECKS)


def _listed(work: Work, name: str, query: str, remedy: str) -> Finding:
    """A check that finds paths or ids, and should find none."""
    found = [str(one) for (one,) in work.connection.execute(sql.SQL(query), work.values)]
    return Finding(name, not found, {"found": len(found)}, tuple(found[:_SAMPLES]), remedy)


def _count(work: Work, query: sql.Composable) -> int:
    row = work.connection.execute(sql.SQL("SELECT count(*) FROM ({}) AS found").format(query), work.values).fetchone()
    return int(row[0]) if row else 0
