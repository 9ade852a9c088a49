"""The steps of changing stacks as calls of the API."""

from immich_pipeline.actions.stacking import Call, Delete, Post, Put, Remove
from immich_pipeline.immich.client import ImmichClient


def send_stack_call(client: ImmichClient, call: Call) -> str:
    """Make a call about a stack; returns the id of the stack that it is about.

    Raises:
        ImmichError: the call failed.
    """
    match call:
        case Post(ids):
            return client.create_stack(ids).id
        case Put(stack_id, primary):
            client.update_stack(stack_id, primary)
        case Remove(stack_id, asset_id):
            client.remove_from_stack(stack_id, asset_id)
        case Delete(stack_id):
            client.delete_stack(stack_id)
    return call.stack_id
