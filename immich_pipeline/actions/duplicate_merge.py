"""What the kept one of a set lacks that the others have: places in albums, words, a position, people. Pure.

States are ASSET STATES, as `immich.details.state_of` makes them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from immich_pipeline.actions.model import State
from immich_pipeline.policies import DuplicateSettings

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a face, relative to the upright picture: 0 to 1."""

BOX_TOLERANCE = 0.01
"""How far the sides of two boxes may be apart for them to be one face: servers round to pixels of a small picture."""

_EARTH_METRES = 6_371_008.8  # mean radius, IUGG
_LARGEST_OFFSET = timedelta(hours=14)
_SAME_TIME = timedelta(seconds=1)  # files know seconds, servers milliseconds


@dataclass(frozen=True)
class FaceOf:
    """A face that the kept one gets: whose it is, and where."""

    person: str
    box: Box


@dataclass(frozen=True)
class Merge:
    """What the kept one gets; what it has already is not in it.

    Attributes:
        albums: ids of albums that it is put into.
        covers: ids of albums whose cover it becomes, since a loser is.
        links: ids of shared links of single assets that it is shown under.
        favourite: it is marked as favourite.
        rating: its new rating; None: it keeps its own.
        description: its new description, whole; None: it keeps its own.
        tags: values of tags that it gets.
        position: latitude and longitude, degrees; None: as it is.
        date: when it was taken, ISO 8601 with the offset of its zone; None: as it is.
        visibility: where it is shown; None: as it is.
        faces: who is where on it.
        live_video: id of the moving half that it takes over from a loser; None: none.
    """

    albums: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    favourite: bool = False
    rating: int | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    position: tuple[float, float] | None = None
    date: str | None = None
    visibility: str | None = None
    faces: tuple[FaceOf, ...] = ()
    live_video: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As it stands in plans: what is not empty."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False, ())}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Merge":
        """From a plan.

        Raises:
            ValueError: it says something that is not known here.
        """
        unknown = sorted(set(told) - {one.name for one in fields(cls)})
        if unknown:
            raise ValueError(f"nothing is known of merging {', '.join(unknown)}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list | tuple) else value for name, value in told.items()
        }
        values["faces"] = tuple(FaceOf(one["person"], box_of(one["box"])) for one in told.get("faces", ()))
        return cls(**values)


def merge_wanted(keeper: State, losers: Sequence[State], settings: DuplicateSettings) -> Merge:
    """What the kept one lacks. The order of the losers decides nothing but which of two equal things is taken.

    Ratings: the highest of one to five stars; that a copy was rejected (-1) is not said of the kept one. People: those with a name.

    Args:
        keeper: the state of the kept one.
        losers: the states of the others.
        settings: how far apart two positions may be, and whether the archive is left.
    """
    return Merge(
        albums=_more(keeper, losers, "albums"),
        covers=_more(keeper, losers, "covers"),
        links=_more(keeper, losers, "links"),
        favourite=not keeper["favourite"] and any(loser["favourite"] for loser in losers),
        rating=_rating(keeper, losers),
        description=_description(keeper, losers),
        tags=_more(keeper, losers, "tags"),
        position=None if has_position(keeper) else _common_position(losers, settings.gps_tolerance_metres),
        date=_date(keeper, losers),
        visibility=_visibility(keeper, losers, settings),
        faces=_faces(keeper, losers),
        live_video=next(iter(_videos(losers)), None) if keeper["live_video"] is None else None,
    )


def unmergeable(keeper: State, losers: Sequence[State], settings: DuplicateSettings | None = None) -> list[str]:
    """What cannot be brought together without losing some of it: reasons for a person, none if all can be.

    Args:
        keeper: the state of the kept one.
        losers: the states of the others.
        settings: how far apart two positions may be; None: the default.
    """
    tolerance = (settings or DuplicateSettings()).gps_tolerance_metres
    reasons = []
    if keeper["live_video"] is None and len(_videos(losers)) > 1:
        reasons.append("more than one of the copies has a live video, and the kept one has none")
    if not has_position(keeper) and any(map(has_position, losers)) and _common_position(losers, tolerance) is None:
        reasons.append("the copies were taken at different places, and the kept one says none")
    if keeper["date"] is None and any(loser["date"] for loser in losers) and _date(keeper, losers) is None:
        reasons.append("the copies were taken at different times, and the kept one says none")
    return reasons


def has_position(state: State) -> bool:
    """Whether it is known where it was taken."""
    return state["latitude"] is not None and state["longitude"] is not None


