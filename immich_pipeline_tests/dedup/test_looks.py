import io
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from immich_pipeline.dedup import near_candidates
from immich_pipeline.dedup.classes import default_classes
from immich_pipeline.dedup.looks import PAIR_SCHEMA, Compared, compare_looks, pairs_to_look_at
from immich_pipeline.media.looks import COLOUR_BYTES, GRAY_BYTES, PictureLook, failed_look, look_file
from immich_pipeline.media.measure import FileTask, MeasureOptions
from immich_pipeline_tests.dedup.pictures import NOON, alike, captures_of, facts_of, picture, taken
from immich_pipeline_tests.photos import scene


def detailed(seed: int) -> Image.Image:
    """A picture with detail down to a few pixels, as a photo in focus has."""
    noise = np.random.default_rng(seed).normal(0, 60, (225, 300, 3))
    fine = Image.fromarray(np.clip(noise + 128, 0, 255).astype(np.uint8)).resize((1200, 900), Image.Resampling.BICUBIC)
    return Image.blend(scene(seed, (1200, 900)), fine, 0.3)


PHOTO = detailed(1)


def seen(image: Image.Image, folder: Path, kind: str = "JPEG", **options: object) -> PictureLook:
    content = io.BytesIO()
    image.save(content, kind, **options)  # type: ignore[arg-type]
    (folder / "picture").write_bytes(content.getvalue())
    found = look_file(FileTask("a", os.fsencode(folder), b"picture", ""), MeasureOptions())
    assert found.problem is None
    return found


@pytest.mark.parametrize(
    ("size", "kind", "options"),
    [
        pytest.param((1200, 900), "JPEG", {"quality": 95}, id="q95"),
        pytest.param((1200, 900), "JPEG", {"quality": 30}, id="q30"),
        pytest.param((900, 675), "JPEG", {"quality": 90}, id="three quarters"),
        pytest.param((300, 225), "JPEG", {"quality": 90}, id="a quarter"),
        pytest.param((320, 240), "JPEG", {"quality": 50}, id="chat"),
        pytest.param((1200, 900), "WEBP", {"quality": 75}, id="webp"),
        pytest.param((1200, 900), "AVIF", {"quality": 60}, id="avif"),
        pytest.param((1200, 900), "PNG", {}, id="png"),
    ],
)
def test_a_copy_is_like_its_original(
    tmp_path: Path, size: tuple[int, int], kind: str, options: dict[str, object]
) -> None:
    limits = default_classes().limits
    original = seen(PHOTO, tmp_path, quality=95)
    found = compare_looks(original, seen(PHOTO.resize(size), tmp_path, kind, **options))
    assert found.correlation >= limits.reencoded_correlation
    assert found.colour <= limits.reencoded_colour
    assert found.spot <= limits.unattended_spot
    assert found.tint <= limits.unattended_tint


def test_what_differs_shows(tmp_path: Path) -> None:
    limits = default_classes().limits
    original = seen(PHOTO, tmp_path, quality=95)

    def beside(image: Image.Image) -> Compared:
        return compare_looks(original, seen(image, tmp_path))

    brighter = beside(ImageEnhance.Brightness(PHOTO).enhance(1.2))
    assert brighter.correlation > 0.9
    assert brighter.colour > limits.reencoded_colour
    assert beside(PHOTO.convert("L")).colour > limits.reencoded_colour
    assert beside(detailed(2)).correlation < 0.3
    assert beside(PHOTO.crop((60, 45, 1140, 855))).correlation < limits.reencoded_correlation


