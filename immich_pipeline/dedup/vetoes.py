"""What metadata says against two pictures being one: another camera, another moment, another exposure, other people.

Pixels cannot tell the frames of a burst or of a still scene apart; the camera's clock can.
"""

import polars as pl

from immich_pipeline.dedup.classes import Limits

VETO_COLUMNS = ("camera", "serial", "wall", "instant", "digits", "exposure_bias")

_RIGHT = "_right"


def veto_facts(facts: pl.DataFrame) -> pl.DataFrame:
    """Per asset what the vetoes compare.

    Args:
        facts: ``FACTS_SCHEMA``.

    Returns:
        ``asset_id``; ``camera`` (String: make and model in lower case, null unless both are known), ``serial``
        (String), ``wall`` and ``instant`` (Int64 whole seconds), ``digits`` (String: sub-second digits as recorded,
        null where unknown), ``exposure_bias`` (Float64, EV).
    """

    def text(column: str) -> pl.Expr:
        stripped = pl.col(column).str.strip_chars().str.to_lowercase()
        return pl.when(stripped != "").then(stripped)

    recorded = pl.when(pl.col("subsec").str.contains(r"^[0-9]+$")).then("subsec")
    micros = pl.col("taken_at_local").dt.microsecond()
    in_time = pl.when(micros != 0).then(micros.cast(pl.String).str.zfill(6))
    return facts.select(
        "asset_id",
        camera=pl.concat_str(text("make"), text("model"), separator="\n"),
        serial=text("serial"),
        wall=pl.col("taken_at_local").dt.epoch("s"),
        instant=pl.col("taken_at").dt.epoch("s"),
        digits=pl.coalesce(recorded, in_time),
        exposure_bias="exposure_bias",
    )


def different_camera() -> pl.Expr:
    """True where both cameras are known and are not the same; false where nothing says so.

    For frames that hold ``VETO_COLUMNS`` of one picture, and of the other with the suffix "_right".
    """
    models = pl.col("camera") != pl.col(f"camera{_RIGHT}")
    serials = pl.col("serial") != pl.col(f"serial{_RIGHT}")
    return (models | serials).fill_null(value=False)


def seconds_apart(limits: Limits) -> pl.Expr:
    """Seconds between the two moments after time zones are reconciled; null where a time is not known.

    Where both or neither name their offset from UTC and it is the same, the clocks are taken at their word. Otherwise
    clocks that differ by whole zone steps are one moment read in two zones, and so are equal instants.
    """
    clocks = (pl.col("wall") - pl.col(f"wall{_RIGHT}")).abs()
    offset, other = pl.col("wall") - pl.col("instant"), pl.col(f"wall{_RIGHT}") - pl.col(f"instant{_RIGHT}")
    rest = clocks % limits.zone_step_seconds
    reconciled = pl.min_horizontal(rest, limits.zone_step_seconds - rest)
    doubtful = offset.ne_missing(other) & (clocks <= limits.zone_limit_seconds)
    instants = pl.when(doubtful | clocks.is_null()).then((pl.col("instant") - pl.col(f"instant{_RIGHT}")).abs())
    return pl.min_horizontal(pl.when(doubtful).then(reconciled).otherwise(clocks), instants)


def different_moment(limits: Limits) -> pl.Expr:
    """True where one camera took the two at different moments; false where nothing says so.

    With sub-seconds on both sides any difference counts, compared as far as both record them; without, a rounded second
    does not.
    """
    same_camera = (pl.col("camera") == pl.col(f"camera{_RIGHT}")) & ~different_camera()
    apart = seconds_apart(limits)
    exactly = (apart > 0) | fractions_differ()
    differ = pl.when(fractions_differ().is_not_null()).then(exactly).otherwise(apart > limits.whole_second_tolerance)
    return (same_camera & differ).fill_null(value=False)


def fractions_differ() -> pl.Expr:
    """Whether the two fractions of a second differ, as far as both are recorded; null where one is not known."""
    digits, other = pl.col("digits"), pl.col(f"digits{_RIGHT}")
    shared = pl.min_horizontal(digits.str.len_bytes(), other.str.len_bytes())
    return digits.str.slice(0, shared) != other.str.slice(0, shared)


def different_exposure(limits: Limits) -> pl.Expr:
    """True where both were exposed on purpose by different amounts, as the frames of a bracket are; false where nothing says so."""
    bias, other = pl.col("exposure_bias"), pl.col(f"exposure_bias{_RIGHT}")
    return ((bias - other).abs() > limits.exposure_tolerance).fill_null(value=False)


def different_people() -> pl.Expr:
    """True where each picture shows a named person that the other does not; false where nothing says so.

    A face that was found on one copy and missed on the other is no difference. For frames that hold ``people`` (List of
    ids, null or empty where nobody is named) of one picture, and of the other with the suffix "_right".
    """
    people, other = pl.col("people"), pl.col(f"people{_RIGHT}")
    lacking = people.list.set_difference(other).list.len() > 0
    lacking_too = other.list.set_difference(people).list.len() > 0
    return (lacking & lacking_too).fill_null(value=False)
