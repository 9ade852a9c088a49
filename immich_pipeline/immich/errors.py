"""What can go wrong with an Immich server. No message holds an API key or a password."""

from immich_pipeline.errors import UserError


class ImmichError(UserError):
    """Something about the server, or about what it says."""


class Unreachable(ImmichError):  # noqa: N818 - says what is the matter
    """Nothing that is an Immich server answers: refused, lost, too slow, a certificate that is not trusted, the wrong address."""


class ReadOnlyServer(ImmichError):  # noqa: N818 - as above
    """A change was asked for on a server whose version is only read."""


class ApiError(ImmichError):
    """The server answered with an error.

    Attributes:
        endpoint: method and path as the API's documentation writes them, e.g. `GET /assets/{id}`.
        status: the HTTP status; None when the answer was a success but not what the API promises.
        server_message: the server's own words, cleaned and cut.
        missing_permission: what the API key lacks, e.g. `asset.update`, when that is the reason.
    """

    def __init__(
        self,
        endpoint: str,
        status: int | None,
        server_message: str,
        missing_permission: str | None = None,
        attempts: int = 1,
    ) -> None:
        self.endpoint, self.status, self.server_message = endpoint, status, server_message
        self.missing_permission, self.attempts = missing_permission, attempts
        super().__init__(self._message())

    def __reduce__(self) -> tuple[object, ...]:
        details = (self.endpoint, self.status, self.server_message, self.missing_permission, self.attempts)
        return type(self), details

    def _message(self) -> str:
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        if self.status is None:
            return f"Immich's answer to {self.endpoint} is not what its API promises: {self.server_message}"
        said = f"{self.endpoint}: {self.status} {self.server_message}".rstrip() + tries
        if self.missing_permission:
            return f"the API key lacks the permission {self.missing_permission}; give it to the key in Immich's account settings ({said})"
        if self.status == 401:  # noqa: PLR2004 - HTTP
            return f"the API key is not accepted ({said})"
        return f"Immich refused {said}"


class NotFound(ApiError):  # noqa: N818 - as above
    """What was asked for does not exist, or is not this user's: the server does not tell which."""

    def _message(self) -> str:
        return f"not on the server, or not this user's ({self.endpoint}: {self.status} {self.server_message})"
