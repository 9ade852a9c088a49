"""Searches: pages by number, in v3.2 also by cursor."""

import base64
import bisect
import json
from collections.abc import Callable, Mapping
from typing import Any

from immich_pipeline_tests.immich_stub import filters, inputs
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.render import VISIBLE, asset_json
from immich_pipeline_tests.immich_world import Asset

MANY = 5_000  # from here on the order of a query is kept between its pages
PAGING = ("page", "size", "cursor")
ORDER_FIELDS: dict[str, Callable[[Asset], Any]] = {
    "fileCreatedAt": lambda asset: asset.file_created_at.timestamp(),
    "localDateTime": lambda asset: asset.local_date_time.timestamp(),
    "fileSizeInBytes": lambda asset: asset.exif.file_size if asset.exif else None,
    "rating": lambda asset: asset.exif.rating if asset.exif else None,
}
Position = tuple[bool, float, str]


@answers("POST /search/metadata")
def metadata(state: State, call: Call) -> Answer:
    body = call.body
    size = inputs.whole_number(body, "size", 250, inputs.LARGEST_PAGE)
    page = inputs.whole_number(body, "page", 1)
    found, position = _found(state, call), _position(state, body)
    cursor = body.get("cursor") if state.dialect == "v3.2" else None
    start = _after(found, position, cursor) if cursor is not None else (page - 1) * size
    shown, more = found[start : start + size], len(found) > start + size
    with_exif = bool(body.get("withExif"))
    assets: dict[str, Any] = {
        "total": len(shown),  # of this page, whatever its name says
        "count": len(shown),
        "items": [asset_json(asset, v2=state.v2, with_exif=with_exif) for asset in shown],
        "facets": [],
        "nextPage": str(page + 1) if more and cursor is None else None,
    }
    if state.dialect == "v3.2":
        assets["nextCursor"] = _cursor(position(shown[-1])) if more else None
    return Answer(body={"albums": {"total": 0, "count": 0, "items": [], "facets": []}, "assets": assets})


@answers("POST /search/statistics")
def statistics(state: State, call: Call) -> Answer:
    return Answer(body={"total": len(_found(state, call))})


@answers("GET /assets/statistics")
def asset_statistics(state: State, call: Call) -> Answer:
    """Own assets only; archive and timeline unless a visibility is named."""
    visibility = inputs.choice(call.query, "visibility", inputs.VISIBILITIES)
    favourite, trashed = inputs.query_flag(call.query, "isFavorite"), inputs.query_flag(call.query, "isTrashed")
    if visibility == "locked":
        raise Refusal(401, "Elevated permission is required")
    counted = [
        asset.type
        for asset in state.world.assets.values()
        if asset.owner_id == call.user.id
        and asset.status != "deleted"
        and (asset.visibility == visibility if visibility else asset.visibility in VISIBLE)
        and favourite in (None, asset.is_favorite)
        and (asset.deleted_at is not None) is bool(trashed)
    ]
    return Answer(body={"images": counted.count("IMAGE"), "videos": counted.count("VIDEO"), "total": len(counted)})


def _found(state: State, call: Call) -> list[Asset]:
    """What the query finds, in its order. Kept between the pages of a large library for as long as nothing changes."""
    body = call.body
    visibility = inputs.choice(body, "visibility", inputs.VISIBILITIES)
    inputs.choice(body, "type", inputs.TYPES)
    asked = (body.get("filter") or {}).get("visibility", {})
    if "locked" in (visibility, asked.get("eq"), *asked.get("in", ())):
        raise Refusal(401, "Elevated permission is required")
    world = state.world
    if len(world.assets) < MANY:
        return _in_order(state, call, visibility)
    in_albums = sum(len(album.asset_ids) for album in world.albums.values())
    tagged = sum(len(tag.asset_ids) for tag in world.tags.values())
    now = (world.now, len(world.assets), len(world.stacks), in_albums, tagged)
    if now != state.orders_of:
        state.orders, state.orders_of = {}, now
    name = json.dumps([call.user.id, {key: value for key, value in body.items() if key not in PAGING}], sort_keys=True)
    if name not in state.orders:
        state.orders[name] = _in_order(state, call, visibility)
    return state.orders[name]


def _in_order(state: State, call: Call, visibility: str | None) -> list[Asset]:
    body = call.body
    keeps = [filters.in_scope(state, call), *filters.flat(state, body)]
    if visibility is not None or state.v2:
        wanted = visibility or "timeline"  # the second dialect's default; from v3 on everything but locked
        keeps.append(lambda asset: asset.visibility == wanted)
    if not filters.wants_deleted(body):
        keeps.append(lambda asset: asset.deleted_at is None)
    if "tagIds" in body and body["tagIds"] is None:
        keeps.append(filters.untagged(state))
    if state.dialect == "v3.2" and body.get("filter"):
        keeps.append(filters.structured(state, body["filter"]))
    found = [asset for asset in filters.may_be(state, body) if all(keep(asset) for keep in keeps)]
    return sorted(found, key=_position(state, body))


def _position(state: State, body: Mapping[str, Any]) -> Callable[[Asset], Position]:
    """Newest first unless asked otherwise; equal ones by id; what has no value comes last."""
    order_by = (body.get("orderBy") or {}) if state.dialect == "v3.2" else {}
    direction = inputs.choice(order_by, "direction", ("asc", "desc")) or inputs.choice(body, "order", ("asc", "desc"))
    field = inputs.choice(order_by, "field", tuple(ORDER_FIELDS)) or "fileCreatedAt"
    value_of, sign = ORDER_FIELDS[field], 1 if direction == "asc" else -1

    def position(asset: Asset) -> Position:
        value = value_of(asset)
        return (value is None, 0.0 if value is None else sign * value, asset.id)

    return position


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _after(found: list[Asset], position: Callable[[Asset], Position], cursor: object) -> int:
    """How many of `found` stand up to the cursor: rows that come and go before it shift nothing."""
    try:
        is_null, value, asset_id = json.loads(base64.urlsafe_b64decode(str(cursor)))
        last = (bool(is_null), float(value), str(asset_id))
    except (ValueError, TypeError):
        raise Refusal(400, "Invalid cursor") from None
    return bisect.bisect_right(found, last, key=position)
