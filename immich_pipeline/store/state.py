"""What changed, and what was computed from what: so that work whose inputs are the same is not done again."""

import json
from collections.abc import Iterable, Mapping

import polars as pl

from immich_pipeline.store.frames import Frames, Table

COMPUTED = Table("pipeline", "computed", ("asset",))


def bump(frames: Frames, topic: str) -> None:
    """Say, in the transaction that changed them, that the rows of a topic are no longer what they were."""
    frames.execute(
        "INSERT INTO pipeline.revision AS r (topic, number) VALUES ($1, 1) ON CONFLICT (topic) DO UPDATE SET number = r.number + 1",
        topic,
    )


def fingerprint(frames: Frames, topics: Iterable[str], parameters: Mapping[str, object]) -> str:
    """What an asset's result depends on: the revisions of its inputs and the parameters (code version, radius, ...)."""
    known = dict(frames.read("SELECT topic, number FROM pipeline.revision").iter_rows())
    inputs = {topic: known.get(topic, 0) for topic in topics}
    return json.dumps({"inputs": inputs, "parameters": dict(parameters)}, sort_keys=True, default=str)


def is_current(frames: Frames, asset: str, inputs: str) -> bool:
    """Whether the asset was last computed from exactly these inputs."""
    return bool(frames.scalar("SELECT inputs FROM pipeline.computed WHERE asset = $1", asset) == inputs)


def mark_computed(frames: Frames, asset: str, inputs: str) -> None:
    """Remember the inputs, in the same transaction as the result."""
    frames.merge(COMPUTED, pl.DataFrame({"asset": [asset], "inputs": [inputs]}))
