from datetime import timedelta
from itertools import combinations
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup import GROUP_SCHEMA, MEMBER_SCHEMA, VERIFIED_SCHEMA, DuplicateGroups, duplicate_groups
from immich_pipeline_tests.dedup.pictures import (
    NOON,
    captures_of,
    facts_of,
    groups_of,
    named,
    picture,
    taken,
    verified_of,
)
from immich_pipeline_tests.thorough import times

SAME = {"sha256": b"s" * 32}


def test_copies_are_one_group_with_what_keeping_one_would_free() -> None:
    found = groups_of(*(picture(name, **SAME, size=700) for name in "abc"), picture("d", bits=30))
    assert dict(found.groups.schema) == GROUP_SCHEMA
    assert dict(found.members.schema) == MEMBER_SCHEMA
    row = found.groups.row(0, named=True)
    assert len(row.pop("group_id")) == 32
    assert row == {
        "owner": "me", "class": "exact", "confidence": 1.0, "members": 3, "bytes": 2100, "reclaimable_bytes": 1400,
        "diameter": 0,
    }  # fmt: skip
    assert found.members["is_representative"].to_list() == [True, False, False]


def test_hard_links_take_and_free_their_space_once() -> None:
    link = {**SAME, "size": 700, "inode": 5}
    found = groups_of(picture("a", **link), picture("b", **link), picture("c", **SAME, size=700, inode=6))
    assert found.groups.select("bytes", "reclaimable_bytes").row(0) == (1400, 700)
    linked = groups_of(picture("a", **link), picture("b", **link))
    assert linked.groups.select("bytes", "reclaimable_bytes").row(0) == (700, 0)
    elsewhere = groups_of(picture("a", **link), picture("b", **link, source_id="phone"))
    assert elsewhere.groups["reclaimable_bytes"][0] == 700


def test_a_group_is_as_strong_as_its_weakest_member() -> None:
    rows = [
        picture("a", **SAME),
        picture("b", **SAME),
        picture("c", bits=2, size=900),
        picture("d", bits256=20, size=900),
    ]
    found = groups_of(*rows)
    assert named(found) == [("edited", ["a", "b", "c", "d"])]
    classes = dict(found.members.select("asset_id", "class").rows())
    assert classes == {"a": "exact", "b": "exact", "c": "reencoded", "d": "edited"}
    assert found.groups["confidence"][0] == 0.6
    assert named(groups_of(*rows[:3])) == [("reencoded", ["a", "b", "c"])]


def test_copies_of_a_member_are_members_like_it() -> None:
    rows = [picture("a", size=9999), picture("b", **SAME, bits=2), picture("c", **SAME, bits=2)]
    found = groups_of(*rows)
    assert named(found) == [("reencoded", ["a", "b", "c"])]
    assert found.members["distance"].to_list() == [0, 2, 2]
    assert found.members["class"].to_list() == ["exact", "reencoded", "reencoded"]


def test_the_diameter_bounds_every_pair() -> None:
    rows = [picture("a", size=9999), picture("b", bits=3), picture("c", phash=picture("c")["phash"] ^ (0b11111 << 40))]
    assert groups_of(*rows).groups["diameter"][0] == 8
    assert groups_of(*rows[:2]).groups["diameter"][0] == 3


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"kind": "raw", "width": 10, "height": 8}, {}),
        ({"width": 8000, "height": 6000}, {"size": 9999}),
        ({}, {"width": None, "size": 9999}),
        ({"size": 1001}, {"taken_at_local": NOON}),
        ({"taken_at_local": NOON}, {}),
        ({"taken_at_local": NOON}, {"taken_at_local": NOON + timedelta(seconds=1)}),
        ({"path": "z.jpg"}, {"path": "aa.jpg"}),
        ({"path": "a.jpg"}, {"path": "b.jpg"}),
    ],
)
def test_the_representative(better: dict[str, Any], worse: dict[str, Any]) -> None:
    found = groups_of(picture("b", **better), picture("a", **worse))
    assert found.members["asset_id"][0] == "b"
    assert found.members["is_representative"].to_list() == [True, False]


def test_burst_neighbours_and_merely_similar_pictures_make_no_group() -> None:
    burst = [picture("a", **taken()), picture("b", **taken(NOON + timedelta(seconds=3)))]
    assert verified_of(*burst)["class"].to_list() == ["burst_neighbour"]
    assert groups_of(*burst).groups.is_empty()
    assert groups_of(picture("a"), picture("b", bits256=30)).members.is_empty()


