"""The duplicate groups for a person (one HTML page) and for a program (JSON).

The page needs nothing but itself: no script, no address, thumbnails inside. Names in a library are hostile input:
everything is escaped, and a content security policy forbids whatever would slip through.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from immich_pipeline.dedup.classes import ClassTable, PairClass, default_classes
from immich_pipeline.dedup.facts import as_facts
from immich_pipeline.dedup.wording import camera_text, date_text, place_text, readable_bytes, size_text, visible

SCHEMA_VERSION = 1
MEMBERS_SHOWN = 24
"""A group may hold thousands of copies; the page names this many and counts the rest."""


@dataclass(frozen=True)
class Fact:
    """One line of a member: what it is, its value, and whether the members of the group disagree on it."""

    label: str
    value: str
    differs: bool


@dataclass(frozen=True)
class Member:
    """One picture of a group as the page shows it."""

    name: str
    folder: str
    is_representative: bool
    reason: str
    thumbnail: str | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Group:
    """One group as the page shows it."""

    number: int
    name: str
    title: str
    owner: str
    count: int
    saving: str
    members: tuple[Member, ...]
    hidden: int


def render_html(
    groups: pl.DataFrame,
    members: pl.DataFrame,
    assets: pl.DataFrame,
    thumbnails: Mapping[str, bytes],
    *,
    limit: int,
    generated_at: datetime,
    library: str,
    classes: ClassTable | None = None,
) -> str:
    """One self-contained HTML page, the groups that free most space first.

    Args:
        groups: ``GROUP_SCHEMA``.
        members: ``MEMBER_SCHEMA``.
        assets: ``FACTS_SCHEMA``.
        thumbnails: JPEG, PNG, WebP or GIF bytes by asset id; anything else, or none, is shown as "no preview".
        limit: How many groups to show; the page says how many there are.
        generated_at: When the groups were made.
        library: What the reader knows the library by.
        classes: Titles and explanations; the package's own by default.
    """
    table = classes or default_classes()
    shown = _by_saving(groups).head(limit)
    rows = _member_rows(shown, members, assets)
    style = files(__package__).joinpath("templates/duplicates.css").read_text(encoding="utf-8")
    present = {row["class"] for members_shown in rows.values() for row in members_shown} | set(shown["class"])
    return _template().render(
        library=visible(library),
        generated_at=generated_at.strftime("%Y-%m-%d %H:%M %Z").strip(),
        style=Markup(style),  # noqa: S704 -- our own file, and the policy allows exactly this text
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        total=groups.height,
        files=int(groups["members"].sum()),
        saving=readable_bytes(int(groups["reclaimable_bytes"].sum())),
        classes=[entry for entry in table.classes if entry.name in present],
        groups=[
            _group(number, group, rows.get(group["group_id"], []), thumbnails, {c.name: c for c in table.classes})
            for number, group in enumerate(shown.iter_rows(named=True), start=1)
        ],
    )


def report_json(
    groups: pl.DataFrame, members: pl.DataFrame, assets: pl.DataFrame, classes: ClassTable | None = None
) -> dict[str, Any]:
    """The same groups for programs; only what ``json.dumps`` takes, and the same for the same input.

    Args:
        groups: ``GROUP_SCHEMA``.
        members: ``MEMBER_SCHEMA``.
        assets: ``FACTS_SCHEMA``.
        classes: Explanations of the classes; the package's own by default.

    Returns:
        ``schema_version`` (1), ``totals`` (groups, files, bytes, reclaimable_bytes), ``classes`` (name, title,
        explanation, confidence) and ``groups``, those that free most space first, each with its ``members``, the
        representative first. Positions are told as ``has_position`` only.
    """
    table = classes or default_classes()
    ordered = _by_saving(groups)
    rows = _member_rows(ordered, members, assets)
    listed = [
        {**group, "members": [_json_member(row) for row in rows.get(group["group_id"], [])]}
        for group in ordered.drop("members").iter_rows(named=True)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "totals": {
            "groups": groups.height,
            "files": int(groups["members"].sum()),
            "bytes": int(groups["bytes"].sum()),
            "reclaimable_bytes": int(groups["reclaimable_bytes"].sum()),
        },
        "classes": [
            {"name": c.name, "title": c.title, "explanation": c.explanation, "confidence": c.confidence}
            for c in table.classes
        ],
        "groups": listed,
    }


def _by_saving(groups: pl.DataFrame) -> pl.DataFrame:
    return groups.sort(pl.col("reclaimable_bytes").neg(), "group_id")


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("immich_pipeline.dedup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("duplicates.html.j2")


def _member_rows(groups: pl.DataFrame, members: pl.DataFrame, assets: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The members of these groups with their facts, representative first, by group id."""
    wanted = members.join(groups.select("group_id"), on="group_id", how="semi")
    # The member's asset is gone when the library changed since: its row stays, its facts are empty.
    rows = wanted.join(as_facts(assets), on="asset_id", how="left").sort(
        "group_id", pl.col("is_representative").not_(), "distance", "asset_id"
    )
    by_group: dict[str, list[dict[str, Any]]] = {}
    for row in rows.iter_rows(named=True):
        by_group.setdefault(row["group_id"], []).append(row)
    return by_group


