"""What grouping is told of a library with a server, and what stands out."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.sources.captures import capture_inputs, compute_captures, rules_of
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.store.choices import choose
from immich_pipeline.store.database import Database
from immich_pipeline_tests.immich_world import Exif, World
from immich_pipeline_tests.sources.immich.set_up import lab_of

TAKEN = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)


def test_findings_and_uploads_without_a_folder(
    database: Database, make_immich_database: Callable[[str], str], home: Path
) -> None:
    world = World(version="3.1.0")
    alice = world.add_user("alice")
    exif = Exif(make="Canon", model="R6", date_time_original=TAKEN, time_zone="UTC+0", file_size=10)

    def add(path: str, name: str | None = None) -> str:
        asset = world.add_asset(alice, path, exif=exif, local_date_time=TAKEN)
        asset.original_name = name or asset.original_name
        return asset.id

    lone = add("/data/library/alice/2024/IMG_0001.CR3")
    left = add("/data/library/alice/2024/IMG_0002.JPG")
    trashed = add("/data/library/alice/2024/IMG_0002.CR3")
    world.trash(world.assets[trashed])
    upload = add("/data/upload/u/ab/cd/4f1c.jpg", "IMG_0003.jpg")
    with lab_of(world, make_immich_database) as lab:
        take_server_snapshot(database, lab.server("database", database))
    choose(database, "set_primary", [lone], made_by="anna")
    with database.frames() as frames:
        folders = dict(capture_inputs(frames).select("asset_id", "folder").iter_rows())
        found = compute_captures(frames, Settings(home=home))
    assert folders == {lone: "data/library/alice/2024", left: "data/library/alice/2024", upload: None}
    assert sorted(found.findings.rows(), key=lambda row: row[1]) == [
        (left, "JPEG whose RAW is in the trash", "raw_trashed"),
        (lone, "RAW without a JPEG", ""),
        (lone, "a choice that cannot be kept", "set primary: The file is in no group."),
    ]
    assert found.members.is_empty()


def test_a_user_s_own_rules(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "rules.yaml"
    settings = Settings(home=home, captures={"rules": file})  # type: ignore[arg-type]
    missing = settings.capture_rules
    with pytest.raises(UserError, match=r"captures\.rules"):
        rules_of(settings)
    file.write_text("seconds_together: nonsense: 3")
    with pytest.raises(UserError, match=r"captures\.rules"):
        rules_of(settings)
    file.write_text("switched_on: [leica]\n")
    assert "leica" in rules_of(settings).switched_on
    assert settings.capture_rules != missing
    assert Settings(home=home).capture_rules == ""
