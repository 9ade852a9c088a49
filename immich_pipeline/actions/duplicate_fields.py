"""One asset's state against another: what a merge makes of it, what of it is different, what cannot be taken back. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from immich_pipeline.actions.duplicate_merge import (
    FaceOf,
    Merge,
    box_of,
    has_position,
    lines_of,
    moment_of,
    same_box,
    same_time,
)
from immich_pipeline.actions.model import State

SETS = ("tags", "albums", "links")
"""Fields that hold several values, of which each can be given and taken by itself."""

LATE = frozenset({"rating", "description", "position", "date"})
"""What a server may show only after it has written it to a file and read it back."""

BY_ITSELF = frozenset({"duplicate", "covers", "unassigned_faces"})
"""What a server changes by itself, or what other assets of an album change."""

_DATES = ("date", "time_zone", "local_date", "file_created")
_DEGREES = 1e-5  # a metre: files keep positions as fractions
_STACK = frozenset({"stack", "stack_primary"})


def merged(state: State, merge: Merge) -> dict[str, Any]:
    """The state as it is to be after the merge."""
    wanted = dict(state) | {name: sorted({*state[name], *getattr(merge, name)}) for name in (*SETS, "covers")}
    wanted["people"] = _with_faces(state["people"], merge.faces)
    wanted["favourite"] = state["favourite"] or merge.favourite
    for name in ("rating", "description", "visibility", "live_video"):
        value = getattr(merge, name)
        wanted[name] = state[name] if value is None else value
    if merge.position is not None:
        wanted["latitude"], wanted["longitude"] = merge.position
    if merge.date is not None:
        wanted |= dated(merge.date)
    return wanted


def unmerged(now: State, before: State, merge: Merge) -> dict[str, Any]:
    """The state as it is to be when the merge is taken back: what it was about is as before, all else as it is now.

    A position or a date can be replaced, but not taken away: where there was none, it stays.
    """
    wanted = dict(now)
    for name in SETS:
        ours = set(getattr(merge, name)) - set(before[name])
        wanted[name] = [value for value in now[name] if value not in ours]
    wanted["people"] = _without_faces(now["people"], before["people"], merge.faces)
    for name in ("favourite", "rating", "description", "visibility", "live_video"):
        if getattr(merge, name):
            wanted[name] = before[name]
    if merge.position is not None and has_position(before):
        wanted |= {name: before[name] for name in ("latitude", "longitude")}
    if merge.date is not None and before["date"] is not None:
        wanted |= {name: before[name] for name in ("date", "local_date")}
    return wanted


def restored(now: State, before: State) -> dict[str, Any]:
    """The state of an asset that was uploaded again, as it is to be: everything that can be set is as before.

    Somebody else may have uploaded it, and put it into albums since: nothing is taken away from it.
    """
    wanted = dict(now)
    for name in ("favourite", "rating", "description", "visibility", "live_video"):
        wanted[name] = before[name]
    for name in (*SETS, "covers"):
        wanted[name] = sorted({*now[name], *before[name]})
    named = tuple(FaceOf(one["person"], box_of(box)) for one in before["people"] if one["name"] for box in one["faces"])
    wanted["people"] = _with_faces(now["people"], named)
    if has_position(before):
        wanted |= {name: before[name] for name in ("latitude", "longitude")}
    if before["date"] is not None:
        wanted |= {name: before[name] for name in ("date", "time_zone", "local_date")}
    return wanted


def differences(now: State, wanted: State) -> list[str]:
    """The fields in which a state is not as wanted, by the names that `Merge` has for them."""
    found = [name for name in SETS if set(now[name]) != set(wanted[name])]
    found += ["covers"] if set(wanted["covers"]) - set(now["covers"]) else []
    found += ["faces"] if faces_lacking(now, wanted) or faces_lacking(wanted, now) else []
    return found + [name for name, same in _SAME.items() if not same(now, wanted)]


def faces_lacking(now: State, wanted: State) -> list[FaceOf]:
    """The faces that are wanted and not there."""
    there = {one["person"]: one["faces"] for one in now["people"]}
    return [
        FaceOf(one["person"], box_of(box))
        for one in wanted["people"]
        for box in one["faces"]
        if not any(same_box(box, known) for known in there.get(one["person"], ()))
    ]


def strange(now: State, planned: State, merge: Merge) -> list[str]:
    """The fields that are neither as planned nor as the merge, done in part or whole, makes them. What comes by itself is left out."""
    wanted = merged(planned, merge)
    single = [name for name in planned if name not in {*SETS, *BY_ITSELF, *_STACK, "people", *_SAME, *_DATES}]
    found = [name for name in single if name not in {"latitude", "longitude"} and now[name] != planned[name]]
    found += [name for name in SETS if not set(planned[name]) <= set(now[name]) <= set(wanted[name])]
    found += [name for name, same in _SAME.items() if not same(now, planned) and not same(now, wanted)]
    if faces_lacking(now, planned) or faces_lacking(wanted, now) or _renamed(now, planned):
        found.append("people")
    if merge.date is None:
        found += [name for name in _DATES if name not in found and now[name] != planned[name]]
    return found


def touched(merge: Merge) -> set[str]:
    """The names of the fields that a merge is about."""
    return set(merge.as_json())


def dated(date: str) -> dict[str, Any]:
    """The fields of a state that a date with its offset makes."""
    moment = moment_of(date)
    return {
        "date": moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "time_zone": moment.tzname(),
        "local_date": moment.replace(tzinfo=None).isoformat(timespec="milliseconds"),
    }


def date_of(state: State) -> str:
    """The date of a state with the offset of its wall clock, as a server takes it."""
    offset = moment_of(state["local_date"]) - moment_of(state["date"])
    moment = moment_of(state["date"])
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    wall = (moment + offset).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{wall}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _same_position(left: State, right: State) -> bool:
    if not has_position(left) or not has_position(right):
        return has_position(left) == has_position(right)
    return all(abs(left[name] - right[name]) <= _DEGREES for name in ("latitude", "longitude"))


def _same_date(now: State, wanted: State) -> bool:
    """A zone that is not wanted may be there: it cannot be taken away."""
    if now["date"] is None or wanted["date"] is None:
        return bool(now["date"] == wanted["date"])
    if wanted["time_zone"] and not now["time_zone"]:
        return False
    return all(same_time(moment_of(now[name]), moment_of(wanted[name])) for name in ("date", "local_date"))


_SAME: Mapping[str, Callable[[State, State], bool]] = {
    "favourite": lambda now, wanted: bool(now["favourite"] == wanted["favourite"]),
    "rating": lambda now, wanted: (now["rating"] or None) == (wanted["rating"] or None),
    "description": lambda now, wanted: lines_of(now["description"]) == lines_of(wanted["description"]),
    "visibility": lambda now, wanted: bool(now["visibility"] == wanted["visibility"]),
    "live_video": lambda now, wanted: bool(now["live_video"] == wanted["live_video"]),
    "position": _same_position,
    "date": _same_date,
}


def _renamed(now: State, planned: State) -> bool:
    """Whether a person that was there has another name now."""
    names = {one["person"]: one["name"] for one in now["people"]}
    return any(names.get(one["person"]) != one["name"] for one in planned["people"])


def _with_faces(people: list[dict[str, Any]], faces: tuple[FaceOf, ...]) -> list[dict[str, Any]]:
    found = {one["person"]: {**one, "faces": list(one["faces"])} for one in people}
    for face in faces:
        boxes = found.setdefault(face.person, {"person": face.person, "name": "", "faces": []})["faces"]
        if not any(same_box(face.box, known) for known in boxes):
            boxes.append(list(face.box))
    return [found[person] for person in sorted(found)]


def _without_faces(
    people: list[dict[str, Any]], before: list[dict[str, Any]], faces: tuple[FaceOf, ...]
) -> list[dict[str, Any]]:
    known = {one["person"] for one in before}
    ours = [face for face in faces if face.person not in known]
    left = []
    for one in people:
        boxes = [
            box for box in one["faces"] if not any(f.person == one["person"] and same_box(f.box, box) for f in ours)
        ]
        if boxes:
            left.append({**one, "faces": boxes})
    return left
