import json
import re
from pathlib import Path

import pytest

import immich_pipeline.immich
from immich_pipeline.immich.permissions import ENDPOINTS, FEATURES, missing, needed

SHARED = Path(__file__).resolve().parents[2] / "../shared/immich"
EVERY_ONE = frozenset(permission for permission in ENDPOINTS.values() if permission)


@pytest.mark.parametrize("version", ["2.7.5", "3.1.0"])
def test_permissions_are_those_of_the_server(version: str) -> None:
    table = SHARED / f"permissions-v{version}.json"
    if not table.exists():
        pytest.skip("the table of Immich's permissions is not part of the repository")
    theirs = json.loads(table.read_text())
    asked = {endpoint: theirs[endpoint.replace(" ", " /api", 1)] for endpoint in ENDPOINTS}
    if version == "2.7.5":  # where it had none of its own
        assert asked["PUT /shared-links/{id}/assets"]["permission"] is None
        asked["PUT /shared-links/{id}/assets"] |= {"permission": "sharedLink.update"}
    assert {endpoint: row["permission"] or "" for endpoint, row in asked.items()} == ENDPOINTS
    admin = {endpoint for endpoint, row in asked.items() if row["adminOnly"]}
    assert admin == {endpoint for feature in FEATURES.values() if feature.admin for endpoint in feature.endpoints}


def test_the_newest_version_has_the_endpoints() -> None:
    listed = SHARED / "api-v3.2.2-from-sdk.json"
    if not listed.exists():
        pytest.skip("the list of Immich's endpoints is not part of the repository")
    assert set(ENDPOINTS) <= set(json.loads(listed.read_text())["endpoints_v3_2_2"])


def test_every_endpoint_that_the_client_calls_is_listed_and_used_by_a_feature() -> None:
    package = Path(immich_pipeline.immich.__file__).parent
    modules = ("connection", "client", "changes", "merging", "uploading", "libraries", "search")
    code = "".join((package / f"{name}.py").read_text() for name in modules)
    called = set(re.findall(r'"((?:GET|PUT|POST|PATCH|DELETE) /[^"]*)"', code))
    assert set(ENDPOINTS) == called
    assert {endpoint for feature in FEATURES.values() for endpoint in feature.endpoints} == set(ENDPOINTS)


def test_a_key_for_everything_lacks_nothing() -> None:
    assert all(missing(frozenset({"all"}), feature) == [] for feature in FEATURES)
    assert all(missing(EVERY_ONE, feature) == [] for feature in FEATURES)


def test_what_is_missing_is_named() -> None:
    assert missing(frozenset({"asset.read"}), "snapshot") == ["asset.statistics", "user.read"]
    assert missing(EVERY_ONE - {"asset.update"}, "changes") == ["asset.update"]
    assert missing(EVERY_ONE - {"asset.update"}, "trash") == []
    with pytest.raises(KeyError):
        missing(EVERY_ONE, "cooking")


def test_what_a_key_for_reading_needs() -> None:
    reading = [name for name, feature in FEATURES.items() if not feature.writes]
    permissions = needed(reading)
    assert permissions == sorted(set(permissions))
    assert all(permission.endswith((".read", ".view", ".statistics", ".download")) for permission in permissions)
