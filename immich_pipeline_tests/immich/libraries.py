"""Immich databases filled from a `World`, and what tests do with them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import psycopg
from pydantic import SecretStr

from immich_pipeline.immich.database import ImmichDatabase, Watermark
from immich_pipeline.immich.schema import RECORD_SCHEMA
from immich_pipeline_tests.databases import drop_database
from immich_pipeline_tests.immich_db.bulk import bulk_assets
from immich_pipeline_tests.immich_db.create import create_immich_database
from immich_pipeline_tests.immich_db.fill import fill, write_changes
from immich_pipeline_tests.immich_world import Asset, World, every_flag

VERSIONS = {"2.7.5": "2.7", "3.1.0": "3.0", "3.2.2": "3.2"}


@dataclass
class Library:
    """A world, a database that holds it, and our reader of that database."""

    world: World
    url: str
    reader: ImmichDatabase

    @property
    def owners(self) -> list[str]:
        return list(self.world.users)

    def owner(self, name: str) -> str:
        return next(user.id for user in self.world.users.values() if user.name == name)

    def asset(self, end_of_path: str) -> Asset:
        return next(asset for asset in self.world.assets.values() if asset.original_path.endswith(end_of_path))

    def write(self) -> None:
        write_changes(self.url, self.world)

    def run(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values)

    def ids(self, **choice: object) -> set[str]:
        return set(read(self.reader, self.owners, **choice)["asset_id"])

    def changed(self, since: Watermark) -> set[str]:
        return self.ids(since=since)


def read(reader: ImmichDatabase, owners: list[str], **choice: object) -> pl.DataFrame:
    frames = list(reader.records(owners, **choice))  # type: ignore[arg-type]
    return pl.concat([pl.DataFrame(schema=RECORD_SCHEMA), *frames]).sort("asset_id")


@contextmanager
def library_of(server_url: str, version: str) -> Iterator[Library]:
    name = f"immich_{secrets.token_hex(6)}"
    url = create_immich_database(server_url, name, version)
    world = every_flag(version)
    fill(url, world)
    yield Library(world, url, ImmichDatabase(SecretStr(url)))
    drop_database(server_url, name)


@contextmanager
def many_assets(server_url: str) -> Iterator[tuple[ImmichDatabase, list[str], str]]:
    name = f"immich_{secrets.token_hex(6)}"
    url = create_immich_database(server_url, name, "3.1.0")
    owners = bulk_assets(url, 60_000)
    yield ImmichDatabase(SecretStr(url)), owners, url
    drop_database(server_url, name)
