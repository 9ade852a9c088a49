import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.dedup.plain_json import plain_json, shown_json
from immich_pipeline.dedup.wording import visible

HOSTILE = st.text(st.characters() | st.sampled_from('\n\t\r\b\f\x00\x1f\x7f\u202e\u2028\ud800"\\/<>&un0'), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=8,
)


def deeply_visible(value: Any) -> Any:
    if isinstance(value, dict):
        return {visible(name): deeply_visible(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [deeply_visible(entry) for entry in value]
    return visible(value) if isinstance(value, str) else value


@given(VALUES, st.integers(0, 4))
def test_plain_json_says_what_it_is_and_hides_nothing(value: Any, levels: int) -> None:
    text = plain_json(value, levels)
    assert json.loads(text) == value
    assert visible(text.replace("\n", "")) == text.replace("\n", "")
    text.encode()


@given(VALUES)
def test_shown_json_is_one_harmless_line_of_what_is_shown(value: Any) -> None:
    text = shown_json(value)
    assert json.loads(text) == deeply_visible(value)
    assert not set("<>&\n") & set(text)
    text.encode()


@pytest.mark.parametrize("write", [plain_json, shown_json])
def test_what_is_no_number_is_no_json(write: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write(float("nan"))


def test_each_entry_has_a_line_as_deep_as_is_asked() -> None:
    assert (
        plain_json({"a": [{"b": 1}, {"c": []}], "d": []}, 2) == '{\n "a": [\n  {"b": 1},\n  {"c": []}\n ],\n "d": []\n}'
    )
