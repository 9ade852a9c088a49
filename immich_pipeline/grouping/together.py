"""From a shared name to captures: split what shares a name by time and by camera."""

import polars as pl

from immich_pipeline.grouping.cameras import CAMERA, camera_known, fill_cameras
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.times import MICROSECONDS, cut_at_gaps, taken_together

NAME_BUCKET = ["scope", "place", "name_rule", "name_key"]


def in_buckets(rows: pl.DataFrame, bucket: list[str]) -> pl.DataFrame:
    """Keep the rows that share all columns of the bucket with another row, and number the buckets.

    Sorting by hash is many times faster than by the columns; the columns themselves decide.

    Returns:
        Sorted by ``bucket_id`` (UInt32).
    """
    shared = rows.with_columns(_hash=_hash(bucket)).filter(pl.col("_hash").is_duplicated()).sort("_hash")
    differs = pl.any_horizontal([pl.col(column).ne_missing(pl.col(column).shift()) for column in bucket])
    differs = (differs | (pl.int_range(pl.len()) == 0)).cum_sum().alias("bucket_id")
    numbered = shared.drop("_hash").with_columns(differs)
    return numbered.filter(_several("bucket_id"))


def _hash(columns: list[str]) -> pl.Expr:
    # A null's hash would be null and take the others with it.
    parts = [pl.col(column).hash(number).fill_null(number) for number, column in enumerate(columns)]
    mixed = parts[0]
    for part in parts[1:]:
        mixed = (mixed ^ part).hash(len(columns))
    return mixed


def _several(column: str) -> pl.Expr:
    """In a sorted frame: rows that have a neighbour with the same value."""
    value = pl.col(column)
    return (value == value.shift()).fill_null(value=False) | (value == value.shift(-1)).fill_null(value=False)


def same_shot(rows: pl.DataFrame, rules: GroupingRules, bucket: list[str] | None = None) -> pl.DataFrame:
    """Split rows that share scope, place and name into sets of one camera and one time; rows alone are left out.

    Rows are taken together by time first, so that a file of unknown camera gets that of the file taken at the same
    time; then split by camera; then by time again, since two files may have been neighbours only through another
    camera's.

    Most buckets are one camera's files of one moment: these need none of that.

    Args:
        rows: Prepared assets with ``tolerance_us``.
        rules: Zone step and limit.
        bucket: Columns that must be equal; ``NAME_BUCKET`` by default.

    Returns:
        ``rows`` with ``set`` (Int64), ``evidence`` (String) and ``camera_known`` (Boolean).
    """
    plain, rest = _plain(in_buckets(rows, bucket or NAME_BUCKET))
    parts = [plain]
    if rest.height:
        is_untimed = pl.col("local_us").is_null().any().over("bucket_id")
        nearer, far = _plain(cut_at_gaps(rest.filter(~is_untimed), "bucket_id").filter(_several("bucket_id")))
        untimed = rest.filter(is_untimed).with_columns(pl.col("bucket_id") + rows.height)
        parts += [nearer, _difficult(pl.concat([far, untimed.select(far.columns)]), rules)]
    # Each part numbers its own sets.
    count = len(parts)
    numbered = [
        part.with_columns(set=pl.col("set").cast(pl.Int64) * count + number).drop("bucket_id")
        for number, part in enumerate(parts)
    ]
    sets = pl.concat([part.select(numbered[0].columns) for part in numbered])
    return sets.filter(pl.col("set").is_duplicated())


def _plain(shared: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Buckets that are one set as they are, with their evidence; and the others."""
    local, fraction = pl.col("local_us"), pl.when("subsec_known").then(pl.col("local_us") % MICROSECONDS)
    second = local // MICROSECONDS
    facts = shared.group_by("bucket_id").agg(
        (
            (local.null_count() == 0)
            & (local.max() - local.min() <= pl.col("tolerance_us").min())
            & pl.all_horizontal(
                [(pl.col(column).max() == pl.col(column).min()).fill_null(value=True) for column in CAMERA]
            )
        ).alias("is_plain"),
        pl.when((second.max() == second.min()) & ((fraction.max() - fraction.min()).fill_null(0) == 0))
        .then(pl.lit("same_time"))
        .otherwise(pl.lit("near_time"))
        .alias("evidence"),
    )
    judged = shared.join(facts, on="bucket_id", how="left", maintain_order="left")
    plain = judged.filter("is_plain").with_columns(set="bucket_id", camera_known=camera_known())
    return plain.drop("is_plain"), judged.filter(~pl.col("is_plain")).drop("is_plain", "evidence")


def _difficult(rows: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    by_time = taken_together(rows, ["bucket_id"], rules).rename({"set": "time_set"}).drop("evidence")
    by_camera = fill_cameras(by_time, ["time_set"])
    return taken_together(by_camera, ["time_set", *CAMERA], rules).drop("time_set")


def cameras_apart(rows: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Rows of one name and time that are apart only because several cameras took them.

    Args:
        rows: Prepared assets with ``tolerance_us``.
        rules: Zone step and limit.

    Returns:
        Those rows with ``set`` (Int64: one name and time).
    """
    _, rest = _plain(in_buckets(rows, NAME_BUCKET))
    by_time = taken_together(rest, ["bucket_id"], rules)
    several = [pl.col(column).drop_nulls().n_unique().over("set") > 1 for column in CAMERA]
    return by_time.filter(pl.any_horizontal(several)).drop("evidence", "bucket_id")
