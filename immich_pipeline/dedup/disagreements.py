"""Where the files of a set contradict each other, or would take something with them: why a person has to look."""

import polars as pl

from immich_pipeline.dedup.classes import Limits
from immich_pipeline.dedup.completeness import knows
from immich_pipeline.dedup.protection import CHERISHED, NEVER
from immich_pipeline.dedup.schema import FACTS_SCHEMA
from immich_pipeline.dedup.vetoes import VETO_COLUMNS, different_camera, fractions_differ, seconds_apart, veto_facts
from immich_pipeline.policies import DuplicateSettings

_EARTH_METRES = 6_371_008.8
_WIDE, _NARROW, _SHAPE_TOLERANCE = 16 / 9, 4 / 3, 0.01
# Between two assets of a server all but these can be written into the kept one.
_NEVER_WRITTEN = ("camera", "lens")
_LOST_OUTSIDE = ("gps", "time_zone", "capture_time", "albums", "tags", "description", "faces", *_NEVER_WRITTEN)


def disagreements(files: pl.DataFrame, settings: DuplicateSettings, limits: Limits) -> pl.DataFrame:
    """The conflicts of each set, but for those that are about deleting.

    A kept file that knows a thing is what the others are compared with; where the kept unit knows nothing of it, the
    first that does. Nothing here changes which one is kept.

    Args:
        files: The frame of :func:`immich_pipeline.dedup.decide.decide`: files with ``kept`` (of the kept unit),
            ``is_keeper`` and the columns of all that is known.
        settings: Tolerances.
        limits: How far apart two moments are one.

    Returns:
        ``set`` and ``conflict``, each pair once.
    """
    main = files.filter(~pl.col("component"))
    clocks = _clocks(main)
    found = {
        "gps": _apart(main, settings.gps_tolerance_metres),
        "time": _moments(clocks, limits),
        "camera": _cameras(clocks),
        "letterbox": _letterboxed(clocks, limits),
        "extra_files": files.filter("uncovered", ~pl.col("component")),
        "live_video": _live_videos(files),
        "cannot_merge": _would_be_lost(main),
        "edits": _edits(main),
        "doubtful": main.filter(pl.col("class") == "reencoded", pl.col("confidence") < limits.unattended_confidence),
        "lesser_picture": _lesser(main, settings),
        "unproven": _unproven(main, clocks),
    }
    named = [frame.select("set").unique().with_columns(conflict=pl.lit(kind)) for kind, frame in found.items()]
    return pl.concat(named).sort("set", "conflict")


def _with_reference(files: pl.DataFrame, known: pl.Expr, columns: list[str]) -> pl.DataFrame:
    """The files that know a thing, beside the one of their set that they are compared with (suffix "_right")."""
    knowing = files.filter(known).select("set", "kept", "is_keeper", "asset_id", *columns)
    order = knowing.sort("set", pl.col("kept").not_(), pl.col("is_keeper").not_(), "asset_id")
    reference = order.unique("set", keep="first", maintain_order=True).select("set", *columns)
    return knowing.filter(pl.len().over("set") > 1).join(reference, on="set", suffix="_right")


def _apart(files: pl.DataFrame, metres: float) -> pl.DataFrame:
    compared = _with_reference(files, pl.col(knows("gps")), ["latitude", "longitude"])
    return compared.filter(_distance() > metres)


def _distance() -> pl.Expr:
    """Metres along a great circle by the haversine formula."""
    latitude, other = pl.col("latitude").radians(), pl.col("latitude_right").radians()
    across = (pl.col("longitude").radians() - pl.col("longitude_right").radians()) / 2
    chord = ((latitude - other) / 2).sin().pow(2) + latitude.cos() * other.cos() * across.sin().pow(2)
    return 2 * _EARTH_METRES * chord.clip(0, 1).sqrt().arcsin()


