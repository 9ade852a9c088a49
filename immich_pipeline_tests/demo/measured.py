"""A library as the pipeline sees it, without a database: scanned, measured, in frames by path."""

import os
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

import polars as pl

from immich_pipeline.dedup.candidates import exact_pairs, near_candidates
from immich_pipeline.dedup.facts import asset_facts
from immich_pipeline.dedup.groups import duplicate_groups
from immich_pipeline.dedup.looks import compare_looks, pairs_to_look_at
from immich_pipeline.dedup.schema import LOOK_SCHEMA
from immich_pipeline.dedup.verify import verify
from immich_pipeline.grouping.captures import group_captures
from immich_pipeline.media.looks import look_file
from immich_pipeline.media.measure import FileMeasurement, FileTask, MeasureOptions, measure_file
from immich_pipeline.media.metadata import PhotoMetadata
from immich_pipeline.sources.folder import LocalFolder
from immich_pipeline.sources.protocol import Scan

_METADATA_TYPES = {
    "taken_at": pl.Datetime("us", "UTC"),
    "taken_at_local": pl.Datetime("us"),
    "utc_offset_minutes": pl.Int32,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "altitude": pl.Float64,
    "orientation": pl.Int16,
    "exposure_bias": pl.Float64,
}


@dataclass(frozen=True)
class Measured:
    """What a scan and one look into each file say. The asset ids are the paths."""

    folder: Path
    scan: Scan
    files: dict[str, FileMeasurement]

    @cached_property
    def assets(self) -> pl.DataFrame:
        return self.scan.files.with_columns(asset_id=pl.col("real_path").cast(pl.String))

    @cached_property
    def metadata(self) -> pl.DataFrame:
        schema = {field.name: _METADATA_TYPES.get(field.name, pl.String) for field in fields(PhotoMetadata)}
        rows = [{"asset_id": path, **asdict(file.metadata)} for path, file in self.files.items() if file.metadata]
        return pl.DataFrame(rows, schema={"asset_id": pl.String, **schema})

    @cached_property
    def captures(self) -> pl.DataFrame:
        return group_captures(self.assets.join(self.metadata, on="asset_id", how="left"))

    @cached_property
    def facts(self) -> pl.DataFrame:
        rows = [
            (path, file.sha256, file.phash, file.phash256, file.usable, file.width, file.height)
            for path, file in self.files.items()
        ]
        schema = {
            "asset_id": pl.String,
            "sha256": pl.Binary,
            "phash": pl.Int64,
            "phash256": pl.Binary,
            "usable": pl.Boolean,
            "width": pl.Int32,
            "height": pl.Int32,
        }
        content = pl.DataFrame(rows, schema=schema, orient="row")
        return asset_facts(self.assets, content.select("asset_id", "sha256"), self.metadata, content.drop("sha256"))

    @cached_property
    def verified(self) -> pl.DataFrame:
        candidates = pl.concat([exact_pairs(self.facts), near_candidates(self.facts)])
        return verify(candidates, self.facts, self.captures, looks=self._looks(candidates))

    def _looks(self, candidates: pl.DataFrame) -> pl.DataFrame:
        """What is seen when the pictures of the pairs are compared, one by one."""
        pairs = pairs_to_look_at(candidates, self.facts, self.captures)
        ids = pl.concat([pairs["left_id"], pairs["right_id"]]).unique()
        extensions = dict(self.scan.files.select(pl.col("real_path").cast(pl.String), "extension").iter_rows())
        root = os.fsencode(self.folder)
        seen = {
            path: look_file(FileTask(path, root, os.fsencode(path), extensions[path]), MeasureOptions()) for path in ids
        }
        rows = [
            (left, right, *compare_looks(seen[one], seen[other]), False, None)
            for one, other, left, right in pairs.select(
                "left_id", "right_id", "left_content", "right_content"
            ).iter_rows()
        ]
        return pl.DataFrame(rows, schema=LOOK_SCHEMA, orient="row")

    def duplicates(self) -> set[tuple[str, tuple[str, ...]]]:
        """Class and sorted paths of each group."""
        found = duplicate_groups(self.verified, self.facts, self.captures)
        return _sets(found.members.drop("class").join(found.groups.select("group_id", "class"), on="group_id"), "class")

    def capture_sets(self) -> set[tuple[str, tuple[str, ...]]]:
        """Kind and sorted paths of each group."""
        return _sets(self.captures, "kind")


def _sets(members: pl.DataFrame, kind: str) -> set[tuple[str, tuple[str, ...]]]:
    groups = members.group_by("group_id").agg(pl.col(kind).first(), pl.col("asset_id").sort())
    return {(row[kind], tuple(row["asset_id"])) for row in groups.iter_rows(named=True)}


def measure(folder: Path) -> Measured:
    scan = LocalFolder(folder).scan()
    files = {}
    for real_path, extension in scan.files.select("real_path", "extension").iter_rows():
        path = os.fsdecode(real_path)
        files[path] = measure_file(FileTask(path, os.fsencode(folder), real_path, extension), MeasureOptions())
    return Measured(folder, scan, files)
