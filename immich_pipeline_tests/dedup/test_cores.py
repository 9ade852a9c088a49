"""What is identical is decided although an edit of it, or a copy that nothing proves, lies beside."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.dedup.contents import contents_key
from immich_pipeline.dedup.cores import Decided, cores, decide_cores_first
from immich_pipeline.dedup.decide import decide
from immich_pipeline.dedup.schema import DECISION_MEMBER_SCHEMA, DECISION_SCHEMA, MEMBER_SCHEMA, SET_SCHEMA
from immich_pipeline.policies import DuplicateSettings
from immich_pipeline_tests.dedup.decisions import Row, asset, facts_of, sets_of, word

STRENGTH = ("exact", "same_pixels", "reencoded", "edited")


def a_set(*rows: Row) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Sets, group members and facts; a row's class is how the file stands to the representative, the set's is the weakest."""
    weakest = {
        row["set"]: max((r["class"] for r in rows if r["set"] == row["set"]), key=STRENGTH.index) for row in rows
    }
    members = [
        dict.fromkeys(MEMBER_SCHEMA) | {"group_id": row["group"], "asset_id": row["asset_id"], "class": row["class"]}
        for row in rows
        if row["group"] is not None
    ]
    sets = sets_of([row | {"class": weakest[row["set"]]} for row in rows])
    return sets, pl.DataFrame(members, schema=MEMBER_SCHEMA), facts_of(rows)


def decided(*rows: Row, policy: DuplicateSettings = DuplicateSettings(), **more: Any) -> Decided:  # noqa: B008 - frozen
    found = decide_cores_first(*a_set(*rows), policy, **more)
    assert dict(found.decisions.schema) == DECISION_SCHEMA
    assert dict(found.members.schema) == DECISION_MEMBER_SCHEMA
    assert dict(found.sets.schema) == SET_SCHEMA
    assert set(found.decisions["set_id"]) == set(found.sets["set_id"]) == set(found.members["set_id"])
    return found


def told(found: Decided) -> list[tuple[str, str, list[str]]]:
    """Of each decision the verdict, the class and the files."""
    files = found.members.group_by("set_id").agg(pl.col("asset_id").sort())
    rows = found.decisions.join(files, on="set_id").select("verdict", "class", "asset_id").rows()
    return sorted(rows, key=lambda row: row[2])


def like(name: str, row: Row, **known: Any) -> Row:
    """A file of the same bytes."""
    return asset(name, **{"content": row["content"], "class": row["class"], "group": row["group"]} | known)


ORIGINAL = asset("a", **{"class": "exact"})
EDIT = asset("e", **{"class": "edited"})
UNPROVEN = asset("u", **{"class": "reencoded", "width": 1600, "height": 1200})


def test_equal_files_are_decided_beside_an_edit() -> None:
    found = decided(ORIGINAL, like("b", ORIGINAL), EDIT, UNPROVEN)
    assert told(found) == [("certain", "exact", ["a", "b"])]
    assert found.later == 2
    assert found.sets.select("confidence", "diameter", "group_id").unique().rows() == [(1.0, 0, "g")]
    # when that is done, the others come up
    assert told(decided(ORIGINAL, EDIT, UNPROVEN)) == [("review", "edited", ["a", "e", "u"])]


def test_equal_pixels_are_as_good() -> None:
    repacked = asset("b", **{"class": "same_pixels"})
    found = decided(ORIGINAL, repacked, UNPROVEN)
    assert told(found) == [("certain", "same_pixels", ["a", "b"])]
    assert found.sets.select("confidence", "diameter").unique().rows() == [(0.999, 2)]
    assert told(decided(ORIGINAL, repacked, like("c", repacked), EDIT)) == [("certain", "same_pixels", ["a", "b", "c"])]


def test_equal_files_need_not_be_the_representatives() -> None:
    twins = [UNPROVEN, like("v", UNPROVEN)]
    assert told(decided(ORIGINAL, *twins)) == [("certain", "exact", ["u", "v"])]
    both = decided(ORIGINAL, like("b", ORIGINAL), *twins, EDIT)
    assert told(both) == [("certain", "exact", ["a", "b"]), ("certain", "exact", ["u", "v"])]
    assert both.later == 1


