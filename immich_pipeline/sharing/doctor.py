"""Will sharing work? Database and rights, backup, media folder, and each job: for `immich-pipeline doctor`."""

from datetime import UTC, datetime
from pathlib import Path

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.share_settings import ShareJob
from immich_pipeline.sharing.backup_age import newest_backup, require_backup
from immich_pipeline.sharing.contract import check_job, read_layout
from immich_pipeline.sharing.folder_link import is_link_here
from immich_pipeline.sharing.media_folder import MediaFolder
from immich_pipeline.sharing.model import Job
from immich_pipeline.sharing.opening import open_database, reached_by
from immich_pipeline.sharing.resolve import Known, overlaps, resolve_jobs
from immich_pipeline.sharing.role import missing_rights
from immich_pipeline.sharing.session import Connection
from immich_pipeline.sources.doctor.look import Notes

_ROLE = "run the SQL of 'immich-pipeline share role' as the owner of Immich's database"


def look_at_sharing(settings: Settings, notes: Notes) -> None:
    """Note what of sharing will work; nothing when nothing is shared. Nothing is written."""
    if not settings.sharing.jobs:
        return
    try:
        immich = reached_by(settings)
    except UserError as error:
        notes.problem("settings", str(error))
        return
    media = _look_at_media(settings, immich, notes)
    try:
        with open_database(settings) as connection:
            _look_at_database(connection, notes)
            jobs = [
                job
                for wanted in settings.sharing.jobs
                if (job := _look_at_job(connection, wanted, immich, media, notes)) is not None
            ]
    except UserError as error:
        notes.problem("database", str(error))
        return
    for note in overlaps(jobs):
        notes.ok("jobs", note)


def _look_at_media(settings: Settings, immich: ImmichSettings, notes: Notes) -> MediaFolder | None:
    try:
        media = MediaFolder.mapped(immich.media_location, immich.paths)
    except UserError as error:
        notes.problem("media folder", str(error))
        return None
    notes.ok("media folder", f"{media.here} can be written to")
    newest = newest_backup(media)
    try:
        require_backup(media, settings.sharing.backup_age)
    except UserError as error:
        notes.problem("backup", str(error))
        return media
    if newest is None:
        notes.warning(
            "backup", "there is none of Immich's database in its media folder", "have backups made another way"
        )
    else:
        notes.ok(
            "backup",
            f"the newest of Immich's database is {(datetime.now(UTC) - newest).total_seconds() / 3600:.0f} hours old",
        )
    return media


def _look_at_database(connection: Connection, notes: Notes) -> None:
    missing = missing_rights(connection)
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""  # noqa: PLR2004 - so many are enough to see
        notes.problem("database", f"the role lacks rights: {', '.join(missing[:5])}{more}", _ROLE)
    else:
        notes.ok("database", "the role may do what sharing needs")
    layout = read_layout(connection)
    unknown = f"; not copied, since not known: {', '.join(layout.unknown_tables)}" if layout.unknown_tables else ""
    notes.ok("contract", f"Immich's tables are as of {layout.version}{unknown}")


def _look_at_job(
    connection: Connection, wanted: ShareJob, immich: ImmichSettings, media: MediaFolder | None, notes: Notes
) -> Job | None:
    """The job, when it can be carried out."""
    subject = f"job {wanted.name}"
    try:
        (job,) = resolve_jobs(Known.read(connection, immich.media_location), [wanted])
        check_job(connection, job, read_layout(connection))
    except UserError as error:
        notes.problem(subject, str(error))
        return None
    notes.ok(subject, f"{wanted.source_user} to {wanted.target_user}")
    if media is not None and not _is_one_file_system(media, job):
        notes.warning(
            subject,
            f"thumbnails of the two users lie on two file systems (other_filesystem: {wanted.other_filesystem})",
            "set other_filesystem: copy, or move the thumbnails to one file system",
        )
    if is_link_here(PathMap(immich.paths), wanted.target_prefix):
        _look_at_guard(subject, wanted, notes)
    return job


def _look_at_guard(subject: str, wanted: ShareJob, notes: Notes) -> None:
    remedy = f"mount the source's folder read-only at {wanted.target_prefix} in Immich's container instead"
    if wanted.guard_originals:
        notes.warning(subject, f"{wanted.target_prefix} is a link: originals are guarded by the job alone", remedy)
    else:
        notes.problem(
            subject,
            f"{wanted.target_prefix} is a link and guard_originals is off: emptying the target's trash deletes originals",
            f"set guard_originals: true, or {remedy}",
        )


def _is_one_file_system(media: MediaFolder, job: Job) -> bool:
    """Whether both users' thumbnails lie on one file system, as far as their folders are there."""
    owners = (job.source_owner, job.target_owner)
    folders = [Path(media.place(f"{media.location}/thumbs/{owner}")) for owner in owners]
    return len({folder.stat().st_dev for folder in folders if folder.is_dir()}) <= 1
