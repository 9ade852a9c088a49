"""The calls that lead from one state of an asset to another. Pure."""

from dataclasses import dataclass
from typing import Any

from immich_pipeline.actions.duplicate_fields import date_of, differences, faces_lacking
from immich_pipeline.actions.duplicate_merge import Box, has_position
from immich_pipeline.actions.model import State


@dataclass(frozen=True)
class Change:
    """Change values of an asset; the names are `ImmichClient.update_asset`'s."""

    asset_id: str
    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Tagging:
    """Give an asset tags, or with `off` take them away."""

    asset_id: str
    tags: tuple[str, ...]
    off: bool = False


@dataclass(frozen=True)
class Joining:
    """Put an asset into an album, or with `off` take it out."""

    asset_id: str
    album: str
    off: bool = False


@dataclass(frozen=True)
class Showing:
    """Show an asset under a link of single assets, or with `off` no longer."""

    asset_id: str
    link: str
    off: bool = False


@dataclass(frozen=True)
class Covering:
    """Make an asset the cover of an album."""

    asset_id: str
    album: str


@dataclass(frozen=True)
class Naming:
    """Say who is where on an asset, or with `off` take that face away."""

    asset_id: str
    person: str
    box: Box
    off: bool = False


Step = Change | Tagging | Joining | Showing | Covering | Naming


def steps_between(asset_id: str, now: State, wanted: State) -> list[Step]:
    """The calls to be made, in an order in which each can be: an album is entered before its cover is, and left last.

    What a server cannot take away (a position, a date) makes no call.
    """
    unequal = differences(now, wanted)
    steps: list[Step] = [Joining(asset_id, album) for album in _more(now, wanted, "albums")]
    steps += [Covering(asset_id, album) for album in _more(now, wanted, "covers")]
    steps += [Showing(asset_id, link) for link in _more(now, wanted, "links")]
    steps += [Tagging(asset_id, tuple(tags)) for tags in [_more(now, wanted, "tags")] if tags]
    steps += [Naming(asset_id, face.person, face.box) for face in faces_lacking(now, wanted)]
    values = [(name, value) for field in unequal for name, value in _values(field, wanted)]
    steps += [Change(asset_id, tuple(values))] if values else []
    steps += [Naming(asset_id, face.person, face.box, off=True) for face in faces_lacking(wanted, now)]
    steps += [Tagging(asset_id, tuple(tags), off=True) for tags in [_more(wanted, now, "tags")] if tags]
    steps += [Showing(asset_id, link, off=True) for link in _more(wanted, now, "links")]
    return steps + [Joining(asset_id, album, off=True) for album in _more(wanted, now, "albums")]


def _more(now: State, wanted: State, name: str) -> list[str]:
    return sorted(set(wanted[name]) - set(now[name]))


def _values(field: str, wanted: State) -> list[tuple[str, Any]]:
    """What is told to a server to make a field as wanted."""
    match field:
        case "favourite":
            return [("is_favorite", wanted["favourite"])]
        case "rating" | "description" | "visibility":
            return [(field, wanted[field])]
        case "live_video":
            return [("live_video_id", wanted["live_video"])]
        case "position" if has_position(wanted):
            return [("latitude", wanted["latitude"]), ("longitude", wanted["longitude"])]
        case "date" if wanted["date"] is not None:
            return [("date_time_original", date_of(wanted))]
        case _:
            return []
