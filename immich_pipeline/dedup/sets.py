"""What is decided together: captures, not files. Of the captures of a set exactly one is kept.

A RAW file and its JPEG that were imported twice are two duplicate groups, but one decision: who keeps the RAW file of one
import and the JPEG of the other has torn a capture apart. So files are first put into units, and units into sets.

A unit is all files of one capture: RAW and JPEG, the still and the video of a live photo, one picture in two formats, one
clip in several encodings, the sides of a scan, an original and its edited versions. The frames of a burst, a bracket, a focus stack
or a panorama are several shots: each is a unit of its own, with its live video where it has one. That versions are one unit is safe
even where a name alone made them versions: a unit is given up only if the kept one has a counterpart of each of its files.

A set is the units of one duplicate group: any two of them share it, so that nothing is passed on from unit to unit. The other groups
that they share come with it.
"""

import polars as pl

from immich_pipeline.dedup.classes import ClassTable, default_classes
from immich_pipeline.dedup.schema import SET_SCHEMA
from immich_pipeline.grouping.identity import with_group_id
from immich_pipeline.grouping.schema import COMPONENT_ROLE, KEPT_WHOLE

SEVERAL_SHOTS = ("burst", *KEPT_WHOLE)
"""Kinds of captures whose members are shots of their own."""

NO_LIVE_VIDEOS = pl.DataFrame(schema={"still_id": pl.String, "video_id": pl.String})

_CAPTURE_COLUMNS = ("group_id", "asset_id", "role", "kind")


