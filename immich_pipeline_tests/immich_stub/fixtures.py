"""Fixtures: `immich_server(world)` starts a stand-in for the length of the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from immich_pipeline_tests.immich_stub.server import StubServer


@pytest.fixture
def immich_server() -> Iterator[Callable[..., StubServer]]:
    """A factory: `server = immich_server(world)`, optionally `validate=False`. Violations fail the test at its end."""
    with ExitStack() as running:
        yield lambda world, validate=True: running.enter_context(StubServer(world, validate))
