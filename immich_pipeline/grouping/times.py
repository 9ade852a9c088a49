"""When a picture was taken, as comparable numbers, and which pictures of a bucket were taken together."""

import polars as pl

from immich_pipeline.grouping.rules import GroupingRules

MICROSECONDS = 1_000_000
_EARLIEST_YEAR = 1826
_WIDEST_ZONES_US = 26 * 3600 * MICROSECONDS


def with_times(assets: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Add capture times as numbers.

    Args:
        assets: ``taken_at`` (Datetime us, UTC), ``taken_at_local`` (Datetime us, wall clock), ``utc_offset_minutes``
            (Int32), ``subsec`` (String of digits).
        rules: Placeholder times.

    Returns:
        ``assets`` with these replaced by ``instant_us`` and ``local_us`` (Int64 microseconds, sub-seconds included, null
        where unknown), and ``subsec_known`` (Boolean). A wall clock of midnight on 1 January is a placeholder: scanners
        and empty camera clocks write it, so that time is unknown. So are times before photography.
    """
    fraction = (
        pl.when(pl.col("subsec").str.contains(r"^[0-9]+$"))
        .then((pl.lit("0.") + pl.col("subsec")).cast(pl.Float64, strict=False) * MICROSECONDS)
        .cast(pl.Int64)
    )
    clock = pl.col("taken_at_local")
    local, instant = clock.dt.epoch("us"), pl.col("taken_at").dt.epoch("us")
    offset_us = pl.col("utc_offset_minutes").cast(pl.Int64) * (60 * MICROSECONDS)
    midnight = (clock.dt.ordinal_day() == 1) & (local % (86_400 * MICROSECONDS) == 0) & (fraction.fill_null(0) == 0)
    known_placeholders = pl.Series(rules.placeholder_times, dtype=pl.Datetime("us")).implode()
    placeholder = midnight | clock.is_in(known_placeholders) | (clock.dt.year() < _EARLIEST_YEAR)

    def exact(time: pl.Expr) -> pl.Expr:
        # The frame may carry the sub-seconds in the time itself or only beside it.
        whole = time % MICROSECONDS == 0
        sure = ~placeholder.fill_null(value=False)
        return pl.when(sure).then(pl.when(whole).then(time + fraction.fill_null(0)).otherwise(time))

    return assets.with_columns(
        instant_us=exact(pl.coalesce(instant, local - offset_us)),
        local_us=exact(pl.coalesce(local, instant + offset_us)),
        subsec_known=fraction.is_not_null()
        | (local % MICROSECONDS != 0).fill_null(value=False)
        | (instant % MICROSECONDS != 0).fill_null(value=False),
    ).drop("taken_at", "taken_at_local", "utc_offset_minutes", "subsec")


def cut_at_gaps(rows: pl.DataFrame, bucket: str) -> pl.DataFrame:
    """Cut buckets where no two time zones can make up for the distance in time, so that less is left to compare.

    Args:
        rows: ``local_us`` (Int64, never null), ``row`` and the bucket's number.
        bucket: A column of numbers.

    Returns:
        ``rows``, sorted, with the column ``bucket`` numbered anew (UInt32).
    """
    rows = rows.sort(bucket, "local_us", "row")
    begins = (pl.col(bucket) != pl.col(bucket).shift()) | (
        pl.col("local_us") - pl.col("local_us").shift() > _WIDEST_ZONES_US + pl.col("tolerance_us")
    )
    return rows.with_columns(begins.fill_null(value=True).cum_sum().alias(bucket))


def taken_together(rows: pl.DataFrame, bucket: list[str], rules: GroupingRules) -> pl.DataFrame:
    """Split buckets into sets of rows taken together: neighbours in sorted order, so no boundary cuts a pair apart.

    Two rows of a bucket belong together when their wall clocks or their instants are at most ``tolerance_us`` apart,
    when their wall clocks show the same second and one of them has no sub-second, or when their wall clocks differ by
    whole zone steps up to the zone limit. Rows without any time join the rows of their own folder where those are one
    set; where they could belong to several sets they join none. Uploads, which lie in no folder, join none without a time.

    Args:
        rows: ``row``, ``folder`` (UInt32), ``has_folder`` (Boolean), ``local_us``, ``instant_us``, ``tolerance_us`` (Int64),
            ``subsec_known`` (Boolean) and the bucket's columns.
        bucket: Columns that must be equal.
        rules: The zone step and limit.

    Returns:
        ``rows`` in an order of its own, with ``set`` (Int64, one value per set) and ``evidence`` (String: same_time,
        near_time, zone_shift or name_only; how the row's set hangs together).
    """
    keyed = rows.with_columns(_bucket=pl.struct(bucket).rank("dense").cast(pl.Int64))
    is_timed = pl.col("local_us").is_not_null() | pl.col("instant_us").is_not_null()
    timed, untimed = keyed.filter(is_timed), keyed.filter(~is_timed)
    linked = _with_evidence(_connect(_with_runs(timed, rules)))
    return pl.concat([linked, _place_untimed(untimed, linked)]).drop("_bucket")


def _with_runs(timed: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Add three run numbers; rows that share one belong together."""
    step = rules.zone_step_minutes * 60
    second = pl.coalesce("local_us", "instant_us") // MICROSECONDS
    phase = pl.when(pl.col("local_us").is_not_null()).then(second % step)
    timed = timed.with_columns(
        second=second, phase=phase, fraction=pl.coalesce("local_us", "instant_us") % MICROSECONDS
    )
    both_exact = pl.col("subsec_known") & pl.col("subsec_known").shift()
    same_second = (pl.col("second") == pl.col("second").shift()) & ~both_exact
    same_fraction = (pl.col("fraction") == pl.col("fraction").shift()) | ~both_exact

    def gap(column: str) -> pl.Expr:
        return pl.col(column) - pl.col(column).shift()

    zone_limit_us = rules.zone_limit_minutes * 60 * MICROSECONDS
    links = {
        "run_local": (["local_us"], (gap("local_us") <= pl.col("tolerance_us")) | same_second),
        "run_instant": (["instant_us"], gap("instant_us") <= pl.col("tolerance_us")),
        "run_zone": (["phase", "local_us"], (gap("phase") == 0) & (gap("local_us") <= zone_limit_us) & same_fraction),
    }
    for run, (order, linked) in links.items():
        timed = timed.sort("_bucket", *order, "row")
        starts = ~((gap("_bucket") == 0) & linked).fill_null(value=False)
        timed = timed.with_columns(starts.cum_sum().cast(pl.Int64).alias(run))
    return timed


def _connect(timed: pl.DataFrame) -> pl.DataFrame:
    """Add ``set``: rows reachable through shared runs, by passing the smallest label on until nothing changes."""
    return connect(
        timed.with_row_index("set").with_columns(pl.col("set").cast(pl.Int64)), ("run_local", "run_instant", "run_zone")
    )


def connect(labelled: pl.DataFrame, links: tuple[str, ...]) -> pl.DataFrame:
    """Rows reachable through shared values, by passing the smallest label on until nothing changes.

    Args:
        labelled: ``set`` (Int64: a label of its own for each row that is not linked yet) and the columns of ``links``.
        links: Rows with equal values in one of these belong together.

    Returns:
        ``labelled`` with ``set`` equal for all rows that belong together.
    """
    while True:
        spread = labelled
        for link in links:
            spread = spread.with_columns(pl.col("set").min().over(link))
        if spread["set"].equals(labelled["set"]):
            return labelled
        labelled = spread


def _with_evidence(linked: pl.DataFrame) -> pl.DataFrame:
    fraction = pl.when("subsec_known").then("fraction")
    spread = (fraction.max().over("set") - fraction.min().over("set")).fill_null(0)
    same = (pl.col("second").n_unique().over("set") == 1) & (spread == 0)
    near = (pl.col("run_local").n_unique().over("set") == 1) | (pl.col("run_instant").n_unique().over("set") == 1)
    evidence = (
        pl.when(same).then(pl.lit("same_time")).when(near).then(pl.lit("near_time")).otherwise(pl.lit("zone_shift"))
    )
    return linked.with_columns(evidence=evidence).drop(
        "second", "phase", "fraction", "run_local", "run_instant", "run_zone"
    )


def _place_untimed(untimed: pl.DataFrame, linked: pl.DataFrame) -> pl.DataFrame:
    """Rows without a time: into the one set of their folder, else among themselves (negative numbers); uploads alone."""
    place = ["_bucket", "folder"]
    sets = linked.group_by(place).agg(pl.col("set").n_unique().alias("sets"), pl.col("set").min())
    own = -1 - pl.struct(place).rank("dense").cast(pl.Int64)
    homed = pl.when(pl.col("sets") == 1).then("set").otherwise(own)
    alone = -1 - pl.len() - pl.col("row").cast(pl.Int64)
    placed = untimed.join(sets, on=place, how="left").with_columns(
        set=pl.when("has_folder").then(homed).otherwise(alone), evidence=pl.lit("name_only")
    )
    return placed.select(linked.columns)
