"""`immich-pipeline doctor` as a user starts it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from immich_pipeline.cli import main
from immich_pipeline_tests.immich_stub.server import StubServer
from immich_pipeline_tests.sources.doctor.good import good_place, without_permission

SETTINGS = """
immich:
  url: {url}
  users:
    - {{api_key_env: KEY_ALICE, label: Alice}}
    - {{api_key_file: {folder}/key, label: Bob}}
  paths:
    - {{immich: /data, here: {folder}/data}}
    - {{immich: /external, here: {folder}/external}}
"""


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("IMMICH_PIPELINE_CONFIG", "IMMICH_PIPELINE_PHOTOS", "IMMICH_URL", "IMMICH_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IMMICH_PIPELINE_HOME", str(tmp_path / "home"))
    return tmp_path


def test_exit_codes_and_no_secret(
    clean_environment: Path, immich_server: Callable[..., StubServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = good_place(clean_environment)
    server = immich_server(place.world)
    (clean_environment / "immich-pipeline.yaml").write_text(SETTINGS.format(url=server.url, folder=clean_environment))
    keys = [place.user(name)["api_key"] for name in ("Alice", "Bob")]
    (clean_environment / "key").write_text(keys[1])
    monkeypatch.setenv("KEY_ALICE", keys[0])

    good = CliRunner().invoke(main, ["doctor"])
    assert good.exit_code == 0, good.output
    assert "immich-pipeline.yaml and the environment" in " ".join(good.output.split())
    assert "yes         snapshot" in good.output

    without_permission(server, place, "Bob", "asset.update")
    partly = CliRunner().invoke(main, ["doctor", "--json"])
    assert partly.exit_code == 1
    document = json.loads(partly.stdout)
    assert document["exit_code"] == 1
    assert {"area", "subject", "state", "detail", "remedy"} == set(document["rows"][0])
    assert {feature["name"]: feature["state"] for feature in document["features"]}["changes of assets"] == "partly"

    monkeypatch.setenv("IMMICH_URL", "http://127.0.0.1:1")
    nothing = CliRunner().invoke(main, ["doctor", "--home", str(clean_environment / "home2")])
    assert nothing.exit_code == 2
    assert not (clean_environment / "home2").exists()
    for said in (good.output, partly.output, nothing.output):
        assert not any(key in said for key in keys)


def test_every_problem_of_the_settings(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean_environment / "immich-pipeline.yaml").write_text(
        "wokers: 3\nimmich:\n  url: ftp://nas\n  users: [{api_key: a-secret-in-the-file}]\n"
    )
    broken = CliRunner().invoke(main, ["doctor", "--json"])
    assert broken.exit_code == 2
    document = json.loads(broken.stdout)
    said = [row["detail"] for row in document["rows"]]
    assert len(said) == 3
    assert all("immich-pipeline.yaml, line " in detail for detail in said)
    assert "a-secret-in-the-file" not in broken.output
