"""The command line: `immich-pipeline run | doctor | demo-library`."""

import os
import sys
from pathlib import Path

import click

from immich_pipeline import __version__
from immich_pipeline.config import ENVIRONMENT, Settings, load_settings
from immich_pipeline.errors import UserError
from immich_pipeline.progress import speak_on_stderr

_FAILED, _INTERRUPTED = 2, 130


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
    """Look after a photo library: hash, group, find duplicates, show them; nothing in the library is changed."""
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
    from immich_pipeline.sources import doctor as visit  # noqa: PLC0415 - keeps `--help` fast

    try:
        report = visit.run_doctor(_settings(home=home))
    except UserError as error:  # the visit itself raises none: the settings cannot be used
        report = visit.settings_report(error)
    click.echo(visit.as_json(report) if as_document else visit.as_table(report))
    sys.stdout.flush()
    sys.exit(report.exit_code)


@main.command("demo-library")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def demo_library(folder: Path) -> None:
    """Generate about 150 photos with copies, RAW+JPEG pairs, a burst and broken files into FOLDER."""
    from immich_pipeline.sources.library import generate_demo  # noqa: PLC0415

    summary = generate_demo(folder)
    click.echo(f"{summary.files} files in {folder}" + ("" if summary.made else " (they were there already)"))


def _settings(**given: object) -> Settings:
    """The settings, with what the command line says above the environment and the file."""
    names = {name: variable for variable, name in ENVIRONMENT.items()}
    environment = dict(os.environ) | {names[name]: str(value) for name, value in given.items() if value is not None}
    return load_settings(environment)
