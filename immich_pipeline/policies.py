"""What a user wants done with captures, and how far the program may go by itself: settings, each with its default."""

import hashlib
import re
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

CaptureKind = Literal[
    "raw_jpeg",
    "bracket",
    "focus_stack",
    "panorama",
    "burst",
    "versions",
    "format_pair",
    "scan",
    "video_variant",
    "live",
]
Mode = Literal["plan", "approve", "auto"]

STACKED_KINDS: tuple[CaptureKind, ...] = get_args(CaptureKind)
"""Kinds that are stacked unless the settings say otherwise. Of a live photo only the stills are, if there are several."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class CapturePolicy(_Part):
    """What is done with the captures that it is about; what is left out holds for any."""

    action: Literal["keep_both", "cover_raw", "cover_jpeg", "no_stack"] = Field(
        description="a stack as the rules see it, one with the RAW file or the JPEG in front, or none"
    )
    kind: CaptureKind | None = Field(default=None, description="kind of capture")
    folder: str | None = Field(default=None, description="folder that the primary file lies in or below")
    owner: str | None = Field(default=None, description="owner, as the library names them")


class CapturePolicies(_Part):
    """What is done with captures, whatever it is done in."""

    rules: Path | None = Field(
        default=None,
        description="TOML or YAML file with further rules of grouping: makers' names, version marks, numbers",
    )
    policies: tuple[CapturePolicy, ...] = Field(
        default=(), description="tried in this order, the first that fits decides; none fits: keep_both"
    )

    @property
    def rules_digest(self) -> str:
        """Differs when the file of rules is another one, or says something else; a file that cannot be read differs from any that can."""
        if self.rules is None:
            return ""
        try:
            return hashlib.sha256(self.rules.read_bytes()).hexdigest()
        except OSError as error:
            return f"{self.rules}: {error.strerror}"

    @field_validator("rules")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()


class BrakeSettings(_Part):
    """How much one plan may change before a person has to confirm it."""

    max_share: float = Field(default=0.05, ge=0, le=1, description="share of the library's assets")
    max_number: int = Field(default=1000, ge=0, description="number of assets")


class StackSettings(_Part):
    """How captures become stacks on the server."""

    mode: Mode = Field(
        default="plan",
        description="plan: only shown; approve: what a person approved is done; auto: everything that nobody rejected",
    )
    manual_stacks: Literal["keep", "replace"] = Field(
        default="keep",
        description="stacks that this program did not make: left alone, or replaced where captures differ",
    )
    kinds: tuple[CaptureKind, ...] = Field(default=STACKED_KINDS, description="kinds of captures that are stacked")
    brakes: BrakeSettings = Field(default_factory=BrakeSettings)


DuplicateClass = Literal["exact", "same_pixels", "reencoded", "edited"]
Alternative = Literal["trash", "stack", "archive", "tag", "album", "nothing"]
Step = Literal[
    "protected",
    "original",
    "pixels",
    "format",
    "completeness",
    "earliest",
    "bytes",
    "folder",
    "library",
    "name",
    "content",
]

DEFAULT_ORDER: tuple[Step, ...] = (
    "protected",
    "library",
    "original",
    "pixels",
    "format",
    "completeness",
    "earliest",
    "bytes",
    "folder",
    "name",
    "content",
)
"""The steps by which the kept one is chosen. `library` decides nothing unless a side is preferred."""

METADATA_FIRST: tuple[Step, ...] = (
    "protected",
    "library",
    "completeness",
    *(step for step in DEFAULT_ORDER if step not in {"protected", "library", "completeness"}),
)


class CompletenessWeights(_Part):
    """What each thing that is known of a picture is worth; 0 leaves it out."""

    gps: int = Field(default=30, ge=0, description="latitude and longitude")
    time_zone: int = Field(default=20, ge=0, description="time zone, or the offset from UTC")
    camera: int = Field(default=15, ge=0, description="make or model")
    capture_time: int = Field(default=15, ge=0, description="when it was taken")
    lens: int = Field(default=10, ge=0, description="lens")
    place: int = Field(default=10, ge=0, description="city, state or country")
    albums: int = Field(default=5, ge=0, description="in an album, or more")
    tags: int = Field(default=5, ge=0, description="a tag, or more")
    description: int = Field(default=5, ge=0, description="a description")
    faces: int = Field(default=5, ge=0, description="a named person, or more")
    live_video: int = Field(default=5, ge=0, description="the video of a live photo")


class ProtectSettings(_Part):
    """What is never given up for another copy; a protected file may be the one that is kept."""

    favourites: bool = Field(default=True, description="marked as favourite")
    rating: int | None = Field(default=4, ge=1, le=5, description="rated so or better; null: ratings protect nothing")
    albums: bool = Field(default=True, description="in an album")
    tags: tuple[str, ...] = Field(default=("keep",), description="tags, with all below them")
    folders: tuple[str, ...] = Field(default=(), description="reference folders: never deleted from")
    libraries: tuple[str, ...] = Field(default=(), description="reference libraries, by id: never deleted from")
    owners: tuple[str, ...] = Field(default=(), description="owners of whom nothing is ever deleted")


class BackupSettings(_Part):
    """Where a verified copy of every file goes before it is put into the trash."""

    folder: Path | None = Field(default=None, description="folder of the copies; none: `backups` in the data folder")
    required: bool = Field(default=True, description="without a verified copy nothing is put into the trash")
    keep_free_mb: int = Field(default=2048, ge=0, description="space that is left free on that disk")

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()


class BudgetSettings(_Part):
    """How much one run resolves; the rest is left to the next."""

    groups: int = Field(default=500, ge=1, description="groups")
    megabytes: int | None = Field(default=None, ge=1, description="bytes put into the trash, MB; null: any")


class DuplicateSettings(_Part):
    """How it is decided which copy is kept, and what becomes of the others."""

    mode: Mode = Field(
        default="plan",
        description="plan: only shown; approve: what a person approved is done; auto: everything certain that nobody rejected",
    )
    policy: Literal["default", "metadata_first"] = Field(
        default="default", description="metadata_first: what is known of a picture counts before its size"
    )
    order: tuple[Step, ...] | None = Field(default=None, description="the steps in an order of your own")
    unattended: tuple[Literal["exact", "same_pixels", "reencoded"], ...] = Field(
        default=("exact", "same_pixels", "reencoded"), description="classes that are resolved without a person"
    )
    instead: dict[DuplicateClass, Alternative] = Field(
        default_factory=dict, description="what becomes of the others, by class; not named: trash"
    )
    weights: CompletenessWeights = Field(default_factory=CompletenessWeights)
    protect: ProtectSettings = Field(default_factory=ProtectSettings)
    pixel_tolerance: float = Field(default=0.02, ge=0, le=0.5, description="pixel counts this close are equal, a share")
    formats: tuple[str, ...] = Field(
        default=("raw", "dng", "heic", "heif", "avif", "jxl", "tiff", "png", "jpeg", "webp", "bmp", "gif"),
        description="formats, the best first",
    )
    folders: tuple[str, ...] = Field(default=(), description="folders whose files are preferred, the best first")
    names: tuple[str, ...] = Field(default=(), description="patterns of names that lose, such as `*(1)*`")
    prefer_library: Literal["upload", "external"] | None = Field(
        default=None,
        description="of an upload and a file of an external library, which is kept; null: the steps decide",
    )
    gps_tolerance_metres: float = Field(default=15.0, ge=0, description="positions this close are one place, metres")
    visibility: Literal["most_visible", "keeper"] = Field(
        default="most_visible", description="whether the kept one leaves the archive when a copy was on the timeline"
    )
    delete_from: tuple[str, ...] = Field(
        default=(), description="ids of external libraries whose files may be put into the trash"
    )
    review_album: str = Field(default="Duplicates to review", min_length=1, description="album for `instead: album`")
    review_tag: str = Field(default="duplicate", min_length=1, description="tag for `instead: tag`")
    quarantine: str = Field(
        default=".immich-pipeline-quarantine",
        description="folder inside a folder of photos that duplicates are moved to; the name begins with a dot",
    )
    backup: BackupSettings = Field(default_factory=BackupSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    brakes: BrakeSettings = Field(default_factory=BrakeSettings)

    def __hash__(self) -> int:
        """As equal settings have it; `instead`, a mapping, has none of its own."""
        return hash(self.model_dump_json())

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order that holds; the last is always the content, so that the order is total."""
        order = self.order or (METADATA_FIRST if self.policy == "metadata_first" else DEFAULT_ORDER)
        return (*(step for step in order if step != "content"), "content")

    def becomes(self, duplicate_class: DuplicateClass) -> Alternative:
        """What becomes of the copies of a group of this class that are not kept."""
        return self.instead.get(duplicate_class, "trash")

    @field_validator("quarantine")
    @classmethod
    def _hidden_folder(cls, value: str) -> str:
        if not re.fullmatch(r"\.[^/\\\x00-\x1f]+", value) or value == "..":
            raise ValueError("should be the name of one folder, with a dot before it and no slash in it")
        return value

    @field_validator("order")
    @classmethod
    def _each_step_once(cls, value: tuple[Step, ...] | None) -> tuple[Step, ...] | None:
        if value is not None and (len(set(value)) < len(value) or value[:1] != ("protected",)):
            raise ValueError("each step is named once, and `protected` comes first")
        return value
