"""Stacks: merged, stolen from, never posted twice to the same effect."""

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import own_assets, own_stack
from immich_pipeline_tests.immich_stub.calls import Answer, Call, Refusal, State, answers
from immich_pipeline_tests.immich_stub.render import members, stack_json
from immich_pipeline_tests.immich_world import Asset, Stack


@answers("GET /stacks")
def stacks(state: State, call: Call) -> Answer:
    by_stack: dict[str, list[Asset]] = {}
    for asset in state.world.assets.values():
        if asset.stack_id is not None:
            by_stack.setdefault(asset.stack_id, []).append(asset)
    primary = call.query.get("primaryAssetId")
    found = [
        stack_json(state, stack, sorted(by_stack.get(stack.id, []), key=lambda a: a.id != stack.primary_asset_id))
        for stack in state.world.stacks.values()
        if stack.owner_id == call.user.id and primary in (None, stack.primary_asset_id)
    ]
    return Answer(body=found)


@answers("GET /stacks/{id}")
def one_stack(state: State, call: Call) -> Answer:
    return Answer(body=stack_json(state, own_stack(state, call, call.path["id"], "stack.read")))


@answers("POST /stacks")
def create(state: State, call: Call) -> Answer:
    """The first asset is the primary one. Whole stacks come along with their primary asset; a mere member is taken out of its stack."""
    ids = inputs.uuids(call.body, "assetIds", at_least=2)
    chosen = own_assets(state, call, ids, "asset.update")
    for stack in [s for s in state.world.stacks.values() if s.primary_asset_id in ids]:
        chosen += [asset for asset in members(state, stack) if asset.deleted_at is None and asset not in chosen]
        _dissolve(state, stack)
    return Answer(201, stack_json(state, state.world.add_stack(chosen)))


@answers("PUT /stacks/{id}")
def update(state: State, call: Call) -> Answer:
    stack = own_stack(state, call, call.path["id"], "stack.update")
    primary = call.body.get("primaryAssetId")
    if primary is not None:
        if primary not in {asset.id for asset in members(state, stack)}:
            raise Refusal(400, "Primary asset must be in the stack")
        stack.primary_asset_id = primary
        state.world.tick()
    return Answer(body=stack_json(state, stack))


@answers("DELETE /stacks/{id}")
def delete(state: State, call: Call) -> Answer:
    _dissolve(state, own_stack(state, call, call.path["id"], "stack.delete"))
    return Answer(204)


@answers("DELETE /stacks")
def delete_many(state: State, call: Call) -> Answer:
    chosen = [own_stack(state, call, stack_id, "stack.delete") for stack_id in inputs.uuids(call.body, "ids")]
    for stack in chosen:
        _dissolve(state, stack)
    return Answer(204)


@answers("DELETE /stacks/{id}/assets/{assetId}")
def remove_asset(state: State, call: Call) -> Answer:
    stack = own_stack(state, call, call.path["id"], "stack.update")
    asset = state.world.assets.get(call.path["assetId"])
    if asset is None or asset.stack_id != stack.id:
        raise Refusal(400, "Asset not in stack")
    if asset.id == stack.primary_asset_id:
        raise Refusal(400, "Cannot remove stack's primary asset")
    asset.stack_id = None
    state.world.touch(asset)
    return Answer(204)


def _dissolve(state: State, stack: Stack) -> None:
    for asset in members(state, stack):
        asset.stack_id = None
        state.world.touch(asset)
    del state.world.stacks[stack.id]
