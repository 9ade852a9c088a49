"""The connection of one user to one server: who is there, which version, and whose key it is."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from pydantic import SecretStr

from immich_pipeline.immich.answers import KeyInfo, ServerConfig, ServerFeatures, User, VersionAnswer, read_answer
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.errors import ApiError, ImmichError, Unreachable
from immich_pipeline.immich.settings import ImmichSettings, ImmichUser, Tls
from immich_pipeline.immich.transport import Transport
from immich_pipeline.immich.versions import ServerVersion, Support, support_of

_Kind = TypeVar("_Kind")


class Connection:
    """What every use of the API begins with; see `ImmichClient`."""

    def __init__(
        self,
        url: str,
        api_key: SecretStr,
        *,
        tls: Tls = Tls(),  # noqa: B008 - frozen
        requests_per_second: float = 50,
        concurrency: int = 4,
        timeout_seconds: float = 60,
        retries: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: address of the web UI, with or without /api.
            api_key: the user's key.
            tls: how the certificate is checked.
            requests_per_second: no more than this.
            concurrency: requests under way at once; others wait. Do not call the client inside the block of `original` in the same
                thread when this is 1.
            timeout_seconds: longest pause in an answer.
            retries: how often a request that failed is repeated.
            sleep: waits that many seconds.

        Raises:
            ImmichError: the address, the key or the certificate authority's file cannot be used.
        """
        self._transport = Transport(
            url,
            api_key,
            tls=tls,
            requests_per_second=requests_per_second,
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            retries=retries,
            sleep=sleep,
        )
        self._lock = threading.Lock()
        self._version: ServerVersion | None = None
        self._me: User | None = None

    @classmethod
    def open(cls, settings: ImmichSettings, user: ImmichUser) -> Self:
        """A client for a user of the settings.

        Raises:
            ImmichError: as the constructor, and when the settings name no address.
        """
        if settings.url is None:
            raise ImmichError("immich.url: the API needs the server's address")
        return cls(
            settings.url,
            user.api_key,
            tls=settings.tls,
            requests_per_second=settings.requests_per_second,
            concurrency=settings.concurrency,
            timeout_seconds=settings.timeout_seconds,
            retries=settings.retries,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ImmichClient({self._transport.base!r})"

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def ping(self) -> None:
        """Make sure that Immich answers; needs no permission.

        Raises:
            Unreachable: something else answers, or nothing.
        """
        try:
            answer = self._transport.json(Call("GET /server/ping"))
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004 - HTTP
                raise
            answer = None
        if not isinstance(answer, dict) or answer.get("res") != "pong":
            raise Unreachable(f"{self._transport.base} answers, but not as Immich does: check the address")

    def version(self) -> ServerVersion:
        """The server's version; asked once."""
        with self._lock:
            if self._version is None:
                told = self._answer(VersionAnswer, Call("GET /server/version"))
                prerelease = None if told.prerelease is None else str(told.prerelease)
                self._version = ServerVersion(told.major, told.minor, told.patch, prerelease)
            return self._version

    def support(self) -> Support:
        """What this program does with the server's version."""
        return support_of(self.version())

    def trash_days(self) -> int:
        """How many days the server keeps what is put into its trash; 0: it keeps nothing, or its trash is switched off.

        Asked every time. Needs no permission.
        """
        if not self._answer(ServerFeatures, Call("GET /server/features")).trash:
            return 0
        return max(0, self._answer(ServerConfig, Call("GET /server/config")).trash_days)

    def server_time(self) -> datetime | None:
        """The server's clock when it last answered, to the second, UTC; None before that, or if it does not tell."""
        return self._transport.server_time

    def me(self) -> User:
        """Whose key it is; asked once. Permission user.read."""
        with self._lock:
            if self._me is None:
                self._me = self._answer(User, Call("GET /users/me"))
            return self._me

    def key(self) -> KeyInfo:
        """The key's name and permissions, as they are now; {"all"} means every permission. Needs no permission."""
        return self._answer(KeyInfo, Call("GET /api-keys/me"))

    def _answer(self, kind: type[_Kind], call: Call) -> _Kind:
        return read_answer(kind, self._transport.json(call), call.endpoint)


def checked_id(text: str) -> str:
    """An id that can stand in a path.

    Raises:
        ImmichError: it is no uuid.
    """
    try:
        return str(UUID(text))
    except ValueError:
        raise ImmichError(f"{text[:60]!r} is not the id of anything in Immich") from None
