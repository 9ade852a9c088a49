"""The file with a policy to try out: what it may look like, and what is said of what it may not."""

from pathlib import Path

import pytest

from immich_pipeline.actions.duplicate_simulation import read_policy
from immich_pipeline.errors import UserError
from immich_pipeline.policies import DuplicateSettings


@pytest.mark.parametrize(
    "text",
    [
        "policy: metadata_first\n",
        "duplicates:\n  policy: metadata_first\n",
        "port: 1\nduplicates: {policy: metadata_first}\n",
    ],
)
def test_a_policy_stands_alone_or_in_whole_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    assert read_policy(tmp_path / "policy.yaml") == DuplicateSettings(policy="metadata_first")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"order: [pixels]\n", "order: each step is named once, and `protected` comes first"),
        (b"polcy: default\n", "unknown setting 'duplicates.polcy'"),
        (b"policy: largest\nmode: 3\n", "policy: should be 'default' or 'metadata_first', not 'largest'"),
        (b"- a\n", "must hold 'name: value' lines"),
        (b"a: [\n", "line 2: not valid YAML"),
        (b"\xff\xfe\xfa", "is not UTF-8 text"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_a_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_policy(path)
    assert said in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.yaml cannot be read: No such file or directory$"):
        read_policy(tmp_path / "no.yaml")
