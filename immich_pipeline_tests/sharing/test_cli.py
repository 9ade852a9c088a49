"""`immich-pipeline share ...` and `plan sharing`, typed as a person does."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from immich_pipeline import cli
from immich_pipeline.store.database import Database
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import ApiKey, User, World
from immich_pipeline_tests.sharing.dumps import dump
from immich_pipeline_tests.sharing.house import EXTERNAL, TARGET_UPLOADS, UPLOADS, House
from immich_pipeline_tests.sharing.surface import JOB, job_settings, write_settings

SETUP = (
    "share", "setup", "--name", "new", "--source", "alice@example.org", "--target", "Bob", "--from", EXTERNAL,
    "--to", "/other/bob/from-alice", "--library", "From Alice", "--link",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program is started: with a configuration to come."""
    place = tmp_path / "start"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_DATABASE_URL", database.url)
    monkeypatch.delenv("IMMICH_PIPELINE_CONFIG", raising=False)
    monkeypatch.setattr(cli, "speak_on_stderr", lambda: None)
    return place


@pytest.fixture
def server(house: House) -> Iterator[StubServer]:
    """The API of the house's server, with a key of each of its users."""
    world = World("3.1.0")
    for name, user_id in (("alice", house.alice), ("bob", house.bob)):
        world.users[user_id] = User(user_id, f"{name}@example.org", name.title(), name == "alice")
        world.keys[f"key-{name}"] = ApiKey(f"key-{name}", user_id)
    with StubServer(world) as running:
        yield running


def reached(server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, *whose: str) -> dict[str, object]:
    """The part `immich` of the settings: the server's address, some keys, and where its folders are mounted here."""
    for name in whose:
        monkeypatch.setenv(f"KEY_{name.upper()}", f"key-{name}")
    photos = folder / "photos"
    (photos / "alice").mkdir(parents=True, exist_ok=True)
    return {
        "url": server.url,
        "users": [{"api_key_env": f"KEY_{name.upper()}"} for name in whose],
        "paths": [
            {"immich": "/data", "here": str(folder.parent / "media 0")},
            {"immich": "/external", "here": str(photos)},
            {"immich": "/other", "here": str(photos)},
        ],
    }


def run(*words: str, answers: str = "", code: int = 0) -> str:
    result: Result = CliRunner().invoke(cli.main, words, input=answers)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def words_of(text: str) -> str:
    """A table without the width of its columns."""
    return " ".join(text.split())


