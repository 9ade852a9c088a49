"""Paging that a proper server never shows, answered by plain functions; everything else is in test_client."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from immich_pipeline.immich.errors import ApiError
from immich_pipeline.immich.search import Search, SearchQuery, SearchTally
from immich_pipeline.immich.versions import Dialect

OWNER, PARTNER = str(UUID(int=1)), str(UUID(int=2))
START = datetime(2020, 1, 1, tzinfo=UTC)


def asset(number: int, seconds: int | None = None, **changes: Any) -> dict[str, Any]:
    taken = (START + timedelta(seconds=number if seconds is None else seconds)).isoformat().replace("+00:00", ".000Z")
    return {
        "id": str(UUID(int=1000 + number)), "ownerId": OWNER, "type": "IMAGE", "originalPath": f"/{number}", "originalFileName": "a",
        "checksum": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "thumbhash": None, "fileCreatedAt": taken, "fileModifiedAt": taken,
        "localDateTime": taken, "updatedAt": taken, "isFavorite": False, "isTrashed": False, "isOffline": False, "isEdited": False,
        "visibility": "timeline", "duration": None, "width": None, "height": None,
    } | changes  # fmt: skip


def page(items: list[dict[str, Any]], following: object = None, cursor: object = None) -> dict[str, Any]:
    return {"assets": {"items": items, "nextPage": following, "nextCursor": cursor}}


def frames(ask: Callable[[dict[str, Any]], object], dialect: Dialect = "v3", **query: Any) -> Iterator[pl.DataFrame]:
    return Search(ask, dialect, SearchQuery(**query), OWNER, SearchTally()).frames()


def numbers(found: Iterator[pl.DataFrame]) -> list[int]:
    return [int(path[1:]) for frame in found for path in frame["original_path"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"visibilities": ()}, "visibilities must be of"),
        ({"visibilities": ("timeline", "locked")}, "visibilities must be of"),
        ({"size": 0}, "size must be"),
        ({"size": 1001}, "size must be"),
        ({"updated_after": datetime(2026, 1, 1)}, "needs a time zone"),
    ],
)
def test_queries_that_are_refused(query: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SearchQuery(**query)


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "v2",
            {"visibility": "timeline", "updatedAfter": "2026-03-01T11:00:00.123Z", "libraryId": "L", "albumIds": ["A"],
             "type": "IMAGE", "order": "asc", "size": 5, "withDeleted": False, "withExif": True, "withStacked": True, "page": 1},
        ),
        (
            "v3.2",
            {"filter": {"visibility": {"in": ["timeline"]}, "updatedAt": {"gte": "2026-03-01T11:00:00.123Z"},
                        "libraryId": {"eq": "L"}, "albumIds": {"any": ["A"]}, "type": {"eq": "IMAGE"}},
             "orderBy": {"field": "fileCreatedAt", "direction": "asc"},
             "size": 5, "withDeleted": False, "withExif": True, "withStacked": True},
        ),
    ],
)  # fmt: skip
def test_what_is_asked(dialect: Dialect, expected: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []

    def ask(body: dict[str, Any]) -> object:
        asked.append(body)
        return page([])

    moment = datetime.fromisoformat("2026-03-01T12:00:00.123999+01:00")
    query = {
        "visibilities": ("timeline",),
        "with_trashed": False,
        "updated_after": moment,
        "library_id": "L",
        "album_id": "A",
    }
    assert list(frames(ask, dialect, type="image", size=5, **query)) == []
    assert asked == [expected, expected | {"withExif": False}]


def test_the_next_page_begins_at_the_last_row() -> None:
    asked: list[tuple[object, int]] = []

    def ask(body: dict[str, Any]) -> object:
        asked.append((body.get("takenAfter"), body["page"]))
        since = body.get("takenAfter", "")
        left = [one for one in map(asset, range(7)) if one["fileCreatedAt"] >= since]
        return page(left[:3], "2" if len(left) > 3 else None)

    assert numbers(frames(ask, size=3)) == list(range(7))
    assert asked[:3] == [(None, 1), ("2020-01-01T00:00:02.000Z", 1), ("2020-01-01T00:00:04.000Z", 1)]


def test_rows_of_one_moment_are_paged_by_number() -> None:
    everything = [asset(0), *(asset(number, 1) for number in range(1, 10)), asset(10)]

    def ask(body: dict[str, Any]) -> object:
        left = [one for one in everything if one["fileCreatedAt"] >= body.get("takenAfter", "")]
        start = (body["page"] - 1) * 4
        return page(left[start : start + 4], str(body["page"] + 1) if len(left) > start + 4 else None)

    assert numbers(frames(ask, size=4)) == list(range(11))


def test_a_server_that_sorts_otherwise_is_paged_by_number() -> None:
    newest_first = [asset(number) for number in reversed(range(7))]

    def ask(body: dict[str, Any]) -> object:
        assert "takenAfter" not in body
        start = (body["page"] - 1) * 3
        return page(newest_first[start : start + 3], str(body["page"] + 1) if start + 3 < 7 else None)

    assert sorted(numbers(frames(ask, size=3))) == list(range(7))


def test_others_and_locked_and_repeated_rows_are_left_out() -> None:
    rows = [asset(1), asset(2, ownerId=PARTNER), asset(3, visibility="locked"), asset(1), asset(4)]
    search = Search(lambda _: page(rows), "v3", SearchQuery(), OWNER, SearchTally())
    assert numbers(search.frames()) == [1, 4]
    assert (search.tally.partners, search.tally.rows, search.tally.requests) == (1, 2, 2)


def test_a_page_of_others_only_gives_no_frame() -> None:
    assert list(frames(lambda _: page([asset(1, ownerId=PARTNER)]))) == []


def test_what_the_second_look_finds_comes_with_its_exif_data() -> None:
    exif: dict[str, Any] = {"exifInfo": {"make": "Canon"}}

    def ask(body: dict[str, Any]) -> object:
        if not body["withExif"]:
            return page([asset(1), asset(2), asset(3), asset(4)])
        if "takenBefore" in body:  # 2 came in meanwhile, 3 has no EXIF data, 4 neither
            assert (body["takenAfter"], body["takenBefore"]) == ("2020-01-01T00:00:02.000Z", "2020-01-01T00:00:04.000Z")
            return page([asset(2, **exif)])
        return page([asset(1, **exif)])

    table = pl.concat(frames(ask))
    assert table["make"].to_list() == ["Canon", "Canon", None, None]


@pytest.mark.parametrize("token", ["1", "0", "-2", "two", "٢", "9" * 30])
def test_page_numbers_that_do_not_grow_are_an_error(token: str) -> None:
    with pytest.raises(ApiError, match="the pages do not end properly"):
        list(frames(lambda _: page([asset(1)], token)))


def test_an_empty_page_that_is_not_the_last_is_an_error() -> None:
    with pytest.raises(ApiError, match="the pages do not end properly"):
        list(frames(lambda _: page([], "2")))
    with pytest.raises(ApiError, match="go round in circles"):
        list(frames(lambda _: page([], cursor="x"), "v3.2"))


def test_a_cursor_that_comes_twice_is_an_error() -> None:
    cursors = iter(["a", "b", "a"])
    with pytest.raises(ApiError, match="go round in circles"):
        list(frames(lambda _: page([asset(1)], cursor=next(cursors)), "v3.2"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "assets.items or assets.nextPage is missing"),
        ([], "assets.items or assets.nextPage is missing"),
        ({"assets": []}, "assets.items or assets.nextPage is missing"),
        ({"assets": {"items": []}}, "assets.items or assets.nextPage is missing"),
        ({"assets": {"nextPage": None}}, "assets.items or assets.nextPage is missing"),
        (page([], 2), "assets.nextPage is no text"),
        (page([], ""), "assets.nextPage is no text"),
        (page([asset(number) for number in range(4)]), "a page of 4 assets where 3 were asked for"),
        (page([{}]), "asset.id is missing"),
    ],
)
def test_answers_of_another_shape(answer: object, words: str) -> None:
    with pytest.raises(ApiError, match=words):
        list(frames(lambda _: answer, size=3))


def test_a_server_that_knows_no_cursor_is_not_taken_for_one_that_does() -> None:
    with pytest.raises(ApiError, match=r"assets\.nextCursor is missing"):
        list(frames(lambda _: {"assets": {"items": [], "nextPage": None}}, "v3.2"))
