"""One request, and what the server says when it refuses one."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

_LONGEST_RETRY_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class Form:
    """A multipart form: texts, and files that are read while they are sent.

    Attributes:
        fields: texts by name.
        files: by name what the file is called there and where its bytes are.
    """

    fields: Mapping[str, str]
    files: Mapping[str, tuple[str, Path]]


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        endpoint: method and path as the API documents them, `GET /assets/{id}`.
        ids: what stands for the names in braces; they must be safe in a path.
        params: the query.
        body: sent as JSON.
        form: sent as a multipart form, instead of a body.
        headers: further headers.
        repeatable: doing it twice is the same as once, so it is sent again when the connection is lost half-way.
        missing_is_404: a 404 says that the thing is not there, rather than that the address is wrong.
        redirects: follow them; else they count as not there.
    """

    endpoint: str
    ids: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    body: object = None
    form: Form | None = None
    headers: Mapping[str, str] | None = None
    repeatable: bool = True
    missing_is_404: bool = False
    redirects: bool = True

    @property
    def method(self) -> str:
        """GET, POST, ..."""
        return self.endpoint.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path with its names filled in."""
        return self.endpoint.partition(" ")[2].format(**(self.ids or {}))


def message_of(body: bytes) -> str | None:
    """Immich's words in the body of an error; v2 has a list of them when several things are wrong. None: not Immich's JSON."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    message = answer.get("message") if isinstance(answer, dict) else None
    if isinstance(message, list):
        return "; ".join(str(part) for part in message)
    if not isinstance(message, str):
        return None
    errors = answer.get("errors")
    if not isinstance(errors, list):
        return message
    details = [f"{_path(error)}{error.get('message')}" for error in errors if isinstance(error, dict)]
    return f"{message} ({'; '.join(details)})" if details else message


def _path(error: Mapping[str, Any]) -> str:
    path = error.get("path")
    return ".".join(str(part) for part in path) + ": " if isinstance(path, list) and path else ""


def retry_after(value: str) -> float | None:
    """How long a server asks to wait, seconds, within reason; it may say seconds or a time."""
    try:
        seconds = (
            float(value)
            if value.strip().isdecimal()
            else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None
