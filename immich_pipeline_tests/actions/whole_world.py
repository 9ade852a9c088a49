"""All fields of all that a World holds, before and after: what was lost, what was touched that was nobody's business, what an undo left.

Written without looking at how the executor compares: this is the other opinion. Assets keep their ids here: nobody empties the trash.
"""

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from immich_pipeline_tests.actions.duplicate_world import Group
from immich_pipeline_tests.immich_world import World

Whole = Mapping[str, Any]
Row = Mapping[str, Any]
_SHOWN = ("timeline", "archive")
_METRES = 20.0  # the tolerance of the settings is 15
_BYTES = ("content", "preview", "thumbnail")
# A change of the asset is told by its time; a stack that had to be made anew has another id.
_BOOKKEEPING = {"updated_at", "stack_id"}


def whole(world: World) -> dict[str, Any]:
    """Everything that the world holds, as values: by kind, by id, all fields; who is a member of what; stacks by their members."""
    assets = {one.id: _row(one, skip=_BYTES) | {"bytes": _digest(one.content)} for one in world.assets.values()}
    faces = {one.id: _row(one) for one in world.faces.values()}
    held: dict[str, list[str]] = {}
    for one in world.assets.values():
        held.setdefault(one.stack_id or "", []).append(one.id)
    return {
        "users": {one.id: _row(one) for one in world.users.values()},
        "keys": {one.secret: _row(one) for one in world.keys.values()},
        "libraries": {one.id: _row(one) for one in world.libraries.values()},
        "partners": {"all": {"who": sorted(world.partners)}},
        "assets": assets,
        "faces": faces,
        "people": {one.id: _row(one) for one in world.people.values()},
        "albums": {one.id: _holder(one) for one in world.albums.values()},
        "tags": {one.id: _holder(one) for one in world.tags.values()},
        "links": {one.id: _holder(one) for one in world.links.values()},
        "stacks": {
            one.primary_asset_id: {"owner_id": one.owner_id, "members": tuple(sorted(held.get(one.id, ())))}
            for one in world.stacks.values()
        },
    }


