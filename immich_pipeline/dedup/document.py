"""The duplicates of a library, and what is to become of them, as one JSON document: written, and read back with what a person wrote in it.

The document is the same for the same input. It tells of each position only whether there is one, and how far it is from the keeper's:
a report is passed on. Its shape is in :mod:`~immich_pipeline.dedup.document_schema`, and in words in ``docs/duplicate-plan.md``.
"""

import json
from typing import Any

import polars as pl
from pydantic import ValidationError

from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline.dedup.document_schema import SCHEMA, SCHEMA_VERSION, Document, FilePart, SetPart
from immich_pipeline.dedup.plain_json import plain_json
from immich_pipeline.dedup.review_file import Choice, Review, ReviewProblemsError, check_size, in_words, told_twice

MOST_BYTES = 1 << 30
"""A document of more bytes than this is not read back: a million files are half of it."""

OPINION_SCHEMA: dict[str, pl.DataType] = {
    "group_id": pl.String(),
    "asset_id": pl.String(),
    "immich_agrees": pl.Boolean(),
    "clip_distance": pl.Float32(),
}
"""A second opinion on the members of a group, see ``dedup.opinions``."""

_LEVELS = 4  # the document, the sets, a set, its files

_EARTH_METRES = 6_371_008.8  # mean radius, IUGG
_ROLES = ("keeper", "kept", "loser", "follows")
_KEEPERS = pl.col("role").is_in(["keeper", "kept"])


def duplicate_document(
    decisions: pl.DataFrame,
    members: pl.DataFrame,
    sets: pl.DataFrame,
    facts: pl.DataFrame,
    opinions: pl.DataFrame | None = None,
    *,
    library: str,
    fingerprint: str,
    classes: ClassTable | None = None,
) -> dict[str, Any]:
    """Everything there is to say, the sets that free most space first; only what ``json.dumps`` takes.

    Args:
        decisions: ``DECISION_SCHEMA``.
        members: ``DECISION_MEMBER_SCHEMA``.
        sets: ``SET_SCHEMA``.
        facts: ``DECISION_FACTS_SCHEMA``; a file that is not in it (gone since) is told by its id alone.
        opinions: ``OPINION_SCHEMA``, if there are any.
        library: What the reader knows the library by.
        fingerprint: What the decisions were made of; see ``store.state``.
        classes: Titles and explanations; the package's own by default.
    """
    listed = files_of(decisions, members, sets, facts, opinions)
    by_set = listed.group_by("set_id", maintain_order=True).agg(
        files=pl.struct(list(FilePart.model_fields)),
        kept=pl.col("asset_id").filter(pl.col("role") == "kept"),
        losers=pl.col("asset_id").filter(pl.col("role") == "loser"),
        follows=pl.col("asset_id").filter(pl.col("role") == "follows"),
        diameter=pl.col("diameter").max(),
    )
    ordered = decisions.drop("files").join(by_set, on="set_id").sort(pl.col("reclaimable_bytes").neg(), "set_id")
    policies = decisions["policy_hash"].unique().sort().to_list()
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "library": library,
        "plan": {"policy": ",".join(policies), "fingerprint": fingerprint},
        "totals": _totals(ordered, listed),
        "classes": [
            {"name": c.name, "title": c.title, "explanation": c.explanation, "confidence": c.confidence}
            for c in (classes or default_classes()).classes
        ],
        "sets": [_set(row) for row in ordered.iter_rows(named=True)],
    }


def document_text(document: dict[str, Any]) -> str:
    """The document as it is written to disk: a line for each field of a set and for each file, since a person may edit it."""
    return plain_json(document, levels=_LEVELS) + "\n"


def read_document(text: str) -> Review:
    """What a person wrote into the document: a choice for each set, null where nothing was said.

    Raises:
        ReviewProblemsError: It is no such document; every problem is named with its place.
    """
    check_size(text, MOST_BYTES)
    try:
        document = Document.model_validate_json(text)
    except ValidationError as error:
        raise ReviewProblemsError(in_words(error)) from error
    problems = [problem for place, part in enumerate(document.sets) for problem in _contradictions(place, part)]
    twice = told_twice([part.id for part in document.sets])
    problems += [f"sets[{place}].id: sets[{first}] is the same set" for place, first in twice]
    if problems:
        raise ReviewProblemsError(problems)
    choices = (_choice(place, part) for place, part in enumerate(document.sets))
    return Review(document.plan.policy, document.plan.fingerprint, tuple(choices))


