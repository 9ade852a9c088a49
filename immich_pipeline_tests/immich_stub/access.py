"""Who may see and change what."""

from collections.abc import Iterable

from immich_pipeline_tests.immich_stub.calls import Call, State, no_access
from immich_pipeline_tests.immich_world import Album, Asset, Stack, User


def can_see(state: State, user: User, asset: Asset) -> bool:
    """Own assets that are not locked, those in an album of theirs or shared with them, and what partners show."""
    if asset.visibility == "locked":
        return False
    if asset.owner_id == user.id:
        return True
    if (asset.owner_id, user.id) in state.world.partners and asset.deleted_at is None:
        return asset.visibility in ("timeline", "hidden")
    return any(asset.id in album.asset_ids and in_album(album, user) for album in state.world.albums.values())


def in_album(album: Album, user: User) -> bool:
    return album.owner_id == user.id or user.id in album.shared_with


def seen_asset(state: State, call: Call, permission: str) -> Asset:
    """The asset of the path, if the caller may see it."""
    asset = state.world.assets.get(call.path["id"])
    if asset is None or not can_see(state, call.user, asset):
        raise no_access(permission)
    return asset


def is_own(asset: Asset | None, user: User) -> bool:
    """Locked assets are nobody's own to an API key."""
    return asset is not None and asset.owner_id == user.id and asset.visibility != "locked"


def own_assets(state: State, call: Call, ids: Iterable[str], permission: str) -> list[Asset]:
    """All of the assets, or a refusal if one is unknown, another's or locked."""
    found = [state.world.assets.get(asset_id) for asset_id in dict.fromkeys(ids)]
    if not all(is_own(asset, call.user) for asset in found):
        raise no_access(permission)
    return [asset for asset in found if asset is not None]


def own_stack(state: State, call: Call, stack_id: str, permission: str) -> Stack:
    stack = state.world.stacks.get(stack_id)
    if stack is None or stack.owner_id != call.user.id:
        raise no_access(permission)
    return stack
