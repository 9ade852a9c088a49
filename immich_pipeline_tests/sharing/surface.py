"""A house as the settings describe it: for plans, the command line and Dagster."""

from pathlib import Path
from typing import Any

import yaml

from immich_pipeline.config import Settings
from immich_pipeline_tests.sharing.house import EXTERNAL, MEDIA, TARGET, House

JOB = "alice-to-bob"


def job_settings(**changes: Any) -> dict[str, Any]:
    """Alice's external library in bob's, as a person writes it."""
    usual = {
        "name": JOB,
        "source_user": "alice@example.org",
        "target_user": "bob@example.org",
        "target_library": "from Alice",
        "source_prefix": EXTERNAL,
        "target_prefix": TARGET,
    }
    return usual | changes


def settings_of(house: House, *jobs: dict[str, Any], **sharing: Any) -> Settings:
    """The settings of a house, by the role with the fewest rights; plans are applied without further ado unless said otherwise."""
    usual = {
        "mode": "auto",
        "require_backup": False,
        "database_url": house.role_url(),
        "jobs": [*jobs] or [job_settings()],
    }
    immich = {"database_url": house.role_url(), "paths": [{"immich": MEDIA, "here": str(house.media)}]}
    return Settings.model_validate(
        {"home": str(house.media.parent / "home"), "immich": immich, "sharing": usual | sharing}
    )


def write_settings(
    folder: Path, house: House, *jobs: dict[str, Any], more: dict[str, Any] | None = None, **sharing: Any
) -> Path:
    """The same as a file in a folder, with the database's address in a file of its own; returns the configuration's path."""
    address = folder / "share.url"
    address.write_text(house.role_url())
    usual = {
        "mode": "auto",
        "require_backup": False,
        "database_url_file": str(address),
        "jobs": [*jobs] or [job_settings()],
    }
    paths = [{"immich": MEDIA, "here": str(house.media)}]
    immich = {"database_url_file": str(address), "paths": paths} | (more or {})
    file = folder / "immich-pipeline.yaml"
    file.write_text(yaml.safe_dump({"immich": immich, "sharing": usual | sharing}, sort_keys=False))
    return file
