"""The `sharing` part of the configuration: what may stand there, and how what is wrong is told."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from immich_pipeline.config import Settings, load_settings
from immich_pipeline.errors import UserError

JOB = "{name: a-to-b, source_user: a@x.org, target_user: b@x.org, target_library: Shared, source_prefix: /ext/a, target_prefix: /ext/b/a"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "immich-pipeline.yaml"


def loaded(file: Path, text: str) -> Settings:
    file.write_text(text)
    return load_settings({"IMMICH_PIPELINE_HOME": str(file.parent / "home"), "DB": "postgresql://r:word@nas/immich"})


def problem(file: Path, text: str) -> str:
    with pytest.raises(UserError) as raised:
        loaded(file, text)
    return str(raised.value)


def of_job(rest: str) -> str:
    return f"sharing:\n  database_url_env: DB\n  jobs:\n    - {JOB}{rest}}}\n"


def test_a_whole_job(file: Path) -> None:
    settings = loaded(
        file,
        """
sharing:
  mode: approve
  database_url_env: DB
  backup_max_age_hours: 12
  brakes: {max_share: 0.2}
  jobs:
    - name: anna-to-ben
      source_user: anna@example.org
      target_user: ben@example.org
      target_library: From Anna
      source_prefix: /external/anna/
      target_prefix: /external//ben/from-anna
      share: {paths: [/external/anna/Trips], people: [Ben], favourites: true, since: 2020-01-01, until: 2024-12-31}
      album: From Anna
      names: off
      tags: off
      wait_for: [metadata]
      schedule: "*/30 6-22 * * 1,3"
""",
    ).sharing
    job = settings.jobs[0]
    assert (job.names, job.tags) == ("off", "off"), "YAML takes off for false"
    assert (job.source_prefix, job.target_prefix) == ("/external/anna", "/external/ben/from-anna")
    assert (job.share.since, job.share.until) == (date(2020, 1, 1), date(2024, 12, 31))
    assert settings.backup_age == timedelta(hours=12)
    assert settings.database_url is not None
    assert "word" not in repr(settings)
    assert hash(settings)


def test_without_anything_nothing_is_shared(file: Path) -> None:
    assert loaded(file, "sharing:\n").sharing == Settings().sharing
    assert Settings().sharing.mode == "plan"
    assert Settings().sharing.backup_age == timedelta(hours=48)


@pytest.mark.parametrize("text", ["require_backup: false", "backup_max_age_hours: 0"])
def test_a_backup_can_be_done_without(file: Path, text: str) -> None:
    assert loaded(file, f"sharing:\n  {text}\n").sharing.backup_age is None


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (", name2: x", "unknown setting 'sharing.jobs.0.name2'"),
        (", names: sometimes", "should be 'off', 'fill' or 'mirror', not 'sometimes'"),
        (", schedule: daily", "should be five fields as cron has them"),
        (", schedule: '61 * * * *'", "its minute should be numbers from 0 to 59, or *"),
        (", schedule: '* 5-3 * * *'", "its hour should be"),
        (", schedule: '* * * * */0'", "its weekday should be"),
        (", schedule: '* * * jan *'", "its month should be"),
        (", share: {since: 2024-05-01, until: 2024-04-01}", "nothing would be shared"),
        (", share: {paths: [/ext/c]}", "/ext/c is not below source_prefix"),
        (", share: {paths: [/ext/a/../c]}", "must be an absolute path without . and .."),
        (", wait_for: [ocr]", "should be 'metadata', 'faces' or 'clip', not 'ocr'"),
    ],
)
def test_what_is_wrong_about_a_job_is_told(file: Path, rest: str, said: str) -> None:
    message = problem(file, of_job(rest))
    assert said in message
    assert "line 4" in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: a-to-b", "name: a to b", "should be letters, digits, - and _"),
        ("b@x.org", " A@x.org", "source_user and target_user are both"),
        ("/ext/b/a", "/ext/a/b", "lie in one another"),
        ("/ext/b/a", "/", "must be a folder, not / itself"),
        ("/ext/b/a", "ext/b", "must be an absolute path"),
        ("target_library: Shared, ", "", "the setting 'sharing.jobs.0.target_library' is missing"),
        ("database_url_env: DB", "mode: plan", "jobs need database_url_file"),
        ("database_url_env: DB", "database_url: postgresql://x:secret@y/z", "a secret must not stand in the file"),
        ("database_url_env: DB", "database_url_env: NONE", "the environment variable NONE is not set"),
    ],
)
def test_what_does_not_fit_is_told(file: Path, old: str, new: str, said: str) -> None:
    message = problem(file, of_job("").replace(old, new))
    assert said in message
    assert "secret@" not in message


def test_all_problems_are_told_at_once_with_their_lines(file: Path) -> None:
    text = of_job("").replace("/ext/b/a", "ext").replace("mode: plan", "") + f"    - {JOB}, names: 3}}\n  mode: now\n"
    message = problem(file, text)
    assert "line 4: must be an absolute path" in message
    assert "line 5: should be 'off'" in message
    assert "line 6: should be 'plan', 'approve' or 'auto'" in message


def test_names_are_unique_also_as_dagster_writes_them(file: Path) -> None:
    other = JOB.replace("a-to-b", "A_to_b")
    assert "names of jobs are unique" in problem(file, of_job("") + f"    - {other}}}\n")


def test_fan_out_and_both_directions_are_allowed(file: Path) -> None:
    back = JOB.replace("a-to-b", "back").replace("a@x.org", "c@x.org").replace("b@x.org", "a@x.org")
    settings = loaded(
        file, of_job("") + f"    - {JOB.replace('a-to-b', 'to-c').replace('b@', 'c@')}}}\n    - {back}}}\n"
    )
    assert [job.name for job in settings.sharing.jobs] == ["a-to-b", "to-c", "back"]
