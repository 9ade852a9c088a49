"""The program left up: the web UI, and photos taken up by themselves."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from immich_pipeline.store import server
from immich_pipeline.store.database import Database
from immich_pipeline_tests.end_to_end.program import Running, nothing_runs, until, up
from immich_pipeline_tests.photos import small_library

pytestmark = pytest.mark.end_to_end
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("up")
    photos = small_library(folder / "photos")
    with up(folder / "home", photos) as program:
        yield program
        assert program.interrupt() == 130
        assert nothing_runs(program.home)


def members(running: Running, path: str) -> int:
    database = Database(server.locate(running.home).url)
    with database.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM duplicates.duplicate_member JOIN library.live_asset USING (asset_id) WHERE path = %s",
            (path,),
        ).fetchone()
    return int(row[0]) if row else 0


def test_a_photo_copied_into_the_folder_is_in_the_duplicate_groups_within_a_minute(running: Running) -> None:
    photos = running.home.parent / "photos"
    shutil.copyfile(photos / "2024" / "IMG_0003.jpg", photos / "arrived.jpg")
    until(lambda: members(running, "arrived.jpg") == 1, 60, "the new photo in a duplicate group")


def test_a_database_server_that_dies_is_started_again(running: Running) -> None:
    cluster = server.locate(running.home)
    before = int((cluster.data / "postmaster.pid").read_text().split()[0])
    os.kill(before, signal.SIGKILL)
    until(lambda: "it was started again" in running.log.read_text(), 60, "the database server again")
    assert members(running, "arrived.jpg") == 1


def test_the_code_location_is_loaded_and_everything_is_switched_on(running: Running) -> None:
    data = running.graphql(
        "{ repositoriesOrError { ... on RepositoryConnection { nodes { name sensors { name sensorState { status } } "
        "schedules { name scheduleState { status } } assetNodes { id groupName } } } } }"
    )
    (repository,) = data["repositoriesOrError"]["nodes"]
    assert len(repository["assetNodes"]) == 17
    assert all(sensor["sensorState"]["status"] == "RUNNING" for sensor in repository["sensors"])
    assert all(schedule["scheduleState"]["status"] == "RUNNING" for schedule in repository["schedules"])


def test_the_ui_shows_materialisations_with_their_metadata(running: Running) -> None:
    data = running.graphql(
        '{ assetOrError(assetKey: {path: ["duplicate_groups"]}) { ... on Asset { assetMaterializations(limit: 1) '
        "{ metadataEntries { label } } } } }"
    )
    labels = {entry["label"] for entry in data["assetOrError"]["assetMaterializations"][0]["metadataEntries"]}
    assert {"reclaimable_bytes", "by_class", "judged_pairs"} <= labels


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian package chromium)")
def test_the_pages_render_in_a_browser(running: Running, tmp_path: Path) -> None:
    assert CHROMIUM
    page = tmp_path / "lineage.html"
    with page.open("w") as out:
        subprocess.run(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
                "--no-first-run", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000",
                "--dump-dom", f"{running.url}/assets/duplicate_groups?view=overview",
            ],
            stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=120,
        )  # fmt: skip
    text = page.read_text()
    assert "duplicate_groups" in text
    assert "Verified groups of files" in text