@pytest.mark.parametrize("scale", [1, 0.5, 0.3])
def test_what_differs_in_one_place_shows(tmp_path: Path, scale: float) -> None:
    """On the whole such pictures agree; a stamp and a spot shine out, however small the other picture was saved."""
    limits = default_classes().limits
    original = seen(PHOTO, tmp_path, quality=95)
    stamped, coloured = PHOTO.copy(), PHOTO.copy()
    ImageDraw.Draw(stamped).text((1000, 840), "'21  6 05", (255, 150, 40), ImageFont.load_default(30))
    coloured.paste((200, 80, 80), (600, 450, 680, 530))
    coloured = Image.merge("YCbCr", [PHOTO.convert("YCbCr").split()[0], *coloured.convert("YCbCr").split()[1:]])
    size = round(1200 * scale), round(900 * scale)
    stamp = compare_looks(original, seen(stamped.resize(size), tmp_path))
    assert stamp.correlation > limits.reencoded_correlation
    assert stamp.colour < 1.5
    assert stamp.spot > limits.reencoded_spot
    tinted = compare_looks(original, seen(coloured.convert("RGB").resize(size), tmp_path))
    assert tinted.colour < limits.reencoded_colour
    assert tinted.spot < limits.reencoded_spot
    assert tinted.tint > limits.reencoded_tint


def test_a_thin_line_in_colour_is_lost_in_grays(tmp_path: Path) -> None:
    limits = default_classes().limits
    drawing = detailed(3).convert("L").convert("RGB")
    coloured = drawing.copy()
    ImageDraw.Draw(coloured).line([(100, 800), (1100, 780)], (220, 60, 60), 3)
    original = seen(coloured, tmp_path, quality=95)
    gray = compare_looks(original, seen(coloured.convert("L"), tmp_path))
    assert gray.spot < limits.unattended_spot
    assert limits.unattended_tint < gray.tint <= limits.reencoded_tint
    copy = compare_looks(original, seen(coloured, tmp_path, quality=60))
    assert copy.tint <= limits.unattended_tint
    unchanged = compare_looks(seen(drawing, tmp_path), seen(drawing, tmp_path, "PNG"))
    assert unchanged.tint <= limits.unattended_tint


