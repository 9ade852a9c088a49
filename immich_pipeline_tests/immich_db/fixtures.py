"""Databases of Immich for tests."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from immich_pipeline.store.frames import close_idle
from immich_pipeline_tests.databases import drop_database
from immich_pipeline_tests.immich_db.create import create_immich_database


@pytest.fixture
def make_immich_database(server_url: str) -> Iterator[Callable[[str], str]]:
    """`make_immich_database(version) -> url`: an empty database of that version of Immich, dropped after the test."""
    made: dict[str, str] = {}

    def make(version: str) -> str:
        name = f"immich_{secrets.token_hex(6)}"
        made[name] = create_immich_database(server_url, name, version)
        return made[name]

    yield make
    for name, url in made.items():
        close_idle(url)
        drop_database(server_url, name)
