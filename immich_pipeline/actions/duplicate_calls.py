"""The steps of merging and of taking apart as calls of the API."""

from collections.abc import Iterable, Mapping
from typing import Any

from immich_pipeline.actions.duplicate_merge import same_box
from immich_pipeline.actions.duplicate_steps import Change, Covering, Joining, Naming, Showing, Step, Tagging
from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError

_SOME_SIZE = (4000, 4000)
_FINE = frozenset({"duplicate", "not_found"})
"""It is so already."""


def perform(client: ImmichClient, step: Step) -> str:
    """Make the calls of a step; returns its name.

    Raises:
        ImmichError: a call failed, or the server did not do what it was for.
    """
    match step:
        case Change():
            client.update_asset(step.asset_id, **dict(step.values))
        case Tagging():
            _tag(client, step)
        case Joining():
            change = client.remove_from_album if step.off else client.add_to_album
            _check(change(step.album, [step.asset_id]), f"the album {step.album}")
        case Showing():
            _show(client, step)
        case Covering():
            client.set_album_cover(step.album, step.asset_id)
        case Naming():
            _name(client, step)
    return type(step).__name__.lower()


def _show(client: ImmichClient, step: Showing) -> None:
    """What is added is added twice: the second time, the server has to say that it is there."""
    where = f"the shared link {step.link}"
    if step.off:
        _check(client.remove_from_link(step.link, [step.asset_id]), where)
        return
    _check(client.add_to_link(step.link, [step.asset_id]), where)
    if any(outcome.error != "duplicate" for outcome in client.add_to_link(step.link, [step.asset_id])):
        raise ImmichError(f"{where} does not show asset {step.asset_id}, though the server did not complain")


def _tag(client: ImmichClient, step: Tagging) -> None:
    tags = [tag.id for tag in client.upsert_tags(step.tags)]
    if not step.off:
        client.tag_assets(tags, [step.asset_id])
        return
    for tag_id in tags:
        _check(client.untag_assets(tag_id, [step.asset_id]), f"the tag {tag_id}")


def _name(client: ImmichClient, step: Naming) -> None:
    if not step.off:
        client.create_face(step.asset_id, step.person, step.box, _size(client.asset(step.asset_id)))
        return
    for face in client.faces(step.asset_id):
        if face.person is not None and face.person.id == step.person and same_box(face.box, step.box):
            client.delete_face(face.id)


def _size(asset: Mapping[str, Any]) -> tuple[int, int]:
    """Of the upright picture, pixels. Boxes are relative, so any size will do where a server does not know it."""
    width, height = asset.get("width"), asset.get("height")
    return (int(width), int(height)) if width and height else _SOME_SIZE


def _check(outcomes: Iterable[Any], where: str) -> None:
    for outcome in outcomes:
        if not outcome.success and outcome.error not in _FINE:
            raise ImmichError(f"{where} could not be changed for asset {outcome.id}: {outcome.error}")
