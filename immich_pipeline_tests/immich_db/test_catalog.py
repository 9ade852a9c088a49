"""Our tables are Immich's, as the catalogs of real servers show them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline_tests.immich_db.catalog import read_catalog
from immich_pipeline_tests.immich_db.definition import SCHEMAS, schema_of

SHARED = Path(__file__).resolve().parents[2] / "../shared/immich"

COVERED = {
    "album", "album_asset", "album_asset_audit", "album_audit", "album_user", "album_user_audit", "api_key", "asset", "asset_audit",
    "asset_edit", "asset_edit_audit", "asset_exif", "asset_face", "asset_face_audit", "asset_file", "asset_job_status", "asset_metadata",
    "asset_metadata_audit", "asset_ocr", "face_search", "library", "memory", "memory_asset", "memory_asset_audit", "memory_audit",
    "ocr_search", "partner", "partner_audit", "person", "person_audit", "shared_link", "shared_link_asset", "smart_search", "stack",
    "stack_audit", "system_metadata", "tag", "tag_asset", "tag_closure", "user", "user_audit", "version_history",
}  # fmt: skip
COVERED_SINCE_3_1 = {"asset_audio", "asset_keyframe", "asset_ocr_audit", "asset_video"}
COVERED_SINCE_3_2 = {"cluster_group", "cluster_group_request", "person_group", "person_group_audit"}

# Tables of the server's own that neither reading nor sharing needs. What is in none of these lists fails the test.
NOT_COVERED = {
    "activity", "geodata_places", "kysely_migrations", "kysely_migrations_lock", "migration_overrides", "move_history",
    "naturalearth_countries", "notification", "plugin", "session", "session_sync_checkpoint", "user_metadata", "user_metadata_audit",
    "workflow",
}  # fmt: skip
NOT_COVERED_IN = {
    "2.7.5": {"audit", "plugin_action", "plugin_filter", "workflow_action", "workflow_filter"},
    "3.1.0": {
        "integrity_report", "plugin_method", "video_stream_segment", "video_stream_session", "video_stream_variant", "workflow_step",
    },
    "3.2": {
        "integrity_report", "plugin_method", "video_stream_segment", "video_stream_session", "video_stream_variant", "workflow_log",
        "workflow_step",
    },
}  # fmt: skip
ENUMS_NOT_COVERED = {"video_stream_variant_codec_enum"}

# pg_trgm, unaccent and earthdistance are not there
INDEXES_NOT_COVERED = {
    ("asset", "asset_originalFilename_trigram_idx"),
    ("asset_exif", "IDX_asset_exif_gist_earthcoord"),
    ("ocr_search", "idx_ocr_search_text"),
    ("person", "idx_person_name_trigram"),
}


def _covered(schema: str) -> set[str]:
    since = {"2.7.5": set(), "3.1.0": COVERED_SINCE_3_1, "3.2": COVERED_SINCE_3_1 | COVERED_SINCE_3_2}
    return COVERED | since[schema]


def _flat(catalog: dict[str, Any], subject: str) -> dict[tuple[str, str], Any]:
    return {
        (table, name): value for table, entry in catalog["tables"].items() for name, value in entry[subject].items()
    }


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def theirs(schema: str) -> dict[str, Any]:
    path = SHARED / f"catalog-v{schema}.json"
    if not path.exists():
        pytest.skip("needs ../shared/immich, the catalogs of real servers")
    catalog: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return catalog


@pytest.fixture
def ours(schema: str, make_immich_database: Callable[[str], str]) -> dict[str, Any]:
    return read_catalog(make_immich_database(schema))


def test_every_table_is_covered_or_named_as_not_covered(
    schema: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert set(ours["tables"]) == _covered(schema)
    assert set(theirs["tables"]) == _covered(schema) | NOT_COVERED | NOT_COVERED_IN[schema]


def test_columns(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Type, nullability and default of each."""
    assert _flat(ours, "columns") == {
        (table, name): column for table in ours["tables"] for name, column in theirs["tables"][table]["columns"].items()
    }


def test_enums(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours["enums"] == {name: labels for name, labels in theirs["enums"].items() if name not in ENUMS_NOT_COVERED}


@pytest.mark.parametrize("subject", ["constraints", "triggers"])
def test_constraints_and_triggers(subject: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Names and full definitions: primary keys, foreign keys with their actions; timing, level, transition tables, conditions."""
    assert _flat(ours, subject) == {
        (table, entry["name"]): entry["definition"]
        for table in ours["tables"]
        for entry in theirs["tables"][table][subject]
    }


def test_indexes(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    expected = {
        (table, name): _without_parentheses(definition)
        for table in ours["tables"]
        for name, definition in theirs["tables"][table]["indexes"].items()
    }
    made = {key: _without_parentheses(definition) for key, definition in _flat(ours, "indexes").items()}
    assert made == {key: definition for key, definition in expected.items() if key not in INDEXES_NOT_COVERED}
    assert expected.keys() >= INDEXES_NOT_COVERED


def _without_parentheses(definition: str) -> str:
    """PostgreSQL 15 prints more of them around an expression than later versions do."""
    return definition.replace("(", "").replace(")", "")


@pytest.mark.parametrize(
    ("version", "schema"),
    [("2.7.5", "2.7.5"), ("2.9.0", "2.7.5"), ("3.0.0", "3.1.0"), ("3.1.0", "3.1.0"), ("3.2", "3.2"), ("3.10.1", "3.2")],
)
def test_the_schema_of_a_version(version: str, schema: str) -> None:
    assert schema_of(version) == schema


def test_a_version_before_all_schemas_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no schema for Immich 1\.144\.1"):
        schema_of("1.144.1")
