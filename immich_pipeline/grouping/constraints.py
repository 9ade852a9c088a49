"""What a person has decided: it beats every rule, and survives every run."""

from typing import NamedTuple

import polars as pl

from immich_pipeline.grouping.evidence import MEMBER_SCHEMA
from immich_pipeline.grouping.primary import in_order
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import CONSTRAINT_SCHEMA, KEPT_WHOLE

_KINDS = ("set_primary", "together", "not_together")


class Decisions(NamedTuple):
    """Constraints by prepared row: rows chosen as primary, and pairs (``subject``, ``other``, UInt32)."""

    chosen: pl.Series
    together: pl.DataFrame
    apart: pl.DataFrame


def checked_constraints(constraints: pl.DataFrame | None) -> pl.DataFrame:
    """The constraints as ``CONSTRAINT_SCHEMA``, each once, in an order of their own.

    Raises:
        ValueError: A column is missing, a kind is unknown, or one of two is not named.
    """
    if constraints is None:
        return pl.DataFrame(schema=CONSTRAINT_SCHEMA)
    if missing := [column for column in CONSTRAINT_SCHEMA if column not in constraints.columns]:
        raise ValueError(f"constraints need the columns {', '.join(missing)}")
    known = constraints.select([pl.col(column).cast(dtype) for column, dtype in CONSTRAINT_SCHEMA.items()])
    if unknown := sorted(set(known["kind"].to_list()) - set(_KINDS), key=str):
        raise ValueError(f"a constraint is one of {', '.join(_KINDS)}, not {unknown[0]}")
    lacking = pl.col("subject").is_null() | ((pl.col("kind") != "set_primary") & pl.col("other").is_null())
    if not known.filter(lacking).is_empty():
        raise ValueError("a constraint names a subject, and together and not_together name another file too")
    return known.unique().sort(list(CONSTRAINT_SCHEMA), nulls_last=True)


def decisions(constraints: pl.DataFrame | None, prepared: pl.DataFrame) -> Decisions:
    """Constraints in terms of prepared rows.

    What cannot be (files that are gone, of two owners, a still and a video together) is left out: see
    ``reports.unmet_constraints``.
    """
    known = resolved(checked_constraints(constraints), prepared)
    pairs = known.filter(
        pl.col("row").is_not_null(), pl.col("row_other").is_not_null(), pl.col("row") != pl.col("row_other")
    )
    pairs = pairs.with_columns(
        subject=pl.min_horizontal("row", "row_other"), other=pl.max_horizontal("row", "row_other")
    )
    apart = pairs.filter(pl.col("kind") == "not_together").select("subject", "other").unique().sort("subject", "other")
    together = pairs.filter(pl.col("kind") == "together", may_meet()).select("subject", "other").unique()
    together = together.join(apart, on=["subject", "other"], how="anti").sort("subject", "other")
    chosen = known.filter(pl.col("kind") == "set_primary")["row"].drop_nulls().unique().sort()
    return Decisions(chosen, together, apart)


def may_meet() -> pl.Expr:
    """Whether both files of a resolved constraint are of one owner, source and visibility, and both stills or videos."""
    return (pl.col("scope") == pl.col("scope_other")) & (pl.col("is_video") == pl.col("is_video_other"))


def resolved(constraints: pl.DataFrame, prepared: pl.DataFrame) -> pl.DataFrame:
    """Constraints with ``row``, ``scope``, ``is_video`` and the same of the other (null where no such file is there).

    A content key of several files gives a row for each.
    """
    named = pl.concat([constraints["subject"], constraints["other"]]).drop_nulls().unique().implode()
    known = pl.concat(
        [
            prepared.filter(pl.col(column).is_in(named)).select(
                pl.col(column).alias("named"), "row", "scope", is_video=pl.col("kind") == "video"
            )
            for column in ("asset_id", "content_key")
        ]
    ).unique(maintain_order=True)
    return constraints.join(known, left_on="subject", right_on="named", how="left").join(
        known, left_on="other", right_on="named", how="left", suffix="_other"
    )


