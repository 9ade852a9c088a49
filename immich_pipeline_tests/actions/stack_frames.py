"""Captures and servers, small, as frames; and a server that does with stacks what Immich was seen to do."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from immich_pipeline.actions.model import Action
from immich_pipeline.actions.stacking import Call, Delete, Post, Put, Remove, Stacked, next_call
from immich_pipeline.actions.stacks import OURS_SCHEMA, PRESENT_SCHEMA
from immich_pipeline.grouping.schema import CAPTURE_SCHEMA


def captures(*groups: Sequence[str], rule: str = "raw_jpeg.same_time") -> pl.DataFrame:
    """Each of asset ids, the primary one first."""
    rows = [
        (f"g-{'-'.join(sorted(group))}", asset, "raw_jpeg", "rendered", place == 0, rule, 1.0, "One capture.")
        for group in groups
        for place, asset in enumerate(group)
    ]
    return pl.DataFrame(rows, schema=CAPTURE_SCHEMA, orient="row")


class FakeServer:
    """Which asset is in which stack, and which asset is on top."""

    def __init__(self, assets: Mapping[str, str] | Iterable[str]) -> None:
        """`assets`: owners by asset id, or ids of one owner's assets."""
        self.owners = dict(assets) if isinstance(assets, Mapping) else dict.fromkeys(assets, "ann")
        self.hidden: set[str] = set()
        self.stack_of: dict[str, str] = {}
        self.primaries: dict[str, str] = {}
        self.calls: list[Call] = []
        self.ours: dict[str, Stacked] = {}
        self._made = 0

    @property
    def stacks(self) -> dict[str, Stacked]:
        """What the server shows: no trashed members, but a trashed primary asset."""
        shown = {stack: frozenset(self.members(stack)) - self.hidden for stack in self.primaries}
        return {stack: Stacked(self.primaries[stack], members) for stack, members in shown.items() if members}

    def members(self, stack: str) -> list[str]:
        return sorted(asset for asset, where in self.stack_of.items() if where == stack)

    def post(self, *ids: str) -> str:
        self._made += 1
        new = f"s{self._made}"
        merged = [stack for stack, top in self.primaries.items() if top in ids]
        everything = {*ids, *(asset for stack in merged for asset in self.members(stack) if asset not in self.hidden)}
        for stack in merged:
            self.delete(stack)
        self.primaries[new] = ids[0]
        self.stack_of |= dict.fromkeys(everything, new)
        return new

    def remove(self, stack: str, asset: str) -> None:
        assert self.stack_of[asset] == stack
        assert self.primaries[stack] != asset
        del self.stack_of[asset]

    def delete(self, stack: str) -> None:
        for asset in self.members(stack):
            del self.stack_of[asset]
        del self.primaries[stack]

    def do(self, call: Call) -> None:
        self.calls.append(call)
        match call:
            case Post(ids):
                self.post(*ids)
            case Put(stack, primary):
                assert primary in self.members(stack)
                self.primaries[stack] = primary
            case Remove(stack, asset):
                self.remove(stack, asset)
            case Delete(stack):
                self.delete(stack)

    def apply(self, actions: Iterable[Action]) -> None:
        """As the executor, and remember what is ours."""
        for action in actions:
            touched = {stack: known for stack, known in self.stacks.items() if known.members & set(action.subjects)}
            assert {stack: known.as_json() for stack, known in touched.items()} == action.preconditions["stacks"]
            wanted = [Stacked.told(one["primary"], one["members"]) for one in action.payload["wanted"]]
            while True:
                now = {stack: known for stack, known in self.stacks.items() if known.members & set(action.subjects)}
                call = next_call(now, wanted)
                if call is None:
                    break
                self.do(call)
            kept = {stack: known for stack, known in self.ours.items() if stack not in touched}
            self.ours = kept | {
                stack: known for stack, known in now.items() if stack not in touched or stack in self.ours
            }

    def present(self) -> pl.DataFrame:
        rows = []
        for asset, owner in self.owners.items():
            stack = self.stack_of.get(asset)
            top = self.primaries[stack] if stack else None
            rows.append((asset, owner, asset.encode(), "timeline", asset in self.hidden, False, stack, top))
        return pl.DataFrame(rows, schema=PRESENT_SCHEMA, orient="row")

    def our_frame(self) -> pl.DataFrame:
        rows = [(stack, asset, asset == known.primary) for stack, known in self.ours.items() for asset in known.members]
        return pl.DataFrame(rows, schema=OURS_SCHEMA, orient="row")
