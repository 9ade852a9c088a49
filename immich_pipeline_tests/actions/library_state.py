"""A whole library as values that can be compared: whether anything was lost, and whether an undo has brought back what there was.

Assets are named by their owner and their bytes, so that one that had to be uploaded again keeps its name; stacks and faces have no ids.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from immich_pipeline_tests.immich_world import Album, Asset, World

Library = Mapping[str, Any]
_SHOWN = ("timeline", "archive")
_NEVER_TAKEN_AWAY = {"position": {"position"}, "date": {"date", "local_date", "zone"}, "zone": {"zone"}}


def name_of(asset: Asset) -> str:
    """By owner and bytes; files of external libraries, of which there may be more with the same bytes, also by their library's path."""
    content = asset.checksum if asset.content is None else hashlib.sha1(asset.content, usedforsecurity=False).digest()
    return f"{asset.owner_id}/{content.hex()}" + (f"/{asset.original_path}" if asset.library_id else "")


def library_of(world: World) -> dict[str, Any]:
    """Everything that people know of their photos.

    Returns:
        `ids`: by asset id its name; `assets`: by name its fields, of faces those of people with names, whom no machine knows; `albums`: by
        id members and cover; `tags`: by user and path the members; `links`: by id the members; `stacks`: the names of each, the primary
        asset first.
    """
    names = {asset.id: name_of(asset) for asset in world.assets.values()}
    members: dict[str, list[str]] = {}
    for asset in world.assets.values():
        if asset.stack_id is not None:
            members.setdefault(asset.stack_id, []).append(asset.id)
    tops = {stack.id: stack.primary_asset_id for stack in world.stacks.values()}
    return {
        "ids": names,
        "assets": {names[asset.id]: _fields(world, asset, names) for asset in world.assets.values()},
        "albums": {
            album.id: {"members": _named(album.asset_ids, names), "cover": names.get(_cover(world, album))}
            for album in world.albums.values()
        },
        "tags": {
            f"{tag.user_id}/{tag.value}": _named(tag.asset_ids, names) for tag in world.tags.values() if tag.asset_ids
        },
        "links": {link.id: _named(link.asset_ids, names) for link in world.links.values()},
        "stacks": sorted(
            [names[tops[stack]], *sorted(names[one] for one in ids if one != tops[stack])]
            for stack, ids in members.items()
        ),
    }


def losses(before: Library, after: Library, kept: Mapping[str, str], backed_up: Collection[str]) -> list[str]:
    """What of the library before is not in the library after: sentences; none if nothing was lost.

    What was known of an asset must be known of itself, unless it lies in the trash now, or of the one that was kept for it.

    Args:
        before: `library_of` before.
        after: `library_of` after.
        kept: by the id of each asset that was to be given up that of the one that is kept for it.
        backed_up: ids of the assets of whose files there is a verified copy.
    """
    name = before["ids"]
    keeper_of = {name[loser]: name[keeper] for loser, keeper in kept.items()}
    safe = {name[one] for one in backed_up if one in name}
    found = []
    for asset, was in before["assets"].items():
        if not was["trashed"]:
            keeper, is_safe = keeper_of.get(asset), asset in safe
            found += [f"{asset}: {problem}" for problem in _problems(asset, before, after, keeper, is_safe=is_safe)]
    return found


def unlike(before: Library, after: Library) -> list[str]:
    """In what a library is not as before: sentences.

    Where a date, a zone or a position came to an asset that had none, it may stay: no server takes it away. A zone may go by another name
    of the same offset.
    """
    groups = [kind for kind in ("albums", "tags", "links") if before[kind] != after[kind]]
    found = [f"{kind}: {_differing(before[kind], after[kind])}" for kind in groups]
    found += ["stacks"] if before["stacks"] != after["stacks"] else []
    found += [f"{asset} is gone" for asset in before["assets"].keys() - after["assets"].keys()]
    found += [f"{asset} is new" for asset in after["assets"].keys() - before["assets"].keys()]
    for asset in before["assets"].keys() & after["assets"].keys():
        was, now = before["assets"][asset], after["assets"][asset]
        allowed = set().union(*(fields for name, fields in _NEVER_TAKEN_AWAY.items() if was[name] is None))
        allowed |= {"zone"} if now["zone"] is not None else set()
        changed = [name for name in was if name not in allowed and was[name] != now[name]]
        found += [f"{asset}: {name} was {was[name]} and is {now[name]}" for name in changed]
    return sorted(found)