def test_captures_are_identical_in_every_file_or_not_at_all() -> None:
    def imported(name: str, raw: bytes, jpeg: bytes) -> list[Row]:
        known = {"unit": name, "class": "exact"}
        return [
            asset(f"{name}r", kind="raw", content=raw.ljust(32), group="r", role="raw", **known),
            asset(f"{name}j", content=jpeg.ljust(32), group="j", role="rendered", **known | {"class": "reencoded"}),
        ]

    twice = [*imported("a", b"raw", b"jpeg"), *imported("b", b"raw", b"jpeg")]
    other = imported("c", b"raw", b"smaller jpeg")
    assert told(decided(*twice, *other)) == [("certain", "exact", ["aj", "ar", "bj", "br"])]
    assert [row[0] for row in told(decided(*twice[:2], *other))] == ["review"]
    alone = {"group": None, "unit": "a", "role": "edit"}  # a file without a counterpart
    assert [row[0] for row in told(decided(*twice, *other, asset("ax", **alone)))] == ["review"]


def test_a_set_that_needs_nobody_is_decided_as_a_whole() -> None:
    moment = {"taken_at_local": ORIGINAL["file_created_at"], "subsec": "12"}
    proven = asset("p", **{"class": "reencoded"}, **moment)
    settings = DuplicateSettings()
    found = decided(ORIGINAL, like("b", ORIGINAL), policy=settings)
    assert (told(found), found.later) == ([("certain", "exact", ["a", "b"])], 0)
    assert decided(ORIGINAL, like("b", ORIGINAL), proven).later == 1


def test_a_core_that_is_not_certain_itself_stays_in_its_set() -> None:
    kept_for_ever = like("b", ORIGINAL, tags=["keep"])
    twin = asset("a", **{"class": "exact", "tags": ["keep"]})
    assert told(decided(twin, kept_for_ever, EDIT)) == [("review", "edited", ["a", "b", "e"])]
    asked = DuplicateSettings(unattended=("same_pixels",))
    assert told(decided(ORIGINAL, like("b", ORIGINAL), EDIT, policy=asked)) == [("review", "edited", ["a", "b", "e"])]


def test_a_persons_word_on_the_whole_set_holds() -> None:
    rows = [ORIGINAL, like("b", ORIGINAL), EDIT]
    contents = [row["content"] for row in rows]
    accepted = decided(*rows, verdicts=word("accepted", *contents))
    assert told(accepted) == [("accepted", "edited", ["a", "b", "e"])]
    rejected = decided(*rows, verdicts=word("rejected", *contents))
    assert told(rejected) == [("keep", "edited", ["a", "b", "e"])]
    # and on the core alone
    asked = DuplicateSettings(unattended=("same_pixels",))
    said = word("accepted", ORIGINAL["content"])
    assert told(decided(*rows, policy=asked, verdicts=said)) == [("accepted", "exact", ["a", "b"])]
    assert contents_key([ORIGINAL["content"]]) != contents_key(contents)


FILES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(STRENGTH), st.integers(0, 2), st.booleans()), min_size=2, max_size=9
)


@given(FILES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_cores_are_parts_of_their_sets_and_the_order_does_not_matter(
    files: list[tuple[int, str, int, bool]], dice: Any
) -> None:
    rows = [
        asset(
            f"f{place}",
            content=bytes([content]) * 32,
            set=f"s{of_set}",
            tags=["keep"] if dear else [],
            **{"class": name},
        )
        for place, (content, name, of_set, dear) in enumerate(files)
    ]
    rows = [row for row in rows if sum(row["set"] == other["set"] for other in rows) > 1]
    if not rows:
        return
    sets, members, facts = a_set(*rows)
    found = decide_cores_first(sets, members, facts, DuplicateSettings())
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=dice.randrange(99)) for frame in (sets, members, facts)]
    again = decide_cores_first(*shuffled, DuplicateSettings())
    assert all(one.equals(other) for one, other in zip(found[:3], again[:3], strict=True))
    assert found.later == again.later == sets.height - found.sets.height
    assert found.sets["asset_id"].is_unique().all()
    whole = decide(sets, facts, DuplicateSettings()).decisions
    # whatever was certain is, and nothing is that was not, but for cores
    certain = whole.filter(pl.col("verdict") == "certain")
    assert certain.join(found.decisions, on="set_id", how="anti").is_empty()
    new = found.decisions.join(whole, on="set_id", how="anti")
    assert set(new["verdict"]) <= {"certain"}
    assert set(new["class"]) <= {"exact", "same_pixels"}
    inner = cores(sets, members, facts)
    assert (
        inner.group_by("set_id")
        .agg(pl.col("of_set").n_unique(), pl.len())
        .filter((pl.col("of_set") > 1) | (pl.col("len") < 2))
        .is_empty()
    )
