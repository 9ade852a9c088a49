"""What a changed policy would change."""

from immich_pipeline.dedup.decide import Decisions
from immich_pipeline.dedup.policy_hash import policy_hash
from immich_pipeline.dedup.simulate import CHANGE_SCHEMA, changes_text, compare_decisions
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import DEFAULT, GPS, Row, asset, decided, facts_of

ROWS = [asset("a", **GPS, width=2000, name="evil|`<b>\n.jpg"), asset("b")]


def both(rows: list[Row], other: DuplicateSettings) -> tuple[Decisions, Decisions]:
    return decided(*rows, settings=DEFAULT), decided(*rows, settings=other)


def test_another_kept_one_is_a_change() -> None:
    before, after = both(ROWS, DuplicateSettings(policy="metadata_first"))
    changes = compare_decisions(before, after, facts_of(ROWS))
    assert dict(changes.schema) == CHANGE_SCHEMA
    assert changes.rows() == [("s", "keeper", "b", "a", "b.jpg", "evil|`<b>\n.jpg (a.jpg)", "pixels", "completeness")]


def test_another_verdict_and_fate_are_changes() -> None:
    before, after = both(ROWS, DuplicateSettings(unattended=(), instead={"same_pixels": "stack"}))
    changes = compare_decisions(before, after, facts_of(ROWS))
    assert changes.select("change", "before", "after").rows() == [
        ("becomes", "trash", "stack"),
        ("verdict", "certain", "review"),
    ]


def test_the_same_policy_changes_nothing() -> None:
    before, after = both(ROWS, DuplicateSettings())
    changes = compare_decisions(before, after, facts_of(ROWS))
    assert changes.is_empty()
    assert changes_text(changes, 1) == "0 of 1 sets would be decided otherwise."


def test_sets_that_only_one_knows_are_told() -> None:
    more = [*ROWS, asset("c", set="t"), asset("d", set="t")]
    before, after = decided(*ROWS), decided(*more)
    assert compare_decisions(before, after, facts_of(more)).rows() == [
        ("t", "set", None, "c", None, "c.jpg", None, "content")
    ]
    gone = compare_decisions(after, before, facts_of(more))
    assert gone.select("change", "before", "after").rows() == [("set", "c", None)]
    assert changes_text(gone, 2).splitlines()[-1] == "| t | set | `c.jpg` (by content) |  |"


def test_the_text_counts_and_shows_the_first_with_hostile_names_made_harmless() -> None:
    rows = [
        row | {"set": f"s{n}", "asset_id": f"{row['asset_id']}{n}", "unit": f"{row['asset_id']}{n}"}
        for n in range(4)
        for row in ROWS
    ]
    before, after = both(rows, DuplicateSettings(policy="metadata_first", unattended=()))
    text = changes_text(compare_decisions(before, after, facts_of(rows)), 4, limit=3)
    assert text.splitlines() == [
        "4 of 4 sets would be decided otherwise.",
        "- another one is kept: 4",
        "- another verdict: 4",
        "",
        "| Set | Change | Before | After |",
        "| --- | --- | --- | --- |",
        "| s0 | keeper | `b.jpg` (by pixels) | `evil\\|'<b>␊.jpg (a.jpg)` (by completeness) |",
        "| s0 | verdict | certain (by pixels) | review (by completeness) |",
        "| s1 | keeper | `b.jpg` (by pixels) | `evil\\|'<b>␊.jpg (a.jpg)` (by completeness) |",
        "",
        "5 more are not shown.",
    ]


def test_the_hash_tells_policies_apart_that_decide_otherwise() -> None:
    assert len(policy_hash(DEFAULT)) == 64
    same = DuplicateSettings(
        mode="auto", budget={"groups": 3}, review_tag="x", backup={"folder": "/x"}, policy="default"
    )
    assert policy_hash(same) == policy_hash(DEFAULT)
    assert policy_hash(DuplicateSettings(order=DEFAULT.steps)) == policy_hash(DEFAULT)
    others = [
        {"policy": "metadata_first"}, {"weights": {"gps": 1}}, {"protect": {"albums": False}}, {"delete_from": ["x"]},
        {"unattended": []}, {"backup": {"required": False}}, {"instead": {"exact": "tag"}},
    ]  # fmt: skip
    hashes = {policy_hash(DuplicateSettings.model_validate(other)) for other in others}
    assert len(hashes | {policy_hash(DEFAULT)}) == len(others) + 1