def _moments(clocks: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    compared = _with_reference(clocks, pl.col("true_date"), list(VETO_COLUMNS))
    return compared.filter(seconds_apart(limits) > limits.whole_second_tolerance)


def _cameras(clocks: pl.DataFrame) -> pl.DataFrame:
    by_model = _with_reference(clocks, pl.col("camera").is_not_null(), list(VETO_COLUMNS)).filter(different_camera())
    serials = _with_reference(clocks, pl.col("serial").is_not_null(), list(VETO_COLUMNS)).filter(different_camera())
    return pl.concat([by_model.select("set"), serials.select("set")])


def _clocks(files: pl.DataFrame) -> pl.DataFrame:
    """The files with what vetoes compare, without all the rest."""
    clocks = veto_facts(files.select(FACTS_SCHEMA.keys())).select("asset_id", *VETO_COLUMNS)
    shape = pl.max_horizontal("width", "height") / pl.min_horizontal("width", "height")
    own = files.select("set", "asset_id", "kept", "is_keeper", "true_date", shape=shape)
    return own.join(clocks, on="asset_id")


def _letterboxed(clocks: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """One camera, one moment, one of each shape."""
    keeper = clocks.filter("is_keeper").select("set", "shape", *VETO_COLUMNS)
    pairs = clocks.filter(~pl.col("kept")).join(keeper, on="set", suffix="_right")

    def near(column: str, shape: float) -> pl.Expr:
        return (pl.col(column) / shape - 1).abs() <= _SHAPE_TOLERANCE

    one_of_each = (near("shape", _WIDE) & near("shape_right", _NARROW)) | (
        near("shape", _NARROW) & near("shape_right", _WIDE)
    )
    same_camera = (pl.col("camera") == pl.col("camera_right")) & ~different_camera()
    return pairs.filter(one_of_each, same_camera, seconds_apart(limits) <= limits.whole_second_tolerance)


def _live_videos(files: pl.DataFrame) -> pl.DataFrame:
    """Videos that would be lost: of a folder's still, or one that both stills share."""
    lacking = files.filter("uncovered", "component")
    kept = files.filter("kept", pl.col("live_video_id").is_not_null()).select("set", "live_video_id").unique()
    shared = files.filter(~pl.col("kept")).join(kept, on=["set", "live_video_id"], how="semi")
    outside = files.filter(~pl.col("kept"), "has_live_video", ~pl.col("keeper_has_live_video"))
    unmovable = outside.filter(~(pl.col("on_server") & pl.col("keeper_on_server")))
    return pl.concat([frame.select("set") for frame in (lacking, shared, unmovable)])


def _would_be_lost(files: pl.DataFrame) -> pl.DataFrame:
    kept = files.group_by("set").agg(
        [pl.col(knows(what)).filter("kept").any().alias(f"kept_{what}") for what in _LOST_OUTSIDE]
    )
    losing = files.filter(~pl.col("kept")).join(kept, on="set")

    def lost(things: tuple[str, ...]) -> pl.Expr:
        return pl.any_horizontal([pl.col(knows(what)) & ~pl.col(f"kept_{what}") for what in things])

    on_server = pl.col("on_server") & pl.col("keeper_on_server")
    # Files of equal bytes say the same of themselves, even if not all have been read yet.
    written = lost(_NEVER_WRITTEN) & (pl.col("class") != "exact")
    return losing.filter(pl.when(on_server).then(written).otherwise(lost(_LOST_OUTSIDE)))


def _edits(files: pl.DataFrame) -> pl.DataFrame:
    edited = pl.col("is_edited").fill_null(value=False)
    kept = files.filter("kept", edited).select("set").unique()
    return files.filter(~pl.col("kept"), edited).join(kept, on="set", how="anti")


def _unproven(files: pl.DataFrame, clocks: pl.DataFrame) -> pl.DataFrame:
    """Alike, and nothing says that they are one moment.

    Two frames of a burst on a tripod, or two scans of one form, look no different when small, and one of them may have been made
    smaller since. So both must say when they were taken, and to the same fraction of a second or under one name: within a second a
    camera takes several. Cameras that do not know fractions write zeros.
    """
    stem = pl.col("name").str.to_lowercase().str.replace(r"\.[^.]*$", "")
    saved_again = files.filter(pl.col("class") == "reencoded").select("set", "asset_id", "key", "kept", stem=stem)
    saved_again = saved_again.join(clocks.select("asset_id", "true_date", "digits"), on="asset_id")
    kept = saved_again.filter("kept").select("set", "key", "true_date", "digits", "stem")
    pairs = saved_again.filter(~pl.col("kept")).join(kept, on=["set", "key"], suffix="_right")
    one_fraction = ~fractions_differ() & pl.col("digits").str.contains("[1-9]")
    one_moment = one_fraction.fill_null(value=False) | (pl.col("stem") == pl.col("stem_right")).fill_null(value=False)
    return pairs.filter(~(pl.col("true_date") & pl.col("true_date_right") & one_moment))


def _lesser(files: pl.DataFrame, settings: DuplicateSettings) -> pl.DataFrame:
    """A better picture lost to one that is only dear to someone, which the better one could have become as well."""
    kept = files.filter("kept").group_by("set").agg(
        dear=pl.col(CHERISHED).is_not_null().any(),
        meant=pl.col("chosen_by_person").any() | pl.col(NEVER).is_not_null().any(),
        kept_pixels=pl.col("pixels").max(),
        kept_original=pl.col("edited_reason").is_null().any(),
    )  # fmt: skip
    lost = files.filter(~pl.col("kept"), pl.col("lost_at") == "protected")
    lost = lost.join(kept.filter("dear", ~pl.col("meant")), on="set")
    larger = pl.col("kept_pixels").fill_null(0) < pl.col("pixels") * (1 - settings.pixel_tolerance)
    original = pl.col("edited_reason").is_null() & ~pl.col("kept_original")
    return lost.filter(larger.fill_null(value=False) | original)
