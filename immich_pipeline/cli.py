"""The command line `immich-pipeline`: run, doctor, plan, plans, approve, apply, undo, noticed, choose, review, share, demo-library."""

import getpass
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from immich_pipeline import __version__
from immich_pipeline.config import Settings
from immich_pipeline.config import settings_with as _settings
from immich_pipeline.errors import UserError
from immich_pipeline.progress import speak_on_stderr
from immich_pipeline.share_cli import share

if TYPE_CHECKING:
    from immich_pipeline.actions.model import Kind
    from immich_pipeline.store.database import Database

_NOT_ALL, _FAILED, _INTERRUPTED = 1, 2, 130
_home = click.option("--home", type=click.Path(path_type=Path), help="Data folder: database, reports, logs.")


class _Commands(click.Group):
    """Turns what a person can put right into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"immich-pipeline: {error}", err=True)
            sys.exit(_FAILED)
        except KeyboardInterrupt:
            click.echo("immich-pipeline: ended; what was done is kept, the next run goes on from here", err=True)
            sys.exit(_INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="immich-pipeline")
def main() -> None:
    """Look after a photo library: hash, group, find duplicates, show them; only `apply` and `undo` change anything in it."""
    speak_on_stderr()


@main.command()
@click.option("--photos", type=click.Path(path_type=Path), help="Folder of photos [default: a generated demo library].")
@click.option("--home", type=click.Path(path_type=Path), help="Data folder: database, reports, logs.")
@click.option("--port", type=int, help="Port of the web UI on 127.0.0.1 [default: 3000].")
@click.option("--once", is_flag=True, help="End after one pass; the web UI is not started.")
@click.option(
    "--summary", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Also write the summary as JSON."
)
def run(*, photos: Path | None, home: Path | None, port: int | None, once: bool, summary: Path | None) -> None:
    """Run the pipeline over a folder of photos and keep Dagster's web UI up until Ctrl-C."""
    from immich_pipeline.launch.run import RunOptions  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.launch.run import run as run_pipeline  # noqa: PLC0415

    run_pipeline(_settings(photos=photos, home=home, port=port), RunOptions(once=once, summary=summary))


@main.command()
@click.option("--home", type=click.Path(path_type=Path), help="Data folder: database, reports, logs.")
@click.option("--json", "as_document", is_flag=True, help="Write the findings as JSON.")
def doctor(*, home: Path | None, as_document: bool) -> None:
    """Look at settings, folders, server, keys, database and mounts, and say what will work; nothing is changed.

    Exit code 0: everything that is configured works. 1: something will not. 2: nothing can.
    """
    from immich_pipeline.sharing.doctor import look_at_sharing  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.sources import doctor as visit  # noqa: PLC0415 - as above

    try:
        report = visit.run_doctor(_settings(home=home), sharing=look_at_sharing)
    except UserError as error:  # the visit itself raises none: the settings cannot be used
        report = visit.settings_report(error)
    click.echo(visit.as_json(report) if as_document else visit.as_table(report))
    sys.stdout.flush()
    sys.exit(report.exit_code)


@main.command()
@_home
@click.argument("kind")
@click.option("--json", "as_document", is_flag=True, help="Write the whole plan as JSON.")
@click.option("--job", help="Only this job (sharing); without it every job gets its plan.")
@click.option(
    "--simulate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Only say what the policy in this YAML file would decide otherwise (duplicates).",
)
def plan(*, home: Path | None, kind: str, as_document: bool, job: str | None, simulate: Path | None) -> None:
    """Plan a change of KIND (stacks, duplicates, sharing) and show it; nothing in the library is changed.

    Stacks and duplicates: only what the last run has seen is looked at. Sharing: Immich's database is looked at. The same plan, made
    again, is the same plan.
    """
    from immich_pipeline.actions import kinds  # noqa: PLC0415 - keeps `--help` fast

    settings = _settings(home=home)
    wanted = [kinds.kind_of(name) for name in kinds.names_of(kind, settings, job)]
    if simulate is not None:
        _simulate(settings, kind, simulate)
        return
    if not wanted:
        raise UserError("nothing is shared: write a job with 'immich-pipeline share setup'")
    with _database(settings) as database:
        for one in wanted:
            _show_plan(database, one, settings, as_document=as_document)


