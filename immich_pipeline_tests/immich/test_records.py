import base64
import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.records import record_of, records_of
from immich_pipeline.immich.schema import RECORD_SCHEMA

SHARED = Path(__file__).resolve().parents[2] / "../shared/immich"
WHERE = "GET /assets/{id}"
ID, OWNER = "0b6d0a1e-5f0c-4f0e-8a43-0123456789ab", "7d2b2c86-9a4e-4a37-9e26-abcdefabcdef"
CONTENT = hashlib.sha1(b"content", usedforsecurity=False).digest()


def _asset(**changes: Any) -> dict[str, Any]:
    """An upload as v3 tells it; a change to ... takes the key away."""
    asset = {
        "id": ID, "ownerId": OWNER, "libraryId": None, "type": "IMAGE", "originalPath": "/data/upload/a.jpg",
        "originalFileName": "a.jpg", "checksum": base64.b64encode(CONTENT).decode(), "thumbhash": "AAEC",
        "fileCreatedAt": "2023-07-14T07:10:00.050Z", "fileModifiedAt": "2026-10-12T06:57:25.865Z",
        "localDateTime": "2023-07-14T09:10:00.050Z", "updatedAt": "2026-11-21T06:34:31.946Z", "isFavorite": False,
        "isTrashed": False, "isOffline": False, "isEdited": False, "visibility": "timeline", "duration": None,
        "livePhotoVideoId": None, "duplicateId": None, "width": 1600, "height": 1200,
    } | changes  # fmt: skip
    return {key: value for key, value in asset.items() if value is not ...}


def _row(**changes: Any) -> dict[str, Any]:
    return records_of([_asset(**changes)], WHERE).row(0, named=True)


def test_a_record_as_the_server_tells_it() -> None:
    row = _row(
        exifInfo={
            "make": "Canon", "model": "EOS R6", "lensModel": "RF24", "fileSizeInByte": 322828, "orientation": "6",
            "dateTimeOriginal": "2023-07-14T07:10:00.05+00:00", "timeZone": "UTC+2", "latitude": 48, "longitude": 2.3488,
            "city": "Paris", "state": "Île-de-France", "country": "France", "description": "a bridge", "rating": 5, "iso": 200,
        }
    )  # fmt: skip
    assert row["checksum"] == CONTENT
    assert row["thumbhash"] == b"\x00\x01\x02"
    assert row["file_created_at"] == datetime(2023, 7, 14, 7, 10, 0, 50000, tzinfo=UTC)
    assert row["local_date_time"] == datetime(2023, 7, 14, 9, 10, 0, 50000)
    assert row["taken_at"] == datetime(2023, 7, 14, 7, 10, 0, 50000, tzinfo=UTC)
    assert (row["type"], row["visibility"], row["duration_ms"]) == ("image", "timeline", None)
    assert (row["size"], row["latitude"], row["lens"], row["rating"]) == (322828, 48.0, "RF24", 5)
    assert (row["stack_id"], row["stack_primary_id"]) == (None, None)


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0"])
def test_a_real_answer(version: str) -> None:
    probe = SHARED / f"probe-v{version}.json"
    if not probe.exists():
        pytest.skip("answers of real servers are not part of the repository")
    asset = json.loads(probe.read_text())["asset"]
    frame = record_of(asset, WHERE)
    assert dict(frame.schema) == RECORD_SCHEMA
    row = frame.row(0, named=True)
    assert row["original_path"] == asset["originalPath"]
    assert base64.b64encode(row["checksum"]).decode() == asset["checksum"]
    assert (row["checksum_algorithm"], row["duration_ms"], row["description"]) == ("sha1-path", None, None)
    assert (row["width"], row["rating"], row["time_zone"]) == (1600, 5, "UTC+2")


def test_an_empty_page_has_every_column() -> None:
    assert dict(records_of([], WHERE).schema) == RECORD_SCHEMA


@pytest.mark.parametrize("exif", [..., None, {}, {"description": ""}, {"description": None, "make": None}])
def test_without_exif_data_its_columns_are_null(exif: Any) -> None:
    row = _row(exifInfo=exif)
    assert {row[name] for name in ("size", "make", "taken_at", "latitude", "description", "rating")} == {None}


def test_what_a_version_leaves_out_is_null() -> None:
    row = _row(libraryId=..., livePhotoVideoId=..., duplicateId=...)
    assert (row["library_id"], row["live_video_id"], row["duplicate_id"]) == (None, None, None)


def test_ids_are_in_lower_case() -> None:
    assert _row(id=ID.upper())["asset_id"] == ID


