"""Agreement with ExifTool on real files."""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.media.exif import read_metadata
from immich_pipeline.media.formats import HEAD_BYTES, FormatTable, detect
from immich_pipeline.media.metadata import PhotoMetadata

SAMPLES = Path(__file__).resolve().parents[2] / "../shared/samples"
TABLE = FormatTable.load()


def _local(metadata: PhotoMetadata) -> str | None:
    return metadata.taken_at_local.strftime("%Y:%m:%d %H:%M:%S") if metadata.taken_at_local else None


def _offset(metadata: PhotoMetadata) -> str | None:
    minutes = metadata.utc_offset_minutes
    return None if minutes is None else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _subsec(metadata: PhotoMetadata) -> int | None:
    return None if metadata.subsec is None else int(metadata.subsec)


# Field of the manifest: what we read, and ExifTool's value in the same terms. Its date may carry an offset that it took from IPTC.
FIELDS: dict[str, tuple[Callable[[PhotoMetadata], Any], Callable[[Any], Any]]] = {
    "datetime_original": (_local, lambda value: value[:19]),
    "offset_time_original": (_offset, str),
    "make": (lambda metadata: metadata.make, str),
    "model": (lambda metadata: metadata.model, str),
    "gps_lat": (lambda metadata: metadata.latitude, lambda value: pytest.approx(value, abs=1e-6)),
    "gps_lon": (lambda metadata: metadata.longitude, lambda value: pytest.approx(value, abs=1e-6)),
    "subsec": (_subsec, int),
    "content_identifier": (lambda metadata: metadata.content_id, str),
}


@pytest.fixture(scope="module")
def read_samples() -> list[tuple[dict[str, Any], PhotoMetadata, float]]:
    if not SAMPLES.is_dir():
        pytest.skip("needs ../shared/samples")
    results = []
    for entry in json.loads((SAMPLES / "manifest.json").read_text())["files"]:
        path = SAMPLES / entry["file"]
        with path.open("rb") as fh:
            detected = detect(fh.read(HEAD_BYTES), path.suffix[1:], TABLE)
            fmt = detected.format or TABLE.by_name("jpeg")
            assert fmt is not None
            started = time.perf_counter()
            results.append((entry, read_metadata(fh, fmt), time.perf_counter() - started))
    return results


def test_every_field_agrees_with_exiftool(read_samples: list[tuple[dict[str, Any], PhotoMetadata, float]]) -> None:
    total: Counter[str] = Counter()
    missed: dict[str, list[str]] = {name: [] for name in FIELDS}
    for entry, metadata, _ in read_samples:
        for name in FIELDS.keys() & entry.keys():
            ours, theirs = FIELDS[name]
            total[name] += 1
            if ours(metadata) != theirs(entry[name]):
                missed[name].append(f"{entry['file']}: {entry[name]} but {ours(metadata)}")
    assert sum(map(len, missed.values())) <= 0.02 * total.total(), missed
    for name, misses in missed.items():
        assert total[name]
        assert len(misses) <= 0.02 * total[name], misses


def test_no_sample_takes_long(read_samples: list[tuple[dict[str, Any], PhotoMetadata, float]]) -> None:
    slow = {entry["file"]: seconds for entry, _, seconds in read_samples if seconds > 1}
    assert not slow
    assert sum(seconds for _, _, seconds in read_samples) / len(read_samples) < 0.05


def test_only_damaged_samples_have_errors(read_samples: list[tuple[dict[str, Any], PhotoMetadata, float]]) -> None:
    errors = {entry["file"].partition("/")[2]: metadata.error for entry, metadata, _ in read_samples if metadata.error}
    assert errors == {
        "drew__m8-42c19f8e79e582bef107f372f18a074b.tif": "the XMP data is damaged",
        "pheif__corrupted.hif": "the XMP data lies beyond the end of the file or is stored in an unknown way",
    }
