from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_pipeline.dedup.decide import VERDICTS
from immich_pipeline.dedup.wording import (
    readable_bytes,
    visible,
    visible_column,
    words,
)
from immich_pipeline.policies import Alternative


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("IMG_1.jpg", "IMG_1.jpg"),
        ("a\nb\tc\x7f", "a␊b␉c␡"),
        ("\u202egpj.exe", "\ufffdgpj.exe"),
        ("a\ufffd\u2066\x85\ud800b", "a\ufffd\ufffd\ufffd\ufffdb"),
        ("שלום été 写真", "שלום été 写真"),
    ],
)
def test_what_acts_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "unknown"),
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (12_345_678_901, "12.3 GB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes(size: int | None, text: str) -> None:
    assert readable_bytes(size) == text


@given(
    st.lists(
        st.none() | st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\x7f\x85\u202e\ufeff")),
        max_size=5,
    )
)
def test_a_column_is_made_visible_like_a_text(texts: list[str | None]) -> None:
    column = pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(visible_column(pl.col("text")))["text"]
    assert column.to_list() == [None if text is None else visible(text) for text in texts]


def test_names_of_decisions_have_words() -> None:
    assert set(get_args(Alternative)) <= set(words()["becomes"])
    assert set(VERDICTS) == set(words()["verdicts"])
