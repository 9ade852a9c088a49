"""The pipeline over an Immich server: real HTTP, real PostgreSQL, real Dagster runs."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image

from immich_pipeline.config import load_settings
from immich_pipeline.defs.library.automation import folder_changed, server_changed
from immich_pipeline.defs.resources import PipelineResource
from immich_pipeline.sources.idle import nothing_to_do
from immich_pipeline.sources.library import open_library
from immich_pipeline_tests.defs.conftest import Pipeline
from immich_pipeline_tests.defs.immich_home import Home, jpeg, write_config
from immich_pipeline_tests.immich_db.fill import fill, write_changes
from immich_pipeline_tests.immich_world import Exif
from immich_pipeline_tests.photos import save_jpeg, scene, small_library


def test_a_server_without_mounts_is_read_through_its_api(family: Home) -> None:
    family.photo(family.alice, "/data/library/alice/2024/a.jpg", 1)
    family.photo(family.alice, "/data/library/alice/2024/a small.jpg", 1, quality=50)
    same = family.photo(family.alice, "/data/library/alice/2024/b.jpg", 2)
    family.photo(family.bob, "/data/library/bob/2024/b.jpg", 2)
    hidden = family.photo(family.alice, "/data/library/alice/2024/c.jpg", 3)
    family.world.trash(hidden)
    unmade = family.world.add_asset(family.alice, "/data/library/alice/2024/no preview.jpg")
    done = family.pipeline.run()
    assert done.hashed == 5
    assert family.groups() == {("reencoded", frozenset({"a.jpg", "a small.jpg"}))}
    rows = family.pipeline.query(
        "SELECT h.asset_id::text, h.sha256, h.sha1 = r.checksum, p.computed_from, p.width, m.time_source FROM content.file_hash h "
        "JOIN content.perceptual_hash p USING (asset_id) JOIN content.photo_metadata m USING (asset_id) "
        "JOIN library.immich_record r USING (asset_id)"
    )  # fmt: skip
    found = {row[0]: row[1:] for row in rows}
    assert found[same.id] == (None, True, "preview of the server", 4000, "server")
    assert found[unmade.id] == (None, True, None, 4000, "server")
    assert family.pipeline.query("SELECT DISTINCT error_kind FROM content.perceptual_hash ORDER BY 1") == [
        ("not_on_server",),
        (None,),
    ]
    downloads = [path for _, path, _ in family.stub.requests if path.endswith("/original")]
    assert downloads == []


def test_the_second_run_asks_for_no_picture_and_writes_nothing(family: Home) -> None:
    for number in range(4):
        family.photo(family.alice, f"/data/library/alice/2024/{number}.jpg", number)
    family.pipeline.run()
    settings = load_settings()
    assert nothing_to_do(family.pipeline.database, open_library(settings), settings)
    family.stub.requests.clear()
    done = family.pipeline.run()
    assert (done.hashed, done.rows_changed) == (0, 0)
    assert not [path for _, path, _ in family.stub.requests if "thumbnail" in path]


def test_an_edit_on_the_server_is_looked_at_again(family: Home) -> None:
    photo = family.photo(family.alice, "/data/library/alice/2024/a.jpg", 1)
    family.pipeline.read()
    before = family.pipeline.query("SELECT phash FROM content.perceptual_hash")
    photo.is_edited, photo.preview = True, jpeg(scene(77))
    photo.thumbhash = b"other"
    family.world.touch(photo)
    family.pipeline.read()
    assert family.pipeline.query("SELECT phash FROM content.perceptual_hash") != before


def test_originals_are_downloaded_only_when_allowed_and_then_compared(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(tmp_path, family.world, family.stub.url, monkeypatch, "  originals: download\n")
    family.photo(family.alice, "/data/library/alice/a.jpg", 1)
    rotten = family.photo(family.alice, "/data/library/alice/rotten.jpg", 2)
    rotten.content = b"something else"
    family.pipeline.read()
    rows = family.pipeline.query(
        "SELECT name, sha256 IS NOT NULL, error_kind FROM content.file_hash JOIN library.asset USING (asset_id) ORDER BY 1"
    )
    assert rows == [("a.jpg", True, None), ("rotten.jpg", False, "checksum_mismatch")]


def test_mounted_originals_are_read_whole_and_checked(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    more = f"  paths:\n    - {{immich: /data, here: {mount}}}\n"
    write_config(tmp_path, family.world, family.stub.url, monkeypatch, more)
    good = family.photo(family.alice, "/data/library/alice/good.jpg", 1)
    rotten = family.photo(family.alice, "/data/library/alice/rotten.jpg", 2)
    other = family.photo(family.alice, "/data/library/alice/other size.jpg", 3)
    link = family.photo(family.alice, "/data/library/alice/link.jpg", 4)
    family.photo(family.alice, "/elsewhere/unmapped.jpg", 5)
    folder = mount / "library" / "alice"
    folder.mkdir(parents=True)
    assert good.content
    assert rotten.content
    assert link.content
    (folder / "good.jpg").write_bytes(good.content)
    (folder / "rotten.jpg").write_bytes(rotten.content[:-1] + b"x")
    (folder / "other size.jpg").write_bytes(b"short")
    (tmp_path / "outside.jpg").write_bytes(link.content)
    (folder / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    family.pipeline.read()
    rows = family.pipeline.query(
        "SELECT name, sha256 IS NOT NULL, h.error_kind, p.computed_from FROM content.file_hash h JOIN library.asset USING (asset_id) "
        "JOIN content.perceptual_hash p USING (asset_id) ORDER BY 1"
    )
    assert rows == [
        ("good.jpg", True, None, "picture"),
        ("link.jpg", False, "outside_mapped_folders", None),
        ("other size.jpg", False, "not_as_recorded", None),
        ("rotten.jpg", False, "checksum_mismatch", None),
        ("unmapped.jpg", False, None, "preview of the server"),
    ]
    assert other.exif is not None
    mount.rename(tmp_path / "gone")  # not mounted any more: what is known stays, what is new is read by its preview
    family.photo(family.alice, "/data/library/alice/new.jpg", 6)
    family.pipeline.read()
    assert family.pipeline.query(
        "SELECT computed_from FROM content.perceptual_hash JOIN library.asset USING (asset_id) "
        "WHERE name IN ('good.jpg', 'new.jpg') ORDER BY name"
    ) == [("picture",), ("preview of the server",)]


def test_a_folder_s_file_that_is_a_server_s_asset_is_one_asset(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photos = small_library(tmp_path / "photos")
    library = family.world.add_library(family.alice, "NAS", "/external")
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(photos))
    write_config(
        tmp_path, family.world, family.stub.url, monkeypatch, f"  paths: [{{immich: /external, here: {photos}}}]\n"
    )
    alone = family.pipeline.read()
    assert alone.hashed == 9
    for file in sorted(photos.rglob("*.jpg")):
        size = file.stat().st_size - (file.name == "IMG_0005.jpg")
        family.world.add_asset(
            family.alice, f"/external/{file.relative_to(photos)}", library=library, exif=Exif(file_size=size)
        )
    together = family.pipeline.run()
    assert together.hashed == 0  # what was read of the files counts; the one of another size is refused
    live = family.pipeline.query("SELECT owner, count(*) FROM library.live_asset GROUP BY 1 ORDER BY 1")
    assert live == [("alice@example.org", 10), ("local", 1)]
    assert family.groups() == {
        ("exact", frozenset({"IMG_0000.jpg"})),
        ("reencoded", frozenset({"IMG_0001.jpg", "received.jpg"})),
    }
    for asset in list(family.world.assets.values()):
        family.world.delete_for_good(asset)
    family.pipeline.read()  # not believed: the folder is read all the same
    assert family.pipeline.query("SELECT count(*) FROM library.live_asset") == [(11,)]
    monkeypatch.setenv("IMMICH_PIPELINE_ALLOW_EMPTY", "true")
    family.pipeline.read()
    assert family.pipeline.query("SELECT owner, count(*) FROM library.live_asset GROUP BY 1") == [("local", 10)]


@pytest.mark.unmeasured
@pytest.mark.parametrize("way", ["api", "database"])
def test_a_day_in_the_life(
    family: Home, way: str, make_immich_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = family.world
    flat = jpeg(Image.new("RGB", (64, 48)))  # says nothing as a picture, and is decoded quickly
    assets = [
        world.add_asset(family.alice, f"/data/library/alice/2024/{number:04d}.jpg", preview=flat)
        for number in range(1000)
    ]
    for asset in assets[:2]:
        world.trash(asset)
    url = make_immich_database("3.1.0")
    fill(url, world)
    if way == "database":
        monkeypatch.setenv("IMMICH_DATABASE_URL", url)
    (first,) = family.tick()
    assert isinstance(first, dg.RunRequest)
    family.pipeline.read()
    (skip,) = family.tick()
    assert "nothing changed" in skip.skip_message
    first_batches = family.batches()
    assert sum(len(names) for names in first_batches.values()) == 998

    for number in range(20):
        world.add_asset(family.alice, f"/data/library/alice/2025/new {number:02d}.jpg", preview=flat)
    for asset in assets[10:15]:  # overwritten on disk: other bytes, other time
        asset.file_modified_at = world.tick()
        assert asset.exif
        asset.exif.file_size = 4711
        world.touch(asset)
    for asset in assets[20:23]:
        world.trash(asset)
    for asset in assets[:2]:
        world.restore(asset)
    assets[30].original_path = "/data/library/alice/2023/moved.jpg"
    world.touch(assets[30])
    world.delete_for_good(assets[40])
    write_changes(url, world)

    (request,) = family.tick()
    assert isinstance(request, dg.RunRequest)
    job = family.pipeline.definitions.resolve_job_def("snapshot_library")
    result = job.execute_in_process(instance=family.pipeline.instance)
    (snapshot,) = result.asset_materializations_for_node("library_snapshot")
    news = str(snapshot.metadata["server_news"].value)
    for what, count in {"added": 20, "changed": 5, "trashed": 3, "restored": 2, "moved": 1, "gone": 1}.items():
        assert f"| {what} | {count} |" in news
    new = {key: names for key, names in family.batches().items() if key not in first_batches}
    worked_on = {name for names in new.values() for name in names}
    assert worked_on == (
        {f"new {number:02d}.jpg" for number in range(20)} | {f"{n:04d}.jpg" for n in (0, 1, 10, 11, 12, 13, 14)}
    )
    family.pipeline.read()
    (skip,) = family.tick()
    assert "nothing changed" in skip.skip_message


def test_a_server_that_is_down_does_not_keep_the_folder_back(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    photos = small_library(tmp_path / "photos")
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(photos))
    family.photo(family.alice, "/data/library/alice/a.jpg", 11)
    family.pipeline.read()
    family.stub.stop()
    save_jpeg(photos / "new.jpg", scene(50), taken=datetime(2024, 1, 1))
    done = family.pipeline.read()
    assert done.hashed == 1
    assert family.pipeline.query("SELECT count(*) FROM library.live_asset") == [(12,)]
    assert family.pipeline.query("SELECT count(*) FROM library.reading WHERE problem IS NOT NULL")[0][0] >= 1
    family.stub.start()
    family.pipeline.read()
    assert family.pipeline.query("SELECT count(*) FROM library.reading WHERE problem IS NOT NULL") == [(0,)]


def test_sensors_say_when_a_source_is_not_configured(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    context = dg.build_sensor_context(instance=pipeline.instance, resources={"pipeline": PipelineResource()})
    (skip,) = server_changed(context)
    assert "no Immich server" in skip.skip_message
    monkeypatch.delenv("IMMICH_PIPELINE_PHOTOS")
    monkeypatch.setenv("IMMICH_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    (skip,) = folder_changed(context)
    assert "no folder" in skip.skip_message


def test_no_secret_is_told_anywhere(
    family: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Keys that work, that are revoked and that are wrong; a password in a database address that does not answer."""
    family.photo(family.alice, "/data/library/alice/a.jpg", 1)
    said: list[str] = []
    family.pipeline.run()
    family.world.key_of(family.bob).permissions = ["user.read"]
    family.pipeline.read()
    monkeypatch.setenv("TEST_KEY_1", "wrong-key-secret")
    monkeypatch.setenv("IMMICH_DATABASE_URL", "postgresql://reader:database-password-secret@127.0.0.1:1/immich")
    family.pipeline.read()
    family.stub.stop()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, it must not tell
        family.pipeline.read()
    said += [str(raised.value), repr(raised.value), repr(load_settings()), caplog.text, *capfd.readouterr()]
    with family.pipeline.database.connect() as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog')"
        ).fetchall()
        for (table,) in tables:
            said.append(str(connection.execute(f"SELECT array_agg(t::text) FROM {table} t").fetchall()))  # type: ignore[call-overload]
    for run in family.pipeline.instance.get_runs():
        said += [
            str(record.event_log_entry) for record in family.pipeline.instance.get_records_for_run(run.run_id).records
        ]
        said += [str(run.tags), str(run.run_config)]
    for file in (tmp_path / "home").rglob("*"):
        if file.is_file():
            said.append(file.read_bytes().decode("utf-8", "replace"))
    secrets = [key.secret for key in family.world.keys.values()] + ["wrong-key-secret", "database-password-secret"]
    assert len("".join(said)) > 10_000
    for secret in secrets:
        assert not any(secret in text for text in said)
