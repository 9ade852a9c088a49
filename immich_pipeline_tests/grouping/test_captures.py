import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.grouping import CAPTURE_SCHEMA, INPUT_SCHEMA, group_captures
from immich_pipeline_tests.grouping.library import asset, frame

names = st.tuples(
    st.sampled_from(["", "a", "a/RAW", "a/jpg", "b"]),
    st.sampled_from(["IMG_1", "img_1", "20231207_101605_001", "20231207_101605_002", "X_BURST1", "X_BURST2_COVER"]),
    st.sampled_from([".CR2", ".DNG", ".JPG", ".jpg", ".HEIC", ".CR2.jpg", ".MOV"]),
)
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
    }
)


@st.composite
def libraries(draw: st.DrawFn) -> list[dict[str, Any]]:
    parts = draw(st.lists(st.tuples(names, details), max_size=14))
    return [
        asset(f"{folder}/{stem}{extension}".lstrip("/"), **known) | {"asset_id": f"{number:02}"}
        for number, ((folder, stem, extension), known) in enumerate(parts)
    ]


@settings(deadline=None, max_examples=40)
@given(libraries(), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_groups(rows: list[dict[str, Any]], random: Any) -> None:
    expected = group_captures(frame(rows))
    random.shuffle(rows)
    assert group_captures(frame(rows)).equals(expected)


@settings(deadline=None, max_examples=40)
@given(libraries())
def test_a_file_is_in_one_group_with_one_primary_of_one_owner(rows: list[dict[str, Any]]) -> None:
    members = group_captures(frame(rows))
    assert dict(members.schema) == CAPTURE_SCHEMA
    assert not members["asset_id"].is_duplicated().any()
    with_facts = members.join(frame(rows).select("asset_id", "owner", file="kind"), on="asset_id")
    groups = with_facts.group_by("group_id").agg(
        pl.len(), pl.col("is_primary").sum(), pl.col("owner", "kind").n_unique()
    )
    assert groups.filter((pl.col("len") < 2) | (pl.col("is_primary") != 1)).is_empty()
    assert groups.filter((pl.col("owner") != 1) | (pl.col("kind") != 1)).is_empty()
    assert with_facts.filter("is_primary", pl.col("file") == "video").is_empty()
    assert members["confidence"].is_between(0, 1).all()
    assert members["reason"].str.ends_with(".").all()


@settings(deadline=None, max_examples=40)
@given(libraries())
def test_an_unrelated_file_changes_no_group(rows: list[dict[str, Any]]) -> None:
    stranger = asset("elsewhere/stranger.jpg", owner="me") | {"asset_id": "-"}
    assert group_captures(frame([*rows, stranger])).equals(group_captures(frame(rows)))


def test_group_ids_follow_from_kind_and_members_alone() -> None:
    rows = [asset("A.CR2"), asset("A.JPG")]
    (expected,) = group_captures(frame(rows))["group_id"].unique().to_list()
    moved = [row | {"folder": "b", "size": 7, "owner": "you"} for row in rows]
    assert group_captures(frame(moved))["group_id"].to_list() == [expected, expected]
    assert len(expected) == 32
    assert int(expected, 16)
    renamed = [rows[0], rows[1] | {"asset_id": "other"}]
    assert group_captures(frame(renamed))["group_id"][0] != expected


def test_an_empty_library_has_no_groups() -> None:
    members = group_captures(pl.DataFrame(schema=INPUT_SCHEMA))
    assert members.is_empty()
    assert dict(members.schema) == CAPTURE_SCHEMA


def test_input_that_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the columns kind, make"):
        group_captures(frame([]).drop("kind", "make"))
    with pytest.raises(ValueError, match="occurs twice"):
        group_captures(frame([asset("A.JPG"), asset("A.JPG")]))


def test_a_hundred_thousand_files_take_seconds() -> None:
    number = pl.int_range(100_000, eager=True)
    shot = number // 2
    raw = number % 2 == 0
    base = frame([asset("A.CR2")]).drop("asset_id", "name", "kind", "folder", "taken_at_local")
    library = pl.DataFrame({"number": number, "shot": shot, "raw": raw}).select(
        pl.format("{}", pl.col("number").hash(1)).alias("asset_id"),
        pl.format(
            "IMG_{}.{}", pl.col("shot") % 10_000, pl.when("raw").then(pl.lit("CR2")).otherwise(pl.lit("JPG"))
        ).alias("name"),
        pl.when("raw").then(pl.lit("raw")).otherwise(pl.lit("image")).alias("kind"),
        pl.format("2023/{}", pl.col("shot") // 20_000).alias("folder"),
        taken_at_local=pl.datetime(2023, 1, 2) + pl.duration(seconds=pl.col("shot") * 3),
    )
    started = time.monotonic()
    members = group_captures(library.join(base, how="cross"))
    assert time.monotonic() - started < 20
    assert members.height == 100_000
    assert members["group_id"].n_unique() == 50_000