def decision_sets(
    groups: pl.DataFrame,
    members: pl.DataFrame,
    captures: pl.DataFrame,
    classes: ClassTable | None = None,
    live: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Put duplicate groups and captures together to what is decided at once.

    What holds of every result:

    - An asset is in one unit, and in one set at most. A set has two units or more, all of one owner.
    - There is a duplicate group that every unit of the set has a file in. Of any group a unit has one file at most.
    - All files of a unit are there. A file has a ``group_id`` exactly if another unit of the set has a file in that
      group: those two are counterparts. A unit may be given up only if each of its files has one in the unit that is kept.
    - Class, confidence and diameter are the weakest of the groups that are named.

    Units that would fit several sets are in one of them; the others are formed without it. What is left over comes
    up again when the first is done. What may be resolved unattended comes first, so that nothing certain waits for a
    person; then the most units, then the strongest class, then the group's id.

    Equal files in one capture are no parts of it twice: the first by id is the capture's, each other is a unit of its own.
    A live video among the frames of a burst whose still is not known is in no set: it is not decided apart from its still.

    Args:
        groups: ``GROUP_SCHEMA``.
        members: ``MEMBER_SCHEMA``.
        captures: ``group_id``, ``asset_id``, ``role`` and ``kind`` of the capture groups (not of the sets that are kept
            whole).
        classes: Which class is weaker; the package's own by default.
        live: ``still_id`` and ``video_id``: which live video among the frames of a burst belongs to which of them; none
            by default.

    Returns:
        ``SET_SCHEMA``. Ids follow from the assets alone, and nothing depends on the order of any input.

    Raises:
        ValueError: ``captures`` lack a column or hold an asset twice.
    """
    table = classes or default_classes()
    units = _units(members, _checked(captures), NO_LIVE_VIDEOS if live is None else live)
    anchors = _anchors(_memberships(units, groups, table))
    rows = units.join(anchors, on="unit_id")
    shared = pl.col("group_id").is_not_null() & (pl.len().over("anchor", "group_id") > 1)
    rows = rows.with_columns(group_id=pl.when(shared).then("group_id"))
    return _finished(rows, groups, table)


def _checked(captures: pl.DataFrame) -> pl.DataFrame:
    if missing := [column for column in _CAPTURE_COLUMNS if column not in captures.columns]:
        raise ValueError(f"sets of captures need the columns {', '.join(missing)}")
    if captures["asset_id"].is_duplicated().any():
        raise ValueError("an asset is in two captures: every asset is in one at most")
    return captures.select(capture="group_id", asset_id="asset_id", role="role", kind="kind")


def _units(members: pl.DataFrame, captures: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Every file of the units that are in groups: ``asset_id``, ``group_id`` (null: in none), ``role``, ``unit_id``."""
    in_groups = members.select("asset_id", "group_id")
    touched = captures.join(in_groups, on="asset_id", how="semi").select("capture").unique()
    several = pl.col("kind").is_in(SEVERAL_SHOTS)
    files = captures.join(touched, on="capture", how="semi")
    frames = _of_stills(files.filter(several), live)
    whole = files.filter(~several).with_columns(unit_id="capture").select(frames.columns)
    of_capture = pl.concat([whole, frames]).join(in_groups, on="asset_id", how="left")
    alone = in_groups.join(captures, on="asset_id", how="anti").select(
        "asset_id", "group_id", role=pl.lit(None, pl.String), unit_id="asset_id"
    )
    return _without_second_copies(pl.concat([alone, of_capture.select(alone.columns)]))


def _without_second_copies(units: pl.DataFrame) -> pl.DataFrame:
    """Equal files of one unit become units of their own, but for the one it is named after, else the first by id."""
    grouped = units.filter(pl.col("group_id").is_not_null())
    namesake = pl.col("asset_id").filter(pl.col("asset_id") == pl.col("unit_id")).min()
    copies = grouped.group_by("unit_id", "group_id").agg(
        pl.len(), first=pl.coalesce(namesake, pl.col("asset_id").min())
    )
    several = copies.filter(pl.col("len") > 1)
    told = units.join(several, on=["unit_id", "group_id"], how="left")
    again = (pl.col("asset_id") != pl.col("first")).fill_null(value=False)
    return told.select("asset_id", "group_id", "role", unit_id=pl.when(again).then("asset_id").otherwise("unit_id"))


def _of_stills(frames: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Each frame is a unit, with its live video; videos whose still is not known are left out."""
    is_video = pl.col("role") == COMPONENT_ROLE
    stills = frames.filter(~is_video).with_columns(unit_id="asset_id")
    belongs = live.sort("video_id", "still_id").unique("video_id", keep="first", maintain_order=True)
    videos = (
        frames.filter(is_video)
        .join(belongs, left_on="asset_id", right_on="video_id")
        .rename({"still_id": "unit_id"})
        .join(stills.select("capture", "unit_id"), on=["capture", "unit_id"], how="semi")
    )
    return pl.concat([stills, videos.select(stills.columns)]).select("asset_id", "role", "unit_id")


def _memberships(units: pl.DataFrame, groups: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    """Which unit has a file in which group: ``unit_id``, ``group_id``, and the group's ``strength`` (0: the strongest).

    ``waits``: whether a person decides about it.
    """
    strength = pl.col("class").replace_strict(table.order(), return_dtype=pl.Int64)
    waits = ~pl.col("class").is_in(table.unattended())
    of_group = groups.select("group_id", strength=strength, waits=waits)
    return units.select("unit_id", "group_id").join(of_group, on="group_id")


def _anchors(memberships: pl.DataFrame) -> pl.DataFrame:
    """One group for each unit of a set: ``unit_id`` and ``anchor``.

    In rounds: every unit prefers the best of its groups; a group that all its units prefer becomes a set, and they
    leave. The best group of all is always among them, so each round leaves fewer.
    """
    found = [memberships.select("unit_id", anchor="group_id").clear()]
    left = memberships.filter(pl.len().over("group_id") > 1)
    while left.height:
        sizes = left.group_by("group_id").agg(pl.col("waits", "strength").first(), units=pl.len().cast(pl.Int64))
        ranked = sizes.sort("waits", pl.col("units").neg(), "strength", "group_id").select("group_id")
        ranked = ranked.with_row_index("rank")
        wanted = left.join(ranked, on="group_id").with_columns(best=pl.col("rank").min().over("unit_id"))
        chosen = wanted.filter((pl.col("rank") == pl.col("best")).all().over("group_id"))
        found.append(chosen.select("unit_id", anchor="group_id"))
        rest = left.join(chosen, on="unit_id", how="anti")
        left = rest.filter(pl.len().over("group_id") > 1)
    return pl.concat(found)


def _finished(rows: pl.DataFrame, groups: pl.DataFrame, table: ClassTable) -> pl.DataFrame:
    order = pl.col("class").replace_strict(table.order(), return_dtype=pl.Int64)
    told = rows.join(groups.select("group_id", "class", "confidence", "diameter"), on="group_id", how="left")
    weakest = (
        told.filter(pl.col("group_id").is_not_null())
        .group_by("anchor")
        .agg(pl.col("class").sort_by(order).last(), pl.col("confidence").min(), pl.col("diameter").max())
    )
    owners = groups.select("owner", anchor="group_id")
    ids = with_group_id(rows.select("asset_id", "anchor", kind=pl.lit("duplicates")), "anchor", "kind")
    named = rows.with_columns(set_id=ids["group_id"]).join(weakest, on="anchor").join(owners, on="anchor")
    typed = named.select([pl.col(column).cast(dtype) for column, dtype in SET_SCHEMA.items()])
    return typed.sort("set_id", "unit_id", "asset_id")
