"""The classes of a pair and the limits between them: data, read from ``classes.toml``."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

CLASS_NAMES = ("exact", "same_pixels", "reencoded", "edited", "burst_neighbour", "similar")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PairClass(_Data):
    """One class: how it is told to a person, whether it makes groups and may be resolved unattended, how sure it is (0 to 1)."""

    name: str
    title: str
    explanation: str
    grouped: bool
    unattended: bool
    confidence: float = Field(ge=0, le=1)
    source: str


class Limits(_Data):
    """Distances are Hamming distances in bits, times are in seconds, the aspect tolerance is a share.

    Correlation of fine detail is -1 to 1; colour, spot and tint are differences of RGB values (0 to 255); sides are in pixels, exposure in
    steps (EV), confidence is 0 to 1.
    """

    reencoded_distance: int
    reencoded_distance256: int
    reencoded_correlation: float = Field(ge=-1, le=1)
    reencoded_colour: float = Field(ge=0)
    reencoded_spot: float = Field(ge=0)
    reencoded_tint: float = Field(ge=0)
    unattended_spot: float = Field(ge=0)
    unattended_tint: float = Field(ge=0)
    unattended_side: int = Field(gt=0)
    doubtful_confidence: float = Field(ge=0, le=1)
    unattended_confidence: float = Field(ge=0, le=1)
    same_pixels_distance256: int
    edited_distance256: int
    near_distance256: int
    aspect_tolerance: float
    zone_step_seconds: int = Field(gt=0)
    zone_limit_seconds: int
    whole_second_tolerance: int
    burst_seconds: int
    exposure_tolerance: float = Field(ge=0)


class ClassTable(_Data):
    """All classes, strongest first, with the limits between them."""

    classes: tuple[PairClass, ...]
    limits: Limits

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if tuple(entry.name for entry in self.classes) != CLASS_NAMES:
            raise ValueError(f"the classes must be {', '.join(CLASS_NAMES)}, in this order")
        if any(entry.unattended and not entry.grouped for entry in self.classes):
            raise ValueError("a class that makes no groups cannot be resolved unattended")
        return self

    def order(self) -> dict[str, int]:
        """Rank of each class, 0 for the strongest."""
        return {entry.name: rank for rank, entry in enumerate(self.classes)}

    def confidence(self) -> dict[str, float]:
        """Confidence of each class."""
        return {entry.name: entry.confidence for entry in self.classes}

    def grouped(self) -> list[str]:
        """Names of the classes that make duplicate groups."""
        return [entry.name for entry in self.classes if entry.grouped]

    def unattended(self) -> list[str]:
        """Names of the classes that may be resolved without a person; of all others a person decides."""
        return [entry.name for entry in self.classes if entry.unattended]


@cache
def default_classes() -> ClassTable:
    """The classes and limits that come with the package."""
    text = files(__package__).joinpath("classes.toml").read_text(encoding="utf-8")
    return ClassTable.model_validate(tomllib.loads(text))