def test_b42_a_new_job_is_shown_and_set_up_after_a_yes(
    house: House, server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    reach = reached(server, folder, monkeypatch, "alice", "bob")
    file = write_settings(folder, house, more=reach)
    before, rows = file.read_text(), dump(house)
    shown = run(*SETUP, "--album", "From Alice", answers="n\n", code=2)
    for line in (
        "new: /external/alice of alice@example.org, shared with bob@example.org",
        r"link +to make +/other/bob/from-alice -> /external/alice \(here ",
        r"library +to make +'From Alice' of bob@example.org, import path /other/bob/from-alice, exclusion pattern \*\*/\*",
        r"album +to make +'From Alice' of bob@example.org",
        r"job +to write +'new' in ",
        "nothing was done",
    ):
        assert re.search(line, shown), (line, shown)
    link = folder / "photos" / "bob" / "from-alice"
    assert (file.read_text(), dump(house), server.world.libraries, os.path.lexists(link)) == (before, rows, {}, False)

    done = run(*SETUP, "--album", "From Alice", "--yes")
    assert "never scan this library" in done
    assert "this folder is a link: what the target puts into the trash must not be purged" in done
    assert "does not see" not in done
    assert "next: 'immich-pipeline plan sharing --job new'" in done
    assert str(link.readlink()) == EXTERNAL
    (library,) = server.world.libraries.values()
    assert (library.owner_id, library.import_paths, library.exclusion_patterns) == (
        house.bob, ["/other/bob/from-alice"], ["**/*"],
    )  # fmt: skip
    (album,) = server.world.albums.values()
    assert (album.name, album.owner_id) == ("From Alice", house.bob)
    assert file.read_text().startswith(before.rstrip("\n"))
    jobs = yaml.safe_load(file.read_text())["sharing"]["jobs"]
    assert [job["name"] for job in jobs] == [JOB, "new"]
    assert jobs[1]["target_library"] == library.id
    assert "there is a job 'new' already; it stays as it is" in run(*SETUP, "--yes", code=2)

    # the server's database has what its API made: it is found again, and the job can be carried out
    house.insert(
        "library", id=library.id, ownerId=house.bob, name=library.name, importPaths=library.import_paths, exclusionPatterns=["**/*"]
    )  # fmt: skip
    house.add_album(house.bob, "From Alice")
    again = run(*("other" if word == "new" else word for word in SETUP), "--album", "From Alice", answers="n\n", code=2)
    assert re.search(r"link +there", again)
    assert re.search(rf"library +there +'From Alice' of bob@example.org \({library.id}\)", again)
    assert re.search(r"album +there", again)
    assert "1 actions on 1 assets, copy 1" in run("plan", "sharing", "--job", "new")


def test_what_cannot_be_done_here_is_told_and_left_to_a_person(
    house: House, server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = reached(server, folder, monkeypatch, "bob")
    reach["paths"] = [{"immich": "/data", "here": str(house.media)}]
    write_settings(folder, house, more=reach)
    by_mount = ["--read-only-mount" if word == "--link" else word for word in SETUP]
    mounted = run(*by_mount, answers="n\n", code=2)
    volume = "- <the host's folder of /external/alice>:/other/bob/from-alice:ro"
    assert f"mount by hand under volumes: of immich-server in its docker-compose.yml: {volume}" in words_of(mounted)
    shown = run(*SETUP, "--yes", code=2)
    assert re.search(r"link +by hand +not mounted here: ln -s '/external/alice' '/other/bob/from-alice'", shown)
    assert re.search(
        r"library +by hand +no administrator's key: in Immich, Administration, External Libraries: 'From", shown
    )
    assert "the library must be made by hand: do that, then run this again" in shown


def test_a_read_only_mount_comes_first_and_uploads_have_one_too(
    house: House, server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(folder, house, more=reached(server, folder, monkeypatch, "alice"))
    server.world.missing_folders.add("/shared/alice")
    words = [
        {EXTERNAL: "/data/library/alice", "/other/bob/from-alice": "/shared/alice"}.get(word, word) for word in SETUP
    ]
    done = run(*(word for word in words if word != "--link"), "--album", "Hers", answers="\ny\n")
    assert "album by hand no key of bob@example.org: they make the album 'Hers' of bob@example.org" in words_of(done)
    assert "by a read-only mount in its container (safest), or by a link (mount, link) [mount]" in done
    volume = "- ${UPLOAD_LOCATION}/library/alice:/shared/alice:ro"
    assert f"mount by hand under volumes: of immich-server in its docker-compose.yml: {volume}" in words_of(done)
    assert f"Immich does not see /shared/alice yet (Path does not exist (ENOENT)): add the volume {volume}" in done
    (library,) = server.world.libraries.values()
    assert library.import_paths == ["/shared/alice"]
    assert "is a link" not in done


def test_a_job_that_makes_no_sense_is_refused_before_anything_is_done(
    house: House, server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(folder, house, more=reached(server, folder, monkeypatch, "alice"))
    (folder / "photos" / "bob").mkdir()
    (folder / "photos" / "bob" / "from-alice").write_text("mine")
    house.add_library(house.carol, "hers", "/other/bob", exclusion="**/*")
    wrong = [*SETUP]
    wrong[wrong.index(EXTERNAL)] = "/external/dora"
    said = run(*wrong, "--yes", code=2)
    assert "/external/dora is not in a folder of alice@example.org's" in said
    assert "from-alice is there and is no link to" in said
    assert "lies in the library 'hers' of another user" in said
    assert "Immich has no user 'eve'" in run(
        "share", "setup", "--source", "eve", "--target", "bob", "--name", "x", code=2
    )
    wrong[wrong.index("Bob")] = "alice@example.org"
    assert "source_user and target_user are both 'alice@example.org'" in run(*wrong, "--yes", code=2)
    assert server.world.libraries == {}


def test_everything_that_is_not_given_is_asked(
    house: House, server: StubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(folder, house, more=reached(server, folder, monkeypatch, "alice"))
    answers = f"alice@example.org\nbob@example.org\n{EXTERNAL}\n/external/bob/all\n\nall of alice\n\nlink\n"
    refused = run("share", "setup", answers=answers, code=2)
    assert "users: Alice <alice@example.org>, Bob <bob@example.org>, Carol" in refused
    assert f"folders of alice@example.org: {EXTERNAL}, /data/library/alice" in refused
    assert "name: should be letters, digits, - and _" in refused
    assert "Name of the job [alice-to-bob]" in refused
    done = run("share", "setup", answers=f"{answers.replace('all of alice', 'all')}y\n")
    assert re.search(r"library +there +'from Alice'", done), "one that fits is used again"
    assert str((folder / "photos" / "bob" / "all").readlink()) == "../alice"
    assert yaml.safe_load((folder / "immich-pipeline.yaml").read_text())["sharing"]["jobs"][1]["name"] == "all"


def test_plan_apply_status_and_undo(house: House, folder: Path) -> None:
    photos = [house.add_photo(f"{EXTERNAL}/{number}.jpg") for number in range(3)]
    house.add_photo(f"{EXTERNAL}/raw.dng", processed=False)
    owned = house.add_photo("/data/library/bob/own.jpg", owner=house.bob, checksum=b"0123456789abcdefghij")
    house.update("asset", {"id": photos[0]}, checksum=b"0123456789abcdefghij", checksumAlgorithm="sha1")
    write_settings(folder, house)
    before = dump(house)
    shown = run("plan", "sharing")
    assert "2 assets are not in the target's library yet (" in shown
    plan = re.search(r"sharing:[\w-]+", shown.rpartition("\n\n")[2])
    assert plan is not None
    status = run("share", "status")
    for line in (
        f"{JOB}: {EXTERNAL} -> /external/bob/alice", "copies: none yet", "next run: copy 2, follow 0, remove 0",
        "waiting for Immich: 1 assets are not processed yet, the first since 20", "left out, owned_content: 1",
    ):  # fmt: skip
        assert line in status, status
    assert "1 done" in run("apply", plan[0])
    status = run("share", "status")
    assert "copies: 2 live" in status
    assert "next run: nothing to do" in status
    assert f"left out, owned_content: 1 ({EXTERNAL}/0.jpg, there is {owned}, /data/library/bob/own.jpg)" in status
    number = re.search(r"run (\d+): 20\S+ \S+ UTC, ended, \d+ rows and files", status)
    assert number is not None, status
    assert "nothing was done" in run("share", "undo", "--run", number[1], answers="n\n", code=2)
    assert "taken back: " in run("share", "undo", "--run", number[1], "--yes")
    assert dump(house) == before
    assert re.search(rf"run {number[1]}: .*, undone, ", run("share", "status"))
    assert "Usage" in run("share", "undo", code=2)


def test_share_undo_of_a_job_leaves_nothing(house: House, folder: Path) -> None:
    house.add_photo(f"{EXTERNAL}/1.jpg")
    write_settings(folder, house)
    before = dump(house)
    for number in range(2):
        run("apply", re.findall(r"sharing:[\w-]+-[0-9a-f]{24}", run("plan", "sharing"))[0])
        house.add_photo(f"{EXTERNAL}/late {number}.jpg")
    later = dump(house)
    assert "taken back: " in run("share", "undo", JOB, "--yes")
    undone = dump(house)
    assert undone != later
    assert {table: rows for table, rows in undone.tables.items() if table in {"person", "stack", "tag"}} == {
        table: rows for table, rows in before.tables.items() if table in {"person", "stack", "tag"}
    }
    assert house.value('SELECT count(*) FROM asset WHERE "ownerId" = %s', house.bob) == 0
    assert "has done nothing that could be undone" in run("share", "undo", "nothing", "--yes", code=2)


def test_a_job_that_cannot_be_carried_out_is_told_and_the_others_go_on(house: House, folder: Path) -> None:
    write_settings(folder, house, job_settings(), job_settings(name="broken", target_library="none"))
    status = run("share", "status", code=1)
    assert f"{JOB}: {EXTERNAL}" in status
    assert (
        "broken: cannot be carried out: job 'broken': target_library: bob@example.org has no library 'none'" in status
    )
    assert "has no library 'none'" in run("plan", "sharing", code=2)
    assert "there is no job 'x'" in run("plan", "sharing", "--job", "x", code=2)
    assert "not made by jobs" in run("plan", "stacks", "--job", "x", code=2)


def test_what_was_thrown_away_is_given_back(house: House, folder: Path) -> None:
    photo = house.add_photo(f"{EXTERNAL}/1.jpg")
    write_settings(folder, house)
    run("apply", re.findall(r"sharing:[\w-]+-[0-9a-f]{24}", run("plan", "sharing"))[0])
    copy = house.value("SELECT target_id::text FROM immich_pipeline_sharing.copy")
    assert "there is nothing that was thrown away" in run("share", "restore", JOB, "--all")
    house.update("asset", {"id": copy}, status="trashed", deletedAt="2026-11-01")
    shown = run("plan", "sharing")
    assert "1 copies are not as their source is now" in shown
    run("apply", re.findall(r"sharing:[\w-]+-[0-9a-f]{24}", shown)[0])
    assert "copies: 1 declined" in run("share", "status")
    assert "1 copies are taken out of the trash, 0 will be made again" in run(
        "share", "restore", JOB, "--all", answers="n\n", code=2
    )
    write_settings(folder, house, require_backup=True)
    assert "there is no backup of Immich's database" in run("share", "restore", JOB, photo, "--yes", code=2)
    write_settings(folder, house)
    assert "(back: 'immich-pipeline share undo --run " in run("share", "restore", JOB, photo, "--yes")
    assert house.row("asset", id=copy)["deletedAt"] is None
    assert "Usage" in run("share", "restore", JOB, code=2)


def test_b45_what_the_target_has_of_its_own_by_now_is_shown_and_taken_away(house: House, folder: Path) -> None:
    job = job_settings(source_prefix=UPLOADS, target_prefix=TARGET_UPLOADS)
    photo = house.add_photo(f"{UPLOADS}/1.jpg", content=b"the same")
    write_settings(folder, house, job)
    run("apply", re.findall(r"sharing:[\w-]+-[0-9a-f]{24}", run("plan", "sharing"))[0])
    assert "no copy is one that the target has of its own" in run("share", "drop-owned", JOB)
    house.add_photo("/data/library/bob/mine.jpg", owner=house.bob, content=b"the same")
    shown = run("share", "drop-owned", JOB, answers="n\n", code=2)
    assert f"{TARGET_UPLOADS}/1.jpg: /data/library/bob/mine.jpg (owned_content)" in shown
    assert "nothing was done" in shown
    write_settings(folder, house, job, require_backup=True)
    assert "there is no backup of Immich's database" in run("share", "drop-owned", JOB, "--yes", code=2)
    write_settings(folder, house, job)
    done = run("share", "drop-owned", JOB, "--yes")
    assert "removed: 1 copies" in done
    assert "owned_content" in run("share", "status")
    run("share", "undo", "--yes", "--run", re.findall(r"--run (\d+)", done)[0])
    assert house.rows("SELECT source_id::text, state FROM immich_pipeline_sharing.copy") == [(photo, "live")]


def test_adopting_is_shown_first(house: House, folder: Path) -> None:
    write_settings(folder, house)
    assert "no tables of immich-shared-library" in run("share", "adopt", code=2)
    house.db.execute(
        "CREATE TABLE _face_sync_asset_map (source_asset_id uuid, target_asset_id uuid, source_user_id uuid, target_user_id uuid)"
    )
    house.db.execute("GRANT SELECT ON _face_sync_asset_map TO PUBLIC")
    assert f"{JOB}: nothing (tables of version 1)" in run("share", "adopt")
    source, copy = house.add_photo(f"{EXTERNAL}/1.jpg"), house.add_photo("/external/bob/alice/1.jpg", owner=house.bob)
    house.insert(
        "_face_sync_asset_map", source_asset_id=source, target_asset_id=copy, source_user_id=house.alice, target_user_id=house.bob
    )  # fmt: skip
    assert "nothing was done" in run("share", "adopt", answers="n\n", code=2)
    assert "taken over: 1 copies" in run("share", "adopt", "--yes", "--job", JOB)


def test_the_role_is_printed_for_whoever_owns_the_database(folder: Path) -> None:
    assert 'CREATE ROLE "immich_share" LOGIN' in run("share", "role")
    assert 'CREATE ROLE "other" LOGIN' in run("share", "role", "--role", "other")


def test_without_jobs_it_says_what_to_do(folder: Path) -> None:
    for words in (("plan", "sharing"), ("share", "status")):
        assert "nothing is shared: write a job with 'immich-pipeline share setup'" in run(*words, code=2)
    assert "sharing needs the part 'immich'" in run("share", "setup", code=2)
    (folder / "immich-pipeline.yaml").write_text("immich: {url: http://localhost:1, users: [{api_key_env: HOME}]}\n")
    assert "sharing needs Immich's database, by a role that may write" in run("share", "setup", code=2)
