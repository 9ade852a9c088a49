"""Pictures taken in a row on purpose: exposure brackets, focus stacks, panoramas. Kept whole, never duplicates."""

import polars as pl

from immich_pipeline.grouping.cameras import CAMERA
from immich_pipeline.grouping.evidence import as_members, stacked
from immich_pipeline.grouping.pictures import IS_PICTURE
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.grouping.schema import KEPT_WHOLE
from immich_pipeline.grouping.together import same_shot


def in_runs(frames: pl.DataFrame, within: list[str], gap_ms: int) -> pl.DataFrame:
    """Number runs of frames that follow each other closely.

    Args:
        frames: Prepared assets with ``local_us`` known.
        within: Columns that must be equal.
        gap_ms: The longest pause in a run, milliseconds, boundary included.

    Returns:
        ``frames`` sorted by run and time, with ``set`` (UInt32).
    """
    frames = frames.sort(*within, "local_us", "row")
    begins = (pl.col("local_us") - pl.col("local_us").shift()).fill_null(0) > gap_ms * 1000
    for column in within:
        begins |= pl.col(column).ne_missing(pl.col(column).shift())
    return frames.with_columns(begins.cum_sum().alias("set"))


def brackets(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Exposure brackets: pictures in a row of one camera and folder, each with another exposure bias.

    A run in which the biases come again is several brackets, one after the other.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame.
    """
    known = [pl.col(column).is_not_null() for column in ("exposure_bias", "local_us", "make", "model")]
    frames = prepared.filter(IS_PICTURE, pl.all_horizontal(known), pl.col("version") == 0)
    runs = in_runs(frames, ["scope", "place", *CAMERA], rules.bracket_gap_ms)
    turn = pl.int_range(pl.len()).over("set", "exposure_bias")
    turns = runs.with_columns(set=pl.struct("set", turn.alias("turn")).rank("dense"))
    # Again, since frames of another turn may have been between.
    sets = in_runs(turns.rename({"set": "turn_set"}), ["turn_set"], rules.bracket_gap_ms)
    return as_members(
        sets.filter(pl.len().over("set") >= rules.bracket_min_frames).with_columns(
            kind=pl.lit("bracket"),
            role=pl.lit("frame"),
            evidence=pl.lit("exposure_bias"),
            camera_known=pl.lit(value=True),
        )
    )


def sequences_by_name(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    """Brackets, focus stacks and panoramas that names or folders tell of, if times and cameras agree.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame.
    """
    return stacked(frames_by_name(prepared, rules, KEPT_WHOLE), _frames_by_folder(prepared, rules))


def frames_by_name(prepared: pl.DataFrame, rules: GroupingRules, uses: tuple[str, ...]) -> pl.DataFrame:
    """Groups of two or more pictures that the name rules of these uses put in one sequence.

    Returns:
        ``evidence.MEMBER_SCHEMA`` with the role frame; the kind is the rule's use.
    """
    wanted = {number: rule for number, rule in enumerate(rules.active_name_rules()) if rule.use in uses}
    frames = prepared.filter(IS_PICTURE, pl.col("name_rule").is_in(list(wanted)))
    number = pl.col("name_rule")
    gaps = {n: rules.burst_gap_ms if rule.tolerance_ms is None else rule.tolerance_ms for n, rule in wanted.items()}
    sets = same_shot(frames.with_columns(tolerance_us=number.replace_strict(gaps, return_dtype=pl.Int64) * 1000), rules)
    kind = number.replace_strict({n: rule.use for n, rule in wanted.items()}, return_dtype=pl.String)
    return as_members(sets.with_columns(kind=kind, role=pl.lit("frame")))


def _frames_by_folder(prepared: pl.DataFrame, rules: GroupingRules) -> pl.DataFrame:
    number = pl.col("folder_rule")
    numbered = dict(enumerate(rules.folder_rules))
    gap = number.replace_strict({n: rule.gap_ms for n, rule in numbered.items()}, return_dtype=pl.Int64) * 1000
    frames = prepared.filter(IS_PICTURE, number.is_not_null()).with_columns(tolerance_us=gap)
    sets = same_shot(frames, rules, ["scope", "folder"])
    kind = number.replace_strict({n: rule.use for n, rule in numbered.items()}, return_dtype=pl.String)
    return as_members(sets.with_columns(kind=kind, role=pl.lit("frame")))
