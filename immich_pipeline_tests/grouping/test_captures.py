from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.grouping import BLOCK, RULES
from benchmarks.grouping import library as generated
from immich_pipeline.grouping import (
    CAPTURE_SCHEMA,
    CONSTRAINT_SCHEMA,
    INPUT_SCHEMA,
    captures,
    group_captures,
    stack_members,
)
from immich_pipeline.grouping.prepare import prepare
from immich_pipeline.grouping.reports import unmet_constraints
from immich_pipeline.grouping.rules import default_rules
from immich_pipeline_tests.grouping.library import asset, frame
from immich_pipeline_tests.thorough import times

names = st.tuples(
    st.sampled_from([None, "", "a", "a/RAW", "a/jpg", "a/edited", "b"]),
    st.sampled_from(
        [
            "IMG_1", "img_1", "IMG_1-edited", "IMG_1~2", "IMG_1-1", "IMG_1_v2", "IMG_1 (1)", "IMG_1-mix", "modifie\u0301", "modifié",
            "20231207_101605_001", "20231207_101605_002", "X_BURST1", "X_BURST2_COVER", "y (+0.7)", "y (-0.7)",
        ]
    ),
    st.sampled_from([".CR2", ".DNG", ".JPG", ".jpg", ".HEIC", ".CR2.jpg", ".MOV", ".mp4"]),
)  # fmt: skip
details = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["me", "you"]),
        "seconds": st.sampled_from([None, 0, 0.5, 1, 3, 5, 900, 7200]),
        "zone_shift": st.sampled_from([None, 0, 3600]),
        "subsec": st.sampled_from([None, "5"]),
        "make": st.sampled_from([None, "Canon", "Sony"]),
        "model": st.sampled_from([None, "R5"]),
        "burst_id": st.sampled_from([None, None, "B"]),
        "content_id": st.sampled_from([None, None, "C"]),
        "size": st.integers(1, 3),
        "width": st.sampled_from([None, 10, 20]),
        "height": st.just(10),
        "duration_ms": st.sampled_from([None, 900, 1000, 9000]),
        "exposure_bias": st.sampled_from([None, -1.0, 0.0, 1.0]),
        "visibility": st.sampled_from([None, None, "timeline", "archive", "hidden", "locked"]),
        "is_trashed": st.sampled_from([None, False, False, True]),
        "live_video_id": st.sampled_from([None, None, "03"]),
        "serial": st.sampled_from([None, "1", "2"]),
        "content_key": st.sampled_from([None, None, "k", "l"]),
    }
)
numbers = st.sampled_from([*(f"{number:02}" for number in range(14)), "k"])
constraint_frames = st.lists(
    st.tuples(st.sampled_from(["set_primary", "together", "not_together"]), numbers, numbers), max_size=4
).map(lambda rows: pl.DataFrame(rows, schema=CONSTRAINT_SCHEMA, orient="row"))


