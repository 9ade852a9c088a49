"""Which copy of a set is kept, by readable rules, and what stands against giving up the others.

The steps of the settings are taken one after the other; each leaves the units that are best by it (see ``steps``). "protected" is always
the first; straight after it, a unit that has every file of the set stands before those that lack one, so that no RAW file or edited
version is given up for want of a counterpart.

Whether the losers may be deleted does not change which unit is kept: to keep the lesser picture because the better one cannot be put into
the trash would lose what the better one is better in. Such a set gets the verdict "keep"; ``prefer_library`` is for whoever wants it
otherwise.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.choice import Choice, choose
from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.completeness import knowledge_columns, points
from immich_pipeline.dedup.decision_rules import decision_rules
from immich_pipeline.dedup.disagreements import disagreements
from immich_pipeline.dedup.freed import freed_bytes
from immich_pipeline.dedup.immich_would import immich_choice
from immich_pipeline.dedup.obstacles import obstacle
from immich_pipeline.dedup.originals import edited_reason
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.dedup.protection import protection_columns
from immich_pipeline.dedup.said import SAID_IN_PART, with_said
from immich_pipeline.dedup.schema import DECISION_MEMBER_SCHEMA, DECISION_SCHEMA
from immich_pipeline.dedup.set_files import date_columns, set_files
from immich_pipeline.dedup.steps import content_place, step_rules, units_of
from immich_pipeline.grouping.rules import default_rules
from immich_pipeline.policies import DuplicateSettings

ROLES = ("keeper", "kept", "loser", "follows")
"""What files of a decision are, in the order in which they are listed."""

VERDICTS = ("certain", "accepted", "review", "keep")
"""What may be done about a set: without a person; since a person said so; once a person says so; nothing."""


class Decisions(NamedTuple):
    """``decisions`` (``DECISION_SCHEMA``) and their ``members`` (``DECISION_MEMBER_SCHEMA``)."""

    decisions: pl.DataFrame
    members: pl.DataFrame


def decide(
    sets: pl.DataFrame,
    facts: pl.DataFrame,
    settings: DuplicateSettings,
    verdicts: pl.DataFrame | None = None,
    owners: Mapping[str, str] | None = None,
) -> Decisions:
    """Choose the kept one of each set.

    Args:
        sets: ``SET_SCHEMA``.
        facts: ``DECISION_FACTS_SCHEMA``; of a file without facts nothing is known, and it is never given up.
        settings: The policy.
        verdicts: What people said of sets: ``contents_key``, ``verdict`` ("accepted" or "rejected"), ``keeper_content``
            (of the one to keep, null where the policy may choose), ``keeper_asset`` (which of those with that content, null
            where they are as good), ``contents`` (of the set). Which sets it holds for is said in ``dedup.said``.
        owners: Names of the owners by id.

    Returns:
        One decision per set. The order of the rows of any input does not count. The verdict is "certain" only for classes
        that the settings leave unattended, without any conflict, with every loser free to be given up; "accepted" where
        it is not certain but a person said yes; "keep" where a person said no to all of its files, no loser may be given
        up, there is only one unit, or nothing is to become of the others; else "review", also where a person said no to
        some of its files.

    Raises:
        ValueError: A column is missing, or an asset is twice in the facts or in the sets.
    """
    files = _described(sets, facts, settings, verdicts, owners)
    rules = step_rules(settings, decision_rules(), default_rules())
    choice = choose(units_of(files, rules), rules)
    files = _with_roles(_with_choice(files, choice), settings)
    followers = _followers(files, facts)
    conflicts = _conflicts(files, settings)
    decisions = (
        choice.winners.join(_per_set(files), on="set")
        .join(conflicts, on="set", how="left")
        .join(freed_bytes(_given_up(files, followers)), on="set")
        .join(immich_choice(files, settings), on="set")
        .with_columns(
            pl.col("conflicts").fill_null(pl.lit([], pl.List(pl.String))), policy_hash=pl.lit(policy_hash(settings))
        )
        .with_columns(verdict=_verdict(settings))
    )
    return Decisions(
        decisions.select([pl.col(column).cast(dtype) for column, dtype in DECISION_SCHEMA.items()]).sort("set_id"),
        _member_rows(files, followers),
    )


def _described(
    sets: pl.DataFrame,
    facts: pl.DataFrame,
    settings: DuplicateSettings,
    verdicts: pl.DataFrame | None,
    owners: Mapping[str, str] | None,
) -> pl.DataFrame:
    """The files with all that the steps go by."""
    rules, names = decision_rules(), default_rules()
    files = set_files(sets, facts, rules)
    files = files.with_columns(
        **knowledge_columns(),
        **protection_columns(settings.protect, owners),
        **date_columns(rules),
        edited_reason=edited_reason(rules, names),
        content_place=content_place(),
    ).with_columns(points=points(settings.weights))
    return with_said(files, verdicts)


def _with_choice(files: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """Add ``kept``, ``is_keeper``, ``lost_at``, and of the kept unit ``keeper_on_server`` and ``keeper_has_live_video``."""
    kept = choice.winners.select("unit", kept=pl.lit(value=True))
    files = files.join(kept, on="unit", how="left", maintain_order="left")
    files = files.join(choice.out.select("unit", "lost_at"), on="unit", how="left", maintain_order="left")
    files = files.with_columns(pl.col("kept").fill_null(value=False))
    keeper = _keepers(files).select(
        "set", keeper_id="asset_id", keeper_on_server="on_server", keeper_has_live_video="has_live_video"
    )
    files = files.join(keeper, on="set", maintain_order="left")
    keys = files.filter("kept").select("set", "key").drop_nulls().unique().with_columns(has_key=pl.lit(value=True))
    files = files.join(keys, on=["set", "key"], how="left", maintain_order="left")
    return files.with_columns(
        is_keeper=pl.col("asset_id") == pl.col("keeper_id"),
        uncovered=pl.col("key").is_not_null() & pl.col("has_key").is_null() & ~pl.col("kept"),
    ).drop("has_key")


def _keepers(files: pl.DataFrame) -> pl.DataFrame:
    """The file that stands for each kept unit: what most units have a counterpart of, rendered before RAW, the best."""
    shared = files.select("set", "unit", "key").unique().group_by("set", "key").agg(shared=pl.len())
    columns = ("set", "asset_id", "key", "chosen_by_person", "kind", "pixels", "size", "path", "on_server")
    main = files.filter("kept", ~pl.col("component")).select(*columns, "has_live_video").join(shared, on=["set", "key"])
    order = main.sort(
        "set",
        pl.col("chosen_by_person").not_(),
        pl.col("shared").cast(pl.Int64).neg(),
        pl.col("kind") == "raw",
        pl.col("pixels").neg(),
        pl.col("size").neg(),
        "path",
        "asset_id",
        nulls_last=True,
    )
    return order.unique("set", keep="first", maintain_order=True)


def _with_roles(files: pl.DataFrame, settings: DuplicateSettings) -> pl.DataFrame:
    """Add ``becomes``, ``member_role`` and ``obstacle``."""
    becomes = pl.col("class").replace_strict(
        {name: settings.becomes(name) for name in ("exact", "same_pixels", "reencoded", "edited")},
        return_dtype=pl.String,
    )
    files = files.with_columns(becomes=becomes, moves=_moves())
    role = (
        pl.when("is_keeper")
        .then(pl.lit("keeper"))
        .when(pl.col("kept") | pl.col("moves"))
        .then(pl.lit("kept"))
        .when("component")
        .then(pl.lit("follows"))
        .otherwise(pl.lit("loser"))
    )
    files = files.with_columns(member_role=role).with_columns(obstacle=obstacle(settings))
    # A video stays as long as anything of its unit does: it belongs to what stays.
    of_unit = pl.col("obstacle").filter(pl.col("member_role") == "loser").drop_nulls().first().over("unit")
    of_video = pl.when(~pl.col("moves")).then(pl.coalesce(of_unit, "obstacle"))
    return files.with_columns(obstacle=pl.when("component").then(of_video).otherwise("obstacle"))


def _moves() -> pl.Expr:
    """Videos that the server gives to the kept still, which has none: of several, the first by id."""
    free = (
        pl.col("component") & ~pl.col("kept") & pl.col("on_server") & pl.col("keeper_on_server")
        & ~pl.col("keeper_has_live_video")
    )  # fmt: skip
    first = pl.col("asset_id").filter(free).min().over("set")
    return free & (pl.col("asset_id") == first)


def _followers(files: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Videos of losers that are no members of a set: the trash takes them along, unless the kept one has or gets them."""
    linked = files.filter(pl.col("member_role") == "loser", pl.col("live_video_id").is_not_null())
    inside = files.select("set", live_video_id="asset_id")
    of_keeper = files.filter("kept").select("set", "live_video_id")
    outside = linked.join(inside, on=["set", "live_video_id"], how="anti")
    outside = outside.join(of_keeper, on=["set", "live_video_id"], how="anti")
    outside = outside.sort("set", "live_video_id", pl.col("obstacle").is_null(), "asset_id")
    outside = outside.unique(["set", "live_video_id"], keep="first", maintain_order=True)
    # The first by id goes to a kept still without one, unless a video of the set does already.
    given = (~pl.col("keeper_has_live_video") & pl.col("keeper_on_server") & pl.col("on_server")).fill_null(value=False)
    taken = files.filter("moves").select("set").unique()
    receives = outside.filter(given).join(taken, on="set", how="anti").unique("set", keep="first", maintain_order=True)
    followers = outside.join(receives, on=["set", "live_video_id"], how="anti")
    stored = facts.select(pl.col("asset_id").alias("live_video_id"), "size", "inode", "content", "source_id")
    return (
        followers.drop("size", "inode", "content", "source_id")
        .join(stored, on="live_video_id", how="left", maintain_order="left")
        .with_columns(asset_id="live_video_id", role=pl.lit(None, pl.String), member_role=pl.lit("follows"), points=0)
    )


