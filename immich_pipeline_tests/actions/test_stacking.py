"""The way from any stacks to any others, against a server that does what Immich was seen to do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from immich_pipeline.actions.stacking import Delete, Post, Put, Remove, Stacked, after, next_call, on_the_way
from immich_pipeline_tests.actions.stack_frames import FakeServer

ASSETS = "abcdefg"


@st.composite
def stacked(draw: st.DrawFn, at_least: int = 2) -> list[Stacked]:
    labels = draw(st.lists(st.integers(0, 3), min_size=len(ASSETS), max_size=len(ASSETS)))
    sets = [[a for a, label in zip(ASSETS, labels, strict=True) if label == number] for number in (1, 2, 3)]
    return [Stacked(draw(st.sampled_from(ids)), frozenset(ids)) for ids in sets if len(ids) >= at_least]


@settings(max_examples=300, deadline=None)
@given(stacked(at_least=1), stacked())
def test_every_way_ends_where_it_should_and_goes_on_from_any_point(
    before: list[Stacked], wanted: list[Stacked]
) -> None:
    server = FakeServer(ASSETS)
    for stack in before:
        server.post(*stack.ids)
    way = on_the_way(server.stacks, wanted)
    for place, state in enumerate(way):
        assert frozenset(server.stacks.values()) == state
        assert on_the_way(server.stacks, wanted) == way[place:]
        call = next_call(server.stacks, wanted)
        if call is not None:
            foreseen = after(server.stacks, call, "new")
            server.do(call)
            assert set(foreseen.values()) == set(server.stacks.values())
    assert set(server.stacks.values()) == set(wanted)
    assert len(way) <= 3 * len(ASSETS)


def test_the_usual_changes_take_one_call() -> None:
    pair, three = Stacked.of("ab"), Stacked.of("cab")
    assert next_call({}, [pair]) == Post(("a", "b"))
    assert next_call({"s": pair}, [three]) == Post(("c", "a", "b"))
    assert next_call({"s": pair}, [Stacked.of("ba")]) == Put("s", "b")
    assert next_call({"s": Stacked.of("abc")}, [pair]) == Remove("s", "c")
    assert next_call({"s": pair}, []) == Delete("s")
    assert next_call({"s": pair}, [pair]) is None
