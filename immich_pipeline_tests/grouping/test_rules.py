import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from immich_pipeline.grouping import GroupingRules
from immich_pipeline_tests.grouping.library import asset, grouped


def test_a_user_adds_a_name_rule_and_changes_a_number_without_code(tmp_path: Path) -> None:
    extra = tmp_path / "rules.toml"
    extra.write_text(
        """
        tolerance_ms = 500
        media_extensions = ["foo"]
        [evidence.name_only]
        confidence = 0.1
        reason = "who knows"
        [[name_rules]]
        name = "mine"
        use = "burst"
        pattern = '^SERIES(?P<key>\\d+)-\\d+$'
        """
    )
    rules = GroupingRules.load(extra)
    assert rules.tolerance_ms == 500
    assert rules.name_rules[0].name == "mine"
    assert len(rules.name_rules) == len(GroupingRules.load().name_rules) + 1
    assert {"foo", "jpg"} <= set(rules.media_extensions)
    assert (rules.evidence["name_only"].confidence, rules.evidence["same_time"].confidence) == (0.1, 0.99)
    series = [asset("SERIES7-1.jpg"), asset("SERIES7-2.jpg", seconds=1)]
    assert grouped(*series) == []
    assert grouped(*series, rules=rules) == [("burst", ["SERIES7-1.jpg", "SERIES7-2.jpg"], "SERIES7-1.jpg")]


def test_yaml_and_mappings_say_the_same(tmp_path: Path) -> None:
    extra = tmp_path / "rules.yaml"
    extra.write_text(
        """
        tolerance_ms: 500
        switched_on: [leica]
        name_rules:
          - {name: mine, use: burst, pattern: '^SERIES(?P<key>\\d+)-\\d+$'}
        """
    )
    rules = GroupingRules.load(extra)
    assert (rules.tolerance_ms, rules.name_rules[0].name) == (500, "mine")
    assert "leica" in {rule.name for rule in rules.active_name_rules()}
    rule = {"name": "mine", "use": "burst", "pattern": r"^SERIES(?P<key>\d+)-\d+$"}
    assert GroupingRules.load({"tolerance_ms": 500, "switched_on": ["leica"], "name_rules": [rule]}) == rules
    (tmp_path / "empty.yml").write_text("")
    assert GroupingRules.load(tmp_path / "empty.yml") == GroupingRules.load()


@pytest.mark.parametrize(("text", "complaint"), [("- 1", "must hold names"), ("a: [", "not YAML")])
def test_yaml_that_holds_no_rules_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    extra = tmp_path / "rules.yml"
    extra.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        GroupingRules.load(extra)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tolerance_ms = -1", "tolerance_ms"),
        ("tolerance = 2", "tolerance"),
        ("name_rules = [{name = 'x', use = 'burst', pattern = '('}]", "not a regular expression"),
        ("name_rules = [{name = 'x', use = 'burst', pattern = 'x'}]", "needs a group"),
        ("tolerance_ms = ", "Invalid value"),
        ("weak_marks = ['(']", "not a regular expression"),
        ("version_marks = [{name = 'x', pattern = '('}]", "not a regular expression"),
        ("folder_rules = [{name = 'x', use = 'panorama', pattern = '(', gap_ms = 1}]", "not a regular expression"),
        ("switched_on = ['pixel']", "names no optional rule: pixel"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    extra = tmp_path / "rules.toml"
    extra.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        GroupingRules.load(extra)


def test_every_media_format_is_stripped_from_names() -> None:
    table = tomllib.loads(files("immich_pipeline.media").joinpath("formats.toml").read_text(encoding="utf-8"))
    known = {extension for entry in table["format"] if entry["kind"] != "sidecar" for extension in entry["extensions"]}
    assert known <= set(GroupingRules.load().media_extensions)
