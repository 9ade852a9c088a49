"""`immich-pipeline share ...`: set a job up, see how jobs stand, take one back, restore, adopt another program's copies, the role's SQL."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immich_pipeline.config import CONFIG_NAME, Settings, config_file, settings_with
from immich_pipeline.errors import UserError

if TYPE_CHECKING:
    from immich_pipeline.immich.client import ImmichClient
    from immich_pipeline.share_settings import ShareJob
    from immich_pipeline.sharing.new_job import NewJob
    from immich_pipeline.sharing.resolve import Known

_home = click.option("--home", type=click.Path(path_type=Path), help="Data folder: database, reports, logs.")
_yes = click.option("--yes", is_flag=True, help="Do it without asking.")

NEVER_SCAN = (
    "never scan this library in Immich, by hand or by its nightly schedule: a scan marks every copy as missing and puts it into the trash "
    "(the next run brings them back)"
)


DELETES = (
    "this folder is a link: what the target puts into the trash must not be purged before the next run has made it safe, or Immich deletes "
    "the original on disk; a read-only mount rules that out (--read-only-mount)"
)


@click.group()
def share() -> None:
    """Share a user's photos into another user's library, with everything that Immich knows of them.

    Set a job up with `share setup`; then `plan sharing`, `approve`, `apply` and `undo` as for every change.
    """


@share.command()
@_home
@_yes
@click.option("--name", help="Names the job: letters, digits, - and _.")
@click.option("--source", help="Whose photos: e-mail address, name or id.")
@click.option("--target", help="Who gets them: e-mail address, name or id.")
@click.option("--from", "source_prefix", help="The source's folder, as Immich sees it.")
@click.option("--to", "target_prefix", help="The same folder in the target's library, as Immich sees it.")
@click.option(
    "--read-only-mount/--link",
    "by_mount",
    default=None,
    help="How it is that folder: a read-only mount in Immich's container (safest: no original can be deleted through it), or a link.",
)
@click.option("--library", help="Name of the target's library for copies; it is made if need be.")
@click.option("--album", help="Name of the target's album that copies are put into; it is made if need be.")
def setup(*, home: Path | None, yes: bool, by_mount: bool | None, **given: str | None) -> None:
    """Set up a new job: checks, the mount or the link, the target's library, the album, the configuration; shown first, done after a yes.

    What is not given is asked. Run again, it finds what is there and keeps every job that the configuration has.
    """
    from immich_pipeline.immich.paths import PathMap  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing import new_job, opening  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.resolve import Known  # noqa: PLC0415 - as above

    settings = settings_with(home=home)
    immich = opening.reached_by(settings)
    with opening.open_database(settings) as connection:
        known = Known.read(connection, immich.media_location)
        job = _asked(known, given)
        if by_mount is None:
            by_mount = yes or _asked_for_mount()
        if any(one.name == job.name for one in settings.sharing.jobs):
            raise UserError(f"there is a job '{job.name}' already; it stays as it is: take another name")
        wanted = new_job.survey(known, PathMap(immich.paths), job, by_mount=by_mount)
    with _clients(settings, wanted) as (admin, of_target):
        _show(wanted, admin, of_target)
        if not yes and not click.confirm("Do that?"):
            raise UserError("nothing was done")
        written = wanted.make(admin, of_target)
        problem = admin.folder_problem(str(written["target_library"]), job.target_prefix) if admin else None
    _write_job(written)
    if problem is not None:
        click.echo(f"Immich does not see {job.target_prefix} yet ({problem}): {wanted.access_by_hand}")
    if not by_mount:
        click.echo(DELETES)
    click.echo(f"{NEVER_SCAN}\nnext: 'immich-pipeline plan sharing --job {job.name}'")


@share.command()
@_home
def status(*, home: Path | None) -> None:
    """Every job with its copies, what is waited for, what is left out and why, and what the next run would do.

    Exit code 0: all jobs can be carried out. 1: one cannot; the reason is told.
    """
    from immich_pipeline.sharing import opening  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing import status as told  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.resolve import overlaps  # noqa: PLC0415 - as above

    settings = settings_with(home=home)
    is_well = True
    jobs = []
    for job in opening.jobs_called(settings, None):
        try:
            with opening.open_share(settings, job.name) as one:
                jobs.append(one.job)
                click.echo(told.as_text(told.job_status(one)))
        except UserError as error:
            is_well = False
            click.echo(f"{job.name}: cannot be carried out: {error}")
    for note in overlaps(jobs):
        click.echo(note)
    if not is_well:
        sys.exit(1)


@share.command()
@_home
@_yes
@click.argument("job", required=False)
@click.option("--run", type=int, help="Take back this run alone; `share status` lists them.")
def undo(*, home: Path | None, yes: bool, job: str | None, run: int | None) -> None:
    """Take back everything that JOB did, or one run: copies go, with their files; what a run had changed or removed comes back.

    A job that is to stay away must leave the configuration too, else the next run copies anew. Exit code 0: taken back. 1: some of it
    was changed by somebody since, and stays.
    """
    from immich_pipeline.sharing import opening  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing.media_folder import MediaFolder  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.undo import undo_job, undo_run  # noqa: PLC0415 - as above

    if (job is None) == (run is None):
        raise click.UsageError("name a job, or a run with --run")
    settings = settings_with(home=home)
    immich = opening.reached_by(settings)
    media = MediaFolder.mapped(immich.media_location, immich.paths)
    what = f"everything that the job '{job}' did" if job is not None else f"run {run}"
    if not yes and not click.confirm(f"Take back {what}?"):
        raise UserError("nothing was done")
    with opening.open_database(settings) as connection:
        done = undo_job(connection, job, media) if job is not None else undo_run(connection, run or 0, media)
    for refused in done.refused:
        click.echo(refused)
    click.echo("taken back: " + (_counts(done.counts) or "nothing: there was nothing of it"))
    if done.refused:
        sys.exit(1)


@share.command()
@_home
@_yes
@click.argument("job")
@click.argument("asset_ids", metavar="[ASSET]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that the target threw away.")
def restore(*, home: Path | None, yes: bool, job: str, asset_ids: tuple[str, ...], every: bool) -> None:
    """Give back what the target threw away of JOB: single ASSETs, by the id of the photo or of the copy, or all.

    Copies in the target's trash are shown again; those that were deleted for good are made again by the next run. Immich's own trash cannot
    give a copy back.
    """
    from immich_pipeline.sharing import opening  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing.backup_age import require_backup  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.restore import restore_copies  # noqa: PLC0415 - as above

    if every == bool(asset_ids):
        raise click.UsageError("name assets, or say --all")
    settings = settings_with(home=home)
    with opening.open_share(settings, job) as one:
        wanted = None if every else asset_ids
        seen = restore_copies(one.connection, one.job, one.media, wanted, dry_run=True)
        found = (
            f"{seen.shown:,} copies are taken out of the trash, {seen.forgotten:,} will be made again by the next run"
        )
        if not seen.shown + seen.forgotten:
            click.echo("there is nothing that was thrown away")
            return
        if not yes and not click.confirm(f"{found}: do that?"):
            raise UserError("nothing was done")
        require_backup(one.media, settings.sharing.backup_age)
        done = restore_copies(one.connection, one.job, one.media, wanted, dry_run=False)
    click.echo(f"{found} (back: 'immich-pipeline share undo --run {done.run}')")


@share.command("drop-owned")
@_home
@_yes
@click.argument("job")
def drop_owned(*, home: Path | None, yes: bool, job: str) -> None:
    """Remove copies of JOB that the target has of its own by now: uploaded later, or adopted from a program that did not look.

    The same by content, or by name, time to the fraction of a second, and camera. Shown first, done after a yes; they stay away as long as
    the target's own is there. Favourites and albums of the removed copies are not carried over.
    """
    from immich_pipeline.sharing import opening  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing.backup_age import require_backup  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.owned import remove_doubles  # noqa: PLC0415 - as above

    settings = settings_with(home=home)
    with opening.open_share(settings, job) as one:
        seen = remove_doubles(one.connection, one.job, one.media, dry_run=True)
        for double in seen.found:
            click.echo(f"{double.path}: {double.own} ({double.reason})")
        if not seen.found:
            click.echo("no copy is one that the target has of its own")
            return
        if not yes and not click.confirm(f"Remove these {len(seen.found):,} copies?"):
            raise UserError("nothing was done")
        require_backup(one.media, settings.sharing.backup_age)
        done = remove_doubles(one.connection, one.job, one.media, dry_run=False)
    click.echo(f"removed: {len(done.found):,} copies (back: 'immich-pipeline share undo --run {done.run}')")


@share.command()
@_home
@_yes
@click.option("--job", help="Only this job; without it all jobs.")
def adopt(*, home: Path | None, yes: bool, job: str | None) -> None:
    """Take over what the sidecar immich-shared-library copied, so that the jobs of the configuration go on with it.

    Stop the sidecar first. Its tables (`_face_sync_*`) are only read, and stay. Shown first, done after a yes.
    """
    from immich_pipeline.sharing import adopt as adopting  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sharing import opening  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.backup_age import require_backup  # noqa: PLC0415 - as above

    settings = settings_with(home=home)
    with opening.open_share(settings, job) as one:
        seen = [adopting.adopt_copies(one.connection, each, one.media, dry_run=True) for each in one.jobs]
        click.echo(adopting.as_text(seen))
        if not any(found.copies for found in seen):
            return
        if not yes and not click.confirm("Take that over?"):
            raise UserError("nothing was done")
        require_backup(one.media, settings.sharing.backup_age)
        done = [adopting.adopt_copies(one.connection, each, one.media, dry_run=False) for each in one.jobs]
    click.echo(f"taken over: {sum(found.copies for found in done):,} copies; next: 'immich-pipeline plan sharing'")


@share.command()
@click.option("--role", "name", help="What the role is called.", default="immich_share", show_default=True)
def role(*, name: str) -> None:
    """Print the SQL of the database role that shares, with the fewest rights; run it as the owner of Immich's database."""
    from immich_pipeline.sharing.role import role_sql  # noqa: PLC0415 - keeps `--help` fast

    click.echo(role_sql(name))


