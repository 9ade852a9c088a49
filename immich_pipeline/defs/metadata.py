"""Metadata that a person reads in the UI, made from frames and counts."""

import base64
from collections.abc import Mapping

import dagster as dg
import polars as pl

from immich_pipeline.store.frames import Changes

_CELL_LIMIT = 120
# all at once: one after the other would change what was already made harmless
_HARMLESS = {ord(character): f"&#{ord(character)};" for character in "\\`*_[]<>|#!&"}


def markdown_table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    """A small frame as a Markdown table; text from the library is made harmless (no markup, no line breaks)."""
    header = "| " + " | ".join(frame.columns) + " |"
    rule = "|" + " --- |" * frame.width
    rows = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in frame.iter_rows()]
    return dg.MetadataValue.md("\n".join([header, rule, *rows]) if rows else "none")


def counts_table(counts: Mapping[str, int], what: str, of: str = "files") -> dg.MarkdownMetadataValue:
    """Counts of something by reason as a Markdown table, most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table(pl.DataFrame({what: [name for name, _ in ordered], of: [count for _, count in ordered]}))


def picture(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """A PNG shown in place."""
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")


def changed(changes: Changes) -> dict[str, int]:
    """What a write really changed."""
    return {"rows_inserted": changes.inserted, "rows_updated": changes.updated, "rows_deleted": changes.deleted}


def column_schema(frame_schema: Mapping[str, pl.DataType]) -> dg.TableSchema:
    """A polars schema as Dagster shows it."""
    return dg.TableSchema(columns=[dg.TableColumn(name, str(dtype)) for name, dtype in frame_schema.items()])


def thumbnails_table(pictures: Mapping[str, bytes], captions: Mapping[str, str]) -> dg.MarkdownMetadataValue:
    """A row of small JPEG pictures with captions below."""
    if not pictures:
        return dg.MetadataValue.md("none")
    cells = [f"![](data:image/jpeg;base64,{base64.b64encode(data).decode()})" for data in pictures.values()]
    names = [_cell(captions.get(key, key)) for key in pictures]
    return dg.MetadataValue.md(
        "\n".join(["| " + " | ".join(part) + " |" for part in (cells, ["---"] * len(cells), names)])
    )


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    text = text if len(text) <= _CELL_LIMIT else text[: _CELL_LIMIT - 1] + "…"
    return text.translate(_HARMLESS)
