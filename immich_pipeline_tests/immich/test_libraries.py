"""External libraries through the API, which takes an administrator."""

import pytest
from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ApiError, ReadOnlyServer
from immich_pipeline_tests.immich.clients import ABSENT, VERSIONS, client_of, user
from immich_pipeline_tests.immich.scripted import Reply, scripted
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import every_flag


@pytest.mark.parametrize("version", VERSIONS)
def test_an_administrator_makes_one_for_another_user(version: str) -> None:
    world = every_flag(version)
    bob = user(world, "bob")
    with StubServer(world) as server, client_of(server, user(world, "alice")) as alice:
        before = alice.libraries()
        made = alice.create_library(bob.id, "From Alice", ["/external/bob/from-alice"], ["**/*"])
        assert (made.owner_id, made.name) == (bob.id, "From Alice")
        assert (made.import_paths, made.exclusion_patterns) == (("/external/bob/from-alice",), ("**/*",))
        assert world.libraries[made.id].owner_id == bob.id
        assert alice.libraries() == [*before, made]
        assert alice.folder_problem(made.id, "/external/bob/from-alice") is None
        world.missing_folders.add("/external/bob/from-alice")
        assert alice.folder_problem(made.id, "/external/bob/from-alice") == "Path does not exist (ENOENT)"


def test_nobody_else_does() -> None:
    world = every_flag()
    with StubServer(world) as server, client_of(server, user(world, "bob")) as bob:
        with pytest.raises(ApiError, match="Forbidden"):
            bob.libraries()
        with pytest.raises(ApiError, match="Forbidden"):
            bob.create_library(user(world, "bob").id, "mine", [], [])


def test_a_server_that_is_only_read_gets_none() -> None:
    told = Reply(200, b'{"major": 3, "minor": 9, "patch": 0}')
    with scripted(told) as other, ImmichClient(other.url, SecretStr("key")) as client, pytest.raises(ReadOnlyServer):
        client.create_library(ABSENT, "a", [], [])
