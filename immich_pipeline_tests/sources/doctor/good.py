"""A set-up in which everything works: a stand-in server, its database, and its folders mounted here."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql
from pydantic import SecretStr

from immich_pipeline.config import Settings
from immich_pipeline.immich.contract import contracts
from immich_pipeline.sources.doctor.database import READER, create_role_sql
from immich_pipeline.sources.doctor.files import preview_path
from immich_pipeline.sources.doctor.report import Finding, Report
from immich_pipeline_tests.immich_db.fill import fill
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.immich_world import Asset, ExternalLibrary, World

PASSWORD = "a-pass/word@7"  # noqa: S105 - of no one


@dataclass
class Place:
    """The world, and where its folders are mounted."""

    world: World
    folder: Path
    home: Path

    @property
    def paths(self) -> list[dict[str, str]]:
        return [
            {"immich": "/data", "here": str(self.folder / "data")},
            {"immich": "/external", "here": str(self.folder / "external")},
        ]

    def here(self, immich_path: str) -> Path:
        return self.folder / immich_path.lstrip("/")

    def put(self, asset: Asset) -> None:
        """Put an asset's file, and its preview, where they are mounted."""
        for path, content in (
            (asset.original_path, asset.content),
            (preview_path("/data", asset.owner_id, asset.id), b"jpeg"),
        ):
            self.here(path).parent.mkdir(parents=True, exist_ok=True)
            self.here(path).write_bytes(content or b"")

    def add(self, email: str, path: str, library: ExternalLibrary | None = None, **values: Any) -> Asset:
        owner = next(user for user in self.world.users.values() if user.email == email)
        asset = self.world.add_asset(owner, path, content=path.encode() * 20, library=library, **values)
        self.put(asset)
        return asset

    def settings(self, **immich: Any) -> Settings:
        """Settings of an `immich` part; `users` are the names of those whose keys are given, default: everybody's."""
        names = immich.pop("users", [user.name for user in self.world.users.values()])
        given = {"users": [self.user(name) for name in names]} if immich.get("url") else {}
        return Settings(home=self.home, immich={"paths": self.paths} | given | immich)  # type: ignore[arg-type]

    def user(self, name: str) -> dict[str, str]:
        user = next(user for user in self.world.users.values() if user.name == name)
        return {"api_key": self.world.key_of(user).secret, "label": name}


def good_place(folder: Path, version: str = "3.1.0") -> Place:
    """Alice, an administrator with uploads and an external library, and Bob."""
    world = World(version=version)
    place = Place(world, folder, folder / "home")
    place.home.mkdir(parents=True)
    alice, _ = world.add_user("alice", is_admin=True), world.add_user("bob")
    library = world.add_library(alice, "NAS", "/external/alice")
    for number in range(8):
        place.add("alice@example.org", f"/data/library/alice/{number}.jpg")
        place.add("bob@example.org", f"/data/library/bob/{number}.jpg")
        place.add("alice@example.org", f"/external/alice/{number}.jpg", library)
    world.take_offline(place.add("alice@example.org", "/external/alice/offline.jpg", library))
    place.here("/external/alice/offline.jpg").unlink()
    world.now = datetime.now(UTC)
    return place


@contextmanager
def read_only_role(url: str, version: str) -> Iterator[str]:
    """The database's address for the role that the doctor's own SQL makes."""
    role = f"{READER}_{secrets.token_hex(4)}"
    contract = next(one for one in contracts() if tuple(version.split(".")) >= tuple(one.name.split(".")))
    text = create_role_sql(contract, SecretStr(url)).partition("\n")[2].replace(READER, role)
    text = text.replace("'choose one'", sql.Literal(PASSWORD).as_string(None))
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(text)  # type: ignore[call-overload]
        try:
            yield as_role(url, role)
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def as_role(url: str, role: str) -> str:
    """The same database by another role, with its password."""
    parts = conninfo.conninfo_to_dict(url)
    return conninfo.make_conninfo(**(parts | {"user": role, "password": PASSWORD}))


def filled(make: Callable[[str], str], world: World) -> str:
    """A database that holds the world."""
    url = make(world.version)
    fill(url, world)
    return url


def row(report: Report, subject: str, area: str | None = None) -> Finding:
    """The one finding about a subject."""
    found = [one for one in report.rows if one.subject == subject and area in (None, one.area)]
    assert len(found) == 1, report.rows
    return found[0]


def states(report: Report) -> dict[str, str]:
    """Feature to state."""
    return {feature.name: feature.state for feature in report.features}


def worst(report: Report) -> list[Finding]:
    """Everything that is not ok."""
    return [one for one in report.rows if one.state != "ok"]


def without_permission(server: StubServer, place: Place, name: str, permission: str) -> None:
    user = next(user for user in place.world.users.values() if user.name == name)
    server.revoke(place.world.key_of(user).secret, permission)