def _asked(known: "Known", given: Mapping[str, str | None]) -> "ShareJob":
    """The job that a person wants: from the options, or by asking."""
    from pydantic import ValidationError  # noqa: PLC0415 - keeps `--help` fast

    from immich_pipeline.config import problem_text  # noqa: PLC0415 - as above
    from immich_pipeline.share_settings import ShareJob  # noqa: PLC0415 - as above
    from immich_pipeline.sharing.resolve import upload_folders, user_called  # noqa: PLC0415 - as above

    def ask(option: str, question: str, default: str | None = None) -> str:
        answer = given[option]
        return str(click.prompt(question, default=default)) if answer is None else answer

    living = [user for user in known.users if not user.deleted]
    if given["source"] is None or given["target"] is None:
        click.echo("users: " + ", ".join(f"{user.name} <{user.email}>" for user in living))
    source = user_called(known, ask("source", "Whose photos are shared"))
    target = user_called(known, ask("target", "With whom"))
    if given["source_prefix"] is None:
        folders = [
            path
            for one in known.libraries
            if one.owner_id == source.id and not one.deleted
            for path in one.import_paths
        ]
        click.echo(f"folders of {source.email}: " + ", ".join([*folders, *upload_folders(source, known.media)]))
    answers = {
        "source_user": source.email,
        "target_user": target.email,
        "source_prefix": ask("source_prefix", "Which folder (as Immich sees it)"),
        "target_prefix": ask("target_prefix", f"Where {target.email} sees it, e.g. /shared/{source.folder}"),
        "target_library": ask("library", "Library that holds the copies", f"From {source.name}"),
        "name": ask("name", "Name of the job", f"{source.folder}-to-{target.folder}"),
    }
    album = (
        given["album"]
        if given["name"] is not None
        else click.prompt("Album (empty: none)", default=given["album"] or "")
    )
    try:
        return ShareJob.model_validate(answers | {"album": album or None})
    except ValidationError as error:
        told = [f"{'.'.join(str(part) for part in one['loc'])}: {problem_text(one)}" for one in error.errors()]
        raise UserError("; ".join(told)) from None


