"""The page of the duplicate report in headless Chromium: from opening the file to the first groups on the screen.

The peer is what a page without a script would be: the same groups, all of them laid out at once.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import arguments, progress, report, timed
from immich_pipeline.dedup.document import document_text
from immich_pipeline.dedup.report import PICTURE_BYTES, render_html
from immich_pipeline.dedup.table_csv import duplicate_csv
from immich_pipeline_tests.browser import Browser, browsing
from immich_pipeline_tests.dedup.decided import many

_PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
_ANSWERED = (
    "(() => {{ const began = performance.now(); {}; document.body.offsetHeight; return performance.now() - began; }})()"
)
_SORT = "const s = document.getElementById('sort'); s.value = 'loses'; s.dispatchEvent(new Event('change', {bubbles: true}))"
_SEARCH = "const s = document.getElementById('search'); s.value = '077 (1)'; s.dispatchEvent(new Event('input', {bubbles: true}))"
_NEXT = "document.getElementById('next').click()"


def some_thumbnails(folder: Path, ids: list[str]) -> dict[str, bytes]:
    """Noise of a thumbnail's size and weight, enough to fill the page's budget."""
    noise = np.random.default_rng(1)
    made = []
    for number in range(50):
        path = folder / f"{number}.jpg"
        Image.fromarray(noise.integers(0, 255, (15, 20, 3), dtype=np.uint8)).resize((160, 120)).save(path, quality=80)
        made.append(path.read_bytes())
    return {asset_id: made[place % len(made)] for place, asset_id in enumerate(ids[: PICTURE_BYTES // len(made[0])])}


def static_page(document: dict[str, Any]) -> str:
    """The same groups as elements, without pictures and without anything to press."""
    sections = "".join(
        f"<section><h2>{escape(part['id'])} {part['class']} {part['reclaimable_bytes']}</h2>"
        + "".join(
            "<article><dl>"
            + "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in file.items() if value)
            + "</dl></article>"
            for file in part["files"]
        )
        + "</section>"
        for part in document["sets"]
    )
    return f"<!doctype html><meta charset=utf-8><title>all at once</title>{sections}"


def until_painted(browser: Browser, path: Path) -> float:
    """Seconds from opening a page to its first picture on the screen."""
    seconds, _ = timed(lambda: (browser.open(path), browser.run(_PAINTED)))
    return seconds


def median(rounds: int, measure: Callable[[], float]) -> float:
    """Of a few rounds; the first, with everything cold, counts like the others."""
    return statistics.median(measure() for _ in range(rounds))


def main() -> None:
    """Measure and print one line of JSON."""
    parser = arguments(__doc__ or "", n=10_000, n_help="groups")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often the page is opened; the median counts (default 5)"
    )
    options = parser.parse_args()
    progress(f"deciding about {options.n:,} groups")
    document_seconds, document = timed(many(options.n).document)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ids = [file["asset_id"] for part in document["sets"] for file in part["files"]]
        thumbnails = some_thumbnails(folder, ids)
        page, static = folder / "page.html", folder / "static.html"
        html_seconds, html = timed(lambda: render_html(document, thumbnails, generated_at=datetime.now(UTC)))
        page.write_text(html, encoding="utf-8")
        static.write_text(static_page(document), encoding="utf-8")
        json_seconds, _ = timed(lambda: document_text(document))
        csv_seconds, _ = timed(lambda: duplicate_csv(document))
        progress("opening the pages")
        with browsing(folder / "profile") as browser:
            browser.resize(1280)
            seconds = median(options.rounds, lambda: until_painted(browser, page))
            answers = {
                name: round(browser.run(_ANSWERED.format(act)))
                for name, act in (("sort", _SORT), ("next", _NEXT), ("search", _SEARCH))
            }
            heap = browser.run("performance.memory.usedJSHeapSize") / 1e6
            browser.resize(390)
            browser.open(page)
            width = browser.run("document.documentElement.scrollWidth")
            progress("opening the peer")
            peer_seconds = until_painted(browser, static)
        report(
            "duplicate_page", n=options.n, seconds=seconds, peer="all groups as elements", peer_seconds=peer_seconds,
            page_mb=round(len(html.encode()) / 1e6, 1), pictures=len(thumbnails), milliseconds_to_answer=answers, heap_mb=round(heap, 1),
            width_at_390=width, document_seconds=round(document_seconds, 2), html_seconds=round(html_seconds, 2),
            json_seconds=round(json_seconds, 2), csv_seconds=round(csv_seconds, 2),
        )  # fmt: skip


if __name__ == "__main__":
    main()
