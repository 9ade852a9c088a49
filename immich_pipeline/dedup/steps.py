"""The steps by which the kept one is chosen: what each compares, and how that is told."""

from typing import NamedTuple

import polars as pl

from immich_pipeline.dedup.completeness import WORDS, known_text, knows, points
from immich_pipeline.dedup.decision_rules import COVERS, DecisionRules
from immich_pipeline.dedup.originals import stem
from immich_pipeline.dedup.protection import CHERISHED, NEVER, folder_place
from immich_pipeline.grouping.rules import GroupingRules
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.policies import DuplicateSettings, Step

_MAIN = ~pl.col("component")


class StepRule(NamedTuple):
    """One step.

    Attributes:
        name: The step, as the settings call it.
        per_unit: Columns of a unit, from its files.
        score: Of a unit, Int64, the more the better, never null.
        text: Of a unit, what was compared, as told to a person.
        tolerance: Scores this close to the best of those compared are as good, a share of the best.
    """

    name: str
    per_unit: dict[str, pl.Expr]
    score: pl.Expr
    text: pl.Expr
    tolerance: float = 0.0


def step_rules(settings: DuplicateSettings, rules: DecisionRules, names: GroupingRules) -> list[StepRule]:
    """The steps in the order that holds; `library` only where a side is preferred."""
    built = {
        "protected": _protected(),
        "library": _library(settings),
        "original": _original(),
        "pixels": _pixels(settings),
        "format": _format(settings),
        "completeness": _completeness(settings),
        "earliest": _earliest(),
        "bytes": _bytes(),
        "folder": _folder(settings, rules),
        "name": _name(settings, names),
        "content": _content(),
    }
    wanted: list[Step] = [step for step in settings.steps if step != "library" or settings.prefer_library]
    return [rule for step in wanted for rule in ([built[step], _covers()] if step == "protected" else [built[step]])]


def score_column(step: str) -> str:
    """The column of a unit's score in a step."""
    return f"score_{step}"


def text_column(step: str) -> str:
    """The column of what a step tells of a unit."""
    return f"text_{step}"


def units_of(files: pl.DataFrame, rules: list[StepRule]) -> pl.DataFrame:
    """One row per unit: ``set``, ``unit``, ``unit_id``, and score and text of each step, sorted by unit."""
    keys = files.select("set", "unit", "key").drop_nulls().unique()
    covered = keys.group_by("unit").agg(covered=pl.len().cast(pl.Int64))
    wanted = keys.select("set", "key").unique().group_by("set").agg(wanted=pl.len().cast(pl.Int64))
    columns = {name: column for rule in rules for name, column in rule.per_unit.items()}
    units = files.group_by("unit", maintain_order=True).agg(pl.col("set", "unit_id").first(), **columns)
    units = units.join(covered, on="unit", how="left", maintain_order="left")
    units = units.join(wanted, on="set", how="left", maintain_order="left")
    return units.select(
        "set",
        "unit",
        "unit_id",
        **{score_column(rule.name): rule.score.cast(pl.Int64) for rule in rules},
        **{text_column(rule.name): rule.text for rule in rules},
    ).sort("unit")


def _main(column: str | pl.Expr) -> pl.Expr:
    """A column of a unit's files without the videos of live photos."""
    return (pl.col(column) if isinstance(column, str) else column).filter(_MAIN)


def _protected() -> StepRule:
    kept, never, cherished = pl.col("kept_by_person"), pl.col("why_never"), pl.col("why_cherished")
    person = pl.when(kept).then(pl.lit("chosen by a person"))
    text = pl.concat_str(person, never, cherished, separator=", ", ignore_nulls=True)
    return StepRule(
        "protected",
        {
            "kept_by_person": _main("chosen_by_person").any(),
            "why_never": _main(NEVER).drop_nulls().first(),
            "why_cherished": _main(CHERISHED).drop_nulls().first(),
        },
        # Among protected ones the next steps decide; but what a person chose is not weighed again.
        pl.when(kept).then(2).when(never.is_not_null() | cherished.is_not_null()).then(1).otherwise(0),
        pl.when(text == "").then(pl.lit("not protected")).otherwise(text),
    )


def _covers() -> StepRule:
    covered, wanted = pl.col("covered").fill_null(0), pl.col("wanted").fill_null(0)
    return StepRule(
        COVERS,
        {},
        covered >= wanted,
        pl.concat_str(covered.cast(pl.String), pl.lit(" of "), wanted.cast(pl.String), pl.lit(" files")),
    )


def _library(settings: DuplicateSettings) -> StepRule:
    external = pl.col("library_id").is_not_null()
    upload = pl.col("on_server") & ~external
    return StepRule(
        "library",
        {"external": _main(external).any(), "upload": _main(upload).any()},
        pl.col("external" if settings.prefer_library == "external" else "upload"),
        pl.when("external").then(pl.lit("external library"))
        .when("upload").then(pl.lit("upload"))
        .otherwise(pl.lit("file of a folder")),
    )  # fmt: skip


def _original() -> StepRule:
    return StepRule(
        "original",
        {"is_original": _main("edited_reason").is_null().any(), "why_edited": _main("edited_reason").first()},
        pl.col("is_original"),
        pl.when("is_original").then(pl.lit("original")).otherwise("why_edited"),
    )


