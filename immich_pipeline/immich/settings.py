"""How to reach an Immich server: the `immich` part of `immich-pipeline.yaml`, and IMMICH_* variables."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ImmichUser(_Part):
    """One user whose assets are read with their own API key."""

    api_key: SecretStr = Field(description="the key itself, read from the variable or file that the settings name")
    label: str | None = Field(
        default=None, max_length=100, description="what to call the user; default: the e-mail address"
    )


class PathMapping(_Part):
    """Where a folder that the server sees is mounted here."""

    immich: str = Field(min_length=1, description="the folder as Immich sees it, absolute")
    here: Path = Field(description="the same folder as it is mounted here")

    @field_validator("immich")
    @classmethod
    def _absolute_there(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("must be an absolute path, as Immich sees it, e.g. /data")
        return value.rstrip("/") or "/"

    @field_validator("here")
    @classmethod
    def _absolute_here(cls, value: Path) -> Path:
        return value.expanduser().absolute()


class Include(_Part):
    """What of the server is looked after; an empty list means everything."""

    users: tuple[str, ...] = Field(default=(), description="e-mail addresses or ids")
    libraries: tuple[str, ...] = Field(default=(), description="ids of external libraries, or 'uploads'")
    albums: tuple[str, ...] = Field(default=(), description="names or ids of albums")

    @field_validator("libraries")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for library in value:
            if library != "uploads" and not _UUID.fullmatch(library.lower()):
                raise ValueError(
                    f"{library!r} is no id of a library, nor 'uploads': the id is in the library's address in Immich"
                )
        return tuple(library.lower() for library in value)


class Tls(_Part):
    """How the server's certificate is checked."""

    verify: bool = Field(default=True, description="false: believe any certificate (a warning is printed)")
    ca_file: Path | None = Field(default=None, description="certificate authority to trust, PEM")


class ImmichSettings(_Part):
    """An Immich server and how it is used."""

    url: str | None = Field(default=None, description="address of the web UI, with or without /api")
    users: tuple[ImmichUser, ...] = Field(default=(), description="one API key per user")
    database_url: SecretStr | None = Field(
        default=None, description="Immich's PostgreSQL, by a role that may only read"
    )
    read: Literal["auto", "api", "database"] = Field(
        default="auto", description="auto: the database when it is named and its tables are known, else the API"
    )
    paths: tuple[PathMapping, ...] = Field(default=(), description="where Immich's folders are mounted here")
    media_location: str = Field(default="/data", description="Immich's own media folder, as Immich sees it")
    include: Include = Field(default_factory=Include)
    originals: Literal["mount", "download", "never"] = Field(
        default="mount",
        description="where whole files may be read: mount (never over the API), download (also over the API), never",
    )
    tls: Tls = Field(default_factory=Tls)
    requests_per_second: float = Field(default=50.0, gt=0, le=10_000)
    concurrency: int = Field(default=4, ge=1, le=64, description="requests under way at once")
    timeout_seconds: float = Field(default=60.0, gt=0)
    retries: int = Field(
        default=5, ge=0, le=20, description="how often a request is sent again when the server is busy or away"
    )
    cache_mb: int = Field(default=5_000, ge=10, description="how much disk the cache of pictures may take")
    full_every_hours: float = Field(
        default=24.0, gt=0, description="how often everything is compared, not only what changed"
    )

    @field_validator("url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as http://nas:2283")
        if parts.username or parts.password:
            raise ValueError("must not hold a user name or password")
        path = parts.path.rstrip("/").removesuffix("/api")
        return f"{parts.scheme}://{parts.netloc}{path}"

    @model_validator(mode="after")
    def _enough(self) -> "ImmichSettings":
        if self.url is None and self.database_url is None:
            raise ValueError("names neither url nor database_url: one of them is needed")
        if self.url is not None and not self.users and self.database_url is None:
            raise ValueError("names no user: give one api_key_env or api_key_file per user, or a database_url")
        if self.read == "api" and not (self.url and self.users):
            raise ValueError("'read: api' needs url and users")
        if self.read == "database" and self.database_url is None:
            raise ValueError("'read: database' needs database_url_env or database_url_file")
        return self
