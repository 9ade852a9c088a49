"""What the executors of duplicates ask of the pipeline's database, and tell it."""

from collections.abc import Collection

from immich_pipeline.store.database import Database
from immich_pipeline.store.decisions import still_decided
from immich_pipeline.store.details import forget_details
from immich_pipeline.store.folder_files import is_looked_after, roles_of


class StoredDecisions:
    """Implements `duplicate_executor.Memory` and `quarantine.Memory`."""

    def __init__(self, database: Database, policy: str | None = None) -> None:
        """Take over the database; each question is a transaction of its own. What was decided by another policy does not count."""
        self._database, self._policy = database, policy

    def decided(self, set_id: str, keeper_id: str, loser_ids: Collection[str]) -> bool:
        """See `Memory`."""
        with self._database.frames() as frames:
            return still_decided(frames, set_id, keeper_id, loser_ids, self._policy)

    def stale(self, asset_ids: Collection[str]) -> None:
        """See `duplicate_executor.Memory`."""
        with self._database.frames() as frames:
            forget_details(frames, asset_ids)

    def is_looked_after(self, root: bytes, owner: str) -> bool:
        """See `quarantine.Memory`."""
        with self._database.frames() as frames:
            return is_looked_after(frames, root, owner)

    def roles(self, asset_ids: Collection[str]) -> set[tuple[str, str]]:
        """See `quarantine.Memory`."""
        with self._database.frames() as frames:
            return roles_of(frames, asset_ids)
