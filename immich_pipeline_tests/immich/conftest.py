"""Libraries in an Immich database of each version."""

from collections.abc import Iterator

import pytest

from immich_pipeline_tests.immich.libraries import VERSIONS, Library, library_of


@pytest.fixture(scope="module", params=VERSIONS)
def library(server_url: str, request: pytest.FixtureRequest) -> Iterator[Library]:
    """Read by many tests, written by none."""
    with library_of(server_url, request.param) as made:
        yield made


@pytest.fixture(params=VERSIONS)
def changing(server_url: str, request: pytest.FixtureRequest) -> Iterator[Library]:
    """A library of each version for one test."""
    with library_of(server_url, request.param) as made:
        yield made


@pytest.fixture
def newest(server_url: str) -> Iterator[Library]:
    """A library of the newest version for one test."""
    with library_of(server_url, "3.2.2") as made:
        yield made
