"""Second opinions from a server's records and from its database, both real."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.dedup.opinions import OPINION_SCHEMA, RECORDS_SCHEMA
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.immich.server import ImmichServer
from immich_pipeline.sources.immich.snapshot import take_server_snapshot
from immich_pipeline.sources.opinions import duplicate_records, second_opinions
from immich_pipeline.store import derived
from immich_pipeline.store.database import Database
from immich_pipeline.store.library import activate_sources
from immich_pipeline_tests.dedup.drawn_groups import groups_named
from immich_pipeline_tests.immich.libraries import Library, library_of
from immich_pipeline_tests.immich_db.rows import embedding_of
from immich_pipeline_tests.immich_world import Asset


@pytest.fixture(scope="module")
def immich(server_url: str) -> Iterator[Library]:
    with library_of(server_url, "3.1.0") as library:
        yield library


@pytest.fixture
def lab(immich: Library, database: Database) -> Library:
    """An Immich server's database, of which a snapshot was taken."""
    server = ImmichServer(ImmichSettings(database_url=SecretStr(immich.url)), FormatTable.load())
    activate_sources(database, [server.row])
    take_server_snapshot(database, server)
    return immich


def plain(lab: Library) -> list[Asset]:
    """Six pictures of one user that have embeddings; Immich has the fourth and the fifth in one duplicate group."""
    return sorted(
        (asset for asset in lab.world.assets.values() if "/IMG_" in asset.original_path), key=lambda a: a.original_path
    )


def of(lab: Library, home: Path) -> Settings:
    return Settings(home=home, immich=ImmichSettings(database_url=SecretStr(lab.url)))


def distance(one: Asset, other: Asset) -> float:
    return float(1 - np.dot(embedding_of(one), embedding_of(other)))


def asked(database: Database, settings: Settings, members: pl.DataFrame) -> dict[str, tuple[bool | None, float | None]]:
    with database.frames() as frames:
        found = second_opinions(frames, settings, members)
    assert dict(found.schema) == OPINION_SCHEMA
    assert found["asset_id"].sort().equals(members["asset_id"].sort())
    return {asset: (agrees, apart) for _, asset, agrees, apart in found.rows()}


def test_opinions_of_records_and_database(lab: Library, database: Database, home: Path) -> None:
    first, second, third, fourth, fifth, _ = plain(lab)
    local = "11111111-1111-4111-8111-111111111111"
    _, members = groups_named(
        ("g", "edited", f"{fourth.id} {fifth.id} {first.id} {local}"), ("h", "edited", f"{second.id} {third.id}"),
        ("l", "exact", "22222222-1111-4111-8111-111111111111 33333333-1111-4111-8111-111111111111"),
    )  # fmt: skip
    with database.frames() as frames:
        records = duplicate_records(frames)
    assert dict(records.schema) == RECORDS_SCHEMA
    by_id = {row["asset_id"]: row for row in records.iter_rows(named=True)}
    trashed = next(asset for asset in lab.world.assets.values() if asset.original_path.endswith("trashed.jpg"))
    assert trashed.id not in by_id
    assert by_id[first.id]["duplicate_id"] is None
    assert by_id[fourth.id] == by_id[fifth.id] | {"asset_id": fourth.id}
    told = asked(database, of(lab, home), members)
    assert told[fifth.id] == (True, pytest.approx(distance(fourth, fifth), abs=1e-5))
    assert told[first.id] == (False, pytest.approx(distance(fourth, first), abs=1e-5))
    assert told[third.id] == (False, pytest.approx(distance(second, third), abs=1e-5))
    assert {told[asset] for asset in (fourth.id, second.id, local)} == {(None, None)}
    assert asked(database, Settings(home=home), members)[fifth.id] == (True, None)
    user = ImmichUser(api_key=SecretStr("none is needed"))
    by_api = Settings(
        home=home,
        immich=ImmichSettings(url="http://nas", users=(user,), database_url=SecretStr(lab.url), read="api"),
    )
    assert asked(database, by_api, members)[fifth.id] == (True, None)
    assert asked(database, of(lab, home), members.clear()) == {}


def store(database: Database, groups: pl.DataFrame, members: pl.DataFrame, clip_distance: float) -> None:
    known = members.filter(~pl.col("is_representative")).select("group_id", "asset_id")
    rows = known.with_columns(immich_agrees=pl.lit(None, pl.Boolean), clip_distance=pl.lit(clip_distance, pl.Float32))
    tables = {derived.DUPLICATE_GROUP: groups, derived.DUPLICATE_MEMBER: members, derived.OPINION: rows}
    with database.frames() as frames:
        derived.write(frames, "duplicates", tables)


def test_a_stored_distance_stands_while_the_representative_does(
    lab: Library, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("immich_pipeline.sources.opinions.MEMBERS_AT_ONCE", 2)
    first, second, third, fourth, fifth, _ = plain(lab)
    groups, members = groups_named(("g", "edited", f"{first.id} {second.id}"))
    store(database, groups, members, 0.25)
    assert asked(database, of(lab, home), members)[second.id] == (False, 0.25)
    _, turned = groups_named(
        ("g", "edited", f"{second.id} {first.id} {third.id}"), ("h", "edited", f"{fourth.id} {fifth.id}")
    )
    told = asked(database, of(lab, home), turned)
    assert told[first.id] == (False, pytest.approx(distance(first, second), abs=1e-5))
    assert told[fifth.id] == (True, pytest.approx(distance(fourth, fifth), abs=1e-5)), "read in two parts"


def test_a_database_that_cannot_be_read_is_no_failure(
    lab: Library, database: Database, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, *_ = plain(lab)
    _, members = groups_named(("g", "edited", f"{first.id} {second.id}"))
    away = ImmichSettings(database_url=SecretStr("postgresql://nobody:secret@127.0.0.1:9/none"))
    with caplog.at_level(logging.WARNING, logger="immich_pipeline"):
        told = asked(database, Settings(home=home, immich=away), members)
    assert told[second.id] == (False, None)
    assert "own view of duplicates is not known" in caplog.text
    assert "secret" not in caplog.text