@st.composite
def libraries(draw: st.DrawFn) -> list[dict[str, Any]]:
    parts = draw(st.lists(st.tuples(names, details), max_size=14))
    return [
        asset(f"{stem}{extension}", **known) | {"asset_id": f"{number:02}", "folder": folder}
        for number, ((folder, stem, extension), known) in enumerate(parts)
    ]


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=times(15, 40))
@given(libraries(), constraint_frames, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_groups(rows: list[dict[str, Any]], constraints: pl.DataFrame, random: Any) -> None:
    rules = default_rules().model_copy(update={"time_burst_ms": 1000})
    expected = group_captures(frame(rows), rules, constraints)
    assert group_captures(frame(rows), rules, constraints).equals(expected)
    random.shuffle(rows)
    assert group_captures(frame(rows), rules, constraints.reverse()).equals(expected)


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=times(15, 40))
@given(libraries(), constraint_frames)
def test_a_file_is_in_one_group_with_one_primary_of_one_owner(
    rows: list[dict[str, Any]], constraints: pl.DataFrame
) -> None:
    members = group_captures(frame(rows), constraints=constraints)
    assert dict(members.schema) == CAPTURE_SCHEMA
    assert not members["asset_id"].is_duplicated().any()
    facts = frame(rows).select("asset_id", "owner", "visibility", "is_trashed", file="kind")
    with_facts = members.join(facts, on="asset_id")
    groups = with_facts.group_by("group_id").agg(
        pl.len(), pl.col("is_primary").sum(), pl.col("owner", "kind").n_unique()
    )
    assert groups.filter((pl.col("len") < 2) | (pl.col("is_primary") != 1)).is_empty()
    assert groups.filter((pl.col("owner") != 1) | (pl.col("kind") != 1)).is_empty()
    assert with_facts.filter("is_primary", pl.col("role") == "video").is_empty()
    assert with_facts.filter((pl.col("visibility") == "locked") | pl.col("is_trashed")).is_empty()
    stacked = stack_members(with_facts)
    shown = stacked.with_columns(pl.col("visibility").eq_missing("hidden")).group_by("group_id")
    assert shown.agg(pl.col("visibility").n_unique()).filter(pl.col("visibility") > 1).is_empty()
    assert stacked.filter((pl.col("file") == "video") & (pl.col("kind") != "video_variant")).is_empty()
    assert members["confidence"].is_between(0, 1).all()
    assert members["reason"].str.ends_with(".").all()


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=times(15, 40))
@given(libraries(), constraint_frames)
def test_an_unrelated_file_changes_no_group(rows: list[dict[str, Any]], constraints: pl.DataFrame) -> None:
    strangers = [asset("elsewhere/stranger.jpg") | {"asset_id": "-"}, asset("IMG_1.CR2", owner="x") | {"asset_id": "~"}]
    expected = group_captures(frame(rows), constraints=constraints)
    assert group_captures(frame([*rows, *strangers]), constraints=constraints).equals(expected)


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=times(15, 40))
@given(libraries(), constraint_frames)
def test_constraints_always_hold(rows: list[dict[str, Any]], constraints: pl.DataFrame) -> None:
    members = group_captures(frame(rows), constraints=constraints)
    home = dict(members.select("asset_id", "group_id").rows())
    for kind, subject, other in constraints.rows():
        if kind == "not_together" and "k" not in (subject, other) and subject != other and subject in home:
            assert home[subject] != home.get(other)
    unmet = unmet_constraints(frame(rows), members, constraints)
    for kind, subject, other in constraints.join(unmet, on=["kind", "subject", "other"], how="anti").rows():
        if kind == "together" and "k" not in (subject, other) and subject != other:
            assert home[subject] == home[other]


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=times(12, 30))
@given(libraries())
def test_confirming_what_was_found_changes_nothing(rows: list[dict[str, Any]]) -> None:
    members = group_captures(frame(rows))
    first = pl.col("asset_id").first().over("group_id")
    primaries = members.filter("is_primary").select(
        kind=pl.lit("set_primary"), subject="asset_id", other=pl.lit(None, pl.String)
    )
    pairs = stack_members(members).select(kind=pl.lit("together"), subject="asset_id", other=first)
    confirmed = group_captures(frame(rows), constraints=pl.concat([primaries, pairs]))
    assert confirmed.equals(members)


TWO_BLOCKS = generated(2 * len(BLOCK)).drop("expected").sort("asset_id")
WHOLE = group_captures(TWO_BLOCKS, RULES)


@pytest.mark.unmeasured
@settings(deadline=None, max_examples=15)
@given(st.sets(st.sampled_from(TWO_BLOCKS["asset_id"].to_list()), min_size=1, max_size=20))
def test_a_group_heals_when_members_go(gone: set[str]) -> None:
    """Other groups stay to the letter; what is left of a sequence stays together, and nothing else comes in."""
    is_gone = pl.col("asset_id").is_in(list(gone))
    members = group_captures(TWO_BLOCKS.filter(~is_gone), RULES)
    touched = WHOLE.filter(is_gone.any().over("group_id"))
    untouched = WHOLE.join(touched, on="group_id", how="anti")
    assert members.join(untouched, on="asset_id", how="semi").equals(untouched)
    healed = members.join(untouched, on="asset_id", how="anti").join(
        WHOLE.select("asset_id", before="group_id"), on="asset_id", how="left"
    )
    assert healed["before"].null_count() == 0
    assert healed.filter(pl.col("before").n_unique().over("group_id") > 1).is_empty()
    frames = touched.filter(~is_gone, role="frame").filter(
        pl.col("rule").str.ends_with("burst_id"), pl.len().over("group_id") > 1
    )
    assert frames.join(members, on="asset_id", how="anti").is_empty()


