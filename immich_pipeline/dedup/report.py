"""The duplicates for a person: one HTML page to look at them, and to say what is right.

The page needs nothing but itself: its script and its thumbnails are inside, and it fetches nothing. Names in a library are hostile
input: they are data, shown as text, and a content security policy forbids whatever would slip through. The page stays quick with tens
of thousands of sets because it takes apart only what it shows: each set is one line of JSON, each picture one line, and the browser
keeps both as plain text until they are wanted.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from immich_pipeline.dedup.conflict_kinds import conflict_kinds
from immich_pipeline.dedup.decision_rules import decision_rules
from immich_pipeline.dedup.plain_json import shown_json
from immich_pipeline.dedup.wording import readable_bytes, visible, words

SETS_ON_PAGE = 20_000
"""More sets than this are in the JSON and in the CSV only; the page says so."""
PICTURE_BYTES = 12_000_000
"""All thumbnails of the page together, as they stand in it."""


def render_html(
    document: Mapping[str, Any],
    thumbnails: Mapping[str, bytes],
    *,
    generated_at: datetime,
    limit: int = SETS_ON_PAGE,
    picture_bytes: int = PICTURE_BYTES,
) -> str:
    """One self-contained HTML page.

    Args:
        document: What ``dedup.document.duplicate_document`` returns.
        thumbnails: JPEG, PNG, WebP or GIF bytes by asset id, the most wanted first; anything else, or none, is shown as "no preview".
        generated_at: When the decisions were made.
        limit: How many sets to show; the page says how many there are.
        picture_bytes: How much the thumbnails may take; those that come after are left out.
    """
    shown = document["sets"][:limit]
    pictures, places = _pictures(thumbnails, picture_bytes)
    style, script = _ours("duplicates.css"), _ours("duplicates.js")
    totals = document["totals"]
    return _template().render(
        library=visible(document["library"]),
        generated_at=generated_at.strftime("%Y-%m-%d %H:%M %Z").strip(),
        # Our own files; the policy allows exactly these texts.
        style=Markup(style),  # noqa: S704
        style_hash=_hash(style),
        script=Markup(script),  # noqa: S704
        script_hash=_hash(script),
        totals=totals,
        freed=readable_bytes(totals["reclaimable_bytes"]),
        shown=len(shown),
        # shown_json writes nothing that could end the element it stands in.
        index=Markup(shown_json(_index(document, shown))),  # noqa: S704
        sets=Markup("\n".join(shown_json(_line(part, places)) for part in shown)),  # noqa: S704
        pictures=Markup("\n".join(pictures)),  # noqa: S704
    )


def _index(document: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page sorts, filters and searches by, column by column; the only thing that it takes apart at once."""
    present = {part["class"] for part in shown}
    return {
        "plan": document["plan"],
        "words": _words(),
        "classes": [entry for entry in document["classes"] if entry["name"] in present],
        "columns": {
            "id": [part["id"] for part in shown],
            "class": [part["class"] for part in shown],
            "verdict": [part["verdict"] for part in shown],
            "conflicts": [part["conflicts"] for part in shown],
            "saving": [part["reclaimable_bytes"] for part in shown],
            "confidence": [part["confidence"] for part in shown],
            "diameter": [part["diameter"] for part in shown],
            "loses": [len(part["immich"]["loses"]) for part in shown],
            "newest": [max(map(_when, part["files"])) for part in shown],
            "text": [_searched(part) for part in shown],
        },
    }


def _words() -> dict[str, dict[str, str]]:
    kinds = conflict_kinds()
    return words() | {
        "steps": decision_rules().steps | words()["steps"],
        "conflicts": {name: kind.title for name, kind in kinds.items()},
        "explanations": {name: kind.explanation for name, kind in kinds.items()},
    }


def _when(file: Mapping[str, Any]) -> str:
    return file["taken_at_local"] or file["taken_at"] or ""


def _searched(part: Mapping[str, Any]) -> str:
    names = (f"{file['folder']}/{file['name']}" if file["folder"] else file["name"] or "" for file in part["files"])
    return " ".join(names).lower()


def _line(part: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    """A set as the page has it: what is not known, not so, or empty is left out."""
    told = [
        {name: value for name, value in file.items() if value is not None and value is not False and value != []}
        | ({"picture": places[file["asset_id"]]} if file["asset_id"] in places else {})
        for file in part["files"]
    ]
    return {**{name: part[name] for name in _OF_SET}, "files": told}


_OF_SET = (
    "id", "owner", "class", "confidence", "diameter", "verdict", "decided_by", "becomes", "conflicts", "reclaimable_bytes",
    "keeper", "immich", "steps",
)  # fmt: skip


def _pictures(thumbnails: Mapping[str, bytes], most: int) -> tuple[list[str], dict[str, int]]:
    """The pictures as data URIs, and which asset's stands where."""
    lines: list[str] = []
    places: dict[str, int] = {}
    for asset_id, thumbnail in thumbnails.items():
        kind = _kind(thumbnail)
        line = f"data:image/{kind};base64,{b64encode(thumbnail).decode()}"
        if kind is None or len(line) > most:
            continue
        most -= len(line)
        places[asset_id] = len(lines)
        lines.append(line)
    return lines, places


_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}


def _kind(thumbnail: bytes) -> str | None:
    if thumbnail[:4] == b"RIFF" and thumbnail[8:12] == b"WEBP":
        return "webp"
    return next((kind for signature, kind in _SIGNATURES.items() if thumbnail.startswith(signature)), None)


def _ours(name: str) -> str:
    return files(__package__).joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("immich_pipeline.dedup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("duplicates.html.j2")
