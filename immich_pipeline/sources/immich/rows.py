"""From what the server says of its assets to the pipeline's own columns. Pure functions of frames."""

from collections.abc import Mapping

import polars as pl

from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.paths import PathMap
from immich_pipeline.media.formats import FormatTable
from immich_pipeline.sources.names import display_text
from immich_pipeline.store.immich import STAGE_SCHEMA

UPLOADS = "uploads"
"""The folder of uploads that Immich keeps under names of its own: their real folders say nothing of the photos."""

_KINDS = {"image": "image", "video": "video"}


def asset_rows(
    records: pl.DataFrame, owners: Mapping[str, str], *, formats: FormatTable, paths: PathMap, media_location: str
) -> pl.DataFrame:
    """The rows to stage for some records.

    An asset's name is the one that it was uploaded with; its folder is the one on the server, and "uploads" for those that the server
    keeps under `upload/` by random names. The file's time stands for its version, in nanoseconds. A stack counts for its visible members.

    Args:
        records: `RECORD_SCHEMA`, photos and videos only.
        owners: what each owner id is called.
        formats: the known formats; a name without a known extension is of the kind that the server says.
        paths: where the server's folders are mounted here.
        media_location: the server's media folder, as it sees it.

    Returns:
        `STAGE_SCHEMA`.

    Raises:
        ImmichError: a text holds a NUL character, which no database and no path can.
    """
    _refuse_nul(records)
    degrees = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("latitude", "longitude")]
    records = records.with_columns(*degrees, size=pl.when(pl.col("size") >= 0).then("size"))
    placed = records.with_columns(
        owner=pl.col("owner_id").replace_strict(owners, return_dtype=pl.String),
        real_path=pl.col("original_path").cast(pl.Binary),
        path=display_text(records["original_path"].cast(pl.Binary)).str.strip_prefix("/"),
        name=display_text(records["original_name"].cast(pl.Binary)),
        mtime_ns=pl.col("file_modified_at").dt.epoch("ms") * 1_000_000,
    )
    folder = pl.col("path").str.extract(r"^(.*)/").fill_null("")
    random_names = pl.col("original_path").str.starts_with(f"{media_location.rstrip('/')}/upload/")
    placed = placed.with_columns(
        folder=pl.when(random_names).then(pl.lit(UPLOADS)).otherwise(folder), extension=_extension(placed)
    )
    placed = placed.with_columns(pl.when(counts_in_stacks()).then(pl.col("stack_id", "stack_primary_id")))
    located = paths.locate_all(placed["original_path"]).rename({"root": "mounted_root", "real_path": "mounted_path"})
    known = _formats(placed["extension"], formats)
    return (
        placed.join(known, on="extension", how="left", maintain_order="left")
        .hstack(located)
        .with_columns(
            kind=pl.coalesce("kind", pl.col("type").replace_strict(_KINDS, default=None, return_dtype=pl.String)),
            format=pl.coalesce("format", pl.lit("unknown")),
        )
        .select([pl.col(name).cast(dtype) for name, dtype in STAGE_SCHEMA.items()])
    )


def counts_in_stacks() -> pl.Expr:
    """Whether an asset counts as one of its stack: what a person sees of it does. Needs columns of `RECORD_SCHEMA`."""
    return ~pl.col("is_trashed") & (pl.col("visibility") != "hidden") & pl.col("size").is_not_null()


def photos_and_videos(records: pl.DataFrame) -> pl.DataFrame:
    """The records that are photos or videos; the server may hold sound files as well."""
    return records.filter(pl.col("type").is_in(list(_KINDS)))


def _refuse_nul(records: pl.DataFrame) -> None:
    texts = [name for name, dtype in records.schema.items() if dtype == pl.String]
    wrong = records.filter(pl.any_horizontal(pl.col(texts).str.contains("\0", literal=True)))
    if wrong.height:
        raise ImmichError(
            f"the server's record of the asset {wrong['asset_id'][0]} holds a NUL character: it cannot be right"
        )


def _extension(placed: pl.DataFrame) -> pl.Series:
    """By the name the photo came with, else by that of its file."""
    pattern = r".\.([^.]{1,8})$"
    own = placed["name"].str.extract(pattern)
    on_disk = placed["original_path"].str.extract(pattern)
    return pl.select(pl.coalesce(own, on_disk, pl.lit(""))).to_series().str.to_lowercase().alias("extension")


def _formats(extensions: pl.Series, formats: FormatTable) -> pl.DataFrame:
    found = {extension: formats.by_extension(extension) for extension in extensions.unique().to_list()}
    return pl.DataFrame(
        [(extension, fmt.kind, fmt.name) for extension, fmt in found.items() if fmt and fmt.kind != "sidecar"],
        schema={"extension": pl.String, "kind": pl.String, "format": pl.String},
        orient="row",
    )