def metres_between(left: tuple[float, float], right: tuple[float, float]) -> float:
    """The way between two positions (latitude, longitude; degrees) on a sphere, metres; by the haversine formula."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, one)) for one in (left, right))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(half)))


def lines_of(text: str) -> list[str]:
    """The lines of a description, each once, without what stands empty."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def same_box(left: Sequence[float], right: Sequence[float]) -> bool:
    """Whether two boxes are one face, as far as servers round."""
    return all(abs(a - b) <= BOX_TOLERANCE for a, b in zip(left, right, strict=True))


def box_of(told: Sequence[float]) -> Box:
    """A box as a plan or a state holds it."""
    left, top, right, bottom = (float(side) for side in told)
    return (left, top, right, bottom)


def moment_of(text: str) -> datetime:
    """A time of a state or of a merge: with its offset, where none is written UTC's."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def same_time(left: datetime, right: datetime) -> bool:
    """Whether two times are the same, as far as files know them."""
    return abs(left - right) < _SAME_TIME


def _more(keeper: State, losers: Iterable[State], name: str) -> tuple[str, ...]:
    return tuple(sorted({value for loser in losers for value in loser[name]} - set(keeper[name])))


def _rating(keeper: State, losers: Iterable[State]) -> int | None:
    best = max((loser["rating"] or 0 for loser in losers), default=0)
    return best if best > max(keeper["rating"] or 0, 0) else None


def _description(keeper: State, losers: Iterable[State]) -> str | None:
    known = lines_of(keeper["description"])
    more = [line for loser in losers for line in lines_of(loser["description"]) if line not in known]
    own = keeper["description"].rstrip()
    return "\n".join([*([own] if own else []), *dict.fromkeys(more)]) if more else None


def _common_position(losers: Iterable[State], tolerance: float) -> tuple[float, float] | None:
    """The smallest of their positions, if all are one place."""
    known = sorted((loser["latitude"], loser["longitude"]) for loser in losers if has_position(loser))
    apart = any(metres_between(known[0], one) > tolerance for one in known[1:])
    return known[0] if known and not apart else None


def _date(keeper: State, losers: Sequence[State]) -> str | None:
    """A date where there is none, or the zone of a copy that was taken at the same time where there is a date without one."""
    dated = [loser for loser in losers if loser["date"] is not None and _offset(loser) is not None]
    zoned = [loser for loser in dated if loser["time_zone"]]
    if keeper["date"] is None:
        first = next(iter(zoned or dated), None)
        agree = first and all(same_time(moment_of(one["date"]), moment_of(first["date"])) for one in zoned or dated)
        return _written(moment_of(first["date"]), _offset(first)) if first and agree else None
    if keeper["time_zone"]:
        return None
    for loser in zoned:
        if same_time(moment_of(loser["date"]), moment_of(keeper["date"])):
            return _written(moment_of(keeper["date"]), _offset(loser))
        if same_time(moment_of(loser["local_date"]), moment_of(keeper["local_date"])):
            # the same wall clock: without a zone, the server took the instant for that of its own
            offset = _offset(loser) or timedelta()
            return _written(moment_of(keeper["local_date"]) - offset, offset)
    return None


def _offset(state: State) -> timedelta | None:
    """How far the wall clock is from UTC; None: by no offset that a zone has."""
    offset = moment_of(state["local_date"]) - moment_of(state["date"])
    minutes = round(offset.total_seconds() / 60)
    near = abs(offset - timedelta(minutes=minutes)) < _SAME_TIME and abs(offset) <= _LARGEST_OFFSET
    return timedelta(minutes=minutes) if near else None


def _written(moment: datetime, offset: timedelta | None) -> str:
    return moment.astimezone(timezone(offset or timedelta())).isoformat(timespec="milliseconds")


def _visibility(keeper: State, losers: Iterable[State], settings: DuplicateSettings) -> str | None:
    seen = any(loser["visibility"] == "timeline" for loser in losers)
    return "timeline" if settings.visibility == "most_visible" and seen and keeper["visibility"] == "archive" else None


def _faces(keeper: State, losers: Iterable[State]) -> tuple[FaceOf, ...]:
    found: dict[str, tuple[FaceOf, ...]] = {}
    there = {one["person"] for one in keeper["people"]}
    for loser in losers:
        for one in loser["people"]:
            if one["name"] and one["person"] not in there:
                boxes = tuple(FaceOf(one["person"], box_of(box)) for box in one["faces"])
                found.setdefault(one["person"], boxes)
    return tuple(face for person in sorted(found) for face in found[person])


def _videos(losers: Iterable[State]) -> list[str]:
    return list(dict.fromkeys(loser["live_video"] for loser in losers if loser["live_video"]))
