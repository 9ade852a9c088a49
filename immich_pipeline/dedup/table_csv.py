"""The duplicates as a table for a spreadsheet: one row per file."""

from typing import Any

import polars as pl

from immich_pipeline.dedup.wording import visible_column

_OF_SET: dict[str, pl.DataType] = {
    "id": pl.String(),
    "owner": pl.String(),
    "class": pl.String(),
    "confidence": pl.Float64(),
    "verdict": pl.String(),
    "decided_by": pl.String(),
    "becomes": pl.String(),
    "conflicts": pl.List(pl.String()),
    "reclaimable_bytes": pl.Int64(),
}
_OF_FILE: dict[str, pl.DataType] = {
    "asset_id": pl.String(),
    "unit": pl.String(),
    "role": pl.String(),
    "capture_role": pl.String(),
    "name": pl.String(),
    "folder": pl.String(),
    "content": pl.String(),
    "size": pl.Int64(),
    "format": pl.String(),
    "width": pl.Int64(),
    "height": pl.Int64(),
    "taken_at": pl.String(),
    "taken_at_local": pl.String(),
    "time_zone": pl.String(),
    "make": pl.String(),
    "model": pl.String(),
    "lens": pl.String(),
    "has_position": pl.Boolean(),
    "metres_from_keeper": pl.Int64(),
    "favourite": pl.Boolean(),
    "rating": pl.Int64(),
    "visibility": pl.String(),
    "description": pl.String(),
    "albums": pl.Int64(),
    "tags": pl.List(pl.String()),
    "people": pl.Int64(),
    "stored": pl.String(),
    "score": pl.Int64(),
    "obstacle": pl.String(),
    "immich_agrees": pl.Boolean(),
    "clip_distance": pl.Float64(),
}
COLUMNS = ("set", *list(_OF_SET)[1:], *_OF_FILE, "immich_keeps", "immich_loses")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def duplicate_csv(document: dict[str, Any]) -> str:
    """The document as CSV (RFC 4180, UTF-8 once written), in the document's order.

    A cell that a spreadsheet would take for a formula gets a ' before it; lists are joined by "; ". Numbers stay numbers.

    Args:
        document: What ``dedup.document.duplicate_document`` returns.
    """
    rows = [
        [
            *of_set,
            *(file[name] for name in _OF_FILE),
            file["asset_id"] == part["immich"]["keeps"],
            part["immich"]["loses"],
        ]
        for part in document["sets"]
        for of_set in [[part[name] for name in _OF_SET]]
        for file in part["files"]
    ]
    types = [*_OF_SET.values(), *_OF_FILE.values(), pl.Boolean(), pl.List(pl.String())]
    table = pl.DataFrame(rows, schema=dict(zip(COLUMNS, types, strict=True)), orient="row")
    joined = table.with_columns(pl.col(pl.List(pl.String)).list.join("; "))
    texts = [_harmless(pl.col(name)) for name, dtype in joined.schema.items() if dtype == pl.String]
    return joined.with_columns(texts).write_csv(line_terminator="\r\n")


def _harmless(column: pl.Expr) -> pl.Expr:
    acts = pl.any_horizontal(column.str.starts_with(sign) for sign in _FORMULA)
    return pl.when(acts).then("'" + visible_column(column)).otherwise(visible_column(column)).name.keep()
