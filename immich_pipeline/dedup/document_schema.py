"""The shape of ``duplicates.json``: what is written, what a person may change in it, and what is refused when it comes back."""

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "immich-pipeline/duplicates"
SCHEMA_VERSION = 2

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2}){1,64}$")]
Said = Literal["accept", "reject", "dismiss"]
"""What a person says of a set: do it so; they are copies, keep all; they are not copies of each other."""


class _Part(BaseModel):
    # What is not known is refused: a slip of the pen in a field's name must not be taken for "nothing said".
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PlanPart(_Part):
    """What the decisions were made by, and of what."""

    policy: str = Field(description="hash of the policy; empty where nothing was decided")
    fingerprint: str = Field(description="hash of everything that the decisions were made of")


class Totals(_Part):
    """Counts over all sets."""

    sets: int = Field(ge=0)
    files: int = Field(ge=0)
    bytes: int = Field(ge=0, description="of all files in sets")
    reclaimable_bytes: int = Field(ge=0, description="what is freed when every proposal is carried out")
    needs_review: int = Field(ge=0, description="sets with the verdict review")
    immich_would_lose: int = Field(ge=0, description="sets of which Immich's own choice would lose data")


class ClassPart(_Part):
    """One class of duplicates, in words."""

    name: str
    title: str
    explanation: str
    confidence: float = Field(ge=0, le=1)


class FilePart(_Part):
    """One file of a set; what is not known is null. Positions are told as yes or no, and how far from the keeper's."""

    asset_id: str
    unit: str = Field(description="files with the same unit are one capture; exactly one unit of a set is kept")
    role: Literal["keeper", "kept", "loser", "follows"]
    of_set: bool = Field(
        description="whether it is decided about; if not, it is a video that only goes along with its still"
    )
    capture_role: str | None = Field(description="what it is in its capture: raw, jpeg, live_video …")
    name: str | None
    folder: str | None = Field(description="as its source names it; empty for the top folder")
    content: Hex | None = Field(description="hash of its bytes: SHA-256, or SHA-1 where only the server read it")
    size: int | None = Field(description="bytes")
    format: str | None
    kind: str | None = Field(description="image or video")
    width: int | None = Field(description="pixels")
    height: int | None = Field(description="pixels")
    taken_at: str | None = Field(description="the instant, UTC")
    taken_at_local: str | None = Field(description="the wall clock, without zone")
    subsec: str | None = Field(description="digits after the second, as the camera wrote them")
    time_zone: str | None
    utc_offset_minutes: int | None
    make: str | None
    model: str | None
    lens: str | None
    has_position: bool
    metres_from_keeper: int | None = Field(description="between its position and the keeper's")
    has_place: bool
    favourite: bool | None
    rating: int | None
    visibility: str | None
    description: str | None
    albums: int | None = Field(description="how many it is in")
    tags: list[str] | None
    people: int | None = Field(description="named persons on it")
    live_video: bool
    stacked: bool
    edited: bool | None
    stored: Literal["folder", "upload", "external"] | None
    score: int | None = Field(description="completeness of its metadata, in the weights of the policy")
    obstacle: str | None = Field(description="why it cannot be given up")
    immich_agrees: bool | None = Field(description="whether Immich groups it with these too")
    clip_distance: float | None = Field(
        description="of Immich's search vectors, to its group's representative; 0 is equal"
    )


class StepPart(_Part):
    """One step of the decision."""

    step: str
    compared: dict[str, str] = Field(description="unit to what was looked at, in words")
    left: list[str] = Field(description="units that are still in after it")
    decided: bool


class ImmichPart(_Part):
    """What Immich's own choice would do."""

    keeps: str | None = Field(description="asset id")
    loses: list[str] = Field(description="what would be lost, in words")


class SetPart(_Part):
    """Files that are decided together."""

    id: str
    owner: str
    class_: str = Field(alias="class")
    confidence: float = Field(ge=0, le=1)
    diameter: int | None = Field(description="greatest Hamming distance of the 64-bit hashes in it")
    verdict: str = Field(description="certain, accepted, review or keep")
    decided_by: str = Field(description="the step")
    becomes: str = Field(description="what becomes of the others")
    conflicts: list[str]
    reclaimable_bytes: int = Field(ge=0)
    keeper: str = Field(description="asset id of the one that is kept; may be changed to another file of the set")
    kept: list[str] = Field(description="asset ids of the other files of the kept capture")
    losers: list[str] = Field(description="asset ids that are given up")
    follows: list[str] = Field(description="asset ids of videos that go with their stills")
    review: Said | None = Field(description="what you say of it: accept, reject, dismiss, or null for nothing yet")
    immich: ImmichPart
    steps: list[StepPart]
    files: list[FilePart] = Field(min_length=1)


class Document(_Part):
    """Everything about the duplicates of a library, and what is to become of them."""

    schema_: Literal["immich-pipeline/duplicates"] = Field(alias="schema")
    schema_version: Literal[2]
    library: str
    plan: PlanPart
    totals: Totals
    classes: list[ClassPart]
    sets: list[SetPart]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document, as ``duplicates.schema.json`` holds it."""
    schema = Document.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if (
    __name__ == "__main__"
):  # pragma: no cover - `python -m immich_pipeline.dedup.document_schema` writes the schema anew
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")
