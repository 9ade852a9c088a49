"""Files that came back somewhere else: an asset's id moves with its content, also across disks."""

from immich_pipeline.sources.reconcile import adopt_moves
from immich_pipeline.store.frames import Frames
from immich_pipeline.store.library import returned_assets, take_over


def adopt_returned(frames: Frames) -> int:
    """Give assets that are gone the new places of their content; returns how many came back."""
    candidates = returned_assets(frames)
    if candidates.is_empty():
        return 0
    pairs = adopt_moves(candidates)
    take_over(frames, pairs)
    return len(pairs)
