"""The rules of grouping as data: read from ``rules.toml``, extended by a file of the user's."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

EvidenceName = Literal["same_time", "near_time", "zone_shift", "name_only", "burst_id", "content_id"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Data):
    """What one kind of evidence is worth (0 to 1) and how it is told to a person."""

    confidence: float = Field(ge=0, le=1)
    reason: str


class NameRule(_Data):
    """How one maker names the files of a capture or a burst; see the comments in ``rules.toml``."""

    name: str
    use: Literal["capture", "burst"]
    pattern: str
    tolerance_ms: int | None = Field(default=None, ge=0)

    @field_validator("pattern")
    @classmethod
    def _has_a_key(cls, pattern: str) -> str:
        try:
            fields = pl.Series([""]).str.extract_groups(pattern).struct.fields
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "key" not in fields:
            raise ValueError("needs a group (?P<key>...): what the files of one capture have in common")
        return pattern


class GroupingRules(_Data):
    """Everything grouping goes by. ``GroupingRules.load()`` gives the rules that come with the package."""

    tolerance_ms: int = Field(ge=0)
    burst_gap_ms: int = Field(ge=0)
    zone_step_minutes: int = Field(gt=0)
    zone_limit_minutes: int = Field(ge=0)
    folded_folders: tuple[str, ...]
    media_extensions: tuple[str, ...]
    converted_raw_extensions: tuple[str, ...]
    unknown_camera_factor: float = Field(ge=0, le=1)
    evidence: Mapping[EvidenceName, Evidence]
    name_rules: tuple[NameRule, ...]

    @classmethod
    def load(cls, extra: Path | None = None) -> Self:
        """The package's rules, with the user's TOML file laid over them where given.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not TOML, or says something that rules cannot say (the message names the place).
        """
        data = _packaged()
        if extra is not None:
            data = _overlay(data, tomllib.loads(extra.read_text(encoding="utf-8")))
        return cls.model_validate(data)


@cache
def default_rules() -> GroupingRules:
    """The rules that come with the package."""
    return GroupingRules.load()


def _packaged() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))


def _overlay(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``extra`` over ``base``: tables merged, lists put before the base's, everything else replaced."""
    merged = dict(base)
    for key, value in extra.items():
        known = base.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[key] = _overlay(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            merged[key] = value + known
        else:
            merged[key] = value
    return merged