def test_two_frames_alike_a_copy_without_metadata_are_not_put_together() -> None:
    """A messenger's copy resembles both frames of a burst; it can only be a copy of one, here the nearer."""
    copy = picture("copy", size=9999)
    frames = [picture("f1", **taken(), bits=2), picture("f2", **taken(NOON + timedelta(seconds=1), subsec="5"), bits=4)]
    assert named(groups_of(copy, *frames)) == [("reencoded", ["copy", "f1", "f2"])], "a rounded second says nothing"
    frames[1] |= {"taken_at_local": NOON + timedelta(seconds=9)}
    assert named(groups_of(copy, *frames)) == [("reencoded", ["copy", "f1"])]
    assert named(groups_of(copy, *frames, frames[1] | {"asset_id": "f2b", "path": "f2b.jpg"})) == [
        ("reencoded", ["copy", "f1"]),
        ("exact", ["f2", "f2b"]),
    ], "what is taken out still finds its own copy"


def test_two_cameras_alike_a_copy_without_metadata_are_not_put_together() -> None:
    rows = [picture("copy", size=9999), picture("a", **taken(), bits=2), picture("b", **taken(model="R6"), bits=4)]
    assert named(groups_of(*rows)) == [("reencoded", ["copy", "a"])]


def test_members_of_one_capture_are_not_put_together_through_a_third() -> None:
    rows = [
        picture("copy", size=9999),
        picture("a", bits=2),
        picture("b", bits=4),
        picture("c", sha256=picture("b")["sha256"], bits=4),
    ]
    assert named(groups_of(*rows)) == [("reencoded", ["copy", "a", "b", "c"])]
    assert named(groups_of(*rows, captures=captures_of(("a", "c")))) == [
        ("exact", ["b", "c"]),
        ("reencoded", ["copy", "a"]),
    ]


def test_a_pair_of_one_capture_is_no_group_even_where_it_was_not_verified_with_captures() -> None:
    rows = [picture("a"), picture("b", bits=2), picture("c", bits=3)]
    found = duplicate_groups(verified_of(*rows), facts_of(*rows), captures_of(("a", "b")))
    assert named(found) == [("reencoded", ["a", "c"])]
    assert named(duplicate_groups(verified_of(*rows), facts_of(*rows), captures_of(("a", "b", "c")))) == []


def test_a_near_pair_of_equal_files_adds_nothing_to_their_being_equal() -> None:
    rows = [picture("a", **SAME), picture("b", **SAME)]
    verified = verified_of(*rows)
    near = verified.with_columns(pl.lit("near").alias("kind"), pl.lit("edited").alias("class"))
    assert named(duplicate_groups(pl.concat([verified, near]), facts_of(*rows))) == [("exact", ["a", "b"])]


