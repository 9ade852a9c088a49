"""The doctor's visits to real servers, databases and folders: a good set-up, and everything that can be wrong with one."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from immich_pipeline.config import Settings
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline.sources.doctor import as_json, as_table, cheap_findings, run_doctor
from immich_pipeline.sources.doctor.conclusions import in_folder
from immich_pipeline.sources.doctor.facts import Facts
from immich_pipeline.sources.doctor.report import Feature
from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World
from immich_pipeline_tests.sources.doctor.good import (
    PASSWORD,
    Place,
    as_role,
    filled,
    good_place,
    read_only_role,
    row,
    states,
    without_permission,
    worst,
)

Serve = Callable[..., StubServer]
MakeDatabase = Callable[[str], str]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return good_place(tmp_path)


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0", "3.2.2"])
def test_a_good_set_up(tmp_path: Path, immich_server: Serve, make_immich_database: MakeDatabase, version: str) -> None:
    place = good_place(tmp_path, version)
    server = immich_server(place.world)
    with read_only_role(filled(make_immich_database, place.world), version) as url:
        report = run_doctor(place.settings(url=server.url, database_url=url))
    assert worst(report) == []
    assert set(states(report).values()) == {"works"}
    assert report.exit_code == 0
    assert row(report, server.url).detail == f"answers; Immich {version}"
    assert row(report, "version").detail == f"last used by Immich {version}"
    assert "has every permission" in row(report, "key of Alice").detail
    for mapping in place.paths:
        assert "files looked at: there, and of the size that Immich says" in row(report, mapping["here"]).detail
    assert "previews are there" in row(report, "/data/thumbs", "files").detail
    assert "everything that is configured works: 0 problems, 0 warnings" in as_table(report)
    assert PASSWORD not in as_json(report) + as_table(report)
    assert json.loads(as_json(report))["exit_code"] == 0


def test_the_api_alone(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url, paths=[]))
    assert report.exit_code == 0
    found = states(report)
    assert found["snapshot"] == found["perceptual hashes"] == found["albums"] == "works"
    assert found["full-file hashes"] == found["embeddings and faces"] == "off"
    assert "add to 'paths'" in row(report, "/external/alice").remedy


def test_the_database_alone(place: Place, make_immich_database: MakeDatabase) -> None:
    with read_only_role(filled(make_immich_database, place.world), "3.1.0") as url:
        report = run_doctor(place.settings(database_url=url))
    assert report.exit_code == 0
    found = states(report)
    assert found["snapshot"] == found["full-file hashes"] == found["embeddings and faces"] == "works"
    assert found["perceptual hashes"] == "works"
    assert found["tags"] == found["setting up sharing"] == "off"
    assert "no key here" in row(report, "bob@example.org").detail


def test_a_key_without_a_permission(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    without_permission(server, place, "Bob", "asset.update")
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code == 1
    key = row(report, "key of Bob")
    assert "lacks asset.update (for changes, duplicates, resolving)" in key.detail
    assert key.remedy.endswith("edit the key and tick asset.update")
    found = states(report)
    assert found["changes of assets"] == found["Immich's own duplicates"] == "partly"
    assert found["snapshot"] == found["tags"] == "works"


def test_keys_that_are_meant_for_reading(place: Place, immich_server: Serve) -> None:
    for key in place.world.keys.values():
        key.permissions = ["user.read", "asset.read", "asset.statistics", "asset.view", "album.read", "stack.read"]
    report = run_doctor(place.settings(url=immich_server(place.world).url))
    assert report.exit_code == 0
    assert states(report)["snapshot"] == "works"
    assert {states(report)[name] for name in ("making stacks", "tags", "trash", "setting up sharing")} == {"off"}
    assert "none to change anything" in row(report, "key of Alice").detail


def test_a_key_that_may_not_even_tell_whose_it_is(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    without_permission(server, place, "Bob", "user.read")
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code == 1
    assert "tick user.read" in row(report, "key of Bob").remedy
    assert states(report)["snapshot"] == "partly"


def test_a_wrong_address(place: Place) -> None:
    report = run_doctor(place.settings(url="http://127.0.0.1:1"))
    assert report.exit_code == 2
    assert row(report, "http://127.0.0.1:1").state == "problem"
    assert "not looked at" in row(report, "key of Alice").detail
    assert "NO  " in as_table(report)
    assert "nothing can work" in as_table(report)


def test_an_address_of_something_else(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world, validate=False)
    server.fail_next("/server/ping", "html", times=100)
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code == 2
    assert row(report, server.url).state == "problem"


def test_a_folder_of_photos_works_while_the_server_does_not(place: Place, tmp_path: Path) -> None:
    settings = place.settings(url="http://127.0.0.1:1").model_copy(update={"photos": tmp_path / "data"})
    report = run_doctor(settings)
    assert report.exit_code == 1
    assert row(report, str(tmp_path / "data"), "folders").state == "ok"
    assert states(report)["folder of photos"] == "works"
    assert run_doctor(settings.model_copy(update={"photos": tmp_path / "nowhere", "immich": None})).exit_code == 2


@pytest.mark.parametrize("by_database", [False, True])
def test_an_unmapped_path(
    place: Place, immich_server: Serve, make_immich_database: MakeDatabase, by_database: bool
) -> None:
    server = immich_server(place.world)
    more = {"database_url": filled(make_immich_database, place.world)} if by_database else {}
    report = run_doctor(place.settings(url=server.url, paths=place.paths[:1], **more))
    assert report.exit_code == 1
    outside = row(report, "/external/alice")
    assert outside.detail.startswith("8 of 24 assets looked at are in this folder, which is not mapped")
    assert "{immich: /external/alice, here: WHERE IT IS MOUNTED}" in outside.remedy
    assert states(report)["full-file hashes"] == "partly"


def test_a_mount_that_is_missing_and_one_that_is_another_folder(
    place: Place, immich_server: Serve, tmp_path: Path
) -> None:
    server = immich_server(place.world)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "something").touch()
    paths = [
        {"immich": "/data", "here": str(tmp_path / "not-there")},
        {"immich": "/external", "here": str(tmp_path / "other")},
    ]
    report = run_doctor(place.settings(url=server.url, paths=paths))
    assert report.exit_code == 1
    assert "is not there" in row(report, f"/data -> {tmp_path / 'not-there'}").detail
    assert "none is there" in row(report, str(tmp_path / "other")).detail
    assert states(report)["full-file hashes"] == "no"
    (tmp_path / "not-there").mkdir()
    empty = row(cheap_findings(place.settings(url=server.url, paths=paths)), f"/data -> {tmp_path / 'not-there'}")
    assert "as if nothing were mounted there" in empty.detail


def test_previews_that_are_kept_elsewhere(
    place: Place, immich_server: Serve, make_immich_database: MakeDatabase
) -> None:
    for preview in list(place.here("/data/thumbs").rglob("*.jpeg")):
        preview.rename(preview.with_suffix(".old"))
    alone = run_doctor(place.settings(database_url=filled(make_immich_database, place.world)))
    assert "none of 24 previews is there" in row(alone, "/data/thumbs", "files").detail
    assert states(alone)["perceptual hashes"] == "off"
    report = run_doctor(place.settings(url=immich_server(place.world).url))
    assert "through the API" in {one.name: one.reason for one in report.features}["perceptual hashes"]


def test_files_that_are_not_as_immich_says(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    damaged = next(
        asset for asset in place.world.assets.values() if asset.original_path.startswith("/data/library/bob")
    )
    place.here(damaged.original_path).write_bytes(b"x" * len(damaged.content or b""))
    edited = next(asset for asset in place.world.assets.values() if asset.library_id)
    place.here(edited.original_path).write_bytes(b"longer than before" * 100)
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code == 1
    data, external = (row(report, mapping["here"]) for mapping in place.paths)
    assert data.state == "problem"
    assert "1 other bytes" in data.detail
    assert external.state == "warning"
    assert "1 other size" in external.detail
    assert states(report)["full-file hashes"] == "partly"


def test_a_renamed_column_is_named_and_the_api_read_instead(
    place: Place, immich_server: Serve, make_immich_database: MakeDatabase
) -> None:
    place.world.version = "3.1.0"
    url = filled(make_immich_database, place.world)
    with psycopg.connect(url) as owner:
        owner.execute('ALTER TABLE asset RENAME COLUMN "originalPath" TO "path"')
        owner.execute("INSERT INTO version_history (version) VALUES ('3.9.0')")
    place.world.version = "3.9.0"
    server = immich_server(place.world, validate=False)
    with read_only_role(url, "3.1.0") as reader:
        report = run_doctor(place.settings(url=server.url, database_url=reader))
        forced = run_doctor(place.settings(url=server.url, database_url=reader, read="database"))
    assert report.exit_code == 1
    tables = row(report, "tables")
    assert "asset.originalPath is missing; the API is read instead" in tables.detail
    assert "through the API, since the database cannot be used" in report.features[0].reason
    assert states(report)["snapshot"] == "works"
    assert states(report)["tags"] == "no"
    note = row(report, server.url)
    assert note.state == "warning"
    assert "newer than this program knows" in note.detail
    assert forced.exit_code == 2
    assert "leaves nothing else" in forced.features[0].reason


def test_a_role_that_may_write_and_one_that_may_not_read_all(
    place: Place, immich_server: Serve, make_immich_database: MakeDatabase
) -> None:
    server = immich_server(place.world)
    url = filled(make_immich_database, place.world)
    superuser = run_doctor(place.settings(url=server.url, database_url=url))
    assert superuser.exit_code == 0
    assert "is a superuser" in worst(superuser)[0].detail
    assert "CREATE ROLE" in worst(superuser)[0].remedy
    with read_only_role(url, "3.1.0") as reader, psycopg.connect(url, autocommit=True) as owner:
        role = reader.partition("user=")[2].partition(" ")[0]
        owner.execute(f"GRANT UPDATE ON asset TO {role}")
        report = run_doctor(place.settings(url=server.url, database_url=reader))
        found = row(report, f"role {role}")
        assert (found.state, report.exit_code) == ("warning", 0)
        assert "may change asset;" in found.detail
        assert 'GRANT SELECT ON "' in found.remedy

        owner.execute(f"REVOKE ALL ON asset, smart_search FROM {role}")
        owner.execute(f'REVOKE ALL ON "user" FROM {role}; GRANT SELECT (id, "isAdmin") ON "user" TO {role}')
        report = run_doctor(place.settings(url=server.url, database_url=reader))
        assert report.exit_code == 1
        assert states(report)["snapshot"] == "works"  # through the API
        found = row(report, "rights to read")
        assert "may not read asset, smart_search, user.email" in found.detail
        assert f'GRANT SELECT ON "asset", "smart_search" TO "{role}";' in found.remedy
        owner.execute(found.remedy.partition("\n")[2])
        assert run_doctor(place.settings(url=server.url, database_url=reader)).exit_code == 0
        owner.execute(f"REVOKE ALL ON smart_search FROM {role}")
        report = run_doctor(place.settings(url=server.url, database_url=reader))
        assert report.exit_code == 1
        assert states(report)["snapshot"] == "works"
        assert states(report)["embeddings and faces"] == "no"


def test_a_database_that_does_not_answer(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    url = f"postgresql://reader:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:1/immich"
    report = run_doctor(place.settings(url=server.url, database_url=url))
    assert report.exit_code == 1
    assert row(report, "connection").state == "problem"
    assert states(report)["snapshot"] == "works"
    said = as_json(report) + as_table(report) + repr(report)
    assert PASSWORD not in said
    assert "%2F" not in said
    alone = run_doctor(place.settings(database_url="postgresql://reader:two words@127.0.0.1:1/immich"))
    assert alone.exit_code == 2
    assert "two words" not in as_json(alone)


def test_the_database_of_another_server(place: Place, immich_server: Serve, make_immich_database: MakeDatabase) -> None:
    other = World(seed=random.Random(2))
    other.add_user("carol")
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url, database_url=filled(make_immich_database, other)))
    assert report.exit_code == 1
    strangers = [one for one in report.rows if "two different servers" in one.detail]
    assert {one.subject for one in strangers} == {"alice@example.org", "bob@example.org"}


def test_a_role_that_is_refused(place: Place, make_immich_database: MakeDatabase) -> None:
    url = as_role(make_immich_database("3.1.0"), "nobody_of_this_name")
    report = run_doctor(place.settings(database_url=url))
    assert report.exit_code == 2
    assert PASSWORD not in as_json(report)


def test_a_wrong_key_for_one_of_two_users(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    alice = place.user("Alice")
    wrong = {"api_key": "not-a-key-of-anybody", "label": "Bob"}
    settings = place.settings(url=server.url).model_copy(
        update={
            "immich": place.settings(url=server.url).immich.model_validate({"url": server.url, "users": [alice, wrong]})
        }  # type: ignore[union-attr]
    )
    report = run_doctor(settings)
    assert report.exit_code == 1
    assert "make a new key" in row(report, "key of Bob").remedy
    assert row(report, "key of Alice").state == "ok"
    assert states(report)["snapshot"] == states(report)["albums"] == "partly"
    assert "but not for Bob" in report.features[0].reason
    said = as_json(report) + as_table(report) + repr(report)
    assert "not-a-key-of-anybody" not in said
    assert alice["api_key"] not in said


def test_two_keys_of_one_user(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url, users=["Alice", "Alice", "Bob"]))
    assert report.exit_code == 1
    assert "keys of one user" in row(report, "keys of alice@example.org").detail


def test_no_key_of_an_administrator(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url, users=["Bob"]))
    assert report.exit_code == 0
    assert states(report)["setting up sharing"] == "off"
    without_permission(server, place, "Alice", "library.create")
    assert states(run_doctor(place.settings(url=server.url)))["setting up sharing"] == "no"


def test_what_is_included(place: Place, immich_server: Serve, make_immich_database: MakeDatabase) -> None:
    server = immich_server(place.world)
    library = next(iter(place.world.libraries))
    alice = next(user for user in place.world.users.values() if user.name == "Alice")
    place.world.add_album(alice, "Holiday", [next(iter(place.world.assets.values()))])
    include = {
        "users": ["alice@example.org", "Bob@example.org", "carol@example.org"],
        "libraries": [library, "uploads", "11111111-1111-4111-8111-111111111111"],
        "albums": ["Holiday", "Work"],
    }
    url = filled(make_immich_database, place.world)
    for more in ({"url": server.url}, {"database_url": url}):
        report = run_doctor(place.settings(**more, include=include))
        assert report.exit_code == 1
        assert row(report, f"library {library}").state == row(report, "album Holiday").state == "ok"
        assert row(report, "library 11111111-1111-4111-8111-111111111111").state == "problem"
        assert row(report, "album Work").state == "problem"
        assert row(report, "Bob@example.org").remedy == "write bob@example.org"
        assert row(report, "carol@example.org").state == "problem"
        assert states(report)["snapshot"] == "partly"
    nobody = run_doctor(place.settings(database_url=url, include={"users": ["carol@example.org"]}))
    assert nobody.exit_code == 2


def test_originals_through_the_api(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    assert states(run_doctor(place.settings(url=server.url, originals="never")))["full-file hashes"] == "off"
    report = run_doctor(place.settings(url=server.url, originals="download", paths=[]))
    assert states(report)["full-file hashes"] == "works"
    without_permission(server, place, "Bob", "asset.download")
    report = run_doctor(place.settings(url=server.url, originals="download", paths=[]))
    assert states(report)["full-file hashes"] == "partly"
    assert run_doctor(place.settings(url=server.url, paths=[])).exit_code == 0


def test_what_resolving_duplicates_needs(place: Place, immich_server: Serve, tmp_path: Path) -> None:
    server = immich_server(place.world)
    (tmp_path / "file").touch()

    def found(settings: Settings, **duplicates: object) -> Feature:
        told = settings.model_copy(update={"duplicates": DuplicateSettings.model_validate(duplicates)})
        return next(one for one in run_doctor(told).features if one.name == "resolving duplicates")

    mounted, by_api = place.settings(url=server.url), place.settings(url=server.url, paths=[])
    assert found(by_api).state == "works"
    assert found(mounted, backup={"folder": tmp_path / "new" / "copies"}).state == "works"
    assert found(mounted, backup={"folder": tmp_path / "file"}).state == "no"
    assert found(mounted, backup={"folder": tmp_path, "keep_free_mb": 10**12}).state == "no"
    without_permission(server, place, "Bob", "asset.download")
    assert found(mounted, mode="approve").state == "works"
    assert found(by_api, mode="approve", backup={"required": False}).state == "works"
    lacking = found(by_api, mode="approve")
    assert lacking.state == "partly"
    assert (
        "no copy can be made of files that are not mounted here: the key of Bob lacks asset.download" in lacking.reason
    )
    assert found(by_api).state == "off"
    place.world.trash_days = 0
    switched_off = found(mounted, mode="approve", backup={"required": False})
    assert (switched_off.state, "switched off" in switched_off.reason) == ("no", True)
    server.fail_next("/server/features", 404)
    assert found(mounted).state == "works"


def test_duplicates_in_a_folder_are_moved_only_where_it_may_be_written(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", photos=tmp_path)
    assert states(run_doctor(settings))["duplicates in folders"] == "works"
    assert in_folder(settings, Facts(folder_readable=True)).state == "off"
    assert in_folder(settings, Facts()).state == "no"


@pytest.mark.parametrize("how", ["html", "truncated", "cut", "drop", 500, 403])
@pytest.mark.parametrize("where", ["/server/version", "/users/me", "/api-keys/me", "/search/metadata"])
def test_whatever_the_server_answers(place: Place, immich_server: Serve, where: str, how: int | str) -> None:
    server = immich_server(place.world, validate=False)
    server.fail_next(where, how, times=1000)  # type: ignore[arg-type]
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code in (1, 2)
    assert any(one.state == "problem" for one in report.rows)
    assert not any("could not be checked" in one.detail for one in report.rows)


def test_a_slow_server_is_left_behind(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    server.fail_next("/users/me", "slow", times=1000, seconds=200)
    began = time.monotonic()
    report = cheap_findings(place.settings(url=server.url))
    assert time.monotonic() - began < 10 * patience()
    assert row(report, "key of Alice").state == "problem"
    assert report.exit_code == 2


def test_certificates_that_are_not_checked(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    report = cheap_findings(place.settings(url=server.url, tls={"verify": False}))
    found = row(report, "encryption")
    assert found.state == "warning"
    assert "certificate is not checked" in found.detail


def test_nothing_is_left_behind(place: Place, immich_server: Serve) -> None:
    server = immich_server(place.world)
    before = sorted(place.folder.rglob("*"))
    run_doctor(place.settings(url=server.url))
    assert sorted(place.folder.rglob("*")) == before
    assert {method for method, *_ in server.requests} == {"GET", "POST"}
    assert {path for method, path, _ in server.requests if method == "POST"} == {"/api/search/metadata"}