def _pixels(settings: DuplicateSettings) -> StepRule:
    pixels = pl.col("most_pixels")
    small = pl.concat_str(pixels.cast(pl.String), pl.lit(" pixels"))
    large = pl.concat_str((pixels / 1_000_000).round(1).cast(pl.String), pl.lit(" MP"))
    return StepRule(
        "pixels",
        {"most_pixels": _main("pixels").max()},
        # What is not known is less than anything that is; a picture has one pixel at least.
        pixels.fill_null(0),
        pl.when(pixels >= _A_TENTH_OF_A_MEGAPIXEL).then(large).otherwise(small).fill_null("unknown"),
        settings.pixel_tolerance,
    )


_A_TENTH_OF_A_MEGAPIXEL = 100_000


def _format(settings: DuplicateSettings) -> StepRule:
    table = FormatTable.load()
    extensions = {extension: entry.name for entry in table.formats for extension in entry.extensions}
    of_name = pl.col("extension").str.to_lowercase().replace_strict(extensions, default=None, return_dtype=pl.String)
    name = pl.coalesce("format", of_name)
    # Makers' RAW formats are one to the settings; "raw" is also the name of one of them.
    family = (
        pl.when((pl.col("kind") == "raw") & (name != "dng").fill_null(value=True)).then(pl.lit("raw")).otherwise(name)
    )
    wanted = [extensions.get(entry.lower(), entry.lower()) for entry in settings.formats]
    places = {entry: place for place, entry in reversed(list(enumerate(wanted)))}
    place = family.replace_strict(places, default=len(wanted), return_dtype=pl.Int64)
    label = name.replace_strict({entry.name: entry.label or entry.name for entry in table.formats}, default=name)
    return StepRule(
        "format",
        {"format_place": _main(place).min(), "format_label": _main(label).get(_main(place).arg_min())},
        -pl.col("format_place"),
        pl.col("format_label").fill_null("unknown"),
    )


def _completeness(settings: DuplicateSettings) -> StepRule:
    known = {knows(what): _main(knows(what)).any() for what in WORDS}
    return StepRule("completeness", known, points(settings.weights), known_text(settings.weights))


def _earliest() -> StepRule:
    score, text = _main("date_score"), _main("date_text")
    return StepRule(
        "earliest",
        {"best_date": score.max(), "best_date_text": text.get(score.arg_max())},
        pl.col("best_date"),
        pl.col("best_date_text"),
    )


def _bytes() -> StepRule:
    size = pl.col("all_bytes")
    exact = pl.concat_str(size.cast(pl.String), pl.lit(" bytes"))
    rounded = pl.concat_str((size / 1_000_000).round(1).cast(pl.String), pl.lit(" MB ("), exact, pl.lit(")"))
    text = pl.when(size >= _A_MEGABYTE).then(rounded).otherwise(exact)
    return StepRule("bytes", {"all_bytes": _main("size").sum()}, size, text)


_A_MEGABYTE = 1_000_000


def _folder(settings: DuplicateSettings, rules: DecisionRules) -> StepRule:
    own = pl.col("path").str.contains("|".join(f"(?:{pattern})" for pattern in rules.folders.own))
    fallback = pl.when(own.fill_null(value=False)).then(len(settings.folders)).otherwise(len(settings.folders) + 1)
    place = pl.coalesce(folder_place(settings.folders), fallback.cast(pl.Int64))
    told = {number: f"in {folder}" for number, folder in enumerate(settings.folders)}
    told |= {len(settings.folders): "in the folder of its year", len(settings.folders) + 1: "no preferred folder"}
    best = pl.col("folder_place")
    return StepRule(
        "folder",
        {"folder_place": _main(place).min()},
        -best,
        best.replace_strict(told, return_dtype=pl.String),
    )


def _name(settings: DuplicateSettings, names: GroupingRules) -> StepRule:
    copy = stem(names).str.contains(f"(?s).(?:{'|'.join(names.copy_marks)})$")
    unwanted = pl.any_horizontal(
        pl.lit(value=False), *(pl.col("name").str.to_lowercase().str.contains(_glob(glob)) for glob in settings.names)
    )
    return StepRule(
        "name",
        {"is_copy": _main(copy).any(), "is_unwanted": _main(unwanted).any()},
        ~(pl.col("is_copy") | pl.col("is_unwanted")).fill_null(value=False),
        pl.when("is_copy").then(pl.lit("named as a copy"))
        .when("is_unwanted").then(pl.lit("a name that loses"))
        .otherwise(pl.lit("an own name")),
    )  # fmt: skip


def _glob(pattern: str) -> str:
    """A pattern of names as a regular expression: "*" is any text, "?" any character, all else itself."""
    signs = {"*": ".*", "?": "."}
    return f"(?s)^{''.join(signs.get(sign, _escaped(sign)) for sign in pattern.lower())}$"


def _escaped(sign: str) -> str:
    return sign if sign.isalnum() or sign.isspace() else f"\\x{{{ord(sign):x}}}"


def _content() -> StepRule:
    digest = pl.col("content").bin.encode("hex").str.slice(0, 12)
    return StepRule(
        "content",
        {"content_place": _main("content_place").min(), "content_text": _main(digest).drop_nulls().first()},
        -pl.col("content_place"),
        pl.concat_str(pl.lit("content "), pl.col("content_text")).fill_null("content unknown"),
    )


def content_place() -> pl.Expr:
    """The place of each file in the order of content, path and asset id, which is total."""
    order = pl.struct(pl.col("content").bin.encode("hex").fill_null("~"), pl.col("path").fill_null("~"), "asset_id")
    return order.rank("ordinal").cast(pl.Int64)