def _given_up(files: pl.DataFrame, followers: pl.DataFrame) -> pl.DataFrame:
    columns = ["set", "asset_id", "source_id", "inode", "content", "size", "becomes", "member_role", "obstacle"]
    every = pl.concat([files.select(columns), followers.select(columns)])
    gone = pl.col("member_role").is_in(["loser", "follows"]) & pl.col("obstacle").is_null()
    return every.with_columns(is_given_up=gone)


def _conflicts(files: pl.DataFrame, settings: DuplicateSettings) -> pl.DataFrame:
    """``set`` and ``conflicts`` (sorted), of the sets that have any."""
    against = disagreements(files, settings, default_classes().limits)
    stuck = files.filter(pl.col("member_role") == "loser", pl.col("obstacle").is_not_null())
    stuck = stuck.select("set").unique().with_columns(conflict=pl.lit("not_deletable"))
    return pl.concat([against, stuck]).group_by("set").agg(conflicts=pl.col("conflict").unique().sort())


def _per_set(files: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("set_id", "owner", "class", "confidence", "becomes", "verdict_given").first()
    loser = pl.col("member_role") == "loser"
    return files.group_by("set", maintain_order=True).agg(
        first,
        keeper_unit=pl.col("unit_id").filter("is_keeper").first(),
        keeper_id=pl.col("asset_id").filter("is_keeper").first(),
        files=pl.len(),
        can_give_up=(loser & pl.col("obstacle").is_null()).any(),
    )


def _verdict(settings: DuplicateSettings) -> pl.Expr:
    nothing_to_do = ~pl.col("can_give_up") | (pl.col("becomes") == "nothing")
    clear = pl.col("class").is_in(list(settings.unattended)) & (pl.col("conflicts").list.len() == 0)
    return (
        pl.when(nothing_to_do | (pl.col("verdict_given") == "rejected").fill_null(value=False))
        .then(pl.lit("keep"))
        .when((pl.col("verdict_given") == SAID_IN_PART).fill_null(value=False))
        .then(pl.lit("review"))
        .when(clear)
        .then(pl.lit("certain"))
        .when(pl.col("verdict_given") == "accepted")
        .then(pl.lit("accepted"))
        .otherwise(pl.lit("review"))
    )


def _member_rows(files: pl.DataFrame, followers: pl.DataFrame) -> pl.DataFrame:
    columns = ["set_id", "unit_id", "asset_id", "member_role", "points", "obstacle"]
    rows = pl.concat([files.select(columns), followers.select(columns)], how="vertical_relaxed")
    rows = rows.rename({"member_role": "role", "points": "score"}).with_columns(
        rank=pl.col("role").replace_strict({role: rank for rank, role in enumerate(ROLES)}, return_dtype=pl.Int8)
    )
    typed = [pl.col(column).cast(dtype) for column, dtype in DECISION_MEMBER_SCHEMA.items()]
    return rows.sort("set_id", "rank", "asset_id").select(typed)
