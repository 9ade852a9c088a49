"""The report's page as a person uses it: in a browser, with mouse and keys, wide and narrow."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from immich_pipeline.dedup.report import render_html
from immich_pipeline.dedup.review_file import read_review
from immich_pipeline_tests.browser import Browser, browsing, needs_chromium
from immich_pipeline_tests.busy import patience
from immich_pipeline_tests.dedup.decided import Plan, a_picture, a_set, content_of, file, many, plan_of

pytestmark = [needs_chromium, pytest.mark.xdist_group("chromium")]

SECONDS = 9
"""Three are promised on two quiet cores, which `python -m benchmarks.duplicate_page` measures; tests share theirs."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(tmp_path: Path, browser: Browser) -> Iterator["Shown"]:
    shown = Shown(browser, tmp_path)
    yield shown
    assert browser.complaints() == []


class Shown:
    """A report opened in the browser."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def open(self, plan: Plan, width: int = 1200, thumbnails: dict[str, bytes] | None = None, **more: Any) -> float:
        # The browser remembers choices by plan, and all tests share it.
        named = {"fingerprint": self.folder.name} | more
        html = render_html(plan.document(**named), thumbnails or {}, generated_at=datetime(2024, 2, 3, tzinfo=UTC))
        path = self.folder / "duplicates.html"
        path.write_text(html, encoding="utf-8")
        self.browser.resize(width)
        return self.browser.open(path)

    def texts(self, selector: str) -> list[str]:
        return list(
            self.browser.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((n) => n.textContent)")
        )

    def click(self, selector: str) -> None:
        self.browser.run(f"document.querySelector({json.dumps(selector)}).click()")

    def set(self, control: str, value: str) -> None:
        event = "input" if control == "search" else "change"
        node = f"document.getElementById({json.dumps(control)})"
        self.browser.run(
            f"{node}.value = {json.dumps(value)}; {node}.dispatchEvent(new Event('{event}', {{bubbles: true}}))"
        )

    def review(self) -> dict[str, Any]:
        return dict(json.loads(self.browser.download("#download", self.folder).read_text()))

    @property
    def names(self) -> list[str]:
        return self.texts("section article:first-child h3")


def three() -> Plan:
    return plan_of(
        a_set(
            "s1",
            file("a", size=900, latitude=1.0, longitude=1.0),
            file("b", size=800),
            immich_keeps="b",
            immich_loses=["GPS"],
        ),
        a_set(
            "s2",
            file("c"),
            file("d", size=700, width=400, height=300),
            verdict="review",
            conflicts=["gps"],
            confidence=0.6,
        ),
        a_set(
            "s3",
            file("e", content=b"e" * 32),
            file("f", content=b"e" * 32, size=600),
            **{"class": "exact"},
            confidence=1.0,
        ),
    )


def test_ten_thousand_groups_open_quickly(page: Shown) -> None:
    plan = many(10_000)
    picture = a_picture(size=(160, 120))
    seconds = page.open(plan, thumbnails=dict.fromkeys(plan.facts["asset_id"].head(2000), picture))
    assert seconds < SECONDS * patience()
    assert len(page.texts("section")) == 50
    assert page.texts("#status") == ["10,000 groups of 10,000, 13.0 GB"]
    assert page.texts("#page") == ["Page 1 of 200"]
    page.set("search", "img_00077 2023")
    assert page.names == ["IMG_00077.JPG"]


def test_a_group_on_a_server_says_where_the_others_go(page: Shown) -> None:
    page.open(plan_of(a_set("s1", file("a", server_asset=True), file("b", server_asset=True, size=500))))
    assert page.texts("section .reason") == ["Decided by: Pixels · The others go into the trash"]


def test_a_key_about_no_group_shows_the_first(page: Shown) -> None:
    page.open(three())
    page.browser.press("a")
    assert page.names == ["a.jpg", "c.jpg", "e.jpg"]
    assert page.browser.run("document.activeElement.dataset.set") == "0"
    assert page.texts("#chosen") == ["No choices yet"]


def test_a_group_says_what_is_kept_and_why(page: Shown) -> None:
    page.open(three(), thumbnails={"a": a_picture()})
    assert page.names == ["a.jpg", "c.jpg", "e.jpg"]
    first = "section:nth-child(1)"
    assert page.texts(f"{first} .fate strong") == ["Would be kept", "Would be given up"]
    assert page.texts(f"{first} .immich-note") == ["Immich would keep b.jpg and lose: GPS"]
    assert page.texts(f"{first} .reason") == ["Decided by: Pixels · The others are moved to the quarantine folder"]
    assert page.texts(f"{first} article mark") == ["900 bytes", "yes", "800 bytes", "no"]
    assert (
        page.browser.run(
            "document.querySelector('img').decode().then(() => document.querySelector('img').naturalWidth)"
        )
        == 8
    )
    assert page.texts(f"{first} .blank") == ["no preview"]
    assert page.texts("section:nth-child(2) .conflicts mark") == ["Different places"]
    page.click(f"{first} summary")
    page.browser.run("new Promise(requestAnimationFrame)")
    assert page.texts(f"{first} .steps li strong") == ["Protected", "Pixels"]
    assert page.texts(f"{first} .steps .out") == ["b.jpg4000 x 3000"]


def test_groups_are_sorted_and_filtered(page: Shown) -> None:
    page.open(three())
    orders = {"saving": "ace", "alike": "eac", "doubtful": "cae", "loses": "ace", "newest": "ace"}
    for order, names in orders.items():
        page.set("sort", order)
        assert [name[0] for name in page.names] == list(names), order
    for control, value, names in (
        ("class", "exact", "e"), ("verdict", "review", "c"), ("conflict", "any", "c"), ("conflict", "gps", "c"), ("search", "D.JPG", "c"),
        ("search", "no such name", ""),
    ):  # fmt: skip
        page.set(control, value)
        assert [name[0] for name in page.names] == list(names), control
        page.set(control, "")


def test_choices_make_a_review_file(page: Shown) -> None:
    page.open(three())
    page.click("section:nth-child(1) [data-keep]")
    page.click("section:nth-child(2) [data-choice=dismiss]")
    page.click("section:nth-child(3) [data-choice=accept]")
    assert page.texts("#chosen") == ["Your choices: 3 (2 accepted, 0 kept all, 1 not duplicates)"]
    assert page.texts("section:nth-child(1) .fate strong") == ["Given up", "Kept"]
    review = page.review()
    read = read_review(json.dumps(review))
    assert [(choice.set_id, choice.choice, choice.keeper) for choice in read.choices] == [
        ("s1", "accept", "b"), ("s2", "dismiss", None), ("s3", "accept", "e"),
    ]  # fmt: skip
    assert read.choices[0].contents == {content_of("a"), content_of("b")}
    assert read.choices[2].contents == {b"e" * 32}
    assert (read.policy, read.fingerprint) == ("p" * 64, page.folder.name)


def test_keys_do_what_buttons_do(page: Shown) -> None:
    page.open(three())
    for key in "jajsjrkk":
        page.browser.press(key)
    pressed = "section [aria-pressed=true]"
    assert page.texts(pressed) == ["Accepta", "Swaps", "Keep allr"]
    page.browser.press("d")
    assert page.texts(pressed)[0] == "Not a duplicated"
    page.browser.press("u")
    assert page.texts(pressed)[0] == "Undecidedu"
    page.browser.press("j")
    page.browser.press("s")
    assert page.texts(pressed)[1] == "Accepta", "with two copies, swapping twice is as proposed"
    page.set("search", "c.jpg")
    page.browser.run("document.getElementById('search').focus()")
    page.browser.press("u")
    assert page.browser.run("document.getElementById('search').value") == "c.jpgu", (
        "letters typed into the search are letters"
    )
    page.set("search", "")
    assert page.texts(pressed)[1] == "Accepta"


def test_of_equal_bytes_another_one_can_be_kept_but_they_are_copies(page: Shown) -> None:
    page.open(three())
    assert page.texts("section:nth-child(3) button:disabled") == ["Not a duplicated"]
    for key in "jjjd":
        page.browser.press(key)
    assert page.texts("#chosen") == ["No choices yet"]
    assert "same bytes" in page.texts("#said")[0]
    page.browser.press("s")
    assert page.texts("section [aria-pressed=true]")[2] == "Swaps"
    page.click("section:nth-child(3) [data-choice='']")
    page.click("section:nth-child(3) [data-keep]")
    assert page.texts("section [aria-pressed=true]")[2] == "Swaps"
    assert "1 accepted" in page.texts("#chosen")[0]


def test_choices_are_kept_for_this_plan_only(page: Shown) -> None:
    page.open(three(), fingerprint="kept")
    page.click("section:nth-child(1) [data-choice=reject]")
    page.open(three(), fingerprint="kept")
    assert page.texts("section [aria-pressed=true]")[0] == "Keep allr"
    page.set("choice", "reject")
    assert page.names == ["a.jpg"]
    page.open(three(), fingerprint="another")
    assert page.texts("#chosen") == ["No choices yet"]


def test_pages_are_turned(page: Shown) -> None:
    page.open(many(60))
    page.click("#next")
    assert (len(page.names), page.texts("#page"), page.texts("h2 .number")[0]) == (10, ["Page 2 of 2"], "51")
    page.browser.press("p")
    page.browser.press("k")
    assert page.texts("#page") == ["Page 1 of 2"]
    for _ in range(50):
        page.browser.press("j")
    assert page.texts("#page") == ["Page 2 of 2"], "after the last group of a page comes the first of the next"


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(page: Shown, width: int) -> None:
    long = "x" * 300
    wide = a_set(
        "w",
        file("a", name=long, path=long + "/" + long, model=long, lens=long, description=long),
        file("b", name=long),
        owner=long,
    )
    page.open(
        plan_of(wide, *(a_set(f"s{n}", file(f"a{n}"), file(f"b{n}")) for n in range(3))), width=width, library=long
    )
    page.browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.browser.run("new Promise(requestAnimationFrame)")
    assert page.browser.run("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [
        width,
        pytest.approx(width, abs=20),
    ]


@pytest.mark.parametrize(
    "name", ["<script>window.pwned = 1; document.title = 'x'</script>", "</script><script>window.pwned = 1</script>.jpg",
             '"><img src=x onerror="window.pwned = 1">', "a\nb\u202egpj", "__proto__"]
)  # fmt: skip
def test_hostile_names_are_shown_and_nothing_else(page: Shown, name: str) -> None:
    texts = dict.fromkeys(("name", "make", "lens", "description"), name)
    hostile = a_set(
        "__proto__",
        file("a", unit="__proto__", **texts),
        file("b", **texts),
        owner=name,
        immich_loses=[name],
        conflicts=[name],
    )
    page.open(plan_of(hostile), library=name)
    page.click("section [data-choice=accept]")
    shown = name.replace("\n", "␊").replace("\u202e", "\ufffd")
    assert page.names == [shown]
    assert page.texts("h1 bdi") == [shown]
    assert page.browser.run("[window.pwned === undefined, document.title]") == [True, f"Duplicates in {shown}"]
    assert page.browser.run("document.querySelectorAll('article script, article img').length") == 0
    assert page.review()["choices"][0]["set"] == "__proto__"


def test_a_large_group_is_shown_in_part(page: Shown) -> None:
    page.open(plan_of(a_set("s", *(file(f"f{n:03}") for n in range(100)))))
    assert len(page.texts("article")) == 8
    assert page.texts("section .more") == ["Show 92 more copies"]
    page.click("section .more")
    assert len(page.texts("article")) == 100


def test_a_capture_is_one_copy_with_all_its_files(page: Shown) -> None:
    kept = [file("a", unit="u", capture_role="jpeg"), file("raw", unit="u", capture_role="raw", name="a.dng")]
    given = [
        file("b", unit="v", capture_role="jpeg"),
        file("b2", unit="v", capture_role="raw", obstacle="protected: favourite"),
    ]
    page.open(plan_of(a_set("s", *kept, *given, keeper_unit="u")))
    assert page.texts("section .files li") == [
        "a.jpg jpeg, 1.0 kB (shown)", "a.dng raw, 1.0 kB", "b.jpg jpeg, 1.0 kB (shown)", "b2.jpg raw, 1.0 kB",
    ]  # fmt: skip
    assert page.texts("section .fate strong") == ["Would be kept", "Stays: protected: favourite"]


def test_what_is_given_up_by_nobody_cannot_be_accepted(page: Shown) -> None:
    page.open(plan_of(a_set("s", file("a"), file("b", obstacle="protected: rated 5"), verdict="keep", steps="[]")))
    assert page.texts("section button:disabled") == ["Accepta"]
    page.browser.press("j")
    page.browser.press("a")
    assert page.texts("#chosen") == ["No choices yet"]
    assert page.texts("section .steps") == []
