"""Tags: a tree per user, written as paths."""

from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import is_own
from immich_pipeline_tests.immich_stub.calls import Answer, Call, State, answers, no_access
from immich_pipeline_tests.immich_stub.render import tag_json
from immich_pipeline_tests.immich_world import Asset, Tag


@answers("GET /tags")
def tags(state: State, call: Call) -> Answer:
    own = [tag for tag in state.world.tags.values() if tag.user_id == call.user.id]
    return Answer(body=[tag_json(state, tag) for tag in sorted(own, key=lambda tag: tag.value)])


@answers("PUT /tags")
def upsert(state: State, call: Call) -> Answer:
    """Makes what is missing, parents too. Empty parts of a path are dropped, case matters; answers the leaves, in order."""
    values = call.body.get("tags")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise inputs.invalid(
            "tags",
            "each value in tags must be a string",
            expected="array",
            code="invalid_type",
            message="Invalid input: expected array of strings",
        )
    paths = ["/".join(part for part in value.split("/") if part) for value in values]
    leaves = []
    for path in (path for path in paths if path):
        known = set(state.world.tags)
        leaf = state.world.add_tag(call.user, path)
        for tag_id in {*state.world.tags} - known | {leaf.id}:
            state.stamp(tag_id)
        leaves.append(leaf)
    return Answer(body=[tag_json(state, leaf) for leaf in leaves])


@answers("PUT /tags/assets")
def tag_many(state: State, call: Call) -> Answer:
    """Another's tags and assets are passed over without a word; the count is of pairs that are new."""
    chosen = [state.world.tags.get(one) for one in inputs.uuids(call.body, "tagIds")]
    assets = [state.world.assets.get(one) for one in inputs.uuids(call.body, "assetIds")]
    count = 0
    for tag in (tag for tag in chosen if tag is not None and tag.user_id == call.user.id):
        for asset in assets:
            if asset is not None and is_own(asset, call.user) and asset.id not in tag.asset_ids:
                _add(state, tag, asset)
                count += 1
    return Answer(body={"count": count})


@answers("PUT /tags/{id}/assets")
def tag_assets(state: State, call: Call) -> Answer:
    tag, results = _own_tag(state, call), list[dict[str, Any]]()
    for asset_id in inputs.uuids(call.body, "ids"):
        asset = state.world.assets.get(asset_id)
        if asset_id in tag.asset_ids:
            results.append({"id": asset_id, "success": False, "error": "duplicate"})
        elif asset is None or not is_own(asset, call.user):
            results.append({"id": asset_id, "success": False, "error": "no_permission"})
        else:
            _add(state, tag, asset)
            results.append({"id": asset_id, "success": True})
    return Answer(body=results)


@answers("DELETE /tags/{id}/assets")
def untag_assets(state: State, call: Call) -> Answer:
    tag, results = _own_tag(state, call), list[dict[str, Any]]()
    for asset_id in inputs.uuids(call.body, "ids"):
        if asset_id not in tag.asset_ids:
            results.append({"id": asset_id, "success": False, "error": "not_found"})
        else:
            tag.asset_ids.remove(asset_id)
            state.world.touch(state.world.assets[asset_id])
            results.append({"id": asset_id, "success": True})
    return Answer(body=results)


def _add(state: State, tag: Tag, asset: Asset) -> None:
    """The asset's side-car is written and read again, which changes the asset."""
    tag.asset_ids.append(asset.id)
    state.world.touch(asset)


def _own_tag(state: State, call: Call) -> Tag:
    tag = state.world.tags.get(call.path["id"])
    if tag is None or tag.user_id != call.user.id:
        raise no_access("tag.asset")
    return tag