def drawn(gray: bytes, rgb: bytes, width: int | None = 4000) -> PictureLook:
    """A look whose pixels repeat some bytes."""
    fill = gray * (GRAY_BYTES // len(gray) + 1), rgb * (COLOUR_BYTES // len(rgb) + 1)
    return PictureLook("a", fill[0][:GRAY_BYTES], fill[1][:COLOUR_BYTES], width=width, height=3000)


LOOKS = st.builds(
    drawn, st.binary(min_size=1, max_size=700), st.binary(min_size=1, max_size=50), st.sampled_from([None, 100, 4000])
)


@given(LOOKS, LOOKS)
@settings(max_examples=30, deadline=None)
def test_the_order_does_not_matter_and_equal_looks_agree_wholly(left: PictureLook, right: PictureLook) -> None:
    found = compare_looks(left, right)
    assert found == compare_looks(right, left)
    assert -1 <= found.correlation <= 1
    assert 0 <= found.colour <= 255
    assert 0 <= found.spot <= 255
    assert 0 <= found.tint <= 452
    assert compare_looks(left, left) == (1.0, 0.0, 0.0, 0.0)


@given(LOOKS, st.integers(1, 100))
@settings(max_examples=20, deadline=None)
def test_another_brightness_moves_colours_and_spots_alone(look: PictureLook, more: int) -> None:
    darker = PictureLook(
        "a", bytes(value // 3 for value in look.gray), bytes(value // 3 for value in look.rgb), width=4000
    )
    lighter = PictureLook(
        "b", bytes(value + more for value in darker.gray), bytes(value + more for value in darker.rgb), width=4000
    )
    found = compare_looks(darker, lighter)
    assert found.correlation == pytest.approx(1)
    assert found.colour == found.spot == pytest.approx(more)
    assert found.tint == 0.0


def test_flat_pictures(tmp_path: Path) -> None:
    white, gray = drawn(b"\xff", b"\xff"), drawn(b"\x80", b"\x80")
    assert compare_looks(white, gray) == (1.0, 127.0, 127.0, 0.0)
    assert compare_looks(white, seen(PHOTO, tmp_path)).correlation == 0.0


def test_a_picture_with_a_problem_cannot_be_compared() -> None:
    whole, broken = drawn(b"ab", b"a"), failed_look(FileTask("a", b"", b"", ""), "corrupt", "damaged")
    for left, right in ((whole, broken), (broken, whole), (broken, broken)):
        with pytest.raises(ValueError, match="could not be looked at"):
            compare_looks(left, right)
    with pytest.raises(ValueError, match="could not be looked at"):
        compare_looks(whole, PictureLook("a", whole.gray))


# ------------------------------------------------------------------------------------------------- which pairs


def asked_for(*rows: dict[str, object], **options: pl.DataFrame) -> pl.DataFrame:
    facts = facts_of(*rows)
    pairs = pairs_to_look_at(near_candidates(facts, 10), facts, **options)
    assert dict(pairs.schema) == PAIR_SCHEMA
    assert pairs.filter(pl.col("left_content") >= pl.col("right_content")).is_empty()
    return pairs


def ids(pairs: pl.DataFrame) -> list[tuple[str, ...]]:
    return sorted(tuple(sorted(row)) for row in pairs.select("left_id", "right_id").rows())


def test_only_what_hashes_and_metadata_leave_is_looked_at() -> None:
    assert ids(asked_for(picture("a"), picture("b", bits=8, bits256=12))) == [("a", "b")]
    assert asked_for(picture("a"), picture("b", bits=10)).is_empty()
    assert asked_for(picture("a"), picture("b", bits256=13)).is_empty()
    assert asked_for(picture("a"), picture("b", width=3000)).is_empty()
    assert asked_for(picture("a"), picture("b", kind="raw")).is_empty()
    assert asked_for(picture("a", kind="video"), picture("b", kind="video")).is_empty()
    assert asked_for(picture("a", **taken()), picture("b", **taken(NOON + timedelta(seconds=5)))).is_empty()
    assert asked_for(picture("a"), picture("b"), captures=captures_of(("a", "b"))).is_empty()
    told_apart = pl.DataFrame({"left_content": [b"b".ljust(32, b"-")], "right_content": [b"a".ljust(32, b"-")]})
    assert asked_for(picture("a"), picture("b"), dismissed=told_apart).is_empty()
    people = pl.DataFrame({"asset_id": ["a", "b"], "people": [["anna"], ["bert"]]})
    assert asked_for(picture("a"), picture("b"), people=people).is_empty()


@pytest.mark.parametrize(
    ("other", "whole"),
    [
        ({}, True),
        ({"bits256": 10}, True),
        ({"bits256": 11}, False),
        ({"width": 400, "height": 300}, False),
        ({"extension": "png"}, True),
    ],
)
def test_pixels_are_compared_where_they_may_be_equal(other: dict[str, object], whole: bool) -> None:
    assert asked_for(picture("a"), picture("b", **other))["whole"].to_list() == [whole]


def test_two_raw_files_are_not_decoded_in_full() -> None:
    assert asked_for(picture("a", kind="raw"), picture("b", kind="raw"))["whole"].to_list() == [False]


def test_what_was_seen_is_not_looked_at_again() -> None:
    rows = picture("a"), picture("b", sha256=b"0" * 32), picture("c")
    facts = facts_of(*rows)
    candidates = near_candidates(facts)
    assert ids(asked_for(*rows)) == [("a", "b"), ("a", "c"), ("b", "c")]
    some = alike(candidates, facts).head(2)
    assert asked_for(*rows, known=some).height == 1
    assert asked_for(*rows, known=alike(candidates, facts, problem="x", correlation=None)).is_empty()
    # another picture of the same content, such as an edit on the server, has not been seen
    edited = asked_for(rows[0], rows[1] | {"phash256": b"\x01" + bytes(31)}, known=alike(candidates, facts))
    assert ids(edited) == [("a", "b")]


def test_a_file_that_was_never_read_is_known_by_its_version() -> None:
    unread = picture("a", sha256=None, mtime_ns=None)
    (key,) = asked_for(unread, picture("z"))["left_content"].to_list()
    assert key.startswith(b"a 1000 0")
    (key,) = asked_for(unread | {"size": 5, "mtime_ns": 7}, picture("z"))["left_content"].to_list()
    assert key.startswith(b"a 5 7")


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [picture(name, bits=number) for number, name in enumerate("dacb")]
    expected = asked_for(*rows)
    assert expected.height == 6
    assert asked_for(*rows[::-1]).equals(expected)
