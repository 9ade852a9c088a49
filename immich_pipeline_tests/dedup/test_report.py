import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from immich_pipeline.dedup.report import MEMBERS_SHOWN, render_html, report_json
from immich_pipeline_tests.dedup.pictures import NOON, facts_of, groups_of, picture, taken

WHEN = datetime(2024, 2, 3, 4, 5, tzinfo=UTC)
SAME = {"sha256": b"s" * 32}


class Page(HTMLParser):
    """What a browser would see: elements, text, and whether anything was left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(
    *rows: dict[str, Any], limit: int = 10, thumbnails: dict[str, bytes] | None = None, library: str = "/photos"
) -> str:
    found = groups_of(*rows)
    return render_html(
        found.groups, found.members, facts_of(*rows), thumbnails or {}, limit=limit, generated_at=WHEN, library=library
    )


def a_picture(kind: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 6), "teal").save(buffer, kind)
    return buffer.getvalue()


def test_the_page_needs_nothing_but_itself_and_forbids_the_rest() -> None:
    page = Page(page_of(picture("a", **SAME), picture("b", **SAME), thumbnails={"a": a_picture("JPEG")}))
    (policy,) = [meta["content"] or "" for meta in page.all("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    style = page.text[page.text.index(next(text for text in page.text if ":root" in text))]
    assert b64encode(sha256(style.encode()).digest()).decode() in policy
    assert not page.all("script")
    assert not page.all("link")
    for _, attributes in page.elements:
        assert not attributes.keys() & {"href", "style", "onclick", "onerror"}
    assert [(image["src"] or "").partition(";")[0] for image in page.all("img")] == ["data:image/jpeg"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_thumbnails_are_inside(kind: str) -> None:
    thumbnail = a_picture(kind)
    page = Page(page_of(picture("a", **SAME), picture("b", **SAME), thumbnails={"a": thumbnail}))
    (image,) = page.all("img")
    head, _, data = (image["src"] or "").partition(",")
    assert head == f"data:image/{kind.lower()};base64"
    assert b64decode(data) == thumbnail


def test_bytes_that_are_no_picture_are_no_preview() -> None:
    html = page_of(picture("a", **SAME), picture("b", **SAME), thumbnails={"a": b"<svg onload=alert(1)>", "b": b"RIFF"})
    assert html.count("no preview") == 2
    assert "onload" not in html


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\nb",
    "\u202egpj.exe",
    "\ufffd",
    "{{ 7*7 }}",
    "' & \"",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    metadata = {"name": name, "path": f"{name}/{name}", "owner": name, "make": name, "model": name, "extension": name}
    html = page_of(picture("a", **SAME, **metadata), picture("b", **SAME, **metadata), library=name)
    harmless = page_of(*(picture(i, **SAME, **dict.fromkeys(metadata, "x")) for i in "ab"), library="x")
    assert [tag for tag, _ in Page(html).elements] == [tag for tag, _ in Page(harmless).elements]
    shown = name.replace("\n", "␊").replace("\u202e", "\ufffd")
    assert "".join(Page(html).text).count(shown) >= 5
    assert "49" not in re.sub(r"sha256-\S+", "", html.split("</style>")[1])


def test_groups_come_by_saving_and_the_page_says_how_many_there_are() -> None:
    rows = [
        picture(f"{n}{side}", sha256=bytes([n]) * 32, size=n * 1000, bits=n * 10) for n in (1, 2, 3) for side in "ab"
    ]
    text = " ".join(Page(page_of(*rows, limit=2)).text)
    assert "Showing 2 of 3 groups" in text
    assert "Could be freed" in text
    assert text.index("3.0 kB could be freed") < text.index("2.0 kB could be freed")
    assert "1.0 kB could be freed" not in text
    assert "Showing 3 of 3 groups, those that would free most space first." in " ".join(Page(page_of(*rows)).text)
    assert "2024-02-03 04:05 UTC" in text


def test_differences_are_marked_and_positions_not_told() -> None:
    place = {"latitude": 48.8583, "longitude": 2.2944}
    rows = [picture("a", **taken(subsec="07"), **place), picture("b", **taken(), width=400, height=300)]
    html = page_of(*rows)
    marked = re.findall(r"<mark>([^<]*)</mark>", html)
    assert marked == [
        "marked",
        "4000 \u00d7 3000",
        "2023-06-01 12:00:00.07",
        "yes",
        "400 \u00d7 300",
        "2023-06-01 12:00:00",
        "no",
    ]
    assert "Canon R5" in html
    assert "48.8" not in html
    assert html.count("Representative") == 1
    assert "only quality or size differ" in html
    assert "The same picture saved again" in html
    assert ">Exact copies<" in html, "the class of the representative's own copies is explained as well"


def test_a_group_of_thousands_is_counted_not_listed() -> None:
    html = page_of(*(picture(f"{n:03}", **SAME) for n in range(100)))
    assert html.count("<article") == MEMBERS_SHOWN
    assert f"and {100 - MEMBERS_SHOWN} more like these" in html


def test_an_asset_that_is_gone_is_said_to_be_gone() -> None:
    rows = [picture("a", **SAME), picture("b", **SAME)]
    found = groups_of(*rows)
    facts = facts_of(rows[0])
    html = render_html(found.groups, found.members, facts, {}, limit=5, generated_at=WHEN, library="x")
    assert "a file that is gone" in html
    assert report_json(found.groups, found.members, facts)["groups"][0]["members"][1]["path"] is None


def test_no_duplicates_are_good_news() -> None:
    html = page_of()
    assert "No duplicates" in html
    assert "Showing" not in html


def test_the_json_report_is_stable_and_plain() -> None:
    rows = [
        picture("a", **SAME, **taken(NOON, 2)),
        picture("b", **SAME, latitude=1.0, longitude=2.0),
        picture("c", bits=30, size=5),
        picture("d", bits=30, size=9),
    ]
    found = groups_of(*rows)
    report = report_json(found.groups, found.members, facts_of(*rows))
    assert json.loads(json.dumps(report)) == report
    assert report == report_json(found.groups.reverse(), found.members.reverse(), facts_of(*reversed(rows)))
    assert report["schema_version"] == 1
    assert report["totals"] == {"groups": 2, "files": 4, "bytes": 2014, "reclaimable_bytes": 1005}
    assert [group["class"] for group in report["groups"]] == ["exact", "reencoded"]
    assert report["classes"][0]["name"] == "exact"
    first, second = report["groups"][0]["members"]
    assert (first["asset_id"], first["is_representative"], first["taken_at"], first["taken_at_local"]) == (
        "a", True, "2023-06-01T10:00:00+00:00", "2023-06-01T12:00:00",
    )  # fmt: skip
    assert (first["has_position"], second["has_position"], second["taken_at"]) == (False, True, None)
    assert first["sha256"] == "73" * 32
    assert "latitude" not in json.dumps(report)


def test_an_empty_json_report() -> None:
    found = groups_of()
    report = report_json(found.groups, found.members, facts_of())
    assert (report["groups"], report["totals"]["files"]) == ([], 0)
