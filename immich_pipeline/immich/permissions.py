"""Which permissions of an API key each feature needs, read from `permissions.toml`."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict

EVERYTHING = "all"
"""The permission that stands for every one."""


class Feature(BaseModel):
    """Something this program does with a server.

    Attributes:
        name: short, fixed.
        use: what it is for, as words after "needed to".
        writes: it changes something on the server.
        admin: the key must be an administrator's.
        endpoints: what is called.
        permissions: what the key needs, sorted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    use: str
    writes: bool
    admin: bool
    endpoints: tuple[str, ...]
    permissions: tuple[str, ...]


def _read() -> tuple[dict[str, str], dict[str, Feature]]:
    table: dict[str, Any] = tomllib.loads(
        (files("immich_pipeline.immich") / "permissions.toml").read_text(encoding="utf-8")
    )
    endpoints: dict[str, str] = table["endpoints"]
    features = {}
    for row in table["feature"]:
        needed = sorted({endpoints[endpoint] for endpoint in row["endpoints"]} - {""})
        features[row["name"]] = Feature(**row, permissions=tuple(needed))
    return endpoints, features


ENDPOINTS, FEATURES = _read()
"""The permission per endpoint ("" where none is needed), and the features by name, in the order of the table."""


def needed(features: Iterable[str]) -> list[str]:
    """The permissions that a key for these features needs, sorted.

    Raises:
        KeyError: there is no such feature.
    """
    return sorted({permission for feature in features for permission in FEATURES[feature].permissions})


def missing(permissions: frozenset[str], feature: str) -> list[str]:
    """The permissions that a key lacks for a feature, sorted; empty when it has them all.

    Args:
        permissions: the key's, as `ImmichClient.key` tells them.
        feature: one of `FEATURES`.

    Raises:
        KeyError: there is no such feature.
    """
    if EVERYTHING in permissions:
        return []
    return [permission for permission in FEATURES[feature].permissions if permission not in permissions]