def dismissed_of(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> pl.DataFrame:
    contents = [sorted((one["content"], other["content"])) for one, other in pairs]
    return pl.DataFrame(contents, schema={"left_content": pl.Binary, "right_content": pl.Binary}, orient="row")


def test_what_a_person_told_apart_is_not_together_through_the_representative() -> None:
    best, near, far = picture("best", size=9999), picture("near", bits=2), picture("far", bits=4)
    rows = [best, near, far, far | {"asset_id": "far copy", "path": "far copy.jpg"}]
    verified, facts = verified_of(*rows), facts_of(*rows)
    assert named(duplicate_groups(verified, facts)) == [("reencoded", ["best", "far", "far copy", "near"])]
    found = duplicate_groups(verified, facts, dismissed=dismissed_of((near, far)))
    assert named(found) == [("reencoded", ["best", "near"]), ("exact", ["far", "far copy"])]


def test_what_a_person_told_apart_from_the_representative_finds_others() -> None:
    best, near, far = picture("best", size=9999), picture("near", bits=2, size=2000), picture("far", bits=4)
    rows = [best, near, far]
    found = duplicate_groups(verified_of(*rows), facts_of(*rows), dismissed=dismissed_of((best, far)))
    assert named(found) == [("reencoded", ["best", "near"])], "near is with its best, so far is alone"
    found = duplicate_groups(
        verified_of(*rows), facts_of(*rows), dismissed=dismissed_of((best, far), (near, best), (best, picture("gone")))
    )
    assert named(found) == [("reencoded", ["near", "far"])]
    nobody = dismissed_of((best, far), (near, best), (near, far))
    assert named(duplicate_groups(verified_of(*rows), facts_of(*rows), dismissed=nobody)) == []


def test_frames_of_a_bracket_alike_a_copy_without_metadata_are_not_put_together() -> None:
    rows = [
        picture("copy", size=9999),
        picture("dark", bits=2, exposure_bias=-1.0),
        picture("light", bits=4, exposure_bias=1.0),
    ]
    assert named(groups_of(*rows)) == [("reencoded", ["copy", "dark"])]


def pair_row(names: str, kind: str, strength: str, distance: int | None, distance256: int | None = 1) -> Any:
    known = {"owner": "me", "left_id": names[0], "right_id": names[1], "kind": kind, "distance": distance}
    judged = {"class": strength, "distance256": distance256, "confidence": 1.0, "reason": kind}
    return dict.fromkeys(VERIFIED_SCHEMA) | known | judged


def grouped(names: str, *pairs: Any) -> DuplicateGroups:
    rows = [picture(name, size=9000 - ord(name)) for name in names]
    return duplicate_groups(pl.DataFrame(pairs, schema=VERIFIED_SCHEMA), facts_of(*rows))


def test_pairs_of_immichs_own_groups_make_groups_too() -> None:
    found = grouped("abc", pair_row("ab", "immich", "edited", 13), pair_row("ac", "near", "reencoded", 4))
    assert named(found) == [("edited", ["a", "b", "c"])]
    assert found.groups["diameter"].to_list() == [17]
    both = grouped("ab", pair_row("ab", "immich", "edited", 13), pair_row("ab", "near", "reencoded", 4))
    assert both.members.filter(~pl.col("is_representative"))["reason"].to_list() == ["near"], "the nearer word counts"


def test_an_unknown_distance_counts_as_the_largest_unless_the_pixels_are_the_same() -> None:
    found = grouped("abc", pair_row("ab", "immich", "edited", None, None), pair_row("ac", "near", "reencoded", 4))
    assert found.groups["diameter"].to_list() == [64]
    assert found.members["asset_id"].to_list() == ["a", "c", "b"], "what is not known comes last"
    assert found.members["distance"].to_list() == [0, 4, None]
    found = grouped("abc", pair_row("ab", "immich", "same_pixels", None), pair_row("ac", "near", "reencoded", 4))
    assert found.groups["diameter"].to_list() == [4]


def test_an_unknown_distance_is_never_the_nearest() -> None:
    known, unknown = pair_row("bc", "near", "edited", 9, 20), pair_row("ac", "immich", "edited", None, None)
    assert named(grouped("abc", known, unknown)) == [("edited", ["b", "c"])]


def test_owners_are_never_mixed() -> None:
    rows = [picture("a", **SAME), picture("b", **SAME), picture("c", **SAME, owner="you"), picture("d", owner="you")]
    found = groups_of(*rows)
    assert sorted(found.groups["owner"]) == ["me", "you"]
    assert named(found) == [("exact", ["a", "b"]), ("reencoded", ["c", "d"])]


def test_no_pairs_no_groups() -> None:
    found = groups_of()
    assert found.groups.equals(pl.DataFrame(schema=GROUP_SCHEMA))
    assert found.members.equals(pl.DataFrame(schema=MEMBER_SCHEMA))


pictures = st.fixed_dictionaries(
    {
        "flip": st.integers(0, 2**12 - 1),
        "bits256": st.integers(0, 30),
        "sha": st.integers(0, 9),
        "owner": st.sampled_from(["me", "me", "you"]),
        "kind": st.sampled_from(["image", "image", "raw"]),
        "width": st.sampled_from([400, 800, None]),
        "size": st.integers(1, 3),
        "seconds": st.sampled_from([None, 0, 1, 5]),
        "model": st.sampled_from([None, "R5", "R6"]),
        "capture": st.sampled_from([None, None, 0, 1]),
        "inode": st.integers(0, 3),
    }
)


def as_rows(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pictures of equal bytes are equal in all that bytes decide."""
    first: dict[int, dict[str, Any]] = {}
    rows = []
    for number, own in enumerate(drawn):
        content = first.setdefault(own["sha"], own)
        metadata = {} if content["seconds"] is None else taken(NOON + timedelta(seconds=content["seconds"]))
        known = {
            "sha256": bytes([own["sha"]]) * 32, "phash": picture("x")["phash"] ^ content["flip"], "bits256": content["bits256"],
            "kind": content["kind"], "width": content["width"], "size": content["size"],
            "owner": own["owner"], "inode": own["inode"], **metadata, "model": content["model"],
        }  # fmt: skip
        rows.append(picture(f"{number:02}", **known))
    return rows


@settings(deadline=None, max_examples=times(20, 40))
@given(
    st.lists(pictures, max_size=12),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5),
    st.integers(0, 12),
    st.randoms(use_true_random=False),
)
def test_what_holds_of_every_library(
    drawn: list[dict[str, Any]], apart: list[tuple[int, int]], radius: int, random: Any
) -> None:
    rows = as_rows(drawn)
    by_capture = [tuple(f"{n:02}" for n, own in enumerate(drawn) if own["capture"] == key) for key in (0, 1)]
    captures = captures_of(*by_capture)
    verified, facts = verified_of(*rows, captures=captures, radius=radius), facts_of(*rows)
    told = [tuple(sorted((bytes([one]) * 32, bytes([other]) * 32))) for one, other in apart if one != other]
    dismissed = pl.DataFrame(told, schema={"left_content": pl.Binary, "right_content": pl.Binary}, orient="row")
    found = duplicate_groups(verified, facts, captures, dismissed=dismissed)
    check_groups(found.groups, found.members, verified, facts, by_capture)
    check_apart(found.members, facts, told)
    random.shuffle(rows)
    order = list(range(verified.height))
    random.shuffle(order)
    again = duplicate_groups(verified[order], facts_of(*rows), captures.reverse(), dismissed=dismissed.reverse())
    assert again.groups.equals(found.groups)
    assert again.members.equals(found.members)


def check_apart(members: pl.DataFrame, facts: pl.DataFrame, told: list[Any]) -> None:
    contents = members.join(facts, on="asset_id").group_by("group_id").agg("content")["content"].to_list()
    for one, other in told:
        assert not any(one in inside and other in inside for inside in contents), "told apart, and yet in one group"


def check_groups(
    groups: pl.DataFrame,
    members: pl.DataFrame,
    verified: pl.DataFrame,
    facts: pl.DataFrame,
    captures: list[tuple[str, ...]],
) -> None:
    assert not members["asset_id"].is_duplicated().any(), "a file is in one group at most"
    known = {row["asset_id"]: row for row in facts.iter_rows(named=True)}
    near = {frozenset(pair) for pair in verified.select("left_id", "right_id").rows()}
    for group in groups.iter_rows(named=True):
        inside = members.filter(pl.col("group_id") == group["group_id"])
        ids = inside["asset_id"].to_list()
        (representative,) = inside.filter("is_representative")["asset_id"]
        assert len(ids) == group["members"] >= 2
        assert {known[i]["owner"] for i in ids} == {group["owner"]}
        assert 0 <= group["reclaimable_bytes"] <= group["bytes"]
        assert group["bytes"] - group["reclaimable_bytes"] == known[representative]["size"]
        same = {i: known[i]["sha256"] for i in ids}
        for one, other in combinations(ids, 2):
            distance = (known[one]["phash"] ^ known[other]["phash"]) & (2**64 - 1)
            assert distance.bit_count() <= group["diameter"]
            if same[one] != same[other]:
                assert not any(one in capture and other in capture for capture in captures)
        with_camera = [known[i] for i in ids if known[i]["make"] and known[i]["model"]]
        assert len({row["model"] for row in with_camera}) <= 1
        moments = [row["taken_at_local"] for row in with_camera]
        assert not moments or max(moments) - min(moments) <= timedelta(seconds=2)
        copies = [
            [i for i in known if known[i]["sha256"] == same[j] and known[i]["owner"] == group["owner"]] for j in ids
        ]
        for own_copies in copies:
            if representative not in own_copies:
                stars = [
                    frozenset((a, b)) for a in own_copies for b in known if known[b]["sha256"] == same[representative]
                ]
                assert any(pair in near for pair in stars), "every member is a pair with the representative itself"
