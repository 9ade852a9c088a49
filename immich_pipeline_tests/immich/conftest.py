"""Libraries in an Immich database of each version; and servers of each version, with clients of two users."""

from collections.abc import Iterator

import pytest

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline_tests.immich import clients
from immich_pipeline_tests.immich.libraries import VERSIONS, Library, library_of
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import World


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


@pytest.fixture(params=clients.VERSIONS)
def world(request: pytest.FixtureRequest) -> World:
    """What the server serves."""
    return clients.rich(request.param)


@pytest.fixture
def server(world: World) -> Iterator[StubServer]:
    """A server of each version."""
    with StubServer(world) as running:
        yield running


@pytest.fixture
def alice(server: StubServer) -> Iterator[ImmichClient]:
    """Her client."""
    with clients.client_of(server, clients.user(server.world, "alice")) as client:
        yield client


@pytest.fixture
def bob(server: StubServer) -> Iterator[ImmichClient]:
    """His client."""
    with clients.client_of(server, clients.user(server.world, "bob")) as client:
        yield client
