"""What a user shares with whom: the `sharing` part of `immich-pipeline.yaml`, each setting with its default."""

import re
from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from immich_pipeline.policies import BrakeSettings, Mode

Ready = Literal["metadata", "faces", "clip"]
ALL_READY: tuple[Ready, ...] = ("metadata", "faces", "clip")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_CRON_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_CRON_PART = re.compile(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


def _off(value: object) -> object:
    """YAML takes the word `off` for false."""
    return "off" if value is False else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ShareScope(_Part):
    """Which of the source user's assets are shared: all that fit every part that is given; of a part with several values any one does."""

    paths: tuple[str, ...] = Field(default=(), description="folders, as Immich sees them, with all below them")
    albums: tuple[str, ...] = Field(default=(), description="names or ids of the source user's albums")
    tags: tuple[str, ...] = Field(default=(), description="whole tags, such as Trips/France, with all below them")
    people: tuple[str, ...] = Field(default=(), description="names or ids of people, as the source user calls them")
    favourites: bool = Field(default=False, description="only the source user's favourites")
    since: date | None = Field(default=None, description="first day, by the wall clock of the picture")
    until: date | None = Field(default=None, description="last day, by the wall clock of the picture")

    @field_validator("paths")
    @classmethod
    def _folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_folder(path) for path in value)

    @model_validator(mode="after")
    def _in_order(self) -> "ShareScope":
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since ({self.since}) is after until ({self.until}): nothing would be shared")
        return self


