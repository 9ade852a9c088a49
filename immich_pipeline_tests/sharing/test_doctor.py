"""What `immich-pipeline doctor` says of sharing."""

from pathlib import Path
from typing import Any

from immich_pipeline.config import Settings
from immich_pipeline.sharing.doctor import look_at_sharing
from immich_pipeline.sharing.role import DEFAULT_ROLE
from immich_pipeline.sources.doctor import Finding, run_doctor
from immich_pipeline.sources.doctor.look import Notes
from immich_pipeline_tests.sharing.house import EXTERNAL, MEDIA, House
from immich_pipeline_tests.sharing.surface import JOB, job_settings, settings_of


def found(settings: Settings) -> dict[str, list[Finding]]:
    notes = Notes("sharing")
    look_at_sharing(settings, notes)
    by_subject: dict[str, list[Finding]] = {}
    for row in notes.rows:
        by_subject.setdefault(row.subject, []).append(row)
    return by_subject


def states(settings: Settings) -> dict[str, list[str]]:
    return {subject: [row.state for row in rows] for subject, rows in found(settings).items()}


def with_paths(settings: Settings, *paths: dict[str, str]) -> Settings:
    immich: dict[str, Any] = {"database_url": "postgresql://x", "paths": [*paths]}
    return Settings.model_validate(
        {"home": settings.home, "sharing": settings.sharing.model_dump(), "immich": immich if paths else None}
    )


def test_everything_works(house: House) -> None:
    house.write("/data/backups/immich-db-backup-1.sql.gz", b"dump")
    report = run_doctor(settings_of(house), sharing=look_at_sharing)
    rows = {row.subject: row for row in report.rows if row.area == "sharing"}
    assert {row.state for row in rows.values()} == {"ok"}
    assert [*rows] == ["media folder", "backup", "database", "contract", f"job {JOB}"]
    assert rows["contract"].detail == "Immich's tables are as of 3.0"
    assert house.rows("SELECT to_regclass('immich_pipeline_sharing.copy')") == [(None,)], "nothing was written"


def test_nothing_is_said_when_nothing_is_shared() -> None:
    assert found(Settings()) == {}


def test_what_does_not_work_is_told_with_what_to_do(house: House, tmp_path: Path) -> None:
    settings = settings_of(house, job_settings(), job_settings(name="broken", target_user="eve"), require_backup=True)
    assert states(settings) == {
        "media folder": ["ok"],
        "backup": ["problem"],
        "database": ["ok"],
        "contract": ["ok"],
        f"job {JOB}": ["ok"],
        "job broken": ["problem"],
    }
    house.db.execute(f"REVOKE INSERT ON asset, album_asset FROM {DEFAULT_ROLE}")
    (row,) = found(settings_of(house))["database"]
    assert (row.state, row.detail) == ("problem", "the role lacks rights: asset: INSERT, album_asset: INSERT")
    assert "immich-pipeline share role" in row.remedy
    house.db.execute("ALTER TABLE asset_file DROP COLUMN path CASCADE")
    assert "path" in found(settings_of(house))["database"][-1].detail
    (row,) = found(with_paths(settings))["settings"]
    assert "sharing needs the part 'immich'" in row.detail
    elsewhere = with_paths(settings, {"immich": "/elsewhere", "here": str(tmp_path)})
    assert "is not mounted here" in found(elsewhere)["media folder"][0].detail


def test_jobs_that_rely_on_the_guard_alone_and_overlaps_are_told(house: House, tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "alice").symlink_to("../alice")
    paths = ({"immich": MEDIA, "here": str(house.media)}, {"immich": "/external", "here": str(tmp_path)})
    part = job_settings(name="part", source_prefix=f"{EXTERNAL}/x", target_prefix="/external/bob/x")
    guarded = found(with_paths(settings_of(house, job_settings(), part), *paths))
    assert [row.state for row in guarded[f"job {JOB}"]] == ["ok", "warning"]
    assert "originals are guarded by the job alone" in guarded[f"job {JOB}"][1].detail
    assert "mount the source's folder read-only at /external/bob/alice" in guarded[f"job {JOB}"][1].remedy
    assert f"'{JOB}' and 'part' share from the same folder" in guarded["jobs"][0].detail
    bare = found(with_paths(settings_of(house, job_settings(guard_originals=False)), *paths))
    assert bare[f"job {JOB}"][1].state == "problem"
