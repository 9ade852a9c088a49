"""Thumbnails, previews and originals."""

import re
from urllib.parse import quote

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import seen_asset
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.mime import SHOWN_BY_BROWSERS, content_type

SIZES = ("original", "fullsize", "preview", "thumbnail")
KEEP = "private, max-age=86400, no-transform, stale-while-revalidate=2592000, stale-if-error=2592000"


@answers("GET /assets/{id}/thumbnail")
def thumbnail(state: State, call: Call) -> Answer:
    """Larger sizes than the preview are not served here: the answer points elsewhere."""
    size = inputs.choice(call.query, "size", SIZES) or "thumbnail"
    asset = seen_asset(state, call, "asset.view")
    if size == "original" and state.v2:
        raise Refusal(400, "May not request original file")
    if size == "original" or (size == "fullsize" and content_type(asset.original_name) in SHOWN_BY_BROWSERS):
        return _redirect("original?")
    if size == "fullsize":
        return _redirect(f"/api/assets/{asset.id}/thumbnail?size=preview")
    content = asset.preview if size == "preview" else asset.thumbnail
    if content is None:
        raise Refusal(404, "Asset media not found")
    headers = {"content-type": "image/jpeg" if size == "preview" else "image/webp", "cache-control": KEEP}
    return _file(content, headers, call)


@answers("GET /assets/{id}/original")
def original(state: State, call: Call) -> Answer:
    asset = seen_asset(state, call, "asset.download")
    if asset.content is None:  # the file is gone from the disk
        raise Refusal(500, "Internal server error")
    headers = {
        "content-type": content_type(asset.original_name),
        "content-disposition": f"inline; filename*=UTF-8''{quote(asset.original_name, safe='')}",
        "cache-control": "private, no-cache, no-transform",
    }
    return _file(asset.content, headers, call)


def _redirect(location: str) -> Answer:
    text = f"Found. Redirecting to {location}".encode()
    return Answer(302, content=text, headers={"location": location, "content-type": "text/plain; charset=utf-8"})


def _file(content: bytes, headers: dict[str, str], call: Call) -> Answer:
    """The whole file, or the one range that was asked for."""
    headers = headers | {"accept-ranges": "bytes"}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", call.headers.get("range", ""))
    if asked is None or not any(asked.groups()):
        return Answer(content=content, headers=headers)
    first, last = asked.groups()
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last), len(content) - 1) if first and last else len(content) - 1
    if start >= len(content) or end < start:
        return Answer(416, content=b"", headers={"content-range": f"bytes */{len(content)}"})
    return Answer(
        206,
        content=content[start : end + 1],
        headers=headers | {"content-range": f"bytes {start}-{end}/{len(content)}"},
    )
