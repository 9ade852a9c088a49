"""What a handler is given and gives back, and how a refusal looks in each dialect."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from immich_pipeline_tests.immich_world import START, Asset, User, World

DialectName = Literal["v2", "v3", "v3.2"]


def dialect_of(version: str) -> DialectName:
    """Versions that nobody knows yet speak the newest dialect."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if major < 3:
        return "v2"
    return "v3" if (major, minor) < (3, 2) else "v3.2"


@dataclass
class State:
    """The library, and what a server keeps beside it. `stamps`: creation and last change of albums and tags."""

    world: World
    dialect: DialectName
    stamps: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    orders: dict[str, list[Asset]] = field(default_factory=dict)
    orders_of: tuple[object, ...] = ()
    violations: list[str] = field(default_factory=list)

    @property
    def v2(self) -> bool:
        return self.dialect == "v2"

    def stamp(self, thing_id: str) -> None:
        moment = self.world.tick()
        created, _ = self.stamps.get(thing_id, (moment, moment))
        self.stamps[thing_id] = (created, moment)

    def stamps_of(self, thing_id: str) -> tuple[datetime, datetime]:
        return self.stamps.get(thing_id, (START, START))


@dataclass(frozen=True)
class Call:
    """One request, after its key was checked. `body` is {} when there was none."""

    user: User
    secret: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """`body` is sent as JSON; `content` as it is, with `headers`."""

    status: int = 200
    body: object = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[State, Call], Answer]
HANDLERS: dict[str, Handler] = {}


def answers(call: str) -> Callable[[Handler], Handler]:
    """Register a handler for a call of endpoints.toml, e.g. "GET /assets/{id}"."""

    def register(handler: Handler) -> Handler:
        HANDLERS[call] = handler
        return handler

    return register


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of the stand-in
    """An error answer. `details` are v3's `errors`; `messages` replaces the text in v2, which lists what is wrong with the input."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        messages: list[str] | None = None,
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.messages, self.details = status, message, messages, details

    def body(self, dialect: DialectName) -> dict[str, Any]:
        if dialect == "v2":
            return {
                "message": self.messages or self.message,
                "error": HTTPStatus(self.status).phrase,
                "statusCode": self.status,
                "correlationId": secrets.token_hex(4),
            }
        return {"message": self.message} | ({"errors": self.details} if self.details else {})


def no_access(permission: str) -> Refusal:
    """Immich does not tell what is missing from what is another's."""
    return Refusal(400, f"Not found or no {permission} access")
