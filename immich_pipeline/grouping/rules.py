"""The rules of grouping as data: read from ``rules.toml``, extended by a file or a mapping of the user's."""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

EvidenceName = Literal[
    "same_time", "near_time", "zone_shift", "name_only", "burst_id", "time_burst", "exposure_bias", "content_id",
    "live_video_id", "live_component", "live_name", "user",
]  # fmt: skip
SequenceUse = Literal["burst", "bracket", "focus_stack", "panorama"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Data):
    """What one kind of evidence is worth (0 to 1) and how it is told to a person."""

    confidence: float = Field(ge=0, le=1)
    reason: str


def _groups(pattern: str) -> set[str]:
    """The named groups of a pattern.

    Raises:
        ValueError: It is not a regular expression.
    """
    try:
        return set(pl.Series([""]).str.extract_groups(f"(?P<whole>){pattern}").struct.fields)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"not a regular expression: {error}") from error


class NameRule(_Data):
    """How one maker names the files of a capture or a sequence; see the comments in ``rules.toml``."""

    name: str
    use: Literal["capture", "burst", "bracket", "focus_stack", "panorama"]
    pattern: str
    tolerance_ms: int | None = Field(default=None, ge=0)
    opt_in: bool = False

    @field_validator("pattern")
    @classmethod
    def _has_a_key(cls, pattern: str) -> str:
        if "key" not in _groups(pattern):
            raise ValueError("needs a group (?P<key>...): what the files of one capture have in common")
        return pattern

    def groups(self) -> set[str]:
        """The named groups of the pattern."""
        return _groups(self.pattern)


class VersionMark(_Data):
    """What an editor adds to the end of a name; see the comments in ``rules.toml``."""

    name: str
    pattern: str
    use: Literal["edit", "auto", "tag", "scan_front", "scan_back", "video"] = "edit"
    exact: bool = False
    opt_in: bool = False


class FolderRule(_Data):
    """A folder whose pictures are the frames of one sequence; see the comments in ``rules.toml``."""

    name: str
    use: SequenceUse
    pattern: str
    gap_ms: int = Field(ge=0)

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        _groups(pattern)
        return pattern


class GroupingRules(_Data):
    """Everything grouping goes by. ``GroupingRules.load()`` gives the rules that come with the package."""

    tolerance_ms: int = Field(ge=0)
    burst_gap_ms: int = Field(ge=0)
    time_burst_ms: int = Field(ge=0)
    bracket_gap_ms: int = Field(ge=0)
    bracket_min_frames: int = Field(ge=2)
    zone_step_minutes: int = Field(gt=0)
    zone_limit_minutes: int = Field(ge=0)
    live_max_duration_ms: int = Field(ge=0)
    video_duration_tolerance_ms: int = Field(ge=0)
    placeholder_times: tuple[datetime, ...]
    fold_subfolders: bool
    replace_stacks: bool
    switched_on: frozenset[str]
    folded_folders: tuple[str, ...]
    edit_folders: tuple[str, ...]
    system_names: tuple[str, ...]
    system_folders: tuple[str, ...]
    sidecar_extensions: tuple[str, ...]
    media_extensions: tuple[str, ...]
    jpeg_extensions: tuple[str, ...]
    converted_raw_extensions: tuple[str, ...]
    master_extensions: tuple[str, ...]
    live_component_extensions: tuple[str, ...]
    format_preference: tuple[str, ...]
    primary_keywords: tuple[str, ...]
    unknown_camera_factor: float = Field(ge=0, le=1)
    review_below: float = Field(ge=0, le=1)
    edited_words: tuple[str, ...]
    auto_words: tuple[str, ...]
    clipped_stem_lengths: frozenset[int]
    version_marks: tuple[VersionMark, ...]
    weak_marks: tuple[str, ...]
    copy_marks: tuple[str, ...]
    evidence: Mapping[EvidenceName, Evidence]
    name_rules: tuple[NameRule, ...]
    folder_rules: tuple[FolderRule, ...]

    @model_validator(mode="after")
    def _says_what_can_be(self) -> Self:
        optional = {rule.name for rule in self.name_rules if rule.opt_in}
        optional |= {mark.name for mark in self.version_marks if mark.opt_in}
        if unknown := sorted(self.switched_on - optional):
            raise ValueError(f"switched_on names no optional rule: {', '.join(unknown)} (there are {sorted(optional)})")
        for pattern in (*self.weak_marks, *self.copy_marks, *self.system_names, *self.primary_keywords):
            _groups(pattern)
        for mark in self.version_marks:
            _groups(self.mark_pattern(mark.pattern))
        return self

    @classmethod
    def load(cls, extra: Path | Mapping[str, Any] | None = None) -> Self:
        """The package's rules, with the user's laid over them where given.

        Numbers and words replace the package's; lists and rules are added, tried before the package's.

        Args:
            extra: A TOML or YAML file (by its extension), or the same content as a mapping.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not TOML or YAML, or says something that rules cannot say (the message names the place).
        """
        data = _packaged()
        if extra is not None:
            data = _overlay(data, _read(extra) if isinstance(extra, Path) else extra)
        return cls.model_validate(data)

    def active_name_rules(self) -> list[NameRule]:
        """The name rules that are switched on, in the order in which they are tried."""
        return [rule for rule in self.name_rules if not rule.opt_in or rule.name in self.switched_on]

    def active_marks(self) -> list[VersionMark]:
        """The version marks that are switched on, in the order in which they are tried."""
        return [mark for mark in self.version_marks if not mark.opt_in or mark.name in self.switched_on]

    def mark_pattern(self, pattern: str) -> str:
        """A mark's pattern with the words that it refers to, for names in lower case."""
        for field in ("edited_words", "auto_words"):
            words = "|".join(re.escape(word) for word in getattr(self, field))
            pattern = pattern.replace(f"{{{field}}}", f"(?:{words})")
        return pattern


@cache
def default_rules() -> GroupingRules:
    """The rules that come with the package."""
    return GroupingRules.load()


def _packaged() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))


def _read(path: Path) -> Mapping[str, Any]:
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() not in {".yaml", ".yml"}:
        return tomllib.loads(text)
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        # A wrong file, not a wrong call.
        raise ValueError(f"{path} must hold names and values, as rules.toml does")  # noqa: TRY004
    return data


def _overlay(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``extra`` over ``base``: tables merged, lists put before the base's, everything else replaced."""
    merged = dict(base)
    for key, value in extra.items():
        known = base.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            merged[key] = _overlay(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            merged[key] = value + known
        else:
            merged[key] = value
    return merged
