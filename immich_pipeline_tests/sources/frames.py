"""Small frames in the shape of scans and of what is known, and the database's part of a snapshot."""

import polars as pl

from immich_pipeline.sources.names import with_names
from immich_pipeline.sources.protocol import FILE_SCHEMA
from immich_pipeline.sources.reconcile import ROW_SCHEMA, Reconciled

SOURCE_ID = "6f1d6f0e-8a60-5f3b-9a3e-2f8d3c1b0a99"
KNOWN_SCHEMA = {**ROW_SCHEMA, "gone": pl.Boolean(), "sha256": pl.Binary()}

File = tuple[str, int, int, int]
"""Path, size, mtime_ns, inode."""


def scan_of(*files: File, device: int = 1, owner: str = "local") -> pl.DataFrame:
    columns = pl.DataFrame(
        [(path.encode(), *version) for path, *version in files],
        schema={name: FILE_SCHEMA[name] for name in ("real_path", "size", "mtime_ns", "inode")},
        orient="row",
    )
    return with_names(columns).select(
        [
            pl.lit(value, dtype=FILE_SCHEMA[name]).alias(name)
            if (
                value := {
                    "kind": "image",
                    "format": "jpeg",
                    "device": device,
                    "owner": owner,
                    "source_id": SOURCE_ID,
                }.get(name)
            )
            else pl.col(name)
            for name in FILE_SCHEMA
        ]
    )


def nothing_known() -> pl.DataFrame:
    return pl.DataFrame(schema=KNOWN_SCHEMA)


def after(known: pl.DataFrame, found: Reconciled) -> pl.DataFrame:
    """What is known once the outcome has been written: rows replace rows of their id, what is gone is marked."""
    written = found.rows.with_columns(gone=pl.lit(value=False), sha256=pl.lit(None, pl.Binary)).select(
        list(KNOWN_SCHEMA)
    )
    kept = known.join(written, on="asset_id", how="anti")
    kept = kept.with_columns(gone=pl.col("gone") | pl.col("asset_id").is_in(found.gone))
    return pl.concat([kept, written]).sort("asset_id")


def paths(frame: pl.DataFrame) -> list[str]:
    return frame["path"].to_list()


def ids_by_path(known: pl.DataFrame) -> dict[str, str]:
    """The asset of each path that is not gone."""
    return dict(known.filter(~pl.col("gone")).select("path", "asset_id").iter_rows())
