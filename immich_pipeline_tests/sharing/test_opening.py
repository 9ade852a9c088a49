"""What cannot be opened is told in words, without a secret in them."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from immich_pipeline.config import Settings
from immich_pipeline.errors import UserError
from immich_pipeline.sharing.opening import open_database, open_share, removal_brake
from immich_pipeline_tests.sharing.house import House
from immich_pipeline_tests.sharing.surface import JOB, job_settings, settings_of


def refused(settings: Settings, name: str | None = None) -> str:
    with pytest.raises(UserError) as raised, open_share(settings, name):
        pass
    return str(raised.value)


def test_everything_is_open(house: House) -> None:
    with open_share(settings_of(house), JOB) as share:
        assert share.job.target_owner == house.bob
        assert share.media.location == "/data"
    brake = removal_brake(settings_of(house, brakes={"max_number": 3}))
    assert (brake.max_number, brake.released) == (3, False)


def test_what_is_missing_is_told(house: House, tmp_path: Path) -> None:
    settings = settings_of(house)
    assert "there is no job 'x' under sharing.jobs; there are: alice-to-bob" in refused(settings, "x")
    assert "nothing is shared" in refused(Settings())
    unreachable = "postgresql://immich_share:secret-word@127.0.0.1:1/immich"
    message = refused(settings_of(house, database_url=unreachable))
    assert "cannot open Immich's database for sharing" in message
    assert "secret-word" not in message
    parts: dict[str, Any] = {"sharing": settings.sharing.model_dump(), "immich": {"database_url": "x", "paths": []}}
    assert "Immich's media folder /data is not mounted here" in refused(Settings.model_validate(parts))
    parts["immich"] = None
    assert "sharing needs the part 'immich'" in refused(Settings.model_validate(parts))
    assert "has no library 'none'" in refused(settings_of(house, job_settings(target_library="none")))


def ask(settings: Settings, question: str, killed_by: House | None) -> None:
    with open_database(settings) as connection:
        if killed_by is not None:
            killed_by.db.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute(question.encode())


def asked(settings: Settings, question: str, *, killed_by: House | None = None) -> str:
    """What goes wrong with a question, whose connection may be cut before."""
    with pytest.raises(UserError) as raised:
        ask(settings, question, killed_by)
    assert isinstance(raised.value.__cause__, psycopg.Error)
    return str(raised.value)


def test_a_right_that_is_missing_and_a_lost_connection_are_told(house: House) -> None:
    settings = settings_of(house)
    lacking = asked(settings, "SELECT * FROM api_key")
    assert "lacks a right in Immich's database (permission denied for table api_key)" in lacking
    assert "run the SQL of 'immich-pipeline share role' again" in lacking
    assert asked(settings, "SELECT 1", killed_by=house).startswith("Immich's database: terminating connection")