def _asked_for_mount() -> bool:
    question = "How does Immich get there: by a read-only mount in its container (safest), or by a link"
    return str(click.prompt(question, type=click.Choice(["mount", "link"]), default="mount")) == "mount"


@contextmanager
def _clients(settings: Settings, wanted: "NewJob") -> Iterator[tuple["ImmichClient | None", "ImmichClient | None"]]:
    """With an administrator's key, and with the target's, as far as there are such keys."""
    from immich_pipeline.actions.clients import open_clients  # noqa: PLC0415 - keeps `--help` fast

    immich = settings.immich
    if immich is None or immich.url is None or not immich.users:
        yield None, None
        return
    with open_clients(immich) as clients:
        admins = [client for client in clients.values() if client.me().is_admin]
        yield next(iter(admins), None), clients.get(wanted.target.id)


def _show(wanted: "NewJob", admin: "ImmichClient | None", of_target: "ImmichClient | None") -> None:
    from immich_pipeline.actions.render import text_table  # noqa: PLC0415 - keeps `--help` fast

    job = wanted.job
    click.echo(f"{job.name}: {job.source_prefix} of {wanted.source.email}, shared with {wanted.target.email}")
    rows = [(step.what, step.state, step.detail) for step in wanted.steps(admin, of_target)]
    file = config_file(os.environ) or Path.cwd() / CONFIG_NAME
    click.echo(text_table(("what", "state", "which"), [*rows, ("job", "to write", f"'{job.name}' in {file}")]))


def _write_job(written: Mapping[str, object]) -> None:
    from immich_pipeline.sharing.job_file import job_block, write_job  # noqa: PLC0415 - keeps `--help` fast

    file = config_file(os.environ) or Path.cwd() / CONFIG_NAME
    if write_job(file, written):
        click.echo(f"the job is written into {file}")
    else:
        click.echo(
            f"{file} is written so that it cannot be added to; put this under 'sharing:', 'jobs:':\n\n{job_block(written)}"
        )


def _counts(counts: Mapping[str, int]) -> str:
    named: Iterable[tuple[str, int]] = sorted(counts.items())
    return ", ".join(f"{table} {count:,}" for table, count in named if count)
