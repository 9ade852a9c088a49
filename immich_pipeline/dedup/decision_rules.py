"""What the choice of the kept one goes by, as data: read from ``decide.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Self, get_args

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from immich_pipeline.media.metadata import TimeSource
from immich_pipeline.policies import Step

COVERS = "covers"
"""The step that no setting names: straight after "protected", a unit that has every file of the set stands before one that has not."""

FILE_DATE = "file"
"""The source of a time that is only the file's."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(_Data):
    """Where a time comes from; ``is_true`` where it is the moment the picture was taken whatever else is known."""

    name: str
    title: str
    is_true: bool = Field(alias="true")


class _Editors(_Data):
    patterns: tuple[str, ...]


class _Edited(_Data):
    roles: tuple[str, ...]


class _Folders(_Data):
    own: tuple[str, ...]


class DecisionRules(_Data):
    """See the comments in ``decide.toml``."""

    steps: dict[str, str]
    editors: _Editors
    edited: _Edited
    folders: _Folders
    time_sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _says_what_can_be(self) -> Self:
        if set(self.steps) != {*get_args(Step), COVERS}:
            raise ValueError(f"the steps must be {', '.join([*get_args(Step), COVERS])}")
        named = [source.name for source in self.time_sources]
        if sorted(named) != sorted([*get_args(TimeSource), FILE_DATE]) or named[-1] != FILE_DATE:
            raise ValueError(f"the sources of times must be {', '.join([*get_args(TimeSource), FILE_DATE])}, that last")
        for pattern in (*self.editors.patterns, *self.folders.own):
            try:
                pl.Series([""]).str.contains(pattern)
            except pl.exceptions.PolarsError as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return self

    def true_sources(self) -> list[str]:
        """The sources whose times are the moment a picture was taken."""
        return [source.name for source in self.time_sources if source.is_true]


@cache
def decision_rules() -> DecisionRules:
    """The rules that come with the package."""
    return DecisionRules.model_validate(tomllib.loads(rules_text()))


@cache
def rules_text() -> str:
    """The file itself: what it says is part of the policy."""
    return files(__package__).joinpath("decide.toml").read_text(encoding="utf-8")