class Resolved:
    """A library before and after duplicates were resolved, and who was given up for whom."""

    def __init__(
        self,
        groups: Iterable[Group],
        before: Whole,
        after: Whole,
        kept: Mapping[str, str],
        backups: Mapping[str, Path],
        *,
        half: bool = False,
    ) -> None:
        """Take over.

        Args:
            groups: as they were made.
            before: `whole` before.
            after: `whole` after.
            kept: by asset that was to be given up the one that is kept for it.
            backups: by asset where its copy is.
            half: the work was broken off somewhere: what is kept may have more than it needs to, and a live video may be between two.
        """
        self.half = half
        self.groups, self.before, self.after, self.backups = list(groups), before, after, backups
        self.kept = {loser: last_of(kept, loser) for loser in kept}
        self.given_up = [
            one for one in before["assets"] if not self._trashed(before, one) and self._trashed(after, one)
        ]
        self.merged: dict[str, list[str]] = {}
        for loser in self.given_up:
            if loser in self.kept:
                self.merged.setdefault(self.kept[loser], []).append(loser)
        self.videos = {asset["live_video_id"] for asset in before["assets"].values()} - {None}

    def problems(self) -> list[str]:
        """What must not be, as sentences; none if all is well."""
        found = [*self._gone(), *self._wrongly_given_up(), *self._lost(), *self._unsafe(), *self._touched()]
        return sorted(set(found))

    def _trashed(self, library: Whole, asset_id: str) -> bool:
        return library["assets"][asset_id]["deleted_at"] is not None if asset_id in library["assets"] else True

    def _gone(self) -> Iterator[str]:
        for kind in self.before:
            if kind != "stacks":
                yield from (f"{kind}: {one} is gone" for one in self.before[kind].keys() - self.after[kind].keys())
        for kind in ("assets", "albums", "people", "links", "tags", "libraries", "users"):
            yield from (f"{kind}: {one} is new" for one in self.after[kind].keys() - self.before[kind].keys())

    def _wrongly_given_up(self) -> Iterator[str]:
        shots = {
            asset.id: (group, place)
            for group in self.groups
            for place, shot in enumerate(group.shots)
            for asset in shot
        }
        for loser in self.given_up:
            if loser in self.videos:
                continue
            group, place = shots.get(loser, (None, -1))
            keeper = self.kept.get(loser)
            if group is None or keeper is None:
                yield f"{loser} was given up, and is no copy of anything"
                continue
            if group.untouched:
                yield f"{loser} was given up, though its group is not to be touched: {group.untouched}"
            if shots[keeper][0] is not group or keeper == loser:
                yield f"{loser} was given up for {keeper}, which does not show the same"
            stays = [one.id for one in group.shots[place] if not self._trashed(self.after, one.id)]
            if not any(self._shown(one) for one in stays):
                yield f"{loser}: no copy of it is there any more"
            library = self.before["assets"][loser]["library_id"]
            if library is not None and self.before["libraries"][library]["name"] != "scans":
                yield f"{loser} is in a library from which nothing may be deleted"

    def _shown(self, asset_id: str) -> bool:
        """Whether a person finds it: not hidden, not in the trash, and not below an asset of a stack that is."""
        asset = self.after["assets"][asset_id]
        top = next((one for one, stack in self.after["stacks"].items() if asset_id in stack["members"]), asset_id)
        there = asset["visibility"] in _SHOWN and asset["deleted_at"] is None and not asset["is_offline"]
        return there and not self._trashed(self.after, top) and self.after["assets"][top]["visibility"] in _SHOWN

    def _lost(self) -> Iterator[str]:
        for keeper, losers in self.merged.items():
            was, now = self.before["assets"][keeper], self.after["assets"][keeper]
            if not self._shown(keeper):
                yield f"{keeper} is kept, and cannot be seen"
            every = [was, *(self.before["assets"][one] for one in losers)]
            yield from (f"{keeper}: {problem}" for problem in _less(every, now))
            yield from (f"{keeper}: {problem}" for problem in _overwritten(was, now))
            yield from (f"{keeper}: {problem}" for problem in self._out_of((keeper, *losers), keeper))
            yield from (f"{keeper}: {problem}" for problem in self._faces((keeper, *losers), keeper))
            yield from (f"{keeper}: {problem}" for problem in self._still_life((keeper, *losers), now))

    @property
    def concerned(self) -> set[str]:
        """The assets that may be other than before."""
        planned = {*self.kept, *self.kept.values()} if self.half else set[str]()
        return {*self.merged, *self.given_up, *self.videos, *planned}

    def _out_of(self, ids: tuple[str, ...], keeper: str) -> Iterator[str]:
        for kind in ("albums", "tags", "links"):
            for name, holder in self.before[kind].items():
                if any(one in holder["asset_ids"] for one in ids) and keeper not in self.after[kind][name]["asset_ids"]:
                    yield f"not in {kind} {name}"
        owner = self.before["assets"][keeper]["owner_id"]
        for name, album in self.before["albums"].items():
            if (
                album["cover_id"] in ids
                and album["owner_id"] == owner
                and self.after["albums"][name]["cover_id"] != keeper
            ):
                yield f"not the cover of {name}"

    def _faces(self, ids: tuple[str, ...], keeper: str) -> Iterator[str]:
        """Every named person who was on one of them is on the kept one, in the same place."""
        now = [face for face in self.after["faces"].values() if face["asset_id"] == keeper]
        for face in self.before["faces"].values():
            person = self.before["people"].get(face["person_id"] or "")
            if face["asset_id"] not in ids or not (person and person["name"]):
                continue
            there = [one for one in now if one["person_id"] == face["person_id"]]
            if not any(_same_place(face, one) for one in there):
                yield f"{person['name']} is not where they were"

    def _still_life(self, ids: tuple[str, ...], now: Row) -> Iterator[str]:
        videos = [self.before["assets"][one]["live_video_id"] for one in ids]
        known = [video for video in videos if video]
        if not known:
            return
        if now["live_video_id"] not in known:
            yield "its live video is none that it or a copy had"
        elif (
            self._trashed(self.after, now["live_video_id"])
            or self.after["assets"][now["live_video_id"]]["visibility"] != "hidden"
        ):
            yield "its live video is in the trash, or stands beside it"
        own = self.before["assets"][ids[0]]["live_video_id"]
        if own and now["live_video_id"] != own:
            yield "it had a live video of its own"

    def _unsafe(self) -> Iterator[str]:
        """Every file that is given up, videos that go with their still included, lies in the backup, whole, with what was known of it."""
        kept_videos = {self.after["assets"][one]["live_video_id"] for one in self.merged}
        following = {self.before["assets"][one]["live_video_id"] for one in self.given_up} - {None} - kept_videos
        for one in {*self.given_up, *following}:
            path = self.backups.get(one)
            if path is None or not path.is_file():
                yield f"{one} is given up, and there is no copy of it"
                continue
            if _digest(path.read_bytes()) != self.before["assets"][one]["bytes"]:
                yield f"{one}: its copy is not what it was"
            about = json.loads(path.with_name(path.name + ".json").read_text())
            if about["state"]["name"] != self.before["assets"][one]["original_name"]:
                yield f"{one}: what was written of it is of another"

    def _touched(self) -> Iterator[str]:
        """What is neither kept for something nor given up is as it was, in every field."""
        ours = self.concerned
        stacked = {
            one
            for top, stack in self.before["stacks"].items()
            if ours & {top, *stack["members"]}
            for one in stack["members"]
        }
        for one in self.before["assets"].keys() - ours:
            skip = _BOOKKEEPING if one in stacked else set[str]()
            yield from (
                f"{one}, which was not concerned: {text}"
                for text in _unlike(self.before, self.after, "assets", one, skip)
            )
        for one in self.given_up:
            skip = _BOOKKEEPING | {"deleted_at", "status", "live_video_id"}
            yield from (
                f"{one}, in the trash: {text}" for text in _unlike(self.before, self.after, "assets", one, skip)
            )
        for kind in ("users", "keys", "libraries", "partners", "people"):
            for one in self.before[kind]:
                yield from (f"{kind} {one}: {text}" for text in _unlike(self.before, self.after, kind, one))
        for kind in ("albums", "tags", "links"):
            for one in self.before[kind]:
                yield from (
                    f"{kind} {one}: {text}"
                    for text in _unlike(self.before, self.after, kind, one, {"asset_ids", "cover_id"})
                )
                more = self.after[kind][one]["asset_ids"] - self.before[kind][one]["asset_ids"] - self.concerned
                yield from (f"{kind} {one}: {new} was put into it" for new in more)
                less = self.before[kind][one]["asset_ids"] - self.after[kind][one]["asset_ids"]
                yield from (f"{kind} {one}: {old} was taken out of it" for old in less)
        yield from self._scattered()

    def _scattered(self) -> Iterator[str]:
        """Who was in one stack is in one stack, but for what is in the trash."""
        for top, stack in self.before["stacks"].items():
            left = {self.kept.get(one, one) if self._trashed(self.after, one) else one for one in stack["members"]}
            left = {one for one in left if not self._trashed(self.after, one)}
            if len(left) > 1 and not any(left <= set(now["members"]) for now in self.after["stacks"].values()):
                yield f"the stack of {top} fell apart: {sorted(left)}"