@pytest.mark.parametrize(
    ("kind", "told", "milliseconds"),
    [
        ("IMAGE", "0:00:00.00000", None),
        ("IMAGE", 0, None),
        ("IMAGE", None, None),
        ("IMAGE", 1200, 1200),
        ("VIDEO", "0:00:00.00000", None),
        ("VIDEO", "00:00:02.966", 2966),
        ("VIDEO", "01:02:03.004", 3_723_004),
        ("VIDEO", "00:00:07", 7000),
        ("VIDEO", "00:00:00.9999", 999),
        ("VIDEO", "0:00:01.50000", 1500),
        ("VIDEO", 2966, 2966),
        ("VIDEO", 0, 0),
    ],
)
def test_durations_of_every_version(kind: str, told: str | int | None, milliseconds: int | None) -> None:
    assert _row(type=kind, duration=told)["duration_ms"] == milliseconds


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2023-07-14T07:10:00Z", datetime(2023, 7, 14, 7, 10, tzinfo=UTC)),
        ("2023-07-14T09:10:00+02:00", datetime(2023, 7, 14, 7, 10, tzinfo=UTC)),
        ("2023-07-14T07:10:00.1239Z", datetime(2023, 7, 14, 7, 10, 0, 123000, tzinfo=UTC)),
        ("1969-12-31T23:59:59.9999Z", datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)),
        ("0001-01-01T00:00:00.000Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_cut_to_milliseconds(told: str, moment: datetime) -> None:
    assert _row(updatedAt=told)["updated_at"] == moment


def test_what_a_checksum_is_of() -> None:
    def of_path(path: str) -> str:
        return base64.b64encode(hashlib.sha1(f"path:{path}".encode(), usedforsecurity=False).digest()).decode()

    path, library = "/external/Zoë 写真.nef", "11111111-1111-4111-8111-111111111111"
    assert _row()["checksum_algorithm"] == "sha1"
    assert _row(originalPath=path, checksum=of_path(path))["checksum_algorithm"] == "sha1-path"
    assert _row(libraryId=library, originalPath=path, checksum=of_path(path))["checksum_algorithm"] == "sha1-path"
    # the path it was found by, before the library's folder got another name
    assert _row(libraryId=library, originalPath=path, checksum=of_path("/old.nef"))["checksum_algorithm"] == "sha1-path"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "../../etc/passwd"}, "asset.id is no uuid"),
        ({"id": None}, "asset.id is null"),
        ({"originalPath": ...}, "asset.originalPath is missing"),
        ({"originalPath": 7}, "asset.originalPath is not of the kind"),
        ({"originalPath": "\ud800"}, "asset.originalPath is not of the kind"),
        ({"type": "HOLOGRAM"}, "asset.type is 'hologram', which this program does not know"),
        ({"visibility": "secret"}, "asset.visibility is 'secret'"),
        ({"checksum": "%%%"}, "asset.checksum is not of the kind"),
        ({"checksum": "AAEC"}, "asset.checksum is no SHA-1"),
        ({"thumbhash": ...}, "asset.thumbhash is missing"),
        ({"width": True}, "asset.width is true or false"),
        ({"width": "wide"}, "asset.width is not of the kind"),
        ({"height": 2**40}, "asset.height is not of the kind"),
        ({"isTrashed": "no"}, "asset.isTrashed is not of the kind"),
        ({"isTrashed": None}, "asset.isTrashed is null"),
        ({"updatedAt": "yesterday"}, "asset.updatedAt is not of the kind"),
        ({"fileCreatedAt": "+010000-01-01T00:00:00.000Z"}, "asset.fileCreatedAt is not within the years"),
        ({"duration": "2 s"}, "asset.duration is '2 s', not a duration"),
        ({"exifInfo": "none"}, "assets are not a list of objects"),
        ({"exifInfo": {"latitude": 10**400}}, "asset.exifInfo.latitude is not of the kind"),
    ],
)
def test_anything_else_is_an_error_that_names_it(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ApiError) as caught:
        records_of([_asset(), _asset(**changes)], "POST /search/metadata")
    assert words in str(caught.value)
    assert caught.value.endpoint == "POST /search/metadata"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("items", [None, "assets", {"id": 1}, [1], [None]])
def test_what_is_no_list_of_assets_is_an_error(items: object) -> None:
    with pytest.raises(ApiError, match="not a list of objects"):
        records_of(items, WHERE)


def test_one_asset_tells_its_stack() -> None:
    stack = {"id": "22222222-2222-4222-8222-222222222222", "primaryAssetId": ID, "assetCount": 2}
    row = record_of(_asset(stack=stack), WHERE).row(0, named=True)
    assert (row["stack_id"], row["stack_primary_id"]) == (stack["id"], ID)
    assert record_of(_asset(stack=None), WHERE)["stack_id"].to_list() == [None]
    assert dict(record_of(_asset(stack=stack), WHERE).schema) == RECORD_SCHEMA


def test_a_stack_that_is_none_is_an_error() -> None:
    with pytest.raises(ApiError, match=r"asset\.stack\.primaryAssetId is missing"):
        record_of(_asset(stack={"id": ID}), WHERE)
    with pytest.raises(ApiError, match="not a list of objects"):
        record_of("asset", WHERE)


def test_a_page_is_read_fast() -> None:
    page = [_asset(exifInfo={"make": "Canon", "dateTimeOriginal": "2023-07-14T07:10:00.05+00:00"}) for _ in range(1000)]
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        frame = records_of(page, WHERE)
        seconds.append(time.perf_counter() - began)
    assert isinstance(frame, pl.DataFrame)
    assert min(seconds) < 0.5  # 10 ms on an idle machine; row by row it would take seconds
