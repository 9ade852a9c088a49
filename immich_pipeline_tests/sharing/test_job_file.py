"""A job is added to the configuration without touching a letter of what stands there."""

from pathlib import Path

import pytest
import yaml

from immich_pipeline.errors import UserError
from immich_pipeline.sharing.job_file import job_block, with_job, write_job

JOB = {"name": "new", "source_user": "a@x.org", "source_prefix": "/a: b #c", "share": {"people": ["Bénédicte"]}}

EVERYTHING = """# my settings
photos: /mnt   # the disk

sharing:
  # who
  mode: approve
  jobs:
    # first of all
    - name: old
      source_user: x   # her
      share:
        people:
          - Ben

  # and how far
  brakes: {max_number: 5}
stacks:
  mode: plan
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "photos: /mnt\n",
        "photos: /mnt",
        "sharing:\n  mode: plan\n",
        "sharing:\n  mode: plan\n\n# the rest\nphotos: /mnt\n",
        "sharing:\n    jobs:\n    - name: old\n    - {name: older}\n    mode: plan\n",
        "sharing:\n  jobs:\n    - name: old\n      note: |\n        two\n        lines\n\nphotos: /mnt\n",
        "sharing:\n  brakes:\n    max_number: 3\n",
        EVERYTHING,
    ],
)
def test_a_job_more_and_nothing_else(text: str) -> None:
    after = with_job(text, JOB)
    assert after is not None
    before = yaml.safe_load(text) or {}
    sharing = before.get("sharing") or {}
    assert yaml.safe_load(after) == before | {"sharing": sharing | {"jobs": [*(sharing.get("jobs") or []), JOB]}}
    lines = iter(after.splitlines())
    assert all(line in lines for line in text.splitlines()), "every line is there still, in its order"


@pytest.mark.parametrize(
    "text",
    [
        "sharing: {mode: plan}\n",
        "sharing:\n  jobs: [{name: old}]\n",
        "sharing:\n",
        "sharing:\n  jobs: []\n",
        "{photos: /mnt}\n",
    ],
)
def test_what_cannot_be_added_to_is_left_to_a_person(tmp_path: Path, text: str) -> None:
    path = tmp_path / "immich-pipeline.yaml"
    path.write_text(text)
    assert not write_job(path, JOB)
    assert path.read_text() == text
    assert [*tmp_path.iterdir()] == [path]
    assert yaml.safe_load(job_block(JOB)) == [JOB]


def test_the_file_is_replaced_whole_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "immich-pipeline.yaml"
    path.write_text(EVERYTHING)
    path.chmod(0o600)
    assert write_job(path, JOB)
    assert yaml.safe_load(path.read_text())["sharing"]["jobs"][1] == JOB
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "immich-pipeline.yaml.bak").read_text() == EVERYTHING
    with pytest.raises(UserError, match="has a job 'new' already; it stays as it is"):
        write_job(path, {**JOB, "source_user": "other"})


def test_the_first_job_makes_the_file(tmp_path: Path) -> None:
    assert write_job(tmp_path / "new.yaml", JOB)
    assert yaml.safe_load((tmp_path / "new.yaml").read_text()) == {"sharing": {"jobs": [JOB]}}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write the configuration file"):
        write_job(tmp_path / "missing" / "x.yaml", JOB)