def _show_plan(database: "Database", kind: "Kind", settings: Settings, *, as_document: bool) -> None:
    from immich_pipeline.actions import engine  # noqa: PLC0415 - keeps `--help` fast

    made = engine.save_plan(database, kind.planner(database, settings))
    if as_document:
        click.echo(engine.as_json(made))
        return
    click.echo(engine.as_table(engine.plan_frame(database, made.plan_id)))
    counts = "".join(f", {name.replace('_', ' ')} {count:,}" for name, count in made.summary.items())
    click.echo(f"\n{made.plan_id}: {len(made.actions):,} actions on {len(made.subjects):,} assets{counts}")
    click.echo(f"{_NEXT[made.mode]}" if made.actions else "nothing to do")


def _simulate(settings: Settings, kind: str, policy: Path) -> None:
    from immich_pipeline.actions import duplicate_simulation  # noqa: PLC0415 - keeps `--help` fast

    if kind != "duplicates":
        raise click.UsageError("--simulate is about duplicates")
    with _database(settings) as database:
        click.echo(duplicate_simulation.simulate(database, settings, policy))


_NEXT = {
    "plan": "only shown: set its mode to approve or auto in immich-pipeline.yaml to have it applied",
    "approve": "next: 'immich-pipeline approve PLAN --all', then 'immich-pipeline apply PLAN'",
    "auto": "next: 'immich-pipeline apply PLAN', or leave it to the next run",
}


@main.command()
@_home
def plans(*, home: Path | None) -> None:
    """List all plans, the newest first."""
    from immich_pipeline.actions import engine  # noqa: PLC0415 - keeps `--help` fast

    with _database(_settings(home=home)) as database:
        click.echo(engine.plans_as_table(engine.plans_frame(database)))


@main.command()
@_home
@click.argument("plan_id", metavar="PLAN")
@click.argument("action_ids", metavar="[ACTION]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All actions of the plan.")
@click.option("--reject", is_flag=True, help="Reject instead: it is not done, in later plans neither.")
def approve(*, home: Path | None, plan_id: str, action_ids: tuple[str, ...], every: bool, reject: bool) -> None:
    """Approve ACTIONs of PLAN, by id or the beginning of it."""
    from immich_pipeline.actions import engine  # noqa: PLC0415 - keeps `--help` fast

    if every == bool(action_ids):
        raise click.UsageError("name actions, or say --all")
    verdict: Literal["approved", "rejected"] = "rejected" if reject else "approved"
    with _database(_settings(home=home)) as database:
        changed = engine.review(database, plan_id, None if every else action_ids, verdict, _person())
    click.echo(f"{changed:,} actions {verdict}")


@main.command()
@_home
@click.argument("plan_id", metavar="PLAN")
@click.option("--yes-over-brake", is_flag=True, help="Apply it, however much it touches.")
@click.option("--again", is_flag=True, help="Do anew what was undone.")
def apply(*, home: Path | None, plan_id: str, yes_over_brake: bool, again: bool) -> None:
    """Apply PLAN, as far as its mode and what was approved allow.

    Exit code 0: done. 1: some of it failed, or is stale and to be planned afresh. 2: nothing was done.
    """
    from immich_pipeline.actions.by_settings import apply_saved  # noqa: PLC0415 - keeps `--help` fast

    settings = _settings(home=home)
    with _database(settings) as database:
        applied = apply_saved(database, settings, plan_id, run_id=_run_id(), over_brake=yes_over_brake, again=again)
    names = ("done", "already", "skipped", "failed", "waiting", "rejected", "held")
    counts = {name: getattr(applied, name) for name in names}
    if applied.stopped and applied.done:
        _tell(applied.run_id, counts, applied.problems, applied.stopped_owners)
    if applied.stopped:
        raise UserError(f"{applied.plan_id} is not applied: {applied.stopped}")
    _end(_tell(applied.run_id, counts, applied.problems, applied.stopped_owners))


@main.command()
@_home
@click.argument("plan_id", metavar="[PLAN]", required=False)
@click.option("--run", "of_run", help="Undo what this run did.")
def undo(*, home: Path | None, plan_id: str | None, of_run: str | None) -> None:
    """Undo what PLAN, or a run of it, has changed; what somebody else has changed since is left alone and reported.

    Exit code 0: undone. 1: some of it is not. 2: nothing was done.
    """
    from immich_pipeline.actions.by_settings import undo_saved  # noqa: PLC0415 - keeps `--help` fast

    if (plan_id is None) == (of_run is None):
        raise click.UsageError("name a plan, or a run with --run")
    settings, run_id, is_well = _settings(home=home), _run_id(), True
    with _database(settings) as database:
        for undone in undo_saved(database, settings, plan_id=plan_id, of_run=of_run, run_id=run_id):
            counts = {part: getattr(undone, part) for part in ("undone", "already", "refused", "failed", "held")}
            is_well &= _tell(run_id, counts, undone.problems, undone.stopped_owners)
    _end(is_well)


