"""The parts of a visit, each for itself."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.immich.rights import Rights
from immich_pipeline.sources.doctor import Feature, Finding, Report, as_table, run_doctor
from immich_pipeline.sources.doctor.candidates import spread
from immich_pipeline.sources.doctor.clean import Secrets
from immich_pipeline.sources.doctor.clock import compare_clocks
from immich_pipeline.sources.doctor.database import grant_sql, place
from immich_pipeline.sources.doctor.files import compare
from immich_pipeline.sources.doctor.look import Look, Notes
from immich_pipeline.sources.doctor.mounts import look_at_data_folder, look_at_folder, look_at_media_folder
from immich_pipeline.sources.doctor.outside import top_folders
from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.sources.doctor.good import good_place, row, states


def settings_of(tmp_path: Path, **immich: object) -> Settings:
    return Settings(home=tmp_path / "home", immich={"database_url": "postgresql://a:b@nas/immich", **immich})  # type: ignore[arg-type]


def test_a_look_that_never_ends_keeps_what_it_found() -> None:
    let_go = threading.Event()

    def hang(notes: Notes) -> int:
        notes.ok("first", "is there")
        let_go.wait(200)
        return 1

    began = time.monotonic()
    look = Look("mounts", "second", 0.2, hang)
    assert look.wait() is None
    assert [(one.subject, one.state) for one in look.rows] == [("first", "ok"), ("second", "problem")]
    assert "did not answer within" in look.rows[1].detail
    assert time.monotonic() - began < 5 * patience()
    let_go.set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("put it right"), "put it right"),
        (ValueError("odd"), "could not be checked (ValueError: odd)"),
        (SystemExit(3), "could not be checked (SystemExit: 3)"),
    ],
)
def test_a_look_that_fails_is_a_finding(error: BaseException, said: str) -> None:
    def fail(notes: Notes) -> int:
        raise error

    look = Look("server", "it", 5, fail)
    assert look.wait() is None
    assert [one.detail for one in look.rows] == [said]


def test_clocks() -> None:
    now = datetime.now(UTC)
    notes = Notes("server")
    for ahead in (2, 3600, -3600):
        compare_clocks("the server", now + timedelta(seconds=ahead), now, now, notes)
    assert [one.state for one in notes.rows] == ["ok", "warning", "warning"]
    assert "3,600 s ahead of" in notes.rows[1].detail
    assert "behind" in notes.rows[2].detail


def test_no_secret_and_no_control_character_is_shown(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        database_url="postgresql://us:own-word@host/name",
        immich={  # type: ignore[arg-type]
            "url": "http://nas",
            "users": [{"api_key": "the-api-key"}],
            "database_url": "postgresql://immich:p%40ss-word@nas/immich",
        },
    )
    secrets = Secrets(settings)
    for text in ("the-api-key", "own-word", "p%40ss-word", "p@ss-word", "postgresql://us:own-word@host/name"):
        assert text not in secrets.clean(f"before {text} after")
        assert text not in repr(secrets)
    assert secrets.clean("immich at nas") == "immich at nas"
    row = Finding("keys", "a\x1b[31m\nb", "ok", "x" * 9000, "one\ntwo")
    shown = Report((row,), (), can_work=True).without(secrets).rows[0]
    assert shown.subject == "a\N{REPLACEMENT CHARACTER}[31m b"
    assert len(shown.detail) < 5000
    assert shown.remedy == "one\ntwo"


def test_words_that_are_also_a_password_stay_readable(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, database_url="postgresql://postgres:postgres@nas/immich")
    assert Secrets(settings).clean("role postgres") == "role postgres"
    assert "postgres@" not in Secrets(settings).clean("postgresql://postgres:postgres@nas/immich")
    assert Secrets(settings_of(tmp_path, database_url="not an=address")).clean("not an=address") == "***"


def test_where_a_database_is() -> None:
    assert place(SecretStr("postgresql://me:word@nas:5433/immich")) == "nas:5433/immich"
    assert place(SecretStr("postgresql://me:word@")) == "localhost/me"
    assert place(SecretStr("no address")) == "an address that is none"


def test_grants_name_tables_and_columns() -> None:
    rights = Rights('odd"role', superuser=False, can_write=(), cannot_read=("user.email", "user.name"))
    assert grant_sql(rights).splitlines()[1:] == [
        'GRANT USAGE ON SCHEMA public TO "odd""role";',
        'GRANT SELECT ("email", "name") ON "user" TO "odd""role";',
    ]


def test_top_folders() -> None:
    rows = [
        (None, "/data/library/a/1.jpg"),
        (None, "/data/upload/b/2.jpg"),
        (None, "upload/library/old.jpg"),
        ("lib", "/external/alice/2020/1.jpg"),
        ("lib", "/external/alice/2021/2.jpg"),
        ("other", "/photos/a/1.jpg"),
        ("other", "/pictures/b.jpg"),
        ("third", "/mnt/x/2020/a.jpg"),
        ("third", "/mnt/x/2021/a.jpg"),
    ]
    frame = pl.DataFrame(rows, schema=["library_id", "original_path"], orient="row")
    assert top_folders(frame, "/data", {"lib": ["/external/alice/"]}) == {
        "/data": 2,
        "upload": 1,
        "/external/alice": 2,
        "/photos": 1,
        "/pictures": 1,
        "/mnt/x": 2,
    }


def test_a_sample_is_spread() -> None:
    frame = pl.DataFrame(
        [("a", "x", number) for number in range(1000)] + [("b", None, number) for number in range(3)],
        schema=["owner_id", "library_id", "number"],
        orient="row",
    )
    picked = spread(frame, 10)
    assert picked.filter(owner_id="a")["number"].to_list() == [0, 200, 400, 600, 800]
    assert picked.filter(owner_id="b").height == 3
    assert spread(frame.head(0), 10).is_empty()


def test_files_are_compared_without_following_links_out(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "secret").write_text("12345")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "here" / "folder").mkdir()
    os.mkfifo(tmp_path / "here" / "pipe")
    paths = PathMap(settings_of(tmp_path, paths=[{"immich": "/data", "here": str(tmp_path / "here")}]).immich.paths)  # type: ignore[union-attr]

    def verdict(name: str) -> str:
        located = paths.locate(f"/data/{name}")
        assert located is not None
        known = {"original_path": f"/data/{name}", "checksum_algorithm": "sha1", "size": None, "checksum": b""}
        return compare(known | {"root": located.root, "real_path": located.real_path}, paths, 10).verdict

    assert {name: verdict(name) for name in ("link", "folder", "pipe", "nothing")} == {
        "link": "elsewhere",
        "folder": "unreadable",
        "pipe": "unreadable",
        "nothing": "missing",
    }


def test_a_data_folder_that_cannot_be_used_and_one_that_is_full(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes = Notes("disk")
    assert not look_at_data_folder(Settings(home=tmp_path / "file"), notes)
    assert not look_at_data_folder(Settings(home=tmp_path / "file" / "home"), notes)
    assert look_at_data_folder(settings_of(tmp_path, cache_mb=10**12), notes)
    assert [one.state for one in notes.rows] == ["problem", "problem", "warning"]
    assert "lower cache_mb" in notes.rows[2].remedy


def test_folders_of_photos(tmp_path: Path) -> None:
    notes = Notes("folders")
    (tmp_path / "empty").mkdir()
    assert look_at_folder(Settings(home=tmp_path, photos=tmp_path / "empty"), notes)
    assert look_at_folder(Settings(home=tmp_path), notes)
    assert not look_at_folder(settings_of(tmp_path), notes)
    assert [one.state for one in notes.rows] == ["warning", "ok"]
    with pytest.raises(UserError, match="does not exist"):
        look_at_folder(Settings(home=tmp_path, photos=tmp_path / "gone"), notes)


def test_media_folders(tmp_path: Path) -> None:
    notes = Notes("mounts")
    mapped = [{"immich": "/data", "here": str(tmp_path)}]
    for immich in ({}, {"paths": mapped}):
        settings = settings_of(tmp_path, **immich).immich
        assert settings
        assert not look_at_media_folder(settings, notes)
    (tmp_path / "thumbs").mkdir()
    assert not look_at_media_folder(settings, notes)
    (tmp_path / "thumbs" / "a").mkdir()
    assert look_at_media_folder(settings, notes)
    assert [one.state for one in notes.rows] == ["warning", "warning", "warning", "ok"]


def test_odd_settings_are_told(tmp_path: Path) -> None:
    paths = [{"immich": "/data", "here": str(tmp_path)}, {"immich": "/data/", "here": str(tmp_path)}]
    report = run_doctor(
        settings_of(
            tmp_path, database_url="postgresql://a:b@127.0.0.1:1/x", users=[{"api_key": "abcdefg"}], paths=paths
        )
    )
    assert report.exit_code == 2
    assert "no url to use them with" in row(report, "immich.users").detail
    assert "is mapped twice" in row(report, "paths").detail
    assert states(report)["full-file hashes"] == "no"


def test_a_database_that_is_left_aside(tmp_path: Path, immich_server: Callable[..., StubServer]) -> None:
    place = good_place(tmp_path)
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url, database_url="postgresql://a:b@127.0.0.1:1/x", read="api"))
    assert row(report, "immich.read").state == "warning"
    assert states(report)["snapshot"] == "works"
    assert states(report)["embeddings and faces"] == "off"


def test_an_empty_library(tmp_path: Path, immich_server: Callable[..., StubServer]) -> None:
    place = good_place(tmp_path)
    place.world.assets.clear()
    server = immich_server(place.world)
    report = run_doctor(place.settings(url=server.url))
    assert report.exit_code == 0
    assert "no assets" in row(report, "sample").detail


def test_the_table_keeps_what_is_copied_from_it_whole() -> None:
    long = "GRANT SELECT ON " + ", ".join(f'"table_{number}"' for number in range(40)) + ";"
    report = Report(
        (
            Finding(
                "database", "a role with a name that is longer than a column may be", "warning", "text", f"do:\n{long}"
            ),
            Finding("database", "other", "ok", "fine"),
        ),
        (Feature("tags", "no", "reason", "see above"),),
        can_work=True,
    )
    lines = as_table(report).splitlines()
    assert lines[0] == "database"
    assert " ".join(as_table(report).split()).count(long) == 1
    assert "reason (see above)" in as_table(report)
    assert lines[-1] == "something will not work: 0 problems, 1 warning"