def _problems(asset: str, before: Library, after: Library, keeper: str | None, *, is_safe: bool) -> Iterator[str]:
    now = after["assets"].get(asset)
    is_there = now is not None and not now["trashed"]
    if not is_there and keeper is None:
        if before["assets"][asset]["visibility"] in _SHOWN:  # a live video may go with its still
            yield "given up, though nothing was kept for it"
        return
    if not is_there and not is_safe:
        yield "in the trash without a verified copy"
    holders = ([asset] if is_there else []) + ([keeper] if keeper is not None else [])
    yield from sorted(set.intersection(*(set(_lost(asset, before, after, holder)) for holder in holders)))


def _lost(asset: str, before: Library, after: Library, holder: str) -> Iterator[str]:
    """What was known of an asset and is not known of the one that holds it now."""
    was, now = before["assets"][asset], after["assets"].get(holder)
    if now is None or now["trashed"] or now["offline"]:
        yield "it is not there, nor what was kept for it"
        return
    if was["visibility"] in _SHOWN and (now["visibility"] not in _SHOWN or _covered(holder, after)):
        yield "it is not shown any more"
    yield from _unknown(was, now)
    for kind in ("albums", "tags", "links"):
        groups = dict(_members(after[kind]))
        yield from (
            f"no longer in {kind} {group}"
            for group, members in _members(before[kind])
            if asset in members and holder not in groups.get(group, ())
        )
    for album, one in before["albums"].items():
        if one["cover"] == asset and after["albums"].get(album, {}).get("cover") != holder:
            yield f"no longer the cover of {album}"


def _unknown(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    single = ("position", "date", "zone", "live_video")
    yield from (f"{name} lost" for name in single if was[name] is not None and now[name] is None)
    if was["favourite"] and not now["favourite"]:
        yield "no favourite any more"
    if (was["rating"] or 0) > max(now["rating"] or 0, 0):
        yield "rating lost"
    yield from (f"line {line!r} lost" for line in _lines(was["description"]) if line not in _lines(now["description"]))
    named = {person for person, _ in was["faces"]} - {person for person, _ in now["faces"]}
    yield from (f"person {person} lost" for person in sorted(named))


def _covered(asset: str, library: Library) -> bool:
    """Whether it is in a stack whose primary asset, which alone shows, is in the trash."""
    tops = [stack[0] for stack in library["stacks"] if asset in stack]
    return any(library["assets"][top]["trashed"] for top in tops)


def _fields(world: World, asset: Asset, names: Mapping[str, str]) -> dict[str, Any]:
    exif = asset.exif
    located = exif is not None and exif.latitude is not None and exif.longitude is not None
    return {
        "name": asset.original_name,
        "type": asset.type,
        "visibility": asset.visibility,
        "favourite": asset.is_favorite,
        "trashed": asset.deleted_at is not None,
        "offline": asset.is_offline,
        "live_video": names.get(asset.live_video_id or ""),
        "rating": (exif.rating or None) if exif else None,
        "description": exif.description if exif else "",
        "position": (exif.latitude, exif.longitude) if exif is not None and located else None,
        "date": exif.date_time_original.isoformat(timespec="milliseconds") if exif and exif.date_time_original else None,
        "zone": exif.time_zone if exif else None,
        "local_date": asset.local_date_time.isoformat(timespec="milliseconds"),
        "faces": sorted(
            (face.person_id, _relative(face.box, face.size))
            for face in asset.faces
            if face.person_id and world.people[face.person_id].name
        ),
    }  # fmt: skip


def _relative(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[float, ...]:
    width, height = size
    return tuple(round(side / whole, 2) for side, whole in zip(box, (width, height, width, height), strict=True))


def _cover(world: World, album: Album) -> str:
    """As the server tells it: an album whose cover is gone, or that has none, gets its newest asset as soon as it is asked for."""
    cover = world.assets.get(album.cover_id or "")
    if cover is not None and cover.deleted_at is None and cover.id in album.asset_ids:
        return cover.id
    held = [world.assets[one] for one in album.asset_ids if one in world.assets]
    there = [asset for asset in held if asset.deleted_at is None]
    return max(there, key=lambda asset: asset.file_created_at).id if there else ""


def _named(ids: Collection[str], names: Mapping[str, str]) -> list[str]:
    return sorted(names[one] for one in ids if one in names)


def _members(groups: Mapping[str, Any]) -> Iterator[tuple[str, Collection[str]]]:
    for group, told in groups.items():
        yield group, told["members"] if isinstance(told, Mapping) else told


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: (left.get(key), right.get(key)) for key in left.keys() | right.keys() if left.get(key) != right.get(key)
    }
