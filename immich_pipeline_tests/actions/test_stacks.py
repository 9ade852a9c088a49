"""What would have to be changed: captures against stacks."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.actions.stacks import StackPlan, stack_actions
from immich_pipeline.policies import StackSettings
from immich_pipeline_tests.actions.stack_frames import FakeServer, captures

KEEP, REPLACE = StackSettings(), StackSettings(manual_stacks="replace")


def plan(server: FakeServer, groups: pl.DataFrame, policy: StackSettings = KEEP, **more: Any) -> StackPlan:
    return stack_actions(groups, server.present(), server.our_frame(), policy, **more)


def operations(found: StackPlan) -> list[str]:
    return sorted(action.operation for action in found.actions)


def outcomes(found: StackPlan) -> list[str]:
    return sorted(found.report["outcome"])


def made(*groups: str) -> FakeServer:
    """A server with these stacks, all made by us."""
    server = FakeServer("abcdefgh")
    server.apply(plan(server, captures(*groups)).actions)
    return server


def test_a_capture_becomes_a_stack_and_then_is_right() -> None:
    server = FakeServer("abcd")
    found = plan(server, captures("ba", "cd"))
    assert operations(found) == ["create", "create"]
    assert found.actions[0].reason == "One capture. They are not stacked yet."
    assert found.actions[0].preconditions == {"stacks": {}, "checksums": {"a": "YQ==", "b": "Yg=="}}
    server.apply(found.actions)
    assert [stack.ids for stack in server.stacks.values()] == [["b", "a"], ["c", "d"]]
    again = plan(server, captures("ba", "cd"))
    assert again.actions == ()
    assert outcomes(again) == ["right", "right"]


def test_what_is_not_shown_or_anothers_is_not_stacked() -> None:
    server = FakeServer({"a": "ann", "b": "ann", "c": "bob", "d": "bob"})
    server.hidden = {"b"}
    assert plan(server, captures("ab", "dc")).actions[0].owner_id == "bob"
    assert plan(server, captures("ac", "bd")).actions == ()


def test_a_late_edit_joins_and_comes_on_top() -> None:
    server = made("ab")
    found = plan(server, captures("cab"))
    assert operations(found) == ["extend"]
    server.apply(found.actions)
    assert [stack.ids for stack in server.stacks.values()] == [["c", "a", "b"]]
    assert plan(server, captures("cab")).actions == ()


def test_another_primary_is_put_on_top() -> None:
    server = made("ab")
    found = plan(server, captures("ba"))
    assert operations(found) == ["re_primary"]
    server.apply(found.actions)
    assert len(server.calls) == 2
    assert plan(server, captures("ba")).actions == ()


def test_what_is_no_capture_any_more_is_taken_out_or_apart() -> None:
    server = made("abc", "de")
    found = plan(server, captures("ab"))
    assert operations(found) == ["dissolve", "remove"]
    server.apply(found.actions)
    assert [stack.ids for stack in server.stacks.values()] == [["a", "b"]]
    assert plan(server, captures("ab")).actions == ()


def test_captures_that_change_places_are_changed_together() -> None:
    server = made("abc", "de")
    found = plan(server, captures("ad", "bc", "ef"))
    assert operations(found) == ["regroup"]
    server.apply(found.actions)
    assert sorted("".join(stack.ids) for stack in server.stacks.values()) == ["ad", "bc", "ef"]


def test_stacks_of_persons_are_left_alone() -> None:
    server = FakeServer("abcdef")
    server.post("a", "x")
    server.owners["x"] = "ann"
    before = server.stacks
    found = plan(server, captures("ab", "cd"))
    assert operations(found) == ["create"]
    assert outcomes(found) == ["create", "manual"]
    server.apply(found.actions)
    assert before.items() <= server.stacks.items()
    server.post("e", "f")
    late = plan(server, captures("cde"))  # the stack of ours is kept, without what a person has put elsewhere
    assert late.actions == ()


def test_stacks_of_persons_are_replaced_if_the_settings_say_so() -> None:
    server = FakeServer("abcdef")
    server.post("a", "c", "d", "e")
    found = plan(server, captures("ab", "ef"), REPLACE)
    assert operations(found) == ["replace"]
    server.apply(found.actions)
    assert sorted("".join(stack.ids) for stack in server.stacks.values()) == ["ab", "cd", "ef"]
    assert plan(server, captures("ab", "ef"), REPLACE).actions == ()
    assert plan(server, captures("ab", "ef")).actions == ()


def test_a_stack_that_a_person_took_apart_is_suggested_not_made_again() -> None:
    server = made("abc", "de")
    server.delete(server.stack_of["a"])
    found = plan(server, captures("abc", "de"))
    assert found.actions == ()
    assert outcomes(found) == ["right", "taken_apart"]
    assert found.suggestions.select("kind", "owner_id", "asset_ids").rows() == [
        ("not_together", "ann", ["a", "b", "c"])
    ]
    assert plan(server, captures("fabc", "de")).actions == ()  # nor when an edit comes
    assert operations(plan(server, captures("abc", rule="versions.user"))) == ["create", "dissolve"]


def test_a_file_that_a_person_took_out_stays_out() -> None:
    server = made("abc")
    server.remove(server.stack_of["c"], "c")
    found = plan(server, captures("abc"))
    assert found.actions == ()
    assert found.suggestions.select("kind", "asset_ids").rows() == [("not_together", ["a", "c"])]
    later = plan(server, captures("dabc"))
    server.apply(later.actions)
    assert [stack.ids for stack in server.stacks.values()] == [["d", "a", "b"]]


def test_a_capture_of_which_one_file_is_left_is_no_stack() -> None:
    server = made("cab")
    server.primaries["s1"] = "a"
    server.remove("s1", "c")
    assert outcomes(plan(server, captures("ac"))) == ["alone"]
    assert plan(server, captures("ac")).actions == ()
    assert plan(server, captures("cab")).actions == ()
    assert operations(plan(server, captures("cab", rule="versions.user"))) == ["extend"]


def test_a_file_that_a_person_added_stays_in() -> None:
    server = made("ab")
    stack = server.post("a", "h")
    server.ours = {stack: server.ours["s1"]}  # as if the server had kept the id
    found = plan(server, captures("ab", "gh"))
    assert found.actions == ()
    assert found.suggestions.select("kind", "asset_ids").rows() == [("together", ["a", "h"])]
    assert plan(server, captures()).actions == ()


def test_the_asset_that_a_person_put_on_top_stays_there() -> None:
    server = made("abc")
    server.primaries[server.stack_of["a"]] = "b"
    found = plan(server, captures("abc"))
    assert found.actions == ()
    assert found.suggestions.select("kind", "asset_ids").rows() == [("set_primary", ["b"])]
    assert operations(plan(server, captures("abc"), chosen=["a"])) == ["re_primary"]


def test_a_trashed_member_is_no_work_of_a_person() -> None:
    server = made("abc", "de")
    server.hidden = {"a", "e"}
    found = plan(server, captures("bc"))
    assert operations(found) == ["re_primary"]
    assert found.suggestions.is_empty()


@st.composite
def stories(draw: st.DrawFn) -> tuple[FakeServer, list[pl.DataFrame]]:
    """A server with stacks of persons, and captures that change."""
    assets = "abcdefghij"
    owners = draw(st.fixed_dictionaries({asset: st.sampled_from(["ann", "bob"]) for asset in assets}))
    server = FakeServer(owners)
    server.hidden = set(draw(st.lists(st.sampled_from(assets), max_size=2)))
    manual = draw(st.lists(st.sampled_from(assets), max_size=4, unique=True))
    manual = [asset for asset in manual if owners[asset] == "ann"]
    if len(manual) > 1:
        server.post(*manual)
    return server, [_grouping(draw, owners) for _ in range(3)]


def _grouping(draw: st.DrawFn, owners: dict[str, str]) -> pl.DataFrame:
    labels = draw(st.fixed_dictionaries({asset: st.integers(0, 3) for asset in owners}))
    order = draw(st.permutations(sorted(owners)))
    sets = [
        [asset for asset in order if (labels[asset], owners[asset]) == (number, owner)]
        for number in (1, 2, 3)
        for owner in ("ann", "bob")
    ]
    return captures(*(ids for ids in sets if len(ids) > 1))


@settings(max_examples=60, deadline=None)
@given(stories(), st.sampled_from([KEEP, REPLACE]))
def test_a_plan_that_was_applied_leaves_nothing_to_do(
    story: tuple[FakeServer, list[pl.DataFrame]], policy: StackSettings
) -> None:
    server, groupings = story
    theirs = server.stacks
    for groups in groupings:
        found = plan(server, groups, policy)
        stacked = [asset for action in found.actions for one in action.payload["wanted"] for asset in one["members"]]
        assert len(stacked) == len(set(stacked))
        subjects = [asset for action in found.actions for asset in action.subjects]
        assert len(subjects) == len(set(subjects))
        assert not server.hidden & set(stacked)
        server.apply(reversed(found.actions))
        assert found.suggestions.is_empty()
        for stack in server.stacks.values():
            assert len({server.owners[asset] for asset in stack.members}) == 1
        again = plan(server, groups, policy)
        assert again.actions == ()
        assert again.suggestions.is_empty()
        if policy is KEEP:
            assert theirs.items() <= server.stacks.items()


@settings(max_examples=20, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(story: tuple[FakeServer, list[pl.DataFrame]], dice: Any) -> None:
    server, (groups, *_) = story
    shuffled = groups.sample(fraction=1, shuffle=True, seed=dice.randrange(1000))
    present = server.present().sample(fraction=1, shuffle=True, seed=dice.randrange(1000))
    assert stack_actions(shuffled, present, server.our_frame(), KEEP).actions == plan(server, groups).actions
