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
    assert settings.folder == settings.home / "demo-library"
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


IMMICH = """
photos: /mnt/photos
immich:
  url: http://nas:2283/api/
  users:
    - api_key_env: KEY_ALICE
      label: Alice
    - api_key_file: {file}
  database_url_env: IMMICH_DB
  paths:
    - {{immich: /data/, here: /mnt/immich}}
    - {{immich: /external/alice, here: /mnt/photos/alice}}
"""


def test_an_immich_server_beside_a_folder(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("bobs-key\n")
    (tmp_path / "immich-pipeline.yaml").write_text(IMMICH.format(file=tmp_path / "key"))
    secrets = {"KEY_ALICE": "alices-key", "IMMICH_DB": "postgresql://reader:word@nas/immich"}
    settings = load_settings(environment | secrets)
    assert settings.immich is not None
    assert settings.immich.url == "http://nas:2283"
    assert [user.api_key.get_secret_value() for user in settings.immich.users] == ["alices-key", "bobs-key"]
    assert settings.immich.paths[0].immich == "/data"
    assert settings.library_name == "/mnt/photos and http://nas:2283"
    assert settings.folder == Path("/mnt/photos")
    for said in (repr(settings), str(settings)):
        assert "alices-key" not in said
        assert "bobs-key" not in said
        assert ":word@" not in said
    assert hash(settings)


def test_every_problem_of_the_immich_part_is_told_with_its_line(environment: dict[str, str], tmp_path: Path) -> None:
    text = IMMICH.format(file=tmp_path / "missing") + "  orignals: never\n  tls: {ca_file: 3, verify: perhaps}\n"
    (tmp_path / "immich-pipeline.yaml").write_text(text.replace("/external/alice", "external").replace("http:", "ftp:"))
    said = problem(environment)
    for part in (
        "line 4: must be an address such as http://nas:2283",
        "line 6: the environment variable KEY_ALICE is not set",
        "line 8: cannot read the file",
        "line 9: the environment variable IMMICH_DB is not set",
        "line 12: must be an absolute path, as Immich sees it",
        "line 13: unknown setting 'immich.orignals'",
        "line 14: ",
    ):
        assert part in said


def test_a_secret_in_the_file_is_refused_and_not_repeated(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text("immich:\n  url: http://nas\n  users:\n    - api_key: very-secret\n")
    said = problem(environment)
    assert "line 4: a secret must not stand in the file" in said
    assert "very-secret" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("immich: 3", "line 1: "),
        ("immich:\n  users: []\n", "names neither url nor database_url"),
        ("immich:\n  url: http://nas\n", "names no user"),
        ("immich:\n  url: http://nas\n  users: [{label: a}]\n", "names no key"),
        ("immich:\n  url: http://nas\n  users: [3]\n", "line 3: "),
        ("immich:\n  url: http://a:b@nas\n  users: [{api_key_env: KEY}]\n", "must not hold a user name"),
        ("immich:\n  database_url_env: KEY\n  read: api\n", "'read: api' needs url and users"),
        ("immich:\n  url: http://n\n  users: [{api_key_env: KEY}]\n  read: database\n", "'read: database' needs"),
        ("immich:\n  url: http://n\n  users: [{api_key_env: KEY, api_key_file: KEY}]\n", "are both given"),
    ],
)
def test_wrong_immich_settings(environment: dict[str, str], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text(text)
    assert said in problem(environment | {"KEY": "secret-value"})
    assert "secret-value" not in problem(environment | {"KEY": "secret-value"})


def test_one_user_by_environment_alone(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x1")
    for key in ({"IMMICH_API_KEY": "x1"}, {"IMMICH_API_KEY_FILE": str(tmp_path / "key")}):
        settings = load_settings(environment | {"IMMICH_URL": "https://photos.example.org"} | key)
        assert settings.immich is not None
        assert settings.immich.users[0].api_key.get_secret_value() == "x1"
        assert settings.folder is None
    (tmp_path / "key").write_text("postgresql://a/b")
    settings = load_settings(environment | {"IMMICH_DATABASE_URL_FILE": str(tmp_path / "key")})
    assert settings.immich is not None
    assert settings.library_name == "Immich's database"
    (tmp_path / "key").write_text("two\nlines")
    assert "on one line" in problem(environment | {"IMMICH_DATABASE_URL_FILE": str(tmp_path / "key")})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("order: [pixels, protected]", "line 2: each step is named once, and `protected` comes first"),
        ("order: pixels", "line 2: should be a list, such as [one, another], not 'pixels'"),
        ("order: [protected, size]", "not 'size'"),
        ("unattended: [edited]", "line 2: should be 'exact', 'same_pixels' or 'reencoded', not 'edited'"),
        ("instead: stack", "line 2: should be 'name: value' lines, not 'stack'"),
        ("instead: {similar: stack}", "should be 'exact', 'same_pixels', 'reencoded' or 'edited', not 'similar'"),
        ("delete_from: [7]", "should be a text (in quotes where it looks like a number), not 7"),
        ("backup: {required: maybe}", "should be true or false, not 'maybe'"),
        ("pixel_tolerance: 3%", "should be a number, not '3%'"),
        ("quarantine: a/b", "should be the name of one folder, with a dot before it and no slash in it, not 'a/b'"),
        ("quarantine: ..", "should be the name of one folder"),
        ("weights: {gpss: 1}", "line 2: unknown setting 'duplicates.weights.gpss'"),
    ],
)
def test_what_is_wrong_about_duplicates_is_told_in_plain_words(
    environment: dict[str, str], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text(f"duplicates:\n  {text}\n")
    assert said in problem(environment)


def test_the_part_about_duplicates_is_lines_too(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "immich-pipeline.yaml").write_text("duplicates: auto\n")
    assert "line 1: should be 'name: value' lines, not 'auto'" in problem(environment)