def left_behind(before: Whole, after: Whole) -> list[str]:
    """In what a library is not as it was before, after an undo; what no server takes away aside: a position, a date or a zone where there
    was none. And the covers of albums that belong to somebody else than the cover, which their owner's server chose anew."""
    found = []
    for kind in before:
        found += [f"{kind}: {one} is gone" for one in before[kind].keys() - after[kind].keys()]
        found += [f"{kind}: {one} is new" for one in after[kind].keys() - before[kind].keys()]
        for one in before[kind].keys() & after[kind].keys():
            skip = (
                {"updated_at", "stack_id"}
                if kind == "assets"
                else _others_cover(before, one)
                if kind == "albums"
                else set[str]()
            )
            found += [f"{kind} {one}: {text}" for text in _unlike(before, after, kind, one, skip)]
    return sorted(found)


def last_of(kept: Mapping[str, str], loser: str) -> str:
    """The one that is kept in the end: what was kept for a copy may have been given up for another later."""
    seen = {loser}
    while (keeper := kept.get(loser)) is not None and keeper not in seen:
        seen.add(keeper)
        loser = keeper
    return loser


def _others_cover(before: Whole, album_id: str) -> set[str]:
    album = before["albums"][album_id]
    cover = before["assets"].get(album["cover_id"] or "")
    return {"cover_id"} if cover is not None and cover["owner_id"] != album["owner_id"] else set()


def _unlike(before: Whole, after: Whole, kind: str, one: str, skip: Collection[str] = ()) -> Iterator[str]:
    was, now = before[kind].get(one), after[kind].get(one)
    if was is None or now is None:
        return
    for name in was:
        if name not in skip and name != "exif" and was[name] != now[name] and not _stays(was, name):
            yield f"{name} was {was[name]!r} and is {now[name]!r}"
    if "exif" in was:
        old, new = was["exif"] or {}, now["exif"] or {}
        unlike = [name for name in old if old[name] != new[name] and not _stays(was, name)]
        yield from (f"exif.{name} was {old[name]!r} and is {new[name]!r}" for name in unlike)


def _stays(was: Row, name: str) -> bool:
    """Whether a field may be other than before, since nothing was there and no server takes away what has come."""
    exif = was.get("exif")
    if not exif:
        return False
    undated = exif["date_time_original"] is None
    return {
        "latitude": exif["latitude"] is None,
        "longitude": exif["longitude"] is None,
        "date_time_original": undated,
        "file_created_at": undated,
        "local_date_time": undated,
        "time_zone": exif["time_zone"] is None,
    }.get(name, False)