def _group(
    number: int,
    group: Mapping[str, Any],
    rows: list[dict[str, Any]],
    thumbnails: Mapping[str, bytes],
    classes: Mapping[str, PairClass],
) -> Group:
    values = [_fact_values(row) for row in rows]
    differing = {label for label in _LABELS if len({value[label] for value in values}) > 1}
    shown = [
        Member(
            name=visible(row["name"] or "a file that is gone"),
            folder=visible((row["path"] or "").rpartition("/")[0]),
            is_representative=row["is_representative"],
            reason=row["reason"],
            thumbnail=_data_uri(thumbnails.get(row["asset_id"], b"")),
            facts=tuple(Fact(label, value[label], label in differing) for label in _LABELS),
        )
        for row, value in zip(rows[:MEMBERS_SHOWN], values, strict=False)
    ]
    return Group(
        number=number,
        name=group["class"],
        title=classes[group["class"]].title,
        owner=visible(group["owner"]),
        count=group["members"],
        saving=readable_bytes(group["reclaimable_bytes"]),
        members=tuple(shown),
        hidden=len(rows) - len(shown),
    )


_LABELS = ("Size", "Picture", "Format", "Taken", "Camera", "GPS position")


def _fact_values(row: Mapping[str, Any]) -> dict[str, str]:
    values = (
        readable_bytes(row["size"]),
        size_text(row["width"], row["height"]),
        (row["extension"] or "unknown").upper(),
        date_text(row),
        camera_text(row["make"], row["model"]),
        place_text(row["latitude"], row["longitude"]),
    )
    return dict(zip(_LABELS, map(visible, values), strict=True))


_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}


def _data_uri(thumbnail: bytes) -> str | None:
    kinds = [kind for signature, kind in _SIGNATURES.items() if thumbnail.startswith(signature)]
    if thumbnail[:4] == b"RIFF" and thumbnail[8:12] == b"WEBP":
        kinds = ["webp"]
    return f"data:image/{kinds[0]};base64,{b64encode(thumbnail).decode()}" if kinds else None


_JSON_MEMBER = (
    "asset_id", "is_representative", "class", "distance", "distance256", "reason",
    "path", "size", "kind", "width", "height", "make", "model",
)  # fmt: skip


def _json_member(row: Mapping[str, Any]) -> dict[str, Any]:
    instant, local, digest = row["taken_at"], row["taken_at_local"], row["sha256"]
    return {
        **{key: row[key] for key in _JSON_MEMBER},
        "taken_at": instant and instant.isoformat(),
        "taken_at_local": local and local.isoformat(),
        "has_position": row["latitude"] is not None and row["longitude"] is not None,
        "sha256": digest and digest.hex(),
    }