@main.command()
@_home
@click.argument("kind", type=click.Choice(["set-primary", "together", "not-together"]))
@click.argument("asset_ids", metavar="ASSET...", nargs=-1, required=True)
@click.option("--take-back", is_flag=True, help="Let the choice hold no longer.")
def choose(*, home: Path | None, kind: str, asset_ids: tuple[str, ...], take_back: bool) -> None:
    """Decide about captures: which ASSET stands for its capture, which belong together, which do not; it holds for every later run."""
    from immich_pipeline.store import choices  # noqa: PLC0415 - keeps `--help` fast

    names: dict[str, choices.Kind] = {
        "set-primary": "set_primary",
        "together": "together",
        "not-together": "not_together",
    }
    with _database(_settings(home=home)) as database:
        if take_back:
            held = choices.take_back(database, choices.choice_id(names[kind], asset_ids))
            click.echo("taken back" if held else "there was no such choice")
        else:
            choices.choose(database, names[kind], asset_ids, made_by=_person())
            click.echo("remembered; the next run groups by it, or the web UI within a minute")


@main.command()
@_home
def noticed(*, home: Path | None) -> None:
    """List what a person may want to see to about captures: RAW files alone, doubtful cases, choices that cannot be kept."""
    from immich_pipeline.actions.render import text_table  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.store.derived import capture_findings  # noqa: PLC0415 - as above

    with _database(_settings(home=home)) as database, database.frames() as frames:
        found = capture_findings(frames)
    rows = [[text or "" for text in row] for row in found.iter_rows()]
    click.echo(text_table(found.columns, rows) if rows else "nothing")


@main.group()
def review() -> None:
    """What a person says about the duplicates that the report shows."""


@review.command("import")
@_home
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def review_import(*, home: Path | None, file: Path) -> None:
    """Take over FILE: the review file that the report's page saves, or the JSON plan, edited by hand.

    It holds for every later run, whatever the files are called then; the next run decides by it. Exit code 0: all of it was taken over.
    1: some of it is about files that are not there any more, or have changed. 2: nothing was.
    """
    from immich_pipeline.sources.review import import_review  # noqa: PLC0415 - keeps `--help` fast

    settings = _settings(home=home)
    with _database(settings) as database:
        imported = import_review(database, settings, file, made_by=_person())
    for problem in (*imported.problems, *imported.stale):
        click.echo(problem)
    names = ("accepted", "rejected", "dismissed", "unchanged")
    counts = {name: getattr(imported, name) for name in names} | {"stale": len(imported.stale)}
    click.echo(", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing in it")
    if imported.accepted or imported.rejected or imported.dismissed:
        click.echo(
            "next: 'immich-pipeline run --once' decides by it (the web UI, if it is up, does so within a minute)"
        )
    _end(not imported.stale and not imported.problems)


def _tell(
    run_id: str, counts: dict[str, int], problems: tuple[tuple[str, str], ...], owners: Mapping[str, str]
) -> bool:
    """Say what became of the actions; returns whether all is well."""
    for action_id, reason in problems:
        click.echo(f"{action_id[:10]}: {reason}")
    for owner_id, reason in owners.items():
        click.echo(f"nothing more was tried for the owner {owner_id}: {reason}")
    said = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    click.echo(f"run {run_id}: {said or 'nothing to do'}")
    return not problems and not owners


def _end(is_well: bool) -> None:
    if not is_well:
        sys.exit(_NOT_ALL)


def _run_id() -> str:
    return uuid.uuid4().hex[:12]


def _person() -> str:
    """Who sits at this terminal, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"user {os.getuid()}"


@contextmanager
def _database(settings: Settings) -> Iterator["Database"]:
    """The pipeline's database, up and of this version."""
    from immich_pipeline.store import server  # noqa: PLC0415 - keeps `--help` fast
    from immich_pipeline.store.database import Database  # noqa: PLC0415 - as above
    from immich_pipeline.store.migrate import migrate  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        database = Database(settings.database_url or stack.enter_context(server.running(settings.home)))
        migrate(database)
        yield database


main.add_command(share)


@main.command("demo-library")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def demo_library(folder: Path) -> None:
    """Generate about 150 photos with copies, RAW+JPEG pairs, a burst and broken files into FOLDER."""
    from immich_pipeline.sources.library import generate_demo  # noqa: PLC0415

    summary = generate_demo(folder)
    click.echo(f"{summary.files} files in {folder}" + ("" if summary.made else " (they were there already)"))
