"""Which files are one capture."""

import polars as pl

from immich_pipeline.grouping.bursts import bursts_by_id, bursts_by_name, bursts_by_time
from immich_pipeline.grouping.constraints import constrained, decisions
from immich_pipeline.grouping.evidence import MEMBER_SCHEMA, stacked, worded
from immich_pipeline.grouping.identity import digested, with_group_id
from immich_pipeline.grouping.live import pairs, with_live_videos
from immich_pipeline.grouping.pictures import IS_PICTURE, pictures_by_name
from immich_pipeline.grouping.prepare import check, prepare, prepare_checked
from immich_pipeline.grouping.primary import with_primary
from immich_pipeline.grouping.rules import GroupingRules, default_rules
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA
from immich_pipeline.grouping.sequences import brackets, sequences_by_name
from immich_pipeline.grouping.videos import video_variants


def group_captures(
    assets: pl.DataFrame, rules: GroupingRules | None = None, constraints: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Put the files of one capture together; every file is in one group at most, and groups never cross owners.

    Kinds, in the order in which they claim files:

    - ``raw_jpeg``: RAW files and the pictures made from them (roles raw, raw_converted, rendered, edit, auto).
    - ``bracket``, ``focus_stack``, ``panorama``: pictures in a row by exposure bias, name or folder (role frame).
      Frames that are RAW+JPEG pairs stay pairs: those belong together more closely. ``kept_whole`` knows them too.
    - ``burst``: frames that carry one burst id (role frame).
    - ``versions``, ``format_pair``, ``scan``: pictures of one name but for version marks, formats or sides. A version
      of a frame in one of the groups above joins that group.
    - ``burst`` by name; by time alone only where the rules say so.
    - ``video_variant``: one clip in several encodings (role variant).
    - ``live``: a still and its video (roles still, video). The video of a still that is in one of the groups above joins
      that group with the role video, since it is part of the same capture; it is no member of a stack, see
      ``stack_members``. A live video is never primary.

    Which member is primary: see ``primary.with_primary``. A person's constraints beat all rules.

    Args:
        assets: At least the columns of ``INPUT_SCHEMA``: one row per asset with its metadata, null where unknown; those
            of ``OPTIONAL_INPUT_SCHEMA`` are used where present. Any row order. System files, sidecars, locked, trashed
            and missing files are in no group; hidden files never with visible ones, but for live videos.
        rules: Tolerances and name rules; the package's own by default.
        constraints: ``CONSTRAINT_SCHEMA``; none by default.

    Returns:
        The columns of ``CAPTURE_SCHEMA``, one row per member, for groups of two or more. ``rule`` names what put the
        file there (kind.evidence), ``confidence`` (0 to 1) and ``reason`` (a sentence) say how sure that is. Group ids
        follow from kind and members alone; shuffled input gives identical output.

    Raises:
        ValueError: A column is missing, an asset id occurs twice, or a constraint is none.
    """
    rules = rules or default_rules()
    check(assets)
    shares = [assets["owner"].is_in(owners, nulls_equal=True) for owners in _shares(assets)]
    return _finished(stacked(*[_of_owners(assets.filter(share), rules, constraints) for share in shares]), rules)


def _shares(assets: pl.DataFrame) -> list[list[str]]:
    """Owners in shares: groups never cross them, and one share after the other takes less memory than all at once.

    Owners of few assets are in one share, since each share has a price of its own; there is one share at least.
    """
    shares: list[list[str]] = [[]]
    size = 0
    for owner, count in assets.group_by("owner").len().sort("len", "owner", descending=True).iter_rows():
        if size and size + count > _SHARE:
            shares.append([])
            size = 0
        shares[-1].append(owner)
        size += count
    return shares


_SHARE = 200_000


def _of_owners(assets: pl.DataFrame, rules: GroupingRules, constraints: pl.DataFrame | None) -> pl.DataFrame:
    """Members with ``asset_id`` and ``is_primary``."""
    prepared = prepare_checked(assets, rules)
    decided = decisions(constraints, prepared)
    live = pairs(prepared, rules)
    live = live.join(decided.apart, left_on=["still", "video"], right_on=["subject", "other"], how="anti")
    live = live.join(decided.apart, left_on=["still", "video"], right_on=["other", "subject"], how="anti")
    # A live video goes where its still goes, whatever is said of it.
    is_part = [pl.col(side).is_in(live["video"].implode()) for side in ("subject", "other")]
    decided = decided._replace(together=decided.together.filter(~pl.any_horizontal(is_part)))
    clips = _without(prepared.filter(pl.col("kind") == "video"), live.select(row="video"))
    members = stacked(_stills(prepared, rules), video_variants(clips, rules))
    members = with_live_videos(constrained(members, prepared, rules, decided), live)
    members = with_primary(members, prepared, rules, decided.chosen)
    return members.join(prepared.select("row", "asset_id"), on="row", how="left")


def live_pairs(assets: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Which video belongs to which still.

    Args:
        assets: As for :func:`group_captures`.
        rules: The package's own by default.

    Returns:
        ``still_id``, ``video_id`` and ``rule`` (String), sorted by video_id.
    """
    rules = rules or default_rules()
    prepared = prepare(assets, rules)
    ids = prepared.select("row", "asset_id")
    return (
        pairs(prepared, rules)
        .join(ids.rename({"asset_id": "still_id"}), left_on="still", right_on="row")
        .join(ids.rename({"asset_id": "video_id"}), left_on="video", right_on="row")
        .select("still_id", "video_id", rule=pl.concat_str(pl.lit("live."), "evidence"))
        .sort("video_id")
    )


def kept_whole(assets: pl.DataFrame, rules: GroupingRules | None = None) -> pl.DataFrame:
    """Pictures that look alike on purpose: no file of a set is ever a duplicate of another file of that set.

    These are the frames of brackets, focus stacks and panoramas, whatever group they are in: a bracket of RAW+JPEG pairs
    is two sets here and pairs in ``group_captures``.

    Args:
        assets: As for :func:`group_captures`.
        rules: The package's own by default.

    Returns:
        ``set_id`` (content-derived), ``asset_id``, ``kind`` and ``reason`` (String), sorted by set_id and asset_id.
    """
    rules = rules or default_rules()
    prepared = prepare(assets, rules)
    members = stacked(brackets(prepared, rules), sequences_by_name(prepared, rules))
    named = worded(members, rules).join(prepared.select("row", "asset_id"), on="row", how="left")
    named = with_group_id(named, "group", "kind").rename({"group_id": "set_id"})
    return named.select("set_id", "asset_id", "kind", "reason").sort("set_id", "asset_id")


def _stills(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Groups of pictures (``MEMBER_SCHEMA``), each file in the first that claims it."""
    named = pictures_by_name(prepared, rules)
    is_pair = pl.col("kind") == "raw_jpeg"
    members = named.filter(is_pair)
    free = _without(prepared.select(_OF_SEQUENCES).filter(IS_PICTURE), members)
    for find in (brackets, sequences_by_name, bursts_by_id):
        found = find(free, rules)
        members, free = stacked(members, found), _without(free, found)
    members = _with_versions(members, named.filter(~is_pair))
    free = _without(free, members)
    for find in (bursts_by_name, bursts_by_time):
        found = find(free, rules)
        members, free = stacked(members, found), _without(free, found)
    return members


_OF_SEQUENCES = [
    "row", "scope", "place", "folder", "has_folder", "folder_rule", "kind", "extension", "stem", "version", "name_rule", "name_key",
    "make", "model", "serial", "local_us", "instant_us", "subsec_known", "exposure_bias", "burst_id", "content_key",
]  # fmt: skip
"""What the rules for sequences read."""


def _with_versions(members: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Add what shares a name; where some of it is in a group already, its other versions join that group."""
    homes = named.join(
        members.select("row", home="group", home_kind="kind"), on="row", how="left", maintain_order="left"
    )
    home = [pl.col(column).sort_by("home", nulls_last=True).first().over("group") for column in ("home", "home_kind")]
    free = homes.with_columns(has_home=pl.col("home").is_not_null()).with_columns(home).filter(~pl.col("has_home"))
    follows = pl.col("home").is_not_null() & (pl.col("kind") == "versions")
    following = free.filter(follows).with_columns(group="home", kind="home_kind")
    alone = free.filter(pl.col("home").is_null())
    left = free.filter(pl.col("home").is_not_null(), pl.col("kind") != "versions", pl.len().over("group") > 1)
    columns = list(MEMBER_SCHEMA)
    fresh = pl.concat([alone.select(columns), left.select(columns)])
    return stacked(pl.concat([members, following.select(columns)]), fresh)


def _without(prepared: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    return prepared.join(members.select("row"), on="row", how="anti")


def _finished(members: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    # Rows are in the order of asset ids within a group: sorting numbers is faster than sorting ids.
    ordered = members.sort("row")
    groups = digested(ordered.lazy().select("group", "kind", "asset_id"), "group", "kind").with_row_index("place")
    placed = ordered.join(groups, on="group", how="left").sort("place", pl.col("is_primary").not_(), "row")
    del members, ordered
    return worded(placed, rules).select(CAPTURE_SCHEMA.keys())
