from pathlib import Path

import pytest

from immich_pipeline.config import as_environment, default_home, load_settings
from immich_pipeline.errors import UserError


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    return {"IMMICH_PIPELINE_HOME": str(tmp_path / "home")}


def problem(environment: dict[str, str]) -> str:
    with pytest.raises(UserError) as raised:
        load_settings(environment)
    return str(raised.value)


def test_without_anything_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({})
    assert settings.home == default_home()
    assert settings.host == "127.0.0.1"
    assert settings.port == 3000
    assert settings.workers >= 1
    assert settings.library_root == settings.home / "demo-library"
    assert settings.reports == settings.home / "reports"


def test_the_environment_wins_over_the_file(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text("port: 4000\nowner: anna\nphotos: ~/pictures\n")
    settings = load_settings(environment | {"IMMICH_PIPELINE_PORT": "5000"})
    assert (settings.port, settings.owner) == (5000, "anna")
    assert settings.photos == Path.home() / "pictures"


def test_the_file_in_the_data_folder_is_found(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "immich-pipeline.yaml").write_text("near_radius: 6\n")
    assert load_settings(environment).near_radius == 6


def test_every_problem_is_reported_at_once_with_its_place(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.yaml"
    file.write_text("owner: anna\nport: high\nwrokers: 3\n")
    message = problem(environment | {"IMMICH_PIPELINE_CONFIG": str(file), "IMMICH_PIPELINE_NEAR_RADIUS": "99"})
    assert f"{file}, line 2" in message
    assert f"{file}, line 3: unknown setting 'wrokers'" in message
    assert "IMMICH_PIPELINE_NEAR_RADIUS" in message
    assert "99" in message


def test_a_password_is_never_in_a_message(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text("database_url: [s3cret]\n")
    assert "s3cret" not in problem(environment)
    settings = load_settings(environment | {"PIPELINE_DATABASE_URL": "postgresql://anna:s3cret@db/x"})
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [("port: [1\n", "not valid YAML"), ("- a\n- b\n", "'name: value' lines"), ("word\n", "'name: value' lines")],
)
def test_a_broken_file_is_named(environment: dict[str, str], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text(text)
    message = problem(environment)
    assert said in message
    assert "immich-pipeline.yaml" in message


def test_a_named_file_that_is_missing_is_an_error(environment: dict[str, str], tmp_path: Path) -> None:
    assert "cannot read" in problem(environment | {"IMMICH_PIPELINE_CONFIG": str(tmp_path / "no.yaml")})


def test_an_empty_file_says_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text("# nothing yet\n")
    assert load_settings(environment).port == 3000


def test_settings_survive_being_handed_to_a_child(environment: dict[str, str]) -> None:
    settings = load_settings(environment | {"IMMICH_PIPELINE_OWNER": "anna", "IMMICH_PIPELINE_WORKERS": "3"})
    assert load_settings(as_environment(settings)) == settings
