"""Why a person has to look at a set: the kinds of conflicts, read from ``conflict_kinds.toml``."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, TypeAdapter

KIND_NAMES = (
    "camera",
    "cannot_merge",
    "doubtful",
    "edits",
    "extra_files",
    "gps",
    "lesser_picture",
    "letterbox",
    "live_video",
    "not_deletable",
    "time",
    "unproven",
)
"""All kinds, sorted."""


class ConflictKind(BaseModel):
    """One kind: how it is told to a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    explanation: str


@cache
def conflict_kinds() -> dict[str, ConflictKind]:
    """All kinds by name, sorted.

    Raises:
        ValueError: The table does not name exactly the known kinds.
    """
    text = files(__package__).joinpath("conflict_kinds.toml").read_text(encoding="utf-8")
    return as_kinds(tomllib.loads(text)["kinds"])


def as_kinds(entries: object) -> dict[str, ConflictKind]:
    """The entries of a table of kinds, checked.

    Raises:
        ValueError: They are not exactly the known kinds, sorted.
    """
    kinds = {kind.name: kind for kind in TypeAdapter(list[ConflictKind]).validate_python(entries)}
    if tuple(kinds) != KIND_NAMES:
        raise ValueError(f"the kinds of conflicts must be {', '.join(KIND_NAMES)}, in this order")
    return kinds