def constrained(
    members: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules, decided: Decisions
) -> pl.DataFrame:
    """Put together and take apart what a person said; where both were said of two files, apart holds.

    Of two files that must not be together, the one that comes later in the order of primaries leaves the group.

    Args:
        members: The groups found by the rules, without live videos (``MEMBER_SCHEMA``).
        prepared: All assets.
        rules: For the order.
        decided: The constraints.
    """
    if decided.together.is_empty() and decided.apart.is_empty():
        return members
    joined = _joined(members, prepared, decided.together)
    leaving = _leaving(joined, prepared, rules, decided)
    touched = joined.filter(pl.col("row").is_in(leaving.implode()) | pl.col("is_new"))["group"].unique().implode()
    kept = joined.filter(~pl.col("row").is_in(leaving.implode()))
    kept = kept.filter(pl.len().over("group") > 1).with_columns(is_touched=pl.col("group").is_in(touched))
    return _with_kinds(kept, prepared).select(list(MEMBER_SCHEMA))


def _joined(members: pl.DataFrame, prepared: pl.DataFrame, together: pl.DataFrame) -> pl.DataFrame:
    """Members with whole groups joined and newcomers added; ``is_new`` in groups that a person spoke of."""
    rows = pl.concat([together["subject"], together["other"]]).unique().implode()
    home = dict(members.filter(pl.col("row").is_in(rows)).select("row", "group").iter_rows())
    parent: dict[int, int] = {}

    def root(label: int) -> int:
        while parent.get(label, label) != label:
            label = parent[label]
        return label

    for pair in together.iter_rows():
        # A file without a group gets a number that no group has.
        low, high = sorted(root(home.setdefault(row, -1 - row)) for row in pair)
        parent[high] = low
    roots = {label: root(label) for label in set(home.values())}
    newcomers = [(row, roots[label]) for row, label in home.items() if label == -1 - row]
    fresh = pl.DataFrame(newcomers, schema={"row": pl.UInt32, "group": pl.Int64}, orient="row")
    fresh = fresh.join(prepared.select("row", file="kind"), on="row").select(
        "group", "row", pl.lit("versions").alias("kind"), role=_plain_role(), evidence=pl.lit("user"),
        camera_known=pl.lit(value=True), is_new=pl.lit(value=True),
    )  # fmt: skip
    moved = members.with_columns(
        group=pl.col("group").replace_strict(roots, default=pl.col("group"), return_dtype=pl.Int64)
    )
    is_new = moved["group"].is_in(sorted(set(roots.values())))
    return pl.concat([moved.with_columns(is_new=is_new), fresh])


def _plain_role() -> pl.Expr:
    return (
        pl.when(pl.col("file") == "raw")
        .then(pl.lit("raw"))
        .when(pl.col("file") == "video")
        .then(pl.lit("variant"))
        .otherwise(pl.lit("rendered"))
    )


def _leaving(joined: pl.DataFrame, prepared: pl.DataFrame, rules: GroupingRules, decided: Decisions) -> pl.Series:
    """The rows that leave their group."""
    enemies: dict[int, set[int]] = {}
    for one, two in decided.apart.iter_rows():
        enemies.setdefault(one, set()).add(two)
        enemies.setdefault(two, set()).add(one)
    fighting = joined.filter(pl.col("row").is_in(list(enemies)))
    leaving: list[int] = []
    staying: set[tuple[int, int]] = set()
    for group, row in in_order(fighting, prepared, rules, decided.chosen).select("group", "row").iter_rows():
        if any((group, enemy) in staying for enemy in enemies[row]):
            leaving.append(row)
        else:
            staying.add((group, row))
    return pl.Series(leaving, dtype=pl.UInt32)


def _with_kinds(joined: pl.DataFrame, prepared: pl.DataFrame) -> pl.DataFrame:
    """The kinds of the groups that a person has changed, by what is left in them."""
    joined = joined.join(prepared.select("row", file="kind"), on="row", how="left", maintain_order="left")
    raw, video = pl.col("file") == "raw", pl.col("file") == "video"
    kept = [pl.when((pl.col("kind") == kind).any().over("group")).then(pl.lit(kind)) for kind in (*KEPT_WHOLE, "burst")]
    both = pl.when(raw.any().over("group") & (~raw).any().over("group")).then(pl.lit("raw_jpeg"))
    clips = pl.when(video.all().over("group")).then(pl.lit("video_variant"))
    # A group that has only lost a member is what it was, unless it was RAW and rendered.
    same = pl.when((pl.col("kind").n_unique().over("group") == 1) & (pl.col("kind") != "raw_jpeg")).then("kind")
    kind = pl.coalesce([*kept, both, clips, same, pl.lit("versions")])
    return joined.with_columns(kind=pl.when("is_touched").then(kind).otherwise("kind"))
