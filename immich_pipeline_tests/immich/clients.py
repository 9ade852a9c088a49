"""A world with everything that hangs on assets, a stand-in that serves it, and clients for its users."""

from pydantic import SecretStr

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, User, World, every_flag

VERSIONS = ("2.7.5", "3.1.0", "3.2.2")
ABSENT = "99999999-9999-4999-8999-999999999999"


def user(world: World, name: str) -> User:
    return next(one for one in world.users.values() if one.email == f"{name}@example.org")


def named(world: World, name: str) -> Asset:
    return next(asset for asset in world.assets.values() if asset.original_name == name)


def client_of(server: StubServer, owner: User, retries: int = 2) -> ImmichClient:
    secret = SecretStr(server.world.key_of(owner).secret)
    return ImmichClient(server.url, secret, requests_per_second=10_000, retries=retries, sleep=lambda _: None)


def rich(version: str) -> World:
    """`every_flag`, and on `favourite.jpg` tags, people, an album's cover and shared links."""
    world = every_flag(version)
    alice, asset = user(world, "alice"), named(world, "favourite.jpg")
    world.add_tag(alice, "Trips/France", [asset])
    world.add_tag(alice, "Family", [asset, named(world, "edited.jpg")])
    marie, someone = world.add_person(alice, "Marie"), world.add_person(alice)
    world.add_face(asset, marie, (144, 108, 288, 216))
    world.add_face(asset, marie, (0, 0, 1440, 1080), source="manual")
    world.add_face(asset, someone, (480, 360, 960, 720))
    world.add_face(asset, None)
    album = world.add_album(alice, "Best", [asset, named(world, "edited.jpg")])
    album.cover_id = asset.id
    world.add_link(alice, [named(world, "edited.jpg"), asset])
    world.add_link(alice, album=album)
    return world