def test_a_group_heals_when_a_member_goes() -> None:
    rows = [asset("A.CR2"), asset("A.JPG"), asset("A-edited.jpg"), asset("B.CR2"), asset("B.JPG")]
    other = group_captures(frame(rows[3:]))
    for gone in range(3):
        members = group_captures(frame(rows[:gone] + rows[gone + 1 :]))
        assert members.filter(pl.col("asset_id").str.starts_with("B")).equals(other)
        assert members.filter(pl.col("asset_id").str.starts_with("A")).height == 2
    assert group_captures(frame([rows[0], *rows[3:]])).equals(other)


def test_group_ids_follow_from_kind_and_members_alone() -> None:
    rows = [asset("A.CR2"), asset("A.JPG")]
    (expected,) = group_captures(frame(rows))["group_id"].unique().to_list()
    moved = [row | {"folder": "b", "size": 7, "owner": "you"} for row in rows]
    assert group_captures(frame(moved))["group_id"].to_list() == [expected, expected]
    assert len(expected) == 32
    assert int(expected, 16)
    renamed = [rows[0], rows[1] | {"asset_id": "other"}]
    assert group_captures(frame(renamed))["group_id"][0] != expected


def test_owners_may_be_grouped_together_or_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    library = generated(6 * len(BLOCK)).drop("expected")
    library = pl.concat([library, library.filter(owner="owner 1").with_columns(pl.col("asset_id") + "x", owner=None)])
    at_once = group_captures(library, RULES)
    for share in (1, 3 * len(BLOCK)):
        monkeypatch.setattr(captures, "_SHARE", share)
        assert group_captures(library, RULES).equals(at_once)


def test_an_empty_library_has_no_groups() -> None:
    members = group_captures(pl.DataFrame(schema=INPUT_SCHEMA))
    assert members.is_empty()
    assert dict(members.schema) == CAPTURE_SCHEMA


def test_input_that_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the columns kind, make"):
        group_captures(frame([]).drop("kind", "make"))
    with pytest.raises(ValueError, match="occurs twice"):
        group_captures(frame([asset("A.JPG"), asset("A.JPG")]))


@pytest.fixture(scope="module")
def large() -> pl.DataFrame:
    """Captures of every rule, three owners, uploads, names beyond ASCII; the rows come shuffled."""
    return generated(200_000)


def test_a_hundred_thousand_captures_in_any_order(large: pl.DataFrame) -> None:
    expected = large.select("asset_id", "owner", "expected")
    assets = large.drop("expected")
    members = group_captures(assets, RULES)
    captures = expected["expected"].drop_nulls().n_unique() + expected["expected"].null_count()
    assert captures >= 100_000
    assert not members["asset_id"].is_duplicated().any()
    assert group_captures(assets.reverse(), RULES).equals(members)
    found = expected.join(members, on="asset_id", how="left")
    grouped, alone = found.filter(pl.col("expected").is_not_null()), found.filter(pl.col("expected").is_null())
    assert alone["group_id"].null_count() == alone.height
    assert grouped["group_id"].null_count() == 0
    assert grouped["group_id"].n_unique() == grouped["expected"].n_unique()
    apart = pl.struct("group_id", "owner", pl.col("expected").str.split(" ").list.first()).n_unique()
    assert grouped.group_by("expected").agg(pl.col("group_id").n_unique(), apart.alias("apart")).max().row(0)[1:] == (
        1,
        1,
    )
    assert (grouped["kind"] == grouped["expected"].str.split(" ").list.first()).all()


def test_the_large_library_has_a_capture_of_every_rule(large: pl.DataFrame) -> None:
    few = large.drop("expected").head(20_000)
    prepared = prepare(few, RULES)
    assert set(prepared["name_rule"].drop_nulls()) == set(range(len(RULES.active_name_rules())))
    assert set(prepared["folder_rule"].drop_nulls()) == set(range(len(RULES.folder_rules)))
    stems = prepared["stem"]
    marks = [*(mark.pattern for mark in RULES.active_marks()), *RULES.weak_marks, RULES.copy_marks[0]]
    assert [mark for mark in marks if not stems.str.contains(f"{RULES.mark_pattern(mark)}$").any()] == []
    rules = set(group_captures(few, RULES)["rule"].str.split(".").list.last())
    assert rules == RULES.evidence.keys() - {"user"}