def files_of(
    decisions: pl.DataFrame,
    members: pl.DataFrame,
    sets: pl.DataFrame,
    facts: pl.DataFrame,
    opinions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per file of a decided set, the keeper first: ``set_id``, ``diameter`` and the fields of a file of the document."""
    second = pl.DataFrame(schema=OPINION_SCHEMA) if opinions is None else opinions
    joined = (
        members.join(
            sets.select("set_id", "asset_id", "group_id", "diameter", capture_role="role"),
            on=["set_id", "asset_id"],
            how="left",
        )
        .join(facts, on="asset_id", how="left")
        .join(second.select(list(OPINION_SCHEMA)), on=["group_id", "asset_id"], how="left")
        .join(decisions.select("set_id", "keeper_unit", "keeper_id"), on="set_id")
        .join(
            facts.select(keeper_id="asset_id", at_latitude="latitude", at_longitude="longitude"),
            on="keeper_id",
            how="left",
        )
    )
    told = joined.with_columns(unit="unit_id", **_told()).sort(
        "set_id",
        pl.col("unit_id") != pl.col("keeper_unit"),
        "unit_id",
        pl.col("role").replace_strict(_ROLES, range(len(_ROLES)), return_dtype=pl.Int8),
        "asset_id",
    )
    return told.select("set_id", "diameter", *FilePart.model_fields)


def _told() -> dict[str, pl.Expr]:
    placed = pl.col("latitude").is_not_null() & pl.col("longitude").is_not_null()
    external = pl.col("library_id").is_not_null()
    stored = pl.when(external).then(pl.lit("external")).when("server_asset").then(pl.lit("upload"))
    return {
        "of_set": pl.col("diameter").is_not_null(),
        "folder": pl.col("path").str.strip_suffix(pl.col("name")).str.strip_chars_end("/"),
        "content": pl.col("content").bin.encode("hex"),
        "format": pl.coalesce("format", "extension"),
        "taken_at": pl.col("taken_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
        "taken_at_local": pl.col("taken_at_local").dt.strftime("%Y-%m-%dT%H:%M:%S%.f"),
        "has_position": placed,
        "metres_from_keeper": pl.when(pl.col("asset_id") != pl.col("keeper_id")).then(_metres()),
        "has_place": pl.col("place").is_not_null(),
        "favourite": pl.col("is_favorite"),
        "live_video": pl.col("live_video_id").is_not_null(),
        "stacked": pl.col("stack_id").is_not_null(),
        "edited": pl.col("is_edited"),
        "stored": stored.when(~pl.col("server_asset")).then(pl.lit("folder")),
        "clip_distance": pl.col("clip_distance").cast(pl.Float64).fill_nan(None).round(4),
    }


def _metres() -> pl.Expr:
    """Great circle between a file's position and its keeper's, whole metres, by the haversine formula."""
    here, there = pl.col("latitude").radians(), pl.col("at_latitude").radians()
    across = (pl.col("longitude") - pl.col("at_longitude")).radians()
    half = ((here - there) / 2).sin().pow(2) + here.cos() * there.cos() * (across / 2).sin().pow(2)
    return (2 * _EARTH_METRES * half.clip(0, 1).sqrt().arcsin()).round(0).cast(pl.Int64)


def _totals(ordered: pl.DataFrame, listed: pl.DataFrame) -> dict[str, int]:
    return {
        "sets": ordered.height,
        "files": listed.height,
        "bytes": int(listed["size"].sum()),
        "reclaimable_bytes": int(ordered["reclaimable_bytes"].sum()),
        "needs_review": ordered.filter(pl.col("verdict") == "review").height,
        "immich_would_lose": ordered.filter(pl.col("immich_loses").list.len() > 0).height,
    }


def _set(row: dict[str, Any]) -> dict[str, Any]:
    same = (
        "owner",
        "class",
        "confidence",
        "diameter",
        "verdict",
        "decided_by",
        "becomes",
        "conflicts",
        "reclaimable_bytes",
    )
    return {
        "id": row["set_id"],
        **{name: row[name] for name in same},
        "keeper": row["keeper_id"],
        **{name: row[name] for name in ("kept", "losers", "follows")},
        "review": None,
        "immich": {"keeps": row["immich_keeps"], "loses": row["immich_loses"]},
        "steps": json.loads(row["steps"]),
        "files": row["files"],
    }


def _contradictions(place: int, part: SetPart) -> list[str]:
    """What one set of the document cannot mean, with its place."""
    ids = {file.asset_id for file in part.files}
    listed = [
        ("keeper", part.keeper),
        *((name, id_) for name in ("kept", "losers", "follows") for id_ in getattr(part, name)),
    ]
    problems = [f"sets[{place}].{name}: {id_} is no file of this set" for name, id_ in listed if id_ not in ids]
    if part.review and not _contents(part):
        problems.append(f"sets[{place}].files: no content of any file is named")
    return problems


def _choice(place: int, part: SetPart) -> Choice:
    return Choice(f"sets[{place}]", part.id, _contents(part), part.review, part.keeper)


def _contents(part: SetPart) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(file.content) for file in part.files if file.content and file.of_set)
