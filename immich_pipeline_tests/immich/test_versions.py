from typing import Any

import pytest

from immich_pipeline.immich import versions
from immich_pipeline.immich.errors import ApiError, ImmichError
from immich_pipeline.immich.versions import ServerVersion, Support, support_of


@pytest.mark.parametrize(
    ("text", "version", "shown"),
    [
        ("2.7.5", ServerVersion(2, 7, 5), "2.7.5"),
        ("v3.1.0", ServerVersion(3, 1, 0), "3.1.0"),
        (" 3.2.0-rc.1\n", ServerVersion(3, 2, 0, "rc.1"), "3.2.0-rc.1"),
        ("3.2.0+build.7", ServerVersion(3, 2, 0), "3.2.0"),
    ],
)
def test_parse(text: str, version: ServerVersion, shown: str) -> None:
    parsed = ServerVersion.parse(text)
    assert (parsed, parsed.prerelease, str(parsed)) == (version, version.prerelease, shown)


@pytest.mark.parametrize("text", ["", "3", "3.1", "release", "3.1.x", "3.1.0.1", "-1.0.0", "٣.1.0", "9" * 100 + ".0.0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ImmichError, match="is no version"):
        ServerVersion.parse(text)


def test_order_knows_numbers_not_pre_releases() -> None:
    assert ServerVersion(2, 7, 5) < ServerVersion(2, 10, 0) < ServerVersion(3, 0, 0)
    assert ServerVersion(3, 2, 0, "rc.1") == ServerVersion(3, 2, 0)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [("2.7.0", "v2"), ("2.7.5", "v2"), ("3.0.0", "v3"), ("3.1.9", "v3"), ("3.2.0", "v3.2"), ("3.2.2", "v3.2")],
)
def test_known_versions_are_read_and_written(text: str, dialect: str) -> None:
    assert support_of(ServerVersion.parse(text)) == Support(dialect, can_write=True, note=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "dialect", "words"),
    [
        ("3.3.0", "v3.2", "newer than this program knows (up to 3.2)"),
        ("4.0.0", "v3.2", "newer than this program knows"),
        ("2.6.3", "v2", "update it to 2.7 or later"),
        ("1.143.0", "v2", "older than this program supports"),
        ("2.8.0", "v2", "not known to this program: it is read like 2.7"),
    ],
)
def test_other_versions_are_only_read_and_that_is_said(text: str, dialect: str, words: str) -> None:
    support = support_of(ServerVersion.parse(text))
    assert (support.dialect, support.can_write) == (dialect, False)
    assert support.note is not None
    assert words in support.note
    assert text in support.note
    assert "\n" not in support.note


def test_a_table_with_an_unknown_dialect_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row: dict[str, Any] = {"major": 1, "minor": 0, "dialect": "v9"}
    monkeypatch.setattr(versions.tomllib, "loads", lambda _: {"version": [row]})
    versions._known.cache_clear()
    with pytest.raises(ValueError, match="unknown dialect"):
        support_of(ServerVersion(1, 0, 0))
    versions._known.cache_clear()


def test_errors_survive_being_sent_between_processes() -> None:
    import pickle

    error = ApiError("GET /albums", 403, "Missing required permission: album.read", "album.read", 1)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy), copy.missing_permission) == (ApiError, str(error), "album.read")
