import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from immich_pipeline.dedup.report import render_html
from immich_pipeline_tests.dedup.decided import a_picture, a_set, file, many, plan_of

WHEN = datetime(2024, 2, 3, 4, 5, tzinfo=UTC)


class Page(HTMLParser):
    """What a browser would see: elements, text, and the texts of the data blocks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = "after " + tag

    def handle_data(self, data: str) -> None:
        self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sets(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.texts["sets"].split("\n")]

    @property
    def pictures(self) -> list[str]:
        return self.texts.get("pictures", "").split("\n")


def html_of(
    *sets: dict[str, Any], thumbnails: dict[str, bytes] | None = None, library: str = "/photos", **more: Any
) -> str:
    return render_html(plan_of(*sets).document(library=library), thumbnails or {}, generated_at=WHEN, **more)


def page_of(*sets: dict[str, Any], **more: Any) -> Page:
    return Page(html_of(*sets, **more))


PAIR = a_set("s", file("a"), file("b", size=400))


def test_the_page_needs_nothing_but_itself_and_forbids_the_rest() -> None:
    page = page_of(PAIR, thumbnails={"a": a_picture()})
    (policy,) = [meta["content"] or "" for meta in page.all("meta") if meta.get("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for part, rule in (("style", "style-src"), ("script", "script-src")):
        assert rules[rule] == f"'sha256-{b64encode(sha256(page.texts[part].encode()).digest()).decode()}'"
    assert [script.get("type") for script in page.all("script")] == [
        "application/json",
        "text/plain",
        "text/plain",
        None,
    ]
    assert not page.all("link")
    for _, attributes in page.elements:
        assert not attributes.keys() & {"href", "src", "style"}
        assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_thumbnails_are_inside(kind: str) -> None:
    thumbnail = a_picture(kind)
    page = page_of(PAIR, thumbnails={"b": thumbnail})
    head, _, data = page.pictures[0].partition(",")
    assert head == f"data:image/{kind.lower()};base64"
    assert b64decode(data) == thumbnail
    assert [entry.get("picture") for entry in page.sets[0]["files"]] == [None, 0]


def test_bytes_that_are_no_picture_are_left_out() -> None:
    page = page_of(PAIR, thumbnails={"a": b"<svg onload=alert(1)>", "b": b"RIFF"})
    assert page.pictures == [""]
    assert "onload" not in page.texts["sets"]


def test_pictures_are_taken_in_while_there_is_room() -> None:
    large, small = a_picture(size=(400, 400)), a_picture()
    page = page_of(PAIR, thumbnails={"a": large, "b": small}, picture_bytes=len(small) * 2)
    assert [entry.get("picture") for entry in page.sets[0]["files"]] == [None, 0]


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "a\nb\u2028\u2029",
    "\u202egpj.exe",
    "{{ 7*7 }}",
    "' & \" \\",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_data(name: str) -> None:
    def hostile(text: str) -> dict[str, Any]:
        metadata = dict.fromkeys(("name", "make", "model", "lens", "description", "time_zone", "obstacle"), text)
        return a_set("s", file("a", tags=[text], **metadata), file("b", **metadata), owner=text, immich_loses=[text])

    page, harmless = page_of(hostile(name), library=name), page_of(hostile("x"), library="x")
    assert page.elements == harmless.elements
    shown = name.replace("\n", "␊").translate(dict.fromkeys((0x202E, 0x2028, 0x2029), 0xFFFD))
    (told,) = page.sets
    assert (told["files"][0]["name"], told["owner"], told["immich"]["loses"]) == (shown, shown, [shown])
    assert not set("<>&\u2028\u2029\u202e") & set(page.texts["sets"] + page.texts["index"])
    assert shown in page.texts["bdi"]


def test_the_index_has_what_the_page_sorts_and_filters_by() -> None:
    page = Page(render_html(many(8).document(), {}, generated_at=WHEN))
    index = json.loads(page.texts["index"])
    assert index["columns"]["id"] == [part["id"] for part in page.sets]
    assert {len(column) for column in index["columns"].values()} == {8}
    assert index["columns"]["saving"] == sorted(index["columns"]["saving"], reverse=True)
    assert {entry["name"] for entry in index["classes"]} <= set(index["columns"]["class"])
    first = index["columns"]["text"][0]
    assert first.startswith("2023/img_")
    assert first.endswith("(1).jpg")
    assert index["plan"]["policy"] == "p" * 64


def test_no_position_is_told() -> None:
    assert "48.8" not in html_of(a_set("s", file("a", latitude=48.8583, longitude=2.2944), file("b")))


def test_the_page_says_how_many_groups_there_are() -> None:
    document = many(5).document()
    page = Page(render_html(document, {}, generated_at=WHEN, limit=2))
    assert len(page.sets) == 2
    assert "Showing 2 of 5 groups" in page.texts["p"]
    assert "Showing" not in Page(render_html(document, {}, generated_at=WHEN)).texts["p"]
    assert "2024-02-03 04:05 UTC" in page.texts["p"]


def test_an_asset_that_is_gone_is_there_without_a_name() -> None:
    gone = dict.fromkeys(file("x")) | {"asset_id": "b", "unit": "b", "score": 0, "size": 0}
    plan = plan_of(a_set("s", file("a"), gone))
    page = Page(
        render_html(
            plan._replace(facts=plan.facts.filter(plan.facts["asset_id"] == "a")).document(), {}, generated_at=WHEN
        )
    )
    assert "name" not in page.sets[0]["files"][1]


def test_no_duplicates_are_good_news() -> None:
    page = page_of()
    assert "No duplicates" in page.texts["h2"]
    assert not page.all("script")
