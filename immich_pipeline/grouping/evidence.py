"""What a rule hands back: members of groups, and why they are together."""

from collections.abc import Mapping

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import COMPONENT_ROLE, KEPT_WHOLE

MEMBER_SCHEMA: Mapping[str, pl.DataType] = {
    "group": pl.Int64(),
    "row": pl.UInt32(),
    "kind": pl.String(),
    "role": pl.String(),
    "evidence": pl.String(),
    "camera_known": pl.Boolean(),
}
"""``group`` tells the groups of one frame apart; ``row`` is the prepared asset's; ``evidence`` names an entry of the rules'
evidence; ``camera_known``: nothing was taken on trust."""

_OPENINGS = {
    "raw_jpeg": "RAW file and rendered picture of one capture: ",
    "versions": "Versions of one capture: ",
    "format_pair": "One picture in two formats: ",
    "scan": "Sides of one scanned photo: ",
    "burst": "Frames of one burst: ",
    "bracket": "Frames of one exposure bracket: ",
    "focus_stack": "Frames of one focus stack: ",
    "panorama": "Frames of one panorama: ",
    "live": "Live photo: ",
    "video_variant": "One clip in several encodings: ",
}


def as_members(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep what makes a member.

    Args:
        rows: ``set`` (integer, one value per group) and the other columns of ``MEMBER_SCHEMA``.
    """
    columns = rows.rename({"set": "group"})
    return columns.select([pl.col(column).cast(dtype) for column, dtype in MEMBER_SCHEMA.items()])


def stacked(*frames: pl.DataFrame) -> pl.DataFrame:
    """Several frames of members as one: a group of one frame never gets the number of another's."""
    count = len(frames)
    return pl.concat([frame.with_columns(pl.col("group") * count + number) for number, frame in enumerate(frames)])


def worded(members: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Add ``rule``, ``confidence`` and ``reason``.

    Args:
        members: ``MEMBER_SCHEMA``.
        rules: Confidence and reason per evidence.
    """
    members = members.with_columns(pl.col("camera_known").all().over("group"))
    # There are few different wordings and many members.
    wordings = members.select(_WORDED).unique()
    rows = []
    for kind, role, evidence, known in wordings.iter_rows():
        said = rules.evidence[evidence]
        doubt = 1.0 if known else rules.unknown_camera_factor
        camera = "." if known else "; the camera is not known for all of them."
        finder = _finder(kind, role)
        reason = _OPENINGS[finder] + said.reason + camera
        rows.append((kind, role, evidence, known, f"{finder}.{evidence}", said.confidence * doubt, reason))
    words = pl.DataFrame(rows, schema=_WORDING_SCHEMA, orient="row")
    return members.join(words, on=_WORDED, how="left", maintain_order="left")


_WORDED = ["kind", "role", "evidence", "camera_known"]
_WORDING_SCHEMA: Mapping[str, pl.DataType] = {
    **{column: MEMBER_SCHEMA[column] for column in _WORDED},
    "rule": pl.String(),
    "confidence": pl.Float64(),
    "reason": pl.String(),
}


def _finder(kind: str, role: str) -> str:
    """What found a member: a live video and the edit of a frame join a group that something else has found."""
    if role == COMPONENT_ROLE:
        return "live"
    return "versions" if kind in _SEQUENCES and role != "frame" else kind


_SEQUENCES = frozenset({"burst", *KEPT_WHOLE})
