"""What a user wants done with captures, and how far the program may go by itself: settings, each with its default."""

import hashlib
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
