"""What is identical is decided by itself where the whole set has to wait for a person.

A set is as strong as its weakest file: a file that is there twice would wait for a person because an edited version of it lies beside.
So the captures of such a set that are identical in every file, a core, are decided without the others. What is left comes up again,
with the one that was kept, when that is done.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline.dedup.decide import decide
from immich_pipeline.dedup.schema import SET_SCHEMA
from immich_pipeline.grouping.identity import with_group_id
from immich_pipeline.policies import DuplicateSettings

IDENTICAL = ("exact", "same_pixels")
"""Classes of files that may stand for each other whatever else resembles them."""

_CERTAIN = ("certain", "accepted")


class Decided(NamedTuple):
    """What was decided, and about which sets.

    Attributes:
        decisions: ``DECISION_SCHEMA``.
        members: ``DECISION_MEMBER_SCHEMA``.
        sets: ``SET_SCHEMA``.
        later: How many files are in none of the sets: they are decided about when their core is.
    """

    decisions: pl.DataFrame
    members: pl.DataFrame
    sets: pl.DataFrame
    later: int


def decide_cores_first(
    sets: pl.DataFrame,
    group_members: pl.DataFrame,
    facts: pl.DataFrame,
    settings: DuplicateSettings,
    *,
    verdicts: pl.DataFrame | None = None,
    owners: Mapping[str, str] | None = None,
) -> Decided:
    """Decide about every set; of those that wait for a person, about the cores that need not, instead.

    Args:
        sets: ``SET_SCHEMA``.
        group_members: ``MEMBER_SCHEMA``: how the files stand to the representatives of their groups.
        facts: As for :func:`decide`, like the others.
        settings: The policy.
        verdicts: What people said.
        owners: Names of the owners by id.

    Raises:
        ValueError: As :func:`decide`.
    """
    sets = sets.sort("set_id", "unit_id", "asset_id")
    whole = decide(sets, facts, settings, verdicts, owners)
    waiting = whole.decisions.filter(pl.col("verdict") == "review").select("set_id")
    inner = cores(sets.join(waiting, on="set_id", how="semi"), group_members, facts)
    sure = decide(inner.drop("of_set"), facts, settings, verdicts, owners)
    chosen = sure.decisions.filter(pl.col("verdict").is_in(_CERTAIN)).select("set_id")
    inner = inner.join(chosen, on="set_id", how="semi")
    replaced = inner.select(set_id="of_set").unique()

    def merged(of_whole: pl.DataFrame, of_core: pl.DataFrame) -> pl.DataFrame:
        kept = of_whole.join(replaced, on="set_id", how="anti", maintain_order="left")
        instead = of_core.join(chosen, on="set_id", how="semi", maintain_order="left")
        return pl.concat([kept, instead.select(kept.columns)]).sort("set_id", maintain_order=True)

    later = sets.join(replaced, on="set_id", how="semi").height - inner.height
    return Decided(
        merged(whole.decisions, sure.decisions), merged(whole.members, sure.members), merged(sets, inner), later
    )


def cores(
    sets: pl.DataFrame, group_members: pl.DataFrame, facts: pl.DataFrame, classes: ClassTable | None = None
) -> pl.DataFrame:
    """The cores of sets: captures that are identical in every file, two or more of them and not all of the set.

    Two files are identical if their bytes are the same, or if the pixels of both are those of their group's representative. A file that
    has no counterpart in its set is like no other.

    Args:
        sets: ``SET_SCHEMA``.
        group_members: ``MEMBER_SCHEMA``.
        facts: ``asset_id`` and ``content``.
        classes: Their confidence; the package's own by default.

    Returns:
        ``SET_SCHEMA`` and ``of_set``, the set that each is a core of. Ids follow from the assets alone.
    """
    table = classes or default_classes()
    of_group = group_members.select("group_id", "asset_id", member_class="class")
    known = sets.join(of_group, on=["group_id", "asset_id"], how="left").join(
        facts.select("asset_id", "content"), on="asset_id", how="left"
    )
    like_first = pl.col("member_class").is_in(IDENTICAL).fill_null(value=False)
    equal = pl.when(pl.col("group_id").is_not_null()).then(pl.col("content").bin.encode("hex"))
    known = known.with_columns(face=pl.when(like_first).then("group_id").otherwise(pl.coalesce(equal, "asset_id")))
    units = known.group_by("set_id", "unit_id").agg(faces=pl.col("face").sort().str.join("\n"))
    units = units.with_columns(
        alike=pl.len().over("set_id", "faces"),
        all=pl.len().over("set_id"),
        core=pl.concat_str("set_id", "faces", separator="\n"),
    ).filter(pl.col("alike") > 1, pl.col("alike") < pl.col("all"))
    rows = known.join(units.select("set_id", "unit_id", "core"), on=["set_id", "unit_id"])
    same_bytes = (pl.col("content").n_unique() == 1).over("core", "face").all().over("core")
    name = pl.when(same_bytes).then(pl.lit("exact")).otherwise(pl.lit("same_pixels"))
    rows = rows.with_columns(name.alias("class"), of_set="set_id", kind=pl.lit("duplicates"))
    rows = rows.with_columns(
        confidence=pl.col("class").replace_strict(table.confidence(), return_dtype=pl.Float64),
        diameter=pl.when(pl.col("class") == "exact").then(0).otherwise("diameter"),
    )
    ids = with_group_id(rows.select("asset_id", "core", "kind"), "core", "kind")["group_id"]
    typed = [pl.col(column).cast(dtype) for column, dtype in SET_SCHEMA.items()]
    return rows.with_columns(set_id=ids).select(*typed, "of_set").sort("set_id", "unit_id", "asset_id")