class ShareJob(_Part):
    """One user's assets, or a part of them, in another user's library."""

    name: str = Field(description="names the job: on the command line, in tables, as a partition")
    source_user: str = Field(min_length=1, description="whose assets they are: e-mail address, name or id")
    target_user: str = Field(min_length=1, description="who gets the copies: e-mail address, name or id")
    target_library: str = Field(
        min_length=1, description="the target's external library that copies belong to: name or id"
    )
    source_prefix: str = Field(description="folder of the originals as Immich sees it; nothing outside is shared")
    target_prefix: str = Field(description="the same folder as the target's library sees it: a link to source_prefix")
    share: ShareScope = Field(
        default_factory=ShareScope, description="which of them; not given: all below source_prefix"
    )
    album: str | None = Field(default=None, description="album of the target's that copies are put into: name or id")
    names: Annotated[Literal["off", "fill", "mirror"], BeforeValidator(_off)] = Field(
        default="fill",
        description="names of people. off: the target names them; fill: who has none gets the source's; mirror: later renames too",
    )
    on_source_delete: Literal["delete", "trash", "keep"] = Field(
        default="trash",
        description="what becomes of a copy whose source was trashed, deleted, or is shared no longer",
    )
    on_target_delete: Literal["refuse", "again"] = Field(
        default="refuse", description="what the target deleted for good: never made again, or made again"
    )
    guard_originals: bool = Field(
        default=True,
        description="make copies in the target's trash safe, so that emptying it deletes no original; false only where Immich may not "
        "write to the folder",
    )
    follow_edits: bool = Field(default=True, description="carry later changes of the source over")
    tags: Annotated[Literal["off", "copy"], BeforeValidator(_off)] = Field(
        default="off", description="whether copies get the source's tags"
    )
    other_filesystem: Literal["reflink", "copy", "refuse"] = Field(
        default="reflink", description="what to do when thumbnails cannot be hard-linked"
    )
    wait_for: tuple[Ready, ...] = Field(
        default=ALL_READY, description="what Immich must have done with an asset before it is copied"
    )
    schedule: str | None = Field(
        default=None, description="when, as cron writes it; the schedule is switched on in the web UI"
    )

    @field_validator("name")
    @classmethod
    def _word(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("should be letters, digits, - and _, at most 63, the first a letter or a digit")
        return value

    @field_validator("source_prefix", "target_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        return _folder(value)

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        return None if value is None else _cron(value)

    @model_validator(mode="after")
    def _apart(self) -> "ShareJob":
        if self.source_user.strip().casefold() == self.target_user.strip().casefold():
            raise ValueError(f"source_user and target_user are both {self.source_user!r}: name two users")
        if is_within(self.target_prefix, self.source_prefix) or is_within(self.source_prefix, self.target_prefix):
            raise ValueError("source_prefix and target_prefix lie in one another: the link would lead into itself")
        outside = [path for path in self.share.paths if not is_within(path, self.source_prefix)]
        if outside:
            raise ValueError(f"share.paths: {', '.join(outside)} is not below source_prefix: nothing outside is shared")
        return self

    @property
    def identifier(self) -> str:
        """The name in letters, digits and underscores, by which jobs are told apart."""
        return self.name.replace("-", "_").lower()


class SharingSettings(_Part):
    """One user's assets in another user's library."""

    mode: Mode = Field(
        default="plan",
        description="plan: only shown; approve: what a person approved is done; auto: everything that nobody rejected",
    )
    database_url: SecretStr | None = Field(
        default=None, description="Immich's PostgreSQL, by the role that may write what sharing writes"
    )
    require_backup: bool = Field(
        default=True, description="refuse to write without a recent backup of Immich's database"
    )
    backup_max_age_hours: float = Field(default=48, ge=0, description="how old it may be; 0: any age, and none at all")
    brakes: BrakeSettings = Field(
        default_factory=BrakeSettings, description="how many of a job's copies one plan may remove; ten always may be"
    )
    jobs: tuple[ShareJob, ...] = Field(default=(), description="who shares what with whom")

    @property
    def backup_age(self) -> timedelta | None:
        """How old the newest backup may be; None: none is asked for."""
        wanted = self.require_backup and self.backup_max_age_hours > 0
        return timedelta(hours=self.backup_max_age_hours) if wanted else None

    @field_validator("jobs")
    @classmethod
    def _named_once(cls, value: tuple[ShareJob, ...]) -> tuple[ShareJob, ...]:
        times = Counter(job.identifier for job in value)
        doubled = [job.name for job in value if times[job.identifier] > 1]
        if doubled:
            raise ValueError(f"names of jobs are unique, - and _ and capitals apart: {', '.join(doubled)}")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> "SharingSettings":
        if self.jobs and self.database_url is None:
            raise ValueError(
                "jobs need database_url_file (or database_url_env): Immich's database by the role of 'immich-pipeline share role'"
            )
        return self


def is_within(path: str, folder: str) -> bool:
    """Whether a path is the folder, or lies below it; both without a slash at the end."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _folder(value: str) -> str:
    parts = value.split("/")
    if not value.startswith("/") or "\0" in value or any(part in {".", ".."} for part in parts):
        raise ValueError("must be an absolute path without . and .., as Immich sees it, e.g. /external/anna")
    folder = "/" + "/".join(part for part in parts if part)
    if folder == "/":
        raise ValueError("must be a folder, not / itself")
    return folder


def _cron(value: str) -> str:
    fields = value.split()
    if len(fields) != len(_CRON_FIELDS):
        raise ValueError("should be five fields as cron has them, e.g. '30 3 * * *' for half past three every night")
    for field, (name, low, high) in zip(fields, _CRON_FIELDS, strict=True):
        if not all(_is_cron_part(part, low, high) for part in field.split(",")):
            raise ValueError(f"its {name} should be numbers from {low} to {high}, or *, not {field!r}")
    return " ".join(fields)


def _is_cron_part(part: str, low: int, high: int) -> bool:
    found = _CRON_PART.fullmatch(part)
    if found is None:
        return False
    first, last = (int(found[number]) if found[number] else None for number in (2, 3))
    inside = all(low <= number <= high for number in (first, last) if number is not None)
    return inside and (first is None or last is None or first <= last) and found[4] != "0"
