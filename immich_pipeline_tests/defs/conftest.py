"""The pipeline over a small folder, run by a real Dagster instance against a real database."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from immich_pipeline.config import load_settings
from immich_pipeline.definitions import defs
from immich_pipeline.defs.first_pass import Pass, read_library, run_pass
from immich_pipeline.store.database import Database
from immich_pipeline_tests.defs.immich_home import Home, write_config
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World
from immich_pipeline_tests.photos import small_library

TABLES = {
    "library.asset": "asset_id, path, size, gone_at IS NULL AS live",
    "library.sidecar": "path, asset_id, rule",
    "content.file_hash": "asset_id, sha256, format, format_mismatch, error_kind, error",
    "content.photo_metadata": "asset_id, taken_at, taken_at_local, make, model, burst_id, error",
    "content.perceptual_hash": "asset_id, phash, phash256, usable, width, height, error_kind, error",
    "captures.capture_member": "*",
    "duplicates.candidate": "*",
    "duplicates.verified_pair": "*",
    "duplicates.duplicate_group": "*",
    "duplicates.duplicate_member": "*",
    "duplicates.set_member": "*",
    "duplicates.decided_set": "*",
    "duplicates.decision": "*",
    "duplicates.decision_member": "*",
}
"""What must come out the same whatever happened on the way: everything but batch keys and moments of work."""


@dataclass
class Pipeline:
    """A folder, a database, a Dagster instance."""

    photos: Path
    database: Database
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def run(self) -> Pass:
        return run_pass(self.definitions, self.instance, self.database, load_settings(), supervised=True)

    def read(self) -> Pass:
        """As `run`, without what is computed of the whole library, which takes half of the time."""
        done = Pass()
        read_library(self.definitions, self.instance, self.database, done)
        return done

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.database.connect() as connection:
            return {
                table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)  # type: ignore[call-overload]
                for table, columns in TABLES.items()
            }

    def rows_as_written(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row's place and the transaction that wrote it: equal before and after means that nothing was written."""
        with self.database.connect() as connection:
            tables = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN "
                "('library', 'content', 'captures', 'duplicates', 'pipeline', 'maintenance')"
            ).fetchall()
            return {
                table: sorted(connection.execute(f'SELECT ctid::text, xmin::text FROM "{schema}"."{table}"').fetchall())  # type: ignore[call-overload]
                for schema, table in tables
            }

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return connection.execute(text).fetchall()  # type: ignore[call-overload]


@cache
def loaded() -> dg.Definitions:
    """The code location, loaded once per process.

    While it is loaded no instance is asked for anything: which one counts as current changes when a left one is collected.
    """
    with set_defs_state_storage(None):
        definitions = defs()
        definitions.get_repository_def()
    return definitions


@pytest.fixture
def pipeline(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    photos = small_library(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMMICH_PIPELINE_PHOTOS", str(photos))
    monkeypatch.setenv("PIPELINE_DATABASE_URL", database.url)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Pipeline(photos, database, instance, loaded())


@pytest.fixture
def family(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A server of two users without photos, read through its API; no folder."""
    world = World(version="3.1.0")
    alice, bob = world.add_user("alice", is_admin=True), world.add_user("bob")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIPELINE_DATABASE_URL", database.url)
    with StubServer(world) as stub, dg.DagsterInstance.ephemeral() as instance:
        write_config(tmp_path, world, stub.url, monkeypatch)
        yield Home(world, stub, Pipeline(tmp_path, database, instance, loaded()), alice, bob)