def _less(every: list[Row], now: Row) -> Iterator[str]:
    """What was known of any of them and is not known of the kept one."""
    exif, others = now["exif"], [one["exif"] for one in every]
    yield from _when_and_where(every, now)
    if any(one["is_favorite"] for one in every) and not now["is_favorite"]:
        yield "it was a favourite"
    if max((one["rating"] or 0 for one in others), default=0) > (exif["rating"] or 0):
        yield "its rating is lost"
    lines = {line.strip() for line in exif["description"].splitlines()}
    told = {line.strip() for one in others for line in one["description"].splitlines() if line.strip()}
    yield from (f"nobody says any more: {line}" for line in told - lines)
    for name in ("make", "model", "lens_model", "city", "state", "country"):
        if any(one[name] for one in others) and not exif[name]:
            yield f"its {name} is lost"
    seen = {one["visibility"] for one in every}
    if now["visibility"] not in seen or ("timeline" in seen and now["visibility"] != "timeline"):
        yield "it is not shown where it was"


def _when_and_where(every: list[Row], now: Row) -> Iterator[str]:
    exif, others = now["exif"], [one["exif"] for one in every]
    places = [(one["latitude"], one["longitude"]) for one in others if one["latitude"] is not None]
    place = (exif["latitude"], exif["longitude"])
    if places and (place[0] is None or any(_metres(place, one) > _METRES for one in places)):
        yield f"it was taken at {places[0]}, and is said to be at {place}"
    dates = [one["date_time_original"] for one in others if one["date_time_original"] is not None]
    walls = [one["local_date_time"] for one in every if one["exif"]["date_time_original"] is not None]
    moment = exif["date_time_original"]
    same = [one for one in dates if moment and abs((moment - one).total_seconds()) < 1]
    same += [one for one in walls if moment and abs((now["local_date_time"] - one).total_seconds()) < 1]
    if dates and not same:
        yield f"its date is lost, or one that none had: {moment}"
    if any(one["time_zone"] for one in others) and not exif["time_zone"]:
        yield "its time zone is lost"


def _overwritten(was: Row, now: Row) -> Iterator[str]:
    """What the kept one knew itself stays, word for word."""
    mine, own = was["exif"], now["exif"]
    if not own["description"].startswith(mine["description"].rstrip()):
        yield "its own words were changed"
    if mine["latitude"] is not None and (own["latitude"], own["longitude"]) != (mine["latitude"], mine["longitude"]):
        yield "its own place was changed"
    if mine["time_zone"] is not None and (own["time_zone"], own["date_time_original"]) != (
        mine["time_zone"],
        mine["date_time_original"],
    ):
        yield "its own date was changed"
    untold = {"is_favorite", "visibility", "live_video_id", "updated_at", "stack_id", "faces", "exif"}
    if mine["date_time_original"] is None or mine["time_zone"] is None:
        untold |= {"file_created_at", "local_date_time"}
    yield from (f"{name} was changed" for name in was if name not in untold and was[name] != now[name])
    merged = {"description", "latitude", "longitude", "rating", "date_time_original", "time_zone"}
    yield from (f"exif.{name} was changed" for name in mine if name not in merged and mine[name] != own[name])


def _row(one: Any, skip: Collection[str] = ()) -> dict[str, Any]:
    names = [name for name in one.__dataclass_fields__ if name not in skip and name not in {"faces", "exif"}]
    row = {name: getattr(one, name) for name in names}
    if hasattr(one, "exif"):
        row["exif"] = asdict(one.exif) if one.exif is not None else None
        row["faces"] = tuple(sorted(face.id for face in one.faces))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _holder(one: Any) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in one.__dataclass_fields__}
    members = row.pop("asset_ids")
    assert len(set(members)) == len(members)
    if "shared_with" in row:
        row["shared_with"] = tuple(row["shared_with"])
    return row | {"asset_ids": frozenset(members)}


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _metres(left: tuple[float, float], right: tuple[float, float]) -> float:
    """Metres between two near places, by a flat map of the neighbourhood."""
    north = math.radians(left[0] - right[0])
    east = math.radians(left[1] - right[1]) * math.cos(math.radians(left[0]))
    return 6_371_000 * math.hypot(north, east)


def _same_place(face: Row, other: Row) -> bool:
    def sides(one: Row) -> list[float]:
        return [value / whole for value, whole in zip(one["box"], (*one["size"], *one["size"]), strict=True)]

    return all(abs(a - b) < 0.02 for a, b in zip(sides(face), sides(other), strict=True))
